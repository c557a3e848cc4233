"""OTLP traces: our bytes, read by OpenTelemetry's own classes, are the span, and what the SDK's exporter sends."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace as api
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event as SdkEvent
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from obsv.hotpath import faults
from obsv.hotpath.errors import ErrorInfo
from obsv.hotpath.otlp import resource_bytes, traces
from obsv.hotpath.records import Event, Link
from obsv.hotpath.span import Scope, Span
from obsv.hotpath.values import clean
from otlp_data import attributes, expected_pairs, ids, keys, moments, pairs, same, texts, utf8

SCOPE = Scope("a scope", "1.2", None, "https://example.org/schema", {"k": "v"})
NOTHING = resource_bytes({})

counts = st.integers(0, 2**31 - 1)
flags = st.integers(0, 3)


@st.composite
def events(draw: Any) -> Event:
    event = Event(draw(texts), draw(moments), clean(draw(attributes)))
    event.dropped = draw(counts)
    return event


@st.composite
def links(draw: Any) -> Link:
    state = draw(st.none() | st.just("a=b"))
    link = Link(draw(ids), draw(ids), draw(ids), draw(flags), state, clean(draw(attributes)))
    link.dropped = draw(counts)
    return link


@st.composite
def spans(draw: Any) -> Span:
    span = Span(SCOPE, draw(texts), draw(st.integers(0, 4)))
    span.trace_hi, span.trace_lo, span.id64 = draw(ids), draw(ids), draw(ids)
    span.parent64 = draw(st.just(0) | ids)
    span.parent_remote = bool(span.parent64) and draw(st.booleans())
    span.flags = draw(flags)
    span.start_ns, span.end_ns = draw(moments), draw(moments)
    span.attributes.update(clean(draw(attributes)))
    span.event_list = draw(st.none() | st.lists(events(), max_size=3))
    span.link_list = draw(st.none() | st.lists(links(), max_size=3))
    span.status_value = draw(st.integers(0, 2))
    span.status_message = draw(texts) if span.status_value == 2 else None
    span.tracestate = draw(st.none() | st.just("vendor=value"))
    span.dropped_attributes, span.dropped_events, span.dropped_links = draw(counts), draw(counts), draw(counts)
    return span


def parse(batch: list[list[Span]], resource: bytes = NOTHING) -> Any:
    return ExportTraceServiceRequest.FromString(traces(batch, resource))


def only(message: Any) -> Any:
    [resource] = message.resource_spans
    [scope] = resource.scope_spans
    [span] = scope.spans
    return span


def trace_id(record: Any) -> bytes:
    return record.trace_hi.to_bytes(8, "big") + record.trace_lo.to_bytes(8, "big")


@given(spans())
def test_every_field(span: Span) -> None:
    got = only(parse([[span]]))
    assert got.trace_id == trace_id(span)
    assert got.span_id == span.id64.to_bytes(8, "big")
    assert got.parent_span_id == (span.parent64.to_bytes(8, "big") if span.parent64 else b"")
    assert got.trace_state == (span.tracestate or "")
    assert got.flags == span.flags | 0x100 | (0x200 if span.parent_remote else 0)
    assert got.name == utf8(span.name)
    assert got.kind == span.kind_value + 1
    assert (got.start_time_unix_nano, got.end_time_unix_nano) == (span.start_ns, span.end_ns)
    assert same(pairs(got.attributes), expected_pairs(span.attributes))
    assert got.dropped_attributes_count == span.dropped_attributes
    assert got.dropped_events_count == span.dropped_events
    assert got.dropped_links_count == span.dropped_links
    # trace.proto: STATUS_CODE_OK is 1 and ERROR 2, as in the API
    assert got.status.code == span.status_value
    assert got.status.message == utf8(span.status_message or "")
    assert len(got.events) == len(span.event_list or [])
    for event, mine in zip(got.events, span.event_list or [], strict=True):
        assert (event.time_unix_nano, event.name) == (mine.time_ns, utf8(mine.name))
        assert same(pairs(event.attributes), expected_pairs(mine.attributes))
        assert event.dropped_attributes_count == mine.dropped
    for link, theirs in zip(got.links, span.link_list or [], strict=True):
        assert link.trace_id == trace_id(theirs)
        assert link.span_id == theirs.id64.to_bytes(8, "big")
        assert link.trace_state == (theirs.tracestate or "")
        assert link.flags == theirs.flags | 0x100
        assert same(pairs(link.attributes), expected_pairs(theirs.attributes))
        assert link.dropped_attributes_count == theirs.dropped


simple = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=20)
simple_attributes = st.dictionaries(st.text(min_size=1, max_size=20), simple, max_size=5)


@given(
    st.text(),
    st.sampled_from(list(api.SpanKind)),
    ids,
    ids,
    ids,
    st.none() | st.tuples(ids, st.booleans()),
    moments,
    moments,
    simple_attributes,
    st.lists(st.tuples(st.text(), moments, simple_attributes), max_size=2),
    st.lists(ids, max_size=2),
    st.sampled_from(list(api.StatusCode)),
)
def test_it_is_what_the_sdks_exporter_sends(
    name: str,
    kind: Any,
    hi: int,
    lo: int,
    span_id: int,
    parent: Any,
    start: int,
    end: int,
    given_attributes: Any,
    given_events: Any,
    linked: Any,
    status: Any,
) -> None:
    state = api.TraceState([("a", "b")])
    context = api.SpanContext(hi << 64 | lo, span_id, False, api.TraceFlags(1), state)
    theirs = ReadableSpan(
        name,
        context,
        None if parent is None else api.SpanContext(hi << 64 | lo, parent[0], parent[1], api.TraceFlags(1)),
        Resource({"service.name": "x"}),
        given_attributes,
        [SdkEvent(event, attributes, time) for event, time, attributes in given_events],
        [api.Link(api.SpanContext(hi << 64 | lo, other, True, api.TraceFlags(0)), {"k": 1}) for other in linked],
        kind,
        instrumentation_scope=InstrumentationScope("scope", "1", "https://schema"),
        status=api.Status(status, "why" if status is api.StatusCode.ERROR else None),
        start_time=start,
        end_time=end,
    )
    ours = Span(Scope("scope", "1", None, "https://schema"), name, kind.value)
    ours.trace_hi, ours.trace_lo, ours.id64, ours.flags, ours.tracestate = hi, lo, span_id, 1, "a=b"
    if parent is not None:
        ours.parent64, ours.parent_remote = parent
    ours.start_ns, ours.end_ns = start, end
    ours.attributes.update(given_attributes)
    ours.event_list = [Event(event, time, attributes) for event, time, attributes in given_events]
    ours.link_list = [Link(hi, lo, other, 0, None, {"k": 1}) for other in linked]
    ours.status_value, ours.status_message = status.value, "why" if status is api.StatusCode.ERROR else None
    mine = parse([[ours]], resource_bytes({"service.name": "x"}))
    sdk = encode_spans([theirs])
    for message in (mine, sdk):
        span = only(message)
        # The SDK's exporter leaves the W3C flags out (bits 0 to 7), and says of every link that it is remote or not.
        span.flags &= 0x300
        span.status.SetInParent()  # an empty status and none are the same
        for link in span.links:
            link.flags &= 0x100
    if not sdk.resource_spans[0].schema_url:
        assert not mine.resource_spans[0].schema_url
    assert mine == sdk


def test_an_exception_is_written_out() -> None:
    span = Span(SCOPE, "x")
    try:
        raise ValueError("half \ud800 pair")
    except ValueError as error:
        span.event_list = [Event("exception", 5, {"k": 1}, ErrorInfo.capture(error), True)]
    [event] = only(parse([[span]])).events
    found = dict(pairs(event.attributes))
    assert found["exception.type"] == "ValueError"
    assert found["exception.message"] == "half ? pair"
    assert found["exception.escaped"] == "True"
    assert found["exception.stacktrace"].startswith("Traceback (most recent call last):\n")
    assert found["k"] == 1


def test_spans_are_grouped_by_scope() -> None:
    one, other = Scope("one"), Scope("other", "2")
    batch = [[Span(one, "a"), Span(other, "b")], [Span(one, "c")]]
    [resource] = parse(batch, resource_bytes({"service.name": "shop", "list": ["a", 1]})).resource_spans
    assert pairs(resource.resource.attributes) == [("service.name", "shop"), ("list", ("a", 1))]
    found = [(s.scope.name, s.scope.version, [span.name for span in s.spans]) for s in resource.scope_spans]
    assert found == [("one", "", ["a", "c"]), ("other", "2", ["b"])]
    [full] = parse([[Span(SCOPE, "x")]]).resource_spans[0].scope_spans
    assert (full.schema_url, pairs(full.scope.attributes)) == ("https://example.org/schema", [("k", "v")])


@given(keys)
def test_resources_take_any_key(key: str) -> None:
    [resource] = parse([[Span(SCOPE, "x")]], resource_bytes({key: 1})).resource_spans
    assert pairs(resource.resource.attributes) == [(utf8(key), 1)]


def test_an_empty_batch() -> None:
    assert len(parse([]).resource_spans) == 1


def test_a_span_that_cannot_be_written_loses_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = Span(SCOPE, "good"), Span(SCOPE, "bad")
    bad.event_list = [Event("x", "no time", {})]  # type: ignore[arg-type]
    with pytest.raises(Exception, match="int"):
        traces([[good, bad]], NOTHING)  # under OBSV_RAISE=1
    monkeypatch.delenv("OBSV_RAISE")
    before = faults.counts["encoding a span"]
    [resource] = parse([[good, bad, good]]).resource_spans
    assert [span.name for span in resource.scope_spans[0].spans] == ["good", "good"]
    assert faults.counts["encoding a span"] == before + 1


def test_odd_names() -> None:
    class Unreadable:
        def __str__(self) -> str:
            raise RuntimeError

    class Text(str):
        __slots__ = ()

    odd: Any
    for odd, name in (
        (5, "5"),
        (None, "None"),
        (Text("t"), "t"),
        (Unreadable(), "<Unreadable: its text cannot be read>"),
    ):
        assert only(parse([[Span(SCOPE, odd)]])).name == name
