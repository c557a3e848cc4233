"""Metrics: an instrument with two dimensions, and what an invocation of a Lambda function records and flushes."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from benchmarks.measure import BATCH, cost, timed
from benchmarks.scenario import Less, Peer, Scenario

from ._setup import EMF, OBSV, POWERTOOLS, PROMETHEUS, SDK, start_obsv, start_sdk_metrics

if TYPE_CHECKING:
    from collections.abc import Callable

PLACE = 2


def _obsv(url: str, operations: int) -> dict[str, float]:
    start_obsv(url, metrics="otlp")
    import obsv

    counter, histogram = obsv.counter("orders"), obsv.histogram("render")
    bound = counter.bind(shop="north", kind="book")
    add, record, add_bound = counter.add, histogram.record, bound.add

    def count(number: int) -> None:
        for _ in range(number):
            add(1, shop="north", kind="book")

    def measure(number: int) -> None:
        for _ in range(number):
            record(12.5, shop="north", kind="book")

    def count_bound(number: int) -> None:
        for _ in range(number):
            add_bound(1)

    return _all(operations, count, measure, count_bound)


def _sdk(url: str, operations: int) -> dict[str, float]:
    meter = start_sdk_metrics(url).get_meter("bench")
    add, record = meter.create_counter("orders").add, meter.create_histogram("render").record

    def count(number: int) -> None:
        for _ in range(number):
            add(1, {"shop": "north", "kind": "book"})

    def measure(number: int) -> None:
        for _ in range(number):
            record(12.5, {"shop": "north", "kind": "book"})

    return _all(operations, count, measure)


def _prometheus(url: str, operations: int) -> dict[str, float]:
    from prometheus_client import Counter, Histogram

    counter = Counter("orders", "Orders.", ["shop", "kind"])
    histogram = Histogram("render", "Milliseconds.", ["shop", "kind"])
    bound = counter.labels(shop="north", kind="book").inc

    def count(number: int) -> None:
        for _ in range(number):
            counter.labels(shop="north", kind="book").inc()

    def measure(number: int) -> None:
        for _ in range(number):
            histogram.labels(shop="north", kind="book").observe(12.5)

    def count_bound(number: int) -> None:
        for _ in range(number):
            bound(1)

    return _all(operations, count, measure, count_bound)


def _all(operations: int, *runs: Callable[[int], None]) -> dict[str, float]:
    return {name: cost(run, operations) for name, run in zip(("counter", "histogram", "bound"), runs, strict=False)}


def _obsv_flush(url: str, operations: int) -> dict[str, float]:
    import obsv

    obsv.init("bench", traces="none", logs="none", metrics="emf", patch=False, config={"signals": False})
    counter, histogram, gauge = obsv.counter("orders"), obsv.histogram("render"), obsv.gauge("queue_depth")

    def run(number: int) -> None:
        for _ in range(number):
            counter.add(1, shop="north")
            histogram.record(12.5, shop="north")
            gauge.set(17, shop="north")
            obsv.flush()

    return _flushed(run, operations)


def _powertools_flush(url: str, operations: int) -> dict[str, float]:
    os.environ["POWERTOOLS_DISABLE_METRICS"] = "false"
    from aws_lambda_powertools import Metrics
    from aws_lambda_powertools.metrics import MetricUnit

    metrics = Metrics(namespace="bench", service="bench")

    def run(number: int) -> None:
        for _ in range(number):
            metrics.add_dimension("shop", "north")
            metrics.add_metric("orders", MetricUnit.Count, 1)
            metrics.add_metric("render", MetricUnit.Milliseconds, 12.5)
            metrics.add_metric("queue_depth", MetricUnit.Count, 17)
            metrics.flush_metrics()

    return _flushed(run, operations)


def _emf_flush(url: str, operations: int) -> dict[str, float]:
    os.environ |= {"AWS_EMF_ENVIRONMENT": "Lambda", "AWS_EMF_NAMESPACE": "bench", "AWS_EMF_SERVICE_NAME": "bench"}
    from aws_embedded_metrics.logger.metrics_logger_factory import create_metrics_logger

    async def invocations(number: int) -> None:
        for _ in range(number):
            metrics = create_metrics_logger()
            metrics.put_dimensions({"shop": "north"})
            metrics.put_metric("orders", 1, "Count")
            metrics.put_metric("render", 12.5, "Milliseconds")
            metrics.put_metric("queue_depth", 17, "Count")
            await metrics.flush()

    return _flushed(lambda number: asyncio.run(invocations(number)), operations)


def _flushed(run: Callable[[int], None], operations: int) -> dict[str, float]:
    """Time batches, and have the worker count the lines: each invocation writes at least one."""
    batches = max(1, operations // BATCH)
    run(100)
    took = sum(timed(run, BATCH) for _ in range(batches))
    return {"thread": took / batches / BATCH, "lines": batches * BATCH}


SCENARIOS = (
    Scenario(
        "metrics",
        "Counter and histogram with two dimensions, and a bound series",
        (
            Peer(OBSV, _obsv, "obsv"),
            Peer(SDK, _sdk, "opentelemetry"),
            Peer(PROMETHEUS, _prometheus, "prometheus"),
        ),
        100_000,
        (
            Less("counter", (SDK,), 20),
            Less("histogram", (SDK,), 20),
            Less("counter", (PROMETHEUS,), 3),
            Less("histogram", (PROMETHEUS,), 3),
            Less("bound", (PROMETHEUS,), 1),
        ),
    ),
    Scenario(
        "metrics_flush",
        "Three metrics and a flush, as an invocation of a Lambda function does",
        (Peer(OBSV, _obsv_flush, "obsv"), Peer(POWERTOOLS, _powertools_flush, "aws"), Peer(EMF, _emf_flush, "aws")),
        5_000,
        (Less("thread", (POWERTOOLS,), 8), Less("thread", (EMF,), 10)),
    ),
)
