"""Writes records of ``logging`` as Powertools' JSON lines.

The members, in this order: ``level``, ``location``, ``message``, ``timestamp`` (or ``log_record_order``), ``service``,
``sampling_rate``, the logger's keys, the context's keys, the call's own fields, then ``exception``,
``exception_name``, ``exception_notes``, ``stack_trace`` and ``xray_trace_id``. What is None is left out.
"""

from __future__ import annotations

import logging
import time
from abc import ABCMeta, abstractmethod
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from obsv.hotpath.errors import safe_text
from obsv.hotpath.jsontext import dumps

from .. import environment
from . import bridge, stack
from . import keys as context_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

RESERVED = frozenset(
    (
        "name", "msg", "args", "level", "levelname", "levelno", "pathname", "filename", "module", "exc_info",
        "exc_text", "stack_info", "lineno", "funcName", "created", "msecs", "relativeCreated", "thread", "threadName",
        "processName", "process", "asctime", "location", "timestamp",
    )
)  # fmt: skip
"""Attributes of a record: a logger's key of this name may hold a ``%`` format, a call's field of it is dropped."""

NOT_FIELDS = RESERVED | {
    "taskName",  # since Python 3.12
    "otelTraceID",  # obsv adds them for formatters, see obsv.logs.correlation
    "otelSpanID",
    "otelTraceSampled",
    "otelServiceName",
    "powertools_keys",
}

PARAMETERS = frozenset(
    (
        "json_serializer", "json_deserializer", "json_default", "datefmt", "use_datetime_directive",
        "log_record_order", "utc", "use_rfc3339", "serialize_stacktrace",
    )
)  # fmt: skip
"""Parameters of the formatter, which are never keys of a line."""

_DEFAULTS = {"level": "%(levelname)s", "location": "%(funcName)s:%(lineno)d", "timestamp": "%(asctime)s"}
_ORDER = ("level", "location", "message", "timestamp")
_NONE: dict[str, Any] = {}


class BasePowertoolsFormatter(logging.Formatter, metaclass=ABCMeta):
    """What a formatter of one's own has to do to be given to a Logger."""

    @abstractmethod
    def append_keys(self, **additional_keys: Any) -> None:
        """Add keys to every line from now on."""

    @abstractmethod
    def clear_state(self) -> None:
        """Forget the keys that were added."""

    def get_current_keys(self) -> dict[str, Any]:
        """Return the keys."""
        return {}

    def remove_keys(self, keys: Iterable[str]) -> None:
        """Take keys away."""
        raise NotImplementedError

    @contextmanager
    def append_context_keys(self, **additional_keys: Any) -> Iterator[None]:
        """Add keys inside of a ``with`` block."""
        yield

    def thread_safe_append_keys(self, **additional_keys: Any) -> None:
        """Add keys of this thread or task."""
        context_keys.append(additional_keys)

    def thread_safe_get_current_keys(self) -> dict[str, Any]:
        """Return the keys of this thread or task."""
        return dict(context_keys.here())

    def thread_safe_remove_keys(self, keys: Iterable[str]) -> None:
        """Take keys of this thread or task away."""
        context_keys.remove(keys)

    def thread_safe_clear_keys(self) -> None:
        """Take all keys of this thread or task away."""
        context_keys.clear()


