"""Turns of a paced loop, and the distribution that is made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from benchmarks import plots, readme, report, store
from benchmarks.harness import Result
from benchmarks.scenarios import load
from benchmarks.turns import histogram, over, quantile, worst

if TYPE_CHECKING:
    from pathlib import Path

COUNTS = [50, 0, 45, 0, 0, 0, 0, 0, 0, 0, 5]
LATENCY = load("latency")
ABOUT = {"python": "CPython 3.11.7", "machine": "Linux", "cpus": "2", "date": "2026-01-02", "versions": "b 2, a 1"}


def result(shares: dict[str, dict[str, list[float]]]) -> Result:
    """A result of latency: what its bars ask for, and these shares."""
    each = {"p50": [5.0], "p99.9": [400.0], "worst": [900.0], "lost %": [0.0]}
    return Result(LATENCY, {peer.name: each | shares.get(peer.name, {}) for peer in LATENCY.peers})


FOUND = result(
    {
        "obsv": {"over 20": [400.0, 800.0, 600.0], "over 1000": [0.0, 0.0, 0.0]},
        "opentelemetry-sdk": {"over 20": [1_000_000.0] * 3, "over 1000": [2.5] * 3},
    }
)


def test_turns_are_counted_by_microsecond() -> None:
    made: list[int] = []
    counts = histogram(made.append, 50)
    assert made == [1] * 50
    assert sum(counts) == 50


@pytest.mark.parametrize(("share", "wanted"), [(0.5, 1.0), (0.9, 3.0), (0.999, 11.0)])
def test_quantiles(share: float, wanted: float) -> None:
    assert quantile(COUNTS, share) == wanted


def test_the_worst_turn_is_the_last_that_was_counted() -> None:
    assert worst(COUNTS) == 11.0


@pytest.mark.parametrize(("place", "wanted"), [(0, 1_000_000), (2, 500_000), (3, 50_000), (10, 50_000), (11, 0)])
def test_a_share_counts_turns_of_so_many_microseconds_and_more(place: int, wanted: float) -> None:
    assert over(COUNTS, place) == wanted


def test_a_distribution_has_a_table_of_its_own() -> None:
    assert FOUND.measures() == ["p50", "p99.9", "worst", "lost %"]
    assert FOUND.shares() == {
        "obsv": [(20, 600.0), (1_000, 0.0)],
        "opentelemetry-sdk": [(20, 1_000_000.0), (1_000, 2.5)],
    }
    told = report.table(FOUND)
    assert "over" not in told
    words = " ".join(told.split())
    assert "of a million from 20 µs from 50 µs" in words
    assert "opentelemetry-sdk 1,000,000 2.5" in words


def test_the_page_shows_the_distribution_with_its_picture(tmp_path: Path) -> None:
    store.save(FOUND, tmp_path, ABOUT)
    plots.save(FOUND, tmp_path)
    told = readme.block_for("latency", tmp_path)
    assert "| of a million | from 20 µs | " in told
    assert "| opentelemetry-sdk | 1,000,000 | 2.5 |" in told
    name = plots.distribution_name(LATENCY)
    assert f"](../benchmarks/results/{name})" in told
    assert (tmp_path / name).exists()


def test_a_result_from_before_there_were_shares_shows_none(tmp_path: Path) -> None:
    before = result({})
    store.save(before, tmp_path, ABOUT)
    plots.save(before, tmp_path)
    assert "of a million" not in readme.block_for("latency", tmp_path)
    assert not (tmp_path / plots.distribution_name(LATENCY)).exists()


def test_the_picture_has_a_line_for_each_contestant_also_where_none_took_so_long() -> None:
    drawn = ElementTree.fromstring(plots.distribution(FOUND))
    lines = drawn.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 2
    assert lines[0].get("points", "").endswith(",290.0")  # none: at the bottom
