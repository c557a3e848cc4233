"""Exporters that were written for the OpenTelemetry SDK, named by their entry points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricReader
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

import obsv
from grpc_collector import GrpcCollector
from obsv import entry_points
from obsv.hotpath import faults
from obsv.hotpath.metrics import Counter, Gauge, Histogram
from obsv.hotpath.span import CLIENT
from obsv.otel.view import readable
from obsv.settings import resolve
from obsv.sinks.base import Batch, Refused, Sent, create
from programs import run
from telemetry import Recorder, log, points, remote

if TYPE_CHECKING:
    from collections.abc import Iterator

RESOURCE = {"service.name": "shop"}
KEPT: dict[str, Any] = {}


class KeepsSpans(InMemorySpanExporter):
    def __init__(self) -> None:
        super().__init__()
        KEPT["traces"] = self


class KeepsLogs(InMemoryLogRecordExporter):
    def __init__(self) -> None:
        super().__init__()
        KEPT["logs"] = self


class KeepsMetrics(MetricExporter):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Any] = []
        KEPT["metrics"] = self

    def export(self, metrics_data: Any, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
        self.found.append(metrics_data)
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return True

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        pass


class Raises(SpanExporter):
    def export(self, spans: Any) -> SpanExportResult:
        raise RuntimeError("no")


class Fails(SpanExporter):
    def export(self, spans: Any) -> SpanExportResult:
        return SpanExportResult.FAILURE


class CannotBeMade(SpanExporter):
    def __init__(self) -> None:
        raise RuntimeError("no key")


class Reader(MetricReader):
    def _receive_metrics(self, metrics_data: Any, timeout_millis: float = 10_000, **kwargs: Any) -> None: ...

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None: ...


class Point:
    def __init__(self, kind: Any) -> None:
        self.kind = kind

    def load(self) -> Any:
        return self.kind


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Entry points as if a package had them: ``installed("traces", Class)`` is found under the name ``mine``."""
    found: dict[str, Any] = {}

    def find(group: str, name: str) -> Point | None:
        return Point(found[group]) if name == "mine" and group in found else None

    monkeypatch.setattr(entry_points, "find", find)
    faults.reset()
    yield lambda signal, kind: found.__setitem__(f"opentelemetry_{signal}_exporter", kind)
    KEPT.clear()
    faults.reset()


def sink(**chosen: str) -> Any:
    made = create("mine", resolve({"traces": "none", "metrics": "none", "logs": "none", **chosen}))
    made.open(RESOURCE)
    return made


def test_spans(installed: Any) -> None:
    installed("traces", KeepsSpans)
    made = sink(traces="mine")
    recorder = Recorder("a scope")
    parent = recorder.start("parent")
    span = recorder.start("GET /", remote(parent), kind=CLIENT, n=1)
    span.add_event("event", {"a": 1})
    span.record_exception(ValueError("bad"))
    span.add_link(parent.get_span_context(), {"why": "test"})
    span.set_status("error", "it broke")
    span.end()
    assert type(made.send(Batch("traces", recorder.traces(), RESOURCE))) is Sent
    [sent] = KEPT["traces"].get_finished_spans()
    assert (sent.name, sent.kind) == ("GET /", SpanKind.CLIENT)
    assert sent.context.trace_id == int(span.trace_id, 16)
    assert sent.context.span_id == span.id64
    assert (sent.parent.span_id, sent.parent.is_remote) == (parent.id64, True)
    assert sent.attributes == {"n": 1}
    assert [event.name for event in sent.events] == ["event", "exception"]
    assert sent.events[1].attributes["exception.type"] == "ValueError"
    assert [dict(link.attributes) for link in sent.links] == [{"why": "test"}]
    assert (sent.status.status_code, sent.status.description) == (StatusCode.ERROR, "it broke")
    assert (sent.start_time, sent.end_time) == (span.start_ns, span.end_ns)
    assert (sent.instrumentation_scope.name, sent.instrumentation_scope.version) == ("a scope", "1.0")
    assert '"name": "GET /"' in sent.to_json()
    made.close()


