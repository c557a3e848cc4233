from __future__ import annotations

import logging

import pytest

from obsv.hotpath import span as spans
from obsv.logs.correlation import install_record_factory, remove_record_factory

pytestmark = pytest.mark.usefixtures("fresh_root")


def make() -> logging.LogRecord:
    return logging.getLogger("x").makeRecord("x", logging.INFO, "f.py", 1, "message", (), None)


def attributes(record: logging.LogRecord) -> tuple[object, ...]:
    return tuple(
        record.__dict__.get(name) for name in ("otelTraceID", "otelSpanID", "otelTraceSampled", "otelServiceName")
    )


def test_outside_of_a_span() -> None:
    install_record_factory("shop")
    assert attributes(make()) == ("0", "0", False, "shop")


def test_inside_a_span(tracing: None) -> None:
    install_record_factory("shop")
    with spans.span("s") as span:
        assert attributes(make()) == (span.trace_id, span.span_id, True, "shop")


def test_span_of_a_program_that_traces_nothing() -> None:
    install_record_factory("shop")
    with spans.span("s"):
        assert attributes(make()) == ("0", "0", False, "shop")


def test_thread_of_ours() -> None:
    install_record_factory("shop")
    token = spans.attach(spans.SUPPRESSED)
    try:
        assert attributes(make()) == ("0", "0", False, "shop")
    finally:
        spans.detach(token)


def test_a_programs_formatter_shows_them(tracing: None) -> None:
    install_record_factory("shop")
    formatter = logging.Formatter("%(message)s trace=%(otelTraceID)s span=%(otelSpanID)s of=%(otelServiceName)s")
    with spans.span("s") as span:
        assert formatter.format(make()) == f"message trace={span.trace_id} span={span.span_id} of=shop"


@pytest.mark.parametrize("name", ["trace_id", "span_id", "traceId", "service", "xray_trace_id"])
def test_programs_keep_their_extra_names(name: str) -> None:
    install_record_factory("shop")
    record = logging.getLogger("x").makeRecord("x", 20, "f.py", 1, "m", (), None, extra={name: "mine"})
    assert record.__dict__[name] == "mine"


def test_the_programs_factory_stays_in_use() -> None:
    class Own(logging.LogRecord):
        pass

    logging.setLogRecordFactory(Own)
    install_record_factory("shop")
    assert type(make()) is Own
    assert attributes(make())[3] == "shop"
    remove_record_factory()
    assert logging.getLogRecordFactory() is Own


def test_removal_restores() -> None:
    before = logging.getLogRecordFactory()
    install_record_factory("shop")
    remove_record_factory()
    assert logging.getLogRecordFactory() is before
    assert attributes(make()) == (None, None, None, None)


def test_a_factory_put_over_ours_stays_and_ours_stops_adding() -> None:
    install_record_factory("shop")
    ours = logging.getLogRecordFactory()

    def over(*args: object, **kwargs: object) -> logging.LogRecord:
        record: logging.LogRecord = ours(*args, **kwargs)
        record.over = True
        return record

    logging.setLogRecordFactory(over)
    remove_record_factory()
    assert logging.getLogRecordFactory() is over
    record = make()
    assert record.over is True  # type: ignore[attr-defined]
    assert attributes(record) == (None, None, None, None)
    install_record_factory("again")
    assert attributes(make())[3] == "again"


def test_twice_is_once() -> None:
    before = logging.getLogRecordFactory()
    install_record_factory("one")
    install_record_factory("two")
    assert attributes(make())[3] == "two"
    remove_record_factory()
    remove_record_factory()
    assert logging.getLogRecordFactory() is before


def test_a_programs_factory_that_raises_raises_as_before() -> None:
    def broken(*_: object, **__: object) -> logging.LogRecord:
        raise ValueError("theirs")

    logging.setLogRecordFactory(broken)
    install_record_factory("shop")
    with pytest.raises(ValueError, match="theirs"):
        make()
