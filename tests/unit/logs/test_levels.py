from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.logs import levels


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("DEBUG", 5),
        ("info", 9),
        (" Warning ", 13),
        ("WARN", 13),
        ("error", 17),
        ("CRITICAL", 21),
        ("fatal", 21),
        ("off", 25),
        ("loud", 9),
    ],
)
def test_names_have_severities(name: str, number: int) -> None:
    assert levels.severity(name) == number


@pytest.mark.parametrize(
    ("stdlib", "number"),
    [
        (logging.DEBUG, 5),
        (logging.INFO, 9),
        (logging.WARNING, 13),
        (logging.ERROR, 17),
        (logging.CRITICAL, 21),
        (5, 1),
        (15, 8),
        (25, 12),
        (31, 14),
        (99, 24),
        (-3, 1),
    ],
)
def test_stdlib_levels_have_severities(stdlib: int, number: int) -> None:
    assert levels.from_stdlib(stdlib) == number


@given(st.integers(), st.integers())
def test_order_stays(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert 1 <= levels.from_stdlib(low) <= levels.from_stdlib(high) <= 24


@pytest.mark.parametrize("number", [logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL])
def test_there_and_back(number: int) -> None:
    assert levels.to_stdlib(levels.from_stdlib(number)) == number


def test_trace_and_off_bound_the_stdlib_levels() -> None:
    assert levels.to_stdlib(levels.SEVERITIES["TRACE"]) == 1
    assert levels.to_stdlib(levels.OFF) > logging.CRITICAL
