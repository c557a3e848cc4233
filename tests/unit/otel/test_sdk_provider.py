"""Processors, samplers, id generators and private names: what programs and tools made for the SDK do with obsv."""

from __future__ import annotations

import copy
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.context import Context
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, DEFAULT_ON, Decision, Sampler, SamplingResult, StaticSampler

import obsv
from obsv.hotpath import faults
from obsv.hotpath.span import OUTLET, Span
from obsv.otel import TracerProvider
from obsv.testing import Capture, capture
from programs import only_our_lines, run

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def seen() -> Iterator[Capture]:
    with capture(patch=False) as captured:
        yield captured


@pytest.fixture
def swallowing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Errors are swallowed and counted, as in a user's program."""
    monkeypatch.delenv("OBSV_RAISE")
    faults.reset()
    yield
    faults.reset()


def provider_with(exporter: InMemorySpanExporter, **arguments: Any) -> TracerProvider:
    provider = TracerProvider(shutdown_on_exit=False, **arguments)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider


class Notes(SpanProcessor):
    """Notes what it is told."""

    def __init__(self, name: str, notes: list[Any]) -> None:
        self.name = name
        self.notes = notes

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        self.notes.append((self.name, "start", span.name, parent_context))
        span.set_attribute(f"by {self.name}", True)

    def _on_ending(self, span: Any) -> None:
        self.notes.append((self.name, "ending", span.name, span.is_recording()))

    def on_end(self, span: Any) -> None:
        self.notes.append((self.name, "end", span.name, type(span).__mro__[1]))


def test_all_ending_come_before_any_end() -> None:
    notes: list[Any] = []
    provider = TracerProvider(shutdown_on_exit=False)
    for name in ("a", "b"):
        provider.add_span_processor(Notes(name, notes))
    given = baggage.set_baggage("k", "v", Context())
    provider.get_tracer("t").start_span("s", given).end()
    assert notes == [
        ("a", "start", "s", given),
        ("b", "start", "s", given),
        ("a", "ending", "s", False),
        ("b", "ending", "s", False),
        ("a", "end", "s", ReadableSpan),
        ("b", "end", "s", ReadableSpan),
    ]


def test_a_processor_that_raises_hurts_nobody(swallowing: None, capsys: pytest.CaptureFixture[str]) -> None:
    class Broken(SpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            raise ValueError("on_start")

        def on_end(self, span: Any) -> None:
            raise ValueError("on_end")

        def shutdown(self) -> None:
            raise ValueError("shutdown")

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            raise ValueError("force_flush")

    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Broken())
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    for _ in range(3):
        provider.get_tracer("t").start_span("s").end()
    assert provider.force_flush() is False
    provider.shutdown()
    assert len(exporter.get_finished_spans()) == 3
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 3  # the processor, its flush, its shutdown
    assert all(line.startswith("obsv: ") for line in told)


