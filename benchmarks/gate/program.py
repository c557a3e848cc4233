"""What is counted: ``python -m benchmarks.gate.program NAME=COUNT`` runs an operation so many times, and ends.

Everything that could differ from run to run is out: the cyclic collector is off, sinks discard after encoding, no
interval passes. Encoding is included: the process ends with a flush.
"""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

FEW, MANY = 500, 2_500
"""How often an operation runs in the two processes whose difference is taken."""


class Discard:
    """A sink that encodes what it gets, and forgets it."""

    name = "discard"
    signals = frozenset({"traces", "metrics"})

    def open(self, resource: object) -> None:
        """Do nothing."""

    def send(self, batch: Any) -> object:
        """Encode spans as the OTLP sink does."""
        from obsv.sinks.base import Sent

        if batch.signal == "traces":
            from obsv.hotpath.otlp import traces

            traces(batch.entries, b"")
        return Sent()

    def close(self) -> None:
        """Do nothing."""


def start() -> None:
    """Initialise obsv with sinks that discard."""
    import obsv

    sink: Any = Discard()
    config = {"signals": False, "flush_interval": "1h", "metric_interval": "1h"}
    obsv.init("gate", traces=[sink], metrics=[sink], logs="json", patch=False, config=config)


def roots(count: int) -> None:
    """Make root spans with five attributes."""
    import obsv

    span = obsv.span
    for number in range(count):
        with span("operation") as current:
            current.set_attribute("http.request.method", "GET")
            current.set_attribute("http.route", "/orders/{id}")
            current.set_attribute("http.response.status_code", 200)
            current.set_attribute("order.number", number)
            current.set_attribute("order.paid", True)


def children(count: int) -> None:
    """Make child spans, a hundred below each root."""
    import obsv

    for _ in range(count // 100):
        with obsv.span("root"):
            roots(100)


def counter(count: int) -> None:
    """Add to a counter with two dimensions."""
    import obsv

    add = obsv.counter("orders").add
    for _ in range(count):
        add(1, shop="north", kind="book")


def histogram(count: int) -> None:
    """Record in a histogram with two dimensions."""
    import obsv

    record = obsv.histogram("render").record
    for number in range(count):
        record(number, shop="north", kind="book")


def log(count: int) -> None:
    """Write log lines with four fields inside a span."""
    import obsv

    info = obsv.get_logger("gate").info
    with obsv.span("request"):
        for number in range(count):
            info("order placed", order_id=number, customer="c-17", total=12.5, express=True)


class _Thing:
    value = 0


def calibration(count: int) -> None:
    """Do what any interpreter does: calls, attributes, dicts, texts. Its count tells builds of CPython apart."""
    thing = _Thing()
    known: dict[str, int] = {}

    def step(number: int, key: str = "") -> int:
        known[key] = number
        return number + 1

    for number in range(count):
        for letter in ("a", "b", "c", "d"):
            thing.value = step(number, key=f"{letter}-{number & 7}")


OPERATIONS: dict[str, Callable[[int], None]] = {
    "root span": roots,
    "child span": children,
    "counter add": counter,
    "histogram record": histogram,
    "log line": log,
    "calibration": calibration,
}


def main() -> None:
    """Run the operation as often as it is asked for."""
    import obsv

    gc.disable()
    start()
    name, _, count = sys.argv[1].partition("=")
    OPERATIONS[name](int(count))
    obsv.flush(60)
    obsv.shutdown(60)


if __name__ == "__main__":
    main()
