"""Metric points as EMF objects, one JSON text each (EMF specification, CloudWatch user guide).

What does not fit into one object goes into several. What cannot be expressed at all is refused and counted, and what
had to be adapted (a name with odd characters, a unit that CloudWatch does not know) is counted too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obsv.hotpath.errors import safe_text
from obsv.hotpath.jsontext import quote

from . import limits
from .entity import root_fields
from .histogram import targets
from .units import unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from obsv.hotpath.records import MetricPoint

    Pairs = tuple[tuple[str, str], ...]

# Resource attributes that stand beside the metrics, to be searched for in Logs Insights; before them the entity.
_PROPERTIES = ("service.version", "service.instance.id")


class Counts:
    """What happened to points on their way into EMF.

    ``refused``: points lost, by reason. ``changed``: names, values and units that were adapted, by reason.
    """

    __slots__ = ("changed", "refused")

    def __init__(self) -> None:
        self.refused: dict[str, int] = {}
        self.changed: dict[str, int] = {}

    def refuse(self, reason: str, number: int = 1) -> None:
        """Count points that are lost."""
        self.refused[reason] = self.refused.get(reason, 0) + number

    def change(self, reason: str, number: int = 1) -> None:
        """Count what was adapted."""
        self.changed[reason] = self.changed.get(reason, 0) + number


def lines(
    points: Iterable[MetricPoint],
    *,
    namespace: str,
    dimensions: Mapping[str, object] | None = None,
    resource: Mapping[str, Any] | None = None,
    counts: Counts | None = None,
    max_bytes: int = limits.MAX_EVENT_BYTES,
) -> Iterator[str]:
    """Write points as EMF, one object a line (without line ends).

    Args:
        points: Points of one or more intervals.
        namespace: The CloudWatch namespace.
        dimensions: Of every point, beside its own attributes, which win. Default: ``Service``, the service's name.
        resource: Attributes of the resource.
        counts: Receives what was refused or changed, once all lines were read.
        max_bytes: The longest line.

    Points with the same time and dimensions share an object. A metric named like one of its dimensions, or ``_aws``, is
    renamed to ``<name>_value``: both would stand under one key. Two points of one name (two units, or more values than
    fit) stand in separate objects.
    """
    for line, _ in events(
        points, namespace=namespace, dimensions=dimensions, resource=resource, counts=counts, max_bytes=max_bytes
    ):
        yield line


def events(
    points: Iterable[MetricPoint],
    *,
    namespace: str,
    dimensions: Mapping[str, object] | None = None,
    resource: Mapping[str, Any] | None = None,
    counts: Counts | None = None,
    max_bytes: int = limits.MAX_EVENT_BYTES,
) -> Iterator[tuple[str, int]]:
    """Do what `lines` does, and tell with each line how many points begin in it."""
    counts = Counts() if counts is None else counts
    resource = resource or {}
    if dimensions is None:
        dimensions = service_of(resource)
    head = quote(limits.namespace(namespace))
    properties = properties_of(resource)
    groups: dict[tuple[int, Pairs, Pairs], Group] = {}
    for point in points:
        pairs, overflow = dimensions_of(dimensions, point.attributes, counts)
        key = (point.time_ns // 1_000_000, pairs, overflow)
        group = groups.get(key)
        if group is None:
            group = groups[key] = Group(key[0], head, pairs, (*properties, *overflow), max_bytes)
        _add(group, point, counts)
    for group in groups.values():
        for made in group.objects:
            if made.definitions:
                yield group.text(made), made.points


def service_of(resource: Mapping[str, Any]) -> dict[str, object]:
    """Return the dimension that every point has by default: ``Service``, the service's name."""
    service = resource.get("service.name")
    return {"Service": service} if service else {}


def define(group: Group, point: MetricPoint, counts: Counts) -> tuple[str, str, str] | None:
    """Return the name that a metric has in a group, its definition, and its key; None where it can have none."""
    raw = safe_text(point.name)
    name = limits.metric_name(raw)
    if not name:
        counts.refuse("metric without a name")
        return None
    if name != raw:
        counts.change("metric name: odd characters or too long")
    while name in group.reserved:
        counts.change("metric name: taken by a dimension")
        name = name[: limits.MAX_METRIC_NAME - 6] + "_value"
    word = unit(point.unit)
    if word is None:
        counts.change("unit unknown to CloudWatch")
        word = "None"
    quoted = quote(name)
    return name, f'{{"Name":{quoted},"Unit":"{word}"}}', quoted


def _add(group: Group, point: MetricPoint, counts: Counts) -> None:
    defined = define(group, point, counts)
    if defined is None:
        return
    name, definition, quoted = defined
    if point.kind == "histogram":
        parts = targets(point, counts)
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


