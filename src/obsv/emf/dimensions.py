"""Which dimensions a point has, in which sets it is stored, and what stands beside it as a property."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obsv.hotpath.errors import safe_text
from obsv.hotpath.jsontext import quote

from . import limits
from .entity import root_fields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .counts import Counts

    Pairs = tuple[tuple[str, str], ...]
    Sets = tuple[tuple[str, ...], ...]

# Resource attributes that stand beside the metrics, to be searched for in Logs Insights; before them the entity.
_PROPERTIES = ("service.version", "service.instance.id")


def service_of(resource: Mapping[str, Any]) -> dict[str, object]:
    """Return the dimension that every point has by default: ``Service``, the service's name."""
    service = resource.get("service.name")
    return {"Service": service} if service else {}


def dimensions_of(
    defaults: Mapping[str, object], attributes: Mapping[str, object], counts: Counts
) -> tuple[Pairs, Pairs]:
    """Return the dimensions of a point (names sorted, defaults first) and what went over the limit of 30."""
    found: dict[str, str] = {}
    own = {name: value for name, value in defaults.items() if name not in attributes}
    for name, value in [*own.items(), *sorted(attributes.items(), key=lambda item: safe_text(item[0]))]:
        clean = name_of(name, counts)
        if not clean or clean in found:
            counts.change("dimension left out: no name, or twice the same")
            continue
        found[clean] = value_of(value, counts)
    pairs = tuple(found.items())
    if len(pairs) > limits.MAX_DIMENSIONS:
        counts.change("dimensions over 30", len(pairs) - limits.MAX_DIMENSIONS)
    return pairs[: limits.MAX_DIMENSIONS], pairs[limits.MAX_DIMENSIONS :]


def name_of(name: object, counts: Counts) -> str:
    """Return a dimension's name as CloudWatch takes it; empty where nothing is left of it."""
    raw = safe_text(name)
    clean = limits.dimension_name(raw)
    if clean == "_aws":
        clean = "_aws_"
    if clean and clean != raw:
        counts.change("dimension name: odd characters or too long")
    return clean


def value_of(value: object, counts: Counts) -> str:
    """Return a dimension's value as CloudWatch takes it."""
    text = text_of(value)
    clean = limits.dimension_value(text)
    if clean != text:
        counts.change("dimension value: odd characters, empty or too long")
    return clean


def sets_of(pairs: Pairs, wanted: Sequence[Sequence[str]]) -> Sets:
    """Return the dimension sets of a point: all that it has, and those ``wanted`` whose dimensions it all has."""
    every = tuple([name for name, _ in pairs])
    if not wanted:
        return (every,)
    found = {frozenset(every): every}
    for names in wanted:
        if all([name in every for name in names]):
            found.setdefault(frozenset(names), tuple(dict.fromkeys(names)))
    return tuple(found.values())


def properties_of(resource: Mapping[str, Any], more: Mapping[str, str] | None = None) -> Pairs:
    """Return what a resource says beside its metrics: names and JSON texts."""
    found: dict[str, object] = {**root_fields(resource)}
    found.update({name: resource[name] for name in _PROPERTIES if resource.get(name)})
    said = [(name, quote(limits.dimension_value(text_of(value)))) for name, value in found.items()]
    return tuple(said + [(name, quote(text)) for name, text in (more or {}).items()])


def text_of(value: object) -> str:
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