def test_dropped_counts_come_along() -> None:
    recorder = Recorder()
    span = recorder.start("x")
    span.dropped_attributes, span.dropped_events, span.dropped_links = 1, 2, 3
    span.end()
    found = readable(span)
    assert (found.dropped_attributes, found.dropped_events, found.dropped_links) == (1, 2, 3)
    assert found.parent is None


def test_logs(installed: Any) -> None:
    installed("logs", KeepsLogs)
    [span] = Recorder().trace()
    made = sink(logs="mine")
    assert type(made.send(Batch("logs", [log("hello", span, a=1)], RESOURCE))) is Sent
    [sent] = KEPT["logs"].get_finished_logs()
    record = sent.log_record
    assert (record.body, record.severity_text, record.severity_number.value) == ("hello", "INFO", 9)
    assert (record.trace_id, record.span_id) == (int(span.trace_id, 16), span.id64)
    assert dict(record.attributes) == {"a": 1}
    assert sent.resource.attributes["service.name"] == "shop"
    made.close()


def test_metrics(installed: Any) -> None:
    installed("metrics", KeepsMetrics)

    def record(make: Any) -> None:
        make(Counter, "orders").add(2, shop="north")
        make(Gauge, "queue").set(5)
        make(Histogram, "time").record(1.5)

    made = sink(metrics="mine")
    for _ in range(2):
        assert type(made.send(Batch("metrics", points(record), RESOURCE))) is Sent
    [resource] = KEPT["metrics"].found[1].resource_metrics
    [scope] = resource.scope_metrics
    found = {metric.name: metric.data for metric in scope.metrics}
    assert found["orders"].data_points[0].value == 4  # the exporter wants everything since the start
    assert dict(found["orders"].data_points[0].attributes) == {"shop": "north"}
    assert found["queue"].data_points[0].value == 5
    assert (found["time"].data_points[0].count, found["time"].data_points[0].sum) == (2, 3.0)
    made.close()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Raises, "the exporter mine raised RuntimeError"),
        (Fails, "the exporter mine failed"),
        (CannotBeMade, "the exporter mine cannot be made: RuntimeError: no key"),
    ],
)
def test_an_exporter_that_is_broken(installed: Any, kind: Any, reason: str) -> None:
    installed("traces", kind)
    made = sink(traces="mine")
    for _ in range(2):
        result = made.send(Batch("traces", [Recorder().trace()], RESOURCE))
        assert type(result) is Refused
        assert result.reason == reason
    made.close()


def test_a_reader_is_no_exporter(installed: Any) -> None:
    installed("metrics", Reader)
    result = sink(metrics="mine").send(Batch("metrics", [], RESOURCE))
    assert type(result) is Refused
    assert "metric reader" in result.reason


def test_the_sdks_grpc_exporter(monkeypatch: pytest.MonkeyPatch) -> None:
    collector = GrpcCollector()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp_proto_grpc")
    obsv.init("shop", metrics="none", logs="none", patch=False)
    with obsv.span("work", n=1):
        pass
    assert obsv.flush()
    assert [span.name for span in collector.spans()] == ["work"]
    obsv.shutdown()
    collector.stop()


def test_the_sdk_comes_with_the_first_batch_only() -> None:
    done = run(
        "import sys, obsv\n"
        "obsv.init('x')\n"
        "before = 'opentelemetry.sdk' in sys.modules\n"
        "with obsv.span('work'): pass\n"
        "obsv.flush(); print(before, 'opentelemetry.sdk.trace' in sys.modules)",
        OTEL_TRACES_EXPORTER="otlp_proto_grpc",
        OTEL_METRICS_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none",
        OTEL_EXPORTER_OTLP_TIMEOUT="1",
        OBSV_SHUTDOWN_TIMEOUT="0.1",
    )
    assert done.stdout.split() == ["False", "True"]


def test_resource_detectors() -> None:
    done = run(
        "import obsv, obsv.runtime as r\n"
        "obsv.init('x', traces='memory')\n"
        "found = r.running().resource\n"
        "print(found['process.runtime.description'][:2], found['service.name'], found['telemetry.sdk.name'])",
        OTEL_EXPERIMENTAL_RESOURCE_DETECTORS="process,otel",
    )
    assert done.stdout.split() == ["3.", "x", "obsv"], done.stderr
