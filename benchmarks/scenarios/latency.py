"""How long a turn of a tight loop takes while spans are made in it and exported: what a request's thread waits for the
GIL because another thread encodes and sends.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.measure import arrived, received
from benchmarks.scenario import AtMost, Distribution, Less, Peer, Scenario
from benchmarks.turns import histogram, over, quantile, worst

from ._setup import OBSV, SDK, start_sdk
from .spans import obsv_loop, roots

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.measure import Loop
    from benchmarks.scenario import Measure

PLACE = 8
BARE = "no tracing"
TURNS, TURNS_OF_SDK = 200_000, 60_000
"""The SDK's take several times as long."""

TOOK_LONGER = Distribution("µs", (20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000))


def _bare(url: str) -> Loop:
    def run(count: int) -> None:
        """Make nothing."""

    return run, lambda: None


def _sdk(url: str) -> Loop:
    provider, flush = start_sdk(url)
    return roots(provider.get_tracer("bench").start_as_current_span), flush


def _turns(start: Callable[[str], Loop], exports: bool = True, most: int = TURNS) -> Measure:
    """Measure turns: one span and a little work each, one every 20 µs, or as fast as they go."""

    def measure(url: str, operations: int) -> dict[str, float]:
        operations = min(operations, most)
        received(url)
        run, flush = start(url)
        run(1_000)
        flush()
        begin = time.perf_counter()
        counts = histogram(run, operations)
        took = time.perf_counter() - begin
        flush()
        measured = {"p50": quantile(counts, 0.5), "p99.9": quantile(counts, 0.999), "worst": worst(counts)}
        if exports:
            measured["spans a second"] = operations / took
            measured["lost %"] = 100 * max(0, operations + 1_000 - arrived(url, operations + 1_000, 2.0)) / operations
        return measured | {name: over(counts, place) for name, place in TOOK_LONGER.measures().items()}

    return measure


SCENARIOS = (
    Scenario(
        "latency",
        "A turn of a loop that makes a span every 20 µs",
        (
            Peer(OBSV, _turns(obsv_loop()), "obsv"),
            Peer(SDK, _turns(_sdk, most=TURNS_OF_SDK), "opentelemetry"),
            Peer(BARE, _turns(_bare, exports=False), "obsv"),
        ),
        TURNS,
        (AtMost("p99.9", 1_000), Less("p99.9", (SDK,), 1), Less("worst", (SDK,), 1), AtMost("lost %", 0)),
        distribution=TOOK_LONGER,
        few=20_000,
    ),
)
