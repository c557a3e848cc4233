"""The way of a record of the standard library's ``logging`` to our outlets, as far as it is the same for every record.

What is rare (records by two ways, exceptions, odd types) is asked of a subclass: `obsv.logs.handler`.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from _weakref import ref
from itertools import islice

from . import faults
from .errors import safe_text
from .loglines import Emitter, take_ids
from .records import LogRecord
from .span import SUPPRESSED, Span, current, resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from collections.abc import Callable
    from typing import Any

    from .around import Switch

if 0:  # seen by the compiler only
    import cython
else:
    from . import shim as cython

if cython.compiled:
    from cython.cimports.cpython.weakref import PyWeakref_NewRef
    from cython.cimports.obsv.hotpath._native import added, do_make, end_of, making
    from cython.cimports.obsv.hotpath.passing import argument, keywords, pass_on, positional, replacement
else:
    from ._native_py import do_make, making
    from .passing_plain import argument, keywords, pass_on, positional, replacement

_READ = (
    "levelno", "levelname", "msg", "name", "created", "args", "pathname", "lineno", "funcName", "exc_info", "exc_text",
    "stack_info", "thread",
)  # fmt: skip

_MANY = 256  # threads whose last record is remembered, dead ones included


class Intake:
    """Turns standard records into ours and lets them out.

    Attributes:
        kind: ``logging.LogRecord``.
        own: Where the attributes end that every such record has; what ``extra=`` adds comes after them.
        not_fields: Names of attributes that are no fields.
        severities: Our numbers of the standard levels.
        announced: By thread: what the next record stands for, and the ``msg`` by which it is known.
        other_ways: Code of loggers whose records are let out already and which hand them on to ``logging``.
    """

    __slots__ = ("_emitter", "_taken", "announced", "kind", "not_fields", "other_ways", "own", "severities")

    def __init__(
        self, emitter: Emitter, kind: type[logging.LogRecord], plain: dict[str, Any], not_fields: frozenset[str],
        severities: dict[int, int],
    ) -> None:  # fmt: skip
        self._emitter = emitter
        self.kind = kind
        self.own = end_of(plain) if cython.compiled else len(plain)
        self.not_fields = not_fields
        self.severities = severities
        self.announced: dict[int, tuple[Any, Any]] = {}
        self.other_ways: set[Any] = set()
        # By thread: the record that was let out last. Weakly, because a record may hold much.
        self._taken: dict[int, Callable[[], logging.LogRecord | None]] = {}

    def take(self, record: logging.LogRecord) -> bool:
        """Tell whether a standard record has still to be let out, and note that it has been.

        A record may come by two ways in a row: from ``logging`` to our handler, and by another handler to a logger
        whose records obsv gets anyway.
        """
        return self._take(record, get_ident())

    def _take(self, record: logging.LogRecord, thread: int) -> bool:
        before = self._taken.get(thread)
        if before is not None:
            if before() is record:
                return False
        elif len(self._taken) >= _MANY:
            self._taken = {other: last for other, last in self._taken.copy().items() if last() is not None}
        self._taken[thread] = PyWeakref_NewRef(record, None) if cython.compiled else ref(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Turn a record into ours and let it out. Never raises an `Exception` (but see ``OBSV_RAISE``)."""
        try:
            thread = get_ident()
            if not self._take(record, thread) or (self.other_ways and self.came_already(record)):
                return
            state = current()
            if type(state) is not Span and state is not None:
                state = resolve(state)
                if state is SUPPRESSED:
                    if self.ours(record):
                        return
                    state = None
            members = self._members(record)
            made = self._convert(record, members)
            if self.announced:
                announced = self.announced.get(thread)
                if announced is not None and announced[0] is members.get("msg"):
                    self.announced.pop(thread, None)
                    self.be(made, announced[1])
            if state is not None:
                take_ids(made, state)
            if members.get("thread") != thread:
                self.take_their_ids(record, made)
            self._emitter.emit(made)
        except Exception as error:  # noqa: BLE001 - logging never fails the caller
            faults.report("logging", error)

    def _members(self, record: logging.LogRecord) -> dict[str, Any]:
        """Return a record's attributes by name. A subclass may have properties instead."""
        if type(record) is self.kind:
            return record.__dict__
        return {**record.__dict__, **{name: getattr(record, name) for name in _READ if hasattr(record, name)}}

    def _convert(self, record: logging.LogRecord, members: dict[str, Any]) -> LogRecord:
        """Return obsv's record of a standard one, without the ids of a span. Survives whatever was logged.

        What ``makeLogRecord`` makes of somebody's dict, or of what came over a socket, may lack any attribute's usual
        type.
        """
        number, level, msg, name = members["levelno"], members["levelname"], members["msg"], members["name"]
        severity = self.severities.get(number) if type(number) is int else None
        exact = type(record) is self.kind
        made = LogRecord(
            int(members["created"] * 1e9),
            self.severity(number) if severity is None else severity,
            level if type(level) is str else safe_text(level),
            msg if type(msg) is str and exact and not members["args"] else self.message(record),
            name if type(name) is str else safe_text(name),
            self._fields(record, members),
        )
        path = members["pathname"]
        if type(path) is str and path:
            made.code = (path, members["lineno"], members["funcName"] or "")
        if members["exc_info"]:
            self.raised(record, made)
        return made

    def _fields(self, record: logging.LogRecord, members: dict[str, Any]) -> dict[str, Any] | None:
        # A subclass may set attributes of its own before the standard ones.
        skipped = self.own if type(record) is self.kind else 0
        names = self.not_fields
        if cython.compiled:
            fields: dict[str, Any] = added(record.__dict__, skipped, names)
        else:
            fields = {key: value for key, value in islice(record.__dict__.items(), skipped, None) if key not in names}
        stack, text = members["stack_info"], members["exc_text"]
        if stack:
            fields["stack_info"] = stack
        if text and not members["exc_info"]:  # QueueHandler and SocketHandler send the text only
            fields["exc_text"] = text
        return fields or None

    def came_already(self, record: logging.LogRecord) -> bool:
        """Tell whether a logger of `other_ways` has handed this record on."""
        raise NotImplementedError

    def ours(self, record: logging.LogRecord) -> bool:
        """Tell whether a record is about the sending of telemetry."""
        raise NotImplementedError

    def be(self, made: LogRecord, event: Any) -> None:
        """Make a record the one that was announced."""
        raise NotImplementedError

    def take_their_ids(self, record: logging.LogRecord, made: LogRecord) -> None:
        """Give a record of another thread the ids that it has brought."""
        raise NotImplementedError

    def severity(self, number: object) -> int:
        """Return the severity of a level that is not a standard one."""
        raise NotImplementedError

    def message(self, record: logging.LogRecord) -> str:
        """Return the message, with its arguments."""
        raise NotImplementedError

    def raised(self, record: logging.LogRecord, made: LogRecord) -> None:
        """Add the exception."""
        raise NotImplementedError


