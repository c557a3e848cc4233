"""urllib3, patched, against a real HTTP server; alone, and below requests and botocore."""

from __future__ import annotations

import inspect
import threading
from typing import TYPE_CHECKING, Any

import pytest
import requests
import urllib3
from urllib3._collections import HTTPHeaderDict  # where 1.26 has it, too

import obsv
from obsv.hotpath.span import CLIENT, ERROR, SUPPRESSED, attach, detach
from obsv.testing import Capture, capture
from servers import EchoServer, MotoServer, free_port
from unpatched import ORDERS, functions, spans_in_new_process

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGETS = (
    "urllib3.connectionpool:HTTPConnectionPool.urlopen",
    "urllib3.connectionpool:HTTPConnectionPool._make_request",
    "urllib3.connection:HTTPConnection.endheaders",
)


@pytest.fixture
def seen() -> Iterator[Capture]:
    with capture(patch=["urllib3", "requests", "botocore"]) as captured:
        yield captured


@pytest.fixture
def pools() -> Iterator[urllib3.PoolManager]:
    with urllib3.PoolManager() as made:
        yield made


def test_a_request_is_one_span(seen: Capture, http_echo: EchoServer, pools: urllib3.PoolManager) -> None:
    response = pools.request("GET", f"{http_echo.url}/a", fields={"b": "1"})
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
    assert isinstance(response, urllib3.HTTPResponse)


def test_what_sentry_sends_has_no_span(seen: Capture, http_echo: EchoServer, pools: urllib3.PoolManager) -> None:
    statuses: list[int] = []

    def send() -> None:
        statuses.append(pools.request("GET", f"{http_echo.url}/a").status)

    for name in ("sentry-sdk.BackgroundWorker", "worker"):
        thread = threading.Thread(target=send, name=name)
        thread.start()
        thread.join()
    assert statuses == [200, 200]
    assert len(seen.spans) == 1  # the other thread's


@pytest.mark.parametrize("kind", [dict, HTTPHeaderDict, "positional", "pool"])
def test_the_users_headers_are_not_touched(
    seen: Capture, http_echo: EchoServer, pools: urllib3.PoolManager, kind: Any
) -> None:
    mine: Any = {"X-Mine": "1"} if isinstance(kind, str) else kind({"X-Mine": "1"})
    if kind == "positional":
        with urllib3.HTTPConnectionPool(http_echo.host, http_echo.port) as pool:
            pool.urlopen("GET", "/", None, mine)
    elif kind == "pool":
        with urllib3.HTTPConnectionPool(http_echo.host, http_echo.port, headers=mine) as pool:
            pool.request("GET", "/")
            assert pool.headers is mine
    else:
        pools.request("GET", http_echo.url, headers=mine)
    assert dict(mine) == {"X-Mine": "1"}
    [span] = seen.spans
    headers = http_echo.requests[0]["headers"]
    assert headers["x-mine"] == "1"
    assert span.span_id in headers["traceparent"]
    assert span.span_id in headers["x-amzn-trace-id"]


def test_forwarded_headers_of_the_trace_carry_our_span(
    seen: Capture, http_echo: EchoServer, pools: urllib3.PoolManager
) -> None:
    with obsv.span("work") as work:
        mine = {"Traceparent": f"00-{work.trace_id}-{work.span_id}-01"}
        pools.request("GET", http_echo.url, headers=mine)
    assert seen.span("GET").span_id in http_echo.requests[0]["headers"]["traceparent"]
    assert work.span_id in mine["Traceparent"]


def test_headers_of_another_trace_are_the_users_choice(
    seen: Capture, http_echo: EchoServer, pools: urllib3.PoolManager
) -> None:
    chosen = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    pools.request("GET", http_echo.url, headers={"traceparent": chosen})
    assert http_echo.requests[0]["headers"]["traceparent"] == chosen
    assert "x-amzn-trace-id" not in http_echo.requests[0]["headers"]


