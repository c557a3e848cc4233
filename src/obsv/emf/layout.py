"""What stays the same from one flush to the next: the text of an EMF object around its time and its values.

The same series come in the same order nearly always. Their names, dimensions and units are checked and written once;
from then on only the numbers are put in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import limits
from .counts import Counts
from .dimensions import dimensions_of
from .group import Group, define

if TYPE_CHECKING:
    from collections.abc import Sequence

    from obsv.hotpath.records import MetricPoint

    from .shape import Event, Shape

MAX_LAYOUTS = 32
"""Layouts kept: different sets of series that are told together."""

_HOLE = "\0"  # no JSON text holds this character
_MAX = limits.MAX_VALUE


class _Layout:
    """The pieces of each object's text, and which points stand between them; behind the first one stands the time."""

    __slots__ = ("keys", "objects")

    def __init__(self, keys: list[tuple[Any, ...]], objects: list[tuple[list[str], list[int]]]) -> None:
        self.keys = keys  # holds the attributes, so that their id() is nobody else's
        self.objects = objects


class Layouts:
    """Writes points as :meth:`obsv.emf.shape.Shape.events` does, and remembers how."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._known: dict[Any, _Layout | None] = {}

    def events(self, points: Sequence[MetricPoint], counts: Counts) -> list[Event]:
        """Write points, from the beginning."""
        return list(self._shape.events(points, counts))

    def fill(self, points: Sequence[MetricPoint]) -> list[Event] | None:
        """Write points from what is remembered; None where that cannot be done."""
        if not 0 < len(points) <= limits.MAX_METRICS:
            return None
        key = tuple([id(point.attributes) for point in points])
        try:
            layout = self._known[key]
        except KeyError:
            layout = self._learn(key, points)
        if layout is None:
            return None
        now = points[0].time_ns
        values = []
        for point, (attributes, name, unit, kind, resolution) in zip(points, layout.keys):  # noqa: B905 - as long as each other
            if (
                point.attributes is not attributes
                or point.name is not name
                or point.unit is not unit
                or point.kind != kind
                or point.resolution != resolution
                or point.time_ns != now
            ):
                return None
            text = _value(point)
            if text is None:
                return None
            values.append(text)
        milliseconds = str(now // 1_000_000)
        made = []
        for pieces, indexes in layout.objects:
            line = pieces[0] + milliseconds
            for piece, index in zip(pieces[1:], indexes):  # noqa: B905 - the last piece closes the object
                line += piece + values[index]
            line += pieces[-1]
            if len(line) > self._shape.max_bytes:
                return None
            made.append((line, len(indexes), now // 1_000_000))
        return made

    def pieces(self, points: Sequence[MetricPoint]) -> list[tuple[list[str], list[int]]] | None:
        """Return the pieces of each object that these points make, whatever their values are; see `_Layout`."""
        layout = self._layout(points)
        return None if layout is None else layout.objects

    def _learn(self, key: Any, points: Sequence[MetricPoint]) -> _Layout | None:
        """Make a layout, where nothing has to be adapted or refused; else remember that there is none."""
        if len(self._known) >= MAX_LAYOUTS:
            self._known.clear()
        layout = self._layout(points)
        if layout is not None:  # else nothing would hold the attributes whose id() the key is
            self._known[key] = layout
        return layout

    def _layout(self, points: Sequence[MetricPoint]) -> _Layout | None:
        counts = Counts()
        shape = self._shape
        if not shape.extract:
            return None  # there is no hole for the time
        groups: dict[Any, tuple[Group, list[int]]] = {}
        for index, point in enumerate(points):
            pairs, overflow = dimensions_of(shape.dimensions, point.attributes, counts)
            if overflow:
                return None
            if pairs not in groups:
                groups[pairs] = (shape.group(_HOLE, pairs), [])
            group, indexes = groups[pairs]
            defined = define(group.reserved, point.name, point.unit, point.resolution, counts)
            if defined is None:
                return None
            name, definition, quoted = defined
            if counts.changed or counts.refused or not group.put(name, definition, f"{quoted}:{_HOLE}", 1):
                return None
            indexes.append(index)
        objects = []
        for group, indexes in groups.values():
            if len(group.objects) != 1:
                return None
            text = group.text(group.objects[0])
            if text.count(_HOLE) != 1 + len(indexes):
                return None
            objects.append((text.split(_HOLE), indexes))
        keys = [(point.attributes, point.name, point.unit, point.kind, point.resolution) for point in points]
        return _Layout(keys, objects)


def _value(point: MetricPoint) -> str | None:
    """Return the text of a plain value; None where there is more to it."""
    if point.kind != "histogram":
        value = point.value
        if (type(value) is int or type(value) is float) and -_MAX <= value <= _MAX:
            return repr(value)
        return None
    values = point.values
    if not values or len(values) > limits.MAX_VALUES:
        return None
    for value in values:
        if (type(value) is not int and type(value) is not float) or not -_MAX <= value <= _MAX:
            return None
    return repr(values).replace(" ", "")
