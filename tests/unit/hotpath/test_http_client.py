"""What is written into the head of a request that a connection is about to send."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.hotpath import _native_py
from obsv.hotpath.http_client import write_late
from obsv.hotpath.span import CLIENT, OUTLET, Scope, new_span

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = st.sampled_from(
    [b"traceparent", b"TRACESTATE", b"X-Amzn-Trace-Id", b"x-amzn-trace-i", b"x", b"Host", b"tracestat"]
)
LINES = st.builds(lambda name, rest: name + rest, NAMES, st.one_of(st.just(b": 1"), st.binary(max_size=4)))


@pytest.fixture(autouse=True)
def _open() -> Iterator[None]:
    OUTLET.enabled = True
    yield
    OUTLET.enabled = False


@given(st.lists(st.one_of(LINES, st.binary(max_size=20)), max_size=4))
def test_the_trace_is_written_where_no_line_carries_one(lines: list[bytes]) -> None:
    connection = SimpleNamespace(_buffer=list(lines))
    with new_span(Scope("obsv.patches.requests"), "GET", CLIENT) as span:
        write_late(connection)
    added = connection._buffer[len(lines) :]
    if any(_native_py.carries(line) for line in lines):
        assert added == []
    else:
        assert [line.partition(b":")[0] for line in added] == [b"traceparent", b"X-Amzn-Trace-Id"]
        assert all(span.span_id.encode() in line for line in added)
