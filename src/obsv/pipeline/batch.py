"""What a sink is: where one or more signals leave the process.

A sink opens, sends batches and closes. Threads, queues, retries, back-off, time limits, forks and counting are the
pipeline's.
"""

from __future__ import annotations

from ..hotpath.span import Span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Protocol

    Attributes = Mapping[str, Any]

SIGNALS = ("traces", "metrics", "logs")


class SinkError(Exception):
    """A sink cannot be reached; the text says what was tried and what came back."""


class Batch:
    """What is sent at once.

    Attributes:
        signal: ``"traces"``, ``"metrics"`` or ``"logs"``.
        items: Traces: lists of spans, each one local trace or a part of it, in order of ending. Metrics:
            ``MetricPoint``. Logs: ``LogRecord``.
        entries: The same, but that a span which went alone is in no list: for who passes over thousands of them.
        resource: The attributes of the process that made them.
        encoded: For the sink to keep what it has encoded: after a :class:`Retry` the same batch comes again.
        records: How many spans, points or log records it holds.
        masked: Whether secrets have been masked in it.
    """

    __slots__ = ("_items", "encoded", "entries", "masked", "records", "resource", "signal")

    def __init__(self, signal: str, items: list[Any], resource: Attributes, records: int | None = None) -> None:
        self.signal = signal
        self.entries = items
        self._items: list[Any] | None = None
        self.resource = resource
        self.encoded: Any = None
        self.masked = False
        if records is None:
            records = count(items) if signal == "traces" else len(items)
        self.records = records

    @property
    def items(self) -> list[Any]:
        """What is sent, traces as lists."""
        if self.signal not in ("traces", "spans"):
            return self.entries
        if self._items is None:
            self._items = [[entry] if type(entry) is Span else entry for entry in self.entries]
        return self._items


def count(entries: list[Any]) -> int:
    """Return how many spans there are in traces and spans that went alone."""
    return sum([1 if type(entry) is Span else len(entry) for entry in entries])


class Sent:
    """The batch has left. ``rejected`` of its records were refused by the receiver, for ``reason``.

    ``adapted``: how much of it was changed to keep the receiver's rules, by what was done.
    """

    __slots__ = ("adapted", "reason", "rejected")

    def __init__(self, rejected: int = 0, reason: str | None = None, adapted: Mapping[str, int] | None = None) -> None:
        self.rejected = rejected
        self.reason = reason
        self.adapted = adapted

    def __repr__(self) -> str:
        return f"Sent(rejected={self.rejected}, reason={self.reason!r})"


class Retry:
    """The batch should be sent again, not before ``after`` seconds when the receiver said so.

    ``tell``: it does not pass by itself, somebody has to do something. So ``reason`` is told at the first try, once.
    """

    __slots__ = ("after", "reason", "tell")

    def __init__(self, reason: str, after: float | None = None, tell: bool = False) -> None:
        self.reason = reason
        self.after = after
        self.tell = tell

    def __repr__(self) -> str:
        return f"Retry({self.reason!r}, after={self.after})"


class Refused:
    """The batch will never be taken: it is dropped and counted under ``reason``."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __repr__(self) -> str:
        return f"Refused({self.reason!r})"


LATER = Retry("it might have to wait")
"""What ``send_now`` returns that has sent nothing."""

if TYPE_CHECKING:
    Result = Sent | Retry | Refused

    class Sink(Protocol):
        """A destination. One thread calls ``open``, ``send`` and ``close``, never two at once."""

        name: str
        signals: frozenset[str]

        def open(self, resource: Attributes) -> None:
            """Get ready. Called once in the sink's own thread, before the first batch; what it raises is told and
            counted."""

        def send(self, batch: Batch) -> Result:
            """Send a batch. What it raises counts as :class:`Refused`."""

        def close(self) -> None:
            """Let go of connections and files."""

        # Optional: `probe() -> str` for `obsv doctor` (raises SinkError), `idle()` called when all that was queued has
        # been sent, `imports`, the names of modules that it needs and that `init()` need not load, `send_now(batch)`,
        # which does what `send` does in the caller's thread, or returns `LATER` where it might have to wait,
        # `immediate`, the signals that `write(record)` takes in the caller's thread, `lost`, its own counts by reason.
