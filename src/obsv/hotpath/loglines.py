"""The part of a log line's way that is the same for every line: its record, its text, and its way to stdout.

Compiled, a line grows in C memory and becomes bytes once; interpreted, it is put together from texts. What is rare
(names that are new, exceptions, lines that are too long, a full disk) is asked of a subclass.
"""

from __future__ import annotations

import sys
from _thread import RLock, get_ident

from . import faults
from .errors import ErrorInfo, safe_text
from .jsontext import dumps, quote
from .records import LogRecord
from .span import SUPPRESSED, Span, current, resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Protocol, TextIO

    class Pending(Protocol):
        """A record that somebody else (OpenTelemetry's processors) is to see before it leaves."""

        def process(self) -> LogRecord | None:
            """Show it to them, and return what is to leave."""


if 0:  # seen by the compiler only
    import cython
else:
    from . import shim as cython

if cython.compiled:
    from cython.cimports.cpython.bytes import PyBytes_AS_STRING, PyBytes_FromStringAndSize
    from cython.cimports.cpython.unicode import PyUnicode_DecodeUTF8
    from cython.cimports.libc.stdlib import free, realloc
    from cython.cimports.obsv.hotpath._native import (
        do,
        doing,
        json_plain,
        put_bytes,
        put_decimal,
        put_double,
        put_escaped,
        put_hex,
        small,
        time_ns,
        utf8_of,
        write_bytes,
    )
else:
    from os import write as write_to

    from ._native_py import do, doing, time_ns

# One a descriptor, because all writers share it, and because one that nobody reads must not block the other. Reentrant,
# because a signal handler may log while its thread is writing.
locks = {1: RLock(), 2: RLock()}

# The part of a line that a non-blocking or full descriptor did not take. It goes out before anything else, so that no
# line is torn. By the same number as the lock.
rest: dict[int, bytes] = {}

MAX_WAITING = 16
"""Records that a thread may make while it is writing one; they are written right after it."""

_LARGE = 1 << 64  # longer integers may have more digits than the interpreter is willing to write
_SPARE = 65_536  # bytes of a buffer that is kept for the next line
_SECOND = 1_000_000_000
_WRITING = cython.declare(cython.long, 1)  # what a thread does with records; nothing is 0
_OTHERS_WAIT = cython.declare(cython.long, 2)
_WRITING_OTHERS = cython.declare(cython.long, 3)
_MILLISECONDS = tuple([f'{number:03d}Z",' for number in range(1000)])


def new_record(severity: int, level: str, body: object, logger: str, fields: dict[str, Any] | None) -> LogRecord:
    """Return the record of something that is logged here and now, with the ids of the current span."""
    record = LogRecord(
        time_ns(),
        severity,
        level,
        body if type(body) is str else safe_text(body),
        logger,
        fields,
    )
    state = current()
    if state is not None:
        take_ids(record, state)
    return record


def take_ids(record: LogRecord, state: Any) -> None:
    """Give a record the ids of a state: a span, or the remote parent where a request came and no span was made."""
    if cython.compiled and type(state) is Span:
        span = cython.cast(Span, state)
        record.trace_hi = span.trace_hi
        record.trace_lo = span.trace_lo
        record.id64 = span.id64
        record.flags = span.flags
        return
    found = state if type(state) is Span else resolve(state)
    if found is not None and found is not SUPPRESSED:
        record.trace_hi = found.trace_hi
        record.trace_lo = found.trace_lo
        record.id64 = found.id64
        record.flags = found.flags


def exception_of(exc_info: object) -> BaseException | None:
    """Find the exception that an ``exc_info`` means, by the rules of ``logging``."""
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return exc_info[1] if len(exc_info) == 3 and isinstance(exc_info[1], BaseException) else None
    return sys.exception() if exc_info else None


