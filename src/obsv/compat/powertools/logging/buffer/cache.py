"""Records that wait, by trace."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from obsv.hotpath.errors import safe_text

if TYPE_CHECKING:
    from logging import LogRecord

MAX_TRACES = 128
"""Traces whose records wait at the same time, in a process that serves many; the oldest goes."""

_RECORD = 200  # characters that a record holds beside its own texts
_SCALARS = frozenset((int, float, bool, type(None)))


class _Waiting:
    """The records of one trace, oldest first, and what they weigh."""

    __slots__ = ("evicted", "records", "size")

    def __init__(self) -> None:
        self.records: deque[tuple[LogRecord, int]] = deque()
        self.size = 0
        self.evicted = False


class LoggerBufferCache:
    """Keeps at most ``max_size_bytes`` of records a trace: the newest.

    The size of a record is estimated by the length of its texts, as Powertools does, without writing it out.
    """

    __slots__ = ("_traces", "max_size_bytes")

    def __init__(self, max_size_bytes: int) -> None:
        self.max_size_bytes = max_size_bytes
        self._traces: dict[str, _Waiting] = {}

    def add(self, key: str, record: LogRecord) -> None:
        """Keep a record.

        Raises:
            BufferError: It alone is larger than all that may be kept.
        """
        size = weigh(record)
        if size > self.max_size_bytes:
            raise BufferError(f"a record of about {size} bytes is larger than the buffer of {self.max_size_bytes}")
        waiting = self._traces.get(key)
        if waiting is None:
            while len(self._traces) >= MAX_TRACES:
                self._traces.pop(next(iter(self._traces), ""), None)
            waiting = self._traces.setdefault(key, _Waiting())
        while waiting.records and waiting.size + size > self.max_size_bytes:
            waiting.size -= waiting.records.popleft()[1]
            waiting.evicted = True
        waiting.records.append((record, size))
        waiting.size += size

    def take(self, key: str) -> tuple[list[LogRecord], bool]:
        """Return the records of a trace, and whether older ones had to go; none of them waits any more."""
        waiting = self._traces.pop(key, None)
        if waiting is None:
            return [], False
        return [record for record, _ in waiting.records], waiting.evicted

    def has(self, key: str) -> bool:
        """Tell whether anything waits of a trace."""
        return key in self._traces

    def clear(self, key: str | None = None) -> None:
        """Forget what waits of a trace, or everything."""
        if key is None:
            self._traces.clear()
        else:
            self._traces.pop(key, None)


def weigh(record: LogRecord) -> int:
    """Estimate what a record holds, in characters."""
    size = _RECORD + _length(record.msg) + len(record.pathname)
    args = record.args
    for value in args.values() if isinstance(args, dict) else args or ():
        size += _length(value)
    # What `extra=` added comes after what every record has.
    for key, value in list(record.__dict__.items())[len(_PLAIN) :]:
        size += len(key) + _length(value)
    return size


def _length(value: object) -> int:
    if type(value) is str:
        return len(value)
    return 8 if type(value) in _SCALARS else len(safe_text(value))


def _plain() -> tuple[str, ...]:
    from logging import LogRecord

    return tuple(LogRecord("", 0, "", 0, "", None, None).__dict__)


_PLAIN = _plain()
