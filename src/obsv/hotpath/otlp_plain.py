"""The interpreted twin of the busiest part of the OTLP encoder: a span without events, links and status.

What :class:`obsv.hotpath.wire.Writer` does step by step is done here with as few Python operations as possible, and
what recurs (names, keys, short texts) is encoded once. Only used where the extension is not.
"""

from __future__ import annotations

import struct

from .errors import safe_text
from .wire import MAX_INT, Writer, utf8, varint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .span import Span

_MAX_KEPT = 4_000  # encoded names and attributes that are remembered
_RECURRING = 600  # smaller numbers, status codes among them, are remembered
_LONG = 100  # characters; a longer text hardly recurs

# Tags and lengths go in as numbers: 0x0A10 is field 1 with 16 bytes, 0x1208 and 0x2208 are fields 2 and 4 with 8.
_pack_root = struct.Struct(">HQQHQ").pack
_pack_child = struct.Struct(">HQQHQHQ").pack
_pack_times = struct.Struct("<BBBqBq").pack
_pack_real = struct.Struct("<Bd").pack

_flags = [struct.pack("<HI", 0x0185, number) for number in range(0x400)]  # field 16, the last
_lengths = [varint(number) for number in range(2048)]
_names: dict[str, bytes] = {}
_keys: dict[str, bytes] = {}
_fields: dict[str, dict[str | int, bytes]] = {}  # by key, by text or number
_numbers: dict[str, list[bytes]] = {}
_none: dict[str | int, bytes] = {}
_kept = 0
_yes: dict[str, bytes] = {}
_no: dict[str, bytes] = {}


def plain_span(span: Span) -> bytes | None:
    """Return a ``Span`` as field 2 of ``ScopeSpans``; None when it has more than ids, name, times and attributes, or
    cannot be written this way."""
    try:
        if (
            span.status_value
            or span.event_list
            or span.link_list
            or span.tracestate
            or span.dropped_attributes
            or span.dropped_events
            or span.dropped_links
        ):
            return None
        if span.parent64:
            ids = _pack_child(0x0A10, span.trace_hi, span.trace_lo, 0x1208, span.id64, 0x2208, span.parent64)
        else:
            ids = _pack_root(0x0A10, span.trace_hi, span.trace_lo, 0x1208, span.id64)
        name = span.name
        parts = [ids, _names.get(name) or _name(name)]
        parts.append(_pack_times(0x30, span.kind_value + 1, 0x39, span.start_ns, 0x41, span.end_ns))
        for key, value in span.told.items():  # type: ignore[union-attr]
            kind = type(value)
            if kind is str:
                parts.append(_fields.get(key, _none).get(value) or _text(key, value))
            elif kind is int:
                if _RECURRING <= value <= MAX_INT:
                    written = _lengths[value] if value < 2048 else varint(value)
                    parts += (_numbers.get(key) or _starts(key))[len(written)], written
                else:
                    parts.append(_fields.get(key, _none).get(value) or _number(key, value))
            elif kind is bool:
                parts.append((_yes if value else _no).get(key) or _flag(key, value))
            elif kind is float:
                parts.append(_field(key, _pack_real(0x21, value)))
            else:
                parts.append(_other(key, value))
        parts.append(_flags[(span.flags & 0xFF) | (0x300 if span.parent_remote else 0x100)])
        body = b"".join(parts)
        length = len(body)
        return b"\x12" + (_lengths[length] if length < 2048 else varint(length)) + body
    except Exception:  # noqa: BLE001 - the common code will meet the same, and tells it
        return None


def _name(name: str) -> bytes:
    data = utf8(name if type(name) is str else safe_text(name))
    field = b"\x2a" + varint(len(data)) + data
    if type(name) is str and len(name) < _LONG and len(_names) < _MAX_KEPT:
        _names[name] = field
    return field


def _key(key: str) -> bytes:
    data = utf8(safe_text(key))
    field = b"\x0a" + varint(len(data)) + data
    if len(data) < _LONG and len(_keys) < _MAX_KEPT:
        _keys[key] = field
    return field


def _field(key: str, value: bytes) -> bytes:
    """Return a ``KeyValue`` as field 9 of ``Span``; ``value`` is what its ``AnyValue`` holds."""
    start = _keys.get(key) or _key(key)
    size = len(value)
    inner = _lengths[size] if size < 2048 else varint(size)
    length = len(start) + 1 + len(inner) + size
    outer = _lengths[length] if length < 2048 else varint(length)
    return b"".join((b"\x4a", outer, start, b"\x12", inner, value))


def _text(key: str, value: str) -> bytes:
    data = utf8(value)
    field = _field(key, b"\x0a" + varint(len(data)) + data)
    if len(field) < _LONG:
        _keep(key, value, field)
    return field


def _keep(key: str, value: str | int, field: bytes) -> None:
    global _kept
    if _kept < _MAX_KEPT:
        _kept += 1
        _fields.setdefault(key, {})[value] = field


def _starts(key: str) -> list[bytes]:
    """Return what stands before an integer, by how many bytes that takes."""
    starts = [_field(key, b"\x18" + bytes(size))[: -size or None] for size in range(10)]
    if len(key) < _LONG and len(_numbers) < _MAX_KEPT:
        _numbers[key] = starts
    return starts


def _number(key: str, value: int) -> bytes:
    if not -(2**63) <= value < 2**63:
        return _other(key, value)
    if value >= 0:
        field = _field(key, b"\x18" + _lengths[value])
        if len(field) < _LONG:
            _keep(key, value, field)
        return field
    return _field(key, b"\x18" + varint(value & 0xFFFFFFFFFFFFFFFF))


def _flag(key: str, value: bool) -> bytes:
    field = _field(key, b"\x10\x01" if value else b"\x10\x00")
    kept = _yes if value else _no
    if len(field) < _LONG and len(kept) < _MAX_KEPT:
        kept[key] = field
    return field


def _other(key: str, value: object) -> bytes:
    out = Writer()
    out.attribute(0x4A, key, value)
    return out.getvalue()
