"""The standard library's loggers, by way of one handler on the root logger.

What the program and its libraries log leaves through the same outlets as obsv's own loggers, with the ids of the
current span. The handler comes when ``logging`` is imported and obsv is on, and goes with ``obsv.shutdown()``.

It minds the program's own configuration:

- A root logger without handlers was not configured: where its level is still the default, WARNING, it becomes
  ``log_level``, because otherwise nobody would see INFO. A level that the program has set stays.
- Plain ``StreamHandler`` objects of the root logger that write to stdout or stderr are set aside while ours is there,
  so that no line comes twice, and come back with ``obsv.shutdown()``. Subclasses, files and handlers of other loggers
  stay.
- A later ``logging.basicConfig()`` works as without obsv (the patch takes our handler away meanwhile): files and levels
  are the program's, and what it adds for stdout or stderr is set aside.
- ``dictConfig`` with a root section removes our handler: then the program's configuration counts, records reach its
  handlers only, and carry the trace ids all the same (see `obsv.logs.correlation`).
"""

from __future__ import annotations

import logging
import sys
from _thread import _local, get_ident
from _weakref import ref
from itertools import islice

from ..hotpath import faults
from ..hotpath.errors import ErrorInfo, safe_text
from ..hotpath.records import LogRecord
from ..hotpath.span import SUPPRESSED, Span, current, resolve
from . import levels, outlet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import Any

_PLAIN = logging.LogRecord("", 0, "", 0, "", None, None).__dict__

_OWN = len(_PLAIN)
"""How many attributes every record has. They come first in its ``__dict__``, what ``extra=`` adds after them."""

_NOT_FIELDS = frozenset(_PLAIN) | {
    "message",  # added by Formatter.format
    "asctime",
    "taskName",
    "otelTraceID",  # added for formatters, see correlation.py
    "otelSpanID",
    "otelTraceSampled",
    "otelServiceName",
    "color_message",  # uvicorn's second copy of the message, with terminal colours
}

_OURS = frozenset({"obsv", "urllib3"})
"""Top-level loggers whose records are dropped in threads of ours: sending them would make new ones."""


class _Here(_local):
    """What this thread's ``logging`` is about.

    Attributes:
        taken: The standard record that was let out last, by us or by a bridge (OpenTelemetry's handler, loguru).
        announced: What the next record stands for, and the ``msg`` by which it is known.
    """

    taken: Callable[[], logging.LogRecord | None] = staticmethod(lambda: None)  # weak: a record may hold much
    announced: tuple[Any, Event] | None = None


_here = _Here()

other_ways: set[CodeType] = set()
"""Code of loggers whose records are let out already and which hand them on to ``logging`` (loguru's handlers)."""

_NEAR = 12
"""Frames above a handler that are searched for such code."""


class Event:
    """A structured event, before it was rendered for ``logging``.

    Attributes:
        body: The message.
        fields: The rest of it.
        error: The exception, or None.
        code: ``(path, line, function)`` of the call, or None.
    """

    __slots__ = ("body", "code", "error", "fields")

    def __init__(
        self, body: str, fields: dict[str, Any] | None, error: ErrorInfo | None, code: tuple[str, int, str] | None
    ) -> None:
        self.body = body
        self.fields = fields
        self.error = error
        self.code = code


def announce(msg: Any, event: Event | None) -> None:
    """Say what the record with this very ``msg`` is, which this thread is about to log. None takes it back."""
    _here.announced = None if event is None else (msg, event)


def take(record: logging.LogRecord) -> bool:
    """Tell whether a standard record has still to be let out, and note that it has been.

    A record may come by two ways in a row: from ``logging`` to our handler, and by another handler to a logger whose
    records obsv gets anyway.
    """
    if _here.taken() is record:
        return False
    _here.taken = ref(record)
    return True


def _came_already(record: logging.LogRecord) -> bool:
    if not take(record):
        return True
    if other_ways:
        frame = sys._getframe(2)
        for _ in range(_NEAR):
            if frame.f_code in other_ways:
                return _says_the_same(record, frame.f_locals.get("record"))
            if frame.f_back is None:
                break
            frame = frame.f_back
    return False


def _says_the_same(record: logging.LogRecord, theirs: Any) -> bool:
    """Tell whether a standard record is theirs handed on, not one that their sink caused (by sending it somewhere)."""
    message = theirs.get("message") if isinstance(theirs, dict) else None
    return isinstance(message, str) and message in _message(record)


