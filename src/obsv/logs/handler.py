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
from _thread import get_ident

from ..hotpath.errors import ErrorInfo, safe_text, unreadable
from ..hotpath.stdlines import Intake, handle
from . import levels, outlet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..hotpath.records import LogRecord

_PLAIN = logging.LogRecord("", 0, "", 0, "", None, None).__dict__
"""What every record has. It comes first in its ``__dict__``, what ``extra=`` adds after it."""

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


_STANDARD = (10, 20, 30, 40, 50)

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
    if event is None:
        _intake.announced.pop(get_ident(), None)
    else:
        _intake.announced[get_ident()] = (msg, event)


def _says_the_same(record: logging.LogRecord, theirs: Any) -> bool:
    """Tell whether a standard record is theirs handed on, not one that their sink caused (by sending it somewhere)."""
    message = theirs.get("message") if isinstance(theirs, dict) else None
    return isinstance(message, str) and message in _message(record)


class _Intake(Intake):
    """What is rare with standard records."""

    __slots__ = ()

    def came_already(self, record: logging.LogRecord) -> bool:
        """Tell whether a logger of `other_ways` has handed this record on."""
        frame: Any = sys._getframe(1)
        for _ in range(_NEAR):
            if frame is None:
                break
            if frame.f_code in other_ways:
                return _says_the_same(record, frame.f_locals.get("record"))
            frame = frame.f_back
        return False

    def ours(self, record: logging.LogRecord) -> bool:
        """Tell whether a record is about the sending of telemetry."""
        return record.name.partition(".")[0] in _OURS

    def be(self, made: LogRecord, event: Event) -> None:
        """Make a record the one that was announced."""
        made.body = event.body
        made.fields = event.fields
        made.error = event.error or made.error
        made.code = event.code or made.code

    def take_their_ids(self, record: logging.LogRecord, made: LogRecord) -> None:
        """Use the ids of the thread that logged, where the record came through a ``QueueListener``."""
        members = record.__dict__
        try:
            trace_id, span_id = int(members["otelTraceID"], 16), int(members["otelSpanID"], 16)
        except (KeyError, TypeError, ValueError):  # not there, or somebody else's attributes by these names
            return
        made.id64 = span_id
        made.flags = 1 if members.get("otelTraceSampled") else 0
        made.trace_hi = trace_id >> 64
        made.trace_lo = trace_id & 0xFFFFFFFFFFFFFFFF

    def severity(self, number: object) -> int:
        """Return the severity of a level that is not a standard one."""
        return levels.from_stdlib(number) if isinstance(number, int) else levels.INFO

    def message(self, record: logging.LogRecord) -> str:
        """Return the message, with its arguments."""
        return _message(record)

    def raised(self, record: logging.LogRecord, made: LogRecord) -> None:
        """Add the exception."""
        exc_info = record.exc_info
        error = exc_info[1] if isinstance(exc_info, tuple) else sys.exception()
        if error is not None:
            made.error = ErrorInfo.capture(error)


_intake = _Intake(
    outlet.emitter, logging.LogRecord, _PLAIN, _NOT_FIELDS, {number: levels.from_stdlib(number) for number in _STANDARD}
)

other_ways = _intake.other_ways
"""Code of loggers whose records are let out already and which hand them on to ``logging`` (loguru's handlers)."""

take = _intake.take


class ObsvHandler(logging.Handler):
    """Hands the records of ``logging`` to obsv's outlets. Needs no lock, never raises, and ignores formatters."""

    intake = _intake

    handle = handle

    def emit(self, record: logging.LogRecord) -> None:
        """Turn a record into ours and let it out."""
        _intake.emit(record)


def _message(record: logging.LogRecord) -> str:
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
        return unreadable(value)


class _Installation:
    """What :func:`install` changed."""

    def __init__(self, handler: ObsvHandler) -> None:
        self.handler = handler
        self.aside: list[logging.Handler] = []
        self.root_level: tuple[int, int] | None = None  # before, and what we set
        self.lowered = False


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
        if _installation.lowered:
            from . import lowering

            lowering.restore()
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
    if outlet.below is not None:
        from . import lowering

        made.lowered = True
        lowering.lower(made.handler, _intake_of(outlet.below))
    return made.handler


def _intake_of(emitter: Any) -> _Intake:
    """Return an intake for records below the level."""
    made = _Intake(emitter, logging.LogRecord, _PLAIN, _NOT_FIELDS, _intake.severities)
    made.announced, made.other_ways = _intake.announced, _intake.other_ways
    return made


def uninstall() -> None:
    """Take our handler off and bring back what was there, unless the program has configured ``logging`` anew."""
    global _installation
    made = _installation
    _installation = None
    if made is None:
        return
    if made.lowered:
        from . import lowering

        lowering.restore()
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