def test_redirects_are_spans_and_retries_are_counted(
    seen: Capture, http_echo: EchoServer, pools: urllib3.PoolManager
) -> None:
    pools.request("GET", f"{http_echo.url}/redirect/end")
    assert [span.attributes["http.response.status_code"] for span in seen.spans] == [302, 200]
    retries = urllib3.Retry(2, status_forcelist=[503], raise_on_status=False)
    pools.request("GET", f"{http_echo.url}/status/503", retries=retries)
    span = seen.spans[-1]
    assert len(seen.spans) == 3
    assert span.attributes["http.request.resend_count"] == 2
    assert (span.status_value, span.attributes["error.type"]) == (ERROR, "503")
    assert len({request["headers"]["traceparent"] for request in http_echo.requests[-3:]}) == 1


def test_errors_are_recorded_and_raised(seen: Capture, http_echo: EchoServer, pools: urllib3.PoolManager) -> None:
    with pytest.raises(urllib3.exceptions.MaxRetryError):
        pools.request("GET", f"http://127.0.0.1:{free_port()}/", retries=urllib3.Retry(0))
    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        pools.request("GET", f"{http_echo.url}/slow?seconds=2", timeout=0.05, retries=False)
    with pytest.raises(urllib3.exceptions.ProtocolError):
        pools.request("GET", f"{http_echo.url}/drop", retries=False)
    assert [span.status_value for span in seen.spans] == [ERROR] * 3


def test_a_streamed_body_is_untouched(seen: Capture, http_echo: EchoServer, pools: urllib3.PoolManager) -> None:
    response = pools.request("GET", f"{http_echo.url}/chunked?parts=3", preload_content=False)
    assert b"".join(response.stream()).count(b"/chunked") == 3
    response.release_conn()
    assert len(seen.spans) == 1


def test_below_requests_there_is_one_span(seen: Capture, http_echo: EchoServer) -> None:
    requests.get(http_echo.url, timeout=5)
    assert [span.scope.name for span in seen.spans] == ["obsv.patches.requests"]


@pytest.mark.parametrize("sample", [1.0, 0.0])
def test_below_botocore_there_is_one_span(moto_server: MotoServer, sample: float) -> None:
    with capture(patch=["urllib3", "botocore"], sample=sample) as seen:
        moto_server.client("sqs").create_queue(QueueName="q")
        moto_server.client("sqs").send_message(QueueUrl=f"{moto_server.url}/1/q", MessageBody="b")
    names = ["obsv.patches.botocore"] * 2 if sample else []
    assert [span.scope.name for span in seen.spans] == names


def test_our_own_threads_are_not_traced(seen: Capture, http_echo: EchoServer, pools: urllib3.PoolManager) -> None:
    token = attach(SUPPRESSED)
    try:
        pools.request("GET", http_echo.url)
    finally:
        detach(token)
    assert seen.spans == []
    assert "traceparent" not in http_echo.requests[0]["headers"]


def test_unpatching_restores_the_functions() -> None:
    before = functions(*TARGETS)
    signature = inspect.signature(urllib3.HTTPConnectionPool.urlopen)
    with capture(patch="urllib3"):
        patched = functions(*TARGETS)
        assert all(patched[target] is not before[target] for target in TARGETS)
        assert inspect.signature(urllib3.HTTPConnectionPool.urlopen) == signature
        obsv.unpatch("urllib3")
        assert functions(*TARGETS) == before
    assert functions(*TARGETS) == before


@pytest.mark.parametrize("order", ORDERS)
def test_the_order_of_imports_does_not_matter(http_echo: EchoServer, order: str) -> None:
    code = "urllib3.PoolManager().request('GET', sys.argv[1])"
    [span] = spans_in_new_process(order, "urllib3", code, http_echo.url)
    assert span["name"] == "GET"
    assert span["id"] in http_echo.requests[0]["headers"]["traceparent"]