class ObsvHandler(logging.Handler):
    """Hands the records of ``logging`` to obsv's outlets. Needs no lock, never raises, and ignores formatters."""

    def handle(self, record: logging.LogRecord) -> bool:
        """Take a record that passes the handler's filters."""
        if self.filters:
            passed = self.filter(record)
            if not passed:
                return False
            if isinstance(passed, logging.LogRecord):  # a filter may return another record since Python 3.12
                record = passed
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Turn a record into ours and let it out."""
        try:
            if _came_already(record):
                return
            state = current()
            if type(state) is not Span and state is not None:
                state = resolve(state)
                if state is SUPPRESSED:
                    if record.name.partition(".")[0] in _OURS:
                        return
                    state = None
            ours = convert(record)
            announced = _here.announced
            if announced is not None and announced[0] is record.msg:
                _here.announced = None
                _be(ours, announced[1])
            if state is not None:
                ours.trace_hi = state.trace_hi
                ours.trace_lo = state.trace_lo
                ours.id64 = state.id64
                ours.flags = state.flags
            if record.thread != get_ident():
                _take_ids(record, ours)
            outlet.emit(ours)
        except Exception as error:  # noqa: BLE001 - logging never fails the caller
            faults.report("logging", error)


def convert(record: logging.LogRecord) -> LogRecord:
    """Return obsv's record of a standard one, without the ids of a span. Survives whatever was logged.

    What ``makeLogRecord`` makes of somebody's dict, or of what came over a socket, may lack any attribute's usual type.
    """
    ours = LogRecord(
        int(record.created * 1e9),
        levels.from_stdlib(record.levelno) if isinstance(record.levelno, int) else levels.INFO,
        record.levelname if type(record.levelname) is str else safe_text(record.levelname),
        _message(record),
        record.name if type(record.name) is str else safe_text(record.name),
        _fields(record),
    )
    if type(record.pathname) is str and record.pathname:
        ours.code = (record.pathname, record.lineno, record.funcName or "")
    exc_info = record.exc_info
    if exc_info:
        error = exc_info[1] if isinstance(exc_info, tuple) else sys.exception()
        if error is not None:
            ours.error = ErrorInfo.capture(error)
    return ours


def _be(ours: LogRecord, event: Event) -> None:
    ours.body = event.body
    ours.fields = event.fields
    ours.error = event.error or ours.error
    ours.code = event.code or ours.code


def _message(record: logging.LogRecord) -> str:
    if type(record) is logging.LogRecord and not record.args and type(record.msg) is str:
        return record.msg
    try:
        message = record.getMessage()
        return message if type(message) is str else safe_text(message)
    except Exception:  # noqa: BLE001 - %-args that do not fit, or a __str__ that raises: say what there is
        args = record.args
        shown = ", ".join([_shown(arg) for arg in args]) if type(args) is tuple else _shown(args)
        return f"{safe_text(record.msg)} ({shown})"


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - as above
        return f"<{type(value).__name__}: its text cannot be read>"


def _fields(record: logging.LogRecord) -> dict[str, Any] | None:
    members = record.__dict__
    # A subclass may set attributes of its own before the standard ones.
    added = members.items() if type(record) is not logging.LogRecord else islice(members.items(), _OWN, None)
    fields = {key: value for key, value in added if key not in _NOT_FIELDS}
    if record.stack_info:
        fields["stack_info"] = record.stack_info
    if record.exc_text and not record.exc_info:  # QueueHandler and SocketHandler send the text only
        fields["exc_text"] = record.exc_text
    return fields or None


def _take_ids(record: logging.LogRecord, ours: LogRecord) -> None:
    """Use the ids of the thread that logged, where the record came through a ``QueueListener``."""
    members = record.__dict__
    try:
        trace_id, span_id = int(members["otelTraceID"], 16), int(members["otelSpanID"], 16)
    except (KeyError, TypeError, ValueError):  # not there, or somebody else's attributes by these names
        return
    ours.id64 = span_id
    ours.flags = 1 if members.get("otelTraceSampled") else 0
    ours.trace_hi = trace_id >> 64
    ours.trace_lo = trace_id & 0xFFFFFFFFFFFFFFFF


class _Installation:
    """What :func:`install` changed."""

    def __init__(self, handler: ObsvHandler) -> None:
        self.handler = handler
        self.aside: list[logging.Handler] = []
        self.root_level: tuple[int, int] | None = None  # before, and what we set


_installation: _Installation | None = None


def install(level: str = "INFO", *, replaces_streams: bool = True) -> ObsvHandler:
    """Add our handler to the root logger, or return the one that is there.

    Args:
        level: The root logger's level, where the program has not configured ``logging``.
        replaces_streams: Whether our lines appear on stdout or stderr, so that the program's own would double them.
    """
    global _installation
    root = logging.getLogger()
    if _installation is not None:
        if _installation.handler in root.handlers:
            return _installation.handler
        _installation = None  # somebody configured logging anew: what we had set aside is theirs no more
    made = _Installation(ObsvHandler())
    if not root.handlers and root.level == logging.WARNING:
        made.root_level = (root.level, levels.to_stdlib(levels.severity(level)))
        root.setLevel(made.root_level[1])
    if replaces_streams:
        made.aside = [handler for handler in root.handlers if _writes_to_terminal(handler)]
    if made.aside:
        # A handler's own level is part of the configuration that we stand in for.
        made.handler.setLevel(min([handler.level for handler in made.aside]))
    root.addHandler(made.handler)
    for handler in made.aside:
        root.removeHandler(handler)
    _installation = made
    return made.handler


def uninstall() -> None:
    """Take our handler off and bring back what was there, unless the program has configured ``logging`` anew."""
    global _installation
    made = _installation
    _installation = None
    if made is None:
        return
    root = logging.getLogger()
    if made.handler in root.handlers:
        for handler in made.aside:
            root.addHandler(handler)
        root.removeHandler(made.handler)
        if made.root_level is not None and root.level == made.root_level[1]:
            root.setLevel(made.root_level[0])
    made.handler.close()


def _writes_to_terminal(handler: logging.Handler) -> bool:
    if type(handler) is not logging.StreamHandler:
        return False
    stream = handler.stream
    return stream is not None and any(
        stream is standard for standard in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    )
