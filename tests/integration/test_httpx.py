"""httpx, patched, sync and async by the same description, against a real HTTP server."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest

import obsv
from obsv.hotpath.httpx_client import write_late
from obsv.hotpath.span import CLIENT, ERROR
from obsv.testing import Capture, capture
from servers import EchoServer, free_port
from unpatched import ORDERS, functions, spans_in_new_process

TARGETS = ("httpx._client:Client._send_single_request", "httpx._client:AsyncClient._send_single_request")

Send = Callable[..., httpx.Response]


@pytest.fixture
def seen() -> Iterator[Capture]:
    with capture(patch="httpx") as captured:
        yield captured


def send_sync(method: str, url: str, *, client: dict[str, Any] | None = None, **options: Any) -> httpx.Response:
    with httpx.Client(**client or {}) as made:
        return made.request(method, url, **options)


def send_async(method: str, url: str, *, client: dict[str, Any] | None = None, **options: Any) -> httpx.Response:
    async def work() -> httpx.Response:
        async with httpx.AsyncClient(**client or {}) as made:
            return await made.request(method, url, **options)

    return asyncio.run(work())


@pytest.fixture(params=[send_sync, send_async], ids=["sync", "async"])
def send(request: pytest.FixtureRequest) -> Send:
    found: Send = request.param
    return found


class Extensions(dict[str, Any]):
    """What a transport of somebody's own may answer with."""