class Guard:
    """Masks what must not leave in records. This one has another one made when there is something to mask.

    Attributes:
        make: Makes the one that does the work.
        modules: What is loaded for that.
        made: The one that was made.
    """

    __slots__ = ("made", "make", "modules")

    def __init__(self, make: Callable[[], Guard] | None = None, modules: tuple[str, ...] = ()) -> None:
        self.make = make
        self.modules = modules
        self.made: Guard | None = None

    def record(self, record: LogRecord) -> None:
        """Mask a log record in place.

        Raises:
            Exception: It cannot be looked through, and must not leave.
        """
        self._record(record)

    def _record(self, record: LogRecord) -> None:
        # Not what Python code calls: a class of ours that is derived from in Python is asked for an override each time.
        made: Guard = self.made or self.ready()
        made._record(record)

    def ready(self) -> Any:
        """Return the one that does the work."""
        if self.made is None and self.make is not None:
            self.made = self.make()
        return self.made


class Emitter:
    """Hands records to who writes them at once, and to who writes them later.

    Attributes:
        guard: Masks what is written at once; who writes later masks it then.
        immediate: Each is called with every record, in the thread that logs.
        queued: Whether `queue` is.
        through: Every record goes through this before it leaves, where it is not None: it returns what is to leave,
            or None.
    """

    __slots__ = ("guard", "immediate", "queued", "through", "waiting")

    def __init__(self) -> None:
        self.guard: Guard | None = None
        self.immediate: tuple[Callable[[LogRecord], object], ...] = ()
        self.queued = False
        self.through: Callable[[LogRecord], LogRecord | None] | None = None
        self.waiting: dict[int, list[LogRecord | Pending]] = {}  # by thread

    def queue(self, record: LogRecord) -> None:
        """Take a record for later."""
        raise NotImplementedError

    def failed(self, error: Exception) -> None:
        """Learn of an exception of somebody's in ``immediate``."""
        raise NotImplementedError

    def dropped(self) -> None:
        """Learn of a record that nobody gets."""
        raise NotImplementedError

    def log(
        self, severity: int, level: str, msg: object, logger: str, bound: dict[str, Any] | None, fields: dict[str, Any]
    ) -> None:
        """Let out what a logger was told here and now. Never raises an `Exception` (but see ``OBSV_RAISE``).

        Args:
            severity: OpenTelemetry's number.
            level: Its word.
            msg: The message, of any type.
            logger: Who logs.
            bound: The logger's own fields.
            fields: Those of the call, and perhaps ``exc_info``.
        """
        try:
            error = exception_of(fields.pop("exc_info")) if "exc_info" in fields else None
            record = new_record(severity, level, msg, logger, {**bound, **fields} if bound else fields)
            if error is not None:
                record.error = ErrorInfo.capture(error)
            self.emit(record)
        except Exception as failure:  # noqa: BLE001 - logging never fails the caller
            faults.report("logging", failure)

    def emit(self, record: LogRecord | Pending) -> None:
        """Hand a record to every outlet. Never raises an `Exception` (but see ``OBSV_RAISE``).

        A record made by this thread while it is writing another (a signal handler, a ``__del__``, a ``__str__`` or a
        stream that logs) waits for it; one made while those are being written is dropped and counted.
        """
        if doing():
            self._later(record)
        else:
            self._write(record, False)

    def release(self, record: LogRecord) -> None:
        """Hand a record to every outlet without going through ``through``, also from within the writing of another."""
        if doing():
            self.hand_on(record)
        else:
            self._write(record, True)

    def _write(self, record: LogRecord | Pending, held: bool) -> None:
        try:
            do(_WRITING)
            if held:
                self.hand_on(record)  # type: ignore[arg-type]
            else:
                self._deliver(record)
            if doing() != _WRITING:
                do(_WRITING_OTHERS)
                for late in self.waiting.pop(get_ident(), ()):
                    self._deliver(late)
        finally:
            alone = doing() == _WRITING
            do(0)
            if not alone:
                for _ in self.waiting.pop(get_ident(), ()):
                    self.dropped()
            if not cython.compiled:  # interpreted, a signal handler may run between any two of these lines
                for left in self.waiting.pop(get_ident(), ()):
                    self.emit(left)

    def _later(self, record: LogRecord | Pending) -> None:
        waiting = self.waiting.setdefault(get_ident(), [])
        if doing() == _WRITING_OTHERS or len(waiting) >= MAX_WAITING:
            self.dropped()
        else:
            do(_OTHERS_WAIT)
            waiting.append(record)

    def _deliver(self, item: LogRecord | Pending) -> None:
        record = item if type(item) is LogRecord else item.process()  # type: ignore[union-attr]
        if record is None:
            return
        if self.through is not None:
            try:
                record = self.through(record)
            except Exception as error:  # noqa: BLE001 - the record itself is whole
                self.failed(error)
            if record is None:
                return
        self.hand_on(record)

    def hand_on(self, record: LogRecord) -> None:
        """Give a record to everybody who is to have it."""
        if self.guard is not None and self.immediate:
            try:
                self.guard._record(record)
            except Exception as error:  # noqa: BLE001 - what cannot be looked through must not leave
                self.failed(error)
                return
        for write in self.immediate:
            try:
                write(record)
            except Exception as error:  # noqa: BLE001 - a sink of the user's may raise anything
                self.failed(error)
        if self.queued:
            self.queue(record)


