"""The forms of log lines: Elastic Common Schema, OpenTelemetry, Powertools (against Powertools itself), own keys."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from hypothesis import given
from hypothesis import strategies as st

from obsv.hotpath.errors import ErrorInfo
from obsv.hotpath.records import LogRecord
from obsv.logs.jsonlines import JsonLines
from obsv.settings import resolve
from obsv.sinks.json import lines

MOMENT = 1_700_000_000_123_456_789  # 2023-11-14T22:13:20.123456789Z
RESOURCE = {"service.name": "shop", "service.version": "1.4", "deployment.environment.name": "test", "host.name": "h"}


def writer(**config: Any) -> Any:
    return lines(resolve({"service": "shop", "config": config}, raise_strict=False), RESOURCE)


def record(body: Any = "paid", **fields: Any) -> LogRecord:
    made = LogRecord(MOMENT, 9, "INFO", body, "shop.orders", fields)
    made.trace_hi, made.trace_lo, made.id64, made.flags = 0x0AF7651916CD43DD, 0x8448EB211C80319C, 0xB7AD6B7169203331, 1
    made.code = ("/app/orders.py", 42, "place")
    return made


def failed() -> LogRecord:
    made = record("failed")
    made.level, made.severity = "ERROR", 17
    try:
        raise ValueError("no stock")
    except ValueError as error:
        error.add_note("ask the warehouse")
        made.error = ErrorInfo.capture(error)
    return made


def parse(text: str) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({name for name, _ in pairs}) == len(pairs), "a name comes twice"
        return dict(pairs)

    assert "\n" not in text
    parsed: dict[str, Any] = json.loads(text, object_pairs_hook=once)
    return parsed


# ---- Elastic Common Schema


def test_ecs_line() -> None:
    """ECS logging specification: these keys, ``@timestamp``, ``log.level`` and ``message`` first."""
    assert writer(log_format="ecs").line(record(order=7)) == (
        '{"@timestamp":"2023-11-14T22:13:20.123Z","log.level":"info","message":"paid","ecs.version":"8.11.0",'
        '"service.name":"shop","service.version":"1.4","service.environment":"test","log.logger":"shop.orders",'
        '"trace.id":"0af7651916cd43dd8448eb211c80319c","span.id":"b7ad6b7169203331",'
        '"log.origin.file.name":"orders.py","log.origin.file.line":42,"log.origin.function":"place",'
        '"labels":{"order":7}}'
    )


def test_ecs_error() -> None:
    found = parse(writer(log_format="ecs").line(failed()))
    assert (found["error.type"], found["error.message"]) == ("ValueError", "no stock")
    assert found["error.stack_trace"].endswith("ValueError: no stock\nask the warehouse\n")


def test_ecs_labels_have_no_dots_and_no_structures() -> None:
    """ECS, "labels": "values are keyword... no nested objects; dots are replaced"."""
    found = parse(writer(log_format="ecs").line(record(**{"shop.id": 1, "items": [1, 2], "user": "u", "ok": True})))
    assert found["labels"] == {"shop_id": 1, "items": "[1,2]", "user": "u", "ok": True}


def test_ecs_fields_of_its_own_stay_at_the_top() -> None:
    made = record(**{"http.request.method": "GET", "error.type": "mine"})
    found = parse(writer(log_format="ecs").line(made))
    assert found["http.request.method"] == "GET"
    assert found["labels"] == {"error_type": "mine"}


def test_ecs_message_is_text() -> None:
    assert parse(writer(log_format="ecs").line(record({"a": 1})))["message"] == '{"a":1}'


# ---- OpenTelemetry


def test_otel_line() -> None:
    """OpenTelemetry, "Logs Data Model": its field names, nanoseconds, severity number and text."""
    found = parse(writer(log_format="otel").line(record({"a": [1]}, order=7)))
    assert found == {
        "Timestamp": str(MOMENT),
        "TraceId": "0af7651916cd43dd8448eb211c80319c",
        "SpanId": "b7ad6b7169203331",
        "TraceFlags": 1,
        "SeverityText": "INFO",
        "SeverityNumber": 9,
        "Body": {"a": [1]},
        "Resource": RESOURCE,
        "InstrumentationScope": {"name": "shop.orders"},
        "Attributes": {
            "code.file.path": "/app/orders.py",
            "code.line.number": 42,
            "code.function.name": "place",
            "order": 7,
        },
    }


def test_otel_error_and_event() -> None:
    made = failed()
    made.event_name = "order.failed"
    found = parse(writer(log_format="otel").line(made))
    assert found["EventName"] == "order.failed"
    assert found["Attributes"]["exception.type"] == "ValueError"
    assert "no stock" in found["Attributes"]["exception.stacktrace"]


# ---- Powertools


def powertools(*, failing: bool = False) -> dict[str, Any]:
    stream = io.StringIO()
    logger = Logger(service=f"shop-{failing}", stream=stream, utc=True)
    logger.append_keys(order=7)
    if failing:
        try:
            error = ValueError("no stock")
            error.add_note("ask the warehouse")
            raise error
        except ValueError:
            logger.exception("failed", total=1.5)
    else:
        logger.info("paid", total=1.5, items=[1], extra={"a": None})
    return {**parse(stream.getvalue().strip()), "service": "shop"}


def test_powertools_line_has_its_keys_in_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1")
    theirs = powertools()
    ours = parse(writer(log_format="powertools").line(record(order=7, total=1.5, items=[1], a=None)))
    fixed = [key for key in theirs if key not in ("a", "total", "items")]  # those of a call have no order there
    assert [key for key in ours if key not in ("a", "total", "items")] == fixed
    for volatile in ("location", "timestamp"):
        assert len(ours[volatile].split(" ")) == len(theirs[volatile].split(" "))
        del ours[volatile], theirs[volatile]
    assert ours == theirs


def test_powertools_exception_has_its_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-0af76519-16cd43dd8448eb211c80319c")
    theirs = powertools(failing=True)
    ours = parse(writer(log_format="powertools").line(failed()))
    assert list(ours) == [key for key in theirs if key not in ("order", "total")]
    assert (ours["exception_name"], ours["exception_notes"]) == (theirs["exception_name"], theirs["exception_notes"])
    assert ours["exception"].splitlines()[-2:] == theirs["exception"].splitlines()[-2:]
    frame, their_frame = ours["stack_trace"]["frames"][0], theirs["stack_trace"]["frames"][0]
    assert list(frame) == list(their_frame)
    assert frame["statement"] == 'raise ValueError("no stock")'
    assert {**ours["stack_trace"], "frames": 0} == {**theirs["stack_trace"], "frames": 0}


def test_powertools_location_is_function_and_line() -> None:
    assert parse(writer(log_format="powertools").line(record()))["location"] == "place:42"


# ---- own keys and order


def test_members_under_other_keys_left_out_and_in_another_order() -> None:
    made = writer(
        log_keys="level=severity,logger=,xray_trace_id=xray,environment=env,fields=extra", log_order="message,level"
    )
    assert made.line(record(order=7, level="mine")) == (
        '{"message":"paid","severity":"INFO","timestamp":"2023-11-14T22:13:20.123Z","service":"shop",'
        '"trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"b7ad6b7169203331",'
        '"xray":"1-0af76519-16cd43dd8448eb211c80319c","location":"/app/orders.py:42","env":"test",'
        '"extra":{"order":7,"level":"mine"}}'
    )


def test_a_field_never_takes_a_key_of_the_line() -> None:
    found = parse(writer(log_keys="level=severity").line(record(severity="mine", severity_="too", level="free")))
    assert (found["severity"], found["severity__"], found["severity_"], found["level"]) == (
        "INFO", "mine", "too", "free",
    )  # fmt: skip


def test_two_members_under_one_key_are_kept_apart() -> None:
    found = parse(writer(log_keys="level=x,logger=x").line(record()))
    assert (found["x"], found["x_"]) == ("INFO", "shop.orders")


def test_a_preset_in_another_order() -> None:
    line = writer(log_format="ecs", log_order="message").line(record())
    assert line.startswith('{"message":"paid","@timestamp":')


def test_wrong_names_are_told_and_the_others_used() -> None:
    settings = resolve({"config": {"log_keys": "level=severity,nonsense=x", "log_order": "message,nonsense"}})
    assert settings.log_keys == {"level": "severity"}
    assert settings.log_order == ("message",)
    assert len(settings.problems) == 2


def test_xray_ids_are_in_the_lines_where_traces_go_to_xray() -> None:
    settings = resolve({"service": "shop", "traces": "xray"}, raise_strict=False)
    made = lines(settings, RESOURCE)
    assert type(made) is JsonLines
    for _ in range(2):
        found = parse(made.line(record()))
        assert found["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
        assert found["xray_trace_id"] == "1-0af76519-16cd43dd8448eb211c80319c"
    assert "xray_trace_id" not in parse(lines(resolve({"traces": "memory"}), RESOURCE).line(record()))


# ---- all of them, whatever comes

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)) | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.sets(st.integers()),
    max_leaves=10,
)


@pytest.mark.parametrize("form", ["cloudwatch", "powertools", "ecs", "otel"])
@given(body=anything, fields=st.dictionaries(st.text(st.characters(codec=None)), anything, max_size=6))
def test_every_line_is_one_json_object(form: str, body: Any, fields: dict[str, Any]) -> None:
    made = record(body)
    made.fields = fields
    config = {"log_order": "message"} if form == "cloudwatch" else {"log_format": form}
    one = writer(**config)
    found = parse(one.line(made))
    assert found
    assert one.data(made) == one.line(made).encode() + b"\n"


@pytest.mark.parametrize("form", ["powertools", "ecs", "otel"])
def test_a_long_line_is_shortened(form: str) -> None:
    text = writer(log_format=form).line(record("x" * 1_000_000))
    assert len(text.encode()) <= 262_144
    assert parse(text)["truncated"] == 1
