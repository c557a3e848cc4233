"""Nothing is kept of what was done: the interpreter's blocks do not grow with the operations."""

from __future__ import annotations

import gc
import io
import os
import sqlite3
import sys
from typing import TYPE_CHECKING, Any

import pytest

import obsv
from obsv.hotpath import headers, otlp, span

if TYPE_CHECKING:
    from collections.abc import Callable

OPERATIONS = int(os.environ.get("LEAK_OPERATIONS", "5000"))
"""``make sanitize`` sets a million."""

ALLOWED = 200
"""Blocks that caches and growing lists may take, whatever the number of operations."""

pytestmark = pytest.mark.skipif(
    not sys.getallocatedblocks(), reason="PYTHONMALLOC=malloc, which `make sanitize` sets elsewhere: no blocks to count"
)


class Discard:
    """A sink that encodes what comes and forgets it."""

    name = "discard"
    signals = frozenset({"traces", "metrics", "logs"})

    def open(self, resource: object) -> None:
        pass

    def send(self, batch: Any) -> object:
        from obsv.sinks.base import Sent

        if batch.signal == "traces":
            otlp.traces(batch.items, b"")
        return Sent()

    def close(self) -> None:
        pass


def root(number: int) -> None:
    with obsv.span("root") as current:
        current.set(a=number, b="text", c=True, d=2.5, e=f"made {number & 63}")


def many_attributes(number: int) -> None:
    with obsv.span("root") as current:
        for index in range(number % 24):
            current.set_attribute(KEYS[index], index)


def children(number: int) -> None:
    with obsv.span("root"), obsv.span("child") as child:
        child.event("e", a=number & 63)


def failing(number: int) -> None:
    try:
        with obsv.span("root"):
            raise ValueError("no")
    except ValueError:
        pass


def metrics(number: int) -> None:
    COUNTER.add(1, kind=KEYS[number & 7])
    HISTOGRAM.record(number * 0.25, kind=KEYS[number & 7])


def lines(number: int) -> None:
    LOGGER.info("said", number=number, text="x" * (number & 63), list=[1, 2.5, None], nested={"a": "é"})
    LOGGER.debug("not said", number=number)


def unsampled(number: int) -> None:
    before = span.OUTLET.sample_all, span.OUTLET.threshold
    span.OUTLET.set_ratio(0.0)
    with obsv.span("root") as current:
        current.set(a=number)
    span.OUTLET.sample_all, span.OUTLET.threshold = before


def api(number: int) -> None:
    with TRACER.start_as_current_span("root") as current:
        current.set_attribute("a", number)
        current.add_event("e", {"a": 1})
        current.get_span_context()


def context(number: int) -> None:
    remote = headers.parse_traceparent(f"00-{number + 1:032x}-{number + 1:016x}-01")
    assert remote is not None


def query(number: int) -> None:
    CONNECTION.execute("SELECT 1").fetchall()


COUNTER: Any = None
HISTOGRAM: Any = None
LOGGER: Any = None
TRACER: Any = None
CONNECTION: Any = None
KEYS = [f"key {number}" for number in range(24)]
KINDS = [root, many_attributes, children, failing, metrics, lines, unsampled, api, context, query]


@pytest.mark.parametrize("operation", KINDS, ids=lambda each: each.__name__)
def test_blocks_do_not_grow(operation: Callable[[int], None], monkeypatch: pytest.MonkeyPatch) -> None:
    assert grown(operation, monkeypatch) < ALLOWED


def test_the_count_tells_of_a_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[object] = []
    assert grown(lambda number: kept.append(object()), monkeypatch) >= OPERATIONS


def grown(operation: Callable[[int], None], monkeypatch: pytest.MonkeyPatch) -> int:
    """Return by how many blocks the operations let the interpreter grow, after a warm-up."""
    from opentelemetry import trace

    monkeypatch.setattr(sys, "stdout", Nowhere())
    sink: Any = Discard()
    config = {"signals": False, "flush_interval": "1h", "metric_interval": "1h"}
    obsv.init("x", traces=[sink], metrics=[sink], logs="json", patch=["sqlite3"], config=config)
    globals().update(
        COUNTER=obsv.counter("c"),
        HISTOGRAM=obsv.histogram("h"),
        LOGGER=obsv.get_logger("x"),
        TRACER=trace.get_tracer("x"),
        CONNECTION=sqlite3.connect(":memory:"),
    )

    def run(count: int) -> int:
        for start in range(0, count, 1_000):
            for number in range(start, min(count, start + 1_000)):
                operation(number)
            assert obsv.flush(60)
        gc.collect()
        return sys.getallocatedblocks()

    run(2_000)
    before = run(2_000)
    after = run(OPERATIONS)
    CONNECTION.close()
    return after - before


class Nowhere(io.TextIOBase):
    """A stdout that keeps nothing."""

    def write(self, text: str) -> int:
        return len(text)
