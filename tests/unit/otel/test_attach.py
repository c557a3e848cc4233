"""A tracer provider of the program's own: its spans reach obsv's sinks as the SDK's exporter would have sent them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider, sampling
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from obsv import testing
from obsv.hotpath import otlp
from obsv.otel.attach import Processor
from programs import FORKS, run, to

if TYPE_CHECKING:
    from collectors import Collector

STAYS = (
    "obsv: the tracer provider opentelemetry.sdk.trace.TracerProvider stays, and obsv gets its spans too "
    "(or alone: OBSV_OTEL_PROVIDER=replace)\n"
)
GOES = (
    "obsv: obsv takes the place of the tracer provider opentelemetry.sdk.trace.TracerProvider, whose processors get no "
    "more spans\n"
)


class Kept(SpanProcessor):
    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


def provider(**more: Any) -> tuple[TracerProvider, Kept]:
    """An SDK provider with obsv's processor and one that keeps what it sees."""
    made, kept = TracerProvider(shutdown_on_exit=False, **more), Kept()
    made.add_span_processor(Processor(lambda seconds: True))  # type: ignore[arg-type]
    made.add_span_processor(kept)
    return made, kept


def encoded(spans: list[Any]) -> dict[bytes, Any]:
    """obsv's spans by id, as protobuf messages."""
    message = ExportTraceServiceRequest.FromString(otlp.traces([spans], otlp.resource_bytes({})))
    return by_id(message)


def by_id(message: Any) -> dict[bytes, Any]:
    found = {}
    for resource in message.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                # The SDK's encoder leaves out the trace flags, and writes a status that says nothing.
                span.flags &= 0x300
                for link in span.links:
                    link.flags = 0
                if not span.status.code:
                    span.ClearField("status")
                found[span.span_id] = (scope.scope.name, scope.scope.version, scope.schema_url, span)
    return found


VALUES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.booleans(),
    st.integers(-(10**11), 10**11),  # a longer one may be a card's number, which leaves obsv as REDACTED
    st.sampled_from([-(2**63), 2**63 - 1]),
    st.floats(allow_nan=False),
    st.lists(st.integers(-5, 5), max_size=3),
)
ATTRIBUTES = st.dictionaries(st.text("abc.", min_size=1, max_size=5), VALUES, max_size=5)


@given(
    name=st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
    kind=st.sampled_from(SpanKind),
    attributes=ATTRIBUTES,
    events=st.lists(st.tuples(st.text("xyz", max_size=3), ATTRIBUTES, st.integers(1, 2**62)), max_size=3),
    links=st.lists(st.tuples(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), ATTRIBUTES), max_size=2),
    status=st.sampled_from([None, Status(StatusCode.OK), Status(StatusCode.ERROR), Status(StatusCode.ERROR, "why")]),
    remote=st.none() | st.tuples(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans()),
    start=st.integers(1, 2**62),
)
def test_spans_are_what_the_sdks_exporter_sends(
    name: str,
    kind: SpanKind,
    attributes: Any,
    events: Any,
    links: Any,
    status: Status | None,
    remote: Any,
    start: int,
) -> None:
    sdk, kept = provider(sampler=sampling.ALWAYS_ON)
    context = None
    if remote is not None:
        parent = SpanContext(*remote, trace_flags=TraceFlags(1), trace_state=TraceState([("a", "b")]))
        context = trace.set_span_in_context(trace.NonRecordingSpan(parent), trace.context_api.Context())
    with testing.capture(patch=False) as seen:
        tracer = sdk.get_tracer("theirs", "1.2", "https://schema")
        span = tracer.start_span(
            name,
            context or trace.context_api.Context(),
            kind,
            attributes,
            [Link(SpanContext(a, b, True), more) for a, b, more in links],
            start,
        )
        for event in events:
            span.add_event(*event)
        if status is not None:
            span.set_status(status)
        span.end(start + 5)
        ours = encoded(seen.spans)
    theirs = by_id(encode_spans(kept.spans))
    assert ours == theirs


def test_spans_wait_for_their_local_root() -> None:
    sdk, _ = provider()
    with testing.capture(patch=False) as seen:
        tracer = sdk.get_tracer("x")
        root = tracer.start_span("root", trace.context_api.Context())
        below = trace.set_span_in_context(root, trace.context_api.Context())
        late = tracer.start_span("late", below)
        tracer.start_span("child", below).end()
        assert seen.spans == []
        root.end()
        assert [span.name for span in seen.spans] == ["child", "root"]
        late.end()
        assert [span.name for span in seen.spans] == ["child", "root", "late"]


