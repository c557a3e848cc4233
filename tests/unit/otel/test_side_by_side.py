"""The same calls to obsv's provider and to the SDK's: what is exported is the same, ids and times aside."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.sdk.trace import TracerProvider as SdkProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_OFF,
    DEFAULT_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    StaticSampler,
)
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from obsv.otel import TracerProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.sdk.trace import ReadableSpan

RESOURCE = Resource({"service.name": "x"})
REMOTES = {
    "sampled": SpanContext(0xA1, 0xB1, True, TraceFlags(1), TraceState([("k", "v")])),
    "random": SpanContext(0xA2, 0xB2, True, TraceFlags(3)),
    "unsampled": SpanContext(0xA3, 0xB3, True, TraceFlags(0)),
    "local": SpanContext(0xA4, 0xB4, False, TraceFlags(1)),
}


class Counting(IdGenerator):
    """Ids in a row, so that both sides have the same."""

    def __init__(self) -> None:
        self.last = 0

    def generate_span_id(self) -> int:
        self.last += 1
        return self.last

    def generate_trace_id(self) -> int:
        self.last += 1
        return self.last << 64 | self.last


class ByName(Sampler):
    """Decides, and sets attributes and trace state, by the span's name."""

    def should_sample(
        self,
        parent_context: Any,
        trace_id: int,
        name: str,
        kind: Any = None,
        attributes: Any = None,
        links: Any = None,
        trace_state: Any = None,
    ) -> SamplingResult:
        decision = list(Decision)[len(name) % 3]
        said = {**(attributes or {}), "seen": (str(kind), len(links or ())), "rule": name[:1]}
        return SamplingResult(decision, said, TraceState([("rule", "r")]) if len(name) % 2 else None)

    def get_description(self) -> str:
        return "by name"


SAMPLERS: dict[str, Callable[[], Any]] = {
    "default": lambda: None,
    "on": lambda: ALWAYS_ON,
    "off": lambda: ALWAYS_OFF,
    "parent on": lambda: DEFAULT_ON,
    "parent off": lambda: DEFAULT_OFF,
    "record only": lambda: StaticSampler(Decision.RECORD_ONLY),
    "parent, else by name": lambda: ParentBased(ByName()),
    "by name": ByName,
}


@dataclass
class Block:
    """One span, what is done to it, and the spans inside of it."""

    name: str
    current: bool
    arguments: dict[str, Any]
    actions: list[tuple[str, tuple[Any, ...]]]
    inside: list[Block]
    raises: type[BaseException] | None


texts = st.text("abü\u4e00", max_size=6)
plain = st.one_of(texts, st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.booleans())
values = st.one_of(plain, st.none(), st.binary(max_size=3), st.lists(plain, max_size=3), st.dictionaries(texts, plain))
attributes = st.dictionaries(texts, values, max_size=5)
moments = st.integers(1, 2**62)
errors = st.sampled_from([ValueError("bad"), KeyError("k"), RuntimeError(""), OSError(2, "no")])
links = st.builds(Link, st.sampled_from([*REMOTES.values(), trace.INVALID_SPAN_CONTEXT]), attributes)
# An empty text is no text here; the SDK keeps one.
statuses = st.builds(Status, st.sampled_from(StatusCode), st.none() | st.text("abü", min_size=1))

actions = st.one_of(
    st.tuples(st.just("set_attribute"), st.tuples(texts, values)),
    st.tuples(st.just("set_attributes"), st.tuples(attributes)),
    st.tuples(st.just("add_event"), st.tuples(texts, st.none() | attributes, moments)),
    st.tuples(st.just("add_link"), st.tuples(st.sampled_from(list(REMOTES.values())), st.none() | attributes)),
    st.tuples(st.just("set_status"), st.tuples(statuses)),
    st.tuples(st.just("update_name"), st.tuples(texts)),
    st.tuples(st.just("record_exception"), st.tuples(errors, st.none() | attributes, moments)),
    st.tuples(st.just("end"), st.tuples(moments)),
)
arguments = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(SpanKind),
        "attributes": attributes,
        "links": st.lists(links, max_size=3),
        "start_time": moments,
        "parent": st.sampled_from(["root", *REMOTES]),
        "record_exception": st.booleans(),
        "set_status_on_exception": st.booleans(),
    },
)
raised = st.sampled_from([None, None, ValueError, KeyboardInterrupt, SystemExit])


