"""Curves: flat, linear, or with a knee."""

from __future__ import annotations

import pytest
from benchmarks import knee

PLACES = (1, 10, 100, 1_000, 10_000, 100_000)


@pytest.mark.parametrize(
    ("costs", "found"),
    [
        ((500, 510, 480, 520, 900, 510), "flat"),
        ((5_000, 700, 500, 500, 490, 480), "flat"),
        ((500, 510, 550, 1_000, 6_000, 55_000), "linear"),
        ((5, 50, 500, 5_000, 50_000, 500_000), "linear"),
        ((500, 510, 500, 505, 2_000, 2_100), "knee"),
        ((500, 500, 500, 500, 500, 50_000), "knee"),
        ((500, 500, 500, 2_000, 500, 500), "knee"),
        ((500, 500, 550, 1_000_000, 100_000_500, 10_000_000_500), "knee"),
    ],
)
def test_shapes(costs: tuple[int, ...], found: str) -> None:
    assert knee.shape(list(zip(PLACES, costs, strict=True))) == found


def test_flat_is_good_where_linear_is_and_not_the_other_way_round() -> None:
    assert knee.good("flat", "linear")
    assert knee.good("flat", "flat")
    assert knee.good("linear", "linear")
    assert not knee.good("linear", "flat")
    assert not knee.good("knee", "linear")


def test_a_cost_below_nothing_is_told() -> None:
    with pytest.raises(ValueError, match="gone wrong"):
        knee.shape([(1, 5.0), (2, -1.0)])
