from __future__ import annotations

import pytest
from hypothesis import given

from aws_data import schema
from aws_data import text as any_text
from obsv.emf.units import UNITS, unit


def test_the_units_are_those_of_the_schema() -> None:
    metric = schema("emf-schema.json")["properties"]["_aws"]["properties"]["CloudWatchMetrics"]["items"]["properties"][
        "Metrics"
    ]
    pattern = metric["items"]["properties"]["Unit"]["pattern"]
    assert set(pattern.removeprefix("^(").removesuffix(")$").replace("\\/", "/").split("|")) == UNITS
    assert len(UNITS) == 27


@pytest.mark.parametrize(
    ("given_unit", "expected"),
    [
        ("Milliseconds", "Milliseconds"),
        ("milliseconds", "Milliseconds"),
        ("ms", "Milliseconds"),
        ("s", "Seconds"),
        ("By", "Bytes"),
        ("bytes/second", "Bytes/Second"),
        ("%", "Percent"),
        ("1", "None"),
        ("", "None"),
        (" ", "None"),
        (None, "None"),
        ("{request}", "Count"),
        ("{request}/s", "Count/Second"),
        ("ns", None),
        ("KiBy", None),
        ("furlongs", None),
        ("{x", None),
        (7, None),
    ],
)
def test_units(given_unit: object, expected: str | None) -> None:
    assert unit(given_unit) == expected


@given(any_text)
def test_any_text(anything: str) -> None:
    assert unit(anything) is None or unit(anything) in UNITS
