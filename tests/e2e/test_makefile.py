"""The Makefile's promises, as far as they can be checked without installing anything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from servers import need_program

ROOT = Path(__file__).parents[2]
BENCH = {"bench", "bench-setup", "bench-quick", "bench-gate", "bench-readme"}
TARGETS = {
    "conformance",
    "conformance-tools",
    "sanitize",
    "pictures",
    "help",
    "demo",
    "test",
    "lint",
    "format",
    "clean",
} | BENCH


def make(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")} | variables
    command = [need_program("make"), "--no-print-directory", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=env)


def test_help_is_the_default_and_lists_every_target() -> None:
    done = make()
    assert done.returncode == 0, done.stderr
    assert {line.split()[1] for line in done.stdout.splitlines()} == TARGETS
    assert make("help").stdout == done.stdout


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_target_is_known_and_runs_from_the_environment(target: str) -> None:
    done = make("-n", target, "VENV=.venv-unknown")
    assert done.returncode == 0, done.stderr
    if target not in {"help", "clean"}:
        assert "-m venv --clear .venv-unknown" in done.stdout
        assert "pip --disable-pip-version-check install --quiet -e '.[dev]'" in done.stdout


def test_nothing_is_installed_twice(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("bin/python", ".installed", ".built"):
        (tmp_path / name).touch()
    done = make("-n", "demo", f"VENV={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert "pip" not in done.stdout


def test_a_python_that_is_too_old_is_named(tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text('#!/bin/sh\ncase "$2" in *print*) echo 3.9;; *) exit 1;; esac\n')
    old.chmod(0o755)
    done = make("demo", f"VENV={tmp_path}/venv", f"PYTHON={old}")
    assert done.returncode != 0
    assert f"{old} is Python 3.9: obsv needs 3.11 or newer" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_a_python_without_venv_is_named(tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; esac\nexec {sys.executable} "$@"\n')
    bare.chmod(0o755)
    done = make("demo", f"VENV={tmp_path}/venv", f"PYTHON={bare}")
    assert done.returncode != 0
    assert "has no venv module: install it" in done.stderr


def test_ci_is_a_valid_script() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", str(script)], check=True)
