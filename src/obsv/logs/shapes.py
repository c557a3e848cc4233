"""Log lines in other forms than obsv's own: other keys, another order, the forms of others. Loaded when one is chosen.

=============  =============================================================================================
``cloudwatch``  the members of `obsv.logs.jsonlines`, here with other keys or in another order
``powertools``  what ``Logger`` of Powertools for AWS Lambda (Python) writes
``ecs``         Elastic Common Schema with dotted keys, as the ECS logging libraries write it (ECS logging
                specification): ``@timestamp``, ``log.level``, ``message``, ``ecs.version`` first
``otel``        OpenTelemetry's log data model, field by field, with the whole resource (OpenTelemetry, "Logs Data
                Model")
=============  =============================================================================================

A line is put together from members; each returns its text with a comma in front, or nothing.
"""

from __future__ import annotations

from time import gmtime

from ..hotpath.errors import safe_text
from ..hotpath.jsontext import dumps, quote
from . import ecs
from .exceptions import MAX_FRAMES, describe, source_line, stack_text
from .jsonlines import JsonLines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ..hotpath.records import LogRecord
    from ..settings import Settings

    Member = Callable[[LogRecord], str]

_ORDERS = {
    "cloudwatch": (
        "timestamp", "level", "logger", "message", "service", "trace_id", "span_id", "xray_trace_id", "location",
        "exception", "fields",
    ),
    "powertools": (
        "level", "location", "message", "timestamp", "service", "fields", "exception", "xray_trace_id",
    ),
    "ecs": (
        "timestamp", "level", "message", "ecs", "service", "version", "environment", "logger", "trace_id", "span_id",
        "location", "function", "exception", "fields",
    ),
    "otel": (
        "timestamp", "trace_id", "span_id", "trace_flags", "level", "severity_number", "message", "event", "resource",
        "logger", "fields",
    ),
}  # fmt: skip

_KEYS: dict[str, dict[str, str]] = {
    "cloudwatch": {"fields": ""},
    "powertools": {"fields": ""},
    "ecs": {
        "timestamp": "@timestamp", "level": "log.level", "severity_number": "log.syslog.severity.code",
        "ecs": "ecs.version", "service": "service.name", "version": "service.version",
        "environment": "service.environment", "logger": "log.logger", "trace_id": "trace.id", "span_id": "span.id",
        "location": "log.origin.file", "function": "log.origin.function", "exception": "error", "fields": "labels",
    },
    "otel": {
        "timestamp": "Timestamp", "trace_id": "TraceId", "span_id": "SpanId", "trace_flags": "TraceFlags",
        "level": "SeverityText", "severity_number": "SeverityNumber", "message": "Body", "event": "EventName",
        "resource": "Resource", "logger": "InstrumentationScope", "fields": "Attributes",
    },
}  # fmt: skip


