"""Runs a scenario: every round starts each peer once, in a fresh process and its own environment, so that a slow minute
of the machine hits all alike. Ratios within one round are what to trust.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from . import setup
from .scenario import Bar, Verdict, verdict
from .sink import running_sink

if TYPE_CHECKING:
    from collections.abc import Callable

    from .scenario import Peer, Scenario, Values

TIMEOUT = 600
"""Seconds that one process may take."""

FOREIGN = ("OTEL_", "OBSV_", "AWS_", "DD_", "SENTRY_", "POWERTOOLS_", "PYTHON", "VIRTUAL_ENV", "COVERAGE")
"""Variables of the caller's that no contestant sees."""


class FailedError(Exception):
    """A contestant could not be measured; the text says which and why."""


@dataclass
class Result:
    """All rounds of a scenario: ``values[peer][measure]``, one a round. ``seconds`` is what they took in all."""

    scenario: Scenario
    values: Values
    seconds: float = 0.0

    def verdicts(self) -> list[tuple[Bar, Verdict]]:
        """Judge every bar."""
        return [(bar, verdict(bar, self.values)) for bar in self.scenario.bars]

    def measures(self) -> list[str]:
        """Return the names of what is measured, in order, without those of a distribution."""
        distribution = self.scenario.distribution
        apart = distribution.measures() if distribution else {}
        return list(dict.fromkeys(name for each in self.values.values() for name in each if name not in apart))

    def shares(self) -> dict[str, list[tuple[int, float]]]:
        """Return each contestant's distribution: places, and how many of a million reached them (medians)."""
        distribution = self.scenario.distribution
        places = distribution.measures() if distribution else {}
        found = {
            peer: [(place, median(values[name])) for name, place in places.items() if name in values]
            for peer, values in self.values.items()
        }
        return {peer: shares for peer, shares in found.items() if shares}

    def rounds(self) -> int:
        """Return how many rounds there were."""
        return len(next(iter(next(iter(self.values.values())).values())))


def run(
    scenario: Scenario,
    rounds: int,
    operations: int | None = None,
    place: str = "",
    measure: Callable[[Scenario, Peer, str, int], dict[str, float]] | None = None,
) -> Result:
    """Run all rounds against a sink process that accepts and discards.

    Args:
        place: Which of how many scenarios this is, for whoever looks on.

    Raises:
        FailedError: A contestant could not be measured.
    """
    measure = measure or _measure
    begin = time.monotonic()
    values: dict[str, dict[str, list[float]]] = {peer.name: {} for peer in scenario.peers}
    with running_sink() as url:
        try:
            for number in range(rounds):
                for peer in scenario.peers:
                    progress(f"{place}{scenario.name}: round {number + 1} of {rounds}, {peer.name}")
                    for name, value in measure(scenario, peer, url, operations or scenario.operations).items():
                        values[peer.name].setdefault(name, []).append(value)
        finally:
            progress("")
    return Result(scenario, values, time.monotonic() - begin)


def progress(text: str) -> None:
    """Say on a terminal what is going on, in one line that is written over."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def _measure(scenario: Scenario, peer: Peer, url: str, operations: int) -> dict[str, float]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    command = [str(setup.interpreter(peer.environment)), "-m", "benchmarks.worker"]
    process = subprocess.Popen(
        [*command, scenario.name, peer.name, url, str(operations)],
        env=environment | dict(peer.variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
        start_new_session=True,  # its own children end with it
    )
    try:
        out, err = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        raise FailedError(f"{scenario.name}, {peer.name}: no result after {TIMEOUT} s") from None
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
    if process.returncode:
        raise FailedError(f"{scenario.name}, {peer.name}: exit status {process.returncode}\n{err[-2000:].strip()}")
    measured: dict[str, float] = json.loads(out.strip().splitlines()[-1])
    return measured
