"""One wide EMF event, put together by hand: values, dimension sets, properties and a time of its own.

obsv's instruments aggregate; a document says exactly what the caller puts into it. That is what programs want that come
from aws-embedded-metrics or Powertools. It knows nothing of sinks and prints nothing.

    >>> from obsv.emf.document import Document
    >>> document = Document("shop")
    >>> document.add_dimensions({"Service": "checkout"})
    >>> document.add_metric("Latency", 12.5, "Milliseconds", resolution=1)
    >>> document.set_property("RequestId", "a-17")
    >>> [line] = document.lines()

The interface:

``Document(namespace, *, timestamp=None, log_group=None, log_stream=None)``
    ``timestamp``: milliseconds since the epoch or a ``datetime``; None for the moment of ``lines()``.
``add_metric(name, value, unit=None, resolution=60)``
    ``value``: a number or a list of numbers. Values of one name, unit and resolution gather in the order of the calls.
``add_dimensions(mapping)``
    One more dimension set. Without any, the metrics have no dimension (``[[]]``). ``clear_dimensions()`` forgets all.
``set_property(name, value)``
    Anything, written as JSON (dates, sets and broken objects too); no metric is made of it.
``set_timestamp(time)``
    Returns False, counts, and changes nothing where it is no time, older than 14 days or more than 2 hours ahead.
``lines(*, max_bytes=…, extract=True, arrays=False)`` -> ``list[str]``
    The JSON texts, without line ends. ``extract=False`` leaves ``_aws`` out, ``arrays=True`` writes single values as
    arrays too. ``events(…)`` -> ``list[tuple[int, str]]`` tells with each its time in milliseconds.
``counts``
    ``counts.refused`` and ``counts.changed``: by reason, what could not be expressed and what was adapted. Each call of
    ``lines()`` counts anew.
``metrics``, ``dimensions``, ``properties``, ``timestamp``
    What was put in.

Nothing is lost at a limit: more than 100 metrics, 100 values of one, or the longest line go into several events with
the same dimensions and properties. Two dimension sets that give one dimension different values, and one name with two
units, go into separate events as well, because an object has one value under a key.
"""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING, Any

from obsv.hotpath.errors import safe_text
from obsv.hotpath.jsontext import dumps, quote

from . import limits
from .counts import Counts
from .dimensions import name_of, value_of
from .group import Group, define, meta_of

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_POINTS = 1_000_000
"""Values that a document holds; more are refused."""


