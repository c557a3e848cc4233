"""Spans, points and log records of every kind, for hypothesis, and protobuf messages as plain objects."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

texts = st.text(st.characters(codec=None), max_size=20)
keys = texts.filter(bool)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts | st.binary(max_size=20)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=8
)
attributes = st.dictionaries(keys, values, max_size=6)
ids = st.integers(1, 2**64 - 1)
moments = st.integers(0, 2**63 - 1)


def utf8(text: str) -> str:
    """What is left of a text in UTF-8: half surrogate pairs become ``?``."""
    return text.encode("utf-8", "replace").decode()


def plain(value: Any) -> Any:
    """An ``AnyValue`` as a plain object."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return tuple(plain(item) for item in value.array_value.values)
    if kind == "kvlist_value":
        return pairs(value.kvlist_value.values)
    return getattr(value, kind)


def pairs(found: Any) -> list[tuple[str, Any]]:
    """``KeyValue`` messages as pairs, in their order."""
    return [(pair.key, plain(pair.value)) for pair in found]


def expected(value: Any) -> Any:
    """A cleaned value as OTLP can carry it."""
    if isinstance(value, str):
        return utf8(value)
    if type(value) is int and not -(2**63) <= value < 2**63:
        return str(value)
    if isinstance(value, (tuple, list)):
        return tuple(map(expected, value))
    if isinstance(value, dict):
        return expected_pairs(value)
    return value


def expected_pairs(found: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(utf8(key), expected(value)) for key, value in found.items()]


def same(one: Any, other: Any) -> bool:
    """Equality by text: NaN equals itself, and True is not 1."""
    return repr(one) == repr(other)
