"""How each contestant is started: with its defaults, exporting to the sink. Called in the contestant's own process."""

from __future__ import annotations

import os
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OBSV, SDK, DDTRACE = "obsv", "opentelemetry-sdk", "ddtrace"
POWERTOOLS, EMF, PROMETHEUS = "powertools", "aws-embedded-metrics", "prometheus_client"
INTERPRETED = {"OBSV_PURE_PYTHON": "1"}


def start_obsv(url: str, config: Mapping[str, object] = MappingProxyType({}), **arguments: Any) -> Callable[[], None]:
    """``obsv.init()`` with its defaults, traces over OTLP unless said otherwise; returns a flush that must succeed."""
    import obsv

    given: dict[str, Any] = {"traces": "otlp", "metrics": "none", "logs": "none", "patch": False} | arguments
    settings = {"otlp_endpoint": url, "signals": False, "max_series": 200_000, **config}
    obsv.init("bench", config=settings, **given)
    return lambda: everything(obsv.flush(60))


def start_sdk(url: str, metrics: bool = False, **arguments: Any) -> tuple[Any, Callable[[], None]]:
    """The SDK's tracer provider with batch processor and HTTP exporter, made global; returns it and a flush."""
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": "bench"}), **arguments)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{url}/v1/traces")))
    trace.set_tracer_provider(provider)
    if metrics:
        start_sdk_metrics(url)
    return provider, lambda: everything(provider.force_flush(60_000))


def start_sdk_metrics(url: str) -> Any:
    """The SDK's meter provider with periodic reader and HTTP exporter, made global."""
    from opentelemetry import metrics
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    provider = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=f"{url}/v1/metrics"))])
    metrics.set_meter_provider(provider)
    return provider


def start_ddtrace(url: str) -> Any:
    """ddtrace's tracer, sending to the sink as its agent; what is no tracing (telemetry, remote settings) is off."""
    os.environ |= {
        "DD_TRACE_AGENT_URL": url,
        "DD_SERVICE": "bench",
        "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
        "DD_REMOTE_CONFIGURATION_ENABLED": "false",
        "DD_TRACE_STARTUP_LOGS": "false",
    }
    from ddtrace.trace import tracer

    return tracer


def everything(sent: object) -> None:
    """End the process where a flush did not send everything."""
    if not sent:
        raise SystemExit("the sink did not take everything")
