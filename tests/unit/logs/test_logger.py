from __future__ import annotations

import copy
import inspect
from typing import TYPE_CHECKING

import pytest

from obsv.hotpath import span as spans
from obsv.logs import outlet
from obsv.logs.logger import Logger, get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obsv.hotpath.records import LogRecord

METHODS = ["debug", "info", "warning", "error", "exception", "critical"]


@pytest.fixture(autouse=True)
def _removed() -> Iterator[None]:
    yield
    outlet.remove()


class Order:
    def __str__(self) -> str:
        return "order 7"


class Bad:
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("method", "level", "severity"),
    [
        ("debug", "DEBUG", 5),
        ("info", "INFO", 9),
        ("warning", "WARNING", 13),
        ("error", "ERROR", 17),
        ("exception", "ERROR", 17),
        ("critical", "CRITICAL", 21),
    ],
)
def test_record_of_each_level(records: list[LogRecord], method: str, level: str, severity: int) -> None:
    getattr(get_logger("shop"), method)("paid", order=7)
    (record,) = records
    assert (record.level, record.severity, record.body, record.logger) == (level, severity, "paid", "shop")
    assert record.fields == {"order": 7}
    assert (record.trace_id, record.span_id, record.flags, record.error, record.code) == (None, None, 0, None, None)
    assert record.time_ns > 1_600_000_000_000_000_000


def test_name_defaults_to_the_callers_module() -> None:
    assert get_logger().name == __name__


def test_name_may_be_anything() -> None:
    assert get_logger(Order()).name == "order 7"  # type: ignore[arg-type]


def test_fields_may_have_any_name(records: list[LogRecord]) -> None:
    get_logger("x").info("m", **{"self": 1, "msg": 2, "level": 3, "not a name": 4, "": 5})
    assert records[0].fields == {"self": 1, "msg": 2, "level": 3, "not a name": 4, "": 5}


def test_message_becomes_text(records: list[LogRecord]) -> None:
    log = get_logger("x")
    log.info(Order())
    log.info(Bad())
    log.info(None)
    log.info(b"bytes")
    assert records[0].body == "order 7"
    assert "Bad" in records[1].body
    assert [record.body for record in records[2:]] == ["None", "b'bytes'"]


def test_bind_adds_fields_and_leaves_the_logger_alone(records: list[LogRecord]) -> None:
    log = get_logger("x")
    bound = log.bind(a=1, b=1).bind(b=2)
    bound.info("m", c=3)
    bound.info("m", a=9)
    log.info("m")
    assert [record.fields for record in records] == [{"a": 1, "b": 2, "c": 3}, {"a": 9, "b": 2}, {}]
    assert bound.fields == {"a": 1, "b": 2}
    assert log.fields == {}
    assert bound.name == "x"


def test_bound_fields_are_not_the_records(records: list[LogRecord]) -> None:
    bound = get_logger("x").bind(a=1)
    bound.info("m")
    assert records[0].fields is not None
    records[0].fields["a"] = 2
    bound.fields["a"] = 3
    assert bound.fields == {"a": 1}


def test_lines_below_the_level_are_not_made() -> None:
    found: list[LogRecord] = []
    outlet.install([found.append], level="ERROR")
    log = get_logger("x")
    for method in METHODS:
        getattr(log, method)("m")
    assert [record.level for record in found] == ["ERROR", "ERROR", "CRITICAL"]
    assert log.level == 17


def test_quiet_methods_take_what_live_ones_take() -> None:
    log = get_logger("x")
    assert log.level == 25
    for method in METHODS:
        assert getattr(log, method)("m", exc_info=True, self=1) is None


def test_help_reads_the_same_on_and_off() -> None:
    off = [(inspect.signature(getattr(Logger, name)), inspect.getdoc(getattr(Logger, name))) for name in METHODS]
    outlet.install([lambda _: None], level="DEBUG")
    on = [(inspect.signature(getattr(Logger, name)), inspect.getdoc(getattr(Logger, name))) for name in METHODS]
    assert on == off
    assert all(doc for _, doc in on)


