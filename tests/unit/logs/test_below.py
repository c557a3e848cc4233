"""The buffer of records below the level, and the sampling of debug records by trace."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import obsv
from obsv.hotpath import span as hot
from obsv.hotpath.records import LogRecord
from obsv.hotpath.span import Remote, attach, detach
from obsv.logs import below, features
from obsv.logs.below import Buffer
from obsv.testing import capture

if TYPE_CHECKING:
    from collections.abc import Iterator

log = obsv.get_logger("test")


def seen(**settings: Any) -> capture:
    config = {"signals": False, "flush_interval": 0.05, "log_level": "INFO", "log_hooks": "none", **settings}
    return capture(patch="logging", config=config)


@pytest.fixture
def library() -> Iterator[logging.Logger]:
    """A library's logger, below a root as a fresh program has it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = []
    root.setLevel(logging.WARNING)
    yield logging.getLogger("library")
    root.handlers[:] = handlers
    root.setLevel(level)


def messages(records: list[LogRecord]) -> list[str]:
    return [record.message for record in records]


def test_off_by_default_nothing_is_held_and_nothing_watches() -> None:
    with seen() as found:
        with obsv.span("x"):
            log.debug("d")
            log.info("i")
        assert hot.OUTLET.watcher is None
        assert messages(found.logs) == ["i"]
        assert obsv.status()["logs"] == {}


def test_records_of_a_trace_that_ends_well_are_never_written() -> None:
    with seen(log_buffer="20KiB") as found:
        with obsv.span("good"):
            log.debug("held")
            assert obsv.status()["logs"]["buffered"] == 1
        assert messages(found.logs) == []
        assert obsv.status()["logs"] == {"buffered": 0, "released": 0, "evicted": 0}


@pytest.mark.parametrize("how", ["exception", "status"])
def test_a_trace_that_fails_brings_its_records_along(how: str) -> None:
    with seen(log_buffer="20KiB") as found:
        try:
            with obsv.span("root") as root:
                log.debug("first", order=7)
                with obsv.span("child"):
                    log.debug("second")
                if how == "exception":
                    raise ValueError("boom")
                root.set_status("error")
        except ValueError:
            pass
        assert messages(found.logs) == ["first", "second"]
        assert found.logs[0].fields == {"order": 7}
        assert {record.trace_id for record in found.logs} == {found.span("root").trace_id}


def test_a_child_that_fails_in_a_root_that_does_not_writes_nothing() -> None:
    with seen(log_buffer="20KiB") as found:
        with obsv.span("root"):
            log.debug("held")
            try:
                with obsv.span("child"):
                    raise ValueError
            except ValueError:
                pass
        assert messages(found.logs) == []


def test_an_error_record_brings_along_what_was_held_and_what_follows() -> None:
    with seen(log_buffer="20KiB") as found:
        with obsv.span("root"):
            with obsv.span("child"):
                log.debug("before")
            log.error("it failed")
            log.debug("after")
        with obsv.span("next"):
            log.debug("of another trace")
        assert messages(found.logs) == ["before", "it failed", "after"]


def test_an_error_record_need_not_bring_anything_along() -> None:
    with seen(log_buffer="20KiB", log_buffer_on_error=False) as found:
        with obsv.span("root"):
            log.debug("before")
            log.error("it failed")
        assert messages(found.logs) == ["it failed"]


def test_records_outside_of_a_trace_are_not_held() -> None:
    with seen(log_buffer="20KiB", log_sample=1.0) as found:
        log.debug("nowhere")
        log.error("e")
        assert messages(found.logs) == ["e"]


def test_a_trace_that_was_sampled_out_fails_too() -> None:
    with seen(log_buffer="20KiB", sample=0.0) as found:
        obsv.hotpath.span.OUTLET.set_ratio(0.0)  # type: ignore[attr-defined]
        with pytest.raises(ValueError), obsv.span("root"):  # noqa: PT011, PT012
            with obsv.span("child"):
                log.debug("held")
            raise ValueError
        with obsv.span("good"):
            log.debug("never")
        assert messages(found.logs) == ["held"]
        assert found.spans == []
        assert obsv.status()["logs"]["buffered"] == 0


def test_two_local_roots_of_one_trace_do_not_share() -> None:
    with seen(log_buffer="20KiB") as found:
        parent = Remote(1, 2, 3, 1)
        inside, leave = threading.Event(), threading.Event()

        def failing() -> None:
            token = attach(parent)
            try:
                with obsv.span("failing"):
                    log.debug("of the failing one")
                    inside.set()
                    leave.wait(10)
                    raise ValueError
            except ValueError:
                pass
            finally:
                detach(token)

        thread = threading.Thread(target=failing)
        thread.start()
        inside.wait(10)
        token = attach(parent)
        with obsv.span("good"):
            log.debug("of the good one")
        detach(token)
        leave.set()
        thread.join(10)
        assert messages(found.logs) == ["of the failing one"]


