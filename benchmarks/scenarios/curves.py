"""How the cost grows: one point a measure, nanoseconds of an operation. Each is to be flat, or linear for more work."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import TYPE_CHECKING, Any

from benchmarks.measure import timed
from benchmarks.scenario import Curve, Peer, Scenario

from ._setup import OBSV, start_obsv
from .spans import roots
from .volume import Stuck

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

PLACE = 9
STRETCHES = 7


def _attributes(count: int, operations: int) -> float:
    import obsv

    keys = [f"attribute.{number}" for number in range(count)]

    def run(number: int) -> None:
        for _ in range(number):
            with obsv.span("operation") as current:
                for key in keys:
                    current.set_attribute(key, "value")

    return _least(run, max(500, operations // (1 + count // 4)))


def _trace(size: int, operations: int) -> float:
    import obsv

    children = roots(obsv.span)

    def run(number: int) -> None:
        for _ in range(number // size):
            with obsv.span("root"):
                children(size - 1)

    return _least(run, size * max(1, operations // size))


def _depth(depth: int, operations: int) -> float:
    import obsv

    sys.setrecursionlimit(10_000)

    def nest(left: int) -> None:
        with obsv.span("operation"):
            if left > 1:
                nest(left - 1)

    def run(number: int) -> None:
        for _ in range(number // depth):
            nest(depth)

    return _least(run, depth * max(1, operations // depth))


def _queue(waiting: int, operations: int) -> float:
    import obsv

    run = roots(obsv.span)
    queue = obsv.status()["sinks"]["stuck"]["traces"]
    run(max(0, waiting - queue["waiting"]))
    return _least(run, operations // 5, flush=lambda: None)


def _series(count: int, operations: int) -> float:
    import obsv

    add = obsv.counter(f"orders {count}").add
    users = [f"user {number}" for number in range(count)]

    def run(number: int) -> None:
        for _ in range(number // count):
            for user in users:
                add(1, user=user)

    return _least(run, count * max(1, operations // count))


def _fields(count: int, operations: int) -> float:
    import obsv

    info = obsv.get_logger("bench").info
    fields = {f"field_{number}": "value" for number in range(count)}

    def run(number: int) -> None:
        for _ in range(number):
            info("order placed", **fields)

    return _least(run, max(500, operations // (1 + count // 4)))


def _threads(count: int, operations: int) -> float:
    import obsv

    work = roots(obsv.span)

    def run(number: int) -> None:
        threads = [threading.Thread(target=work, args=(number // count,)) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return _least(run, operations)


def _tasks(count: int, operations: int) -> float:
    """A span in each of so many tasks, all of which wait once inside it; what tasks and waiting cost is taken off."""
    import obsv

    async def bare() -> None:
        await asyncio.sleep(0)

    async def spanning() -> None:
        with obsv.span("operation"):
            await asyncio.sleep(0)

    async def rounds(work: Callable[[], Coroutine[None, None, None]], number: int) -> None:
        for _ in range(number // count):
            await asyncio.gather(*(work() for _ in range(count)))

    loop = asyncio.new_event_loop()
    total = count * max(1, operations // count)
    costs = [
        _least(lambda number: loop.run_until_complete(rounds(work, number)), total)  # noqa: B023 - called at once
        for work in (spanning, bare)
    ]
    loop.close()
    return costs[0] - costs[1]


def _least(run: Callable[[int], None], operations: int, flush: Callable[[], object] | None = None) -> float:
    """Return the cost of an operation in the fastest of seven stretches: noise only ever adds."""
    import obsv

    flush = flush or obsv.flush
    times = []
    for _ in range(STRETCHES):
        times.append(timed(run, operations) / operations)
        flush()
    return min(times)


def _curve(
    name: str,
    title: str,
    axis: str,
    shape: str,
    points: tuple[int, ...],
    point: Callable[[int, int], float],
    operations: int,
    **arguments: Any,
) -> Scenario:
    def measure(url: str, count: int) -> dict[str, float]:
        start_obsv(url, **arguments)
        point(points[0], count)  # warm
        return {str(place): point(place, count) for place in points}

    return Scenario(
        f"curve_{name}", title, (Peer(OBSV, measure, "obsv"),), operations, curve=Curve(axis, points, shape), apart=True
    )


SCENARIOS = (
    _curve("attributes", "Span against its attributes", "attributes", "linear", (0, 1, 5, 20, 128), _attributes, 5_000),
    _curve(
        "trace",
        "Span against the size of its trace",
        "spans",
        "flat",
        (1, 10, 100, 1_000, 10_000, 100_000),
        _trace,
        10_000,
    ),
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
