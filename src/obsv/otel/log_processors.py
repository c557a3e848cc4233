"""The SDK's log record processors on a provider of obsv's: held, called, and contained.

Nothing of the SDK is imported before the first processor is added.
"""

from __future__ import annotations

from time import monotonic

from ..hotpath import faults
from ..hotpath.errors import ErrorInfo, safe_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .logs import Logger


class Processors:
    """The processors of one provider, in the SDK's own object for several, so that tools find them where they look.

    True in a condition when there are any.

    Args:
        multi: The SDK's ``SynchronousMultiLogRecordProcessor`` or ``Concurrent…``, or None.
    """

    def __init__(self, multi: Any = None) -> None:
        self._multi = multi

    def __bool__(self) -> bool:
        multi = self._multi
        return multi is not None and (not hasattr(multi, "_log_record_processors") or bool(self._each()))

    def multi(self) -> Any:
        """Return the SDK's object, made when it is first needed."""
        if self._multi is None:
            from opentelemetry.sdk._logs import _internal as sdk

            self._multi = sdk.SynchronousMultiLogRecordProcessor()  # type: ignore[no-untyped-call]
        return self._multi

    def add(self, processor: Any) -> None:
        """Add one; the records of all loggers go there from now on."""
        try:
            from opentelemetry.sdk._logs import ReadWriteLogRecord  # noqa: F401 - is it there?
        except ImportError:
            faults.tell("a log record processor is left out: it needs a newer opentelemetry-sdk")
            return
        self.multi().add_log_record_processor(processor)

    def _each(self) -> tuple[Any, ...]:
        found = getattr(self._multi, "_log_record_processors", ())
        return found if isinstance(found, tuple) else ()

    def _parallel(self) -> bool:
        """Tell whether the object does more than call one after another: then it is called as a whole."""
        return not self._each() or type(self._multi).__name__ != "SynchronousMultiLogRecordProcessor"

    def record(self, logger: Logger, record: Any, given: dict[str, Any]) -> Any:
        """Return the SDK's ``ReadWriteLogRecord`` for a call of ``emit``, made as the SDK's logger makes it."""
        from opentelemetry._logs import LogRecord
        from opentelemetry.sdk._logs import ReadWriteLogRecord

        if isinstance(record, ReadWriteLogRecord):
            inner = record.log_record
            inner.attributes = _with_exception(inner.attributes, getattr(inner, "exception", None))
            return record
        if record is None:
            exception, event = given["exception"], given["event_name"]
            made = {name: value for name, value in given.items() if name not in ("exception", "event_name")}
            made["attributes"] = _with_exception(made["attributes"], exception)
            record = LogRecord(**made)
            record.event_name, record.exception = event, exception
        elif getattr(record, "exception", None) is not None:
            from copy import copy

            record = copy(record)
            record.attributes = _with_exception(record.attributes, record.exception)
        provider = logger._provider
        return ReadWriteLogRecord(
            log_record=record,
            resource=provider.resource,
            instrumentation_scope=logger.instrumentation_scope,
            limits=provider._log_record_limits,
        )

    def on_emit(self, record: Any) -> None:
        """Call every processor; one that raises is told and keeps nothing from the others."""
        if self._parallel():
            self._guarded("on_emit", lambda: self._multi.on_emit(record))
            return
        for processor in self._each():
            self._guarded("on_emit", lambda processor=processor: processor.on_emit(record))  # type: ignore[misc]

    def enabled(self, **asked: Any) -> bool:
        """Tell whether any processor would take such a record; one that cannot say so would."""
        if not self:
            return False
        try:
            return bool(self._multi.enabled(**asked))
        except Exception:  # noqa: BLE001 - an older SDK's, or it raises
            return True

    def force_flush(self, seconds: float) -> bool:
        """Flush all of them within so many seconds together; True when each says so."""
        if not self:
            return True
        milliseconds = int(seconds * 1000)
        if self._parallel():
            return self._guarded("force_flush", lambda: self._multi.force_flush(milliseconds)) is not False
        deadline = monotonic() + seconds
        everything = True
        for processor in self._each():
            left = int((deadline - monotonic()) * 1000)
            if left <= 0 and seconds > 0:
                return False
            done = self._guarded("force_flush", lambda processor=processor, left=left: processor.force_flush(left))  # type: ignore[misc]
            everything = done is not False and everything
        return everything

    def shutdown(self) -> bool:
        """Shut all of them down; False where one raises."""
        if not self:
            return True
        if self._parallel():
            return self._guarded("shutdown", lambda: self._multi.shutdown()) is not False
        everything = True
        for processor in self._each():
            done = self._guarded("shutdown", lambda processor=processor: processor.shutdown())  # type: ignore[misc]
            everything = done is not False and everything
        return everything

    def _guarded(self, step: str, call: Callable[[], Any]) -> Any:
        """Return what ``call`` returns, False where it raises."""
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - the user's processor
            name = getattr(type(error), "__name__", "error")
            faults.counts["log record processor"] = faults.counts.get("log record processor", 0) + 1
            faults.tell(f"a log record processor failed in {step}: {name}: {_line(error)}", key=f"log processor {step}")
            return False


def _line(error: Exception) -> str:
    return " ".join(safe_text(error).split())[:160]


def _with_exception(attributes: Any, exception: Any) -> Any:
    """Add ``exception.*``; what the attributes say already, stays."""
    if not isinstance(exception, BaseException):
        return attributes
    error = ErrorInfo.capture(exception)
    own = {
        "exception.type": error.type,
        "exception.message": error.message,
        "exception.stacktrace": error.text(),
    }
    try:
        return {**own, **dict(attributes or {})}
    except Exception:  # noqa: BLE001 - no mapping: the exception is kept
        return own
