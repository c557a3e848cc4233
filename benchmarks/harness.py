"""Runs a scenario: every round starts each peer once, in a fresh process, so that a slow minute of the machine hits all
alike.

Two times are taken of every process: *thread*, what the calling loop takes, and *cpu*, the process's user and system
time until everything is flushed, background threads included. Both are divided by the operations. Ratios within one run
are what to trust.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import pyperf

from .sink import running_sink

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH = 1_000
"""Operations between two flushes. They are not timed on the thread and keep peers with small queues from dropping."""


@dataclass(frozen=True)
class Peer:
    """One contestant.

    Attributes:
        name: What the table calls it.
        start: Called in a fresh process with the sink's URL. Returns the operation loop ``run(n)`` and ``flush()``.
        environment: Variables of its process.
    """

    name: str
    start: Callable[[str], tuple[Callable[[int], None], Callable[[], None]]]
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scenario:
    """A comparison. ``bars``: a peer, what is compared (``thread`` or ``cpu``), how many times less obsv must take."""

    name: str
    title: str
    peers: tuple[Peer, ...]
    operations: int
    bars: tuple[tuple[str, str, float], ...]
    subject: str = "obsv"


@dataclass
class Result:
    """All rounds of a scenario: ``times[peer][measure]`` in nanoseconds an operation."""

    scenario: Scenario
    times: dict[str, dict[str, list[float]]]

    def ratio(self, peer: str, measure: str) -> float:
        """Return how many times less the subject takes than ``peer``: the median of the rounds' ratios."""
        ours = self.times[self.scenario.subject][measure]
        return median(theirs / mine for theirs, mine in zip(self.times[peer][measure], ours, strict=True))

    def met(self) -> bool:
        """Tell whether every bar is met."""
        return all(self.ratio(peer, measure) >= bar for peer, measure, bar in self.scenario.bars)


def run(scenario: Scenario, rounds: int) -> Result:
    """Run all rounds against a sink process that accepts and discards."""
    times: dict[str, dict[str, list[float]]] = {peer.name: {"thread": [], "cpu": []} for peer in scenario.peers}
    with running_sink() as url:
        for number in range(rounds):
            if sys.stderr.isatty():
                print(f"\r{scenario.name}: round {number + 1} of {rounds}", end="", file=sys.stderr, flush=True)
            for peer in scenario.peers:
                measured = _measure(scenario, peer, url)
                for measure, value in measured.items():
                    times[peer.name][measure].append(value)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    return Result(scenario, times)


def _measure(scenario: Scenario, peer: Peer, url: str) -> dict[str, float]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "OBSV_", "AWS_"))
    } | peer.environment
    command = [sys.executable, "-m", "benchmarks.worker", scenario.name, peer.name, url]
    done = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=Path(__file__).parent.parent,
    )
    if done.returncode:
        raise SystemExit(f"benchmarks: {scenario.name}/{peer.name} failed:\n{done.stderr[-2000:]}")
    measured: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return measured


def table(result: Result) -> str:
    """Return the result for people: medians, spread, ratios, and whether the bars are met."""
    scenario = result.scenario
    rounds = len(result.times[scenario.subject]["thread"])
    lines = [
        f"{scenario.title}",
        f"CPython {platform.python_version()}, {os.cpu_count()} CPUs, {rounds} rounds, "
        "nanoseconds an operation: median (spread: half of the rounds)",
        f"{'':28}{'thread':>26}{'cpu in all':>26}",
    ]
    for peer in scenario.peers:
        cells = [_cell(result.times[peer.name][measure]) for measure in ("thread", "cpu")]
        lines.append(f"{peer.name:28}{cells[0]:>26}{cells[1]:>26}")
    for name, measure, bar in scenario.bars:
        ratio = result.ratio(name, measure)
        verdict = "met" if ratio >= bar else "MISSED"
        lines.append(f"  {name}: obsv takes {ratio:.1f} times less {measure}; bar {bar:g}: {verdict}")
    return "\n".join(lines) + "\n"


def _cell(values: list[float]) -> str:
    ordered = sorted(values)
    quarter = len(ordered) // 4
    return f"{median(ordered):,.0f} ({ordered[quarter]:,.0f}-{ordered[-1 - quarter]:,.0f})"


def save(result: Result, folder: Path) -> None:
    """Write pyperf's JSON, so that ``pyperf compare_to`` and friends read it."""
    folder.mkdir(parents=True, exist_ok=True)
    benchmarks = [
        pyperf.Benchmark(
            [
                pyperf.Run(
                    [value / 1e9],
                    metadata={"name": f"{result.scenario.name}: {peer}, {measure}", "unit": "second"},
                    collect_metadata=False,
                )
                for value in values
            ]
        )
        for peer, measures in result.times.items()
        for measure, values in measures.items()
    ]
    pyperf.BenchmarkSuite(benchmarks).dump(str(folder / f"{result.scenario.name}.json"), replace=True)
