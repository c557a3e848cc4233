"""requests, patched, against a real HTTP server."""

from __future__ import annotations

import inspect
import pickle
import threading
from typing import TYPE_CHECKING, Any

import pytest
import requests
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

import obsv
from obsv.hotpath.span import CLIENT, ERROR
from obsv.testing import Capture, capture
from servers import EchoServer, free_port
from unpatched import ORDERS, functions, spans_in_new_process

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGETS = ("requests.adapters:HTTPAdapter.send",)


@pytest.fixture
def seen() -> Iterator[Capture]:
    with capture(patch=["requests", "urllib3"]) as captured:
        yield captured


def test_a_request_is_one_span(seen: Capture, http_echo: EchoServer) -> None:
    response = requests.get(f"{http_echo.url}/a", params={"b": 1}, timeout=5)
    [span] = seen.spans
    assert (span.name, span.kind_value, span.status_value) == ("GET", CLIENT, 0)
    assert span.attributes == {
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "server.port": http_echo.port,
        "url.full": f"{http_echo.url}/a?b=1",
        "http.response.status_code": 200,
        "network.protocol.version": "1.1",
        "network.peer.address": "127.0.0.1",
        "network.peer.port": http_echo.port,
    }
    assert type(response) is requests.Response
    assert response.json()["path"] == "/a?b=1"


def test_the_server_hears_of_the_trace(seen: Capture, http_echo: EchoServer) -> None:
    mine = {"X-Mine": "1"}
    with obsv.span("work"):
        requests.post(f"{http_echo.url}/", headers=mine, json={"a": 1}, timeout=5)
    span, work = seen.span("POST"), seen.span("work")
    headers = http_echo.requests[0]["headers"]
    assert headers["traceparent"] == f"00-{work.trace_id}-{span.span_id}-{span.flags:02x}"
    assert span.span_id in headers["x-amzn-trace-id"]
    assert span.parent_id == work.span_id
    assert mine == {"X-Mine": "1"}


def test_each_redirect_is_a_span_beside_the_first(seen: Capture, http_echo: EchoServer) -> None:
    with obsv.span("work"):
        response = requests.get(f"{http_echo.url}/redirect/redirect/end", timeout=5)
    first, second, third, work = seen.spans
    assert [s.attributes["http.response.status_code"] for s in (first, second, third)] == [302, 302, 200]
    assert {s.parent_id for s in (first, second, third)} == {work.span_id}
    sent = [request["headers"]["traceparent"] for request in http_echo.requests]
    assert [span.span_id in header for span, header in zip((first, second, third), sent, strict=True)] == [True] * 3
    assert len(response.history) == 2


def test_a_prepared_request_may_be_sent_twice(seen: Capture, http_echo: EchoServer) -> None:
    prepared = requests.Request("GET", http_echo.url).prepare()
    with requests.Session() as session:
        assert session.send(prepared).request is prepared
        session.send(pickle.loads(pickle.dumps(prepared)))
        session.send(prepared)
    ids = [request["headers"]["traceparent"].split("-")[2] for request in http_echo.requests]
    assert ids == [span.span_id for span in seen.spans]


def test_secrets_stay_home(seen: Capture, http_echo: EchoServer) -> None:
    requests.get(f"http://me:s3cret@127.0.0.1:{http_echo.port}/?sig=s3cret&a=1", timeout=5)
    [span] = seen.spans
    assert "s3cret" not in str(span.attributes)
    assert span.attributes["server.address"] == "127.0.0.1"


@pytest.mark.parametrize("status", [404, 503])
def test_error_statuses(seen: Capture, http_echo: EchoServer, status: int) -> None:
    response = requests.get(f"{http_echo.url}/status/{status}", timeout=5)
    assert response.status_code == status
    [span] = seen.spans
    assert span.status_value == ERROR
    assert span.attributes["error.type"] == str(status)
    assert span.event_list is None


def test_a_refused_connection_is_recorded_and_raised(seen: Capture) -> None:
    prepared = requests.Request("GET", f"http://127.0.0.1:{free_port()}/").prepare()
    with requests.Session() as session, pytest.raises(requests.ConnectionError) as raised:
        session.send(prepared)
    assert raised.value.request is prepared
    [span] = seen.spans
    assert span.status_value == ERROR
    assert span.event_list is not None
    assert span.event_list[0].error is not None
    assert span.event_list[0].error.type == "requests.exceptions.ConnectionError"


def test_a_timeout_is_recorded_and_raised(seen: Capture, http_echo: EchoServer) -> None:
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{http_echo.url}/slow?seconds=2", timeout=0.05)
    [span] = seen.spans
    assert span.status_value == ERROR
    assert "http.response.status_code" not in span.attributes


def test_a_streamed_body_is_untouched(seen: Capture, http_echo: EchoServer) -> None:
    with requests.get(f"{http_echo.url}/chunked?parts=3", stream=True, timeout=5) as response:
        assert len(seen.spans) == 1  # it ends with the headers
        assert len(list(response.iter_content(chunk_size=None))) >= 1

    def body() -> Iterator[bytes]:
        yield b"one"
        yield b"two"

    requests.post(http_echo.url, data=body(), timeout=5)
    assert http_echo.requests[-1]["headers"]["transfer-encoding"] == "chunked"
    assert "traceparent" in http_echo.requests[-1]["headers"]


