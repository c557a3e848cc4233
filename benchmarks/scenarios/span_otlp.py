"""A root span with five attributes set one by one, exported over OTLP/HTTP to a local sink."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.harness import Peer, Scenario

if TYPE_CHECKING:
    from collections.abc import Callable

    Loop = tuple[Callable[[int], None], Callable[[], None]]


def obsv(url: str) -> Loop:
    """obsv's own API."""
    import obsv

    obsv.init(
        "bench",
        traces="otlp",
        metrics="none",
        logs="none",
        patch=False,
        config={"otlp_endpoint": url, "signals": False},
    )
    span = obsv.span

    def run(count: int) -> None:
        for number in range(count):
            with span("operation") as current:
                current.set_attribute("http.request.method", "GET")
                current.set_attribute("http.route", "/orders/{id}")
                current.set_attribute("http.response.status_code", 200)
                current.set_attribute("order.number", number)
                current.set_attribute("order.paid", True)

    return run, lambda: _all_left(obsv.flush(30))


def opentelemetry_sdk(url: str) -> Loop:
    """The OpenTelemetry SDK with its batch processor and HTTP exporter, defaults."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": "bench"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{url}/v1/traces")))
    start = provider.get_tracer("bench").start_as_current_span

    def run(count: int) -> None:
        for number in range(count):
            with start("operation") as current:
                current.set_attribute("http.request.method", "GET")
                current.set_attribute("http.route", "/orders/{id}")
                current.set_attribute("http.response.status_code", 200)
                current.set_attribute("order.number", number)
                current.set_attribute("order.paid", True)

    return run, lambda: _all_left(provider.force_flush())


def _all_left(everything: bool) -> None:
    if not everything:
        raise SystemExit("the sink did not take everything")


SCENARIO = Scenario(
    name="span_otlp",
    title="Root span, five attributes, exported over OTLP to a local sink",
    peers=(
        Peer("obsv", obsv),
        Peer("obsv, interpreted", obsv, {"OBSV_PURE_PYTHON": "1"}),
        Peer("opentelemetry-sdk", opentelemetry_sdk),
    ),
    operations=20_000,
    bars=(("opentelemetry-sdk", "thread", 10.0), ("opentelemetry-sdk", "cpu", 10.0)),
)
