from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given

from aws_data import scalars
from aws_data import text as any_text
from obsv.emf import limits


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("route", "route"),
        (":route", "_route"),
        ("größe", "gr\\xf6\\xdfe"),
        ("a\nb", "a\\x0ab"),
        ("x" * 300, "x" * 250),
        (" ", ""),
        ("", ""),
    ],
)
def test_dimension_names(name: str, expected: str) -> None:
    assert limits.dimension_name(name) == expected


def test_different_names_stay_different() -> None:
    assert limits.dimension_name("é") != limits.dimension_name("è")


@pytest.mark.parametrize(
    ("value", "expected"),
    [("/a", "/a"), ("", "(empty)"), (" \t", " \\x09"), (" ", "(empty)"), ("y" * 2000, "y" * 1024)],
)
def test_dimension_values(value: str, expected: str) -> None:
    assert limits.dimension_value(value) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("shop", "shop"),
        ("My Shop/v1.2_#:-", "My Shop/v1.2_#:-"),
        (":shop", "shop"),
        ("shop{1}", "shop_1_"),
        ("ü", "_xfc"),
        ("", "obsv"),
        (" : ", "obsv"),
        ("z" * 300, "z" * 255),
    ],
)
def test_namespaces(name: str, expected: str) -> None:
    assert limits.namespace(name) == expected


@pytest.mark.parametrize("value", [0, -1, 1.5, 2.0**360, -(2.0**360), 2**360, True, Decimal("1.5"), 1e-300])
def test_numbers_in_range(value: Any) -> None:
    assert limits.number(value) == value


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        -float("inf"),
        2**361,
        2.0**361,
        10**4000,
        Decimal("NaN"),
        None,
        "1",
        b"1",
        [],
        object(),
    ],
)
def test_no_numbers(value: Any) -> None:
    assert limits.number(value) is None


@given(any_text)
def test_any_name_is_within_the_rules(anything: str) -> None:
    for clean, most in (
        (limits.dimension_name(anything), 250),
        (limits.dimension_value(anything), 1024),
        (limits.metric_name(anything), 255),
        (limits.namespace(anything), 255),
    ):
        assert clean.isascii()
        assert clean.isprintable()
        assert len(clean) <= most
        assert clean == "" or clean.strip()
    assert limits.dimension_value(anything)
    assert limits.namespace(anything)
    assert not limits.dimension_name(anything).startswith(":")


@given(scalars)
def test_any_value(anything: object) -> None:
    found = limits.number(anything)
    assert found is None or -(2.0**360) <= found <= 2.0**360
