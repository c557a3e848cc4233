"""OTLP as JSON says what the bytes say; the judge is protobuf's own JSON reader with OpenTelemetry's classes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf.json_format import Parse
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collectors import with_base64_ids
from obsv.hotpath.metrics import Counter, Gauge, Histogram
from obsv.hotpath.otlp import logs, resource_bytes, traces
from obsv.hotpath.otlp_metrics import metrics
from obsv.hotpath.values import clean
from obsv.sinks.otlp_json import partial_success, request_json
from otlp_data import attributes
from telemetry import Recorder, log, points

CLASSES = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}


def check(signal: str, body: bytes) -> dict[str, Any]:
    found = json.loads(request_json(signal, body))
    read = Parse(json.dumps(with_base64_ids(found)), CLASSES[signal]())
    sent = CLASSES[signal].FromString(body)
    assert repr(read) == repr(sent)  # by text: NaN is not equal to itself
    return found  # type: ignore[no-any-return]


@given(attributes)
def test_spans(found: dict[str, Any]) -> None:
    trace = Recorder().trace(children=2, x=1)
    for span in trace:
        span.attributes.update(clean(found))
    check("traces", traces([trace], resource_bytes(found)))


def test_a_span_in_words() -> None:
    [span] = Recorder().trace(n=7, share=0.5, yes=True, list=["a", 1])
    written = check("traces", traces([[span]], resource_bytes({"service.name": "shop"})))
    [spans] = written["resourceSpans"]
    assert spans["resource"] == {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    [sent] = spans["scopeSpans"][0]["spans"]
    assert (sent["traceId"], sent["spanId"]) == (span.trace_id, span.span_id)
    assert sent["startTimeUnixNano"] == str(span.start_ns)  # 64 bits are more than JSON's numbers carry
    assert {"key": "n", "value": {"intValue": "7"}} in sent["attributes"]
    assert isinstance(sent["kind"], int)  # OTLP/JSON: numbers of enums, never their names


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70), max_size=5))
def test_metrics(values: list[float]) -> None:
    def record(make: Any) -> None:
        for value in values:
            make(Counter, "c").add(abs(value), shop="north")
            make(Gauge, "g").set(value)
            make(Histogram, "h").record(value)

    check("metrics", metrics(points(record), resource_bytes({})))


@given(attributes, st.text())
def test_logs(found: dict[str, Any], body: str) -> None:
    record = log(body)
    record.fields = found
    check("logs", logs([record], resource_bytes({})))


@given(st.sampled_from(list(CLASSES)), st.binary(max_size=60))
def test_bytes_that_are_none_say_so(signal: str, data: bytes) -> None:
    try:
        request_json(signal, data)
    except (ValueError, IndexError):
        pass


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        (b'{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too\\nold"}}', (3, "too old")),
        (b'{"partialSuccess":{"rejectedDataPoints":2}}', (2, "")),
        (b"{}", (0, "")),
        (b"[]", (0, "")),
        (b"\xff", (0, "")),
        (b'{"partialSuccess":{"rejectedLogRecords":"many"}}', (0, "")),
    ],
)
def test_partial_success(answer: bytes, read: tuple[int, str]) -> None:
    assert partial_success(answer) == read
