"""OTLP over gRPC against a real server; what arrives is what arrives over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest

import obsv
from grpc_collector import GrpcCollector
from obsv.hotpath.metrics import Counter, Histogram
from obsv.settings import resolve
from obsv.sinks.base import Batch, Refused, Retry, Sent, SinkError
from obsv.sinks.otlp import OtlpSink
from telemetry import Recorder, log, points

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from collectors import Collector

RESOURCE = {"service.name": "shop"}


@pytest.fixture
def collector() -> Iterator[GrpcCollector]:
    made = GrpcCollector()
    yield made
    made.stop()


@pytest.fixture
def sink(collector: GrpcCollector) -> Iterator[Callable[..., OtlpSink]]:
    opened: list[OtlpSink] = []

    def make(**options: Any) -> OtlpSink:
        settings = resolve({"config": {"otlp_endpoint": collector.endpoint, "otlp_protocol": "grpc", **options}})
        assert not settings.problems, settings.problems
        found = OtlpSink(settings)
        found.open(RESOURCE)
        opened.append(found)
        return found

    yield make
    for each in opened:
        each.close()


def batches() -> list[Batch]:
    def record(make: Any) -> None:
        make(Counter, "orders").add(2, shop="north")
        make(Histogram, "time").record(1.5)

    return [
        Batch("traces", [Recorder().trace(children=2, n=1, text="x")], RESOURCE),
        Batch("metrics", points(record), RESOURCE),
        Batch("logs", [log("hello")], RESOURCE),
    ]


def test_the_same_arrives_as_over_http(sink: Any, collector: GrpcCollector, otlp_collector: Collector) -> None:
    over_grpc = sink()
    settings = resolve({"config": {"otlp_endpoint": otlp_collector.endpoint}})
    over_http = OtlpSink(settings)
    over_http.open(RESOURCE)
    found = batches()
    for batch in found:
        assert type(over_grpc.send(batch)) is Sent
        batch.encoded = None
        if batch.signal != "metrics":  # cumulative: each sink counts for itself
            assert type(over_http.send(batch)) is Sent
    over_http.close()
    assert collector.requests["traces"] == [r.message for r in otlp_collector.accepted("traces")]
    assert collector.requests["logs"] == [r.message for r in otlp_collector.accepted("logs")]
    names = [
        m.name for r in collector.requests["metrics"][0].resource_metrics for s in r.scope_metrics for m in s.metrics
    ]
    assert names == ["orders", "time"]


def test_headers_compression_and_user_agent(sink: Any, collector: GrpcCollector) -> None:
    made = sink(otlp_headers={"api-key": "secret"}, otlp_compression="gzip")
    assert type(made.send(batches()[0])) is Sent
    assert collector.metadata["api-key"] == "secret"
    assert collector.metadata["user-agent"].startswith("OTel-OTLP-Exporter-Python-obsv/")


@pytest.mark.parametrize("code", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "DATA_LOSS"])
def test_failures_that_pass(sink: Any, collector: GrpcCollector, code: str) -> None:
    collector.fail = lambda context: context.abort(getattr(grpc.StatusCode, code), "not now")
    result = sink().send(batches()[0])
    assert type(result) is Retry
    assert result.reason == f"grpc {code}: not now"
    collector.fail = None


@pytest.mark.parametrize("code", ["INVALID_ARGUMENT", "UNAUTHENTICATED", "RESOURCE_EXHAUSTED", "UNIMPLEMENTED"])
def test_failures_that_stay(sink: Any, collector: GrpcCollector, code: str) -> None:
    collector.fail = lambda context: context.abort(getattr(grpc.StatusCode, code), "never")
    result = sink().send(batches()[0])
    assert type(result) is Refused
    assert result.reason == f"grpc {code}: never"


def test_the_server_says_when(sink: Any, collector: GrpcCollector) -> None:
    def fail(context: Any) -> None:
        # google.rpc.RetryInfo { retry_delay { seconds: 3, nanos: 500000000 } }
        context.set_trailing_metadata((("google.rpc.retryinfo-bin", b"\x0a\x08\x08\x03\x10\x80\xca\xb5\xee\x01"),))
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy")

    collector.fail = fail
    result = sink().send(batches()[0])
    assert type(result) is Retry
    assert result.after == 3.5


def test_which_codes_are_tried_again_can_be_chosen(sink: Any, collector: GrpcCollector) -> None:
    collector.fail = lambda context: context.abort(grpc.StatusCode.INTERNAL, "odd")
    assert type(sink(otlp_grpc_retry_codes="INTERNAL").send(batches()[0])) is Retry


def test_partial_success(sink: Any, collector: GrpcCollector) -> None:
    collector.partial = (1, "too old")
    result = sink().send(batches()[0])
    assert (result.rejected, result.reason) == (1, "partial success: too old")


def test_a_batch_that_is_too_large_goes_in_halves(sink: Any, collector: GrpcCollector) -> None:
    batch = Batch("traces", [Recorder().trace(text="x" * 9000) for _ in range(1000)], RESOURCE)
    assert type(sink().send(batch)) is Sent
    assert len(collector.spans()) == 1000
    assert len(collector.requests["traces"]) > 1


def test_nobody_there(sink: Any) -> None:
    result = sink(otlp_endpoint="http://127.0.0.1:9").send(batches()[0])
    assert type(result) is Retry
    assert result.reason.startswith("grpc UNAVAILABLE")


def test_each_signal_its_own_protocol(sink: Any, collector: GrpcCollector, otlp_collector: Collector) -> None:
    made = sink(
        otlp_protocol="http/json", otlp_endpoint=otlp_collector.endpoint, otlp_traces_protocol="grpc",
        otlp_traces_endpoint=collector.endpoint,
    )  # fmt: skip
    assert type(made.send(batches()[0])) is Sent
    assert len(collector.spans()) == 3


def test_without_grpcio(sink: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(SinkError, match=r"pip install 'obsv\[otlp\]'"):
        sink().send(batches()[0])


def test_a_whole_program(collector: GrpcCollector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    obsv.init("shop", metrics="none", logs="none", patch=False)
    with obsv.span("work"):
        pass
    assert obsv.flush()
    assert [span.name for span in collector.spans()] == ["work"]
