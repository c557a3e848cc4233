"""Many threads end children of one root while it ends itself: each span leaves exactly once."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import pytest

from obsv.hotpath import compiled
from obsv.hotpath import span as hot
from obsv.hotpath.queue import BoundedQueue
from telemetry import local_traces

if TYPE_CHECKING:
    from collections.abc import Iterator

THREADS, CHILDREN, TRACES = 4, 150, 40


@pytest.fixture
def queue() -> Iterator[BoundedQueue]:
    made = BoundedQueue(10**7, 10**12, 512, threading.Lock(), None)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    hot.OUTLET.queues = (made,)
    hot.OUTLET.enabled = True
    hot.set_part(3)  # parts of three spans: as many handovers as possible
    yield made
    hot.set_part(hot.PART)
    hot.OUTLET.enabled = False
    hot.OUTLET.queues = ()
    sys.setswitchinterval(interval)


def test_no_span_is_lost_or_sent_twice(queue: BoundedQueue) -> None:
    def work(root: hot.Span) -> None:
        for _ in range(CHILDREN):
            hot.start_span(hot.SCOPE, "child", 0, root).end()

    for _ in range(TRACES):
        root = hot.start_span(hot.SCOPE, "root", 0, None)
        threads = [threading.Thread(target=work, args=(root,)) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        root.end()
        for thread in threads:
            thread.join()
    parts = local_traces(queue)
    spans = [span for part in parts for span in part]
    assert len(spans) == TRACES * (THREADS * CHILDREN + 1)
    assert len({span.id64 for span in spans}) == len(spans)


@pytest.mark.skipif(compiled(), reason="no other thread runs in the midst of compiled code")
@pytest.mark.parametrize("meanwhile", ["another child begins and ends", "the root ends"])
def test_a_first_child_is_not_alone(queue: BoundedQueue, monkeypatch: pytest.MonkeyPatch, meanwhile: str) -> None:
    root = hot.start_span(hot.SCOPE, "root", 0, None)
    make = hot.LocalTrace

    def interrupted() -> hot.LocalTrace:
        monkeypatch.setattr(hot, "LocalTrace", make)
        if meanwhile == "the root ends":
            root.end()
        else:
            hot.start_span(hot.SCOPE, "other", 0, root).end()
        return make()

    monkeypatch.setattr(hot, "LocalTrace", interrupted)
    hot.start_span(hot.SCOPE, "child", 0, root).end()
    root.end()
    names = sorted(span.name for part in local_traces(queue) for span in part)
    assert names == (["child", "root"] if meanwhile == "the root ends" else ["child", "other", "root"])


def test_children_begin_while_the_block_of_their_root_ends(queue: BoundedQueue) -> None:
    def work(root: hot.Span) -> None:
        for _ in range(5):
            hot.start_span(hot.SCOPE, "child", 0, root).end()

    for _ in range(300):
        threads: list[threading.Thread] = []
        with hot.span("root") as root:
            threads = [threading.Thread(target=work, args=(root,)) for _ in range(2)]
            threads[0].start()
        threads[1].start()
        for thread in threads:
            thread.join()
    spans = [span for part in local_traces(queue) for span in part]
    assert len(spans) == len({span.id64 for span in spans}) == 300 * 11


def test_a_part_is_never_longer_than_the_queue(queue: BoundedQueue) -> None:
    root = hot.start_span(hot.SCOPE, "root", 0, None)
    for _ in range(10):
        hot.start_span(hot.SCOPE, "child", 0, root).end()
    root.end()
    assert [len(part) for part in local_traces(queue)] == [3, 3, 3, 2]
