"""Log records below the level: written where their trace is chosen or fails, and otherwise never.

Two settings want them, each for itself:

- ``log_sample``: the share of traces whose records are written from DEBUG on. The trace id decides, as it does for
  traces, so a trace that is chosen is chosen in every service.
- ``log_buffer``: the records of a trace wait in memory, and are written when its local root fails (an exception, an
  error status, a 5xx), or when a record of level ERROR is logged in it. When it ends well they are thrown away.

Nothing here takes a lock: lists and dicts are changed in steps that CPython does not interrupt.
"""

from __future__ import annotations

from collections import deque

from ..hotpath import faults
from ..hotpath.loglines import Emitter
from ..hotpath.span import ERROR, Span, current
from . import levels, outlet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..hotpath.records import LogRecord
    from ..hotpath.span import LocalTrace

    Key = tuple[int, int]

MAX_TRACES = 10_000
"""Traces that are kept apart; those that began first make room."""

_ANY_ROOT = 0  # in a key: of that trace, but nobody knows under which local root


class _Held:
    """What waits of one local trace.

    Attributes:
        records: With the bytes that each holds, oldest first.
        size: The bytes of all.
        evicted: Records that made room for newer ones.
        failed: True when the trace has failed: from then on its records do not wait.
    """

    __slots__ = ("evicted", "failed", "records", "size")

    def __init__(self) -> None:
        self.records: deque[tuple[LogRecord, int]] = deque()
        self.size = 0
        self.evicted = 0
        self.failed = False


class Buffer:
    """Records of running traces, within bounds for each and for all.

    Args:
        trace_bytes: What one local trace may hold; its oldest records make room.
        trace_records: How many.
        total_bytes: What all may hold; the trace that began first loses all it has.

    Attributes:
        size: Bytes held now.
        released: Records that were written because their trace failed.
        evicted: Records that made room.
    """

    def __init__(self, trace_bytes: int, trace_records: int, total_bytes: int) -> None:
        self.trace_bytes = trace_bytes
        self.trace_records = trace_records
        self.total_bytes = total_bytes
        self.traces: dict[Key, _Held] = {}
        self.size = 0
        self.released = 0
        self.evicted = 0

    def hold(self, record: LogRecord) -> None:
        """Keep a record until it is known what becomes of its trace."""
        size = outlet.hold(record)
        held = self._of(_key(record))
        if held.failed:
            self.released += 1
            outlet.release([record])
            return
        held.records.append((record, size))
        held.size += size
        self.size += size
        while held.records and (held.size > self.trace_bytes or len(held.records) > self.trace_records):
            self._evict(held)
        while self.size > self.total_bytes and self.traces:
            self._drop_oldest()

    def waiting(self) -> int:
        """Return how many records wait."""
        return sum([len(held.records) for held in list(self.traces.values())])

    def trigger(self, record: LogRecord) -> LogRecord:
        """See a record that leaves: one of level ERROR brings along what its trace holds."""
        if record.severity >= levels.ERROR and record.id64:
            self.fail(_key(record))
        return record

    def ended(self, span: Span, trace: LocalTrace | None) -> None:
        """Learn that a span has ended; the end of a local root decides. Never raises."""
        if not self.traces:
            return
        try:
            if span.offset:
                if trace is not None and trace.root64 != span.id64:
                    return
                keys = [(span.trace_lo, span.id64), (span.trace_lo, _ANY_ROOT)]
            elif span.parent64 and not span.parent_remote:
                return
            else:  # not sampled: such spans do not know their root
                keys = [(span.trace_lo, _ANY_ROOT)]
            for key in keys:
                if key in self.traces:
                    if span.status_value == ERROR:
                        self.fail(key)
                    self._forget(key)
        except Exception as error:  # noqa: BLE001 - a bug of ours, in the user's request
            faults.report("log buffer", error)

    def fail(self, key: Key) -> None:
        """Write what a trace holds, oldest first, and let what follows pass."""
        for each in {key, (key[0], _ANY_ROOT)}:
            held = self._of(each) if each == key else self.traces.get(each)
            if held is None:
                continue
            held.failed = True
            records = []
            while held.records:
                records.append(self._take(held))
            if not records:
                continue
            if held.evicted:
                records[0].fields = {**(records[0].fields or {}), "evicted": held.evicted}
                held.evicted = 0
            self.released += len(records)
            outlet.release(records)

    def _of(self, key: Key) -> _Held:
        held = self.traces.get(key)
        if held is None:
            while len(self.traces) >= MAX_TRACES:
                self._drop_oldest()
            held = self.traces.setdefault(key, _Held())
        return held

    def _take(self, held: _Held) -> LogRecord:
        record, size = held.records.popleft()
        held.size -= size
        self.size -= size
        return record

    def _evict(self, held: _Held) -> None:
        try:
            self._take(held)
        except IndexError:  # another thread of the trace was faster
            return
        held.evicted += 1
        self.evicted += 1

    def _drop_oldest(self) -> None:
        try:
            key = next(iter(self.traces))
        except (StopIteration, RuntimeError):  # another thread changes them just now
            return
        held = self.traces.pop(key, None)
        while held is not None and held.records:
            self._evict(held)

    def _forget(self, key: Key) -> None:
        held = self.traces.pop(key, None)
        while held is not None and held.records:
            try:
                self._take(held)
            except IndexError:
                return


def _key(record: LogRecord) -> Key:
    """Return under what a record waits: its trace, and the local root, where the current span knows it."""
    state = current()
    if type(state) is Span and state.trace_lo == record.trace_lo and state.offset and not state.ended:
        trace = state.trace
        return (record.trace_lo, state.id64 if trace is None else trace.root64)
    return (record.trace_lo, _ANY_ROOT)


class Below(Emitter):
    """Stands for the outlets where a record is below the level.

    Args:
        share: Of the traces whose records are written.
        buffer: Where the others wait, None where they do not.
    """

    __slots__ = ("buffer", "threshold")

    def __init__(self, share: float, buffer: Buffer | None) -> None:
        super().__init__()
        self.threshold = round(share * 2**64)
        self.buffer = buffer

    def emit(self, record: Any) -> None:
        """Decide about a record. Never raises an `Exception` (but see ``OBSV_RAISE``)."""
        try:
            if not record.id64 or record.severity < levels.DEBUG:
                return
            if record.trace_lo < self.threshold:
                outlet.emit(record)
            elif self.buffer is not None:
                self.buffer.hold(record)
        except Exception as error:  # noqa: BLE001 - logging never fails the caller
            faults.report("log buffer", error)