def test_a_sampler_that_raises_leaves_the_parents_decision(swallowing: None) -> None:
    class Broken(Sampler):
        def should_sample(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError

        def get_description(self) -> str:
            return "broken"

    exporter = InMemorySpanExporter()
    tracer = provider_with(exporter, sampler=Broken()).get_tracer("t")
    remote = trace.SpanContext(5, 6, True, trace.TraceFlags(0))
    tracer.start_span("new").end()
    tracer.start_span("unsampled", trace.set_span_in_context(trace.NonRecordingSpan(remote))).end()
    assert [span.name for span in exporter.get_finished_spans()] == ["new"]
    assert faults.counts["sampler Broken"] == 2


def test_an_id_generator_that_raises_leaves_obsvs_ids(swallowing: None) -> None:
    class Broken(IdGenerator):
        def generate_span_id(self) -> int:
            raise RuntimeError

        def generate_trace_id(self) -> int:
            raise RuntimeError

    exporter = InMemorySpanExporter()
    provider_with(exporter, id_generator=Broken()).get_tracer("t").start_span("s").end()
    [span] = exporter.get_finished_spans()
    assert span.get_span_context().is_valid  # type: ignore[union-attr]


class Bad:
    """Raises whatever is asked of it."""

    def __bool__(self) -> bool:
        raise RuntimeError

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("state", ["a=b", 5, Bad()])
def test_a_sampler_whose_trace_state_is_none(swallowing: None, state: Any) -> None:
    class Odd(Sampler):
        def should_sample(self, *_: Any, **__: Any) -> Any:
            result = SamplingResult(Decision.RECORD_AND_SAMPLE)
            result.trace_state = state
            return result

        def get_description(self) -> str:
            return "odd"

    exporter = InMemorySpanExporter()
    provider_with(exporter, sampler=Odd()).get_tracer("t").start_span("s").end()
    assert len(exporter.get_finished_spans()) == 1
    assert faults.counts["sampler Odd"] == 1


def test_a_sampler_whose_attributes_cannot_be_compared() -> None:
    class Odd(Sampler):
        def should_sample(self, *_: Any, **__: Any) -> Any:
            return SamplingResult(Decision.RECORD_AND_SAMPLE, {"k": Bad(), "n": 1})

        def get_description(self) -> str:
            return "odd"

    exporter = InMemorySpanExporter()
    provider_with(exporter, sampler=Odd()).get_tracer("t").start_span("s", attributes={"k": 1}).end()
    [span] = exporter.get_finished_spans()
    assert dict(span.attributes or {}) == {"k": None, "n": 1}


@pytest.mark.parametrize("made", [0, -1, 1 << 128, "12", 1.5, None])
def test_ids_that_are_none_are_replaced(swallowing: None, made: Any) -> None:
    class Odd(IdGenerator):
        def generate_span_id(self) -> int:
            return made  # type: ignore[no-any-return]

        def generate_trace_id(self) -> int:
            return made  # type: ignore[no-any-return]

    exporter = InMemorySpanExporter()
    provider_with(exporter, id_generator=Odd()).get_tracer("t").start_span("s").end()
    [span] = exporter.get_finished_spans()
    assert span.get_span_context().is_valid  # type: ignore[union-attr]
    assert faults.counts["id generator Odd"] == 1


def test_flags_that_nobody_knows_are_not_passed_on() -> None:
    exporter = InMemorySpanExporter()
    tracer = provider_with(exporter).get_tracer("t")
    for flags in (0xFF, 0xFD):
        parent = trace.NonRecordingSpan(trace.SpanContext(5, 6, True, trace.TraceFlags(flags)))
        tracer.start_span("s", trace.set_span_in_context(parent)).end()
    assert [int(span.context.trace_flags) for span in exporter.get_finished_spans()] == [3, 1]


class Hide(SpanProcessor):
    def on_end(self, span: Any) -> None:
        span._name = "login"
        span._attributes = {"password": "***", "list": [1]}


def test_what_a_processor_changes_those_behind_it_see() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Hide())
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    provider.get_tracer("t").start_span("login ann", attributes={"password": "secret"}).end()
    [span] = exporter.get_finished_spans()
    assert (span.name, dict(span.attributes or {})) == ("login", {"password": "***", "list": [1]})


def test_what_a_processor_hides_obsvs_sinks_do_not_send(seen: Capture) -> None:
    provider: Any = trace.get_tracer_provider()
    provider.add_span_processor(Hide())
    with obsv.span("login ann", password="secret"):
        pass
    span = seen.span("login")
    assert span.attributes == {"password": "***", "list": (1,)}
    obsv.shutdown()


def test_a_start_at_the_epoch() -> None:
    exporter = InMemorySpanExporter()
    provider_with(exporter).get_tracer("t").start_span("s", start_time=0).end(5)
    [span] = exporter.get_finished_spans()
    assert (span.start_time, span.end_time) == (1, 5)


