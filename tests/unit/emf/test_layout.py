"""Layouts: what is remembered of an EMF object must give the very text that writing it from the beginning gives."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from obsv.emf.counts import Counts
from obsv.emf.layout import MAX_LAYOUTS, Layouts
from obsv.emf.shape import Shape
from obsv.hotpath.records import MetricPoint
from obsv.hotpath.span import SCOPE

RESOURCE = {"service.name": "shop 100 %", "service.version": "1%s"}


def point(
    name: str, value: Any, attributes: dict[str, Any], kind: str = "counter", now: int = 5_000_000
) -> MetricPoint:
    made = MetricPoint(name, "Count", "", kind, attributes, 0, now, SCOPE)
    if kind == "histogram":
        made.values, made.count = value, len(value)
        made.sum, made.min, made.max = sum(value), min(value), max(value)
    else:
        made.value = value
    return made


numbers = st.integers() | st.floats(allow_nan=True, allow_infinity=True)
texts = st.text(alphabet="ab%s_:é\0 ", max_size=4)
dimensions = st.lists(st.dictionaries(texts, texts | st.booleans() | st.integers(), max_size=3), min_size=1, max_size=3)
series = st.lists(st.tuples(texts, st.integers(0, 2), st.sampled_from(["counter", "gauge", "histogram"])), max_size=6)


@given(dimensions, series, st.data())
def test_the_same_text_as_from_the_beginning(sets: list[dict[str, Any]], made: list[Any], data: Any) -> None:
    layouts = Layouts(Shape("space", RESOURCE))
    for now in (1_000_000, 2_500_000):
        points = [
            point(
                name,
                data.draw(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=4) if kind == "histogram" else numbers),
                sets[index % len(sets)],
                kind,
                now,
            )
            for name, index, kind in made
        ]
        filled = layouts.fill(points)
        if filled is not None:
            counts = Counts()
            assert filled == layouts.events(points, counts)
            assert not counts.changed
            assert not counts.refused


def test_plain_points_are_filled_in() -> None:
    layouts = Layouts(Shape("space", RESOURCE))
    shop, other = {"shop": "north"}, {"shop": "south"}
    for value in (1, 2.5):
        points = [point("a", value, shop), point("b", [value], other, "histogram"), point("c", value, shop, "gauge")]
        filled = layouts.fill(points)
        assert filled is not None
        assert [number for _, number, _ in filled] == [2, 1]
        assert filled == layouts.events(points, Counts())


def test_what_needs_a_closer_look_is_not_filled_in() -> None:
    layouts = Layouts(Shape("space", RESOURCE))
    shop = {"shop": "north"}
    assert layouts.fill([point("a", 1, shop)])
    assert layouts.fill([point("b", 1, shop)]) is None  # another metric with the same dimensions
    assert layouts.fill([point("a", float("nan"), shop)]) is None
    assert layouts.fill([point("a", True, shop)]) is None
    assert layouts.fill([]) is None
    assert layouts.fill([point("a", 1, {"x": "1"})] * 101) is None


def test_no_more_than_a_few_are_kept() -> None:
    layouts = Layouts(Shape("space", RESOURCE))
    for number in range(3 * MAX_LAYOUTS):
        assert layouts.fill([point("a", 1, {"shop": str(number)})])
    assert len(layouts._known) <= MAX_LAYOUTS
