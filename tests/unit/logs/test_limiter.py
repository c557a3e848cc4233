"""At most so many records a second from each line of code, and the places of calls that this needs."""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING

import pytest

import obsv
from meanwhile import meanwhile
from obsv.hotpath.records import LogRecord
from obsv.logs import handler, limiter, outlet, place
from obsv.logs.limiter import Limiter

if TYPE_CHECKING:
    from collections.abc import Iterator

log = obsv.get_logger("test")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(limiter, "monotonic", made)
    return made


@pytest.fixture
def three() -> Iterator[Limiter]:
    made = Limiter(3)
    outlet.stage(outlet.LIMIT, made)
    yield made
    outlet.stage(outlet.LIMIT, None)


def test_more_than_so_many_a_second_are_suppressed_and_told_by_the_next(
    records: list[LogRecord], clock: Clock, three: Limiter
) -> None:
    for number in range(11):
        if number == 10:
            clock.now += 1.0
        log.info("loop", n=number)
    assert [record.fields for record in records] == [{"n": 0}, {"n": 1}, {"n": 2}, {"n": 10, "suppressed": 7}]
    assert three.suppressed == 7


def test_other_threads_may_log_while_room_is_made(three: Limiter) -> None:
    places = itertools.count()

    def seen() -> None:
        number = next(places)
        three._sites[("file.py", number)] = limiter._Site(number)

    for _ in range(limiter.MAX_SITES):
        seen()
    with meanwhile(seen):
        three._make_room()
    assert ("file.py", 0) not in three._sites
    assert ("file.py", limiter.MAX_SITES - 1) in three._sites


def test_each_line_of_code_has_its_own_rate(records: list[LogRecord], clock: Clock, three: Limiter) -> None:
    for _ in range(5):
        log.info("a")
        log.info("b")
    assert [record.message for record in records].count("a") == 3
    assert [record.message for record in records].count("b") == 3


def test_the_place_of_a_standard_record_is_the_one_that_logging_found(
    records: list[LogRecord], clock: Clock, three: Limiter, fresh_root: logging.Logger
) -> None:
    handler.install("DEBUG")
    for _ in range(5):
        logging.getLogger("lib").warning("w")
    assert len(records) == 3


def test_a_clock_that_jumps_back_suppresses_nothing_for_long(
    records: list[LogRecord], clock: Clock, three: Limiter
) -> None:
    for now in (100.0, 50.0):
        clock.now = now
        for _ in range(4):
            log.info("x")
    assert len(records) == 6


def test_the_sites_are_bounded(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr(limiter, "MAX_SITES", 8)
    made = Limiter(1)
    for line in range(100):
        clock.now += 0.001
        record = LogRecord(1, 9, "INFO", "m", "x", None)
        record.code = ("/app.py", line, "f")
        assert made(record) is record
        assert len(made._sites) <= 8


def test_a_record_with_the_place_of_its_call(records: list[LogRecord]) -> None:
    outlet.stage(outlet.PLACE, place.add_place)
    try:
        log.info("m")
    finally:
        outlet.stage(outlet.PLACE, None)
    code = records[0].code
    assert code is not None
    assert code[0] == __file__
    assert code[2] == "test_a_record_with_the_place_of_its_call"


def test_a_stage_that_raises_loses_no_record(
    records: list[LogRecord], monkeypatch: pytest.MonkeyPatch, lost: object
) -> None:
    monkeypatch.delenv("OBSV_RAISE")

    def broken(record: LogRecord) -> LogRecord:
        raise RuntimeError("stage")

    outlet.stage(outlet.LIMIT, broken)
    try:
        log.info("m")
    finally:
        outlet.stage(outlet.LIMIT, None)
    assert [record.message for record in records] == ["m"]
    assert outlet.lost() == {"error": 1}


def test_status_tells_what_was_left_out() -> None:
    with obsv.testing.capture(  # type: ignore[attr-defined]
        patch=False, config={"signals": False, "log_rate_limit": 2, "log_hooks": "none", "log_location": True}
    ) as seen:
        for _ in range(5):
            log.info("x")
        assert [record.code[0] for record in seen.logs if record.code] == [__file__] * 2
        assert obsv.status()["logs"] == {"suppressed": 3}
    with obsv.testing.capture(patch=False):  # type: ignore[attr-defined]
        assert obsv.status()["logs"] == {}
