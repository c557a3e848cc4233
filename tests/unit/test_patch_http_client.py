from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.hotpath import headers
from obsv.hotpath.headers import BASE_BAGGAGE, outgoing
from obsv.hotpath.http_client import carried, describe, origin, redact, send_context
from obsv.hotpath.span import CLIENT, Remote, attach, current, detach
from telemetry import Recorder


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://shop/a?b=1", "https://shop/a?b=1"),
        ("https://me:pw@shop:81/a", "https://REDACTED:REDACTED@shop:81/a"),
        ("https://token@shop/a@b", "https://REDACTED@shop/a@b"),
        ("https://shop/a@b?c=@d", "https://shop/a@b?c=@d"),
        ("/path?Signature=x&a=b#f?sig=1", "/path?Signature=REDACTED&a=b#f?sig=1"),
        ("http://b/k?X-Amz-Signature=1&X-Amz-Security-Token=2&x-amz-date=3&sig", None),
        ("http://b/k?AWSAccessKeyId=1&X-Goog-Signature=2&TOKEN=3", None),
        ("", ""),
    ],
)
def test_secrets_are_taken_out_of_a_url(url: str, clean: str | None) -> None:
    if clean is not None:
        assert redact(url) == clean
    else:
        assert not {"=1", "=2"} & {part[part.find("=") :] for part in redact(url).replace("?", "&").split("&")}


@given(st.text(), st.text("abc:", min_size=1), st.text("s3cr:t", min_size=1))
def test_credentials_never_survive(path: str, user: str, password: str) -> None:
    password += "pa55word"
    clean = redact(f"https://{user}:{password}@host/{path}?a=b&sig={password}")
    assert "pa55word" not in clean.partition("?")[0] or "pa55word" in path
    assert redact(clean) == clean


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://shop", ("shop", 80)),
        ("HTTPS://me:pw@shop/", ("shop", 443)),
        ("http://shop:8000?a", ("shop", 8000)),
        ("http://[::1]:8000/", ("::1", 8000)),
        ("https://[::1]/", ("::1", 443)),
        ("ws://shop", ("shop", 80)),
        ("ftp://shop", ("shop", None)),
        ("http://shop:port/", ("shop", 80)),
        ("/path", ("", None)),
        ("", ("", None)),
    ],
)
def test_host_and_port_of_a_url(url: str, expected: tuple[str, int | None]) -> None:
    assert origin(url) == expected


@given(st.text())
def test_any_url_is_survived(url: str) -> None:
    origin(url)
    redact(url)


@pytest.mark.parametrize(
    ("method", "name", "attributes"),
    [
        ("GET", "GET", {"http.request.method": "GET"}),
        ("get", "GET", {"http.request.method": "GET", "http.request.method_original": "get"}),
        (b"POST", "POST", {"http.request.method": "POST"}),
        ("BREW", "HTTP", {"http.request.method": "_OTHER", "http.request.method_original": "BREW"}),
    ],
)
def test_methods_name_spans_when_they_are_known(method: Any, name: str, attributes: dict[str, str]) -> None:
    span = Recorder().start("x", kind=CLIENT)
    describe(span, method, "https://shop/a")
    assert span.name == name
    expected = {"server.address": "shop", "server.port": 443, "url.full": "https://shop/a"}
    assert span.attributes == attributes | expected


class Request:
    """A library's request."""

    def __init__(self, **headers: str) -> None:
        self.headers: dict[str, Any] = {name.replace("_", "-"): value for name, value in headers.items()}

    def send(self, span: Any) -> str:
        token = attach(span)
        try:
            send_context(self.headers, self)
        finally:
            detach(token)
        return str(self.headers.get("traceparent"))


def test_headers_in_a_plain_dict_are_found_in_any_spelling() -> None:
    recorder = Recorder()
    span = recorder.start("a")
    theirs = f"00-{1:032x}-{2:016x}-01"
    request = Request()
    request.headers = {"Traceparent": theirs}
    request.send(span)
    assert request.headers == {"Traceparent": theirs}
    request.headers = {"TRACEPARENT": f"00-{span.trace_id}-{2:016x}-01"}
    request.send(span)
    assert sorted(request.headers) == ["TRACEPARENT", "X-Amzn-Trace-Id"]
    assert span.span_id in request.headers["TRACEPARENT"]


def test_a_request_that_is_sent_again_carries_the_newer_span() -> None:
    recorder, request = Recorder(), Request()
    first, second = recorder.start("a"), recorder.start("b")
    assert first.span_id in request.send(first)
    assert second.span_id in request.send(second)
    assert second.span_id in request.headers["X-Amzn-Trace-Id"]


def test_a_redirect_with_copied_headers_carries_the_newer_span() -> None:
    recorder, request = Recorder(), Request()
    root = recorder.start("root")
    request.send(recorder.start("a", root))
    copy = Request(**request.headers)
    second = recorder.start("b", root)
    assert second.span_id in copy.send(second)


def test_headers_of_another_trace_are_the_users_choice() -> None:
    chosen = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    request = Request(traceparent=chosen)
    assert request.send(Recorder().start("a")) == chosen
    assert request.headers == {"traceparent": chosen}


def test_forwarded_headers_of_the_same_trace_are_replaced() -> None:
    incoming = Remote(1, 2, 3, 1)
    span = Recorder().start("a", incoming)
    request = Request(traceparent=f"00-{1:016x}{2:016x}-{3:016x}-01", tracestate="other=1")
    assert span.span_id in request.send(span)


@given(hi=st.integers(0, 2**64 - 1), lo=st.integers(1, 2**64 - 1), sampled=st.booleans())
def test_ids_alone_are_written_as_anything_else_is(hi: int, lo: int, sampled: bool) -> None:
    span = Recorder().start("a", Remote(hi, lo, 3, int(sampled)))
    pairs = carried(span)
    assert pairs == outgoing(span)
    assert [name for name, _value in pairs] == ["traceparent", "X-Amzn-Trace-Id"]


@pytest.mark.parametrize("names", [("xray",), ("xray", "tracecontext"), ("baggage",), ()])
def test_the_formats_that_were_chosen_are_written(names: tuple[str, ...]) -> None:
    before = headers.formats
    headers.set_formats(names)
    try:
        span = Recorder().start("a")
        assert carried(span) == outgoing(span)
        assert len(carried(span)) == len(set(names) - {"baggage"})
    finally:
        headers.set_formats(before)


def test_what_travels_along_is_written_too() -> None:
    span = Recorder().start("a", Remote(1, 2, 3, 1, tracestate="other=1", base={BASE_BAGGAGE: "k=v"}))
    assert carried(span) == outgoing(span)
    assert {"tracestate": "other=1", "baggage": "k=v"}.items() <= dict(carried(span)).items()


def test_nothing_is_written_outside_of_a_trace() -> None:
    assert current() is None
    request = Request()
    request.send(None)
    assert request.headers == {}
