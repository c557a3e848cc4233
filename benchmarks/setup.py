"""Makes the virtual environments that the peers live in: ``python -m benchmarks.setup [name ...]``.

Each file ``requirements/<name>.txt`` is an environment ``build/bench/<name>``; ``frameworks.txt`` is no environment but
the constraints of all. An environment is made again when a file that it comes from, the interpreter or, for obsv, its
dependencies have changed. They have no pip and no setuptools, which would add to what an interpreter loads at start.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from .command import run

ROOT = Path(__file__).parent.parent
REQUIREMENTS = Path(__file__).parent / "requirements"
ENVIRONMENTS = ROOT / "build" / "bench"
SUBJECT = "obsv"
"""The environment in which obsv is measured."""

CONSTRAINTS = "frameworks"


def names() -> list[str]:
    """Return the names of all environments."""
    return sorted(file.stem for file in REQUIREMENTS.glob("*.txt") if file.stem != CONSTRAINTS)


def interpreter(name: str) -> Path:
    """Return the path of an environment's interpreter."""
    return ENVIRONMENTS / name / "bin" / "python"


def fingerprint(name: str) -> str:
    """Tell what an environment is made of; one with another fingerprint is made anew."""
    parts = [sys.version.encode()]
    parts += [(REQUIREMENTS / f"{file}.txt").read_bytes() for file in (CONSTRAINTS, name)]
    if name == SUBJECT:
        parts.append((ROOT / "pyproject.toml").read_bytes())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def ready(name: str) -> bool:
    """Tell whether an environment is there and up to date."""
    mark = ENVIRONMENTS / name / ".made"
    return mark.exists() and mark.read_text() == fingerprint(name)


def make(name: str) -> None:
    """Make an environment from nothing.

    Raises:
        subprocess.CalledProcessError: pip failed; it has said why.
    """
    folder = ENVIRONMENTS / name
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(interpreter(name)), "--disable-pip-version-check", "install"]
    subprocess.run([*pip, "--quiet", "-r", str(REQUIREMENTS / f"{name}.txt")], check=True)
    if name == SUBJECT:
        # The extension is the one that the working tree has (`make` builds it): this only says where obsv is.
        without = {**_environment(), "OBSV_NO_EXT": "1"}
        subprocess.run([*pip, "--quiet", "--no-deps", "--editable", str(ROOT)], check=True, env=without)
    (folder / ".made").write_text(fingerprint(name))


@cache
def versions(name: str) -> dict[str, str]:
    """Return what is installed in an environment, as pip names it."""
    script = "from importlib.metadata import distributions\nfor d in distributions(): print(d.name.lower(), d.version)"
    done = subprocess.run(
        [str(interpreter(name)), "-c", script], check=True, capture_output=True, text=True, env=_environment()
    )
    return dict(sorted(line.split() for line in done.stdout.splitlines()))


def _environment() -> dict[str, str]:
    import os

    return {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}


def main(arguments: list[str]) -> int:
    """Make what is missing or out of date among the environments named, by default all."""
    unknown = sorted(set(arguments) - set(names()))
    if unknown:
        print(f"bench-setup: no environment {', '.join(unknown)}; there are: {', '.join(names())}", file=sys.stderr)
        return 2
    for name in arguments or names():
        if ready(name):
            print(f"{name}: unchanged")
            continue
        print(f"{name}: installing", flush=True)
        try:
            make(name)
        except subprocess.CalledProcessError as error:
            print(f"bench-setup: {name} could not be made (exit status {error.returncode})", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    run(lambda: main(sys.argv[1:]))
