"""Any metric points as EMF lines, judged by AWS's schema and the rules that it does not state (tests/emf_judge.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aws_data import RESOURCE, histogram, point, points, resources
from emf_judge import Judge
from obsv.emf.shape import Shape

if TYPE_CHECKING:
    from obsv.hotpath.records import MetricPoint


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge()


def test_the_schema_judges(judge: Judge) -> None:
    [line] = Shape("shop", RESOURCE).lines([point("counter")])
    judge.check(line)
    for broken in (
        line.replace('"Count"', '"Furlongs"'),
        line.replace('"Timestamp":1', '"Timestamp":"1", "x":1'),
        '{"a":1}',
    ):
        with pytest.raises(AssertionError):
            judge.check(broken)


@given(made=st.lists(points(), max_size=12), resource=resources, limit=st.sampled_from([4_000, 1_048_550]))
@settings(max_examples=200)
def test_any_points(judge: Judge, made: list[MetricPoint], resource: dict[str, Any], limit: int) -> None:
    for line in Shape("shop", resource, max_bytes=limit).lines(made):
        judge.check(line, limit)


@given(
    namespace=st.text(),
    dimensions=st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.none()), max_size=40),
)
def test_any_namespace_and_default_dimensions(judge: Judge, namespace: str, dimensions: dict[str, Any]) -> None:
    for line in Shape(namespace, dimensions=dimensions).lines([point("gauge"), histogram([1.0, 2.0])]):
        judge.check(line)


def test_the_largest_object(judge: Judge) -> None:
    made = [
        histogram(
            [1.0001**index for index in range(100)],
            f"{index:03}" + "\\" * 250,
            keep=True,
            **{f"d{n}": "\\" * 1024 for n in range(29)},
        )
        for index in range(100)
    ]
    for line in Shape("shop", RESOURCE).lines(made):
        judge.check(line)
