"""How a contestant is measured, in its own process and environment: nothing but the standard library is needed.

*thread* is the wall time that the calling loop takes, *cpu* the process's user and system time until everything is
flushed, background threads included; both divided by the operations.
"""

from __future__ import annotations

import time
import urllib.request
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .scenario import Measure

    Run = Callable[[int], None]
    Loop = tuple[Run, Callable[[], object]]

BATCH = 1_000
"""Operations between two flushes. They are not timed on the thread and keep peers with small queues from dropping."""


def nothing() -> bool:
    """Flush where there is nothing to flush."""
    return True


def received(url: str) -> int:
    """Return how many spans the sink has got since it was last asked."""
    with urllib.request.urlopen(f"{url}/received") as answer:
        return int(answer.read())


def arrived(url: str, expected: int, seconds: float = 10.0) -> int:
    """Wait until the sink has got as many spans as expected, or the time is over; return how many it got."""
    until = time.monotonic() + seconds
    got = received(url)
    while got < expected and time.monotonic() < until:
        time.sleep(0.05)
        got += received(url)
    return got


def loop(start: Callable[[str], Loop], *, exports: bool = True, batch: int = BATCH) -> Measure:
    """Measure a loop of operations: ``start`` is called with the sink's URL and returns ``run(n)`` and ``flush()``.

    Args:
        exports: Whether each operation is to reach the sink as a span. Fewer is an error: who drops has less to do.
        batch: Operations between two flushes.
    """

    def measure(url: str, operations: int) -> dict[str, float]:
        received(url)
        run, flush = start(url)
        run(batch)
        flush()
        batches = max(1, operations // batch)
        on_thread = 0
        cpu = time.process_time_ns()
        for _ in range(batches):
            begin = time.perf_counter_ns()
            run(batch)
            on_thread += time.perf_counter_ns() - begin
            flush()
        cpu = time.process_time_ns() - cpu
        done = batches * batch
        if exports:
            need(url, done + batch)
        return {"thread": on_thread / done, "cpu": cpu / done}

    return measure


def need(url: str, spans: int) -> None:
    """End the process where the sink got fewer spans than were made: the comparison would not be fair."""
    got = arrived(url, spans)
    if got < spans:
        raise SystemExit(f"the sink got {got} of {spans} spans")


def adds(make: Callable[[], Run], instrument: Callable[[str], Callable[[], object]], warm: int = 200) -> Measure:
    """Measure what instrumentation adds to a request: bare first, then instrumented, in the same process.

    Args:
        make: Makes the application and returns ``run(n)``; called once before and once after ``instrument``.
        instrument: Switches instrumentation on and returns ``flush()``.
    """

    def measure(url: str, operations: int) -> dict[str, float]:
        received(url)
        bare = _best(make(), operations, warm, nothing)
        flush = instrument(url)
        with_it = _best(make(), operations, warm, flush)
        flush()
        need(url, operations + warm)
        return {"bare": bare, "adds": with_it - bare}

    return measure


def _best(run: Run, operations: int, warm: int, flush: Callable[[], object]) -> float:
    """Return the median time of ten stretches, which leaves out what a moment of the machine costs."""
    run(warm)
    flush()
    stretch = max(1, operations // 10)
    times = []
    for _ in range(10):
        times.append(timed(run, stretch) / stretch)
        flush()
    return sorted(times)[5]


def timed(run: Run, count: int, clock: Callable[[], int] = time.perf_counter_ns) -> int:
    """Return the nanoseconds that ``run(count)`` takes by a clock."""
    begin = clock()
    run(count)
    return clock() - begin


def cost(run: Run, operations: int, clock: Callable[[], int] = time.perf_counter_ns) -> float:
    """Return the nanoseconds of an operation: the median of five stretches after a warm-up."""
    stretch = max(1, operations // 5)
    run(min(stretch, 1_000))
    return sorted(timed(run, stretch, clock) for _ in range(5))[2] / stretch
