"""Results as files: pyperf's JSON, so that ``pyperf compare_to`` and friends read them, one file a scenario.

A measurement that counts has :data:`ROUNDS` rounds at least. It is kept in ``benchmarks/results``, in git, and README
and docs are made from it; anything less goes to ``build/bench/results``.
"""

from __future__ import annotations

import datetime
import os
import platform
from pathlib import Path

import pyperf

from . import setup
from .harness import Result
from .scenario import Scenario, unit

ROUNDS = 7
KEPT = Path(__file__).parent / "results"
PASSING = setup.ENVIRONMENTS / "results"

_NONE = 1e-15  # pyperf takes no zero and nothing below it
_SCALE = {"ns": 1e-9, "ms": 1e-3}  # to pyperf's seconds
_TOLD = {"python", "cpus", "machine", "date", "versions"}


def machine() -> dict[str, str]:
    """Describe where and when this is: interpreter, processor, date."""
    return {
        "python": f"CPython {platform.python_version()}",
        "cpus": str(os.cpu_count()),
        "machine": f"{platform.system()} {platform.machine()}, {_processor()}",
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown processor"


def named_versions(scenario: Scenario) -> str:
    """Return the packages that this scenario's environments name, with their versions."""
    found: dict[str, str] = {}
    for environment in sorted({peer.environment for peer in scenario.peers}):
        there = setup.versions(environment)
        lines = (setup.REQUIREMENTS / f"{environment}.txt").read_text().splitlines()
        for line in lines:
            name = line.partition("==")[0].strip().lower()
            if name in there:
                found[name] = there[name]
    return ", ".join(f"{name} {version}" for name, version in sorted(found.items()))


def save(result: Result, folder: Path, about: dict[str, str]) -> Path:
    """Write a result and return its file."""
    folder.mkdir(parents=True, exist_ok=True)
    benchmarks = []
    for peer, measures in result.values.items():
        for measure, values in measures.items():
            scale = _SCALE.get(unit(measure), 1.0)
            metadata = {"name": f"{result.scenario.name}: {peer}, {measure}", "peer": peer, "measure": measure, **about}
            if scale != 1.0:
                metadata["unit"] = "second"
            runs = [
                pyperf.Run([max(value * scale, _NONE)], metadata=metadata, collect_metadata=False) for value in values
            ]
            benchmarks.append(pyperf.Benchmark(runs))
    file = folder / f"{result.scenario.name}.json"
    pyperf.BenchmarkSuite(benchmarks).dump(str(file), replace=True)
    return file


def load(scenario: Scenario, folder: Path = KEPT) -> tuple[Result, dict[str, str]] | None:
    """Read a result and where it comes from; None when there is none."""
    file = folder / f"{scenario.name}.json"
    if not file.exists():
        return None
    values: dict[str, dict[str, list[float]]] = {}
    about: dict[str, str] = {}
    for benchmark in pyperf.BenchmarkSuite.load(str(file)).get_benchmarks():
        metadata = benchmark.get_metadata()
        scale = _SCALE.get(unit(metadata["measure"]), 1.0)
        read = [0.0 if value <= _NONE else value / scale for value in benchmark.get_values()]
        values.setdefault(metadata["peer"], {})[metadata["measure"]] = read
        about = {name: metadata[name] for name in _TOLD if name in metadata}
    return Result(scenario, values), about