def test_traces_that_never_end_are_bounded_and_sent_at_the_shutdown() -> None:
    processor = Processor(lambda seconds: True)
    sdk = TracerProvider(shutdown_on_exit=False)
    sdk.add_span_processor(processor)  # type: ignore[arg-type]
    with testing.capture(patch=False) as seen:
        tracer = sdk.get_tracer("x")
        root = tracer.start_span("root", trace.context_api.Context())
        below = trace.set_span_in_context(root, trace.context_api.Context())
        for _ in range(600):
            tracer.start_span("child", below).end()
        assert len(seen.spans) == 512
        sdk.shutdown()
        assert len(seen.spans) == 600
        for _ in range(1500):
            tracer.start_span("open", trace.context_api.Context())
        assert len(processor._waiting) <= 1000


def test_what_is_not_sampled_stays_away() -> None:
    class Record(sampling.Sampler):
        def should_sample(self, *args: Any, **kwargs: Any) -> sampling.SamplingResult:
            return sampling.SamplingResult(sampling.Decision.RECORD_ONLY)

        def get_description(self) -> str:
            return "record only"

    sdk, kept = provider(sampler=Record())
    with testing.capture(patch=False) as seen:
        sdk.get_tracer("x").start_span("recorded", trace.context_api.Context()).end()
        assert (len(kept.spans), seen.spans) == (1, [])


def test_a_span_that_cannot_be_read_is_told_and_no_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("OBSV_RAISE")
    with testing.capture(patch=False) as seen:
        processor = Processor(lambda seconds: True)
        processor.on_start(object())
        processor.on_end(object())
        assert seen.spans == []
    assert capsys.readouterr().err.count("a span of another tracer provider failed") == 1


PROGRAM = """
    import os, sys
    from opentelemetry import trace
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    theirs = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "theirs", "team": "blue"}))
    provider.add_span_processor(SimpleSpanProcessor(theirs))
    import obsv
    if "before" in sys.argv:
        trace.set_tracer_provider(provider)
        obsv.init()
    else:
        obsv.init()
        trace.set_tracer_provider(provider)
    tracer = trace.get_tracer("theirs")
    with tracer.start_as_current_span("outer"):
        with obsv.span("ours"):
            with tracer.start_as_current_span("inner"):
                pass
    print(sorted(span.name for span in theirs.get_finished_spans()))
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        with tracer.start_as_current_span("forked"):
            pass
        obsv.shutdown()
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.mark.parametrize("order", ["before", "after"])
def test_attached(otlp_collector: Collector, order: str) -> None:
    done = run(PROGRAM, order, **to(otlp_collector, **FORKS))
    assert (done.returncode, done.stdout, done.stderr) == (0, "['inner', 'outer']\n", STAYS)
    spans = {span.name: span for span in otlp_collector.spans()}
    assert sorted(spans) == ["forked", "inner", "ours", "outer"]
    assert spans["ours"].parent_span_id == spans["outer"].span_id
    assert spans["inner"].parent_span_id == spans["ours"].span_id
    assert len({spans[name].trace_id for name in ("inner", "ours", "outer")}) == 1
    resources = otlp_collector.resources()
    assert {(resource["service.name"], resource["team"]) for resource in resources} == {("theirs", "blue")}
    assert len({resource["process.pid"] for resource in resources}) == 2


def test_what_obsv_was_told_wins_over_the_resource(otlp_collector: Collector) -> None:
    run(PROGRAM, "before", **to(otlp_collector, OBSV_SERVICE="ours"))
    assert {resource["service.name"] for resource in otlp_collector.resources()} == {"ours"}


@pytest.mark.parametrize("order", ["before", "after"])
def test_replaced(otlp_collector: Collector, order: str) -> None:
    done = run(PROGRAM, order, **to(otlp_collector, **FORKS, OBSV_OTEL_PROVIDER="replace"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", GOES)
    assert sorted(span.name for span in otlp_collector.spans()) == ["forked", "inner", "ours", "outer"]


def test_a_provider_without_processors_stays(otlp_collector: Collector) -> None:
    code = """
    from opentelemetry import trace
    class Theirs(trace.TracerProvider):
        def get_tracer(self, *args, **kwargs):
            return trace.NoOpTracer()
    trace.set_tracer_provider(Theirs())
    import obsv
    obsv.init()
    assert type(trace.get_tracer_provider()) is Theirs
    """
    done = run(code, **to(otlp_collector))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("\n") == 1
    assert "it takes no span processors" in done.stderr
