"""What the harness makes of measured values: ratios, bars, tables, and what it does with wrong input."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from benchmarks import harness, plots, report, scenarios, setup, store
from benchmarks.scenario import AtLeast, AtMost, Curve, Less, Peer, Scenario, amount, verdict

if TYPE_CHECKING:
    from pathlib import Path


def nobody(url: str, operations: int) -> dict[str, float]:
    return {}


def peer(name: str) -> Peer:
    return Peer(name, nobody, "obsv")


COMPARISON = Scenario(
    "span_root",
    "Root <span>",
    (peer("obsv"), peer("sdk"), peer("other")),
    10,
    (Less("thread", ("sdk",), 10), Less("thread", ("sdk", "other"), 1 / 1.5), AtMost("lost %", 0)),
)
VALUES = {
    "obsv": {"thread": [10.0, 1_000.0, 10.0], "lost %": [0.0, 0.0, 0.0]},
    "sdk": {"thread": [200.0, 20_000.0, 90.0]},
    "other": {"thread": [8.0, 700.0, 8.0]},
}


def test_a_ratio_is_of_the_same_round_and_the_median_of_the_rounds_decides() -> None:
    found = verdict(COMPARISON.bars[0], VALUES)
    assert found.value == 20
    assert found.met
    assert (found.low, found.high) == (9, 20)


def test_an_allowance_is_against_the_cheapest_of_each_round() -> None:
    bar = COMPARISON.bars[1]
    found = verdict(bar, VALUES)
    assert found.value == 0.8
    assert found.met
    assert bar.text() == "at most 1.5 of the thread of sdk or other"
    assert bar.found(found.value) == "1.25 of it"


@pytest.mark.parametrize(
    ("ours", "theirs", "ratio"), [(0.0, 5.0, math.inf), (-3.0, 5.0, math.inf), (5.0, -3.0, 0.0), (2.0, 5.0, 2.5)]
)
def test_an_addition_lost_in_noise_is_no_error(ours: float, theirs: float, ratio: float) -> None:
    bar = Less("adds", ("sdk",), 10)
    assert bar.rounds({"obsv": {"adds": [ours]}, "sdk": {"adds": [theirs]}}) == [ratio]


@pytest.mark.parametrize(
    ("bar", "met"),
    [
        (AtMost("ms", 25), True),
        (AtMost("ms", 24.9), False),
        (AtLeast("ms", 25), True),
        (AtLeast("ms", 25.1), False),
        (AtMost("ms", 1, "other"), True),
    ],
)
def test_absolute_bars_include_their_limit(bar: AtMost, met: bool) -> None:
    assert verdict(bar, {"obsv": {"ms": [20.0, 25.0, 90.0]}, "other": {"ms": [1.0]}}).met is met


def test_bars_in_words() -> None:
    assert Less("cpu", ("sdk",), 40).text() == "40 times less cpu than sdk"
    assert AtMost("modules", 60).text() == "at most 60 modules"
    assert AtMost("ms", 25).text() == "at most 25 ms"
    assert AtMost("lost %", 0).text() == "at most 0 % lost"
    assert AtLeast("four to one", 0.8).text() == "at least 0.8 four to one"
    assert amount(1234.5, "thread") == "1,234 ns"


def test_the_table_is_aligned_and_coloured_only_when_asked() -> None:
    result = harness.Result(COMPARISON, VALUES)
    plain = report.table(result)
    assert "\033" not in plain
    assert "20.0 times less" in plain
    assert plain.count("met") == 3
    head, obsv, sdk = plain.splitlines()[1:4]
    assert obsv.index("10 (10-1,000)") + len("10 (10-1,000)") == head.index("thread, ns") + len("thread, ns")
    assert sdk.startswith("  sdk ")
    painted = report.table(result, colour=True)
    assert "\033[32mmet\033[0m" in painted
    assert len(painted.splitlines()) == len(plain.splitlines())
    assert "3 of 3 bars met" in report.summary([result])


def test_the_time_that_all_took_is_told_with_the_longest_first() -> None:
    long = Scenario("latency", "", (peer("obsv"),), 1)
    results = [harness.Result(COMPARISON, VALUES, 20.4), harness.Result(long, {"obsv": {"p50": [1.0]}}, 99.0)]
    assert report.times(results) == "2.0 minutes: latency 99 s, span_root 20 s\n"
    assert report.table(results[0]).splitlines()[0].endswith(" (20 s)")


def test_results_come_back_from_their_file_as_they_were(tmp_path: Path) -> None:
    result = harness.Result(COMPARISON, VALUES)
    about = {"python": "CPython", "machine": "a", "cpus": "2", "date": "2026-01-02", "versions": "sdk 1"}
    store.save(result, tmp_path, about)
    found = store.load(COMPARISON, tmp_path)
    assert found is not None
    assert found[1] == about
    for name, measures in VALUES.items():
        for measure, values in measures.items():
            assert found[0].values[name][measure] == pytest.approx(values)
    assert store.load(COMPARISON, tmp_path / "elsewhere") is None


def test_plots_are_well_formed() -> None:
    from xml.etree import ElementTree

    drawn = plots.bars(harness.Result(COMPARISON, VALUES))
    assert ElementTree.fromstring(drawn).tag.endswith("svg")
    curve = Scenario("curve", "Curve", (peer("obsv"),), 1, curve=Curve("spans", (1, 10), "flat"))
    drawn = plots.curve(harness.Result(curve, {"obsv": {"1": [5.0], "10": [6.0]}}))
    assert ElementTree.fromstring(drawn).tag.endswith("svg")


def test_rounds_are_interleaved() -> None:
    order = []

    def measure(scenario: Scenario, contestant: Peer, url: str, operations: int) -> dict[str, float]:
        order.append(contestant.name)
        return {"thread": float(len(order))}

    result = harness.run(COMPARISON, 2, measure=measure)
    assert order == ["obsv", "sdk", "other"] * 2
    assert result.values["sdk"] == {"thread": [2.0, 5.0]}
    assert result.rounds() == 2


def test_every_scenario_is_sound() -> None:
    names = scenarios.names()
    assert len(names) == len(set(names))
    for name in names:
        scenario = scenarios.load(name)
        contestants = [each.name for each in scenario.peers]
        assert len(contestants) == len(set(contestants))
        assert {each.environment for each in scenario.peers} <= set(setup.names())
        for bar in scenario.bars:
            assert bar.subject in contestants
            assert not isinstance(bar, Less) or set(bar.peers) <= set(contestants)
        assert bool(scenario.bars) != bool(scenario.curve)


def test_scenarios_are_chosen_by_name_or_group_and_those_apart_only_when_named() -> None:
    assert [each.name for each in scenarios.select(["span_root"])] == ["span_root"]
    assert {each.name for each in scenarios.select(["web"])} == {"fastapi", "flask"}
    assert not any(each.apart for each in scenarios.select([]))
    assert all(each.curve and each.apart for each in scenarios.select(["curves"]))
    assert all(each.apart for each in scenarios.select(["choices"]))
    with pytest.raises(KeyError, match="nonsense"):
        scenarios.select(["span_root", "nonsense"])


def test_an_environment_is_made_anew_when_its_requirements_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("frameworks", "logs"):
        (tmp_path / f"{name}.txt").write_text("structlog==1\n")
    monkeypatch.setattr(setup, "REQUIREMENTS", tmp_path)
    monkeypatch.setattr(setup, "ENVIRONMENTS", tmp_path / "made")
    assert setup.names() == ["logs"]
    assert not setup.ready("logs")
    (tmp_path / "made" / "logs").mkdir(parents=True)
    (tmp_path / "made" / "logs" / ".made").write_text(setup.fingerprint("logs"))
    assert setup.ready("logs")
    (tmp_path / "frameworks.txt").write_text("structlog==2\n")
    assert not setup.ready("logs")


def test_a_point_that_noise_has_taken_below_nothing_counts_by_its_median() -> None:
    curve = Scenario("curve_x", "X", (peer("obsv"),), 10, curve=Curve("tasks", (1, 10, 100), "flat"))
    values = {"obsv": {"1": [5.0, 4.0, 6.0], "10": [-40.0, 5.0, 7.0], "100": [-2.0, -1.0, -3.0]}}
    assert report.points(harness.Result(curve, values)) == [(1.0, 4.0), (10.0, 5.0), (100.0, 1.0)]
