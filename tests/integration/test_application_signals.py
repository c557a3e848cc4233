"""Application Signals of real services: FastAPI and Flask with outgoing requests, sampled and not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import requests
from fastapi import FastAPI
from flask import Flask

import obsv
from obsv.application_signals.measuring import SCOPE
from servers import WebServer, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from collectors import Collector
    from servers import EchoServer


def begin(collector: Collector, sample: float, **more: Any) -> None:
    obsv.init(
        "shop",
        environment="test",
        traces=more.pop("traces", "none"),
        metrics="none",
        logs="none",
        sample=sample,
        config={
            "application_signals": True,
            "application_signals_endpoint": f"{collector.endpoint}/v1/metrics",
            **more,
        },
    )


def series(collector: Collector) -> dict[tuple[str, ...], dict[str, Any]]:
    """What has arrived, by kind, operation and remote operation: each metric's points put together."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for metric in collector.metrics():
        assert metric.WhichOneof("data") == "exponential_histogram"
        assert metric.exponential_histogram.aggregation_temporality == 1  # delta
        for point in metric.exponential_histogram.data_points:
            said = {pair.key: pair.value.string_value for pair in point.attributes}
            assert said["aws.local.service"] == "shop"
            assert said["aws.local.environment"] == "test"
            key = (said["aws.span.kind"], said["aws.local.operation"])
            if "aws.remote.operation" in said:
                key += (said["aws.remote.service"], said["aws.remote.operation"])
            one = found.setdefault(key, {}).setdefault(metric.name, {"count": 0, "sum": 0.0, "unit": metric.unit})
            one["count"] += point.count
            one["sum"] += point.sum
    return found


def ended(count: int) -> Callable[[], bool]:
    """Whether so many spans have come to the lane: a request's ends a moment after its client has the answer."""

    def check() -> bool:
        from obsv import runtime

        running = runtime.running()
        assert running is not None
        [queue] = running.pipeline.queues("spans")
        return queue.accepted >= count

    return check


@pytest.mark.parametrize("sample", [0.0, 1.0])
def test_fastapi_with_outgoing_requests(
    sample: float,
    asgi_server: Callable[..., WebServer],
    http_echo: EchoServer,
    otlp_collector: Collector,
) -> None:
    begin(otlp_collector, sample)
    app = FastAPI()

    @app.get("/orders/{number}")
    async def order(number: int) -> None:
        async with httpx.AsyncClient() as client:
            await client.get(f"{http_echo.url}/headers/{number}")

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError

    server = asgi_server(app)
    for number in range(3):
        _get(server, f"/orders/{number}")
        sent = http_echo.requests[-1]["headers"]["traceparent"]
        assert int(sent[-2:], 16) & 1 == sample  # measuring samples nobody
    _get(server, "/broken")
    _get(server, "/nowhere/else")
    wait_until(ended(8), "the spans")
    assert obsv.flush()
    found = series(otlp_collector)
    echo = f"{http_echo.host}:{http_echo.port}"
    assert set(found) == {
        ("LOCAL_ROOT", "GET /orders/{number}"),
        ("LOCAL_ROOT", "GET /broken"),
        ("LOCAL_ROOT", "GET /nowhere"),
        ("CLIENT", "GET /orders/{number}", echo, "GET /headers"),
    }
    orders = found["LOCAL_ROOT", "GET /orders/{number}"]
    assert (orders["Latency"]["count"], orders["Latency"]["unit"]) == (3, "Milliseconds")
    assert (
        orders["Latency"]["sum"] > found["CLIENT", "GET /orders/{number}", echo, "GET /headers"]["Latency"]["sum"] > 0
    )
    assert (orders["Error"]["count"], orders["Error"]["sum"], orders["Fault"]["sum"]) == (3, 0, 0)
    assert (found["LOCAL_ROOT", "GET /broken"]["Fault"]["sum"], found["LOCAL_ROOT", "GET /broken"]["Error"]["sum"]) == (
        1,
        0,
    )
    nowhere = found["LOCAL_ROOT", "GET /nowhere"]
    assert (nowhere["Fault"]["sum"], nowhere["Error"]["sum"]) == (0, 1)
    assert obsv.status()["sinks"]["application_signals"]["spans"]["dropped"] == {}


