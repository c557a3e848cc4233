"""Writes protobuf: the few wire types that OTLP uses, straight into one growing buffer.

Rule: Protocol Buffers, "Encoding": a field is a tag (``number << 3 | wire type``) and a varint, 4 bytes, 8 bytes or a
length with bytes. Compiled, the buffer is a bytes object that nobody else knows yet, so what is written need not be
copied in the end; interpreted, a ``bytearray``. Lengths of nested messages are put in front when they are closed.
"""

from __future__ import annotations

import struct

from .errors import safe_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

if 0:  # seen by the compiler only
    import cython
else:
    from . import shim as cython

if cython.compiled:
    from cython.cimports.cpython.bytes import PyBytes_AS_STRING
    from cython.cimports.libc.string import memmove
    from cython.cimports.obsv.hotpath._native import (
        bytes_drop,
        bytes_grow,
        bytes_take,
        put_big,
        put_bytes,
        put_eight,
        put_varint,
        small,
        utf8_of,
        varint_size,
    )

_MASK64 = (1 << 64) - 1
_pack_double = struct.Struct("<d").pack
_pack64 = struct.Struct("<Q").pack
_pack32 = struct.Struct("<I").pack
_pack_ids = struct.Struct(">QQ").pack
_pack_id = struct.Struct(">Q").pack

_MAX_KEYS = 10_000  # attribute keys remembered in their encoded form
_LONG_KEY = 256  # bytes; a longer one is not worth remembering
_keys: dict[Any, bytes] = {}

MAX_INT, MIN_INT = 2**63 - 1, -(2**63)
"""What an OTLP integer holds; a larger one is written as text, so that it is neither lost nor wrong."""


