"""Metrics as CloudWatch embedded metric format on stdout, where Lambda, the CloudWatch agent and log routers pick them
up.

Each interval becomes a few lines, one JSON object each, without anything else on the line. What CloudWatch would refuse
is refused here and counted; what had to be adapted is told once on stderr.
"""

from __future__ import annotations

import sys

from obsv.hotpath import faults
from obsv.pipeline.batch import LATER

from .base import Refused, Retry, Sent, SinkError
from .lines import LineWriter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from obsv.emf.layout import Layouts
    from obsv.hotpath.records import MetricPoint
    from obsv.settings import Settings

    from .base import Batch, Result


class _Encoded:
    """A batch as lines: kept with the batch, so that a retry sends what is left and nothing twice."""

    __slots__ = ("at", "events", "reason", "rejected")

    def __init__(self, events: list[tuple[str, int]], rejected: int, reason: str | None) -> None:
        self.events = events
        self.at = 0
        self.rejected = rejected
        self.reason = reason


class EmfSink:
    """Writes metric points to stdout. Reads ``settings.namespace``.

    ``sys.stdout`` is looked up at each send. A full pipe or disk is tried again; a closed one is not.
    """

    name = "emf"
    signals = frozenset({"metrics"})
    imports = (
        "select",
        "obsv.emf.entity",
        "obsv.emf.layout",
        "obsv.emf.shape",
        "obsv.pipeline.shortcut",
    )

    def __init__(self, settings: Settings) -> None:
        self.namespace: str = settings.namespace or ""
        self.writer = LineWriter(name="stdout")
        self._told: set[str] = set()
        self._layouts: Layouts | None = None

    def open(self, resource: Mapping[str, Any]) -> None:
        """Nothing to open."""

    def send_now(self, batch: Batch) -> Result:
        """Do what `send` does, or answer `LATER` where it might have to wait for whoever reads stdout."""
        encoded = batch.encoded
        if encoded is None:
            encoded = batch.encoded = self._encode(batch)
        if encoded.at:
            return LATER
        texts = [line for line, _ in encoded.events]
        encoded.at = len(texts)  # before they are written: who is interrupted in it must not write them twice
        if self.writer.write_now(texts):
            return Sent(encoded.rejected, encoded.reason)
        encoded.at = 0
        return LATER

    def send(self, batch: Batch) -> Result:
        """Write the points of a batch that are not written yet."""
        encoded = batch.encoded
        if not isinstance(encoded, _Encoded):
            encoded = batch.encoded = self._encode(batch)
        events = encoded.events
        written = self.writer.write([line for line, _ in events[encoded.at :]])
        encoded.at += written.lines
        if written.reason is None:
            return Sent(encoded.rejected, encoded.reason)
        if written.again:
            return Retry(written.reason)
        if encoded.at == 0:
            return Refused(written.reason)
        return Sent(encoded.rejected + sum([points for _, points in events[encoded.at :]]), written.reason)

    def pieces(self, points: Sequence[MetricPoint]) -> list[tuple[list[str], list[int]]] | None:
        """Return how these points are written, whatever their values are: :meth:`obsv.emf.layout.Layouts.pieces`."""
        return None if self._layouts is None else self._layouts.pieces(points)

    def unwritten(self, lines: Sequence[str], points: int) -> object:
        """Return what a batch holds as ``encoded`` that consists of these lines, with so many points."""
        return _Encoded([(line, points if index == 0 else 0) for index, line in enumerate(lines)], 0, None)

    def close(self) -> None:
        """Nothing to close: stdout is the program's."""

    def probe(self) -> str:
        """Say what stdout is.

        Raises:
            SinkError: It is closed.
        """
        stream = sys.stdout
        try:
            if stream is None or stream.closed:
                raise SinkError("stdout is closed")
            kind = "a terminal" if stream.isatty() else "not a terminal"
        except (OSError, ValueError, AttributeError) as error:
            raise SinkError(f"stdout cannot be used: {error}") from error
        return f"writes to stdout ({kind})"

    def _encode(self, batch: Batch) -> _Encoded:
        layouts = self._layouts
        if layouts is None:
            from obsv.emf.layout import Layouts

            namespace = self.namespace or str(batch.resource.get("service.name") or "obsv")
            layouts = self._layouts = Layouts(namespace, batch.resource)
        made = layouts.fill(batch.items)
        if made is not None:
            return _Encoded(made, 0, None)
        from obsv.emf.shape import Counts

        counts = Counts()
        made = layouts.events(batch.items, counts)
        for reason in counts.changed:
            if reason not in self._told:
                self._told.add(reason)
                faults.tell(f"emf: {reason} (adapted to what CloudWatch accepts)")
        return _Encoded(made, sum(counts.refused.values()), next(iter(counts.refused), None))
