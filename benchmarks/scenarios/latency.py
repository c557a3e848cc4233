"""How long a turn of a tight loop takes while spans are made in it and exported: what a request's thread waits for the
GIL because another thread encodes and sends.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.measure import arrived, received
from benchmarks.scenario import AtMost, Less, Peer, Scenario

from ._setup import OBSV, SDK, start_obsv, start_sdk
from .spans import roots

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.measure import Loop, Run

PLACE = 8
BARE = "no tracing"
RATE = 50_000
"""Spans a second; a contestant that cannot make so many makes as many as it can."""

MOST = 100_000
"""Microseconds up to which a turn is told from others."""


def _bare(url: str) -> Loop:
    def run(count: int) -> None:
        """Make nothing."""

    return run, lambda: None


def _obsv(url: str) -> Loop:
    flush = start_obsv(url)
    import obsv

    return roots(obsv.span), flush


def _sdk(url: str) -> Loop:
    provider, flush = start_sdk(url)
    return roots(provider.get_tracer("bench").start_as_current_span), flush


def _turns(start: Callable[[str], Loop], exports: bool = True) -> Callable[[str, int], dict[str, float]]:
    """Measure turns: one span and a little work each, one every 20 µs, or as fast as they go."""

    def measure(url: str, operations: int) -> dict[str, float]:
        received(url)
        run, flush = start(url)
        run(1_000)
        flush()
        begin = time.perf_counter()
        counts = _histogram(run, operations)
        took = time.perf_counter() - begin
        flush()
        measured = {
            "p50": _quantile(counts, 0.5),
            "p99.9": _quantile(counts, 0.999),
            "worst": max(place for place, count in enumerate(counts) if count) + 1.0,
        }
        if exports:
            measured["spans a second"] = operations / took
            measured["lost %"] = 100 * max(0, operations + 1_000 - arrived(url, operations + 1_000, 2.0)) / operations
        return measured

    return measure


def _histogram(run: Run, turns: int) -> list[int]:
    """Return how many turns took how many microseconds."""
    counts = [0] * (MOST + 1)
    clock, pause = time.perf_counter_ns, 1_000_000_000 // RATE
    due = clock()
    for _ in range(turns):
        before = now = clock()
        while now < due:  # waiting for the turn to come is a part of it: the GIL may be taken here, too
            now = clock()
        late = max(before, due)
        run(1)
        for _ in range(100):
            pass
        counts[min((clock() - late) // 1_000, MOST)] += 1
        due = max(due + pause, late)
    return counts


def _quantile(counts: list[int], share: float) -> float:
    """Return the microseconds in which so large a share of the turns was done."""
    left = share * sum(counts)
    for place, count in enumerate(counts):
        left -= count
        if left <= 0:
            return place + 1.0
    return float(MOST)


SCENARIOS = (
    Scenario(
        "latency",
        "A turn of a loop that makes a span every 20 µs",
        (
            Peer(OBSV, _turns(_obsv), "obsv"),
            Peer(SDK, _turns(_sdk), "opentelemetry"),
            Peer(BARE, _turns(_bare, exports=False), "obsv"),
        ),
        200_000,
        (AtMost("p99.9", 1_000), Less("p99.9", (SDK,), 1), Less("worst", (SDK,), 1), AtMost("lost %", 0)),
        few=40_000,
    ),
)
