"""What waits is what was given, and reads as if it had not waited."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.hotpath.jsontext import dumps
from obsv.logs.settled import settled


@dataclasses.dataclass
class Point:
    x: Any = 1
    when: datetime.date = datetime.date(2026, 1, 2)


class Color(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    HIGH = 7


class Bad:
    def __str__(self) -> str:
        raise RuntimeError


class Text(str):
    __slots__ = ()


class Collection:
    def __init__(self, *items: Any) -> None:
        self.items = items

    def __iter__(self) -> Any:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5)
ODD = st.sampled_from(
    [
        Color.RED, Level.HIGH, Bad(), Text("t"), decimal.Decimal("1.5"), datetime.datetime(2026, 1, 2), object, 1j, ...,
        collections.deque([1]), range(3), bytearray(b"a"), ValueError("x"), Point(), {1}, frozenset({"a"}),
        float("nan"),
    ]
)  # fmt: skip
KEYS = st.text(max_size=3) | st.integers(0, 3) | st.none() | st.booleans() | st.sampled_from([Color.RED, "1", "None"])
VALUES = st.recursive(
    PLAIN | ODD,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=4)
        | inner.map(Point)
        | st.lists(inner, max_size=3).map(lambda items: Collection(*items))
    ),
    max_leaves=12,
)


@given(VALUES)
def test_it_reads_as_the_value_itself(value: Any) -> None:
    assert dumps(settled(value)) == dumps(value)


def plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return type(value) is tuple and all(map(plain, value))
    if isinstance(value, dict):
        return type(value) is dict and all(type(key) is str and plain(item) for key, item in value.items())
    return type(value) in (str, int, float, bool, bytes, type(None))


@given(VALUES)
def test_nothing_of_the_callers_is_in_it(value: Any) -> None:
    assert plain(settled(value))


def test_later_changes_are_not_seen() -> None:
    point = Point([1])
    given = {"a": [point], "b": {1}}
    kept = settled(given)
    point.x.append(2)
    given["b"].add(3)
    assert kept == {"a": ({"x": (1,), "when": "2026-01-02"},), "b": (1,)}


def test_what_holds_itself_or_is_deep_or_wide_ends() -> None:
    loop: dict[str, Any] = {}
    loop["self"] = [loop]
    assert settled(loop) == {"self": ("…",)}
    deep: Any = 1
    for _ in range(10_000):
        deep = [deep]
    assert dumps(settled(deep)) == dumps(deep)
    bush: Any = 1
    for _ in range(40):
        bush = [bush, bush]
    assert len(dumps(settled(bush))) < 2_000_000
    text = "x" * 1_000_000
    for value in ([text] * 100_000, [{text: 1}] * 100_000, [text.encode()] * 100_000):
        assert len(dumps(settled(value))) < 40_000_000


@pytest.mark.parametrize("value", [Bad(), {Bad(): 1}, [1, Bad()], Point(Bad())])
def test_a_bad_object_loses_only_itself(value: Any) -> None:
    assert "its text cannot be read" in dumps(settled(value))