class ShapedLines(JsonLines):
    """Writes records of one resource as lines of a chosen form.

    Args:
        resource: The attributes of the process.
        settings: ``log_format``, ``log_keys``, ``log_order``, ``log_stack``.
    """

    __slots__ = ("_format", "_members", "_resource", "_taken")

    def __init__(self, resource: Mapping[str, Any], settings: Settings) -> None:
        super().__init__(resource)
        self.stack = settings.log_stack
        self._format = settings.log_format
        self._resource = resource
        self.keys = {}  # not those of the other lines: other names are taken here
        keys = _keys(settings)
        self._taken = frozenset(key for key in keys.values() if key) | {"truncated"}
        if self._format == "powertools":
            self._taken |= {"stack_trace", "exception_name", "exception_notes"}
        self._members: list[Member] = [self._member(name, key) for name, key in keys.items()]

    def line(self, record: LogRecord) -> str:
        """Return the line, without its line end, as text that UTF-8 can express."""
        text = "{" + "".join([member(record) for member in self._members])[1:] + "}"
        if not text.isascii():
            text = text.encode("utf-8", "backslashreplace").decode()
        if len(text) > self.longest // 4 and len(text.encode()) > self.longest:
            return self.shortened(text)
        return text

    def data(self, record: LogRecord) -> bytes:
        """Return the line with its line end, in UTF-8."""
        return self.line(record).encode() + b"\n"

    # ------------------------------------------------------------------ members

    def _member(self, name: str, key: str) -> Member:
        start = f",{quote(key)}:"
        constant = {
            "service": "service.name",
            "version": "service.version",
            "environment": "deployment.environment.name",
        }.get(name)
        if constant is not None:
            return self._constant(start, self._resource.get(constant))
        if name == "ecs":
            return self._constant(start, ecs.VERSION)
        if name == "resource":
            return self._constant(start, dict(self._resource))
        if name == "fields":
            return self._fields_member(key)
        if name == "exception" and self._format == "ecs":
            return lambda record: ecs.error(key, record)
        if name == "location" and self._format == "ecs":
            return lambda record: ecs.origin(key, record)
        made: Callable[[LogRecord], str] = getattr(self, f"_{name}")

        def member(record: LogRecord) -> str:
            text = made(record)
            return start + text if text else ""

        if name == "exception" and self._format == "powertools":
            return lambda record: self._powertools_error(start, record)
        return member

    def _constant(self, start: str, value: Any) -> Member:
        text = start + dumps(value) if value else ""
        return lambda record: text

    def _timestamp(self, record: LogRecord) -> str:
        if self._format == "otel":
            return f'"{int(record.time_ns)}"'
        seconds, rest = divmod(record.time_ns, 1_000_000_000)
        try:
            moment = gmtime(seconds)
        except (OverflowError, ValueError, OSError):  # a year that the C library does not know
            moment = gmtime(0)
        year, month, day, hour, minute, second = moment[:6]
        date, time = f"{year:04d}-{month:02d}-{day:02d}", f"{hour:02d}:{minute:02d}:{second:02d}"
        if self._format == "powertools":
            return f'"{date} {time},{rest // 1_000_000:03d}+0000"'
        return f'"{date}T{time}.{rest // 1_000_000:03d}Z"'

    def _level(self, record: LogRecord) -> str:
        level = record.level or record.level_name
        return quote(safe_text(level).lower()) if self._format == "ecs" else quote(safe_text(level))

    def _severity_number(self, record: LogRecord) -> str:
        return str(int(record.severity))

    def _logger(self, record: LogRecord) -> str:
        name = quote(safe_text(record.logger))
        return f'{{"name":{name}}}' if self._format == "otel" else name

    def _message(self, record: LogRecord) -> str:
        if self._format == "ecs":
            return quote(record.message)
        if self._format == "otel":
            return "" if record.body is None else dumps(record.body)
        return self.body(record)

    def _event(self, record: LogRecord) -> str:
        return quote(safe_text(record.event_name)) if record.event_name else ""

    def _trace_id(self, record: LogRecord) -> str:
        return f'"{record.trace_hi:016x}{record.trace_lo:016x}"' if record.id64 else ""

    def _span_id(self, record: LogRecord) -> str:
        return f'"{record.id64:016x}"' if record.id64 else ""

    def _trace_flags(self, record: LogRecord) -> str:
        return str(int(record.flags) & 0xFF) if record.id64 else ""

    def _xray_trace_id(self, record: LogRecord) -> str:
        if not record.id64:
            return ""
        trace_id = f"{record.trace_hi:016x}{record.trace_lo:016x}"
        return f'"1-{trace_id[:8]}-{trace_id[8:]}"'

    def _location(self, record: LogRecord) -> str:
        code = record.code
        if code is None:
            return ""
        path, line, function = code
        where = function or path if self._format == "powertools" else path
        return quote(f"{where}:{line}")

    def _function(self, record: LogRecord) -> str:
        return quote(safe_text(record.code[2])) if record.code is not None and record.code[2] else ""

    def _exception(self, record: LogRecord) -> str:
        return "" if record.error is None else describe(record.error, self.stack)

    def _exception_name(self, record: LogRecord) -> str:
        return "" if record.error is None else quote(record.error.type.rpartition(".")[2])

    def _powertools_error(self, start: str, record: LogRecord) -> str:
        """``exception`` is the traceback's text, ``stack_trace`` its frames."""
        error = record.error
        if error is None:
            return ""
        text = ""
        if self.stack != "frames":
            text = start + quote(stack_text(error).removesuffix("\n"))
        text += f',"exception_name":{self._exception_name(record)}'
        if error.notes:
            text += f',"exception_notes":{dumps(error.notes)}'
        if self.stack != "text":
            module, _, name = error.type.rpartition(".")
            frames = [
                {"file": path, "line": line, "function": function, "statement": source_line(path, line)}
                for path, line, function in error.stack()[-MAX_FRAMES:]
            ]
            told = {"type": name, "value": error.message, "module": module or "builtins", "frames": frames}
            text += f',"stack_trace":{dumps(told)}'
        return text

    # ------------------------------------------------------------------ fields

    def _fields_member(self, key: str) -> Member:
        if self._format == "ecs":
            return lambda record: ecs.fields(key, record, self._taken)
        if not key:
            return self._top_level
        start = f",{quote(key)}:{{"

        def nested(record: LogRecord) -> str:
            fields = record.fields or {}
            if self._format == "otel":
                fields = _otel_attributes(record)
            pairs = [f"{quote(safe_text(name))}:{dumps(value)}" for name, value in fields.items()]
            return start + ",".join(pairs) + "}" if pairs else ""

        return nested

    def _top_level(self, record: LogRecord) -> str:
        fields = record.all_fields
        if not fields:
            return ""
        if self._format == "powertools":  # which has no members that are null
            fields = {name: value for name, value in fields.items() if value is not None}
        return "".join([(self.keys.get(name) or self.field(name, fields)) + dumps(fields[name]) for name in fields])

    def field(self, key: object, fields: Mapping[Any, Any]) -> str:
        """Return what stands before a field's value, which is not under a name of the line's own."""
        name = key if type(key) is str else safe_text(key)
        while name in self._taken or (name is not key and name in fields):
            name += "_"
        text = f",{quote(name)}:"
        if name is key and len(self.keys) < 4096 and len(text) < 256:
            self.keys[name] = text
        return text


