"""sqlite3: one client span for each statement, by way of real subclasses of its ``Connection`` and ``Cursor``.

Both classes are immutable types written in C, so their methods cannot be wrapped, and a proxy around a connection
fails wherever C code or ``isinstance`` looks (``sqlite3.Row``, ``backup()``, SQLAlchemy). sqlite3 has a door for
this: ``connect(factory=...)`` takes a subclass of ``Connection`` and ``cursor(factory=...)`` one of ``Cursor``. We
hand in ours, or one made of the user's own factory and ours, with ours behind: the user's methods run first, and what
they call by ``super()`` is described.

``Connection.execute`` and its like make their cursor in C and do not go through ``self.cursor()`` (CPython 3.11 to
3.13), so they are described as well. ``sqlite3.Connection(...)`` called directly is not traced, nor are commits and
the fetching of rows.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from ._api import Patch, current_span, guard
from ._sql import analyse

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._api import Span

patch = Patch("sqlite3", semconv="db/database-spans")

_FACTORY = 5  # position of connect()'s argument ``factory``
_MAX_FACTORIES = 64  # factories of the user's whose subclasses are kept


class TracedConnection(sqlite3.Connection):
    """A connection whose methods may be described. It answers to the name of the class it stands for."""

    _obsv_database = ""


class TracedCursor(sqlite3.Cursor):
    """A cursor whose methods may be described."""


for _class in (TracedConnection, TracedCursor):
    _base = _class.__bases__[0]
    _class.__module__, _class.__qualname__, _class.__name__ = _base.__module__, _base.__qualname__, _base.__name__
    _class.__doc__ = _base.__doc__

_subclasses: dict[type, type] = {sqlite3.Connection: TracedConnection, sqlite3.Cursor: TracedCursor}


def _traced(factory: Any) -> Any:
    """Return a subclass of ``factory`` that may be described; ``factory`` itself where it is no class of sqlite3's."""
    if not isinstance(factory, type) or issubclass(factory, (TracedConnection, TracedCursor)):
        return factory
    made = _subclasses.get(factory)
    if made is not None:
        return made
    if issubclass(factory, sqlite3.Connection):
        bases: tuple[type, ...] = (factory, TracedConnection)
    elif issubclass(factory, sqlite3.Cursor):
        bases = (factory, TracedCursor)
    else:
        return factory
    names = {"__module__": factory.__module__, "__qualname__": factory.__qualname__, "__doc__": factory.__doc__}
    try:
        made = type(factory)(factory.__name__, bases, names)
    except Exception:  # noqa: BLE001 - a metaclass or __init_subclass__ that wants no more subclasses: that one is not traced
        made = factory
    if len(_subclasses) < _MAX_FACTORIES:
        _subclasses[factory] = made
    return made


@patch.wrap("sqlite3:connect", "sqlite3.dbapi2:connect")
def connect(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Hand in our factory. A wrapper, because no span is made: opening a database reads nothing of it."""
    with guard("patch sqlite3"):
        if len(args) > _FACTORY:
            args = (*args[:_FACTORY], _traced(args[_FACTORY]), *args[_FACTORY + 1 :])
        else:
            kwargs["factory"] = _traced(kwargs.get("factory", sqlite3.Connection))
    connection = wrapped(*args, **kwargs)
    with guard("patch sqlite3"):
        if isinstance(connection, TracedConnection):
            connection._obsv_database = _name(args[0] if args else kwargs.get("database", ""))
    return connection


_HERE = f"{__name__}:"


@patch.wrap(f"{_HERE}TracedConnection.cursor")
def cursor(wrapped: Callable[..., Any], connection: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Hand in our cursor. A wrapper, because making one takes no time worth telling."""
    with guard("patch sqlite3"):
        if args:
            args = (_traced(args[0]), *args[1:])
        else:
            kwargs["factory"] = _traced(kwargs.get("factory", sqlite3.Cursor))
    return wrapped(*args, **kwargs)


def _inside(instance: Any) -> bool:
    """Tell whether a statement is part of one that has a span: a function of the user's that SQL calls."""
    span = current_span()
    return span.scope is patch.scope and span.recording


@patch.client(
    f"{_HERE}TracedCursor.execute",
    f"{_HERE}TracedCursor.executemany",
    f"{_HERE}TracedCursor.executescript",
    f"{_HERE}TracedConnection.execute",
    f"{_HERE}TracedConnection.executemany",
    f"{_HERE}TracedConnection.executescript",
    quiet=_inside,
)
def execute(span: Span, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Describe a statement, or a script of several."""
    if not span.recording:
        return
    span.set_attribute("db.system.name", "sqlite")
    connection = instance if isinstance(instance, sqlite3.Connection) else instance.connection
    database = getattr(connection, "_obsv_database", "")
    if database:
        span.set_attribute("db.namespace", database)
    sql = args[0] if args else None
    if not isinstance(sql, str):
        return  # sqlite3 raises TypeError
    known = analyse(sql)
    span.name = known.summary or known.operation or "sqlite"
    if known.summary:
        span.set_attribute("db.query.summary", known.summary)
    if known.operation:
        span.set_attribute("db.operation.name", known.operation)
    span.set_attribute("db.query.text", known.text)
    if len(args) > 1 and _is_batch(args[1]):
        span.set_attribute("db.operation.batch.size", len(args[1]))


def _is_batch(parameters: Any) -> bool:
    """Tell ``executemany``'s list of rows from one row (semantic conventions: a batch of one is none)."""
    return (
        isinstance(parameters, (list, tuple)) and len(parameters) > 1 and isinstance(parameters[0], (list, tuple, dict))
    )


def _name(database: Any) -> str:
    """Return a database's path, without the options of a ``file:`` URI."""
    from os import fsdecode

    name = fsdecode(database)
    return name.removeprefix("file:").partition("?")[0] if name.startswith("file:") else name
