"""Counts requests from finished spans: one histogram of latencies, errors and faults for each operation.

Runs in the sink's thread. The route of a request is often known only when its span ends, after those of the calls that
it has made: these wait here until the operation has a name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obsv.hotpath.metrics import Histogram, Meter
from obsv.hotpath.records import MetricPoint
from obsv.hotpath.span import CLIENT, CONSUMER, ERROR, PRODUCER, SERVER, Scope

from .naming import UNKNOWN_OPERATION, UNKNOWN_REMOTE_SERVICE, operation_of, remote_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from obsv.hotpath.metrics import HistogramCell
    from obsv.hotpath.span import Entry, Span

MAX_SERIES = 500
"""Combinations of operation and remote operation that are kept apart, as in the agent's limiter."""

MAX_WAITING = 10_000
"""Calls that wait for the name of the operation that has made them."""

PATIENCE = 2
"""Intervals after which they go without: a WebSocket may be open for days."""

FORGOTTEN = 10
"""Intervals without news after which a series makes room for another."""

OTHER_OPERATIONS = "AllOtherOperations"
OTHER_REMOTE_OPERATIONS = "AllOtherRemoteOperations"

METADATA_SERVICE = "169.254.169.254"
"""EC2's, which everything on an instance asks all the time: no dependency."""

SCOPE = Scope("obsv.application_signals")

_KINDS = {SERVER: "SERVER", CLIENT: "CLIENT", PRODUCER: "PRODUCER", CONSUMER: "CONSUMER"}
_NS_PER_MS = 1_000_000.0


class _Series:
    """What was measured of one operation, or of one thing that an operation has asked of somebody."""

    __slots__ = ("attributes", "cells", "idle")

    def __init__(self, attributes: dict[str, Any], histograms: tuple[Histogram, ...]) -> None:
        self.attributes = attributes
        self.cells: tuple[HistogramCell, ...] = tuple([each._new_cell(attributes) for each in histograms])
        self.idle = 0


class Measurements:
    """All series of this process.

    Args:
        service: Its name.
        environment: What somebody has said; None leaves it to the agent.
        function: The name of the Lambda function that this is.
    """

    def __init__(self, service: str, environment: str | None = None, function: str | None = None) -> None:
        meter = Meter()
        self._histograms = (
            Histogram("Latency", "Milliseconds", "", SCOPE, meter),
            Histogram("Error", "", "", SCOPE, meter),
            Histogram("Fault", "", "", SCOPE, meter),
        )
        self._common = {"aws.local.service": service}
        if environment:
            self._common["aws.local.environment"] = environment
        self._function = function
        self._series: dict[tuple[Any, ...], _Series] = {}
        self._waiting: list[tuple[Entry, int, tuple[Any, ...], float, int, int]] = []
        self._told = 0  # intervals
        self._since_ns = 0

    def add(self, spans: Iterable[Span]) -> None:
        """Measure finished spans."""
        for span in spans:
            self._since_ns = self._since_ns or span.start_ns
            attributes = span.attributes
            kind = span.kind_value
            local_root = not span.parent64 or span.parent_remote
            latency = max(0.0, (span.end_ns - span.start_ns) / _NS_PER_MS)
            error, fault = outcome(span, attributes)
            if local_root or kind == SERVER:
                operation = operation_of(span, attributes, local_root, self._function)
                if span.entry is not None:
                    span.entry.operation = operation
                key = ("LOCAL_ROOT" if local_root else "SERVER", operation)
                self._record(key, latency, error, fault)
            if kind in (CLIENT, PRODUCER) or (kind == CONSUMER and asks(attributes, local_root)):
                remote = remote_of(attributes)
                if remote.service == METADATA_SERVICE:
                    continue
                self._record_call(span.entry, (_KINDS[kind], *remote), latency, error, fault)
        if self._waiting:
            self._release()

    def _record_call(self, entry: Entry | None, rest: tuple[Any, ...], latency: float, error: int, fault: int) -> None:
        if entry is not None and entry.operation is None and len(self._waiting) < MAX_WAITING:
            self._waiting.append((entry, self._told, rest, latency, error, fault))
            return
        operation = (entry.operation if entry is not None else None) or UNKNOWN_OPERATION
        self._record((rest[0], operation, *rest[1:]), latency, error, fault)

    def _release(self) -> None:
        """Record the calls whose operation has a name by now, or that have waited for too long."""
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            entry, since, rest, latency, error, fault = call
            if entry.operation is None and self._told - since < PATIENCE:
                self._waiting.append(call)
                continue
            self._record((rest[0], entry.operation or UNKNOWN_OPERATION, *rest[1:]), latency, error, fault)

    def _record(self, key: tuple[Any, ...], latency: float, error: int, fault: int) -> None:
        series = self._series.get(key)
        if series is None:
            series = self._find(key)
        duration, errors, faults = series.cells
        duration.record(latency)
        errors.record(error)
        faults.record(fault)

    def _find(self, key: tuple[Any, ...]) -> _Series:
        if len(self._series) >= MAX_SERIES:
            # One that stands for all others, for each remote service; when those are too many as well, for all of them.
            remote = key[2] if len(key) > 2 and len(self._series) < 2 * MAX_SERIES else UNKNOWN_REMOTE_SERVICE
            key = (key[0], OTHER_OPERATIONS, *((remote, OTHER_REMOTE_OPERATIONS) if len(key) > 2 else ()))
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = _Series({**self._common, **_attributes(key)}, self._histograms)
        return series

    def points(self, now_ns: int) -> list[MetricPoint]:
        """Return what was measured since the last time: for each series its latencies, errors and faults."""
        self._told += 1
        self._release()
        points: list[MetricPoint] = []
        for key, series in self._series.copy().items():
            found = []
            for histogram, cell in zip(self._histograms, series.cells, strict=True):
                point = MetricPoint(
                    histogram.name, histogram.unit, "", "histogram", series.attributes, self._since_ns, now_ns, SCOPE
                )
                point.foreign = True  # the unit is written as it is: what the agent gets from AWS's distribution
                if histogram._read(cell, point):
                    found.append(point)
            points += found
            series.idle = 0 if found else series.idle + 1
            if series.idle >= FORGOTTEN:
                del self._series[key]
        self._since_ns = now_ns
        return points


def outcome(span: Span, attributes: Mapping[str, Any]) -> tuple[int, int]:
    """Return whether a request was in error (4xx) and whether it was a fault (5xx, or failed without such a status)."""
    status = attributes.get("http.response.status_code") or attributes.get("http.status_code")
    if isinstance(status, int) and 400 <= status <= 599:
        return (1, 0) if status < 500 else (0, 1)
    return 0, 1 if span.status_value == ERROR else 0


def asks(attributes: Mapping[str, Any], local_root: bool) -> bool:
    """Tell whether a consumer span asks somebody for messages: working on one that came below such a span does not."""
    word = attributes.get("messaging.operation.type") or attributes.get("messaging.operation")
    return local_root or word != "process"


def _attributes(key: tuple[Any, ...]) -> dict[str, str]:
    """Return what tells a series, in the words of the agent."""
    names = (
        "aws.span.kind",
        "aws.local.operation",
        "aws.remote.service",
        "aws.remote.operation",
        "aws.remote.environment",
        "aws.remote.resource.type",
        "aws.remote.resource.identifier",
        "aws.remote.resource.cfn.primary.identifier",
    )
    return {name: value for name, value in zip(names, key, strict=False) if value is not None}