def handle(handler: Any, record: Any) -> bool:
    """Take a record that passes the handler's filters: ``logging.Handler.handle``, without a lock."""
    if handler.filters:
        passed = handler.filter(record)
        if not passed:
            return False
        if isinstance(passed, handler.intake.kind):  # a filter may return another record since Python 3.12
            record = passed
    intake = cython.declare(Intake, handler.intake)
    intake.emit(record)
    return True


class Correlating:
    """A record factory that adds the ids of the current span to what the factory before it makes.

    Attributes:
        previous: The factory before.
        service: What the records carry as ``otelServiceName``.
        active: False where it could not be taken back.
    """

    __slots__ = ("_hi", "_id", "_lo", "_span_text", "_trace_text", "active", "previous", "service")

    def __init__(self, previous: Callable[..., Any], service: str) -> None:
        self.previous = previous
        self.service = service
        self.active = True
        self._hi: Any = 0  # the ids of the last span, and how they read
        self._lo: Any = 0
        self._id: Any = 0
        self._trace_text = self._span_text = ""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        known = making()
        do_make(0)
        record = self.previous(*args, **kwargs)
        if not self.active or (not known and self.refused(sys._getframe(0 if cython.compiled else 1))):
            return record
        members = record.__dict__
        members["otelServiceName"] = self.service
        state = current()
        if state is not None:
            found = state if type(state) is Span else resolve(state)
            if found is not None and found is not SUPPRESSED and found.id64:
                self._ids(members, found)
                return record
        members["otelTraceID"] = "0"
        members["otelSpanID"] = "0"
        members["otelTraceSampled"] = False
        return record

    def _ids(self, members: dict[str, Any], found: Any) -> None:
        if cython.compiled and type(found) is Span:
            span = cython.cast(Span, found)
            if span.id64 != self._id or span.trace_lo != self._lo or span.trace_hi != self._hi:
                trace_text: str = f"{span.trace_hi:016x}{span.trace_lo:016x}"
                span_text: str = f"{span.id64:016x}"
                # No other thread runs between these.
                self._trace_text, self._span_text = trace_text, span_text
                self._hi, self._lo, self._id = span.trace_hi, span.trace_lo, span.id64
            members["otelTraceID"] = self._trace_text
            members["otelSpanID"] = self._span_text
            members["otelTraceSampled"] = bool(span.flags & 1)
            return
        members["otelTraceID"] = f"{found.trace_hi:016x}{found.trace_lo:016x}"
        members["otelSpanID"] = f"{found.id64:016x}"
        members["otelTraceSampled"] = bool(found.flags & 1)

    def refused(self, frame: Any) -> bool:
        """Tell whether who makes the record, in this frame, refuses the names that we would add."""
        raise NotImplementedError


def record_maker(
    function: Callable[..., Any], switch: Switch, names: frozenset[str], otherwise: Callable[..., Any]
) -> Callable[..., Any]:
    """Return a ``makeRecord`` that lets `Correlating` know that nothing stands in its way.

    Args:
        function: The method itself.
        switch: Whether this is in force.
        names: What `Correlating` adds.
        otherwise: Is called with the method, its arguments and its keyword arguments where ``extra`` has such a name.
    """

    return replacement(_make_record, function, (switch, tuple(names), otherwise))  # type: ignore[no-any-return]


def _make_record(made: Any, args: Any, count: Any, names: Any) -> Any:
    switch, ours, otherwise = made.told
    if not switch.active:
        return pass_on(made.function, args, count, names)
    extra = argument(args, count, names, 9, "extra")
    if extra is not None and not (type(extra) is dict and _has_none(extra, ours)):
        return otherwise(made.function, positional(args, count, 0), keywords(args, count, names))
    do_make(1)
    try:
        return pass_on(made.function, args, count, names)
    finally:
        do_make(0)


def _has_none(extra: dict[str, Any], names: tuple[str, ...]) -> bool:
    for name in names:  # noqa: SIM110 - a generator would cost more than all the rest
        if name in extra:
            return False
    return True