def test_extensions_of_another_kind_of_dict_are_read(seen: Capture) -> None:
    class Transport(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            response = httpx.Response(503)
            response.extensions = Extensions(http_version=b"HTTP/1.1")
            return response

    with httpx.Client(transport=Transport()) as client:
        assert client.get("http://shop/a").status_code == 503
    [span] = seen.spans
    assert (span.attributes["http.response.status_code"], span.status_value) == (503, ERROR)
    assert span.attributes["network.protocol.version"] == "1.1"


def test_a_request_is_one_span(seen: Capture, http_echo: EchoServer, send: Send) -> None:
    response = send("GET", f"{http_echo.url}/a?sig=s3cret")
    [span] = seen.spans
    assert (span.name, span.kind_value, span.status_value) == ("GET", CLIENT, 0)
    assert span.attributes == {
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "server.port": http_echo.port,
        "url.full": f"{http_echo.url}/a?sig=REDACTED",
        "http.response.status_code": 200,
        "network.protocol.version": "1.1",
        "network.peer.address": "127.0.0.1",
        "network.peer.port": http_echo.port,
    }
    assert type(response) is httpx.Response
    assert response.json()["path"] == "/a?sig=s3cret"


def test_the_server_hears_of_the_trace(seen: Capture, http_echo: EchoServer, send: Send) -> None:
    mine = {"X-Mine": "1"}
    with obsv.span("work"):
        send("POST", http_echo.url, headers=mine, json={"a": 1})
    span, work = seen.span("POST"), seen.span("work")
    headers = http_echo.requests[0]["headers"]
    assert headers["traceparent"] == f"00-{work.trace_id}-{span.span_id}-{span.flags:02x}"
    assert span.span_id in headers["x-amzn-trace-id"]
    assert span.parent_id == work.span_id
    assert mine == {"X-Mine": "1"}


def test_each_redirect_is_a_span_beside_the_first(seen: Capture, http_echo: EchoServer, send: Send) -> None:
    with obsv.span("work"):
        response = send("GET", f"{http_echo.url}/redirect/end", client={"follow_redirects": True})
    first, second, work = seen.spans
    assert [s.attributes["http.response.status_code"] for s in (first, second)] == [302, 200]
    assert {first.parent_id, second.parent_id} == {work.span_id}
    sent = [request["headers"]["traceparent"].split("-")[2] for request in http_echo.requests]
    assert sent == [first.span_id, second.span_id]
    assert len(response.history) == 1


@pytest.mark.parametrize("mounts", [None, {"all://": None}], ids=["late", "long way"])
def test_a_redirect_without_a_span_around_carries_its_own_trace(
    seen: Capture, http_echo: EchoServer, send: Send, mounts: Any
) -> None:
    """httpx copies the headers of the request before, those of the other trace too."""
    send("GET", f"{http_echo.url}/redirect/end", client={"follow_redirects": True, "mounts": mounts})
    sent = [request["headers"] for request in http_echo.requests]
    assert [headers["traceparent"].split("-")[1:3] for headers in sent] == [[s.trace_id, s.span_id] for s in seen.spans]
    assert all(s.span_id in headers["x-amzn-trace-id"] for headers, s in zip(sent, seen.spans, strict=True))


def test_each_round_of_an_authentication_is_a_span(seen: Capture, http_echo: EchoServer, send: Send) -> None:
    class Challenge(httpx.Auth):
        def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:
            yield httpx.Request("POST", f"{http_echo.url}/login")
            request.headers["Authorization"] = "Bearer s3cret"
            yield request

    send("GET", f"{http_echo.url}/status/404", auth=Challenge())
    login, request = seen.spans
    assert [login.name, request.name] == ["POST", "GET"]
    assert [login.status_value, request.status_value] == [0, ERROR]
    assert login.trace_id != request.trace_id  # there is no span around them
    assert "s3cret" not in str(request.attributes)


def test_a_request_may_be_sent_twice(seen: Capture, http_echo: EchoServer) -> None:
    request = httpx.Request("GET", http_echo.url)
    with httpx.Client() as client:
        assert client.send(request).request is request
        client.send(request)
    ids = [request["headers"]["traceparent"].split("-")[2] for request in http_echo.requests]
    assert ids == [span.span_id for span in seen.spans]


@pytest.mark.parametrize("status", [404, 500])
def test_error_statuses(seen: Capture, http_echo: EchoServer, send: Send, status: int) -> None:
    response = send("GET", f"{http_echo.url}/status/{status}")
    [span] = seen.spans
    assert (span.status_value, span.attributes["error.type"]) == (ERROR, str(status))
    with pytest.raises(httpx.HTTPStatusError):
        response.raise_for_status()


def test_a_refused_connection_is_recorded_and_raised(seen: Capture, send: Send) -> None:
    with pytest.raises(httpx.ConnectError) as raised:
        send("GET", f"http://127.0.0.1:{free_port()}/")
    assert isinstance(raised.value.request, httpx.Request)
    [span] = seen.spans
    assert span.status_value == ERROR
    assert span.event_list is not None
    assert span.event_list[0].error is not None
    assert span.event_list[0].error.type == "httpx.ConnectError"


def test_a_timeout_is_recorded_and_raised(seen: Capture, http_echo: EchoServer, send: Send) -> None:
    with pytest.raises(httpx.ReadTimeout):
        send("GET", f"{http_echo.url}/slow?seconds=2", timeout=0.05)
    assert seen.spans[0].status_value == ERROR


def test_streaming_works_as_ever(seen: Capture, http_echo: EchoServer) -> None:
    with httpx.stream("GET", f"{http_echo.url}/chunked?parts=3") as response:
        assert len(seen.spans) == 1  # it ends with the headers
        assert not response.is_stream_consumed
        assert b"".join(response.iter_bytes()).count(b"/chunked") == 3


async def test_async_streaming_and_concurrency(seen: Capture, http_echo: EchoServer) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    async with httpx.AsyncClient() as client:
        async with client.stream("POST", f"{http_echo.url}/chunked", content=body()) as response:
            assert len([part async for part in response.aiter_raw()]) >= 1

        async def work(number: int) -> None:
            with obsv.span(f"work {number}"):
                await client.get(f"{http_echo.url}/{number}")

        await asyncio.gather(*[work(number) for number in range(5)])
    assert http_echo.requests[0]["body"] == "onetwo"
    for number in range(5):
        [child] = [span for span in seen.spans if span.parent_id == seen.span(f"work {number}").span_id]
        assert child.attributes["url.full"].endswith(f"/{number}")


async def test_a_cancelled_request_ends_without_being_an_error(seen: Capture, http_echo: EchoServer) -> None:
    async with httpx.AsyncClient() as client:
        task = asyncio.create_task(client.get(f"{http_echo.url}/slow?seconds=5"))
        while not http_echo.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    [span] = seen.spans
    assert span.status_value == 0
    assert span.end_ns > span.start_ns


def test_the_users_own_transport_is_traced(seen: Capture) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=request.headers["traceparent"])

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        text = client.get("https://me:pw@shop.example/").text
    [span] = seen.spans
    assert span.span_id in text
    assert span.attributes["url.full"] == "https://REDACTED:REDACTED@shop.example/"
    assert "network.peer.address" not in span.attributes


def sent_and_told(http_echo: EchoServer, client: httpx.Client, **options: Any) -> tuple[str | None, str | None]:
    """Send a request; return its header as it was on the wire, and as the request object has it."""
    request = client.get(http_echo.url, **options).request
    client.close()
    return http_echo.requests[-1]["headers"].get("traceparent"), request.headers.get("traceparent")


