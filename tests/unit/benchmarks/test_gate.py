"""The gate's judgement, without counting anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from benchmarks.gate import __main__ as gate
from benchmarks.gate import baseline

if TYPE_CHECKING:
    from pathlib import Path

HERE = "CPython 3.11.7, x86_64, GCC 12"
KNOWN = {
    HERE: {"root span": 1_000.0, "calibration": 100.0},
    "CPython 3.12.1, arm64": {"root span": 9.0, "calibration": 1.0},
}


@pytest.mark.parametrize(("count", "ok"), [(1_050, True), (1_051, False), (900, True)])
def test_five_percent_on_a_known_build(count: float, ok: bool) -> None:
    (found,) = baseline.judge({"root span": count, "calibration": 500}, HERE, KNOWN)
    assert found.ok is ok
    assert bool(found.note) is (count == 900)


@pytest.mark.parametrize(("count", "ok"), [(2_800, True), (2_801, False)])
def test_another_build_is_compared_by_the_calibration_loop(count: float, ok: bool) -> None:
    (found,) = baseline.judge({"root span": count, "calibration": 200}, "CPython 3.11.9, x86_64, GCC 13", KNOWN)
    assert found.ok is ok


def test_another_minor_version_is_compared_with_any() -> None:
    (found,) = baseline.judge({"root span": 1, "calibration": 1}, "CPython 3.14.0", KNOWN)
    assert found.allowed == pytest.approx(14)


def test_nothing_known_allows_nothing() -> None:
    (found,) = baseline.judge({"root span": 1, "calibration": 1}, HERE, {})
    assert not found.ok


def test_an_update_keeps_other_builds(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    baseline.update({"root span": 1.4, "calibration": 2}, "b", file)
    baseline.update({"root span": 5, "calibration": 6}, "a", file)
    assert baseline.load(file) == {"a": {"root span": 5, "calibration": 6}, "b": {"root span": 1, "calibration": 2}}


def test_the_baseline_names_every_operation() -> None:
    for counts in baseline.load().values():
        assert set(counts) == set(gate.OPERATIONS)
        assert all(count > 0 for count in counts.values())


def test_this_build_is_described() -> None:
    assert baseline.build().startswith("CPython 3.")
    assert baseline.build() == baseline.build()


def test_without_valgrind_it_passes_with_a_notice_but_not_in_ci(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gate.shutil, "which", lambda name: None)
    monkeypatch.delenv("OBSV_CI", raising=False)
    assert gate._instructions(update=False) == 0
    assert "no valgrind here" in capsys.readouterr().out
    monkeypatch.setenv("OBSV_CI", "1")
    with pytest.raises(gate.GateError, match="install it"):
        gate._instructions(update=False)