def _get(server: WebServer, path: str) -> bytes:
    import http.client

    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


@pytest.mark.parametrize("sample", [0.0, 1.0])
def test_flask_with_outgoing_requests_as_emf(
    sample: float,
    wsgi_server: Callable[..., WebServer],
    http_echo: EchoServer,
    capfd: pytest.CaptureFixture[str],
) -> None:
    obsv.init(
        "shop",
        environment="test",
        traces="none",
        metrics="none",
        logs="none",
        sample=sample,
        config={"application_signals": "emf"},
    )
    app = Flask("shop")

    @app.get("/orders/<int:number>")
    def order(number: int) -> str:
        with obsv.span("ask"):
            return requests.get(f"{http_echo.url}/status/503", timeout=10).text

    server = wsgi_server(app)
    for number in range(3):
        _get(server, f"/orders/{number}")
    wait_until(ended(6), "the spans")
    assert obsv.flush()
    documents = [json.loads(line) for line in capfd.readouterr().out.splitlines() if line.startswith('{"_aws"')]
    assert {(found["Telemetry.Source"], found["Operation"]) for found in documents} == {
        ("LocalRootSpan", "GET /orders/<int:number>"),
        ("ClientSpan", "GET /orders/<int:number>"),
    }
    for found in documents:
        asked = found["Telemetry.Source"] == "ClientSpan"
        assert (found["Service"], found["Environment"]) == ("shop", "test")
        assert len(found["Latency"]) == 3
        assert found["Fault"] == ([1, 1, 1] if asked else [0, 0, 0])
        assert _schema_errors(found) == []


def _schema_errors(document: dict[str, Any]) -> list[str]:
    from jsonschema import Draft7Validator

    from aws_data import schema

    return [error.message for error in Draft7Validator(schema("emf-schema.json")).iter_errors(document)]


def test_spans_of_opentelemetrys_api_are_measured(otlp_collector: Collector) -> None:
    begin(otlp_collector, 0.0)
    from opentelemetry import trace
    from opentelemetry.trace import SpanKind

    tracer = trace.get_tracer("mine")
    with tracer.start_as_current_span("GET /x", kind=SpanKind.SERVER) as server:
        assert not server.get_span_context().trace_flags.sampled
        with tracer.start_as_current_span("call", kind=SpanKind.CLIENT, attributes={"peer.service": "pay"}):
            pass
    assert obsv.flush()
    assert set(series(otlp_collector)) == {
        ("LOCAL_ROOT", "GET /x"),
        ("CLIENT", "GET /x", "pay", "UnknownRemoteOperation"),
    }


def test_a_sampler_of_the_programs_does_not_hide_requests(otlp_collector: Collector) -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult

    class Never(Sampler):
        def should_sample(self, *_args: Any, **_more: Any) -> SamplingResult:
            return SamplingResult(Decision.DROP)

        def get_description(self) -> str:
            return "Never"

    begin(otlp_collector, 1.0)
    provider: Any = trace.get_tracer_provider()
    provider.sampler = Never()
    try:
        with trace.get_tracer("mine").start_as_current_span("GET /y", kind=trace.SpanKind.SERVER) as span:
            assert not span.get_span_context().trace_flags.sampled
        assert obsv.flush()
        assert set(series(otlp_collector)) == {("LOCAL_ROOT", "GET /y")}
    finally:
        from obsv.hotpath.span import OUTLET

        OUTLET.governor = None


def test_an_agent_that_is_away_costs_nothing_and_is_told(otlp_collector: Collector) -> None:
    begin(otlp_collector, 0.0)
    otlp_collector.answer(503, times=1, headers={"retry-after": "0.01"})
    with obsv.span("job"):
        pass
    obsv.flush()
    wait_until(lambda: series(otlp_collector), "a second try")
    account = obsv.status()["sinks"]["application_signals"]["points"]
    assert account["retries"] == 1
    assert account["dropped"] == {}


def test_the_points_come_once_an_interval_and_at_the_end(otlp_collector: Collector) -> None:
    begin(otlp_collector, 0.0, metric_interval=0.2)
    with obsv.span("job"):
        pass
    wait_until(lambda: series(otlp_collector), "the interval's end")
    with obsv.span("job"):
        pass
    assert obsv.shutdown()
    assert series(otlp_collector)["LOCAL_ROOT", "InternalOperation"]["Latency"]["count"] == 2
    assert SCOPE.name == "obsv.application_signals"