class _Object:
    """One EMF object in the making."""

    __slots__ = ("definitions", "members", "names", "points", "size")

    def __init__(self, size: int) -> None:
        self.definitions: list[str] = []
        self.members: list[str] = []
        self.names: set[str] = set()
        self.points = 0
        self.size = size


class Group:
    """The objects of one time and one set of dimensions."""

    __slots__ = ("head", "max_bytes", "next", "objects", "open", "properties", "reserved", "size", "tail")

    def __init__(
        self, milliseconds: int | str, namespace: str, pairs: Pairs, properties: Pairs, max_bytes: int
    ) -> None:
        names = ",".join([quote(name) for name, _ in pairs])
        self.head = (
            f'{{"_aws":{{"Timestamp":{milliseconds},"CloudWatchMetrics":[{{"Namespace":{namespace},'
            f'"Dimensions":[[{names}]],"Metrics":['
        )
        self.tail = "]}]}" + "".join([f",{quote(name)}:{quote(value)}" for name, value in pairs])
        self.reserved = {"_aws", *(name for name, _ in pairs)}
        self.size = len(self.head) + len(self.tail) + 1  # all of it is ASCII
        self.properties: list[tuple[str, str, int]] = []
        room = (max_bytes - self.size) // 2
        for name, value in properties:
            text = f",{quote(name)}:{quote(value)}"
            if name in self.reserved or len(text) > room:
                continue
            room -= len(text)
            self.properties.append((name, text, len(text)))
        self.size += sum([size for _, _, size in self.properties])
        self.max_bytes = max_bytes
        self.objects = [_Object(self.size)]
        self.open = 0  # objects before this one are full
        self.next: dict[str, int] = {}  # where to look for an object without this metric name

    def put(self, name: str, definition: str, member: str, points: int) -> bool:
        """Put a metric into the first object that has room; False when no object can hold it."""
        cost = len(definition) + len(member) + 2  # a comma before each
        if self.size + cost > self.max_bytes:
            return False
        at = max(self.open, self.next.get(name, 0))
        while True:
            if at == len(self.objects):
                self.objects.append(_Object(self.size))
            target = self.objects[at]
            if len(target.definitions) >= limits.MAX_METRICS and at == self.open:
                self.open += 1
            elif (
                name not in target.names
                and len(target.definitions) < limits.MAX_METRICS
                and target.size + cost <= self.max_bytes
            ):
                break
            at += 1
        target.definitions.append(definition)
        target.members.append(member)
        target.names.add(name)
        target.points += points
        target.size += cost
        self.next[name] = at + 1
        return True

    def text(self, made: _Object) -> str:
        properties = "".join([text for name, text, _ in self.properties if name not in made.names])
        return f"{self.head}{','.join(made.definitions)}{self.tail}{properties},{','.join(made.members)}}}"


def dimensions_of(
    defaults: Mapping[str, object], attributes: Mapping[str, object], counts: Counts
) -> tuple[Pairs, Pairs]:
    """Return the dimensions of a point (names sorted, defaults first) and what went over the limit of 30."""
    found: dict[str, str] = {}
    own = {name: value for name, value in defaults.items() if name not in attributes}
    for name, value in [*own.items(), *sorted(attributes.items(), key=lambda item: safe_text(item[0]))]:
        raw = safe_text(name)
        clean = limits.dimension_name(raw)
        if clean == "_aws":
            clean = "_aws_"
        if not clean or clean in found:
            counts.change("dimension left out: no name, or twice the same")
            continue
        if clean != raw:
            counts.change("dimension name: odd characters or too long")
        text = _text(value)
        found[clean] = limits.dimension_value(text)
        if found[clean] != text:
            counts.change("dimension value: odd characters, empty or too long")
    pairs = tuple(found.items())
    if len(pairs) > limits.MAX_DIMENSIONS:
        counts.change("dimensions over 30", len(pairs) - limits.MAX_DIMENSIONS)
    return pairs[: limits.MAX_DIMENSIONS], pairs[limits.MAX_DIMENSIONS :]


def properties_of(resource: Mapping[str, Any]) -> Pairs:
    found: dict[str, object] = {**root_fields(resource)}
    found.update({name: resource[name] for name in _PROPERTIES if resource.get(name)})
    return tuple([(name, limits.dimension_value(_text(value))) for name, value in found.items()])


def _text(value: object) -> str:
    """Return a value as a dimension: ``true`` as JSON writes it, and whole floats as integers."""
    if type(value) is str:
        return value
    if value is True:
        return "true"
    if value is False:
        return "false"
    if type(value) is float and value.is_integer() and abs(value) < 2.0**53:
        return str(int(value))
    return safe_text(value)
