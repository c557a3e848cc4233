"""sentry's OTLP integration: its exporter, its propagator, and errors recorded on spans that become its events."""

from __future__ import annotations

import sentry_sdk
from opentelemetry import propagate, trace
from sentry_sdk.integrations.otlp import OTLPIntegration

from conformance.tools import start


def set_up() -> None:
    """As sentry's docs say, with a DSN on the loopback."""
    dsn = start.TOOL_URL.replace("http://", "http://key@") + "/1"
    sentry_sdk.init(dsn=dsn, integrations=[OTLPIntegration(capture_exceptions=True)])


def use() -> None:
    """An order that calls on, fails in one place and reports an error."""
    tracer = trace.get_tracer("shop.orders")
    with tracer.start_as_current_span("order") as order:
        sent: dict[str, str] = {}
        propagate.inject(sent)
        trace_id = trace.format_trace_id(order.get_span_context().trace_id)
        span_id = trace.format_span_id(order.get_span_context().span_id)
        assert sent["sentry-trace"] == f"{trace_id}-{span_id}-1", sent
        sentry_sdk.capture_message("low on stock")
        try:
            with tracer.start_as_current_span("charge") as charge:
                charge.set_attribute("amount", 12)
                raise ValueError("card refused")
        except ValueError:
            pass
    incoming = propagate.extract({"sentry-trace": f"{'ab' * 16}-{'cd' * 8}-1"})
    with tracer.start_as_current_span("delivered", context=incoming) as delivered:
        assert trace.format_trace_id(delivered.get_span_context().trace_id) == "ab" * 16
    sentry_sdk.flush()


start.run(set_up, use)
