"""What is written into the head of a request that a connection is about to send."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.hotpath import _native_py
from obsv.hotpath.http_client import (
    carried,
    context_written,
    describe,
    head_lines,
    into_list,
    write_late,
)
from obsv.hotpath.httpx_client import url_text
from obsv.hotpath.span import CLIENT, OUTLET, SCOPE, Remote, Scope, new_span
from telemetry import Recorder

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


IDS = st.integers(0, 2**64 - 1)


@given(hi=IDS, lo=st.integers(1, 2**64 - 1), flags=st.integers(0, 3))
def test_the_lines_say_what_the_headers_do(hi: int, lo: int, flags: int) -> None:
    span = Recorder().start("a", Remote(hi, lo, 3, flags))
    assert head_lines(span) == [f"{name}: {value}".encode() for name, value in carried(span)]


NAME = st.sampled_from(["traceparent", "tracestate", "x-amzn-trace-id", "x-amzn-trace-i", "t", "", "x", "tracestates"])


@given(st.lists(NAME | st.text(max_size=11), max_size=5), st.booleans())
def test_headers_that_carry_a_trace_are_seen(names: list[str], as_text: bool) -> None:
    kept = [(b"", name if as_text else name.encode("utf-8", "replace"), b"") for name in names]
    headers = SimpleNamespace(_list=list(kept))
    carries = not {"traceparent", "tracestate", "x-amzn-trace-id"}.isdisjoint(names)
    assert context_written(headers) == carries
    assert into_list(headers, [("traceparent", "00-1-2-01")]) == (not carries)
    assert headers._list == kept + ([] if carries else [(b"traceparent", b"traceparent", b"00-1-2-01")])


class Text(str):
    __slots__ = ()


class Data(bytes):
    __slots__ = ()


def test_texts_of_another_kind_are_seen_too() -> None:
    for name in ("traceparent", b"tracestate", Text("x-amzn-trace-id"), Data(b"traceparent")):
        assert context_written(SimpleNamespace(_list=[(b"", name, b"")]))
    assert not context_written(SimpleNamespace(_list=[(b"", Text("x-amzn-trace-i"), b"")]))
    headers = SimpleNamespace(_list=[])
    assert not into_list(headers, [("traceparent", Text("00-1-2-01"))])
    assert headers._list == []


METHODS = st.sampled_from(["GET", "POST", "get", "BREW", b"GET"])
HOSTS = st.sampled_from(["a", "a:80", "a:8000", "me:pw@a", "b", "[::1]", "", "a?x"])
URLS = st.builds("{}://{}{}".format, st.sampled_from(["http", "https"]), HOSTS, st.sampled_from(["", "/", "/p?sig=1"]))


@given(st.lists(st.tuples(METHODS, URLS | st.text(max_size=8)), min_size=1, max_size=9))
def test_what_is_said_of_a_request_does_not_depend_on_those_before(requests: list[tuple[str, str]]) -> None:
    first = {}
    for method, url in requests * 2:
        span = new_span(SCOPE, "x", CLIENT)
        describe(span, method, url)
        said = span.name, list(span.attributes.items())
        assert first.setdefault((method, url), said) == said


class Url:
    """As much of ``httpx.URL`` as is looked at."""

    def __init__(self, host: str, port: int | None, path: str) -> None:
        self._uri_reference = ("http", "", host, port, path, None, None)

    def __str__(self) -> str:
        _, _, host, port, path, _, _ = self._uri_reference
        return f"http://{host}{'' if port is None else f':{port}'}{path}"


PARTS = st.builds(Url, st.sampled_from("abc"), st.none() | st.integers(1, 3), st.sampled_from(["/", "/p", ""]))


@given(st.lists(PARTS))
def test_the_text_of_a_url_does_not_depend_on_those_before(urls: list[Url]) -> None:
    for url in urls * 2:
        assert url_text(url) == str(url)