def test_each_request_of_a_session_carries_its_own_span_once(seen: Capture, http_echo: EchoServer) -> None:
    with requests.Session() as session:
        for _ in range(3):
            session.get(http_echo.url, timeout=5)
    sent = [request["headers"] for request in http_echo.requests]
    assert [headers["traceparent"].split("-")[2] for headers in sent] == [span.span_id for span in seen.spans]
    assert [headers["x-amzn-trace-id"].count("Root=") for headers in sent] == [1, 1, 1]


def test_headers_of_another_trace_are_the_users_choice(seen: Capture, http_echo: EchoServer) -> None:
    chosen = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    requests.get(http_echo.url, headers={"Traceparent": chosen}, timeout=5)
    assert http_echo.requests[0]["headers"]["traceparent"] == chosen
    assert "x-amzn-trace-id" not in http_echo.requests[0]["headers"]


def test_forwarded_headers_of_the_trace_carry_our_span(seen: Capture, http_echo: EchoServer) -> None:
    with obsv.span("work") as work:
        forwarded = {"X-Amzn-Trace-Id": f"Root=1-{work.trace_id[:8]}-{work.trace_id[8:]};Parent={work.span_id}"}
        requests.get(http_echo.url, headers=forwarded, timeout=5)
    assert seen.span("GET").span_id in http_echo.requests[0]["headers"]["x-amzn-trace-id"]
    assert seen.span("GET").span_id in http_echo.requests[0]["headers"]["traceparent"]


def test_a_connection_of_somebodys_own_is_given_the_headers(
    seen: Capture, http_echo: EchoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[dict[str, str]] = []

    class Own(HTTPConnection):
        def request(self, *args: Any, **kwargs: Any) -> None:
            given.append(dict(kwargs["headers"]))
            super().request(*args, **kwargs)

        def endheaders(self, *args: Any, **kwargs: Any) -> None:
            super().endheaders(*args, **kwargs)

    monkeypatch.setattr(HTTPConnectionPool, "ConnectionCls", Own)
    requests.get(http_echo.url, timeout=5)
    [span] = seen.spans
    assert span.span_id in given[0]["traceparent"]
    assert span.span_id in given[0]["X-Amzn-Trace-Id"]
    assert span.span_id in http_echo.requests[0]["headers"]["traceparent"]
    assert http_echo.requests[0]["headers"]["x-amzn-trace-id"].count("Root=") == 1


@pytest.mark.parametrize("patches", [["requests"], ["requests", "urllib3"]])
def test_the_headers_are_written_with_and_without_urllib3s_patch(http_echo: EchoServer, patches: list[str]) -> None:
    with capture(patch=patches) as seen:
        requests.get(http_echo.url, timeout=5)
        if "urllib3" in patches:
            obsv.unpatch("urllib3")
            requests.get(http_echo.url, timeout=5)
    sent = [request["headers"]["traceparent"].split("-")[2] for request in http_echo.requests]
    assert sent == [span.span_id for span in seen.spans]


def test_threads_do_not_mix_their_spans(seen: Capture, http_echo: EchoServer) -> None:
    def work(number: int) -> None:
        with obsv.span(f"work {number}"):
            requests.get(f"{http_echo.url}/{number}", timeout=5)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(8):
        root = seen.span(f"work {number}")
        [child] = [span for span in seen.spans if span.parent_id == root.span_id]
        assert child.attributes["url.full"] == f"{http_echo.url}/{number}"


def test_a_users_adapter_that_calls_ours_is_seen_once(seen: Capture, http_echo: EchoServer) -> None:
    class Signing(requests.adapters.HTTPAdapter):
        def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
            request.headers["X-Signed"] = "1"
            return super().send(request, *args, **kwargs)

    with requests.Session() as session:
        session.mount("http://", Signing())
        session.get(http_echo.url)
    assert len(seen.spans) == 1
    assert http_echo.requests[0]["headers"]["x-signed"] == "1"


def test_unsampled_requests_say_so(http_echo: EchoServer) -> None:
    with capture(patch=["requests", "urllib3"], sample=0.0) as seen:
        requests.get(http_echo.url, timeout=5)
    assert seen.spans == []
    assert http_echo.requests[0]["headers"]["traceparent"][-2:] in ("00", "02")


def test_unpatching_restores_the_function(http_echo: EchoServer) -> None:
    before = functions(*TARGETS)
    signature = inspect.signature(requests.adapters.HTTPAdapter.send)
    with capture(patch="requests"):
        assert functions(*TARGETS) != before
        assert inspect.signature(requests.adapters.HTTPAdapter.send) == signature
        obsv.unpatch("requests")
        assert functions(*TARGETS) == before
    assert functions(*TARGETS) == before


@pytest.mark.parametrize("order", ORDERS)
def test_the_order_of_imports_does_not_matter(http_echo: EchoServer, order: str) -> None:
    code = "requests.get(sys.argv[1], timeout=5)"
    [span] = spans_in_new_process(order, "requests", code, http_echo.url)
    assert span["name"] == "GET"
    assert span["id"] in http_echo.requests[0]["headers"]["traceparent"]
