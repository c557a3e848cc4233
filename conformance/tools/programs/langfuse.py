"""langfuse: its client, decorator and generations, which it exports itself through a processor that it adds."""

from __future__ import annotations

import os

from langfuse import Langfuse, get_client, observe, propagate_attributes
from opentelemetry import trace

from conformance.tools import start


def set_up() -> None:
    """As langfuse's docs say, with another server than theirs."""
    os.environ["LANGFUSE_PUBLIC_KEY"] = "pk-lf-1"
    Langfuse(public_key="pk-lf-1", secret_key="sk-lf-1", base_url=start.TOOL_URL)


@observe
def answer(question: str) -> str:
    """An observed function with a generation inside."""
    client = get_client()
    with client.start_as_current_observation(as_type="generation", name="generate", model="small-1") as generation:
        with trace.get_tracer("shop.search").start_as_current_span("search") as search:
            search.set_attribute("hits", 3)
        generation.update(output="three of them", usage_details={"input": 5, "output": 3})
    return "three of them"


def use() -> None:
    """One trace with a session, and what langfuse knows of it."""
    with propagate_attributes(session_id="session-7"):
        assert answer("how many?") == "three of them"
    get_client().flush()


start.run(set_up, use)
