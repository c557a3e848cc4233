"""How long each turn of a paced loop takes: what a request's thread waits because another thread has the GIL."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

RATE = 50_000
"""Turns a second; who cannot make so many makes as many as go."""

MOST = 100_000
"""Microseconds up to which a turn is told from others."""


def histogram(run: Callable[[int], None], turns: int) -> list[int]:
    """Return how many turns took how many microseconds; each is one operation and a loop of a hundred steps."""
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


def quantile(counts: list[int], share: float) -> float:
    """Return the microseconds in which so large a share of the turns was done."""
    left = share * sum(counts)
    for place, count in enumerate(counts):
        left -= count
        if left <= 0:
            return place + 1.0
    return float(MOST)


def worst(counts: list[int]) -> float:
    """Return the microseconds in which all were done."""
    return max(place for place, count in enumerate(counts) if count) + 1.0


def over(counts: list[int], microseconds: int) -> float:
    """Return how many of a million turns took so long, or longer."""
    return 1_000_000 * sum(counts[microseconds:]) / sum(counts)
