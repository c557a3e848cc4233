"""obsv's own logger: a message, fields, and the ids of the current span.

    log = obsv.get_logger()
    log.info("order placed", order_id=42, total=19.9)
    log = log.bind(customer="c-7")
    log.error("payment refused", exc_info=error)

A level that is switched off costs one attribute look-up and an empty function: the methods of the class itself are
exchanged (structlog's "filtering bound logger" has a class for each level; ours has one class whose level is the
process's). So loggers made before ``obsv.init()``, and all bound ones, come alive with it and go quiet with
``obsv.shutdown()``. Only a method taken off its logger beforehand (``info = log.info``) keeps the state it was taken
in.
"""

from __future__ import annotations

import sys

from ..hotpath.errors import safe_text
from ..hotpath.loglines import silent
from . import levels, outlet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_log = outlet.log


class Logger:
    """Writes log lines with fields. Make one with :func:`get_logger`; it is cheap, immutable and safe in every thread.

    Every method takes the message first (it may contain anything; there is no ``%``-formatting) and fields by
    keyword. A field of any type is accepted: what JSON cannot express becomes its text. The keyword ``exc_info`` is
    no field: True stands for the exception being handled, or give the exception itself.

    Attributes:
        name: The logger's name.
    """

    __slots__ = ("__weakref__", "_fields", "name")

    name: str
    _fields: dict[str, Any] | None

    def __init__(self, name: str, fields: dict[str, Any] | None = None) -> None:
        self.name = name
        self._fields = fields

    @property
    def level(self) -> int:
        """The lowest severity that is logged now: 5 debug, 9 info, 13 warning, 17 error, 21 critical, 25 none of them.

        Example:
            >>> if log.level <= 5:
            ...     log.debug("state", state=expensive())
        """
        return outlet.level if outlet.below is None else min(outlet.level, levels.DEBUG)

    @property
    def fields(self) -> dict[str, Any]:
        """A copy of the bound fields."""
        return dict(self._fields) if self._fields else {}

    def bind(self, /, **fields: object) -> Logger:
        """Return a logger whose lines carry these fields too; those of a call win. This logger stays as it is."""
        bound = self._fields
        return Logger(self.name, {**bound, **fields} if bound else fields)

    def debug(self, msg: object, /, **fields: object) -> None:
        """Log what only helps who looks for an error."""
        _log(5, "DEBUG", msg, self.name, self._fields, fields)

    def info(self, msg: object, /, **fields: object) -> None:
        """Log that something went as it should."""
        _log(9, "INFO", msg, self.name, self._fields, fields)

    def warning(self, msg: object, /, **fields: object) -> None:
        """Log something that is not right and that the program copes with."""
        _log(13, "WARNING", msg, self.name, self._fields, fields)

    def error(self, msg: object, /, **fields: object) -> None:
        """Log that something failed."""
        _log(17, "ERROR", msg, self.name, self._fields, fields)

    def exception(self, msg: object, /, **fields: object) -> None:
        """Log that something failed, at level ERROR, with the exception being handled."""
        fields.setdefault("exc_info", True)
        _log(17, "ERROR", msg, self.name, self._fields, fields)

    def critical(self, msg: object, /, **fields: object) -> None:
        """Log that the program cannot go on."""
        _log(21, "CRITICAL", msg, self.name, self._fields, fields)

    def __repr__(self) -> str:
        fields = "".join([f", {key}=…" for key in self._fields or ()])
        return f"Logger({self.name!r}{fields})"


def get_logger(name: str | None = None) -> Logger:
    """Return a logger. It may be used before ``obsv.init()``, when it writes nothing.

    Args:
        name: What the lines carry as ``logger``; the calling module's name when it is not given.
    """
    if name is None:
        name = sys._getframe(1).f_globals.get("__name__")
    return Logger(name if type(name) is str else safe_text(name))


def _below(live: Callable[..., None], severity: int) -> Any:
    """Return the method of a level below the one in force, while somebody wants its records."""
    word = _WORDS[severity]
    raised = live.__name__ == "exception"

    def under(self: Logger, msg: object, /, **fields: object) -> None:
        emitter = outlet.below
        if emitter is not None:
            if raised:
                fields.setdefault("exc_info", True)
            emitter.log(severity, word, msg, self.name, self._fields, fields)

    under.__name__, under.__qualname__, under.__doc__ = live.__name__, live.__qualname__, live.__doc__
    under.__annotations__ = live.__annotations__
    return under


_WORDS = {5: "DEBUG", 9: "INFO", 13: "WARNING", 17: "ERROR", 21: "CRITICAL"}


def _quiet(live: Callable[..., None]) -> Any:
    off: Any = silent()
    # Help and signatures read the same, on or off.
    off.__name__, off.__qualname__, off.__doc__ = live.__name__, live.__qualname__, live.__doc__
    off.__annotations__ = live.__annotations__
    return off


_METHODS = [
    (method.__name__, severity, method, _quiet(method))
    for method, severity in [
        (Logger.debug, levels.DEBUG),
        (Logger.info, levels.INFO),
        (Logger.warning, levels.WARNING),
        (Logger.error, levels.ERROR),
        (Logger.exception, levels.ERROR),
        (Logger.critical, levels.CRITICAL),
    ]
]


def _switch(lowest: int) -> None:
    for name, severity, live, off in _METHODS:
        if severity < lowest and outlet.below is not None:
            setattr(Logger, name, _below(live, severity))
        else:
            setattr(Logger, name, live if severity >= lowest else off)


outlet.watch(_switch)