def _keys(settings: Settings) -> dict[str, str]:
    """Return the members of a line in order, and the key of each."""
    preset, said = _ORDERS[settings.log_format], settings.log_keys
    named = [*settings.log_order, *[name for name in said if name not in settings.log_order]]
    more = [name for name in named if name not in preset]
    order = [*settings.log_order, *[name for name in preset if name not in settings.log_order]]
    if "fields" in order and order[-1] == "fields":
        order = [*order[:-1], *[name for name in more if name not in order], "fields"]
    else:
        order += [name for name in more if name not in order]
    keys: dict[str, str] = {}
    for name in order:
        key = said.get(name, _KEYS[settings.log_format].get(name, name))
        if not key and (name in said or name != "fields"):
            continue  # left out
        while key and key in keys.values():
            key += "_"
        keys[name] = key
    return keys


def _otel_attributes(record: LogRecord) -> dict[str, Any]:
    """Return the attributes with those of the semantic conventions, which a field of the same name goes before."""
    told: dict[str, Any] = {}
    if record.code is not None:
        told["code.file.path"], told["code.line.number"] = record.code[0], record.code[1]
        if record.code[2]:
            told["code.function.name"] = record.code[2]
    error = record.error
    if error is not None:
        told["exception.type"] = error.type
        told["exception.message"] = error.message
        told["exception.stacktrace"] = stack_text(error)
    return {**told, **(record.fields or {})}
