"""loguru: what it logs leaves through obsv's sinks as well, with the span's ids; its own sinks print as before.

A sink of ours is added to loguru's logger. It stays when the program takes all sinks off, as it does to configure its
own (``logger.remove()``, ``logger.configure(handlers=…)``), and goes when the patch is taken back.

Where ``logging`` hands its records on to loguru, or loguru to ``logging``, a record leaves once.
"""

from __future__ import annotations

import sys

# Here, not where they are used: a child that is forked in the midst of a first import would wait for it for ever.
from ..logs import bridge, handler, levels
from ._api import Patch, guard, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

patch = Patch("loguru", requires="loguru >= 0.6")

_NEAR = 8
"""Frames above a sink that are searched for a handler of ``logging`` which calls loguru."""

_id: int | None = None  # that of our sink


@patch.setup
def install() -> None:
    """Add the sink, where logs have somewhere to go."""
    chosen: Any = settings()
    if chosen.log_capture and any(sink != "none" for sink in chosen.logs or ()):
        _add()


def _add() -> None:
    global _id
    from loguru import logger
    from loguru._handler import Handler

    severity = levels.severity(settings().log_level)
    if severity >= levels.OFF:
        return
    _id = logger.add(
        write, level=bridge.wanted(settings().log_level), format=_nothing, catch=True, backtrace=False, diagnose=False
    )
    added: Any = getattr(getattr(logger, "_core", None), "handlers", {}).get(_id)
    if added is not None and hasattr(added, "emit"):
        # Its own would write out tracebacks for nobody, and refuse, in its thread, what a `__str__` or a signal handler
        # logs while it runs. Where there is no such method any more, `write` does the same more slowly.
        added.emit = _emit
    handler.other_ways.add(Handler.emit.__code__)


@patch.teardown
def uninstall() -> None:
    """Take the sink off."""
    global _id
    number, _id = _id, None
    if number is None:
        return
    from loguru import logger
    from loguru._handler import Handler

    handler.other_ways.discard(Handler.emit.__code__)
    try:
        logger.remove(number)
    except ValueError:  # somebody else took it off
        pass


@patch.wrap("loguru._logger:Logger.remove")
def remove(wrapped: Callable[..., Any], logger: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Add our sink again where it was taken off with the others. A wrapper, because there is nothing to time."""
    try:
        return wrapped(*args, **kwargs)
    finally:
        with guard("patch loguru"):
            core: Any = getattr(logger, "_core", None)
            if _id is not None and _is_global(core) and _id not in core.handlers:
                _add()


def _is_global(core: Any) -> bool:
    """Tell whether this is the logger that everybody imports, not a deep copy of it."""
    from loguru import logger

    return core is not None and core is getattr(logger, "_core", None)


def write(message: Any) -> None:
    """The sink, as loguru knows it."""
    _emit(message.record)


def _nothing(record: Any) -> str:
    return ""


def _emit(record: Any, *_: Any) -> None:
    """Let a record of loguru's out. Never raises; level and filters have been minded, but for our own level."""
    with guard("loguru"):
        level = record["level"]
        chosen = settings().log_level
        if level.no < bridge.wanted(chosen):
            return
        source = bridge.standard_record(sys._getframe(1), _NEAR)
        if source is not None and not handler.take(source):
            return
        error = record["exception"]
        bridge.let_out(
            time_ns=int(record["time"].timestamp() * 1_000_000) * 1000,
            number=level.no,
            level=level.name,
            body=record["message"],
            logger=record["name"] or "loguru",
            fields=dict(record["extra"]) or None,
            error=None if error is None else error.value,
            code=(record["file"].path, record["line"], record["function"]),
            below=level.no < bridge.lowest(chosen),
        )
