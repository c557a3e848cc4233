"""How the cost grows: one point a measure, nanoseconds of an operation. Each must be flat, or linear where more is asked."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from typing import TYPE_CHECKING

from benchmarks.measure import cost, timed
from benchmarks.scenario import Curve, Peer, Scenario

from ._setup import OBSV, start_obsv
from .load import Stuck
from .spans import roots

if TYPE_CHECKING:
    from collections.abc import Callable

PLACE = 9


def _attributes(count: int, operations: int) -> float:
    import obsv

    keys = [f"attribute.{number}" for number in range(count)]

    def run(number: int) -> None:
        for _ in range(number):
            with obsv.span("operation") as current:
                for key in keys:
                    current.set_attribute(key, "value")

    return _flushed(run, max(500, operations // (1 + count // 4)))


def _trace(size: int, operations: int) -> float:
    import obsv

    children = roots(obsv.span)

    def run(number: int) -> None:
        for _ in range(number // size):
            with obsv.span("root"):
                children(size - 1)

    return _flushed(run, max(size, operations))


def _depth(depth: int, operations: int) -> float:
    import obsv

    sys.setrecursionlimit(10_000)

    def nest(left: int) -> None:
        with obsv.span("operation"):
            if left > 1:
                nest(left - 1)

    def run(number: int) -> None:
        for _ in range(max(1, number // depth)):
            nest(depth)

    run(depth)
    obsv.flush()
    begin = time.perf_counter_ns()
    run(operations)
    took = time.perf_counter_ns() - begin
    obsv.flush()
    return took / (max(1, operations // depth) * depth)


def _queue(waiting: int, operations: int) -> float:
    import obsv

    run = roots(obsv.span)
    queues = obsv.status()["sinks"]["stuck"]["traces"]
    run(max(0, waiting - queues["waiting"]))
    stretch = 200
    return sorted(timed(run, stretch) for _ in range(9))[4] / stretch


def _series(count: int, operations: int) -> float:
    import obsv

    add = obsv.counter(f"orders {count}").add
    users = [f"user {number}" for number in range(count)]

    def run(number: int) -> None:
        for _ in range(max(1, number // count)):
            for user in users:
                add(1, user=user)

    run(count)
    rounds = max(1, operations // count)
    return sorted(timed(run, rounds * count) for _ in range(3))[1] / (rounds * count)


def _fields(count: int, operations: int) -> float:
    import obsv

    info = obsv.get_logger("bench").info
    fields = {f"field_{number}": "value" for number in range(count)}

    def run(number: int) -> None:
        for _ in range(number):
            info("order placed", **fields)

    return cost(run, max(500, operations // (1 + count // 4)))


def _threads(count: int, operations: int) -> float:
    import obsv

    run = roots(obsv.span)
    each = max(100, operations // count)
    threads = [threading.Thread(target=run, args=(each,)) for _ in range(count)]
    begin = time.perf_counter_ns()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter_ns() - begin
    obsv.flush()
    return took / (each * count)


def _tasks(count: int, operations: int) -> float:
    """The cost of a span among so many tasks, each of which waits once inside its span; that of the waiting is taken off."""
    import obsv

    async def bare() -> None:
        await asyncio.sleep(0)

    async def spanning() -> None:
        with obsv.span("operation"):
            await asyncio.sleep(0)

    async def gather(work: Callable[[], object]) -> None:
        await asyncio.gather(*(work() for _ in range(count)))  # type: ignore[call-overload]

    def timed_tasks(work: Callable[[], object]) -> float:
        rounds = max(1, operations // count)
        begin = time.perf_counter_ns()
        for _ in range(rounds):
            asyncio.run(gather(work))
        took = time.perf_counter_ns() - begin
        obsv.flush()
        return took / (rounds * count)

    timed_tasks(spanning)
    return sorted(timed_tasks(spanning) - timed_tasks(bare) for _ in range(3))[1]


def _flushed(run: Callable[[int], None], operations: int) -> float:
    import obsv

    times = []
    for _ in range(5):
        times.append(timed(run, operations) / operations)
        obsv.flush()
    return sorted(times)[2]


def _curve(
    name: str,
    title: str,
    axis: str,
    shape: str,
    points: tuple[int, ...],
    point: Callable[[int, int], float],
    operations: int,
    **arguments: object,
) -> Scenario:
    def measure(url: str, count: int) -> dict[str, float]:
        start_obsv(url, **arguments)
        point(points[0], count)  # warm
        return {str(place): point(place, count) for place in points}

    return Scenario(
        f"curve_{name}", title, (Peer(OBSV, measure, "obsv"),), operations, curve=Curve(axis, points, shape)
    )


SCENARIOS = (
    _curve("attributes", "Span against its attributes", "attributes", "linear", (0, 1, 5, 20, 128), _attributes, 5_000),
    _curve("trace", "Span against the size of its trace", "spans", "flat", (1, 10, 100, 1_000, 10_000, 100_000), _trace, 10_000),
    _curve("depth", "Span against how deep it is nested", "levels", "flat", (1, 10, 100, 300, 1_000), _depth, 10_000),
    _curve(
        "queue",
        "Span against how many wait in the queue",
        "waiting spans",
        "flat",
        (1, 1_000, 10_000, 50_000, 100_000, 150_000),
        _queue,
        1_000,
        traces=[Stuck()],
    ),
    _curve(
        "series",
        "Counter against the combinations of its dimensions",
        "series",
        "flat",
        (1, 10, 100, 1_000, 10_000, 100_000),
        _series,
        50_000,
        metrics="otlp",
    ),
    _curve("fields", "Log line against its fields", "fields", "linear", (0, 1, 4, 16, 64), _fields, 5_000, logs="json"),
    _curve("threads", "Span against threads that make them", "threads", "flat", (1, 2, 4, 8, 16), _threads, 20_000),
    _curve("tasks", "Span against asyncio's tasks", "tasks", "flat", (1, 10, 100, 1_000, 10_000), _tasks, 5_000),
)
