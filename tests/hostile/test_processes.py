"""Programs that fork, end, recurse and run threads in the midst of spans: each ends by itself, with its own status."""

from __future__ import annotations

import pytest

from programs import FORKS, run

START = """
import os, sys, threading, time
import obsv
obsv.init("x", traces="memory", metrics="memory", logs="json", patch=False, config={"signals": False})
logger, counter, histogram = obsv.get_logger("x"), obsv.counter("c"), obsv.histogram("h")

def work(number):
    with obsv.span("work", number=number) as span:
        span.set(**{f"key {index}": index for index in range(number % 20)})
        span.event("e", a=number)
        counter.add(1, kind=number % 7)
        histogram.record(number * 0.5, kind=str(number % 7))
        logger.info("worked", number=number, text="x" * (number % 300))
        if number % 5 == 0:
            try:
                with obsv.span("inner"):
                    raise ValueError(number)
            except ValueError:
                logger.exception("failed")
"""

PROGRAMS = {
    "forks with spans open": """
with obsv.span("outer"), obsv.span("inner") as inner:
    for number in range(20):
        child = os.fork()
        if child == 0:
            for turn in range(20):
                work(turn)
            inner.set(a=1)
            inner.end()
            sys.exit(7)
        work(number)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
""",
    "ends with spans open": """
begun = [obsv.span("never ended").__enter__() for _ in range(3)]
def wait():
    with obsv.span("in a daemon"):
        time.sleep(60)
threading.Thread(target=wait, daemon=True).start()
def generate():
    with obsv.span("in a generator"):
        yield 1
left = generate()
next(left)
""",
    "threads": """
shared = obsv.span("shared")
shared.begin(None)
def loop():
    for number in range(300):
        work(number)
        shared.set_attribute(f"key {number % 40}", number)
        shared.attributes.get("key 1")
        if number == 200:
            shared.end()
            obsv.flush(5)
threads = [threading.Thread(target=loop) for _ in range(6)]
for thread in threads: thread.start()
for thread in threads: thread.join()
""",
    "recurses until there is no stack": """
def dig(depth):
    with obsv.span("deeper", depth=depth):
        logger.info("deeper", depth=depth)
        dig(depth + 1)
for _ in range(3):
    try:
        dig(0)
    except RecursionError:
        pass
work(1)
""",
    "tasks that are cancelled, contexts that are left elsewhere": """
import asyncio, contextvars
async def agen():
    with obsv.span("in an async generator"):
        yield 1
        yield 2
async def task(number):
    with obsv.span("task", number=number):
        async for _ in agen():
            await asyncio.sleep(60 if number % 2 else 0)
            break
async def main():
    tasks = [asyncio.ensure_future(task(number)) for number in range(50)]
    await asyncio.sleep(0.01)
    for each in tasks: each.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
asyncio.run(main())
outer = obsv.span("entered here").__enter__()
contextvars.copy_context().run(outer.__exit__, None, None, None)
""",
    "stdout is closed and replaced": """
import io
for turn in range(50):
    kept, sys.stdout = sys.stdout, io.StringIO() if turn % 3 else None
    work(turn)
    sys.stdout = kept
    work(turn)
kept = os.dup(1)
os.close(1)
for turn in range(20): work(turn)
os.dup2(kept, 1)
work(1)
""",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_ends_by_itself(name: str) -> None:
    done = run(START + PROGRAMS[name] + "\nsys.exit(3)\n", timeout=120, **FORKS)
    assert done.returncode == 3, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
