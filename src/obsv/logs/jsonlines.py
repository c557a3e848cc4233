"""A log record as one line of JSON: what CloudWatch Logs, Fluent Bit and ``jq`` read.

The members, in this order, those in brackets only when there is something to say:

    timestamp    RFC 3339, UTC, milliseconds: "2026-11-22T21:32:00.123Z"
    level        "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", or a custom level's name
    logger       the logger's name
    message      the message; a structure, where OpenTelemetry's API was given one
    [service]    the resource's service.name
    [trace_id]   32 hex digits, with
    [span_id]    16 hex digits, inside a span
    [xray_trace_id]  the trace id as X-Ray writes it, where traces go there
    [location]   "path:line" of the call; the standard library's loggers know it, ours does not look for it
    [exception]  {"type", "message", "stack", "frames", ...}, see `obsv.logs.exceptions`
    ...          the fields of the call and of `bind`
    [truncated]  how many values were cut or left out because the line went over 256 KB

A field with the name of one of these gets an underscore at its end, always, so that a name means the same in every
line. Values that JSON lacks: NaN and infinities are ``null``, bytes base64, objects what `obsv.hotpath.objects` says,
or their text. Other keys, orders and forms: `obsv.logs.shapes`.
"""

from __future__ import annotations

from time import gmtime

from ..hotpath.errors import safe_text
from ..hotpath.jsontext import dumps, quote
from ..hotpath.loglines import Lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

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

_keys: dict[str, str] = {}
_names: dict[str, str] = {}


class JsonLines(Lines):
    """Writes records of one resource as lines.

    Example:
        >>> JsonLines({"service.name": "shop"}).line(record)
        '{"timestamp":"2026-11-22T21:32:00.123Z","level":"INFO","logger":"shop","message":"paid","service":"shop","order":7}'
    """

    __slots__ = ("shortenings", "stack")

    def __init__(self, resource: Mapping[str, Any]) -> None:
        service = resource.get("service.name")
        self.shortenings = 0
        self.stack = "both"
        super().__init__(_keys, _names, f',"service":{quote(safe_text(service))}' if service else "", MAX_BYTES)

    def name(self, name: object) -> str:
        """Return a name as JSON literal."""
        text = quote(name if type(name) is str else safe_text(name))
        if type(name) is str and len(_names) < _MAX_NAMES and len(text) < 256:
            _names[name] = text
        return text

    def field(self, key: object, fields: Mapping[Any, Any]) -> str:
        """Return what stands before a field's value, which is not under a name of the line's own."""
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

    def second(self, seconds: int) -> str:
        """Return the beginning of a line of that second of the Unix epoch."""
        try:
            moment = gmtime(seconds)
        except (OverflowError, ValueError, OSError):  # a year that the C library does not know
            moment = gmtime(0)
        year, month, day, hour, minute, second = moment[:6]
        return f'{{"timestamp":"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}.'

    def body(self, record: LogRecord) -> str:
        """Return a message that is no text as JSON."""
        body = record.body
        return dumps(body) if isinstance(body, (dict, list, tuple)) else quote(record.message)

    def details(self, record: LogRecord) -> str:
        """Return where it was, and what was raised."""
        code, error = record.code, record.error
        text = "" if code is None else f',"location":{quote(f"{code[0]}:{code[1]}")}'
        if error is None:
            return text
        from .exceptions import describe

        return f'{text},"exception":{describe(error, self.stack)}'

    def shortened(self, line: str) -> str:
        """Return a line that is too long in as many bytes as it may have."""
        from .shorten import shorten

        self.shortenings += 1
        return shorten(line, MAX_BYTES)
