"""Run popular tools on top of OpenTelemetry with obsv: ``make conformance-tools``; ``ARGS="logfire sentry"`` runs two.

Each program in ``programs/`` is run in its tool's environment, in a fresh process for each scenario, and sends to a
server on the loopback. ``cases.py`` says what has to arrive there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from . import backend, environments
from .cases import CASES

if TYPE_CHECKING:
    from .backend import Backend
    from .cases import Case

PROGRAMS = Path(__file__).parent / "programs"
HEADINGS = ("tool", "version", "program", "scenario", "at obsv", "at the tool", "")


def main(arguments: list[str]) -> int:
    """Run all tools, or those given; returns the exit status."""
    unknown = sorted(set(arguments) - set(environments.tools()))
    if unknown:
        print(f"no such tool: {', '.join(unknown)}; there are: {', '.join(environments.tools())}", file=sys.stderr)
        return 2
    rows: list[tuple[str, ...]] = []
    with backend.running() as server:
        for name, case in CASES.items():
            if not arguments or case.tool in arguments:
                rows.extend(_run(name, case, server))
    print(f"\n{_table(rows)}")
    return int(any(row[-1] != "ok" for row in rows))


def _run(name: str, case: Case, server: Backend) -> list[tuple[str, ...]]:
    """Run every scenario of a program; returns a row for each."""
    package, version = next(iter(environments.pins(environments.requirements(case.tool)).items()))
    try:
        python = environments.python(case.tool)
    except RuntimeError as error:
        print(f"{case.tool}: {error}", flush=True)
        return [(package, version, name, scenario, "-", "-", "failed") for scenario in case.scenarios]
    rows: list[tuple[str, ...]] = []
    for scenario in case.scenarios:
        print(f"{name}: {scenario}", flush=True)
        said, status = _program(python, name, scenario, server)
        arrived = server.take()
        problems = case.problems(arrived)
        if status:
            problems.insert(0, f"it ended with {status}")
        for problem in problems:
            print(f"  {problem}")
        if problems:
            print("".join(f"  | {line}\n" for line in said.splitlines()[-30:]), end="", flush=True)
        tool = len(arrived.tool) + len(arrived.events)
        rows.append(
            (package, version, name, scenario, str(len(arrived.obsv)), str(tool), "failed" if problems else "ok")
        )
    return rows


def _program(python: Path, name: str, scenario: str, server: Backend) -> tuple[str, int | str]:
    """Run a program to its end; returns what it has written, and how it ended (0: well)."""
    settings = {
        "PYTHONPATH": str(environments.ROOT),
        "OBSV_OTLP_ENDPOINT": server.url + backend.OBSV,
        "CONFORMANCE_TOOL_URL": server.url + backend.TOOL,
    }
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "OBSV_", "PYTHON"))}
    # -P: the programs are named after their tools, and must not be found in their place.
    command = [str(python), "-P", str(PROGRAMS / f"{name}.py"), scenario]
    try:
        done = subprocess.run(
            command,
            env={**inherited, **settings},
            cwd=environments.WORK,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
    except subprocess.TimeoutExpired as error:
        said = error.stdout or ""
        return said if isinstance(said, str) else said.decode(errors="replace"), "a time-out"
    return done.stdout, done.returncode


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in [HEADINGS, *rows]) for column in range(len(HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [HEADINGS, *rows]]
    return "\n".join(line.rstrip() for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
