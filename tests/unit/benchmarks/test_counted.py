"""What is printed where nothing can be counted, and how a count is read."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks import counted, harness, setup
from benchmarks.scenarios import clients

ROOT = Path(counted.__file__).parents[1]


def asked(*arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.counted", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stderr


def test_an_unknown_client_is_told() -> None:
    status, said = asked("ftp")
    assert status == 2
    assert said == f"benchmarks: no client ftp; there are: {', '.join(clients.MAKE)}\n"


def test_what_is_missing_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["counted", "redis"])
    monkeypatch.setattr(setup, "ready", lambda name: name == "obsv")
    assert counted.main() == 2
    assert capsys.readouterr().err.endswith("opentelemetry; run make bench-setup first\n")
    monkeypatch.setattr(setup, "ready", lambda name: True)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert counted.main() == 2
    assert "apt install valgrind" in capsys.readouterr().err


def test_a_count_is_read() -> None:
    assert counted.total("events: Ir\nsummary: 0\n\ntotals: 1204\n") == 1204
    with pytest.raises(harness.FailedError):
        counted.total("events: Ir\nsummary: 0\n")


def test_misses_are_read_in_place_of_instructions() -> None:
    events = "events: Ir Dr Dw I1mr D1mr D1mw ILmr DLmr DLmw\n"
    assert counted.total(f"{events}totals: 900 1 2 3 4 5 60 70 80\n") == 210
    assert counted.total(f"{events}totals: 900 1 2 3 4 5 60\n") == 60


def test_the_cache_that_is_played_is_the_machines(tmp_path: Path) -> None:
    assert counted.simulated(tmp_path) == ["--cache-sim=yes", "--LL=524288,8,64"]
    for name, text in (("size", "1024K\n"), ("ways_of_associativity", "16\n"), ("coherency_line_size", "64\n")):
        (tmp_path / name).write_text(text)
    assert counted.simulated(tmp_path) == ["--cache-sim=yes", "--LL=1048576,16,64"]
