"""The EMF objects of one time and one choice of dimensions: as few as the limits allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obsv.hotpath.errors import safe_text
from obsv.hotpath.jsontext import quote

from . import limits
from .units import unit as unit_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from .counts import Counts
    from .dimensions import Pairs, Sets


def define(
    reserved: Collection[str], name: object, unit: object, resolution: int, counts: Counts
) -> tuple[str, str, str] | None:
    """Return the name that a metric gets, its definition, and its key; None where it can have no name.

    A metric named like a dimension becomes ``<name>_value``: both would stand under one key of the object.
    """
    raw = safe_text(name)
    clean = limits.metric_name(raw)
    if not clean:
        counts.refuse("metric without a name")
        return None
    if clean != raw:
        counts.change("metric name: odd characters or too long")
    while clean in reserved:
        counts.change("metric name: taken by a dimension")
        clean = clean[: limits.MAX_METRIC_NAME - 6] + "_value"
    word = unit_of(unit)
    if word is None:
        counts.change("unit unknown to CloudWatch")
        word = "None"
    quoted = quote(clean)
    fine = ',"StorageResolution":1' if resolution == 1 else ""  # 60 is what CloudWatch takes without a word
    return clean, f'{{"Name":{quoted},"Unit":"{word}"{fine}}}', quoted


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
    """The objects of one time and one choice of dimensions.

    Args:
        milliseconds: Their time, since the Unix epoch.
        namespace: The namespace, as JSON.
        pairs: Every dimension that a set names, with its value.
        properties: What else stands at the root: names and JSON texts.
        max_bytes: The longest object.
        sets: The dimension sets; by default one of all pairs.
        meta: More members of ``_aws``, as JSON, each with a comma before.
        extract: False leaves ``_aws`` out: CloudWatch then takes the object for a plain log line.
    """

    __slots__ = (
        "directive", "max_bytes", "members", "next", "objects", "open", "properties", "reserved", "size", "stamp",
    )  # fmt: skip

    def __init__(
        self,
        milliseconds: int | str,
        namespace: str,
        pairs: Pairs,
        properties: Pairs,
        max_bytes: int,
        sets: Sets | None = None,
        meta: str = "",
        extract: bool = True,
    ) -> None:
        if sets is None:
            sets = (tuple([name for name, _ in pairs]),)
        names = ",".join(["[" + ",".join([quote(name) for name in each]) + "]" for each in sets])
        self.stamp = f'"_aws":{{"Timestamp":{milliseconds}{meta},"CloudWatchMetrics":[' if extract else ""
        self.directive = f'{{"Namespace":{namespace},"Dimensions":[{names}],"Metrics":['
        self.members = [f"{quote(name)}:{quote(value)}" for name, value in pairs]
        self.reserved = {"_aws", *(name for name, _ in pairs)}
        self.size = len(self.stamp) + len(self.directive) + len("]}]}") + 2
        self.size += sum([_bytes(member) + 1 for member in self.members])
        self.properties: list[tuple[str, str, int]] = []
        room = (max_bytes - self.size) // 2
        for name, value in properties:
            text = f"{quote(name)}:{value}"
            length = _bytes(text) + 1
            if name in self.reserved or length > room:
                continue
            room -= length
            self.properties.append((name, text, length))
        self.size += sum([size for _, _, size in self.properties])
        self.max_bytes = max_bytes
        self.objects = [_Object(self.size)]
        self.open = 0  # objects before this one are full
        self.next: dict[str, int] = {}  # where to look for an object without this metric name

    def put(self, name: str, definition: str, member: str, points: int) -> bool:
        """Put a metric into the first object that has room; False when no object can hold it."""
        cost = len(definition) + len(member) + 2  # a comma before each; all of it is ASCII
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

    def texts(self) -> Iterator[tuple[str, int]]:
        """Return the objects that hold a metric, and how many points begin in each."""
        for made in self.objects:
            if made.definitions:
                yield self.text(made), made.points

    def text(self, made: _Object) -> str:
        """Return the JSON of one object. A property gives way to a metric of the same name."""
        members = []
        if self.stamp:
            directive = f"{self.directive}{','.join(made.definitions)}]}}" if made.definitions else ""
            members.append(f"{self.stamp}{directive}]}}")
        members += self.members
        members += [text for name, text, _ in self.properties if name not in made.names]
        members += made.members
        line = "{" + ",".join(members) + "}"
        # A lone surrogate becomes \udXXX, which is how JSON writes it.
        return line if line.isascii() else line.encode("utf-8", "backslashreplace").decode()


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "backslashreplace"))


def meta_of(log_group: object, log_stream: object) -> str:
    """Return what tells the CloudWatch agent where to write: members of ``_aws``, each after a comma."""
    named = (("LogGroupName", log_group), ("LogStreamName", log_stream))
    texts = [(name, safe_text(value)) for name, value in named if value is not None]
    return "".join([f",{quote(name)}:{quote(text)}" for name, text in texts if text])


def halves(line: str, points: int) -> list[tuple[str, int]]:
    """Split an object into two, each with its share of the points that begin in it.

    Where several metrics are in it each half has some of them, else some of the one metric's values. Nothing where that
    cannot be done.
    """
    import json

    document = json.loads(line)
    directives = document.get("_aws", {}).get("CloudWatchMetrics")
    if not directives:
        return []
    [directive] = directives
    metrics = directive["Metrics"]
    middle = len(metrics) // 2
    made = []
    if middle:
        for part in (metrics[:middle], metrics[middle:]):
            others = {metric["Name"] for metric in metrics if metric not in part}
            directive["Metrics"] = part
            made.append({name: value for name, value in document.items() if name not in others})
            made[-1]["_aws"] = {**document["_aws"], "CloudWatchMetrics": [dict(directive)]}
    else:
        name = metrics[0]["Name"]
        values = document[name]
        if not isinstance(values, list) or len(values) < 2:
            return []
        middle = len(values) // 2
        made = [{**document, name: values[:middle]}, {**document, name: values[middle:]}]
    first = min(points, len(metrics) // 2 or 1)
    texts = [json.dumps(each, separators=(",", ":"), ensure_ascii=False) for each in made]
    return [(texts[0], first), (texts[1], points - first)]
