"""From the queue to the sink: threads, batches, retries and counts."""

from __future__ import annotations

from time import monotonic

from ..hotpath.metrics import METER
from .collector import Collector
from .lane import Lane

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ..hotpath.loglines import Guard
    from ..hotpath.queue import BoundedQueue
    from ..settings import Settings
    from .batch import Sink

__all__ = ["Collector", "Lane", "Pipeline"]


class Pipeline:
    """All lanes of the process, and the collection of metrics.

    Attributes:
        guard: Masks secrets in what the lanes send; set before they are made.
    """

    def __init__(self, settings: Settings, resource: Mapping[str, Any]) -> None:
        self._settings = settings
        self._resource = resource
        self.collector = Collector(settings.metric_interval)
        self.lanes: list[Lane] = []
        self._tried = False  # whether there is a short way for a flush
        self.guard: Guard | None = None

    def add(self, make: Callable[[], Sink], signals: tuple[str, ...]) -> Lane:
        """Make a lane for a sink."""
        lane = Lane(make, signals, self._settings, self._resource, self.collector)
        lane.guard = self.guard
        taken = {other.name for other in self.lanes}
        if lane.name in taken:  # two sink objects of one kind: each has its own account
            lane.name = next(name for number in range(2, 1000) if (name := f"{lane.name} {number}") not in taken)
        self.lanes.append(lane)
        self.collector.lanes.append(lane)
        return lane

    def queues(self, signal: str) -> tuple[BoundedQueue, ...]:
        """Return the queues into which a signal goes."""
        return tuple(queue for lane in self.lanes if (queue := lane.queue(signal)) is not None)

    def start_metrics(self) -> None:
        """Start the threads that collect metrics: called when the first series appears."""
        for lane in self.lanes:
            if lane.queue("metrics") is not None:
                lane.start()

    def flush(self, timeout: float) -> bool:
        """Send everything that is there now; True when it all left within ``timeout`` seconds."""
        deadline = monotonic() + timeout
        losses = sum([lane.losses for lane in self.lanes])
        self.collector.collect(timeout)
        requests = [lane.begin_flush(deadline) for lane in self.lanes if not lane.flush_here()]
        everything = all([request.wait() for request in requests])
        if losses != sum([lane.losses for lane in self.lanes]):
            everything = False
        self._learn(everything)
        return everything

    def _learn(self, everything: bool) -> None:
        """Let the next flush go the short way, where there is one; not after a loss, which is to be told."""
        teller = METER.teller
        if teller is None and not self._tried:
            self._tried = True
            takers = [
                lane for lane in self.lanes if lane.queue("metrics") is not None or lane.queue("spans") is not None
            ]
            if len(takers) == 1 and hasattr(takers[0].sink, "pieces"):
                from .shortcut import shortcut

                teller = METER.teller = shortcut(takers[0], self.lanes, self.collector, self._resource)
        if teller is not None:
            teller.learn(int(self.collector.due * 1e9) if everything else 0)

    def flushing_here(self) -> bool:
        """Tell whether the calling thread collects or sends: a signal handler that asks has interrupted it."""
        return self.collector.collecting_here() or any([lane.sending_here() for lane in self.lanes])

    def close(self, timeout: float) -> bool:
        """Send what is left and end the threads; True when everything left within ``timeout`` seconds."""
        METER.teller = None
        deadline = monotonic() + timeout
        self.collector.collect(timeout)
        requests = [lane.begin_close(deadline) for lane in self.lanes]
        everything = all([request.wait() for request in requests])
        for lane in self.lanes:
            lane.end_close()
        self.collector.end()
        return everything

    def after_fork(self) -> None:
        """In a forked child."""
        METER.teller = None
        self._tried = False
        self.collector.after_fork()
        for lane in self.lanes:
            lane.after_fork()
