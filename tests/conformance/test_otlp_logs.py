"""OTLP logs: our bytes, read by OpenTelemetry's own classes, are the records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from obsv.hotpath import faults
from obsv.hotpath.errors import ErrorInfo
from obsv.hotpath.otlp import logs, resource_bytes
from obsv.hotpath.records import LogRecord
from obsv.hotpath.span import Scope
from obsv.hotpath.values import clean
from otlp_data import attributes, expected, expected_pairs, ids, moments, pairs, plain, same, texts, utf8

if TYPE_CHECKING:
    import pytest

NOTHING = resource_bytes({})


class Unreadable:
    def __str__(self) -> str:
        raise RuntimeError


def parse(records: list[LogRecord]) -> Any:
    [resource] = ExportLogsServiceRequest.FromString(logs(records, NOTHING)).resource_logs
    return resource.scope_logs


def only(record: LogRecord) -> Any:
    [scope] = parse([record])
    [found] = scope.log_records
    return found


@given(
    moments,
    st.integers(0, 24),
    texts,
    texts,
    texts,
    attributes,
    st.none() | st.tuples(ids, ids, ids, st.integers(0, 255)),
)
def test_every_field(
    time: int, severity: int, level: str, body: str, logger: str, fields: dict[str, Any], span: Any
) -> None:
    record = LogRecord(time, severity, level, body, logger, fields or None)
    if span is not None:
        record.trace_hi, record.trace_lo, record.id64, record.flags = span
    [scope] = parse([record])
    assert scope.scope.name == utf8(logger)
    [got] = scope.log_records
    assert (got.time_unix_nano, got.observed_time_unix_nano) == (time, time)
    assert (got.severity_number, got.severity_text) == (severity, utf8(level))
    assert plain(got.body) == expected(body)
    assert same(pairs(got.attributes), expected_pairs({key: clean(value) for key, value in fields.items()}))
    if span is None:
        assert (got.trace_id, got.span_id, got.flags) == (b"", b"", 0)
    else:
        assert got.trace_id == record.trace_hi.to_bytes(8, "big") + record.trace_lo.to_bytes(8, "big")
        assert got.span_id == record.id64.to_bytes(8, "big")
        assert got.flags == record.flags


def test_an_exception_and_the_place_of_the_call() -> None:
    record = LogRecord(1, 17, "ERROR", "failed", "shop")
    try:
        raise KeyError("k")
    except KeyError as error:
        record.error = ErrorInfo.capture(error)
    record.code = ("/app/shop.py", 7, "charge")
    found = dict(pairs(only(record).attributes))
    assert found.pop("exception.stacktrace").endswith("KeyError: 'k'\n")
    assert found == {
        "exception.type": "KeyError",
        "exception.message": "'k'",
        "code.file.path": "/app/shop.py",
        "code.line.number": 7,
        "code.function.name": "charge",
    }


def test_fields_that_cannot_be_read_lose_only_themselves() -> None:
    fields: dict[Any, Any] = {"bad": Unreadable(), 5: "five", Unreadable(): 1, "good": 1}
    assert pairs(only(LogRecord(1, 9, "INFO", "x", "l", fields)).attributes) == [
        ("bad", "<Unreadable: its text cannot be read>"),
        ("5", "five"),
        ("<Unreadable: its text cannot be read>", 1),
        ("good", 1),
    ]


def test_bodies_and_names_that_are_no_text() -> None:
    bodies: list[Any] = [5, -1.5, True, b"\x00\xff", (1, "a"), {"a": {"b": (1,)}}, ""]
    for body in bodies:
        assert same(plain(only(LogRecord(1, 9, "INFO", body, "l")).body), expected(body))
    assert plain(only(LogRecord(1, 9, "INFO", None, "l")).body) is None
    odd: Any = Unreadable()
    found = only(LogRecord(1, 9, odd, odd, "l"))
    assert (plain(found.body), found.severity_text) == (("<Unreadable: its text cannot be read>"),) * 2


def test_what_opentelemetrys_api_adds() -> None:
    record = LogRecord(7, 0, "", None, "shop", {"exception.type": "mine"})
    record.scope = Scope("shop", "1.2", None, "https://schema", {"a": 1})
    record.timed, record.observed_ns, record.event_name, record.dropped = False, 7, "paid", 3
    try:
        raise KeyError("k")
    except KeyError as error:
        record.error = ErrorInfo.capture(error)
    record.max_length = 2
    [scope] = parse([record])
    assert (scope.scope.name, scope.scope.version, scope.schema_url) == ("shop", "1.2", "https://schema")
    assert pairs(scope.scope.attributes) == [("a", 1)]
    [found] = scope.log_records
    assert (found.time_unix_nano, found.observed_time_unix_nano) == (0, 7)
    assert (found.event_name, found.dropped_attributes_count) == ("paid", 3)
    assert dict(pairs(found.attributes)) == {
        "exception.type": "mine",  # what the caller says, stays
        "exception.message": "'k",
        "exception.stacktrace": "Tr",
    }


def test_records_are_grouped_by_logger() -> None:
    records = [LogRecord(i, 9, "INFO", str(i), "ab"[i % 2]) for i in range(4)]
    found = [(scope.scope.name, [plain(record.body) for record in scope.log_records]) for scope in parse(records)]
    assert found == [("a", ["0", "2"]), ("b", ["1", "3"])]


def test_a_record_that_cannot_be_written_loses_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OBSV_RAISE")
    bad: Any = LogRecord("no time", 9, "INFO", "bad", "l")  # type: ignore[arg-type]
    before = faults.counts.get("encoding a log record", 0)
    [scope] = parse([LogRecord(1, 9, "INFO", "good", "l"), bad])
    assert [plain(record.body) for record in scope.log_records] == ["good"]
    assert faults.counts["encoding a log record"] == before + 1
