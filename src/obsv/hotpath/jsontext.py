"""JSON text of anything, without ever raising.

The standard library's encoder raises on what telemetry meets every day (NaN is no JSON, keys that are no strings,
objects), and importing it costs more than all of this. Interpreted, the quoting itself is done by the interpreter's own
C function.
"""

from __future__ import annotations

import sys
from _collections_abc import Iterable, Mapping

from .errors import safe_text, unreadable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

if 0:  # seen by the compiler only
    import cython
else:
    from . import shim as cython

if cython.compiled:
    from cython.cimports.cpython.bytes import PyBytes_AS_STRING, PyBytes_FromStringAndSize
    from cython.cimports.cpython.unicode import PyUnicode_DecodeUTF8
    from cython.cimports.obsv.hotpath._native import json_plain, put_escaped, utf8_of

    def quote(text: str) -> str:
        """Return a string as JSON literal, quotes included."""
        length = cython.declare(cython.Py_ssize_t, 0)
        data = utf8_of(text, cython.address(length)) if type(text) is str else cython.NULL
        if data == cython.NULL:  # half a surrogate pair
            from _json import encode_basestring

            return encode_basestring(text)
        if json_plain(data, length):
            return f'"{text}"'
        made = PyBytes_FromStringAndSize(cython.NULL, 6 * length)
        start = cython.cast(cython.p_uchar, PyBytes_AS_STRING(made))
        escaped = PyUnicode_DecodeUTF8(PyBytes_AS_STRING(made), put_escaped(start, data, length) - start, cython.NULL)
        return f'"{escaped}"'

elif TYPE_CHECKING:

    def quote(text: str) -> str:
        """Return a string as JSON literal, quotes included."""

elif sys.implementation.name == "cpython":
    from _json import encode_basestring as quote
else:
    from json.encoder import encode_basestring as quote

MAX_DEPTH = 32
"""Deeper values are written as ``"…"``."""

MAX_ITEMS = 100_000
"""Items written of one value, all levels together; the rest becomes one ``"…"``."""

ITEM_TEXT = 128
"""So many characters of a text in a nested value count as one item more."""

_INFINITY = float("inf")
_CUT = '"…"'


def dumps(value: Any) -> str:
    """Write a value as compact JSON on one line.

    NaN and infinities become ``null`` (JSON has none), bytes base64, mappings objects with string keys, other iterables
    arrays, data classes, models and times what `obsv.hotpath.objects` says, and everything else its text. What holds
    itself ends in ``"…"``.

    Example:
        >>> dumps({"a": (1, None), "b": float("nan")})
        '{"a":[1,null],"b":null}'
    """
    return _scalar(value) or _Walk().dumps(value)


def _scalar(value: Any) -> str:
    """Return the JSON of a plain value, ``""`` for anything else."""
    kind = type(value)
    if kind is str:
        return quote(value)
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if kind is int:
        return _integer(value)
    if kind is float:
        return repr(value) if -_INFINITY < value < _INFINITY else "null"
    return ""


def _integer(value: int) -> str:
    try:
        return int.__repr__(value)
    except ValueError:  # more than sys.get_int_max_str_digits() digits
        return quote(hex(value))


class _Walk:
    """One walk through a nested value: how much may still be written, and which containers it is inside of."""

    __slots__ = ("inside", "left")

    def __init__(self) -> None:
        self.left = MAX_ITEMS
        self.inside: list[int] = []

    def dumps(self, value: Any) -> str:
        text = _scalar(value)
        if text:
            return self._counted(text)
        if id(value) in self.inside or len(self.inside) >= MAX_DEPTH:
            return _CUT
        self.inside.append(id(value))
        try:
            return self._other(value)
        except Exception:  # noqa: BLE001 - the value's own methods raise: it loses only itself
            return quote(unreadable(value))
        finally:
            self.inside.pop()

    def _other(self, value: Any) -> str:
        if isinstance(value, str):
            return self._counted(quote(str.__str__(value)))
        if isinstance(value, int):
            return _integer(int(value))
        if isinstance(value, float):
            return _scalar(float(value))
        if isinstance(value, Mapping):
            return self._mapping(value)
        if isinstance(value, (bytes, bytearray)):
            from binascii import b2a_base64

            return self._counted('"' + b2a_base64(value, newline=False).decode("ascii") + '"')
        if isinstance(value, (list, tuple, set, frozenset)) or is_plain_collection(value):
            return self._items(value)
        from .objects import simpler

        simple = simpler(value)
        return self._counted(quote(str(value))) if simple is value else self.dumps(simple)

    def _counted(self, text: str) -> str:
        if len(text) >= ITEM_TEXT:
            self.left -= len(text) // ITEM_TEXT
        return text

    def _mapping(self, value: Mapping[Any, Any]) -> str:
        pairs: list[str] = []
        odd = False  # whether a key was no text: only then may two of them have the same
        names: set[str] = set()
        for key, item in value.items():
            if self.left <= 0:
                pairs.append(f"{_CUT}:{_CUT}")
                break
            self.left -= 1
            name = self._counted(_key(key))
            odd = odd or type(key) is not str
            while odd and name in names:
                name += "_"
            names.add(name)
            pairs.append(f"{quote(name)}:{self.dumps(item)}")
        return "{" + ",".join(pairs) + "}"

    def _items(self, value: Iterable[Any]) -> str:
        items: list[str] = []
        for item in value:
            if self.left <= 0:
                items.append(_CUT)
                break
            self.left -= 1
            items.append(self.dumps(item))
        return "[" + ",".join(items) + "]"


def is_plain_collection(value: Any) -> bool:
    """Tell whether a value is a collection that has no text of its own to show instead."""
    kind: Any = type(value)
    return (
        isinstance(value, Iterable)
        and hasattr(value, "__len__")
        and kind.__str__ is object.__str__
        and kind.__repr__ is object.__repr__
    )


def _key(key: Any) -> str:
    return key if type(key) is str else safe_text(key)


def utf8(text: str) -> bytes:
    """Encode text, half surrogate pairs included (as ``?``): what a broken file name or a cut string brings along."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")
