"""Where log records leave to: the sinks that write at once and the queues of those that write later.

The runtime installs both; loggers and the ``logging`` handler call :func:`emit`, which never raises and never recurses.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from time import monotonic

from ..hotpath import faults, loglines
from ..hotpath.loglines import Emitter
from ..hotpath.span import SUPPRESSED, Span, current, resolve
from ..hotpath.values import weigh
from . import levels

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ..hotpath.errors import ErrorInfo
    from ..hotpath.loglines import Guard
    from ..hotpath.queue import BoundedQueue
    from ..hotpath.records import LogRecord

    Write = Callable[[LogRecord], object]
    Stage = Callable[[LogRecord], LogRecord | None]


MAX_WAITING = loglines.MAX_WAITING
"""Records that a thread may make while it is writing one; they are written right after it."""

MAX_WHILE_SENDING = 100
"""Records a minute that are queued from threads that send telemetry. Each may cause another, with the next batch."""

_MAX_FRAMES = 64  # above a record that are searched for an exporter

_RECORD_BYTES = 400  # what a record holds in memory, without its texts and fields
_FIELD_BYTES = 64  # a dict entry
_ERROR_BYTES = 512  # an exception, without its frames
_FRAME_BYTES = 96

_SCALARS = frozenset({str, bool, int, float, type(None), bytes})

level = levels.OFF
"""The lowest severity that is logged by our own loggers (:data:`levels.OFF`: nothing is)."""

below: Emitter | None = None
"""Takes the records below that level, from DEBUG on, where somebody wants them (:mod:`obsv.logs.below`)."""

_watchers: list[Callable[[int], None]] = []

CONTEXT, PLACE, LIMIT, TRIGGER, LAST = range(5)
"""The stages that a record may go through before it leaves, in this order: fields of the context, place of the call,
limits of rates, what lets held records go; and what sees all that leaves, those included."""

_stages: dict[int, Stage] = {}
_first_stages: Stage | None = None  # those before LIMIT
_last_stages: Stage | None = None  # those after TRIGGER


# Changed by ``_lost[reason] += 1`` only: CPython switches threads at calls and backward jumps, so never within that.
_lost = {"logged while logging": 0, "logged while sending": 0, "error": 0}

_minute = 0.0  # when the present minute of records from sending threads began, by ``time.monotonic``
_in_minute = 0


def install(
    immediate: Iterable[Write] = (),
    queues: Iterable[BoundedQueue] = (),
    level: str = "INFO",
    guard: Guard | None = None,
) -> None:
    """Let records out, from ``level`` on for our own loggers.

    Args:
        immediate: Each is called with every record, in the thread that logs.
        queues: Records wait in them for another thread. Their field values are settled first, so that what the caller
            does with a list afterwards changes nothing, and no other thread runs a user's ``__str__``.
        level: The name of the lowest level that is logged.
        guard: Masks secrets in records that are written at once.
    """
    global _queues
    _out.guard = guard
    _out.immediate = tuple(immediate)
    _queues = tuple(queues)
    _out.queued = bool(_queues)
    forget_losses()
    _set_level(levels.severity(level) if open_to() else levels.OFF)


def remove() -> None:
    """Let nothing out any more."""
    global _queues
    set_below(None)
    _set_level(levels.OFF)
    _out.immediate = ()
    _out.guard = None
    _queues = ()
    _out.queued = False


def watch(callback: Callable[[int], None]) -> None:
    """Call ``callback`` with the lowest severity that is logged: now, and whenever it changes."""
    _watchers.append(callback)
    callback(level)


def stage(rank: int, step: Stage | None) -> None:
    """Put a step into the way of every record, or take it away.

    Args:
        rank: :data:`CONTEXT` and so on.
        step: Returns the record that is to leave, or None for none; what it raises is reported, and the record leaves
            as it was.
    """
    global _first_stages, _last_stages
    if step is None:
        _stages.pop(rank, None)
    else:
        _stages[rank] = step
    _out.through = _chain(range(LAST + 1))
    _first_stages = _chain(range(LIMIT))
    _last_stages = _chain(range(LAST, LAST + 1))


def has_stage(rank: int) -> bool:
    """Tell whether there is a step of this rank."""
    return rank in _stages


def _chain(ranks: range) -> Stage | None:
    steps = [_stages[rank] for rank in ranks if rank in _stages]
    if len(steps) <= 1:
        return steps[0] if steps else None

    def chain(record: LogRecord) -> LogRecord | None:
        for step in steps:
            passed = step(record)
            if passed is None:
                return None
            record = passed
        return record

    return chain


def set_below(emitter: Emitter | None) -> None:
    """Hand the records below the level to somebody; None takes that back."""
    global below
    if below is not emitter:
        below = emitter
        _set_level(level)


def hold(record: LogRecord) -> int:
    """Make a record ready to wait: with what the context says now, and values that nobody changes any more.

    Returns:
        The bytes that it holds, as an estimate.
    """
    if _first_stages is not None:
        _first_stages(record)
    return settle(record)


def release(records: Iterable[LogRecord]) -> None:
    """Let records out that were held: now, also from within the writing of another one. Never raises."""
    for record in records:
        passed = record if _last_stages is None else _last_stages(record)
        if passed is not None:
            _out.release(passed)


def forget_losses() -> None:
    """Count losses from zero again: in a new ``init()``, and in a forked child, where they are the parent's to tell."""
    for reason in _lost:
        _lost[reason] = 0


