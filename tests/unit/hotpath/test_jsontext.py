"""JSON text of anything."""

from __future__ import annotations

import base64
import collections
import decimal
import enum
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.hotpath.jsontext import dumps, quote, utf8

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None))
trees = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=30)


def without_nan(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    return value


@given(trees)
def test_it_parses_back(value: Any) -> None:
    text = dumps(value)
    assert "\n" not in text
    assert "\r" not in text
    assert json.loads(text) == without_nan(value)


@given(st.text(st.characters(codec=None)))
def test_quote_is_a_json_string(text: str) -> None:
    assert json.loads(quote(text)) == text


@given(st.text(st.characters(codec=None)))
def test_utf8_takes_every_text(text: str) -> None:
    assert len(utf8(text)) >= len(text)
    assert utf8(text).decode() == text.encode("utf-8", "replace").decode()


class Bad:
    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


class BadMapping(dict[str, int]):
    def items(self) -> Any:
        raise RuntimeError


class Color(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    HIGH = 7


class Kind(enum.StrEnum):
    A = "a"


class Bag:
    def __iter__(self) -> Any:
        return iter([1, 2])

    def __len__(self) -> int:
        return 2


class OddInt(int):
    def __int__(self) -> int:
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ((1, None), "[1,null]"),
        ({1: True, None: 2.5}, '{"1":true,"None":2.5}'),
        ({3}, "[3]"),
        (b"\x00\xff", json.dumps(base64.b64encode(b"\x00\xff").decode())),
        (bytearray(b"a"), '"YQ=="'),
        (Color.RED, '"Color.RED"'),
        (Level.HIGH, "7"),
        (Kind.A, '"a"'),
        (decimal.Decimal("1.50"), '"1.50"'),
        (collections.OrderedDict(a=1), '{"a":1}'),
        (Bag(), "[1,2]"),
        (Bad(), '"<Bad: its text cannot be read>"'),
        ({Bad(): 1}, '{"<Bad: its text cannot be read>":1}'),
        ([1, Bad()], '[1,"<Bad: its text cannot be read>"]'),
        (BadMapping(a=1), '"<BadMapping: its text cannot be read>"'),
        (OddInt(5), '"<OddInt: its text cannot be read>"'),
        (float("inf"), "null"),
        (1e300, "1e+300"),
    ],
)
def test_what_json_does_not_know(value: Any, text: str) -> None:
    assert dumps(value) == text
    json.loads(text)


def test_a_huge_integer() -> None:
    value = 10**10_000
    assert int(json.loads(dumps(value)), 16) == value
    assert json.loads(dumps({"n": 10**100})) == {"n": 10**100}


def test_what_holds_itself_or_is_deep_or_wide_ends() -> None:
    loop: dict[str, Any] = {}
    loop["self"] = [loop] * 3
    assert len(json.loads(dumps(loop))["self"]) == 3
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    json.loads(dumps(deep))
    bush: Any = 1
    for _ in range(30):
        bush = [bush, bush]
    assert len(dumps(bush)) < 1_000_000
    assert len(dumps(range(10**8))) < 1_000_000
    assert len(dumps([0] * 10**6)) < 1_000_000


def test_a_text_that_is_in_a_value_many_times_ends_it() -> None:
    """All of each would be 100 GB."""
    text = "x" * 1_000_000
    for value in (
        [text] * 100_000,
        [text.encode()] * 100_000,
        [{text: 1}] * 100_000,
        dict.fromkeys(range(100000), text),
    ):
        assert len(dumps(value)) < 40_000_000
    assert len(dumps(text * 50)) == 50_000_002  # alone it is whole
    assert dumps([["a" * 100] * 1000] * 10).count("a" * 100) == 10_000


class Nameless(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise RuntimeError


class Unreadable(metaclass=Nameless):
    def __str__(self) -> str:
        raise RuntimeError


def test_a_class_whose_own_name_cannot_be_asked_for_loses_only_itself() -> None:
    text = "<Unreadable: its text cannot be read>"
    assert json.loads(dumps([Unreadable(), 1, {Unreadable(): 2}])) == [text, 1, {text: 2}]