block = st.builds(Block, texts, st.booleans(), arguments, st.lists(actions, max_size=4), st.just([]), raised)


def nested(flat: list[tuple[Block, int]]) -> list[Block]:
    """Puts each block into the one before it that is less deep."""
    program: list[Block] = []
    open_blocks: list[tuple[int, list[Block]]] = [(-1, program)]
    for each, depth in flat:
        made = replace(each, inside=[])
        while open_blocks[-1][0] >= depth:
            open_blocks.pop()
        open_blocks[-1][1].append(made)
        open_blocks.append((depth, made.inside))
    return program


programs = st.lists(st.tuples(block, st.integers(0, 2)), min_size=1, max_size=4).map(nested)


def play(tracer: Any, program: list[Block]) -> None:
    """Makes the spans of a program."""
    for block in program:
        options = dict(block.arguments)
        parent = options.pop("parent", None)
        if parent == "root":
            options["context"] = trace.set_span_in_context(trace.INVALID_SPAN)
        elif parent is not None:
            options["context"] = trace.set_span_in_context(trace.NonRecordingSpan(REMOTES[parent]))
        start = tracer.start_as_current_span if block.current else tracer.start_span
        try:
            with start(block.name, **options) as span:
                for name, given_arguments in block.actions:
                    getattr(span, name)(*given_arguments)
                play(tracer, block.inside)
                if block.raises is not None:
                    raise block.raises("on purpose")
            left_by = None
        except (ValueError, KeyboardInterrupt, SystemExit) as error:
            left_by = type(error)
        assert left_by is block.raises


def shown(span: ReadableSpan, timed: bool) -> dict[str, Any]:
    """All that an exporter can see, but for what is never the same twice."""
    context, parent = span.get_span_context(), span.parent
    assert context is not None

    def clean(said: Any) -> dict[str, Any]:
        return {key: value for key, value in (said or {}).items() if key != "exception.stacktrace"}

    return {
        "name": span.name,
        "kind": span.kind,
        "context": context if timed else (context.trace_flags, context.trace_state),
        "parent": parent if timed else (parent and (parent.is_remote, parent.trace_flags)),
        "status": (span.status.status_code, span.status.description),
        "attributes": clean(span.attributes),
        "events": [(event.name, clean(event.attributes), event.dropped_attributes) for event in span.events],
        "links": [(link.context, clean(link.attributes), link.dropped_attributes) for link in span.links],
        "dropped": (span.dropped_attributes, span.dropped_events, span.dropped_links),
        "resource": span.resource,
        "scope": span.instrumentation_scope,
    }


def exported(make: Callable[..., Any], program: list[Block], sampler: Any, limits: Any, ids: bool) -> list[Any]:
    exporter = InMemorySpanExporter()
    generator = Counting() if ids else None
    provider = make(
        sampler=sampler, resource=RESOURCE, id_generator=generator, span_limits=limits, shutdown_on_exit=False
    )
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    play(provider.get_tracer("scope", "1", "https://schema", {"a": (1, 2)}), program)
    return [shown(span, ids) for span in exporter.get_finished_spans()]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@settings(max_examples=60)
@given(programs, st.sampled_from(list(SAMPLERS)), st.booleans())
def test_the_same_spans(program: list[Block], sampler: str, ids: bool) -> None:
    ours = exported(TracerProvider, program, SAMPLERS[sampler](), None, ids)
    theirs = exported(SdkProvider, program, SAMPLERS[sampler](), None, ids)
    assert ours == theirs


@settings(max_examples=60)
@given(programs, st.builds(SpanLimits, *[st.none() | st.integers(0, 3)] * 8))
def test_the_same_limits(program: list[Block], limits: SpanLimits) -> None:
    assert exported(TracerProvider, program, None, limits, False) == exported(SdkProvider, program, None, limits, False)
