"""Collects all metrics once an interval and gives every metrics sink the same points.

There is no thread for it: whichever lane wakes first when it is due does it. Metrics of high resolution are collected
each second, the others only when their interval is over.
"""

from __future__ import annotations

import time
from time import monotonic, time_ns

from ..hotpath import faults, metrics
from ..hotpath.records import MetricPoint
from ..hotpath.span import Scope
from ..hotpath.turn import Turn
from . import gate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..hotpath.queue import BoundedQueue
    from ..runtime_metrics.observer import RuntimeMetrics
    from .lane import Lane

_POINT_BYTES = 700
_BUCKET_BYTES = 80
_FINE = 1.0  # seconds: the interval of metrics of high resolution
_PAUSE = 0.005  # seconds between two looks at a collection of another thread
_SCOPE = Scope("obsv")
_RUNTIME_METRICS = (
    "resource",
    "obsv.hotpath.api_metrics",
    "obsv.runtime_metrics.garbage",
    "obsv.runtime_metrics.loops",
    "obsv.runtime_metrics.observer",
    "obsv.runtime_metrics.process",
)


class Collector:
    """Hold the schedule of collections.

    Attributes:
        due: When the next one is to be, by ``time.monotonic``, be it only of metrics of high resolution.
        turn: Whose turn it is to collect.
        lost_elsewhere: Returns what was lost outside of the lanes, by sink, signal and reason.
        measured: The queue of whoever measures spans: the moment of a collection between them says when to tell what.
        runtime_metrics: Whether the process itself is measured too: from the first collection on that was due, so a
            program that is over before has paid nothing for it.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self.turn = Turn()
        self._told: dict[tuple[str, str, str], int] = {}
        self._told_lost = 0
        self._reading = False
        self._last_ns = time_ns()
        self.lanes: list[Lane] = []
        self.lost_elsewhere: Callable[[], dict[tuple[str, str, str], int]] = dict
        self.due = self._whole_due = monotonic() + interval
        self.measured: BoundedQueue | None = None
        self.runtime_metrics = False
        self._process: RuntimeMetrics | None = None

    def counting(self) -> bool:
        """Tell whether there is anything to collect."""
        instruments = list(metrics.METER.instruments.values())
        return metrics.METER.observe is not None or any([instrument.series for instrument in instruments])

    def collect_if_due(self) -> None:
        """Collect when the interval is over; between whiles what is of high resolution."""
        now = monotonic()
        if metrics.METER.fine and self.due > now + _FINE:
            self.due = now + _FINE  # the first such instrument was made since
        if now >= self.due:
            fine = metrics.METER.fine and now < self._whole_due
            self.collect(fine=fine, due=not fine)

    def collect(self, patience: float = 0.0, fine: bool = False, due: bool = False) -> None:
        """Collect now and queue the points for every sink that takes metrics.

        Args:
            patience: Seconds to wait for a collection that another thread has begun. Without any, that one has to do.
            fine: Only metrics of high resolution.
            due: Whether it is because the interval is over, and not because somebody asked.
        """
        deadline = monotonic() + patience
        turn = self.turn
        mine = turn.claim()
        try:
            while not turn.take(mine):
                # What has been interrupted by a signal handler, or asks a callback, goes on only when this is over.
                if monotonic() >= deadline or turn.ours():
                    return
                time.sleep(_PAUSE)
            self._collect(fine, due)
            self._reading = False
        finally:
            turn.leave(mine)

    def collecting_here(self) -> bool:
        """Tell whether the calling thread has read some values and not queued them yet.

        The callbacks of observable instruments do not count: they are the program's and may hang.
        """
        return self._reading and self.turn.ours()

    def _collect(self, fine: bool, due: bool) -> None:
        now = monotonic()
        if not fine:
            self._whole_due = now + self._interval
        self.due = min(self._whole_due, now + _FINE) if metrics.METER.fine else self._whole_due
        if not fine and self.measured is not None and self.measured.accepted:
            self.measured.put(time_ns(), 0, 0)
        takers = [queue for lane in self.lanes if (queue := lane.queue("metrics")) is not None]
        if not takers:
            return
        if fine:
            self._reading = True
            points = metrics.collect(time_ns(), fine=True)
        else:
            points = self._everything(due)
        if points:
            size = sum([_POINT_BYTES + _BUCKET_BYTES * len(point.buckets) for point in points])
            for queue in takers:
                queue.put(points, len(points), size)

    def _everything(self, due: bool) -> list[MetricPoint]:
        """Return what all metrics have to tell, and what was lost."""
        if metrics.METER.observe is not None:
            metrics.METER.observe()
        if self._process is None and self.runtime_metrics and due:
            self._begin_process()
        if self._process is not None:
            self._process.observe()
        self._reading = True
        now = time_ns()
        points = metrics.collect(now)
        lost = sum([lane.lost() for lane in self.lanes])
        elsewhere = self.lost_elsewhere()
        if elsewhere or lost != self._told_lost:
            points.extend(self._losses(now))
            self._told_lost = lost
        self._last_ns = now
        return points

    def _begin_process(self) -> None:
        try:
            gate.load(_RUNTIME_METRICS)
            from ..runtime_metrics.observer import RuntimeMetrics

            self._process = RuntimeMetrics(self._last_ns)
        except Exception as error:  # noqa: BLE001 - the other metrics are told without it
            self.runtime_metrics = False
            faults.report("runtime metrics", error)

    def end(self) -> None:
        """Leave the process alone again: after the last collection."""
        self.runtime_metrics = False
        process, self._process = self._process, None
        if process is not None:
            process.end()

    def _losses(self, now: int) -> list[MetricPoint]:
        """Return what was lost since the last time, as a metric of its own."""
        points: list[MetricPoint] = []
        for (sink, signal, reason), total in self._totals().items():
            lost = total - self._told.get((sink, signal, reason), 0)
            if lost <= 0:
                continue
            self._told[sink, signal, reason] = total
            attributes: dict[str, Any] = {"sink": sink, "signal": signal, "reason": reason}
            text = "Telemetry that was lost"
            point = MetricPoint("obsv.dropped", "Count", text, "counter", attributes, self._last_ns, now, _SCOPE)
            point.value = lost
            points.append(point)
        return points

    def _totals(self) -> dict[tuple[str, str, str], int]:
        """Return all that was lost since the start, by sink, signal and kind of reason.

        What stands behind a reason's first colon is often in words of the receiver's: each of them would be a metric of
        its own, which CloudWatch bills.
        """
        lost = [*self.lost_elsewhere().items()]
        for lane in self.lanes:
            for signal, account in lane.status().items():
                lost += [((lane.name, signal, reason), total) for reason, total in account["dropped"].items()]
        totals: dict[tuple[str, str, str], int] = {}
        for (sink, signal, reason), total in lost:
            key = (sink, signal, reason.partition(": ")[0])
            totals[key] = totals.get(key, 0) + total
        return totals

    def after_fork(self) -> None:
        """In a forked child: begin anew."""
        self.turn = Turn()
        self._told.clear()
        self._told_lost = 0
        self._last_ns = time_ns()
        self.due = self._whole_due = monotonic() + self._interval
        if self._process is not None:
            self._process.after_fork()
