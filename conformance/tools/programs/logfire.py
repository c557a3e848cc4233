"""logfire: its spans, messages and errors, beside a span of OpenTelemetry's API and one of obsv's."""

from __future__ import annotations

import logfire
from opentelemetry import trace

import obsv
from conformance.tools import start


def set_up() -> None:
    """As logfire's docs say, with another server than theirs."""
    logfire.configure(
        token="pylf_v1_us_secret",
        service_name="shop",
        console=False,
        inspect_arguments=False,
        advanced=logfire.AdvancedOptions(base_url=start.TOOL_URL),
    )


def use() -> None:
    """An order with all that logfire's API makes of it."""
    with logfire.span("order {number}", number=7) as span:
        logfire.info("stock checked", left=3)
        with trace.get_tracer("shop.payment").start_as_current_span("charge") as charge:
            charge.set_attribute("amount", 12)
        with obsv.span("pack"):
            pass
        span.set_attribute("total", 12)
        try:
            with logfire.span("send"):
                raise ValueError("no such address")
        except ValueError:
            pass
    logfire.force_flush()


start.run(set_up, use)
