"""Garbage collection: how often, what it found, and how long the program stood still for it.

The counts are those of ``gc.get_stats()``. How long a collection took only ``gc.callbacks`` tells, in whichever thread
has set it off, in the midst of anything: so the callback takes no lock, imports nothing and never raises. The youngest
generation is not timed: it is collected most often, and holds so little that nobody ever waits for it.
"""

from __future__ import annotations

import gc
from bisect import bisect_left  # noqa: F401 - a histogram with explicit buckets imports it when it folds
from time import perf_counter_ns

from ..hotpath.api_metrics import ApiObservableCounter
from ..hotpath.metrics import Histogram

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ..hotpath.metrics import HistogramCell, Instrument
    from ..hotpath.span import Scope
    from .process import Value

DURATION = "cpython.gc.duration"
"""No name of the semantic conventions, which have none for it; modelled on ``jvm.gc.duration``."""

GENERATION = "cpython.gc.generation"

_COUNTS = (
    ("cpython.gc.collections", "collections", "{collection}", "The number of times a generation was collected"),
    ("cpython.gc.collected_objects", "collected", "{object}", "The number of objects collected inside a generation"),
    (
        "cpython.gc.uncollectable_objects",
        "uncollectable",
        "{object}",
        "The number of objects which were found to be uncollectable inside a generation",
    ),
)


class Garbage:
    """Counts collections, and times them while it has begun."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._durations = Histogram(DURATION, "Seconds", "Duration of garbage collections", scope)
        self._cells: dict[int, HistogramCell] = {}
        self._begun = 0
        self._before: list[dict[str, int]] = []

    def instruments(self) -> tuple[Instrument, ...]:
        """Return the instruments (semantic conventions, "CPython runtime metrics")."""
        counters = [ApiObservableCounter(name, unit, text, self._scope) for name, _, unit, text in _COUNTS]
        return (self._durations, *counters)

    def begin(self) -> None:
        """Time collections from now on."""
        self._cells = {
            generation: self._durations.cell({GENERATION: generation}) for generation in range(1, len(gc.get_stats()))
        }
        gc.callbacks.append(self._hear)

    def end(self) -> None:
        """Time them no more."""
        if self._hear in gc.callbacks:
            gc.callbacks.remove(self._hear)

    def after_fork(self) -> None:
        """In a forked child, which inherits the interpreter's counts."""
        self._before = gc.get_stats()
        self._begun = 0

    def _hear(self, phase: str, info: dict[str, Any]) -> None:
        cell = self._cells.get(info["generation"])
        if cell is None:
            return
        # One collection does not begin inside another one, in whatever thread.
        if phase == "start":
            self._begun = perf_counter_ns()
        elif self._begun:
            cell.record((perf_counter_ns() - self._begun) / 1e9)
            self._begun = 0

    def read(self) -> Iterator[Value]:
        """Give each count since the interpreter began, or since the fork."""
        for generation, counts in enumerate(gc.get_stats()):
            before = self._before[generation] if self._before else {}
            for name, key, _, _ in _COUNTS:
                count = counts[key] - before.get(key, 0)
                if count or key != "uncollectable":  # there have been next to none since Python 3.4
                    yield name, count, {GENERATION: generation}
