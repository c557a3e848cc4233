"""Metric points as EMF objects, one JSON text each (EMF specification, CloudWatch user guide).

What does not fit into one object goes into several. What cannot be expressed at all is refused and counted, and what
had to be adapted (a name with odd characters, a unit that CloudWatch does not know) is counted too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obsv.hotpath.jsontext import quote

from . import limits
from .counts import Counts
from .dimensions import dimensions_of, properties_of, service_of, sets_of
from .group import Group, define, meta_of
from .histogram import targets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from obsv.hotpath.records import MetricPoint

    from .dimensions import Pairs

    Event = tuple[str, int, int]
    """A line, how many points begin in it, and its time in milliseconds."""


class Shape:
    """How the metrics of a process are written.

    Args:
        namespace: The CloudWatch namespace.
        resource: Attributes of the process.
        dimensions: Of every point, beside its own attributes, which win. Default: ``Service``, the service's name.
        sets: Dimension sets in which a point is stored as well, where it has all of their dimensions.
        properties: What else stands beside the metrics, by name.
        max_bytes: The longest line.
        log_group: Where the agent is to write the line.
        log_stream: The same.
        extract: False leaves ``_aws`` out: CloudWatch then makes no metrics of a line.
        arrays: Histograms are plain arrays only; see :func:`obsv.emf.histogram.targets`.
    """

    __slots__ = ("arrays", "dimensions", "extract", "max_bytes", "meta", "namespace", "properties", "sets")

    def __init__(
        self,
        namespace: str,
        resource: Mapping[str, Any] | None = None,
        *,
        dimensions: Mapping[str, object] | None = None,
        sets: Sequence[Sequence[str]] = (),
        properties: Mapping[str, str] | None = None,
        max_bytes: int = limits.MAX_EVENT_BYTES,
        log_group: str | None = None,
        log_stream: str | None = None,
        extract: bool = True,
        arrays: bool = False,
    ) -> None:
        resource = resource or {}
        self.namespace = quote(limits.namespace(namespace))
        self.dimensions = service_of(resource) if dimensions is None else dimensions
        self.sets = sets
        self.properties = properties_of(resource, properties)
        self.max_bytes = max_bytes
        self.meta = meta_of(log_group, log_stream)
        self.extract = extract
        self.arrays = arrays

    def group(self, milliseconds: int | str, pairs: Pairs, overflow: Pairs = ()) -> Group:
        """Return an empty group for points with these dimensions; ``overflow`` are those that became properties."""
        return Group(
            milliseconds,
            self.namespace,
            pairs,
            (*self.properties, *[(name, quote(value)) for name, value in overflow]),
            self.max_bytes,
            sets_of(pairs, self.sets),
            self.meta,
            self.extract,
        )

    def events(self, points: Iterable[MetricPoint], counts: Counts) -> Iterator[Event]:
        """Write points as EMF, one object a line (without line ends).

        Points with the same time and dimensions share an object. A metric named like one of its dimensions, or
        ``_aws``, is renamed to ``<name>_value``: both would stand under one key. Two points of one name (two units, or
        more values than fit) stand in separate objects.

        Args:
            points: Points of one or more intervals.
            counts: Receives what was refused or changed, once all lines were read.
        """
        groups: dict[tuple[int, Pairs, Pairs], Group] = {}
        for point in points:
            pairs, overflow = dimensions_of(self.dimensions, point.attributes, counts)
            key = (point.time_ns // 1_000_000, pairs, overflow)
            group = groups.get(key)
            if group is None:
                group = groups[key] = self.group(*key)
            self._add(group, point, counts)
        for (milliseconds, _, _), group in groups.items():
            for text, begun in group.texts():
                yield text, begun, milliseconds

    def lines(self, points: Iterable[MetricPoint], counts: Counts | None = None) -> Iterator[str]:
        """Do what `events` does, for who wants nothing but the lines."""
        for text, _, _ in self.events(points, Counts() if counts is None else counts):
            yield text

    def _add(self, group: Group, point: MetricPoint, counts: Counts) -> None:
        defined = define(group.reserved, point.name, point.unit, point.resolution, counts)
        if defined is None:
            return
        name, definition, quoted = defined
        if point.kind == "histogram":
            parts = targets(point, counts, self.arrays)
            if not parts and not point.count:
                return  # nothing was recorded
        else:
            value = limits.number(point.value)
            parts = [] if value is None else [repr(value)]
        if not parts:
            counts.refuse("value is not a number within 2^360")
            return
        for index, part in enumerate(parts):
            if not group.put(name, definition, f"{quoted}:{part}", 1 if index == 0 else 0):
                counts.refuse("too large for an event")
                return
