"""What Python itself would only print: uncaught exceptions of the program and of threads, exceptions that cannot be
raised (in a ``__del__``), and warnings. Each becomes a log record, and what was there to print them still does.

Exceptions of asyncio's tasks need nothing of this: asyncio logs them (``Task exception was never retrieved``).
"""

from __future__ import annotations

import sys

from ..hotpath import faults
from ..hotpath.errors import ErrorInfo, safe_text
from ..hotpath.loglines import new_record
from . import outlet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType
    from typing import Any

    WhenImported = Callable[[str, Callable[[ModuleType], None]], None]


class _Hook:
    """A function of ours in the place of ``module.name``, which calls the one that was there.

    Attributes:
        note: Makes the log record; gets the hook's own arguments.
    """

    def __init__(self, module: Any, name: str, note: Callable[..., None]) -> None:
        self.module = module
        self.name = name
        self.before: Any = getattr(module, name)
        before = self.before

        def hook(*args: Any, **kwargs: Any) -> Any:
            try:
                if self in _hooks and outlet.open_to():
                    note(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - whatever happens, the hook that was there runs
                faults.report("logging an uncaught exception", error)
            finally:
                before(*args, **kwargs)

        hook.__name__ = hook.__qualname__ = name
        self.ours = hook
        setattr(module, name, hook)

    def restore(self) -> None:
        """Put back what was there, unless somebody has put another over ours."""
        if getattr(self.module, self.name, None) is self.ours:
            setattr(self.module, self.name, self.before)


_hooks: list[_Hook] = []
_wanted: frozenset[str] = frozenset()


def install(names: Iterable[str], when_imported: WhenImported) -> None:
    """Begin. Modules that the program has not imported (``threading``, ``warnings``) are waited for."""
    global _wanted
    stop()
    _wanted = frozenset(names)
    if "exceptions" in _wanted:
        _hooks.append(_Hook(sys, "excepthook", _uncaught))
    if "unraisable" in _wanted:
        _hooks.append(_Hook(sys, "unraisablehook", _unraisable))
    if "threads" in _wanted:
        when_imported("threading", _threading)
    if "warnings" in _wanted:
        when_imported("warnings", _warnings)


def stop() -> None:
    """Put everything back."""
    global _wanted
    _wanted = frozenset()
    while _hooks:
        _hooks.pop().restore()


def _threading(module: Any) -> None:
    if "threads" in _wanted and not any([hook.module is module for hook in _hooks]):
        _hooks.append(_Hook(module, "excepthook", _in_thread))


def _warnings(module: Any) -> None:
    if "warnings" in _wanted and not any([hook.module is module for hook in _hooks]):
        _hooks.append(_Hook(module, "showwarning", _warning))


def _record(
    severity: int, level: str, message: str, logger: str, error: BaseException | None, fields: dict[str, Any] | None
) -> Any:
    record = new_record(severity, level, message, logger, fields)
    if error is not None:
        record.error = ErrorInfo.capture(error)
    return record


def _uncaught(kind: Any, value: Any, trace: Any) -> None:
    if isinstance(value, Exception):  # Ctrl-C is no failure
        outlet.emit(_record(21, "CRITICAL", "uncaught exception", "sys.excepthook", value, None))


def _in_thread(args: Any) -> None:
    error = args.exc_value
    if isinstance(error, Exception):
        name = safe_text(getattr(args.thread, "name", None) or "unknown")
        outlet.emit(_record(21, "CRITICAL", "uncaught exception in a thread", "threading", error, {"thread": name}))


def _unraisable(args: Any) -> None:
    error = args.exc_value
    if not isinstance(error, Exception):
        return
    what: Any = args.object
    # Not its text: it may be half destroyed already.
    name = getattr(what, "__qualname__", None) or type(what).__qualname__
    said = args.err_msg or "exception ignored in"
    outlet.emit(_record(17, "ERROR", f"{safe_text(said)}: {safe_text(name)}", "sys.unraisablehook", error, None))


def _warning(message: Any, category: Any, filename: Any, lineno: Any, file: Any = None, line: Any = None) -> None:
    if file is not None or _logged_anyway():
        return
    record = _record(13, "WARNING", safe_text(message), "py.warnings", None, {"category": safe_text(category.__name__)})
    record.code = (safe_text(filename), lineno, "")
    outlet.emit(record)


def _logged_anyway() -> bool:
    """Tell whether the hook below ours is that of ``logging.captureWarnings``."""
    logging = sys.modules.get("logging")
    below = [hook.before for hook in _hooks if hook.name == "showwarning"]
    return logging is not None and getattr(logging, "_showwarning", None) in below