class LambdaPowertoolsFormatter(BasePowertoolsFormatter):
    """Writes a record as one JSON object.

    Args:
        json_serializer: Writes the line instead of obsv's own encoder.
        json_deserializer: Reads a message that is JSON text.
        json_default: Is asked for values that JSON lacks; without it they become their text.
        datefmt: The form of the timestamp, as for ``time.strftime``, with ``%F`` for milliseconds.
        use_datetime_directive: Take ``datefmt`` as for ``datetime.strftime``.
        log_record_order: The first members of a line.
        utc: Times in UTC instead of local time.
        use_rfc3339: Times as ``2022-10-27T16:27:43.738+02:00``.
        serialize_stacktrace: Write ``stack_trace``, the stack as a structure, as well.
        kwargs: More members of every line.
    """

    default_time_format = "%Y-%m-%d %H:%M:%S,%F%z"
    custom_ms_time_directive = "%F"

    def __init__(
        self,
        json_serializer: Callable[[dict[str, Any]], str] | None = None,
        json_deserializer: Callable[[str], Any] | None = None,
        json_default: Callable[[Any], Any] | None = None,
        datefmt: str | None = None,
        use_datetime_directive: bool = False,
        log_record_order: list[str] | None = None,
        utc: bool = False,
        use_rfc3339: bool = False,
        serialize_stacktrace: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(datefmt=datefmt)
        # Formatters that are derived from this one call these three, so they are always there.
        self.json_serializer: Callable[[dict[str, Any]], Any] = json_serializer or self._written
        self.json_deserializer: Callable[[str], Any] = json_deserializer or _loads
        self.json_default: Callable[[Any], Any] = json_default or str
        self._asks = json_default is not None
        self.use_datetime_directive = use_datetime_directive
        self.log_record_order = list(log_record_order or _ORDER)
        self.utc = utc
        self.use_rfc3339_iso8601 = use_rfc3339
        self.serialize_stacktrace = serialize_stacktrace
        self.pretty = environment.truthy(environment.DEV)
        self.converter = time.gmtime if utc else time.localtime
        self.keys_combined: dict[str, Any] = {**_DEFAULTS, **kwargs}
        # Never changed in place: another thread may be writing a line.
        self.log_format: dict[str, Any] = {}
        self._block: ContextVar[dict[str, Any]] = ContextVar("powertools_block", default=_NONE)
        self.clear_state()

    # ------------------------------------------------------------------ keys

    def append_keys(self, **additional_keys: Any) -> None:
        """Add keys to every line from now on; inside of an `append_context_keys` block those of the block change."""
        block = self._block.get()
        if block and not block.keys().isdisjoint(additional_keys):
            self._block.set({key: additional_keys.pop(key, value) for key, value in block.items()})
        self.log_format = {**self.log_format, **additional_keys}

    update_formatter = append_keys

    def get_current_keys(self) -> dict[str, Any]:
        """Return the keys, those of the present block included."""
        return {**self.log_format, **self._block.get()}

    def remove_keys(self, keys: Iterable[str]) -> None:
        """Take keys away."""
        gone = frozenset(keys)
        block = self._block.get()
        if not gone.isdisjoint(block):
            self._block.set({key: value for key, value in block.items() if key not in gone})
        self.log_format = {key: value for key, value in self.log_format.items() if key not in gone}

    def clear_state(self) -> None:
        """Go back to the keys that the formatter was made with."""
        self.log_format = {**dict.fromkeys(self.log_record_order), **self.keys_combined}

    @contextmanager
    def append_context_keys(self, **additional_keys: Any) -> Iterator[None]:
        """Add keys inside of a block, for this thread or task; values that they hide are back after it."""
        outer = self._block.get()
        self._block.set({**outer, **additional_keys})
        try:
            yield
        finally:
            self._block.set(outer)

    # ------------------------------------------------------------------ lines

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as JSON. Never raises because of what was logged."""
        line = self._keys(record)
        line["message"] = self._message(record)
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if error is not None:
            stack.add(line, error, structured=self.serialize_stacktrace)
        elif record.exc_text:  # a QueueHandler has written it
            line.setdefault("exception", record.exc_text)
        if record.stack_info:
            line.setdefault("stack_info", record.stack_info)
        if self.log_format.get("xray_trace_id", "") is not None:
            trace_id = environment.current_trace_id()
            if trace_id is not None:
                line.pop("xray_trace_id", None)
                line["xray_trace_id"] = trace_id
        return self.serialize(bridge.without_secrets({key: value for key, value in line.items() if value is not None}))

    def serialize(self, log: dict[str, Any]) -> str:
        """Return a line as JSON text; a serializer of the user's that fails is done without."""
        try:
            made = self.json_serializer(log)
            text = made.decode() if isinstance(made, bytes) else str(made)
        except Exception:  # noqa: BLE001 - the user's function; ours writes anything
            text = dumps(log)
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:  # half a surrogate pair: escaped, as JSON can
                text = text.encode("utf-8", "backslashreplace").decode()
        return text

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - logging's name
        """Return the time of a record."""
        datefmt = self.datefmt if datefmt is None else datefmt
        if self.use_rfc3339_iso8601:
            return str(self._moment(record).isoformat(timespec="milliseconds"))
        # `time.strftime` has no milliseconds, so %F stands for them.
        form = (datefmt or self.default_time_format).replace(self.custom_ms_time_directive, f"{int(record.msecs):03d}")
        if self.use_datetime_directive and datefmt:
            moment: str = self._moment(record).strftime(form)
            return moment
        return time.strftime(form, self.converter(record.created))

    def _moment(self, record: logging.LogRecord) -> Any:
        from datetime import UTC, datetime

        if self.utc:
            return datetime.fromtimestamp(record.created, tz=UTC)
        return datetime.fromtimestamp(record.created).astimezone()

    def _keys(self, record: logging.LogRecord) -> dict[str, Any]:
        members = record.__dict__
        line: dict[str, Any] = {}
        kept: Mapping[str, Any] = members.get("powertools_keys") or _NONE
        for keys in (self.log_format, self._block.get(), context_keys.here(), kept):
            for key, value in keys.items():
                line[key] = self._expanded(key, value, record) if value and key in RESERVED else value
        line.update({key: value for key, value in members.items() if key not in NOT_FIELDS})
        return line

    def _expanded(self, key: str, value: Any, record: logging.LogRecord) -> Any:
        """Return the value of a key that is named like an attribute of records, where it may be a ``%`` format."""
        if value == _DEFAULTS.get(key):
            if key == "level":
                return record.levelname
            return f"{record.funcName}:{record.lineno}" if key == "location" else self.formatTime(record)
        if not isinstance(value, str) or "%(" not in value:
            return value
        try:
            return value % {**record.__dict__, "asctime": self.formatTime(record)}
        except Exception:  # noqa: BLE001 - it is no format; Powertools loses the line
            return value

    def _message(self, record: logging.LogRecord) -> Any:
        message = record.msg
        if isinstance(message, dict):
            return message
        if isinstance(message, BaseException):
            return safe_text(message)
        if record.args:
            try:
                return record.getMessage()
            except Exception:  # noqa: BLE001 - arguments that do not fit: say what there is
                return f"{safe_text(message)} {safe_text(record.args)}"
        if isinstance(message, str) and message[:1] in _MAY_BE_JSON:
            return self._parsed(message)
        # None would be left out, and with it the only thing that the line says.
        return "None" if message is None else message

    def _parsed(self, message: str) -> Any:
        """Return what a message says that is JSON text."""
        try:
            parsed = self.json_deserializer(message)
        except Exception:  # noqa: BLE001 - it is no JSON
            return message
        return message if parsed is None else parsed

    def _written(self, log: dict[str, Any]) -> str:
        """Return a line as JSON text; the serializer where the user has none."""
        if self._asks:
            import json

            try:
                return json.dumps(
                    log,
                    default=self.json_default,
                    separators=(",", ":"),
                    indent=4 if self.pretty else None,
                    ensure_ascii=False,
                    allow_nan=False,
                )
            except Exception:  # noqa: BLE001 - the user's function, or NaN; ours writes anything
                pass
        text = dumps(log)
        return _indented(text) if self.pretty else text


JsonFormatter = LambdaPowertoolsFormatter

_MAY_BE_JSON = frozenset('{["-0123456789tfn \t\n\r')


def _loads(text: str) -> Any:
    from json import loads

    return loads(text, parse_constant=_no_constant)


def _no_constant(word: str) -> Any:
    raise ValueError(word)  # NaN and Infinity are no JSON: they stay text


def _indented(text: str) -> str:
    import json

    return json.dumps(json.loads(text), indent=4, separators=(",", ":"), ensure_ascii=False)
