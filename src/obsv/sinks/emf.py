"""Metrics as CloudWatch embedded metric format: lines on stdout, where Lambda, the CloudWatch agent and log routers
pick them up, or over a socket to the agent (:mod:`obsv.sinks.emf_agent`).

Each interval becomes a few lines, one JSON object each, without anything else on the line. What CloudWatch would refuse
is refused here and counted; what had to be adapted is told once on stderr.
"""

from __future__ import annotations

import sys
from time import time_ns

from obsv.hotpath import faults
from obsv.pipeline.batch import LATER

from .base import Refused, Retry, Sent, SinkError
from .lines import LineWriter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Protocol

    from obsv.emf.layout import Layouts
    from obsv.emf.shape import Event, Shape
    from obsv.hotpath.records import MetricPoint
    from obsv.settings import Settings

    from .base import Batch, Result
    from .lines import Written

    class Writer(Protocol):
        def write(self, lines: Sequence[str]) -> Written: ...


def emf_sink(settings: Settings) -> EmfSink:
    """Return the sink that ``settings.emf_destination`` asks for."""
    if settings.emf_destination == "agent":
        from .emf_agent import EmfAgentSink

        return EmfAgentSink(settings)
    return EmfStdoutSink(settings)


def shape_of(settings: Settings, resource: Mapping[str, Any], **options: Any) -> Shape:
    """Return how the settings want metrics to be written; ``options`` are those of `Shape` that a destination adds."""
    from obsv.emf.dimensions import service_of
    from obsv.emf.limits import MAX_EVENT_BYTES
    from obsv.emf.shape import Shape

    chosen = {**service_of(resource), **settings.metric_dimensions}
    service_type = settings.emf_service_type
    return Shape(
        settings.namespace or str(resource.get("service.name") or "obsv"),
        resource,
        dimensions={name: value for name, value in chosen.items() if value != ""},
        sets=settings.metric_dimension_sets,
        properties={} if service_type is None else {"ServiceType": service_type},
        extract=settings.emf_extraction,
        arrays=settings.emf_histograms == "arrays",
        **{"max_bytes": min(settings.emf_event_bytes, MAX_EVENT_BYTES), **options},
    )


class Encoder:
    """Writes metric points as EMF, and tells once of each kind of thing that had to be adapted.

    For whoever brings the lines to CloudWatch: to stdout, to the agent, or by ``PutLogEvents``.

        encoder = Encoder(shape_of(settings, batch.resource))
        encoded = encoder.encode(batch.items)
        pairs = [(milliseconds, line) for line, _, milliseconds in encoded.events]
    """

    def __init__(self, shape: Shape) -> None:
        from obsv.emf.layout import Layouts

        self.shape = shape
        self.layouts: Layouts = Layouts(shape)
        self._told: set[str] = set()

    def encode(self, points: Sequence[MetricPoint]) -> Encoded:
        """Return the points as lines, with their times and what was refused of them."""
        from obsv.emf.counts import Counts
        from obsv.emf.limits import timely

        counts = Counts()
        made = self.layouts.fill(points)
        if made is None:
            made = self.layouts.events(points, counts)
        now = time_ns() // 1_000_000
        old = [event for event in made if not timely(event[2], now)]
        if old:
            made = [event for event in made if timely(event[2], now)]
            counts.refuse("older than 14 days or over 2 hours ahead", sum([event[1] for event in old]))
        self.tell(counts)
        return Encoded(made, sum(counts.refused.values()), next(iter(counts.refused), None), counts.changed)

    def tell(self, counts: Any) -> None:
        """Say on stderr, once a reason, what was refused and what was adapted."""
        for reasons, what in ((counts.refused, "left out"), (counts.changed, "adapted to what CloudWatch accepts")):
            for reason in reasons:
                if reason not in self._told:
                    self._told.add(reason)
                    faults.tell(f"emf: {reason} ({what})")


class Encoded:
    """A batch as lines: kept with the batch, so that a retry sends what is left and nothing twice."""

    __slots__ = ("adapted", "at", "events", "reason", "rejected")

    def __init__(
        self,
        events: list[Event],
        rejected: int = 0,
        reason: str | None = None,
        adapted: Mapping[str, int] | None = None,
    ) -> None:
        self.events = events
        self.at = 0
        self.rejected = rejected
        self.reason = reason
        self.adapted = adapted

    def sent(self, lost: int = 0, reason: str | None = None) -> Sent:
        """Return what is told of the batch; ``lost`` points more than were refused could not be written."""
        return Sent(self.rejected + lost, reason or self.reason, self.adapted)


class EmfSink:
    """What both destinations share: points become lines, which a writer takes as far as it can."""

    name = "emf"
    signals = frozenset({"metrics"})
    writer: Writer

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.encoder: Encoder | None = None

    def open(self, resource: Mapping[str, Any]) -> None:
        """Nothing to open."""

    def options(self) -> dict[str, Any]:
        """Return what this destination wants of `Shape`."""
        return {}

    def encode(self, batch: Batch) -> Encoded:
        """Return the lines of a batch; they are made once."""
        if not isinstance(batch.encoded, Encoded):
            encoder = self.encoder
            if encoder is None:
                encoder = self.encoder = Encoder(shape_of(self.settings, batch.resource, **self.options()))
            batch.encoded = encoder.encode(batch.items)
        encoded: Encoded = batch.encoded
        return encoded

    def send(self, batch: Batch) -> Result:
        """Write the points of a batch that are not written yet."""
        encoded = self.encode(batch)
        events = encoded.events
        written = self.writer.write([event[0] for event in events[encoded.at :]])
        encoded.at += written.lines
        if written.reason is None:
            return encoded.sent()
        if written.again:
            return Retry(written.reason)
        if encoded.at == 0:
            return Refused(written.reason)
        return encoded.sent(sum([event[1] for event in events[encoded.at :]]), written.reason)

    def close(self) -> None:
        """Nothing to close."""


class EmfStdoutSink(EmfSink):
    """Writes metric points to stdout.

    ``sys.stdout`` is looked up at each send. A full pipe or disk is tried again; a closed one is not.
    """

    imports = (
        "select",
        "obsv.emf.entity",
        "obsv.emf.layout",
        "obsv.emf.shape",
        "obsv.pipeline.shortcut",
    )

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.writer: LineWriter = LineWriter(name="stdout")

    def send_now(self, batch: Batch) -> Result:
        """Do what `send` does, or answer `LATER` where it might have to wait for whoever reads stdout."""
        encoded = self.encode(batch)
        if encoded.at:
            return LATER
        texts = [event[0] for event in encoded.events]
        encoded.at = len(texts)  # before they are written: who is interrupted in it must not write them twice
        if self.writer.write_now(texts):
            return encoded.sent()
        encoded.at = 0
        return LATER

    def pieces(self, points: Sequence[MetricPoint]) -> list[tuple[list[str], list[int]]] | None:
        """Return how these points are written, whatever their values are: :meth:`obsv.emf.layout.Layouts.pieces`."""
        return None if self.encoder is None else self.encoder.layouts.pieces(points)

    def unwritten(self, lines: Sequence[str], points: int) -> object:
        """Return what a batch holds as ``encoded`` that consists of these lines, with so many points."""
        return Encoded([(line, points if index == 0 else 0, 0) for index, line in enumerate(lines)])

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