class Writer:
    """A buffer that protobuf fields are appended to."""

    __slots__ = ("out", "size")

    def __init__(self) -> None:
        self.size = 0
        if not cython.compiled:
            self.out = bytearray()

    def __dealloc__(self) -> None:  # never called when interpreted
        if cython.compiled:
            bytes_drop(cython.address(self.held))  # type: ignore[attr-defined]

    def room(self, more: int) -> Any:
        """Return where to write, with room for so many bytes. Compiled only."""
        if cython.compiled:
            if self.size + more >= self.capacity:  # type: ignore[has-type]
                if self.size and self.data == cython.NULL:  # type: ignore[has-type]
                    raise MemoryError  # as the last time, when what had been written was lost
                wanted = cython.declare(cython.Py_ssize_t, (self.size + more) * 2 + 256)
                self.data = cython.NULL  # type: ignore[misc]
                self.capacity = 0  # type: ignore[misc]
                self.data = bytes_grow(cython.address(self.held), wanted)  # type: ignore[attr-defined]
                self.capacity = wanted  # type: ignore[misc]
            return self.data + self.size
        return None

    def wrote(self, end: Any) -> None:
        """Say up to where has been written. Compiled only."""
        if cython.compiled:
            self.size = end - self.data

    def position(self) -> int:
        """Return how many bytes have been written."""
        return self.size if cython.compiled else len(self.out)

    def cut(self, position: int) -> None:
        """Take back what was written after ``position``: a record that could not be finished."""
        if cython.compiled:
            if position and self.data == cython.NULL:
                raise MemoryError
            self.size = position
        else:
            del self.out[position:]

    def getvalue(self) -> bytes:
        """Return what has been written; then the writer is empty."""
        if cython.compiled:
            size = self.size
            if size and self.data == cython.NULL:
                raise MemoryError
            self.size = self.capacity = 0  # type: ignore[misc]
            self.data = cython.NULL
            written: bytes = bytes_take(cython.address(self.held), size)  # type: ignore[attr-defined]
            return written
        self.out, held = bytearray(), self.out
        return bytes(held)

    def varint(self, value: int) -> None:
        """Append an unsigned varint, without a tag."""
        if cython.compiled:
            self.wrote(put_varint(self.room(10), value))
        else:
            out = self.out
            while value > 0x7F:
                out.append((value & 0x7F) | 0x80)
                value >>= 7
            out.append(value)

    def number(self, tag: int, value: int) -> None:
        """Append a varint field."""
        if cython.compiled:
            at = put_varint(self.room(20), tag)
            self.wrote(put_varint(at, value))
        else:
            self.varint(tag)
            self.varint(value)

    def fixed32(self, tag: int, value: int) -> None:
        """Append a 4-byte field."""
        if cython.compiled:
            at = put_varint(self.room(14), tag)
            self.wrote(put_bytes(at, cython.address(value), 4))
        else:
            self.varint(tag)
            self.out += _pack32(value)

    def fixed64(self, tag: int, value: int) -> None:
        """Append an 8-byte field; a negative number as its two's complement."""
        if cython.compiled:
            at = put_varint(self.room(18), tag)
            self.wrote(put_eight(at, cython.address(value)))
        else:
            self.varint(tag)
            self.out += _pack64(value & _MASK64)

    def float64(self, tag: int, value: float) -> None:
        """Append a floating point field."""
        if cython.compiled:
            at = put_varint(self.room(18), tag)
            self.wrote(put_eight(at, cython.address(value)))
        else:
            self.varint(tag)
            self.out += _pack_double(value)

    def raw(self, data: bytes) -> None:
        """Append bytes that are encoded already."""
        if cython.compiled:
            length = len(data)
            self.wrote(put_bytes(self.room(length), PyBytes_AS_STRING(data), length))
        else:
            self.out += data

    def blob(self, tag: int, data: bytes) -> None:
        """Append a bytes field."""
        self.varint(tag)
        self.varint(len(data))
        self.raw(data)

    def text(self, tag: int, value: str) -> None:
        """Append a string field. Half surrogate pairs, which UTF-8 cannot express, become ``?``."""
        if cython.compiled:
            length = cython.declare(cython.Py_ssize_t, 0)
            data = utf8_of(value, cython.address(length))
            if data == cython.NULL:
                self.blob(tag, value.encode("utf-8", "replace"))
            else:
                at = put_varint(self.room(length + 20), tag)
                at = put_varint(at, length)
                self.wrote(put_bytes(at, data, length))
        else:
            self.blob(tag, utf8(value))

    def ids(self, tag: int, hi: int, lo: int) -> None:
        """Append a trace id as 16 bytes, most significant first."""
        if cython.compiled:
            at = put_varint(self.room(27), tag)
            at = put_varint(at, 16)
            at = put_big(at, hi)
            self.wrote(put_big(at, lo))
        else:
            self.varint(tag)
            self.out.append(16)
            self.out += _pack_ids(hi, lo)

    def id64(self, tag: int, value: int) -> None:
        """Append a span id as 8 bytes, most significant first."""
        if cython.compiled:
            at = put_varint(self.room(19), tag)
            at = put_varint(at, 8)
            self.wrote(put_big(at, value))
        else:
            self.varint(tag)
            self.out.append(8)
            self.out += _pack_id(value)

    def open(self, tag: int) -> int:
        """Begin a nested message and return where its content begins, for :meth:`close`."""
        self.varint(tag)
        return self.position()

    def close(self, begin: int) -> None:
        """End a nested message: put its length in front of its content."""
        if cython.compiled:
            length = self.size - begin
            width = varint_size(length)
            self.room(width)
            memmove(self.data + begin + width, self.data + begin, length)
            put_varint(self.data + begin, length)
            self.size += width
        else:
            out = self.out
            length = len(out) - begin
            out[begin:begin] = _LENGTHS[length] if length < _SHORT else varint(length)

    def attribute(self, tag: int, key: Any, value: Any) -> None:
        """Append a ``KeyValue`` (opentelemetry/proto/common/v1/common.proto)."""
        if not self._plain(tag, key, value):
            begin = self.open(tag)
            self.raw(key_bytes(key))
            inner = self.open(0x12)
            self.value(value)
            self.close(inner)
            self.close(begin)

    def _plain(self, tag: int, key: Any, value: Any) -> int:
        """Append a ``KeyValue`` that holds a text, a flag or a number: its lengths are known before it is written.

        Returns:
            0, with nothing written, when it is something else.
        """
        if cython.compiled:
            if type(key) is not str:
                return 0
            length = 0
            number = 0
            real = 0.0
            text = cython.cast(cython.p_const_char, cython.NULL)
            kind = cython.declare(cython.int, 0)
            if type(value) is str:
                text = utf8_of(value, cython.address(length))
                if text == cython.NULL:
                    return 0
                inner = 1 + varint_size(length) + length
            elif type(value) is bool:
                kind = 1
                number = 1 if value is True else 0
                inner = 2
            elif type(value) is int:
                kind = 2
                if not small(value, cython.address(number)):
                    return 0
                inner = 1 + varint_size(cython.cast(cython.ulonglong, number))
            elif type(value) is float:
                kind = 3
                real = value
                inner = 9
            else:
                return 0
            long_name = 0
            name = utf8_of(key, cython.address(long_name))
            if name == cython.NULL:
                return 0
            whole = 1 + varint_size(long_name) + long_name + 1 + varint_size(inner) + inner
            at = put_varint(self.room(whole + 20), tag)
            at = put_varint(at, whole)
            at = put_varint(at, 0x0A)
            at = put_varint(at, long_name)
            at = put_bytes(at, name, long_name)
            at = put_varint(at, 0x12)
            at = put_varint(at, inner)
            if kind == 0:
                at = put_varint(at, 0x0A)
                at = put_varint(at, length)
                at = put_bytes(at, text, length)
            elif kind == 3:
                at = put_varint(at, 0x21)
                at = put_eight(at, cython.address(real))
            else:
                at = put_varint(at, 0x10 if kind == 1 else 0x18)
                at = put_varint(at, cython.cast(cython.ulonglong, number))
            self.wrote(at)
        else:
            kind = type(value)
            if kind is str:
                data = utf8(value)
                size = len(data)
                written = b"\x0a" + (_LENGTHS[size] if size < _SHORT else varint(size)) + data
            elif kind is bool:
                written = b"\x10\x01" if value else b"\x10\x00"
            elif kind is int:
                if 0 <= value < _SHORT:
                    written = b"\x18" + _LENGTHS[value]
                elif MIN_INT <= value <= MAX_INT:
                    written = b"\x18" + varint(value & _MASK64)
                else:
                    return 0
            elif kind is float:
                written = b"\x21" + _pack_double(value)
            else:
                return 0
            name = _keys.get(key) or key_bytes(key)
            size = len(written)
            written = name + b"\x12" + (_LENGTHS[size] if size < _SHORT else varint(size)) + written
            size = len(written)
            self.varint(tag)
            self.out += (_LENGTHS[size] if size < _SHORT else varint(size)) + written
        return 1

    def value(self, value: Any) -> None:
        """Append the content of an ``AnyValue``; None is an empty one."""
        kind = type(value)
        if kind is str:
            self.text(0x0A, value)
        elif kind is bool:
            self.number(0x10, 1 if value else 0)
        elif kind is int:
            if MIN_INT <= value <= MAX_INT:
                self.varint(0x18)
                self.varint(value & _MASK64)
            else:
                self.text(0x0A, _digits(value))
        elif kind is float:
            self.float64(0x21, value)
        elif kind is bytes:
            self.blob(0x3A, value)
        elif kind is tuple or kind is list:
            begin = self.open(0x2A)
            for item in value:
                inner = self.open(0x0A)
                self.value(item)
                self.close(inner)
            self.close(begin)
        elif kind is dict:
            begin = self.open(0x32)
            for key, item in value.items():
                self.attribute(0x0A, key, item)
            self.close(begin)
        elif value is not None:
            self.text(0x0A, safe_text(value))


def key_bytes(key: Any) -> bytes:
    """Return an attribute's key as field 1 of a ``KeyValue``; keys recur, so they are encoded once."""
    found = _keys.get(key)
    if found is None:
        data = utf8(safe_text(key))
        found = b"\x0a" + varint(len(data)) + data
        if len(_keys) < _MAX_KEYS and len(found) < _LONG_KEY:
            _keys[key] = found
    return found


def varint(value: int) -> bytes:
    """Return an unsigned varint."""
    if value < 0x4000:
        return bytes((value,)) if value < 0x80 else bytes((value & 0x7F | 0x80, value >> 7))
    out = bytearray()
    while value > 0x7F:
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_SHORT = 2048
_LENGTHS = [varint(number) for number in range(_SHORT)]  # only the interpreted twin looks numbers up


def utf8(text: str) -> bytes:
    """Return a text as UTF-8. Half surrogate pairs, which it cannot express, become ``?``."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _digits(value: int) -> str:
    try:
        return str(value)
    except ValueError:  # more digits than the interpreter converts
        return hex(value)
