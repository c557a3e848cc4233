"""Writes protobuf: the few wire types that OTLP uses, straight into one growing buffer.

Rule: Protocol Buffers, "Encoding": a field is a tag (``number << 3 | wire type``) and a varint, 4 bytes, 8 bytes or a
length with bytes. Compiled, the buffer is C memory; interpreted, a ``bytearray``. Lengths of nested messages are put in
front when they are closed.
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
    from cython.cimports.cpython.bytes import PyBytes_AS_STRING, PyBytes_FromStringAndSize
    from cython.cimports.cpython.unicode import PyUnicode_AsUTF8AndSize
    from cython.cimports.libc.stdlib import free, realloc
    from cython.cimports.libc.string import memcpy, memmove

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
            free(self.data)

    def grow(self, more: int) -> int:
        """Make room for so many more bytes. Compiled only."""
        if cython.compiled:
            if self.size + more > self.capacity:  # type: ignore[has-type]
                self.capacity = (self.size + more) * 2 + 256  # type: ignore[misc]
                moved = cython.cast(cython.p_uchar, realloc(self.data, self.capacity))  # type: ignore[has-type]
                if not moved:
                    raise MemoryError
                self.data = moved  # type: ignore[misc]
        return 0

    def position(self) -> int:
        """Return how many bytes have been written."""
        return self.size if cython.compiled else len(self.out)

    def cut(self, position: int) -> None:
        """Take back what was written after ``position``: a record that could not be finished."""
        if cython.compiled:
            self.size = position
        else:
            del self.out[position:]

    def getvalue(self) -> bytes:
        """Return what has been written."""
        if cython.compiled:
            written: bytes = PyBytes_FromStringAndSize(cython.cast(cython.p_char, self.data), self.size)
            return written
        return bytes(self.out)

    def varint(self, value: int) -> None:
        """Append an unsigned varint, without a tag."""
        if cython.compiled:
            self.grow(10)
            while value >= 0x80:
                self.data[self.size] = (value & 0x7F) | 0x80
                self.size += 1
                value >>= 7
            self.data[self.size] = value
            self.size += 1
        else:
            out = self.out
            while value > 0x7F:
                out.append((value & 0x7F) | 0x80)
                value >>= 7
            out.append(value)

    def number(self, tag: int, value: int) -> None:
        """Append a varint field."""
        self.varint(tag)
        self.varint(value)

    def fixed32(self, tag: int, value: int) -> None:
        """Append a 4-byte field."""
        self.varint(tag)
        if cython.compiled:
            self.grow(4)
            memcpy(self.data + self.size, cython.address(value), 4)  # all CPUs that we build for are little-endian
            self.size += 4
        else:
            self.out += _pack32(value)

    def fixed64(self, tag: int, value: int) -> None:
        """Append an 8-byte field; a negative number as its two's complement."""
        self.varint(tag)
        if cython.compiled:
            self.grow(8)
            memcpy(self.data + self.size, cython.address(value), 8)
            self.size += 8
        else:
            self.out += _pack64(value & _MASK64)

    def float64(self, tag: int, value: float) -> None:
        """Append a floating point field."""
        self.varint(tag)
        if cython.compiled:
            self.grow(8)
            memcpy(self.data + self.size, cython.address(value), 8)
            self.size += 8
        else:
            self.out += _pack_double(value)

    def raw(self, data: bytes) -> None:
        """Append bytes that are encoded already."""
        if cython.compiled:
            length = cython.declare(cython.Py_ssize_t, len(data))
            self.grow(length)
            memcpy(self.data + self.size, PyBytes_AS_STRING(data), length)
            self.size += length
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
            try:
                data = PyUnicode_AsUTF8AndSize(value, cython.address(length))
            except UnicodeEncodeError:
                self.blob(tag, value.encode("utf-8", "replace"))
                return
            self.varint(tag)
            self.varint(length)
            self.grow(length)
            memcpy(self.data + self.size, data, length)
            self.size += length
        else:
            self.blob(tag, _utf8(value))

    def ids(self, tag: int, hi: int, lo: int) -> None:
        """Append a trace id as 16 bytes, most significant first."""
        self.varint(tag)
        if cython.compiled:
            self.grow(17)
            self.data[self.size] = 16
            self.size += 1
            shift = cython.declare(cython.int, 56)
            while shift >= 0:
                self.data[self.size] = (hi >> shift) & 0xFF
                self.data[self.size + 8] = (lo >> shift) & 0xFF
                self.size += 1
                shift -= 8
            self.size += 8
        else:
            self.out.append(16)
            self.out += _pack_ids(hi, lo)

    def id64(self, tag: int, value: int) -> None:
        """Append a span id as 8 bytes, most significant first."""
        self.varint(tag)
        if cython.compiled:
            self.grow(9)
            self.data[self.size] = 8
            self.size += 1
            shift = cython.declare(cython.int, 56)
            while shift >= 0:
                self.data[self.size] = (value >> shift) & 0xFF
                self.size += 1
                shift -= 8
        else:
            self.out.append(8)
            self.out += _pack_id(value)

    def open(self, tag: int) -> int:
        """Begin a nested message and return where its content begins, for :meth:`close`."""
        self.varint(tag)
        return self.position()

    def close(self, begin: int) -> None:
        """End a nested message: put its length in front of its content."""
        if cython.compiled:
            length = cython.declare(cython.Py_ssize_t, self.size - begin)
            width = cython.declare(cython.int, 1)
            rest = cython.declare(cython.Py_ssize_t, length >> 7)
            while rest:
                width += 1
                rest >>= 7
            self.grow(width)
            memmove(self.data + begin + width, self.data + begin, length)
            rest = length
            position = cython.declare(cython.Py_ssize_t, begin)
            while rest >= 0x80:
                self.data[position] = (rest & 0x7F) | 0x80
                position += 1
                rest >>= 7
            self.data[position] = rest
            self.size += width
        else:
            out = self.out
            out[begin:begin] = _varint(len(out) - begin)

    def attribute(self, tag: int, key: Any, value: Any) -> None:
        """Append a ``KeyValue`` (opentelemetry/proto/common/v1/common.proto)."""
        begin = self.open(tag)
        self.raw(key_bytes(key))
        inner = self.open(0x12)
        self.value(value)
        self.close(inner)
        self.close(begin)

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
        data = _utf8(safe_text(key))
        found = b"\x0a" + _varint(len(data)) + data
        if len(_keys) < _MAX_KEYS and len(found) < _LONG_KEY:
            _keys[key] = found
    return found


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _digits(value: int) -> str:
    try:
        return str(value)
    except ValueError:  # more digits than the interpreter converts
        return hex(value)
