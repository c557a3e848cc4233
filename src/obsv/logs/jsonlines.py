"""A log record as one line of JSON: what CloudWatch Logs, Fluent Bit and ``jq`` read.

The members, in this order, those in brackets only when there is something to say:

    timestamp    RFC 3339, UTC, milliseconds: "2026-11-22T21:32:00.123Z"
    level        "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", or a custom level's name
    logger       the logger's name
    message      the message; a structure, where OpenTelemetry's API was given one
    [service]    the resource's service.name
    [trace_id]   32 hex digits, with
    [span_id]    16 hex digits, inside a span
    [location]   "path:line" of the call; the standard library's loggers know it, ours does not look for it
    [exception]  {"type", "message", "stack"}: the stack as Python prints it, chain and notes included
    ...          the fields of the call and of `bind`
    [truncated]  how many values were cut or left out because the line went over 256 KB

A field with the name of one of these (or of ``xray_trace_id``, which is kept free) gets an underscore at its end,
always, so that a name means the same in every line. Values that JSON lacks: NaN and infinities are ``null``, bytes
base64, objects their text.
"""

from __future__ import annotations

from time import gmtime

from ..hotpath.errors import safe_text
from ..hotpath.jsontext import dumps, quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..hotpath.errors import ErrorInfo
    from ..hotpath.records import LogRecord

RESERVED = frozenset(
    {
        "timestamp",
        "level",
        "logger",
        "message",
        "service",
        "trace_id",
        "span_id",
        "xray_trace_id",
        "location",
        "exception",
        "truncated",
    }
)
"""Names that a field cannot have."""

MAX_BYTES = 262_144
"""The longest line, in bytes of UTF-8 and without its line end.

CloudWatch Logs takes events of 1 MiB since April 2025; agents and routers still cut or refuse what is over 256 KB.
"""

_MAX_NAMES = 4096  # JSON texts of field, logger and level names that are remembered; a program may make names up

_LARGE = 1 << 64  # longer integers may have more digits than the interpreter is willing to write

_MILLISECONDS = tuple([f'{number:03d}Z",' for number in range(1000)])

_keys: dict[str, str] = {}
_names: dict[str, str] = {}


class JsonLines:
    """Writes records of one resource as lines.

    Example:
        >>> JsonLines({"service.name": "shop"}).line(record)
        '{"timestamp":"2026-11-22T21:32:00.123Z","level":"INFO","logger":"shop","message":"paid","service":"shop","order":7}'
    """

    __slots__ = ("_second", "_service", "_span")

    def __init__(self, resource: Mapping[str, Any]) -> None:
        service = resource.get("service.name")
        self._service = f',"service":{quote(safe_text(service))}' if service else ""
        # What the last line had, and how it reads. Tuples replaced as a whole: other threads see what belongs together.
        self._second: tuple[int | None, str] = (None, "")
        self._span: tuple[int, int, int, str] = (0, 0, 0, "")

    def line(self, record: LogRecord) -> str:
        """Return the line, without its line end, as text that UTF-8 can express."""
        seconds, rest = divmod(record.time_ns, 1_000_000_000)
        second = self._second
        if second[0] != seconds:
            second = self._second = (seconds, _second_text(seconds))
        level, name, body = record.level or record.level_name, record.logger, record.body
        text = (
            f'{second[1]}{_MILLISECONDS[rest // 1_000_000]}"level":{_names.get(level) or _name(level)},'
            f'"logger":{_names.get(name) or _name(name)},"message":'
            f"{quote(body) if type(body) is str else _body(record)}{self._service}"
        )
        if record.id64:
            span = self._span
            if span[0] != record.id64 or span[1] != record.trace_lo or span[2] != record.trace_hi:
                span = self._span = _span_text(record)
            text += span[3]
        code = record.code
        if code is not None:
            text += f',"location":{quote(f"{code[0]}:{code[1]}")}'
        if record.error is not None:
            text += _exception(record.error)
        fields = record.fields if record.event_name is None else record.all_fields
        if fields:
            for key, value in fields.items():
                start = _keys.get(key) or _key(key, fields)
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
        if len(text) > MAX_BYTES // 4 and len(text.encode()) > MAX_BYTES:
            from .shorten import shorten

            return shorten(text, MAX_BYTES)
        return text


def _second_text(seconds: int) -> str:
    try:
        moment = gmtime(seconds)
    except (OverflowError, ValueError, OSError):  # a year that the C library does not know
        moment = gmtime(0)
    year, month, day, hour, minute, second = moment[:6]
    return f'{{"timestamp":"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}.'


def _span_text(record: LogRecord) -> tuple[int, int, int, str]:
    ids = f',"trace_id":"{record.trace_hi:016x}{record.trace_lo:016x}","span_id":"{record.id64:016x}"'
    return (record.id64, record.trace_lo, record.trace_hi, ids)


def _body(record: LogRecord) -> str:
    body = record.body
    return dumps(body) if isinstance(body, (dict, list, tuple)) else quote(record.message)


def _name(name: object) -> str:
    text = quote(name if type(name) is str else safe_text(name))
    if type(name) is str and len(_names) < _MAX_NAMES and len(text) < 256:
        _names[name] = text
    return text


def _key(key: object, fields: Mapping[Any, Any]) -> str:
    name = key if type(key) is str else safe_text(key)
    if name in RESERVED:
        name += "_"
        while name in fields:
            name += "_"
        return f",{quote(name)}:"
    text = f",{quote(name)}:"
    if type(key) is str and len(_keys) < _MAX_NAMES and len(text) < 256:
        _keys[key] = text
    return text


def _exception(error: ErrorInfo) -> str:
    try:
        stack = error.text()
    except Exception:  # noqa: BLE001 - reads source files through linecache, which runs loaders of anybody
        stack = "".join([f'  File "{path}", line {line}, in {function}\n' for path, line, function in error.stack()])
    return f',"exception":{{"type":{quote(error.type)},"message":{quote(error.message)},"stack":{quote(stack)}}}'


def _expressible(text: str) -> str:
    """Write half surrogate pairs, which UTF-8 cannot express, as JSON escapes: they can only be in string literals."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text
