"""How a contestant is measured, in its own process and environment: nothing but the standard library is needed.

*thread* is the wall time that the calling loop takes, *cpu* the process's user and system time until everything is
flushed, background threads included; both divided by the operations. *adds* is told at :func:`adds`.
"""

from __future__ import annotations

import os
import time
import urllib.request
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .scenario import Measure

    Run = Callable[[int], None]
    Loop = tuple[Run, Callable[[], object]]

BATCH = 2_000
"""Operations between two flushes. They are not timed on the thread and keep peers with small queues from dropping."""


STRETCHES = 200
"""Turns that bare and instrumented requests take: short ones, or the machine's slow moments hit one of the two only."""

FLUSH_EVERY = 10
"""Turns between two flushes, which leave the caches cold."""


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


def received_bytes(url: str) -> int:
    """Return how many bytes the sink has got since it was last asked."""
    with urllib.request.urlopen(f"{url}/bytes") as answer:
        return int(answer.read())


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


def adds(make: Callable[[str], Run], instrument: Callable[[str], Callable[[], object]]) -> Measure:
    """Measure what instrumentation adds to a request, in processor time of the calling thread.

    A child process runs the same thing bare. The two take turns on one processor, stretch by stretch, so that a slow
    moment of the machine hits both; what is added is the median of the differences. Servers and background threads run
    where they like.

    Args:
        make: Makes the application or client and returns ``run(n)``.
        instrument: Switches instrumentation on, before ``make`` is called, and returns ``flush()``.
    """

    def measure(url: str, operations: int) -> dict[str, float]:
        stretch = max(1, operations // STRETCHES)
        bare = _Bare(lambda: make(url), stretch)
        received(url)
        flush = instrument(url)
        run = make(url)
        run(stretch)
        flush()
        stay()
        before, added = [], []
        for turn in range(1, STRETCHES + 1):
            before.append(bare.timed() / stretch)
            added.append(timed(run, stretch, time.thread_time_ns) / stretch - before[-1])
            if turn % FLUSH_EVERY == 0:
                flush()
        bare.end()
        need(url, (STRETCHES + 1) * stretch)
        return {"bare": median(before), "adds": median(added)}

    return measure


def stay() -> None:
    """Keep the calling thread, and no other, on the first processor of those allowed, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


class _Bare:
    """A forked process that runs a stretch when it is told to, and says how long that took."""

    def __init__(self, make: Callable[[], Run], stretch: int) -> None:
        asked, self._ask = os.pipe()
        self._answers, answer = os.pipe()
        self._process = os.fork()
        if self._process:
            os.close(asked)
            os.close(answer)
            return
        try:
            os.close(self._ask)
            os.close(self._answers)
            run = make()
            run(stretch)
            stay()
            while os.read(asked, 1):
                os.write(answer, timed(run, stretch, time.thread_time_ns).to_bytes(8, "big"))
        finally:
            os._exit(0)

    def timed(self) -> int:
        os.write(self._ask, b".")
        return int.from_bytes(os.read(self._answers, 8), "big")

    def end(self) -> None:
        os.close(self._ask)
        os.waitpid(self._process, 0)


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
