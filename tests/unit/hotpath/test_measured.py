"""Spans that are measured whether they are sampled or not."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from obsv.hotpath.queue import BoundedQueue
from obsv.hotpath.span import CLIENT, CONSUMER, INTERNAL, SERVER, UNSEEN, Outlet, Remote, Scope, Span, start_span
from telemetry import local_traces


class Listener:
    def __init__(self) -> None:
        self.seen: list[Span] = []

    def started(self, span: Span, parent: Any) -> None:
        self.seen.append(span)

    def ended(self, span: Span, trace: Any) -> None:
        self.seen.append(span)


class Measured:
    def __init__(self, ratio: float) -> None:
        self.outlet = Outlet()
        self.outlet.enabled = True
        self.outlet.set_ratio(ratio)
        self.sampled = BoundedQueue(1000, 1 << 30, 1000, None, None)
        self.measured = BoundedQueue(1000, 1 << 30, 1000, None, None)
        self.outlet.queues = (self.sampled,)
        self.outlet.measured = self.measured
        self.scope = Scope("test", None, self.outlet)

    def start(self, name: str, kind: int = INTERNAL, parent: Any = None) -> Span:
        return start_span(self.scope, name, kind, parent)

    def names(self, queue: BoundedQueue) -> list[str]:
        return [span.name for spans in local_traces(queue) for span in spans]


@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_local_roots_and_all_but_internal_spans_are_measured(ratio: float) -> None:
    made = Measured(ratio)
    root = made.start("server", SERVER)
    inner = made.start("inner", INTERNAL, root)
    client = made.start("client", CLIENT, inner)
    for span in (client, inner, root):
        span.end()
    made.start("job").end()
    assert made.names(made.measured) == ["client", "server", "job"]
    assert sorted(made.names(made.sampled)) == (["client", "inner", "job", "server"] if ratio else [])


def test_what_is_not_sampled_stays_so() -> None:
    made = Measured(0.0)
    made.outlet.listener = listener = Listener()
    root = made.start("server", SERVER)
    assert root.recording
    assert not root.flags & 1
    inner = made.start("inner", INTERNAL, root)
    assert not inner.recording
    client = made.start("client", CLIENT, inner)
    assert client.recording
    assert not client.flags & 1
    assert client.trace_id == root.trace_id
    assert client.parent_id == inner.span_id
    client.set_attribute("http.response.status_code", 503)
    client.fail(ValueError("no stack is kept of it"))
    assert not client.event_list
    assert client.status_value == 2
    client.end()
    root.end()
    assert client.end_ns >= client.start_ns > 0
    assert client.attributes["http.response.status_code"] == 503
    assert listener.seen == []
    assert made.names(made.sampled) == []


def test_sampled_spans_are_told_as_ever() -> None:
    made = Measured(1.0)
    made.outlet.listener = listener = Listener()
    span = made.start("server", SERVER)
    span.end()
    assert listener.seen == [span, span]
    assert not span.quiet & UNSEEN


def test_all_below_a_server_span_know_where_the_request_came_in() -> None:
    made = Measured(0.0)
    caller = Remote(1, 2, 3, 0)
    root = made.start("server", SERVER, caller)
    inner = made.start("inner", INTERNAL, root)
    client = made.start("client", CLIENT, inner)
    nested = made.start("nested server", SERVER, inner)
    assert root.entry is not None
    assert root.entry is inner.entry is client.entry
    assert nested.entry is not None
    assert nested.entry is not root.entry
    other = made.start("consumer", CONSUMER, caller)
    assert other.entry is not root.entry


def test_nothing_is_measured_unless_somebody_does() -> None:
    made = Measured(0.0)
    made.outlet.measured = None
    root = made.start("server", SERVER)
    assert not root.recording
    assert root.entry is None
    root.end()
    assert made.names(made.measured) == []


def test_a_disabled_outlet_measures_nothing() -> None:
    made = Measured(1.0)
    made.outlet.enabled = False
    span = made.start("server", SERVER)
    span.end()
    assert made.names(made.measured) == []


def test_measured_spans_are_no_cycles() -> None:
    import weakref

    made = Measured(0.5)
    gc.disable()
    try:
        root = made.start("server", SERVER)
        client = made.start("client", CLIENT, root)
        client.end()
        root.end()
        seen = [weakref.ref(root), weakref.ref(client)]
        del root, client
        made.sampled.take(10)
        made.measured.take(10)
        assert [each() for each in seen] == [None, None]
    finally:
        gc.enable()