PROGRAM = """
import os, sys, obsv
obsv.init("shop", traces="none", metrics="none", logs="none")
def work():
    with obsv.span("job"):
        pass
work()
pid = os.fork()
if pid == 0:
    work(); work()
    obsv.shutdown()
    os._exit(0)
os.waitpid(pid, 0)
obsv.shutdown()
"""


def test_a_forked_child_tells_its_own_and_adots_variables_turn_it_on() -> None:
    environ = {
        **os.environ,
        "OTEL_AWS_APPLICATION_SIGNALS_ENABLED": "true",
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "OTEL_TRACES_SAMPLER": "always_off",
    }
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environ, timeout=60)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(len(line["Latency"]) for line in lines) == [1, 2]
    assert {(line["Operation"], line["Environment"]) for line in lines} == {("f/FunctionHandler", "lambda:default")}


def test_off_by_default() -> None:
    obsv.init(traces="memory", metrics="none", logs="none")
    from obsv import runtime
    from obsv.hotpath.span import OUTLET

    running = runtime.running()
    assert running is not None
    assert OUTLET.measured is None
    assert running.pipeline.queues("spans") == ()


def test_adots_endpoint_variable(monkeypatch: pytest.MonkeyPatch, otlp_collector: Collector) -> None:
    monkeypatch.setenv("OTEL_AWS_APPLICATION_SIGNALS_ENABLED", "true")
    monkeypatch.setenv("OTEL_AWS_APPLICATION_SIGNALS_EXPORTER_ENDPOINT", f"{otlp_collector.endpoint}/v1/metrics")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
    obsv.init("shop", traces="none", metrics="none", logs="none")
    with obsv.span("job"):
        pass
    assert obsv.flush()
    assert series(otlp_collector)


def test_the_agent_over_grpc() -> None:
    from grpc_collector import GrpcCollector

    agent = GrpcCollector()
    try:
        obsv.init(
            "shop",
            environment="test",
            traces="none",
            metrics="none",
            logs="none",
            config={
                "application_signals": "agent",
                "application_signals_endpoint": f"127.0.0.1:{agent.port}",
                "otlp_protocol": "grpc",
            },
        )
        with obsv.span("job"):
            pass
        assert obsv.flush()
        [request] = agent.requests["metrics"]
        [scope] = request.resource_metrics[0].scope_metrics
        assert sorted(metric.name for metric in scope.metrics) == ["Error", "Fault", "Latency"]
        for metric in scope.metrics:
            assert metric.exponential_histogram.aggregation_temporality == 1  # delta
            [point] = metric.exponential_histogram.data_points
            said = {pair.key: pair.value.string_value for pair in point.attributes}
            assert (said["aws.local.service"], said["aws.span.kind"]) == ("shop", "LOCAL_ROOT")
            assert point.count == 1
        assert obsv.shutdown()
    finally:
        agent.stop()


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_where_the_agent_is_by_default(protocol: str) -> None:
    from obsv.settings import resolve
    from obsv.sinks.application_signals import ApplicationSignalsSink, _Agent

    sink = ApplicationSignalsSink(resolve({"config": {"application_signals": "agent", "otlp_protocol": protocol}}))
    assert isinstance(sink._way, _Agent)
    port = 4315 if protocol == "grpc" else 4316
    assert sink._way._targets["metrics"].url.startswith(f"http://localhost:{port}")
    assert ("grpc" in sink.imports) is (protocol == "grpc")


@pytest.mark.parametrize(
    "options",
    [{"otlp_sigv4": "always"}, {"otlp_metrics_endpoint": "https://monitoring.eu-west-1.amazonaws.com/v1/metrics"}],
    ids=["always", "CloudWatch"],
)
def test_what_goes_to_the_agent_is_not_signed(otlp_collector: Collector, options: dict[str, str]) -> None:
    begin(otlp_collector, 0.0, **options)
    with obsv.span("job"):
        pass
    assert obsv.flush()
    assert series(otlp_collector)
    assert not [request for request in otlp_collector.requests if "authorization" in request.headers]