class Document:
    """One wide EMF event; see the top of this module.

    Args:
        namespace: The CloudWatch namespace.
        timestamp: When it happened: milliseconds since the Unix epoch or a ``datetime``; None: when it is written.
        log_group: Where the CloudWatch agent is to write it (``_aws.LogGroupName``).
        log_stream: The same (``_aws.LogStreamName``).

    Attributes:
        counts: What was refused and what was adapted, by reason.
        dimensions: The dimension sets, each a dict of texts.
        metrics: Values by name, unit and resolution.
        properties: What stands beside the metrics.
        timestamp: Milliseconds since the Unix epoch, or None.
    """

    __slots__ = (
        "_points", "counts", "dimensions", "log_group", "log_stream", "metrics", "namespace", "properties", "timestamp",
    )  # fmt: skip

    def __init__(
        self,
        namespace: str,
        *,
        timestamp: object = None,
        log_group: str | None = None,
        log_stream: str | None = None,
    ) -> None:
        self.namespace = namespace
        self.log_group = log_group
        self.log_stream = log_stream
        self.timestamp: int | None = None
        self.counts = Counts()
        self.dimensions: list[dict[str, str]] = []
        self.metrics: dict[tuple[str, str | None, int], list[int | float]] = {}
        self.properties: dict[str, Any] = {}
        self._points = 0
        if timestamp is not None:
            self.set_timestamp(timestamp)

    def add_metric(self, name: str, value: object, unit: str | None = None, resolution: int = 60) -> None:
        """Add a value, or a list of values, to a metric.

        Args:
            name: Its name.
            value: A finite number within ±2^360, or a list or tuple of them; others are refused.
            unit: A unit of CloudWatch's or a UCUM code (``ms``); an unknown one becomes ``None``.
            resolution: 1 for a high-resolution metric, 60 for a usual one (EMF specification, "StorageResolution").
                Seconds in between need 1.

        Example:
            >>> document.add_metric("Latency", [12.5, 13.0], "Milliseconds")
        """
        fine = limits.resolution(resolution)
        if fine is None:
            self.counts.change("storage resolution: neither 1 nor 60")
            fine = 60
        try:
            given = list(value) if isinstance(value, (list, tuple)) else [value]
        except Exception:  # noqa: BLE001 - a list of somebody's own
            given = [None]
        values = [number for number in map(limits.number, given) if number is not None]
        if len(values) < len(given):
            self.counts.refuse("value is not a number within 2^360", len(given) - len(values))
        room = MAX_POINTS - self._points
        if len(values) > room:
            self.counts.refuse("too many values", len(values) - room)
            del values[room:]
        if values:
            self._points += len(values)
            key = (safe_text(name), None if unit is None else safe_text(unit), fine)
            self.metrics.setdefault(key, []).extend(values)

    def add_dimensions(self, dimensions: Mapping[str, object]) -> None:
        """Add a dimension set: every metric is stored once for each.

        A set keeps its first 30 dimensions; more become properties (EMF specification, "DimensionSet").
        """
        found: dict[str, str] = {}
        try:
            given = list(dimensions.items())
        except Exception:  # noqa: BLE001 - whatever was given
            self.counts.change("dimensions left out: no mapping")
            return
        for name, value in given:
            clean = name_of(name, self.counts)
            if not clean:
                self.counts.change("dimension left out: no name, or twice the same")
            elif clean not in found and len(found) >= limits.MAX_DIMENSIONS:
                self.counts.change("dimensions over 30")
                self.properties.setdefault(clean, value)
            else:
                found[clean] = value_of(value, self.counts)
        if found not in self.dimensions:
            self.dimensions.append(found)

    def clear_dimensions(self) -> None:
        """Forget all dimension sets."""
        self.dimensions.clear()

    def set_property(self, name: str, value: object) -> None:
        """Put something beside the metrics, for Logs Insights (EMF specification, "Target members")."""
        self.properties[safe_text(name)] = value

    def set_timestamp(self, time: object) -> bool:
        """Say when it happened; False where that is no time that CloudWatch takes (at most 14 days ago, 2 h ahead)."""
        found = limits.milliseconds(time)
        if found is None:
            self.counts.change("timestamp left out: no time")
            return False
        if not limits.timely(found, time_ns() // 1_000_000):
            self.counts.change("timestamp left out: over 14 days ago or 2 hours ahead")
            return False
        self.timestamp = found
        return True

    def lines(
        self, *, max_bytes: int = limits.MAX_EVENT_BYTES, extract: bool = True, arrays: bool = False
    ) -> list[str]:
        """Write the document.

        Args:
            max_bytes: The longest line.
            extract: False leaves ``_aws`` out: CloudWatch then takes it for a plain log line.
            arrays: Single values are written as arrays too.

        Returns:
            JSON texts without line ends; none where there is neither a metric nor a property.
        """
        return [line for _, line in self.events(max_bytes=max_bytes, extract=extract, arrays=arrays)]

    def events(
        self, *, max_bytes: int = limits.MAX_EVENT_BYTES, extract: bool = True, arrays: bool = False
    ) -> list[tuple[int, str]]:
        """Do what `lines` does, and tell with each line its time in milliseconds since the Unix epoch."""
        time = time_ns() // 1_000_000 if self.timestamp is None else self.timestamp
        groups = [self._group(time, frame, sets, max_bytes, extract) for frame, sets in _frames(list(self.dimensions))]
        reserved = set().union(*[group.reserved for group in groups])
        for (raw, unit, resolution), values in self.metrics.copy().items():
            defined = define(reserved, raw, unit, resolution, self.counts)
            if defined is None:
                continue
            name, definition, quoted = defined
            if name in self.properties:
                self.counts.change("property left out: taken by a metric")
            for at in range(0, len(values), limits.MAX_VALUES):
                part = values[at : at + limits.MAX_VALUES]
                text = repr(part[0]) if len(values) == 1 and not arrays else f"[{','.join(map(repr, part))}]"
                for index, group in enumerate(groups):
                    if not group.put(name, definition, f"{quoted}:{text}", 0) and index == 0:
                        self.counts.refuse("too large for an event", len(part))
        made = [(time, text) for group in groups for text, _ in group.texts()]
        if not made and self.properties and groups[0].size <= max_bytes:
            return [(time, groups[0].text(groups[0].objects[0]))]
        return made

    def _group(
        self, time: int, frame: dict[str, str], sets: list[tuple[str, ...]], max_bytes: int, extract: bool
    ) -> Group:
        properties = []
        for name, value in self.properties.copy().items():
            if name == "_aws" or name in frame:
                self.counts.change("property left out: taken by a dimension")
            else:
                properties.append((name, dumps(value)))
        group = Group(
            time,
            quote(limits.namespace(safe_text(self.namespace))),
            tuple(frame.items()),
            tuple(properties),
            max_bytes,
            tuple(sets),
            meta_of(self.log_group, self.log_stream),
            extract,
        )
        if len(group.properties) < len(properties):
            self.counts.change("property left out: too large", len(properties) - len(group.properties))
        return group


def _frames(dimensions: list[dict[str, str]]) -> list[tuple[dict[str, str], list[tuple[str, ...]]]]:
    """Return sets that can stand in one object together: those that agree about the values of what they share."""
    frames: list[tuple[dict[str, str], list[tuple[str, ...]]]] = []
    for each in dimensions or [{}]:
        for frame, sets in frames:
            if all([frame.get(name, value) == value for name, value in each.items()]):
                frame.update(each)
                sets.append(tuple(each))
                break
        else:
            frames.append((dict(each), [tuple(each)]))
    return frames
