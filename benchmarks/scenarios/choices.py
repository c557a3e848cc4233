"""Values that obsv's defaults were chosen among, and what each costs: batches, slices of them, levels of gzip."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.measure import received, received_bytes
from benchmarks.scenario import DEFAULT, AtMost, Distribution, Less, Peer, Scenario
from benchmarks.turns import histogram, over, quantile, worst

from ._setup import start_obsv
from .spans import roots

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.scenario import Bar, Measure

PLACE = 8.7
STRETCH = 20_000
"""Spans between two flushes, several batches of most sizes; five of them are measured, and then as many turns."""

BATCH, SLICE, PLAIN, LEVEL = (
    f"2,048 {DEFAULT})",
    f"256 {DEFAULT})",
    f"no gzip {DEFAULT})",
    f"level 1 {DEFAULT} with gzip)",
)
LARGEST, AT_ONCE, HIGHER = "8,192", "all at once", ("level 3", "level 6", "level 9")
BATCHES = {"256": 256, "512": 512, "1,024": 1_024, BATCH: 2_048, "4,096": 4_096, LARGEST: 8_192}
SLICES = {"32": 32, "64": 64, "128": 128, SLICE: 256, "512": 512, "1,024": 1_024, AT_ONCE: 1_000_000}
LEVELS = {PLAIN: 0, LEVEL: 1} | dict(zip(HIGHER, (3, 6, 9), strict=True))
TOOK_LONGER = Distribution("µs", (100, 200, 500, 1_000, 2_000))


def _measure(choose: Callable[[int], None], value: int) -> Measure:
    """Measure obsv with a value: spans as fast as they go, flushed and counted; then turns of a paced loop."""

    def measure(url: str, operations: int) -> dict[str, float]:
        choose(value)
        flush = start_obsv(url)
        import obsv

        run = roots(obsv.span)
        run(STRETCH)
        flush()
        received(url)
        received_bytes(url)
        stretches = max(1, operations // STRETCH)
        cpu = time.process_time_ns()
        for _ in range(stretches):
            run(STRETCH)
            flush()
        cpu = time.process_time_ns() - cpu
        spans = received(url)
        if spans < stretches * STRETCH:
            raise SystemExit(f"the sink got {spans} of {stretches * STRETCH} spans")
        sent = received_bytes(url)
        counts = histogram(run, operations)
        flush()
        measured = {
            "cpu": cpu / spans,
            "bytes": sent / spans,
            "p99.9": quantile(counts, 0.999),
            "worst": worst(counts),
        }
        return measured | {name: over(counts, place) for name, place in TOOK_LONGER.measures().items()}

    return measure


def _batch(value: int) -> None:
    from obsv.pipeline import lane

    lane.WAKE_AT = value  # else a larger batch would be sent before there is so much


def _slice(value: int) -> None:
    from obsv.hotpath import otlp

    otlp.SLICE = value


def _level(value: int) -> None:
    from obsv.sinks import otlp

    otlp.GZIP_LEVEL = value


def _scenario(
    name: str,
    title: str,
    values: dict[str, int],
    choose: Callable[[int], None],
    variables: Callable[[int], dict[str, str]],
    *bars: Bar,
) -> Scenario:
    peers = [Peer(each, _measure(choose, value), "obsv", variables(value)) for each, value in values.items()]
    return Scenario(f"choice_{name}", title, tuple(peers), 5 * STRETCH, bars, distribution=TOOK_LONGER, apart=True)


SCENARIOS = (
    _scenario(
        "batch",
        "Spans sent at a time, 5 attributes each",
        BATCHES,
        _batch,
        lambda value: {"OBSV_BATCH_RECORDS": str(value)},
        Less("cpu", (LARGEST,), 1 / 1.25, BATCH),
        AtMost("p99.9", 1_000, BATCH),
    ),
    _scenario(
        "slice",
        "Spans encoded in one go, of batches of 2,048",
        SLICES,
        _slice,
        lambda value: {},
        Less("cpu", (AT_ONCE,), 1 / 1.25, SLICE),
        AtMost("p99.9", 1_000, SLICE),
    ),
    _scenario(
        "gzip",
        "How batches are compressed",
        LEVELS,
        _level,
        lambda value: {"OBSV_OTLP_COMPRESSION": "gzip" if value else "none"},
        Less("cpu", HIGHER, 1, LEVEL),
        Less("bytes", HIGHER, 1 / 1.1, LEVEL),
        AtMost("p99.9", 1_000, LEVEL),
    ),
)
