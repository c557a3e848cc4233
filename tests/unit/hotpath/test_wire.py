"""The protobuf writer, judged by protobuf itself."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from obsv.hotpath.wire import Writer, key_bytes

texts = st.text(st.characters(codec=None), max_size=50)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts | st.binary()
trees = st.recursive(
    scalars, lambda inner: st.lists(inner).map(tuple) | st.dictionaries(texts.filter(bool), inner), max_leaves=20
)


def read(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return tuple(read(item) for item in value.array_value.values)
    if kind == "kvlist_value":
        return [(pair.key, read(pair.value)) for pair in value.kvlist_value.values]
    return getattr(value, kind)


def expected(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if type(value) is int and not -(2**63) <= value < 2**63:
        return str(value)
    if isinstance(value, tuple):
        return tuple(map(expected, value))
    if isinstance(value, dict):
        return [(expected(key), expected(item)) for key, item in value.items()]
    return value


@given(trees)
def test_values(value: Any) -> None:
    out = Writer()
    out.value(value)
    got = read(AnyValue.FromString(out.getvalue()))
    assert repr(got) == repr(expected(value))  # repr: NaN is not equal to itself, and True is 1


@given(texts, scalars)
def test_attributes(key: str, value: Any) -> None:
    out = Writer()
    out.attribute(0x4A, key, value)
    [pair] = Span.FromString(out.getvalue()).attributes
    assert pair.key == expected(key)
    assert repr(read(pair.value)) == repr(expected(value))


@given(st.integers(0, 2**64 - 1))
def test_varints(value: int) -> None:
    out = Writer()
    out.varint(value)
    data = out.getvalue()
    assert sum((byte & 0x7F) << 7 * i for i, byte in enumerate(data)) == value
    assert len(data) == max(1, math.ceil(value.bit_length() / 7))


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1))
def test_ids_and_fixed_fields(hi: int, lo: int, span_id: int, flags: int) -> None:
    out = Writer()
    out.ids(0x0A, hi, lo)
    out.id64(0x12, span_id)
    out.fixed64(0x39, hi)
    out.fixed32(0x85, flags)
    span = Span.FromString(out.getvalue())
    assert span.trace_id == hi.to_bytes(8, "big") + lo.to_bytes(8, "big")
    assert span.span_id == span_id.to_bytes(8, "big")
    assert (span.start_time_unix_nano, span.flags) == (hi, flags)


@given(st.lists(st.integers(0, 70_000), max_size=6))
def test_messages_in_messages(sizes: list[int]) -> None:
    out = Writer()
    begins = []
    for size in sizes:
        begins.append(out.open(0x0A))
        out.text(0x12, "x" * size)
    for begin in reversed(begins):
        out.close(begin)
    data = out.getvalue()
    for size in sizes:  # unwrap by hand: field 1, length, field 2 with its length
        assert data[0] == 0x0A
        length, shift, position = 0, 0, 1
        while True:
            byte = data[position]
            length |= (byte & 0x7F) << shift
            position, shift = position + 1, shift + 7
            if byte < 0x80:
                break
        assert len(data) - position == length
        data = data[position:]
        status = Writer()
        status.text(0x12, "x" * size)
        head = status.getvalue()
        assert data.startswith(head)
        data = data[len(head) :]


def test_cut_takes_back_what_was_not_finished() -> None:
    out = Writer()
    out.text(0x12, "kept")
    position = out.position()
    out.open(0x0A)
    out.text(0x12, "x" * 1000)
    out.cut(position)
    out.number(0x18, 2)
    status = Status.FromString(out.getvalue())
    assert (status.message, status.code) == ("kept", 2)


def test_an_empty_writer() -> None:
    assert Writer().getvalue() == b""


def test_keys_of_other_types() -> None:
    class Unreadable:
        def __str__(self) -> str:
            raise RuntimeError

    assert KeyValue.FromString(key_bytes(5)).key == "5"
    assert KeyValue.FromString(key_bytes(Unreadable())).key == "<Unreadable: its text cannot be read>"
    assert KeyValue.FromString(key_bytes("x" * 1000)).key == "x" * 1000


def test_values_that_should_have_been_cleaned() -> None:
    out = Writer()
    out.value([1, {2}])
    assert read(AnyValue.FromString(out.getvalue())) == (1, "{2}")
    out = Writer()
    out.value(10**5000)
    assert int(read(AnyValue.FromString(out.getvalue())), 16) == 10**5000
