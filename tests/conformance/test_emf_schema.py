"""EMF lines against AWS's published schema, and the limits that it does not state.

Where schema and service differ:

- The schema takes metric names and namespaces of up to 1,024 characters; the CloudWatch API ends at 255, and so do we.
- The schema says nothing of the root members that dimensions and metrics refer to, of 100 definitions and 100 values,
  of ASCII, of the range of numbers, nor of the size of an event. The specification's text and the API reference do.
- A metric target is a number or an array of numbers in the specification. The object with ``Values`` and ``Counts`` is
  what the collector's awsemf exporter and AWS's OpenTelemetry distribution send; the schema leaves it open.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aws_data import RESOURCE, histogram, point, points, resources, schema
from obsv.emf.shape import Shape
from obsv.emf.units import UNITS

if TYPE_CHECKING:
    from obsv.hotpath.records import MetricPoint

OBJECT = ["Values", "Counts", "Count", "Sum", "Max", "Min"]


class Judge:
    def __init__(self) -> None:
        from jsonschema import Draft7Validator

        self.validator = Draft7Validator(schema("emf-schema.json"))

    def check(self, line: str, limit: int = 1_048_550) -> dict[str, Any]:
        assert "\n" not in line
        assert len(line.encode("utf-8")) <= limit
        document: dict[str, Any] = json.loads(
            line, parse_constant=lambda name: pytest.fail(name), object_pairs_hook=unique
        )
        errors = [f"{list(error.absolute_path)}: {error.message}" for error in self.validator.iter_errors(document)]
        assert not errors, errors
        [directive] = document["_aws"]["CloudWatchMetrics"]
        assert type(document["_aws"]["Timestamp"]) is int
        assert re.fullmatch(r"[a-zA-Z0-9._#/-][a-zA-Z0-9._#:/ -]{0,254}", directive["Namespace"])
        [keys] = directive["Dimensions"]
        assert len(keys) <= 30
        assert len(set(keys)) == len(keys)
        for key in keys:
            assert printable(key, 250)
            assert not key.startswith(":")
            assert isinstance(document[key], str)
            assert printable(document[key], 1024)
        names = [metric["Name"] for metric in directive["Metrics"]]
        assert 1 <= len(names) <= 100
        assert len(set(names)) == len(names)
        assert not set(names) & {*keys, "_aws"}
        for metric in directive["Metrics"]:
            assert printable(metric["Name"], 255)
            assert metric["Unit"] in UNITS
            self.target(document[metric["Name"]])
        return document

    def target(self, value: Any) -> None:
        if isinstance(value, dict):
            assert list(value) in (OBJECT, ["Count", "Sum", "Max", "Min"])
            if "Values" in value:
                assert 1 <= len(value["Values"]) == len(value["Counts"]) <= 100
                assert value["Count"] == sum(value["Counts"])
                assert all(count >= 1 for count in value["Counts"])
                assert len(set(value["Values"])) == len(value["Values"])
                numbers = [*value["Values"], *value["Counts"]]
            else:
                numbers = []
            numbers += [value[key] for key in ("Count", "Sum", "Max", "Min")]
        elif isinstance(value, list):
            assert 1 <= len(value) <= 100
            numbers = value
        else:
            numbers = [value]
        assert all(type(number) in (int, float) and -(2.0**360) <= number <= 2.0**360 for number in numbers)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len({key for key, _ in pairs}) == len(pairs), [key for key, _ in pairs]
    return dict(pairs)


def printable(text: str, most: int) -> bool:
    return text.isascii() and text.isprintable() and bool(text.strip()) and len(text) <= most


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