def test_the_headers_do_not_go_through_all_of_httpx(seen: Capture, http_echo: EchoServer) -> None:
    """h11 writes them last: the request itself has none."""
    wire, told = sent_and_told(http_echo, httpx.Client())
    [span] = seen.spans
    assert wire == f"00-{span.trace_id}-{span.span_id}-{span.flags:02x}"
    assert told is None


@pytest.mark.parametrize("name", ["traceparent", "X-Amzn-Trace-Id", "TRACESTATE"])
def test_headers_of_somebody_elses_trace_stay_alone(seen: Capture, http_echo: EchoServer, name: str) -> None:
    value = "Root=1-11111111-111111111111111111111111" if name.startswith("X") else f"00-{'1' * 32}-{'2' * 16}-01"
    with httpx.Client() as client:
        client.get(http_echo.url, headers={name: value})
    headers = http_echo.requests[0]["headers"]
    assert headers[name.lower()] == value
    if name != "TRACESTATE":
        assert {"traceparent", "x-amzn-trace-id"} & set(headers) == {name.lower()}


def handler(*_: Any) -> httpx.Response:
    return httpx.Response(204)


@pytest.mark.parametrize("replaced", ["transport", "pool", "instance", "mount", "newer"])
def test_who_stands_between_finds_the_headers_in_the_request(
    seen: Capture, http_echo: EchoServer, monkeypatch: pytest.MonkeyPatch, replaced: str
) -> None:
    import httpcore

    options: dict[str, Any] = {"mounts": {"http://": httpx.HTTPTransport()}} if replaced == "mount" else {}
    client = httpx.Client(**options)
    client.get(http_echo.url)
    transport: Any = client._transport
    owner, name = {
        "transport": (httpx.HTTPTransport, "handle_request"),
        "pool": (httpcore.ConnectionPool, "handle_request"),
        "instance": (transport, "handle_request"),
    }.get(replaced, (None, ""))
    if owner is not None:
        before: Any = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *args: before(*args))
    if replaced == "newer":
        monkeypatch.setattr(transport._pool, "_http2", True)
        del client._obsv_wire  # type: ignore[attr-defined]
    wire, told = sent_and_told(http_echo, client)
    span = seen.spans[-1]
    assert wire == told == f"00-{span.trace_id}-{span.span_id}-{span.flags:02x}"


def test_a_version_of_h11_that_writes_in_another_way_is_left_alone(http_echo: EchoServer) -> None:
    from h11 import CLIENT, IDLE
    from h11._connection import WRITERS

    def unknown(request: Any, write: Any) -> None:
        written: list[bytes] = []
        usual(request, written.append)
        write(b"".join(written))

    usual: Any = WRITERS[CLIENT, IDLE]
    WRITERS[CLIENT, IDLE] = unknown
    try:
        with capture(patch="httpx") as seen:
            wire, told = sent_and_told(http_echo, httpx.Client())
            assert wire == told == f"00-{seen.spans[0].trace_id}-{seen.spans[0].span_id}-{seen.spans[0].flags:02x}"
            assert WRITERS[CLIENT, IDLE] is unknown
    finally:
        WRITERS[CLIENT, IDLE] = usual


def test_h11_is_as_it_was_afterwards() -> None:
    from h11 import CLIENT, IDLE
    from h11._connection import WRITERS

    before = WRITERS[CLIENT, IDLE]
    with capture(patch="httpx"):
        assert WRITERS[CLIENT, IDLE] is not before
    assert WRITERS[CLIENT, IDLE] is before


def test_what_asks_a_proxy_for_a_tunnel_carries_nothing() -> None:
    pieces = [b"CONNECT shop:443 HTTP/1.1\r\n", b"host: shop\r\n", b"\r\n"]
    write_late(pieces.append, [b"traceparent: x\r\n"])
    assert len(pieces) == 3


def test_unpatching_restores_the_functions() -> None:
    before = functions(*TARGETS)
    signature = inspect.signature(httpx.Client._send_single_request)
    with capture(patch="httpx"):
        patched = functions(*TARGETS)
        assert all(patched[target] is not before[target] for target in TARGETS)
        assert inspect.signature(httpx.Client._send_single_request) == signature
        assert inspect.iscoroutinefunction(httpx.AsyncClient._send_single_request)
        obsv.unpatch("httpx")
        assert functions(*TARGETS) == before
    assert functions(*TARGETS) == before


@pytest.mark.parametrize("order", ORDERS)
def test_the_order_of_imports_does_not_matter(http_echo: EchoServer, order: str) -> None:
    [span] = spans_in_new_process(order, "httpx", "httpx.get(sys.argv[1])", http_echo.url)
    assert span["name"] == "GET"
    assert span["id"] in http_echo.requests[0]["headers"]["traceparent"]
