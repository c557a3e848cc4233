"""Fail when a main operation takes more than it did: ``python -m benchmarks.gate [--update]``.

Three things are asked, none of which noise can move: instructions an operation, counted by valgrind; how many times
less a root span takes than the SDK's in the same process, with a wide margin; modules that ``init()`` loads.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..command import run
from . import baseline
from .program import FEW, MANY, OPERATIONS

ROOT = Path(__file__).parents[2]
RATIO = 8.0
MODULES = 60

# Run with -S: in an interpreter that has loaded nothing but its own, and without site-packages.
COUNT_MODULES = """
import os, sys
sys.path.insert(0, "src")
before = set(sys.modules)
import obsv
obsv.init("gate")
added = set(sys.modules) - before
print(len(added))
"""
CONTAINER = {
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*",
    "OBSV_PLATFORM": "container",
    "OBSV_LOGS": "json",
    "OBSV_METRICS": "emf",
    "OBSV_TRACES": "otlp",
}


class GateError(Exception):
    """Something could not be counted."""


def main() -> int:
    """Count, compare, print; the exit status is 1 when something costs more than allowed."""
    parser = argparse.ArgumentParser(prog="make bench-gate", description=__doc__)
    parser.add_argument("--update", action="store_true", help="note this build's counts as the baseline")
    arguments = parser.parse_args()
    try:
        failed = _instructions(arguments.update)
        failed += _line("root span, times less than the SDK", _ratio(), RATIO, at_least=True)
        failed += _line("modules that init() loads", _modules(), MODULES, at_least=False)
    except GateError as error:
        print(f"bench-gate: {error}", file=sys.stderr)
        return 1
    print("bench-gate: " + (f"{failed} of the operations above cost more than they may" if failed else "passed"))
    return 1 if failed else 0


def _instructions(update: bool) -> int:
    if shutil.which("valgrind") is None:
        if os.environ.get("OBSV_CI") == "1" or update:
            raise GateError(
                "no valgrind here, which counts the instructions: install it (Debian: apt install valgrind)"
            )
        print("bench-gate: no valgrind here, so no instructions are counted; .ci/run does that")
        return 0
    here = baseline.build()
    counts = _counts()
    if update:
        baseline.update(counts, here)
    known = baseline.load()
    print(f"{here}{'' if here in known else ' (unknown build: compared by the calibration loop)'}")
    failed = 0
    for finding in baseline.judge(counts, here, known):
        word = "ok" if finding.ok else "TOO MANY"
        counted = f"{finding.count:9,.0f} instructions, at most {finding.allowed:9,.0f}"
        print(f"  {finding.operation:18} {counted}: {word} {finding.note}".rstrip())
        failed += not finding.ok
    return failed


def _counts() -> baseline.Counts:
    """Count each operation in two processes, few times and many times; what both do cancels out.

    Each alone: with others before it, the sinks' threads would be at work at times that nobody knows.
    """
    _run([sys.executable, "-m", "benchmarks.gate.program", f"{next(iter(OPERATIONS))}=1"])  # writes .pyc files
    runs = [(name, count) for name in OPERATIONS for count in (FEW, MANY)]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        counts = dict(zip(runs, pool.map(_collected, runs), strict=True))
    return {name: (counts[name, MANY] - counts[name, FEW]) / (MANY - FEW) for name in OPERATIONS}


def _collected(run: tuple[str, int]) -> int:
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, "-m"]
    command += ["benchmarks.gate.program", f"{run[0]}={run[1]}"]
    done = _run(command, PYTHONHASHSEED="0")
    found = re.search(r"Collected\s*:\s*(\d+)", done.stderr)
    if done.returncode or found is None:
        raise GateError(f"valgrind failed with exit status {done.returncode}:\n{done.stderr[-1500:]}")
    return int(found[1])


def _ratio() -> float:
    done = _run([sys.executable, "-m", "benchmarks.gate.ratio"])
    if done.returncode:
        raise GateError(f"the comparison with the SDK failed:\n{done.stderr[-1500:]}")
    return float(done.stdout.split()[-1])


def _modules() -> float:
    done = _run([sys.executable, "-S", "-c", COUNT_MODULES], **CONTAINER)
    if done.returncode:
        raise GateError(f"the modules could not be counted:\n{done.stderr[-1500:]}")
    return float(done.stdout)


def _run(command: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("OBSV_", "OTEL_", "AWS_", "PYTHON"))
    }
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, cwd=ROOT, env=clean | variables
    )


def _line(what: str, value: float, limit: float, at_least: bool) -> int:
    ok = value >= limit if at_least else value <= limit
    print(f"  {what}: {value:,.1f}, {'at least' if at_least else 'at most'} {limit:g}: {'ok' if ok else 'FAILED'}")
    return not ok


if __name__ == "__main__":
    run(main)