def test_loggers_made_before_come_alive_and_go_quiet() -> None:
    log = get_logger("x")
    bound = log.bind(a=1)
    found: list[LogRecord] = []
    log.error("before")
    outlet.install([found.append])
    log.info("now")
    bound.info("now too")
    log.debug("below")
    outlet.remove()
    log.critical("after")
    bound.critical("after")
    assert [record.body for record in found] == ["now", "now too"]


def test_a_line_carries_the_current_span(records: list[LogRecord], tracing: None) -> None:
    log = get_logger("x")
    with spans.span("outer") as outer:
        log.info("1")
        with spans.span("inner") as inner:
            log.info("2")
        log.info("3")
    log.info("4")
    assert [record.span_id for record in records] == [outer.span_id, inner.span_id, outer.span_id, None]
    assert {record.trace_id for record in records[:3]} == {outer.trace_id}
    assert records[3].trace_id is None
    assert records[0].flags & spans.SAMPLED


def test_a_line_below_a_remote_parent_carries_its_ids(records: list[LogRecord]) -> None:
    token = spans.attach(spans.Remote(1, 2, 3, 1))
    try:
        get_logger("x").info("m")
    finally:
        spans.detach(token)
    assert records[0].trace_id == "00000000000000010000000000000002"
    assert records[0].span_id == "0000000000000003"


def test_a_line_in_a_suppressed_context_has_no_ids(records: list[LogRecord]) -> None:
    token = spans.attach(spans.SUPPRESSED)
    try:
        get_logger("x").info("m")
    finally:
        spans.detach(token)
    assert records[0].trace_id is None


def test_an_unsampled_trace_is_named_all_the_same(
    records: list[LogRecord], tracing: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spans.OUTLET, "sample_all", False)
    monkeypatch.setattr(spans.OUTLET, "threshold", 0)
    with spans.span("s") as span:
        get_logger("x").info("m")
    assert records[0].span_id == span.span_id
    assert not records[0].flags & spans.SAMPLED


def raised() -> ValueError:
    try:
        raise ValueError("boom")
    except ValueError as error:
        return error


@pytest.mark.parametrize("given", ["instance", "tuple"])
def test_exc_info_names_an_exception(records: list[LogRecord], given: str) -> None:
    error = raised()
    exc_info = error if given == "instance" else (type(error), error, error.__traceback__)
    get_logger("x").warning("m", exc_info=exc_info, a=1)
    (record,) = records
    assert record.error is not None
    assert (record.error.type, record.error.message) == ("ValueError", "boom")
    assert record.error.stack()[-1][2] == "raised"
    assert record.fields == {"a": 1}


@pytest.mark.parametrize("given", [None, False, (None, None, None), 0, ()])
def test_exc_info_may_say_no(records: list[LogRecord], given: object) -> None:
    get_logger("x").error("m", exc_info=given)
    assert records[0].error is None
    assert records[0].fields == {}


def test_exception_takes_the_one_being_handled(records: list[LogRecord]) -> None:
    log = get_logger("x")
    try:
        raise KeyError("k")
    except KeyError:
        log.exception("failed")
        log.info("noted", exc_info=True)
        log.exception("not this time", exc_info=False)
    log.exception("nothing is handled")
    types = [record.error and record.error.type for record in records]
    assert types == ["KeyError", "KeyError", None, None]


def test_exception_with_a_broken_text(records: list[LogRecord]) -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    get_logger("x").error("m", exc_info=Broken())
    assert records[0].error is not None
    assert "Broken" in records[0].error.message


def test_percent_arguments_are_no_part_of_the_call(records: list[LogRecord]) -> None:
    with pytest.raises(TypeError):
        get_logger("x").info("%s", 1)  # type: ignore[call-arg]
    get_logger("x").info("100 % of %s")
    assert records[0].body == "100 % of %s"


def test_loggers_can_be_copied_and_shown() -> None:
    log = get_logger("x").bind(secret=1)
    assert copy.copy(log).fields == {"secret": 1}
    assert repr(log) == "Logger('x', secret=…)"
