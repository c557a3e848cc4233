"""Attribute values, cleaned by OpenTelemetry's rules."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.hotpath.values import MAX_ITEMS, clean, weigh

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner),
    max_leaves=20,
)


class Plain:
    pass


class Text(str):
    __slots__ = ()


class Choice(enum.StrEnum):
    YES = "yes"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Text("a"), "a"),
        (Choice.YES, "yes"),
        (True, True),
        (decimal.Decimal("1.5"), "1.5"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (bytearray(b"ab"), (97, 98)),
        ([], ()),
        ([[], [[]]], ((), ((),))),
        (collections.deque([1]), (1,)),
        (collections.OrderedDict(a=1), {"a": 1}),
        ({"": 1, None: 2, 3: 4, "k": None}, {"3": 4, "k": None}),
        (Plain(), None),
        ([Plain()], (None,)),
    ],
)
def test_clean(value: Any, expected: Any) -> None:
    cleaned = clean(value)
    assert cleaned == expected
    assert type(cleaned) is type(expected)


def pure(value: Any) -> bool:
    if type(value) is tuple:
        return all(map(pure, value))
    if type(value) is dict:
        return all(type(key) is str and key and pure(item) for key, item in value.items())
    return value is None or type(value) in (str, bool, int, float, bytes)


@given(anything)
def test_only_plain_immutable_types_come_out(value: Any) -> None:
    cleaned = clean(value)
    assert pure(cleaned)
    assert repr(clean(cleaned)) == repr(cleaned)  # repr: NaN is not equal to itself
    assert weigh(cleaned) > 0


@given(anything, st.integers(0, 10))
def test_no_text_is_longer_than_the_limit(value: Any, limit: int) -> None:
    def longest(cleaned: Any) -> int:
        if isinstance(cleaned, tuple):
            return max(map(longest, cleaned), default=0)
        if isinstance(cleaned, dict):
            return max(map(longest, cleaned.values()), default=0)
        return len(cleaned) if isinstance(cleaned, str) else 0

    assert longest(clean(value, limit)) <= limit


def test_values_are_as_opentelemetrys_own() -> None:
    from opentelemetry.attributes import BoundedAttributes

    for value in ("a", 1, 1.5, True, b"x", ["a", "b"], [1, 2], (True,), {"k": [1, {"n": None}]}, None):
        theirs = BoundedAttributes(attributes={"k": value}, immutable=False, extended_attributes=True)["k"]
        ours = clean(value)
        plain = dict(theirs) if isinstance(ours, dict) and not isinstance(theirs, dict) else theirs
        assert plain == ours or (plain, ours) == (None, None)


def test_a_value_that_holds_itself() -> None:
    loop: list[Any] = [1]
    loop.append(loop)
    assert clean(loop) == (1, "…")
    twice = [7]
    assert clean([twice, twice]) == ((7,), (7,))
    bush: list[Any] = []
    bush.extend([bush] * 20)
    assert clean(bush) == ("…",) * 20


def test_deep_and_wide_values_end() -> None:
    deep: Any = 1
    for _ in range(10_000):
        deep = [deep]
    assert "…" in repr(clean(deep))
    assert len(clean(range(10**9))) == MAX_ITEMS + 1
    level: list[Any] = [1]
    for _ in range(12):
        level = [list(level) for _ in range(10)]
    assert weigh(clean(level)) < 200 * MAX_ITEMS


def test_what_a_value_raises_is_for_the_caller() -> None:
    class Bad:
        def __str__(self) -> str:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        clean([Bad()])
