"""openinference: its instrumentor of the openai client, and its own decorator. It exports nothing itself."""

from __future__ import annotations

import openai
from openinference.instrumentation import OITracer, TraceConfig, using_session
from openinference.instrumentation.openai import OpenAIInstrumentor
from opentelemetry import trace

from conformance.tools import start


def set_up() -> None:
    """As its docs say; where it is installed, ``obsv.init()`` has done that already."""
    if not OpenAIInstrumentor().is_instrumented_by_opentelemetry:
        OpenAIInstrumentor().instrument()


def use() -> None:
    """A question to a model on the loopback."""
    client = openai.OpenAI(base_url=start.TOOL_URL, api_key="none", max_retries=0)
    tracer = OITracer(trace.get_tracer("shop.chat"), config=TraceConfig())

    @tracer.chain
    def answer(question: str) -> str:
        asked: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": question}]
        done = client.chat.completions.create(model="small-1", messages=asked)
        return done.choices[0].message.content or ""

    with using_session("session-7"):
        assert answer("how many?") == "three of them"


start.run(set_up, use)