def test_processors_see_a_parent_context_only_where_one_was_given() -> None:
    given: list[Any] = []

    class Keep(SpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            given.append(parent_context)

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Keep())
    tracer = provider.get_tracer("t")
    other = baggage.set_baggage("k", "w")
    token = context.attach(baggage.set_baggage("k", "v"))
    tracer.start_span("current").end()
    tracer.start_span("given", other).end()
    context.detach(token)
    assert given == [None, other]


def test_a_sampler_that_is_set_takes_effect_at_once() -> None:
    exporter = InMemorySpanExporter()
    provider = provider_with(exporter)
    tracer = provider.get_tracer("t")
    tracer.start_span("before").end()
    provider.sampler = ALWAYS_OFF
    dropped = tracer.start_span("off")
    dropped.end()
    assert isinstance(dropped, trace.NonRecordingSpan)
    provider.sampler = DEFAULT_ON
    tracer.start_span("after").end()
    assert [span.name for span in exporter.get_finished_spans()] == ["before", "after"]


def test_record_only_spans_reach_processors_and_are_not_exported() -> None:
    notes: list[Any] = []
    exporter = InMemorySpanExporter()
    provider = provider_with(exporter, sampler=StaticSampler(Decision.RECORD_ONLY))
    provider.add_span_processor(Notes("n", notes))
    span = provider.get_tracer("t").start_span("s")
    assert span.is_recording()
    span.end()
    assert [note[1] for note in notes] == ["start", "ending", "end"]
    assert exporter.get_finished_spans() == ()


def test_the_provider_of_init_takes_processors(seen: Capture) -> None:
    exporter, notes = InMemorySpanExporter(), []  # type: ignore[var-annotated]
    provider: Any = trace.get_tracer_provider()
    assert isinstance(provider, sdk.TracerProvider)
    before = provider._active_span_processor._span_processors
    try:
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        provider.add_span_processor(Notes("n", notes))
        with obsv.span("ours"), trace.get_tracer("t").start_as_current_span("theirs"):
            pass
        assert [span.name for span in exporter.get_finished_spans()] == ["theirs", "ours"]
        assert [span.name for span in seen.spans] == ["theirs", "ours"]  # and to obsv's sinks as before
        assert seen.span("ours").attributes == {"by n": True}
        assert provider.force_flush()
    finally:
        provider._active_span_processor._span_processors = before
        OUTLET.listener = None
        provider._processor = None


def test_two_providers_do_not_mix(seen: Capture) -> None:
    exporter = InMemorySpanExporter()
    other = provider_with(exporter).get_tracer("other")
    with obsv.span("ours") as ours:
        other.start_span("theirs").end()
    assert [span.name for span in seen.spans] == ["ours"]
    [theirs] = exporter.get_finished_spans()
    assert theirs.parent == ours.get_span_context()


def test_private_names_that_tools_use() -> None:
    provider = TracerProvider(shutdown_on_exit=False, resource=Resource({"service.name": "x"}))
    span: Any = provider.get_tracer("scope", "1").start_span("s", kind=trace.SpanKind.SERVER, attributes={"a": 1})
    assert type(span) is Span
    assert isinstance(span, (sdk.Span, ReadableSpan, trace.Span))
    assert (span._name, span._kind, span._attributes) == ("s", trace.SpanKind.SERVER, {"a": 1})
    assert span._context is span.get_span_context()
    assert (span._parent, span._end_time, span._status.status_code) == (None, None, trace.StatusCode.UNSET)
    assert span._start_time == span.start_time > 0
    assert span._resource is span.resource is provider.resource
    assert span._instrumentation_scope.name == "scope"
    assert span._limits.max_span_attributes == 128
    assert (span._events, span._links) == ((), ())
    assert span._span_processor is provider._active_span_processor
    assert span._format_context(span.context)["span_id"] == f"0x{span.span_id}"
    span._attributes["set by a tool"] = 2
    span._name = "renamed"
    span._kind = trace.SpanKind.CLIENT
    assert (span.name, span.kind, span.attributes) == ("renamed", trace.SpanKind.CLIENT, {"a": 1, "set by a tool": 2})
    span._attributes = {"only": 1}
    assert json.loads(span.to_json())["attributes"] == {"only": 1}
    span.end()
    assert span._end_time == span.end_time >= span.start_time


