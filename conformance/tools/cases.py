"""What has to arrive of each program, at obsv's exporter and at the tool's own backend."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .start import OBSV_FIRST, OWN_PROVIDER, TOOL_FIRST

if TYPE_CHECKING:
    from .backend import Arrived, Span

Tree = dict[str, tuple[str | None, dict[str, Any]]]
"""By name of a span: the name of its parent ("elsewhere": in another process) and some of its attributes."""


@dataclass
class Case:
    """One program.

    Attributes:
        tool: Whose environment it runs in.
        obsv: What has to arrive at obsv's exporter, and nothing else.
        sent: What has to arrive at the tool's backend as OTLP, and nothing else.
        events: What else has to: pairs of a key of Sentry's events and a text in its value.
        scenarios: Those that make sense; :mod:`conformance.tools.start` tells what they are.
    """

    tool: str
    obsv: Tree
    sent: Tree = field(default_factory=dict)
    events: list[tuple[str, str]] = field(default_factory=list)
    scenarios: tuple[str, ...] = (OBSV_FIRST, TOOL_FIRST, OWN_PROVIDER)

    def problems(self, arrived: Arrived) -> list[str]:
        """Say what is missing, too much or different; nothing where all is well."""
        found = [*_compare("obsv", self.obsv, arrived.obsv), *_compare("the tool", self.sent, arrived.tool)]
        for key, text in self.events:
            if not any(text in str(event.get(key)) for event in arrived.events):
                found.append(f"the tool got no event whose {key} has {text!r}")
        if len(arrived.events) != len(self.events):
            found.append(f"the tool got {len(arrived.events)} events instead of {len(self.events)}")
        return found


def _compare(place: str, expected: Tree, spans: list[Span]) -> list[str]:
    names = sorted(span.name for span in spans)
    if names != sorted(expected):
        return [f"{place} got {names} instead of {sorted(expected)}"]
    found = []
    traces = {span.trace_id for span in spans if span.parent != "elsewhere"}
    if len(traces) > 1:
        found.append(f"at {place} they are of {len(traces)} traces")
    for span in spans:
        parent, attributes = expected[span.name]
        if span.parent != parent:
            found.append(f"at {place} {span.name!r} is below {span.parent!r} instead of {parent!r}")
        for key, value in attributes.items():
            if span.attributes.get(key) != value:
                found.append(f"at {place} {span.name!r} has {key} = {span.attributes.get(key)!r} instead of {value!r}")
    return found


_LOGFIRE: Tree = {
    "order {number}": (None, {"number": 7, "total": 12, "logfire.msg": "order 7"}),
    "stock checked": ("order {number}", {"left": 3, "logfire.span_type": "log"}),
    "charge": ("order {number}", {"amount": 12}),
    "send": ("order {number}", {"logfire.level_num": 17}),
}
_LANGFUSE: Tree = {
    "answer": (None, {"session.id": "session-7", "langfuse.observation.output": "three of them"}),
    "generate": ("answer", {"langfuse.observation.model.name": "small-1", "session.id": "session-7"}),
}
_TRACELOOP: Tree = {
    "answer.workflow": (
        None,
        {"traceloop.span.kind": "workflow", "traceloop.association.properties.session": "session-7"},
    ),
    "look up.task": ("answer.workflow", {"traceloop.span.kind": "task", "traceloop.workflow.name": "answer"}),
    "search": ("look up.task", {"hits": 3, "traceloop.association.properties.session": "session-7"}),
}
_SENTRY: Tree = {
    "order": (None, {}),
    "charge": ("order", {"amount": 12}),
    "delivered": ("elsewhere", {}),
}

CASES: dict[str, Case] = {
    "langfuse": Case(
        "langfuse",
        obsv={**_LANGFUSE, "search": ("generate", {"hits": 3})},
        sent=_LANGFUSE,  # it keeps to spans of language models
    ),
    "logfire": Case(
        "logfire",
        obsv={**_LOGFIRE, "pack": ("order {number}", {})},
        sent=_LOGFIRE,  # it brings a provider of its own, which obsv's own spans are not made by
        scenarios=(OBSV_FIRST, TOOL_FIRST),
    ),
    "mlflow": Case(
        "mlflow",
        obsv={
            "answer": (None, {"mlflow.spanOutputs": '"three of them"'}),
            "look up": ("answer", {"mlflow.spanType": '"RETRIEVER"'}),
            "search": ("look up", {"hits": 3}),
        },
        sent={
            "answer": (None, {"mlflow.spanOutputs": "three of them"}),
            "look up": ("answer", {"mlflow.spanType": "RETRIEVER"}),
            "search": ("look up", {"hits": 3}),
        },
    ),
    "openinference": Case(
        "openinference",
        obsv={
            "answer": (None, {"openinference.span.kind": "CHAIN", "output.value": "three of them"}),
            "ChatCompletion": ("answer", {"llm.model_name": "small-1", "llm.token_count.total": 8}),
        },
    ),
    "sentry": Case(
        "sentry",
        obsv=_SENTRY,
        sent=_SENTRY,
        events=[("message", "low on stock"), ("exception", "card refused")],
    ),
    "sentry_spans": Case(
        "sentry",
        obsv={"order": (None, {}), "charge": ("order", {"amount": 12})},
        events=[("spans", "'amount': 12")],
    ),
    "traceloop": Case("traceloop", obsv=_TRACELOOP, sent=_TRACELOOP),
}
"""Every program in ``programs/``, by its name."""
