"""Many spans at once: their memory while they wait, several threads, and what is lost with default settings."""

from __future__ import annotations

import resource
import threading
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

from benchmarks.measure import arrived, received
from benchmarks.scenario import AtLeast, AtMost, Less, Peer, Scenario

from ._setup import DDTRACE, OBSV, SDK, start_ddtrace, start_obsv, start_sdk
from .spans import obsv_loop, roots, tag_roots

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.measure import Run

PLACE = 7
SENTRY = "sentry"
THREADS = 4
BOUND = 64 + 64
"""MB that a queue of 64 MiB may take: its weighing is an estimate, and a batch is on its way besides."""


class Stuck:
    """A sink that never takes anything, so everything waits."""

    name = "stuck"
    signals = frozenset({"traces"})

    def open(self, resource: object) -> None:
        """Do nothing."""

    def send(self, batch: object) -> object:
        """Ask for another try, much later."""
        from obsv.sinks.base import Retry

        return Retry("stuck", 300)

    def close(self) -> None:
        """Do nothing."""


def _obsv_memory(url: str, operations: int) -> dict[str, float]:
    start_obsv(url, traces=[Stuck()])
    import obsv

    return _held(roots(obsv.span), operations)


def _sdk_memory(url: str, operations: int) -> dict[str, float]:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

    class Never(SpanExporter):
        pass

    provider = TracerProvider()
    most = operations + 10_000
    provider.add_span_processor(
        BatchSpanProcessor(Never(), max_queue_size=most, max_export_batch_size=most, schedule_delay_millis=600_000)
    )
    return _held(roots(provider.get_tracer("bench").start_as_current_span), operations)


def _held(run: Run, operations: int) -> dict[str, float]:
    import gc

    run(2_000)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    run(operations)
    gc.collect()
    return {"bytes": (tracemalloc.get_traced_memory()[0] - before) / operations}


def _threads(
    start: Callable[[str], tuple[Run, Callable[[], object]]], stretch: int = 5_000, most: int = 40_000
) -> Callable[[str, int], dict[str, float]]:
    """Compare the throughput of four threads with that of one, the same number of spans in all.

    Args:
        stretch: Spans of a thread between two flushes: as many as the contestant's queue takes, so that starting the
            threads counts little.
        most: Operations at most, of those that would take long for all of them.
    """

    def measure(url: str, operations: int) -> dict[str, float]:
        received(url)
        run, flush = start(url)
        run(stretch)
        flush()
        one = four = 0.0
        rounds = max(1, min(operations, most) // (THREADS * stretch))
        for _ in range(rounds):
            begin = time.perf_counter()
            run(THREADS * stretch)
            one += time.perf_counter() - begin
            flush()
            four += _together(run, stretch)
            flush()
        made = rounds * 2 * THREADS * stretch + stretch
        lost = 100 * max(0, made - arrived(url, made)) / made
        return {"four to one": one / four, "spans a second": rounds * THREADS * stretch / four, "lost %": lost}

    return measure


def _together(run: Run, count: int) -> float:
    gate = threading.Barrier(THREADS + 1)

    def work() -> None:
        gate.wait()
        run(count)
        gate.wait()

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    gate.wait()
    begin = time.perf_counter()
    gate.wait()
    took = time.perf_counter() - begin
    for thread in threads:
        thread.join()
    return took


def _losses(
    start: Callable[[str], tuple[Run, Callable[[], object]]], most: int = 500_000
) -> Callable[[str, int], dict[str, float]]:
    """Measure what of a tight loop arrives; ``most`` operations of those that would take minutes for all of them."""

    def measure(url: str, operations: int) -> dict[str, float]:
        operations = min(operations, most)
        received(url)
        run, flush = start(url)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        begin = time.perf_counter()
        run(operations)
        took = time.perf_counter() - begin
        flush()
        memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        got = arrived(url, operations, 1.0)
        lost = 100 * max(0, operations - got) / operations
        return {"lost %": lost, "MB": memory, "spans a second": operations / took}

    return measure


def _obsv_losing(url: str) -> tuple[Run, Callable[[], object]]:
    """A flush may say that something was lost: that is the question."""
    run, _ = obsv_loop()(url)
    import obsv

    return run, lambda: obsv.flush(60)


def _sdk(url: str) -> tuple[Run, Callable[[], object]]:
    provider, flush = start_sdk(url)
    return roots(provider.get_tracer("bench").start_as_current_span), flush


def _ddtrace(url: str) -> tuple[Run, Callable[[], object]]:
    tracer = start_ddtrace(url)
    return tag_roots(tracer.trace), tracer.flush


def _sentry(url: str) -> tuple[Run, Callable[[], object]]:
    import sentry_sdk

    sentry_sdk.init(
        dsn=f"{url.replace('//', '//key@')}/1", traces_sample_rate=1.0, default_integrations=False, keep_alive=True
    )

    def run(count: int) -> None:
        for number in range(count):
            with sentry_sdk.start_transaction(op="task", name="operation") as current:
                current.set_data("http.request.method", "GET")
                current.set_data("http.route", "/orders/{id}")
                current.set_data("http.response.status_code", 200)
                current.set_data("order.number", number)
                current.set_data("order.paid", True)

    def flush() -> Any:
        return sentry_sdk.flush(60)

    return run, flush


SCENARIOS = (
    Scenario(
        "memory",
        "Memory of a finished span in the queue, five attributes",
        (Peer(OBSV, _obsv_memory, "obsv"), Peer(SDK, _sdk_memory, "opentelemetry")),
        20_000,
        (Less("bytes", (SDK,), 6),),
    ),
    Scenario(
        "threads",
        "Four threads making spans, against one",
        (
            Peer(OBSV, _threads(obsv_loop()), "obsv"),
            Peer(SDK, _threads(_sdk, 500, 20_000), "opentelemetry"),
            Peer(DDTRACE, _threads(_ddtrace, 2_500, 20_000), "ddtrace"),
        ),
        40_000,
        (AtLeast("four to one", 0.8), AtMost("lost %", 0)),
        few=4_000,
    ),
    Scenario(
        "losses",
        "500,000 spans in a tight loop, default settings",
        (
            Peer(OBSV, _losses(_obsv_losing), "obsv"),
            Peer(SDK, _losses(_sdk, 40_000), "opentelemetry"),
            Peer(DDTRACE, _losses(_ddtrace, 40_000), "ddtrace"),
            Peer(SENTRY, _losses(_sentry, 8_000), "sentry"),
        ),
        500_000,
        (AtMost("lost %", 0), AtMost("MB", BOUND)),
        few=5_000,
    ),
)
