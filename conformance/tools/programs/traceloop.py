"""traceloop: its workflows and tasks, which it exports itself through a processor that it adds."""

from __future__ import annotations

from opentelemetry import trace
from traceloop.sdk import Traceloop
from traceloop.sdk.decorators import task, workflow

from conformance.tools import start


def set_up() -> None:
    """As traceloop's docs say, with another server than theirs."""
    Traceloop.init(app_name="shop", api_endpoint=start.TOOL_URL, api_key="none", telemetry_enabled=False)


@task(name="look up")
def look_up(question: str) -> list[str]:
    """A task with a span of OpenTelemetry's inside."""
    with trace.get_tracer("shop.search").start_as_current_span("search") as search:
        search.set_attribute("hits", 3)
    return ["one", "two", "three"]


@workflow(name="answer")
def answer(question: str) -> str:
    """A workflow with a task."""
    return f"{len(look_up(question))} of them"


def use() -> None:
    """One trace with an association."""
    Traceloop.set_association_properties({"session": "session-7"})
    assert answer("how many?") == "3 of them"


start.run(set_up, use)
