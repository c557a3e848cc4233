"""The default outlet, open and with a queue of its own: what ``obsv.init()`` would do, without threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from obsv.hotpath import span as hot
from obsv.hotpath.queue import BoundedQueue
from telemetry import local_traces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obsv.hotpath.span import Span


class Finished:
    """What went to the queue: ``traces()`` takes local traces, ``spans()`` all spans, ``names()`` their names."""

    def __init__(self, queue: BoundedQueue) -> None:
        self.queue = queue

    def traces(self) -> list[list[Span]]:
        return local_traces(self.queue)

    def spans(self) -> list[Span]:
        return [span for trace in self.traces() for span in trace]

    def one(self) -> Span:
        [span] = self.spans()
        return span

    def names(self) -> list[str]:
        return [span.name for span in self.spans()]


@pytest.fixture
def finished() -> Iterator[Finished]:
    outlet = hot.OUTLET
    queue = BoundedQueue(1_000_000, 1 << 30, 1_000_000, None, None)
    limits = (outlet.max_attributes, outlet.max_length, outlet.max_event_length, outlet.max_events, outlet.max_links)
    outlet.queues = (queue,)
    outlet.enabled = True
    outlet.set_ratio(1.0)
    outlet.time_ids = False
    outlet.sampler = None
    yield Finished(queue)
    outlet.enabled = False
    outlet.queues = ()
    outlet.set_ratio(1.0)
    outlet.time_ids = False
    outlet.sampler = None
    count, length, outlet.max_event_length, outlet.max_events, outlet.max_links = limits
    outlet.set_attribute_limits(count, length)