def forget_threads() -> None:
    """Forget in a forked child what waits in other threads, which do not exist there: the parent writes it."""
    for thread in list(_out.waiting):
        if thread != get_ident():
            _out.waiting.pop(thread, None)


def lost() -> dict[str, int]:
    """Return how many records went lost here, by reason; sinks and queues count their own."""
    return {reason: number for reason, number in _lost.items() if number}


def may_export() -> bool:
    """Tell whether a record may go to somebody who exports it, or comes from an exporter that has said enough."""
    state = current()
    return state is None or type(state) is Span or _may_queue(state)


def open_to() -> bool:
    """Tell whether records leave to anywhere."""
    return bool(_out.immediate or _queues)


class _Out(Emitter):
    """Our outlets."""

    __slots__ = ()

    def queue(self, record: LogRecord) -> None:
        """Hand a record to the sinks that write later."""
        state = current()
        if state is not None and type(state) is not Span and not _may_queue(state):
            return
        size = settle(record)
        for queue in _queues:
            queue.put(record, 1, size)

    def failed(self, error: Exception) -> None:
        """Count what a sink raised."""
        _lost["error"] += 1
        faults.report("writing a log line", error)

    def dropped(self) -> None:
        """Count a record that was made while others were being written."""
        _lost["logged while logging"] += 1


_queues: tuple[BoundedQueue, ...] = ()
_out = emitter = _Out()

emit = _out.emit
log = _out.log


def _may_queue(state: Any) -> bool:
    """Tell whether a record may wait for a sink, of a thread that is perhaps sending: then only so many a minute.

    What an exporter logs about a batch would be in the next batch, about which it logs: for ever, and ever more.
    """
    global _minute, _in_minute
    if state is not SUPPRESSED and not (resolve(state) is SUPPRESSED and _exporting()):
        return True
    now = monotonic()
    if now - _minute >= 60.0:
        _minute, _in_minute = now, 0
    _in_minute += 1
    if _in_minute <= MAX_WHILE_SENDING:
        return True
    _lost["logged while sending"] += 1
    return False


def _exporting() -> bool:
    """Tell whether this thread is inside of an exporter of OpenTelemetry's.

    Their context alone does not say so: programs suppress instrumentation around work of their own too.
    """
    frame: Any = sys._getframe(1)
    for _ in range(_MAX_FRAMES):
        if frame is None:
            return False
        if frame.f_code.co_name == "export":
            return True
        frame = frame.f_back
    return False


def settle(record: LogRecord) -> int:
    """Give a record values that nobody changes any more; returns the bytes that it holds, as an estimate."""
    if type(record.body) not in _SCALARS:
        record.body = _settle(record.body)
    if record.fields:
        record.fields = _settled(record.fields)
    return _weigh(record)


def _settled(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the same fields with values that nobody changes any more."""
    for value in fields.values():
        if type(value) not in _SCALARS:
            break
    else:
        return fields
    return {key: value if type(value) in _SCALARS else _settle(value) for key, value in fields.items()}


def _settle(value: object) -> Any:
    from .settled import settled

    return settled(value)


def _weigh(record: LogRecord) -> int:
    """Estimate the bytes that a record holds, for the queues' bound."""
    body = record.body
    size = _RECORD_BYTES + (len(body) if type(body) is str else weigh(body))
    if record.fields:
        for value in record.fields.values():
            size += _FIELD_BYTES + weigh(value)
    return size if record.error is None else size + _weigh_error(record.error)


def _weigh_error(error: ErrorInfo | None) -> int:
    size = 0
    while error is not None:
        size += _ERROR_BYTES + len(error.message) + len(error.written or "") + _FRAME_BYTES * len(error.frames)
        for member in error.members:
            size += _weigh_error(member)
        error = error.cause
    return size


def _set_level(severity: int) -> None:
    global level
    level = severity
    for callback in _watchers:
        callback(severity)