def test_a_view_can_be_changed_and_copied() -> None:
    got: list[Any] = []

    class Keep(SpanProcessor):
        def on_end(self, span: Any) -> None:
            got.append(span)

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Keep())
    span: Any = provider.get_tracer("t").start_span("s", attributes={"list": [1]})
    span.add_event("e", {"k": "v"})
    span.end()
    [view] = got
    view._name = "renamed"
    deep = copy.deepcopy(view)
    assert type(deep) is ReadableSpan
    assert (view.name, deep.name, span.name) == ("renamed", "renamed", "s")
    assert deep.attributes == view.attributes == {"list": (1,)}
    assert deep.attributes is not view.attributes
    assert json.loads(deep.to_json()) == json.loads(view.to_json())
    with pytest.raises(TypeError):
        view.attributes["new"] = 1
    with pytest.raises(AttributeError):
        _ = view.nothing_of_the_kind
    assert copy.deepcopy(span).name == "s"


def test_ended_spans_warn(caplog: pytest.LogCaptureFixture) -> None:
    span: Any = TracerProvider(shutdown_on_exit=False).get_tracer("t").start_span("s")
    span.end()
    with caplog.at_level(logging.WARNING):
        span.set_attribute("k", 1)
        span.end()
    assert [record.message for record in caplog.records] == [
        "set_attribute() was called on a span that has ended",
        "end() was called on a span that has ended",
    ]


def test_without_processors_the_sdk_is_not_loaded() -> None:
    code = """
    import sys, obsv
    obsv.init("x", traces="memory", metrics="none", logs="none")
    from opentelemetry import trace
    with trace.get_tracer("t").start_as_current_span("s") as span:
        span.kind, span.status, span.start_time, span.parent, span.get_span_context()
    loaded = [name for name in sys.modules if name.startswith("opentelemetry.sdk")]
    print(loaded, isinstance(span, trace.Span))
    """
    done = run(code)
    assert (done.returncode, done.stdout) == (0, "[] True\n"), done.stderr
    assert only_our_lines(done.stderr)


@pytest.mark.parametrize(("name", "kept"), [("always_off", 0), ("traceidratio:1", 2), ("parentbased_always_on", 1)])
def test_the_sampler_of_the_settings(name: str, kept: int) -> None:
    sampler, _, argument = name.partition(":")
    code = """
    import obsv
    from opentelemetry import trace
    from obsv.testing import capture
    with capture(patch=False, sample=None) as seen:
        remote = trace.SpanContext(5, 6, True, trace.TraceFlags(0))
        tracer = trace.get_tracer("t")
        tracer.start_span("new").end()
        tracer.start_span("unsampled", trace.set_span_in_context(trace.NonRecordingSpan(remote))).end()
        print(len(seen.spans))
    """
    done = run(code, OTEL_TRACES_SAMPLER=sampler, OTEL_TRACES_SAMPLER_ARG=argument)
    assert (done.returncode, done.stdout) == (0, f"{kept}\n"), done.stderr


@pytest.mark.parametrize("kind", [sdk.TracerProvider, TracerProvider])
def test_keys_that_are_no_text(kind: Any) -> None:
    odd: Any = {1: 1, None: 2, 0: 3, "": 4, (1, 2): 5, Bad: 6, "k": 7}
    expected = {"1": 1, "(1, 2)": 5, str(Bad): 6, "k": 7}
    exporter = InMemorySpanExporter()
    provider = kind(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    link = trace.Link(trace.SpanContext(1, 2, False), odd)
    span = provider.get_tracer("t").start_span("s", attributes=odd, links=[link])
    span.add_event("e", odd)
    span.end()
    [found] = exporter.get_finished_spans()
    assert dict(found.attributes or {}) == expected
    assert dict(found.events[0].attributes or {}) == expected
    assert dict(found.links[0].attributes or {}) == expected
    assert found.dropped_attributes == found.events[0].dropped_attributes == 3
