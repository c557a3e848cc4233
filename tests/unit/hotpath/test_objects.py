"""What objects that JSON does not know become."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import ipaddress
import json
import pathlib
import uuid
from typing import Any, ClassVar, NamedTuple

import attrs
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.hotpath.jsontext import dumps
from obsv.hotpath.objects import simpler


@dataclasses.dataclass
class Point:
    x: int
    y: Any = None
    secret: str = dataclasses.field(default="s", repr=False)
    kind: ClassVar[str] = "point"


@dataclasses.dataclass(slots=True)
class Slotted:
    a: int = 1


@attrs.define
class Attrs:
    a: int
    hidden: str = attrs.field(default="s", repr=False)


class Model(pydantic.BaseModel):
    name: str
    secret: str = pydantic.Field(default="s", repr=False)
    inner: list[Point] = []


class Pair(NamedTuple):
    a: int
    b: int


class Property:
    __dataclass_fields__ = Point.__dataclass_fields__

    @property
    def x(self) -> int:
        raise RuntimeError

    y = 2
    secret = "s"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Point(1, Point(2)), {"x": 1, "y": {"x": 2, "y": None}}),
        (Slotted(), {"a": 1}),
        (Attrs(1), {"a": 1}),
        (Model(name="n", inner=[Point(1)]), {"name": "n", "inner": [{"x": 1, "y": None}]}),
        (Pair(1, 2), [1, 2]),
        (datetime.datetime(2026, 1, 2, 3, 4, 5, 600, datetime.UTC), "2026-01-02T03:04:05.000600+00:00"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (datetime.time(3, 4), "03:04:00"),
        (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (decimal.Decimal("1.50"), "1.50"),
        (pathlib.PurePosixPath("/a"), "/a"),
        (ipaddress.ip_address("10.0.0.1"), "10.0.0.1"),
        (ValueError("x"), "ValueError: x"),
        (KeyError(), "KeyError"),
        (Point, "<class 'tests.unit.hotpath.test_objects.Point'>"),
        (Property(), {"x": "<RuntimeError: its value cannot be read>", "y": 2}),
    ],
)
def test_what_it_becomes(value: Any, expected: Any) -> None:
    found = json.loads(dumps({"v": value}))["v"]
    assert found == expected or (isinstance(value, type) and "Point" in found)


def test_one_that_holds_itself_ends() -> None:
    point = Point(1)
    point.y = [point]
    assert json.loads(dumps(point))["y"] == ["…"]


def test_what_says_nothing_stays_itself() -> None:
    value = object()
    assert simpler(value) is value


class Awkward:
    """Whatever it is asked for raises or is nonsense."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def __getattr__(self, name: str) -> Any:
        if name == "answer":
            raise AttributeError(name)
        if isinstance(self.answer, type) and issubclass(self.answer, BaseException):
            raise self.answer(name)
        return self.answer

    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


@given(st.sampled_from([AttributeError, RuntimeError, 1, "x", None, {}, []]), st.integers())
def test_a_bad_object_loses_only_its_own_field(answer: Any, number: int) -> None:
    found = json.loads(dumps({"bad": Awkward(answer), "number": number, "in": [Awkward(answer), number]}))
    assert found["number"] == number
    assert found["in"][1] == number
    assert "Awkward" in found["bad"]


def test_numbers_of_numpy_are_numbers() -> None:
    numpy = pytest.importorskip("numpy")
    given = [numpy.int64(7), numpy.uint8(255), numpy.float32(0.5), numpy.float64("nan"), numpy.bool_(True)]
    assert json.loads(dumps(given)) == [7, 255, 0.5, None, True]
    assert json.loads(dumps({"zero": numpy.array(3), "text": numpy.str_("x")})) == {"zero": 3, "text": "x"}
    for other in (numpy.array([1, 2]), numpy.longdouble(1), numpy.complex64(1), numpy.datetime64("2026-01-02")):
        assert json.loads(dumps({"v": other}))["v"] == str(other)
