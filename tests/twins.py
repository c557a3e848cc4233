"""Plays programs of span operations and says what came of them: run compiled and interpreted, the answers are compared.

``python -m twins`` answers pickled programs on stdin until it is closed.
"""

from __future__ import annotations

import pickle
import sys
from typing import Any

from obsv.hotpath import faults, metrics, otlp, otlp_metrics
from obsv.hotpath import span as hot
from obsv.hotpath.queue import BoundedQueue
from telemetry import local_traces

Program = list[tuple[Any, ...]]


def play(program: Program, limits: tuple[int, int]) -> list[Any]:
    """Run a program and return what it left behind: ids, times and estimates of memory aside.

    Args:
        program: Operations and their arguments: ``open`` and ``close`` a block, anything else is a method of the span.
        limits: How many attributes a span keeps, and how many characters of a text.
    """
    outlet = hot.OUTLET
    queue = BoundedQueue(10**6, 10**9, 10**6, None, None)
    outlet.queues, outlet.enabled = (queue,), True
    outlet.set_attribute_limits(*limits)
    faults.raise_errors(False)
    try:
        blocks: list[hot.Span] = []
        for name, *arguments in program:
            if name == "open":
                blocks.append(hot.span(*arguments))
                blocks[-1].enter()
            elif blocks and name == "close":
                blocks.pop().leave(arguments[0])
            elif blocks:
                getattr(blocks[-1], name)(*arguments)
        while blocks:
            blocks.pop().leave(None)
    finally:
        outlet.set_attribute_limits(128, -1)
        outlet.queues, outlet.enabled = (), False
    spans = [span for trace in local_traces(queue) for span in trace]
    numbers = {span.id64: number for number, span in enumerate(spans, 1)}
    for span in spans:
        span.trace_hi, span.trace_lo = 1, 2
        span.id64, span.parent64 = numbers[span.id64], numbers.get(span.parent64, 0)
        span.start_ns, span.end_ns = 3, 4
        for event in span.event_list or ():
            event.time_ns = 5
    return [otlp.traces([spans], b""), [list(span.attributes.items()) for span in spans]]


def record(calls: list[tuple[str, Any, dict[str, Any]]]) -> bytes:
    """Record into a counter, a gauge and a histogram and return the points of one interval, times aside."""
    meter = metrics.METER
    before, meter.instruments, meter.enabled = meter.instruments, {}, True
    faults.raise_errors(False)
    try:
        made = {
            "add": metrics.instrument(metrics.Counter, "counter", "1", ""),
            "set": metrics.instrument(metrics.Gauge, "gauge", "1", ""),
            "record": metrics.instrument(metrics.Histogram, "histogram", "ms", ""),
        }
        for method, value, dimensions in calls:
            getattr(made[method], method)(value, **dimensions)
        points = metrics.collect(7)
    finally:
        meter.instruments, meter.enabled = before, False
    for point in points:
        point.start_ns = 6
    return otlp_metrics.metrics(points, b"")


def main() -> None:
    """Answer programs."""
    while True:
        try:
            program = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        what, arguments = program
        pickle.dump({"play": play, "record": record}[what](*arguments), sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