def silent() -> Callable[..., None]:
    """Return a method that does nothing with a message and fields. Compiled, not even a dict is made of the fields."""

    def off(self: object, msg: object, /, **fields: object) -> None:
        return None

    return off


class Buffer:
    """C memory that a line grows in. Compiled only."""

    __slots__ = ("capacity", "data", "size")

    def __init__(self) -> None:
        self.size: Any = 0
        self.capacity: Any = 0

    def __dealloc__(self) -> None:
        if cython.compiled:
            free(self.data)

    def room(self, more: int) -> Any:
        """Return where to write, with room for so many bytes."""
        if cython.compiled:
            if self.size + more >= self.capacity:
                self.capacity = (self.size + more) * 2 + 1024
                moved = cython.cast(cython.p_uchar, realloc(self.data, self.capacity))
                if not moved:
                    raise MemoryError
                self.data: Any = moved
            return self.data + self.size
        return None

    def raw(self, text: str) -> None:
        """Append a text that is JSON already; half surrogate pairs, which UTF-8 cannot express, as JSON escapes."""
        if cython.compiled:
            length = cython.declare(cython.Py_ssize_t, 0)
            data = utf8_of(text, cython.address(length))
            if data == cython.NULL:
                encoded: bytes = text.encode("utf-8", "backslashreplace")
                length = len(encoded)
                self.size = put_bytes(self.room(length), PyBytes_AS_STRING(encoded), length) - self.data
            else:
                self.size = put_bytes(self.room(length), data, length) - self.data

    def literal(self, text: str) -> None:
        """Append a text as JSON literal."""
        if cython.compiled:
            length = cython.declare(cython.Py_ssize_t, 0)
            data = utf8_of(text, cython.address(length))
            if data == cython.NULL:
                self.raw(quote(text))
            else:
                plain = json_plain(data, length)
                at = self.room((length if plain else length * 6) + 2)
                at[0] = 34
                at = put_bytes(at + 1, data, length) if plain else put_escaped(at + 1, data, length)
                at[0] = 34
                self.size = at + 1 - self.data

    def value(self, value: Any) -> None:
        """Append any value."""
        if cython.compiled:
            number = cython.declare(cython.longlong, 0)
            if type(value) is str:
                self.literal(value)
            elif value is True:
                self.raw("true")
            elif value is False:
                self.raw("false")
            elif type(value) is int and small(value, cython.address(number)):
                self.size = put_decimal(self.room(24), number) - self.data
            elif type(value) is float and -1e300 < value < 1e300:
                self.size = put_double(self.room(40), value) - self.data
            else:
                self.raw(dumps(value))


