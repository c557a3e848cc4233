"""sentry's older way: a span processor that makes its transactions from spans, and its propagator."""

from __future__ import annotations

import sentry_sdk
from opentelemetry import propagate, trace
from sentry_sdk.integrations.opentelemetry import SentryPropagator, SentrySpanProcessor

from conformance.tools import start


def set_up() -> None:
    """As sentry's docs say, where the program has a provider already; else with one of the SDK's."""
    from opentelemetry.sdk.trace import TracerProvider

    dsn = start.TOOL_URL.replace("http://", "http://key@") + "/1"
    sentry_sdk.init(dsn=dsn, traces_sample_rate=1.0, instrumenter="otel")
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()
        trace.set_tracer_provider(provider)
    provider.add_span_processor(SentrySpanProcessor())
    propagate.set_global_textmap(SentryPropagator())


def use() -> None:
    """An order with a charge inside."""
    tracer = trace.get_tracer("shop.orders")
    with tracer.start_as_current_span("order"):
        sent: dict[str, str] = {}
        propagate.inject(sent)
        assert sent["sentry-trace"], sent
        with tracer.start_as_current_span("charge") as charge:
            charge.set_attribute("amount", 12)
    sentry_sdk.flush()


start.run(set_up, use)
