"""The short way of a flush, where EMF on stdout is all that takes metrics: see :mod:`obsv.hotpath.telling`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obsv.emf.limits import MAX_VALUE
from obsv.hotpath.metrics import METER
from obsv.hotpath.telling import END, POSSIBLE, TIME, Teller

from .batch import Batch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from obsv.hotpath.records import MetricPoint

    from .collector import Collector
    from .lane import Lane


def shortcut(lane: Lane, lanes: Sequence[Lane], collector: Collector, resource: Mapping[str, Any]) -> Shortcut | None:
    """Return who tells the metrics of a lane the short way; None where the extension is not in use."""
    return Shortcut(lane, lanes, collector, resource) if POSSIBLE else None


class Shortcut(Teller):
    """Tells the metrics of a lane whose sink writes lines to stdout.

    Args:
        lane: The only one that takes metrics.
        lanes: All of them.
        collector: Theirs.
        resource: Attributes of the process.
    """

    def __init__(self, lane: Lane, lanes: Sequence[Lane], collector: Collector, resource: Mapping[str, Any]) -> None:
        self._lane = lane
        sink: Any = lane.sink
        self._sink = sink
        self._resource = resource
        pendings = [pending for each in lanes for pending in each.pending.values()]
        queues = [pending.queue for pending in pendings]
        super().__init__(
            METER, sink.writer, lane.turn, collector.turn, queues, pendings, lane.pending["metrics"].account,
            MAX_VALUE, sink.settings.emf_event_bytes, "obsv.guests",
        )  # fmt: skip

    def layout(self, points: list[MetricPoint]) -> tuple[tuple[bytes, ...], tuple[int, ...]] | None:
        """Return how these points are told, whatever their values; None where that cannot be said."""
        if self._lane.guard is not None:
            self._lane.guard.ready().points(points)
        objects = self._sink.pieces(points)
        if objects is None:
            return None
        pieces: list[bytes] = []
        holes: list[int] = []
        for texts, indexes in objects:
            pieces += [text.encode() for text in texts]
            holes += [TIME, *indexes, END]
        return tuple(pieces), tuple(holes)

    def keep(self, data: bytes, points: int) -> None:
        """Keep lines that could not be written: the lane sends them."""
        batch = Batch("metrics", [], self._resource, points)
        batch.encoded = self._sink.unwritten(data.decode().splitlines(), points)
        self._lane.keep(batch)
