"""What every program here does around its tool: start obsv, set the tool up, use it. Runs in the tool's environment.

Scenarios, given as the program's only argument:

- ``obsv first``: ``obsv.init()``, then the tool.
- ``tool first``: the tool, then ``obsv.init()``.
- ``own provider``: no ``init()``; the program makes an ``obsv.otel.TracerProvider``, exports its spans to obsv's
  collector and sets it globally, then the tool.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import obsv

if TYPE_CHECKING:
    from collections.abc import Callable

OBSV_FIRST = "obsv first"
TOOL_FIRST = "tool first"
OWN_PROVIDER = "own provider"

TOOL_URL = os.environ.get("CONFORMANCE_TOOL_URL", "")


def run(set_up: Callable[[], None], use: Callable[[], None]) -> None:
    """Run one scenario; nothing is flushed here, because a program's end has to do."""
    scenario = sys.argv[1]
    if scenario == TOOL_FIRST:
        set_up()
        _init()
    else:
        _init() if scenario == OBSV_FIRST else _own_provider()
        set_up()
    use()


def _init() -> None:
    obsv.init("shop", traces="otlp", metrics="none", logs="none")


def _own_provider() -> None:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from obsv.otel import TracerProvider

    provider = TracerProvider()
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{os.environ['OBSV_OTLP_ENDPOINT']}/v1/traces"))
    )
    trace.set_tracer_provider(provider)
