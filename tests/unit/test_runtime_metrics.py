"""Runtime metrics: what is read of the real process, and when it begins."""

from __future__ import annotations

import asyncio
import gc
import mmap
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from obsv.hotpath.metrics import METER, collect
from obsv.hotpath.span import Scope
from obsv.runtime_metrics import process
from obsv.runtime_metrics.garbage import Garbage
from obsv.runtime_metrics.loops import DELAY, LOOPS, PERIOD, hook
from obsv.runtime_metrics.observer import RuntimeMetrics
from servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = {
    "process.cpu.time",
    "process.cpu.utilization",
    "process.memory.usage",
    "process.thread.count",
    "process.unix.file_descriptor.count",
    "cpython.gc.collections",
    "cpython.gc.collected_objects",
    "cpython.gc.duration",
}


@pytest.fixture
def measured() -> Iterator[RuntimeMetrics]:
    hook(asyncio.BaseEventLoop)
    METER.enabled = True
    made = RuntimeMetrics(time.time_ns())
    yield made
    made.end()
    METER.enabled = False


def read() -> dict[tuple[Any, ...], Any]:
    return {
        (p.name, *p.attributes.values()): p for p in collect(time.time_ns()) if p.scope.name == "obsv.runtime_metrics"
    }


def test_names_and_units_are_those_of_the_semantic_conventions() -> None:
    from opentelemetry.semconv._incubating.metrics import cpython_metrics, process_metrics

    known = {
        value for module in (process_metrics, cpython_metrics) for name, value in vars(module).items() if name.isupper()
    }
    made = [*process.instruments(Scope("x")), *Garbage(Scope("x")).instruments()]
    assert {each.name for each in made} - known == {"cpython.gc.duration"}
    assert {each.name: each.unit for each in made}["process.memory.usage"] == "By"


def test_what_the_process_uses_is_what_the_system_says(measured: RuntimeMetrics) -> None:
    gc.collect()  # what others have left would be freed meanwhile
    measured.observe()
    before = read()
    with open(os.devnull) as _:
        idle = threading.Event()
        thread = threading.Thread(target=idle.wait)
        thread.start()
        kept = mmap.mmap(-1, 64 << 20)  # malloc might hand out what other tests have freed, resident already
        for page in range(0, len(kept), mmap.PAGESIZE):
            kept[page] = 1
        sum(range(3_000_000))
        gc.collect()
        measured.observe()
        now = read()
        idle.set()
        thread.join()
        kept.close()
    assert {name for name, *_ in now} >= NAMES
    grown = now["process.memory.usage",].value - before["process.memory.usage",].value
    assert 32 << 20 < grown < 256 << 20
    assert now["process.thread.count",].value == before["process.thread.count",].value + 1
    assert now["process.unix.file_descriptor.count",].value == before["process.unix.file_descriptor.count",].value + 1
    assert now["process.cpu.time", "user"].value > 0
    assert now["process.cpu.time", "user"].kind == "counter"
    assert now["process.memory.usage",].kind == "up_down_counter"
    assert 0 <= now["process.cpu.utilization",].value <= 1.5
    assert now["cpython.gc.collections", 2].value >= 1
    assert now["cpython.gc.duration", 2].count >= 1
    assert now["cpython.gc.duration", 2].min > 0


def test_garbage_collection_is_left_alone_again(measured: RuntimeMetrics) -> None:
    assert measured._garbage._hear in gc.callbacks
    measured.end()
    assert measured._garbage._hear not in gc.callbacks
    assert not [key for key in METER.instruments if isinstance(key, tuple) and key[0] == "obsv.runtime_metrics"]


def test_a_late_event_loop_is_seen_and_a_timer_does_not_keep_it_running(measured: RuntimeMetrics) -> None:
    async def main() -> None:
        await asyncio.sleep(PERIOD / 2)
        time.sleep(PERIOD)  # the mistake that the metric shows
        await asyncio.sleep(0.05)

    begun = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - begun < 10 * PERIOD
    point = read()[DELAY,]
    assert point.max >= PERIOD / 4
    assert not LOOPS.tickers


def test_a_loop_that_ran_before_is_measured_from_the_next_collection_on() -> None:
    hook(asyncio.BaseEventLoop)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    METER.enabled = True
    made = None
    try:
        wait_until(lambda: any(ticker.loop is loop for ticker in LOOPS.tickers), "the loop to run")
        [ticker] = [each for each in LOOPS.tickers if each.loop is loop]
        assert ticker.handle is None  # nothing is in it before
        made = RuntimeMetrics(time.time_ns())
        made.observe()
        wait_until(lambda: (DELAY,) in read(), "the first delay")
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        if made is not None:
            made.end()
        METER.enabled = False
    assert not LOOPS.tickers


def test_a_loop_that_runs_where_it_is_hooked_is_found() -> None:
    async def main() -> bool:
        class Loop(asyncio.SelectorEventLoop):
            pass

        hook(type(asyncio.get_running_loop()))
        return any(ticker.loop is asyncio.get_running_loop() for ticker in LOOPS.tickers)

    assert asyncio.run(main())


def test_uvloop_is_measured_too(measured: RuntimeMetrics) -> None:
    uvloop = pytest.importorskip("uvloop")
    hook(uvloop.Loop)
    loop = uvloop.new_event_loop()
    try:
        loop.run_until_complete(asyncio.sleep(PERIOD * 1.5))
    finally:
        loop.close()
    assert read()[DELAY,].count >= 1


def test_a_source_that_fails_does_not_stop_the_others(
    measured: RuntimeMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OBSV_RAISE")

    def broken() -> Any:
        raise ValueError("/proc reads differently here")

    monkeypatch.setattr(measured._process, "read", broken)
    measured.observe()
    assert ("cpython.gc.collections", 0) in read()


def test_a_forked_child_counts_anew(measured: RuntimeMetrics) -> None:
    for _ in range(5):
        gc.collect()
    measured.after_fork()
    METER.instruments["obsv.runtime_metrics", "cpython.gc.collections"].series.clear()
    METER.instruments["obsv.runtime_metrics", "cpython.gc.collections"].cells.clear()
    measured.observe()
    assert read()["cpython.gc.collections", 2].value <= 1


PROGRAM = """
import json, os, sys, time
import obsv
obsv.init(metrics="memory", traces="memory", logs="none", config={"metric_interval": 0.05, **json.loads(sys.argv[1])})
before = "obsv.runtime_metrics.observer" in sys.modules, "resource" in sys.modules, "asyncio" in sys.modules
with obsv.span("work"):
    pass
if sys.argv[2] == "wait":
    time.sleep(0.6)
obsv.flush()
print(json.dumps([before, "obsv.runtime_metrics.observer" in sys.modules]))
"""


def run(config: str, wait: str, **environ: str) -> str:
    environment = {**os.environ, **environ}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, config, wait], capture_output=True, text=True, env=environment, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_nothing_is_loaded_before_the_first_collection_that_was_due() -> None:
    assert run("{}", "wait") == "[[false, false, false], true]"
    assert run('{"metric_interval": 60}', "go") == "[[false, false, false], false]"  # a flush is none


def test_off_by_the_setting_and_in_lambda() -> None:
    assert run('{"runtime_metrics": false}', "wait").endswith("false]")
    assert run("{}", "wait", AWS_LAMBDA_FUNCTION_NAME="f").endswith("false]")
    assert run('{"runtime_metrics": true}', "wait", AWS_LAMBDA_FUNCTION_NAME="f").endswith("true]")