def test_records_of_libraries_are_held_and_other_handlers_see_none_of_them(library: logging.Logger) -> None:
    others: list[str] = []

    class Other(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            others.append(record.getMessage())

    other = Other()
    logging.getLogger().addHandler(other)
    with seen(log_buffer="20KiB") as found:
        logging.getLogger().setLevel("WARNING")  # what the program wants after init() counts
        library.addHandler(other)
        try:
            with pytest.raises(ValueError), obsv.span("root"):  # noqa: PT011, PT012
                library.debug("held %d", 1)
                library.info("held %d", 2)
                library.warning("written")
                raise ValueError
        finally:
            library.removeHandler(other)
        assert messages(found.logs) == ["written", "held 1", "held 2"]
        assert set(others) == {"written"}
    assert logging.getLogger().level == logging.WARNING
    assert logging.Logger.callHandlers.__module__ == "logging"
    assert logging.Logger.setLevel.__module__ == "logging"


def test_a_logger_with_a_level_of_its_own_keeps_it(library: logging.Logger) -> None:
    library.setLevel(logging.INFO)
    try:
        with seen(log_buffer="20KiB") as found:
            with obsv.span("root"):
                library.debug("not made")
                library.info("written")
                log.error("e")
            assert messages(found.logs) == ["written", "e"]
    finally:
        library.setLevel(logging.NOTSET)


def test_a_later_basic_config_works_as_without_obsv(fresh_root: logging.Logger) -> None:
    library = logging.getLogger("library")
    with seen(log_buffer="20KiB") as found:
        logging.basicConfig(level=logging.ERROR)
        with obsv.span("root"):
            library.debug("held")
            library.warning("held too")
            library.error("written")
            assert messages(found.logs) == ["held", "held too", "written"]
    assert fresh_root.level == logging.ERROR


def test_values_are_settled_when_the_record_is_held() -> None:
    with seen(log_buffer="20KiB") as found:
        items = [1, 2]
        with pytest.raises(ValueError), obsv.span("root"):  # noqa: PT011, PT012
            with obsv.log_context(job="nightly"):
                log.debug("held", items=items)
            items.append(3)
            raise ValueError
        assert found.logs[0].fields == {"job": "nightly", "items": (1, 2)}


def test_the_oldest_records_of_a_trace_make_room_and_are_counted() -> None:
    with seen(log_buffer="1MiB", log_buffer_records=3) as found:
        with pytest.raises(ValueError), obsv.span("root"):  # noqa: PT011, PT012
            for number in range(10):
                log.debug(str(number))
            raise ValueError
        assert messages(found.logs) == ["7", "8", "9"]
        assert found.logs[0].fields == {"evicted": 7}
        assert obsv.status()["logs"] == {"buffered": 0, "released": 3, "evicted": 7}


def record(trace: int, size: int) -> LogRecord:
    made = LogRecord(1, 5, "DEBUG", "x" * size, "test", None)
    made.trace_lo, made.id64 = trace, 1
    return made


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 3000)), max_size=60))
def test_the_bounds_hold_whatever_comes(given_records: list[tuple[int, int]]) -> None:
    buffer = Buffer(4000, 4, 9000)
    for trace, size in given_records:
        buffer.hold(record(trace, size))
        held = [sum(size for _, size in each.records) for each in buffer.traces.values()]
        assert [each.size for each in buffer.traces.values()] == held
        assert buffer.size == sum(held) <= 9000
        assert all(size <= 4000 for size in held)
        assert all(len(each.records) <= 4 for each in buffer.traces.values())
    assert buffer.waiting() + buffer.evicted == len(given_records)


def test_the_number_of_traces_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(below, "MAX_TRACES", 3)
    buffer = Buffer(4000, 4, 9000)
    for trace in range(1, 11):
        buffer.hold(record(trace, 1))
    assert len(buffer.traces) == 3
    assert (buffer.waiting(), buffer.evicted) == (3, 7)


def test_debug_records_of_the_chosen_share_of_traces_are_written() -> None:
    with seen(log_sample=0.5) as found:
        for trace_lo, expected in ((1, ["d"]), (2**64 - 1, [])):
            token = attach(Remote(7, trace_lo, 3, 1))
            before = len(found.logs)
            with obsv.span("x"):
                log.debug("d")
            detach(token)
            assert messages(found.logs[before:]) == expected
        assert features.status() == {}


def test_sampling_and_buffer_together(library: logging.Logger) -> None:
    with seen(log_sample=0.5, log_buffer="20KiB") as found:
        token = attach(Remote(7, 1, 3, 1))
        with obsv.span("chosen"):
            library.debug("at once")
            assert messages(found.logs) == ["at once"]
        detach(token)
        token = attach(Remote(7, 2**64 - 1, 3, 1))
        with obsv.span("not chosen"):
            library.debug("held")
        detach(token)
        assert messages(found.logs) == ["at once"]


def test_a_record_made_while_the_held_ones_are_written_breaks_nothing() -> None:
    class Logs:
        name = "logs"
        signals = frozenset({"logs"})
        immediate = frozenset({"logs"})

        def open(self, resource: object) -> None: ...

        def send(self, batch: object) -> None: ...

        def close(self) -> None: ...

        def write(self, made: LogRecord) -> None:
            written.append(made.message)
            if made.message == "held":
                log.debug("made while writing")

    written: list[str] = []
    obsv.init(logs=[Logs()], traces="none", metrics="none", patch=False,
              config={"log_buffer": "20KiB", "signals": False, "log_hooks": "none"})  # fmt: skip
    with obsv.span("root"):
        log.debug("held")
        log.error("e")
    assert written[:2] == ["held", "e"] or written[:2] == ["held", "made while writing"]
    assert set(written) == {"held", "e", "made while writing"}


def test_the_level_of_a_logger_says_that_debug_records_are_wanted() -> None:
    with seen(log_buffer="20KiB"):
        assert log.level == 5
    with seen():
        assert log.level == 9