class Lines:
    """Writes records as lines of JSON; what a line consists of is told in `obsv.logs.jsonlines`.

    Attributes:
        keys: Names of fields with what stands before their values: `field` adds to them.
        names: Loggers' and levels' names as JSON literals: `name` adds to them.
        constant: What every line has after its message.
        longest: Bytes of the longest line.
        xray: Whether the trace id is also written as X-Ray does.
    """

    __slots__ = ("_ids", "_second", "_second_text", "constant", "keys", "longest", "names", "spare", "xray")

    def __init__(self, keys: dict[str, str], names: dict[str, str], constant: str, longest: int) -> None:
        self.keys = keys
        self.names = names
        self.constant = constant
        self.longest = longest
        self.xray = False
        # What the last line had, and how it reads. Interpreted, tuples replaced as a whole: other threads see what
        # belongs together.
        self._second: Any = -1 if cython.compiled else (None, "")
        self._second_text = ""
        self.spare: Any = None
        self._ids: tuple[int, int, int, str] = (0, 0, 0, "")

    def name(self, name: object) -> str:
        """Return a name as JSON literal."""
        raise NotImplementedError

    def field(self, key: object, fields: Mapping[Any, Any]) -> str:
        """Return what stands before a field's value: comma, name and colon."""
        raise NotImplementedError

    def second(self, seconds: int) -> str:
        """Return the beginning of a line of that second of the Unix epoch."""
        raise NotImplementedError

    def body(self, record: LogRecord) -> str:
        """Return a message that is no text as JSON."""
        raise NotImplementedError

    def details(self, record: LogRecord) -> str:
        """Return what stands between the ids and the fields: where it was, and what was raised."""
        raise NotImplementedError

    def shortened(self, line: str) -> str:
        """Return a line that is too long in as many bytes as it may have."""
        raise NotImplementedError

    def line(self, record: LogRecord) -> str:
        """Return the line, without its line end, as text that UTF-8 can express."""
        if cython.compiled:
            out = self._written(record)
            text: str = PyUnicode_DecodeUTF8(cython.cast(cython.p_char, out.data), out.size, cython.NULL)
            if out.size > self.longest:
                return self.shortened(text)
            self._done(out)
            return text
        return self._text(record)

    def data(self, record: LogRecord) -> bytes:
        """Return the line with its line end, in UTF-8."""
        if cython.compiled:
            out = self._written(record)
            if out.size > self.longest:
                text: str = PyUnicode_DecodeUTF8(cython.cast(cython.p_char, out.data), out.size, cython.NULL)
                return self.shortened(text).encode() + b"\n"
            out.room(1)[0] = 10
            line: bytes = PyBytes_FromStringAndSize(cython.cast(cython.p_char, out.data), out.size + 1)
            self._done(out)
            return line
        return self._text(record).encode() + b"\n"

    def _done(self, out: Buffer) -> None:
        if cython.compiled and out.capacity <= _SPARE:
            self.spare = out

    def _written(self, record: LogRecord) -> Any:
        if cython.compiled:
            # Whoever else writes a line meanwhile (another thread, a `__str__` that logs) finds none and makes its own.
            out = self.spare
            self.spare = None
            if out is None:
                out = Buffer()
            out.size = 0
            moment = cython.declare(cython.longlong, 0)
            if type(record.time_ns) is int and small(record.time_ns, cython.address(moment)) and moment >= 0:
                seconds = moment // 1_000_000_000
                if seconds != self._second:
                    text: str = self.second(seconds)
                    self._second_text = text
                    self._second = seconds
                out.raw(self._second_text)
                thousandths = (moment - seconds * 1_000_000_000) // 1_000_000
                at = out.room(40)
                at[0] = 48 + thousandths // 100
                at[1] = 48 + thousandths // 10 % 10
                at[2] = 48 + thousandths % 10
                out.size = put_bytes(at + 3, b'Z","level":', 11) - out.data
            else:
                whole, rest = divmod(record.time_ns, _SECOND)
                out.raw(self.second(whole))
                out.raw(_MILLISECONDS[rest // 1_000_000])
                out.raw('"level":')
            level = record.level or record.level_name
            out.raw(self.names.get(level) or self.name(level))
            out.raw(',"logger":')
            out.raw(self.names.get(record.logger) or self.name(record.logger))
            out.raw(',"message":')
            if type(record.body) is str:
                out.literal(record.body)
            else:
                out.raw(self.body(record))
            out.raw(self.constant)
            if record.id64:
                at = out.room(100)
                at = put_bytes(at, b',"trace_id":"', 13)
                at = put_hex(at, record.trace_hi)
                at = put_hex(at, record.trace_lo)
                at = put_bytes(at, b'","span_id":"', 13)
                at = put_hex(at, record.id64)
                at[0] = 34
                out.size = at + 1 - out.data
                if self.xray:
                    self._xray(out, record)
            code = record.code
            if record.error is not None:
                out.raw(self.details(record))
            elif code is not None:
                out.raw(',"location":')
                line = cython.declare(cython.longlong, 0)
                if type(code[0]) is str and type(code[1]) is int and small(code[1], cython.address(line)):
                    out.literal(code[0])
                    at = out.room(24)
                    at[-1] = 58  # a colon for the quote
                    at = put_decimal(at, line)
                    at[0] = 34
                    out.size = at + 1 - out.data
                else:
                    where: str = f"{code[0]}:{code[1]}"
                    out.literal(where)
            fields = record.fields if record.event_name is None else record.all_fields
            if fields:
                self._fields(out, fields)
            out.room(2)[0] = 125
            out.size += 1
            return out
        return None

    def _xray(self, out: Buffer, record: LogRecord) -> None:
        if cython.compiled:
            at = out.room(64)
            at = put_bytes(at, b',"xray_trace_id":"1-', 20)
            at = put_hex(at, record.trace_hi)
            for _ in range(8):  # the dash goes behind the first eight digits
                at[0] = at[-1]
                at -= 1
            at[0] = 45
            at += 8
            at = put_hex(at + 1, record.trace_lo)
            at[0] = 34
            out.size = at + 1 - out.data

    def _fields(self, out: Buffer, fields: Any) -> None:
        if cython.compiled:
            if type(fields) is dict:
                told = cython.cast(dict, fields)
                for key, value in told.items():
                    out.raw(self.keys.get(key) or self.field(key, fields))
                    out.value(value)
            else:
                for key, value in fields.items():
                    out.raw(self.keys.get(key) or self.field(key, fields))
                    out.value(value)

    def _text(self, record: LogRecord) -> str:
        seconds, rest = divmod(record.time_ns, _SECOND)
        second = self._second
        if second[0] != seconds:
            second = self._second = (seconds, self.second(seconds))
        level, name, body = record.level or record.level_name, record.logger, record.body
        text = (
            f'{second[1]}{_MILLISECONDS[rest // 1_000_000]}"level":{self.names.get(level) or self.name(level)},'
            f'"logger":{self.names.get(name) or self.name(name)},"message":'
            f"{quote(body) if type(body) is str else self.body(record)}{self.constant}"
        )
        if record.id64:
            ids = self._ids
            if ids[0] != record.id64 or ids[1] != record.trace_lo or ids[2] != record.trace_hi:
                ids = self._ids = _ids_text(record, self.xray)
            text += ids[3]
        if record.code is not None or record.error is not None:
            text += self.details(record)
        fields = record.fields if record.event_name is None else record.all_fields
        if fields:
            keys = self.keys
            for key, value in fields.items():
                start = keys.get(key) or self.field(key, fields)
                kind = type(value)
                if kind is str:
                    text += start + quote(value)
                elif kind is int and -_LARGE < value < _LARGE:
                    text += f"{start}{value}"
                else:
                    text += start + dumps(value)
        text += "}"
        if not text.isascii():
            text = _expressible(text)
        if len(text) > self.longest // 4 and len(text.encode()) > self.longest:
            return self.shortened(text)
        return text


def _ids_text(record: LogRecord, xray: bool) -> tuple[int, int, int, str]:
    trace_id = f"{record.trace_hi:016x}{record.trace_lo:016x}"
    ids = f',"trace_id":"{trace_id}","span_id":"{record.id64:016x}"'
    if xray:
        ids += f',"xray_trace_id":"1-{trace_id[:8]}-{trace_id[8:]}"'
    return (record.id64, record.trace_lo, record.trace_hi, ids)


def _expressible(text: str) -> str:
    """Write half surrogate pairs, which UTF-8 cannot express, as JSON escapes: they can only be in string literals."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


class Direct:
    """Writes single lines to the descriptor of the stream that is standard output, or that ``stream`` returns.

    Attributes:
        stream: Returns the stream at the time of each write; None stands for ``sys.stdout``.
        patience: Seconds that one write waits, all in all, for a non-blocking descriptor that is full.
    """

    __slots__ = ("_fileno", "_known", "patience", "stream")

    def __init__(self, stream: Callable[[], TextIO | None] | None, patience: float) -> None:
        self.stream = stream
        self.patience = patience
        # The stream that was written to last, held weakly because programs replace it, and what asks the file below it
        # for its descriptor: a stream's own `fileno` goes through two more objects.
        self._known: Callable[[], TextIO | None] = _nothing
        self._fileno: Callable[[], int] = int

    def put(self, line: bytes) -> Any:
        """Write one line, with its line end and in UTF-8 already.

        Returns:
            None when it was taken whole, else what became of it.
        """
        try:
            stream = sys.stdout if self.stream is None else self.stream()
            if stream is not None:
                fd = self._fileno() if self._known() is stream else self.descriptor(stream)
                if 1 <= fd <= 2:
                    shared = fd if fd == 1 else self.shared(fd)
                    lock = locks[shared]
                    if cython.compiled:
                        # Between these two no signal handler runs that could raise.
                        lock.acquire()
                        try:
                            return self._put(fd, shared, line)
                        finally:
                            lock.release()
                    else:
                        with lock:
                            return self._put(fd, shared, line)
        except Exception as error:  # noqa: BLE001 - a stream is the user's object and may raise anything
            return self.failed(0, error)
        return self.around((line[:-1].decode(),))

    def _put(self, fd: int, shared: int, line: bytes) -> Any:
        if rest:
            return self.onward(fd, shared, (line,))
        if cython.compiled:
            taken = write_bytes(fd, line)
            if taken < 0:  # interrupted, full, closed: what it is shows when it is tried again
                return self.onward(fd, shared, (line,))
        else:
            try:
                taken = write_to(fd, line)
            except OSError:
                return self.onward(fd, shared, (line,))
        if taken == len(line):
            return None
        return self.onward(fd, shared, (), line[taken:])

    def knows(self, stream: Callable[[], TextIO | None], fileno: Callable[[], int]) -> None:
        """Remember a stream, given as weak reference, whose lines may go to the descriptor that ``fileno`` returns."""
        self._known = stream
        self._fileno = fileno

    def descriptor(self, stream: TextIO) -> int:
        """Return the number of the stream's file if lines may go to it directly, else -1."""
        raise NotImplementedError

    def shared(self, fd: int) -> int:
        """Return the descriptor whose lock is that of ``fd``."""
        raise NotImplementedError

    def onward(self, fd: int, shared: int, lines: tuple[bytes, ...], begun: bytes = b"") -> Any:
        """Write what could not be written at once."""
        raise NotImplementedError

    def around(self, lines: tuple[str, ...]) -> Any:
        """Write to a stream that is no file of Python's own."""
        raise NotImplementedError

    def failed(self, taken: int, error: Exception) -> Any:
        """Say what an exception means."""
        raise NotImplementedError


class LineSink:
    """Writes each record as a line, in the thread that logs.

    Attributes:
        patience: What the writer has, unless a line before has waited in vain.
        sent: Lines that were written.
    """

    __slots__ = ("_lines", "_writer", "patience", "sent")

    def __init__(self, lines: Lines, writer: Direct, patience: float) -> None:
        self._lines = lines
        self._writer = writer
        self.patience = patience
        self.sent = 0

    def write(self, record: LogRecord) -> None:
        """Write one record now. Never raises an `Exception` of the stream."""
        written = self._writer.put(self._lines.data(record))
        if written is None:
            self.sent += 1
            if not self._writer.patience:
                self._writer.patience = self.patience
        else:
            self.trouble(written)

    def trouble(self, written: Any) -> None:
        """Learn of a line that was not simply taken."""
        raise NotImplementedError


def _nothing() -> None:
    return None


def forget() -> None:
    """Begin anew in a forked child: whoever held a lock is not there, and a torn line is the parent's to finish."""
    for fd in locks:
        locks[fd] = RLock()
    rest.clear()
