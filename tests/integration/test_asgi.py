"""Starlette and FastAPI, patched: real applications, behind a real uvicorn where a server matters."""

from __future__ import annotations

import asyncio
import gc
import http.client
import inspect
import socket
import subprocess
import sys
from collections import UserDict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import APIRouter, BackgroundTasks, FastAPI, HTTPException
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotations
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Host, Mount, Route, Router
from starlette.websockets import WebSocket  # noqa: TC002 - likewise

import obsv
from obsv.hotpath import compiled, connection, exchange, faults
from obsv.hotpath.http_words import METHODS
from obsv.hotpath.span import LocalTrace, Span
from obsv.patches import asgi
from obsv.testing import Capture, capture
from servers import WebServer, wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
DURATION = "http.server.request.duration"


@pytest.fixture
def seen() -> Iterator[Capture]:
    with capture(patch="asgi") as captured:
        yield captured


def get(server: WebServer, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    """One request over a real connection."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def spans(seen: Capture, count: int) -> list[Span]:
    """So many spans: a request's ends a moment after its client has the answer."""
    wait_until(lambda: len(seen.spans) >= count, f"{count} spans")
    assert len(seen.spans) == count
    return seen.spans


async def call(
    app: Any,
    path: str = "/",
    method: str = "GET",
    headers: tuple[tuple[bytes, bytes], ...] = (),
    incoming: tuple[dict[str, Any], ...] = ({"type": "http.request", "body": b""},),
    **more: Any,
) -> list[dict[str, Any]]:
    """One request without a server; returns the messages that the application sent."""
    waiting = list(incoming)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        await asyncio.sleep(0)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": list(headers),
        "client": ("127.0.0.9", 5),
        "server": ("127.0.0.1", 80),
        **more,
    }
    await app(scope, receive, send)
    return sent


def shop() -> FastAPI:
    """An application with most of what routing knows."""
    app = FastAPI()
    router = APIRouter(prefix="/orders")
    deeper = APIRouter(prefix="/lines")
    sub = FastAPI()

    @app.get("/items/{item}")
    async def item(item: int) -> dict[str, int]:
        return {"item": item}

    @router.get("/{order}")
    def order(order: str) -> str:
        return order

    @deeper.get("/{line}")
    def line(line: str) -> str:
        return line

    @sub.get("/things/{thing}")
    def thing(thing: str) -> str:
        return thing

    @app.get("/boom")
    async def boom() -> None:
        raise ValueError("no luck")

    @app.get("/busy")
    async def busy() -> None:
        raise HTTPException(503, "busy")

    async def plain(request: Request) -> Response:
        return PlainTextResponse("plain")

    router.include_router(deeper)
    app.include_router(router, prefix="/v1")
    app.mount("/sub", sub)
    app.mount("/tenants/{tenant}", sub)
    app.mount("/wild", PlainTextResponse("anything"))
    app.add_route("/plain/{word}", plain)
    return app


# ---------------------------------------------------------------------- the span


def test_span_says_what_the_conventions_want(seen: Capture, asgi_server: Callable[..., WebServer]) -> None:
    server = asgi_server(shop())
    status, body = get(server, "/items/7?q=1&sig=secret", User_Agent="tester/1")
    assert (status, body) == (200, b'{"item":7}')
    [span] = spans(seen, 1)
    assert (span.name, span.kind_value, span.status_value, span.event_list) == ("GET /items/{item}", 1, 0, None)
    assert span.parent_id is None
    assert span.attributes == {
        "http.request.method": "GET",
        "http.route": "/items/{item}",
        "http.response.status_code": 200,
        "url.path": "/items/7",
        "url.query": "q=1&sig=REDACTED",
        "url.scheme": "http",
        "server.address": "127.0.0.1",
        "server.port": server.port,
        "client.address": "127.0.0.1",
        "network.peer.address": "127.0.0.1",
        "network.protocol.version": "1.1",
        "user_agent.original": "tester/1",
    }
    point = seen.point(DURATION)
    assert (point.unit, point.kind, point.count) == ("Seconds", "histogram", 1)
    assert point.attributes == {
        "http.request.method": "GET",
        "http.route": "/items/{item}",
        "http.response.status_code": 200,
        "url.scheme": "http",
    }
    assert point.sum == pytest.approx((span.end_ns - span.start_ns) / 1e9, abs=0.05)


@pytest.mark.parametrize(
    ("method", "path", "name", "status"),
    [
        ("GET", "/v1/orders/7", "GET /v1/orders/{order}", 200),
        ("GET", "/v1/orders/lines/7", "GET /v1/orders/lines/{line}", 200),
        ("GET", "/sub/things/3", "GET /sub/things/{thing}", 200),
        ("GET", "/tenants/acme/things/3", "GET /tenants/{tenant}/things/{thing}", 200),
        ("GET", "/sub/nothing", "GET /sub/{path}", 404),
        ("GET", "/wild/child", "GET /wild/{path}", 200),
        ("GET", "/plain/x", "GET /plain/{word}", 200),
        ("GET", "/openapi.json", "GET /openapi.json", 200),
        ("GET", "/sub/openapi.json", "GET /sub/openapi.json", 200),
        ("HEAD", "/plain/x", "HEAD /plain/{word}", 200),
        ("POST", "/items/7", "POST /items/{item}", 405),
        ("OPTIONS", "/items/7", "OPTIONS /items/{item}", 405),
        ("GET", "/items/seven", "GET /items/{item}", 422),
        ("GET", "/nowhere/1", "GET", 404),
        ("GET", "/items/7/", "GET", 307),
        ("BREW", "/items/7", "HTTP /items/{item}", 405),
        ("get", "/nowhere", "HTTP", 404),
    ],
)
async def test_route_names_the_span(seen: Capture, method: str, path: str, name: str, status: int) -> None:
    sent = await call(shop(), path, method)
    assert sent[0]["status"] == status
    [span] = seen.spans
    assert span.name == name
    assert span.attributes.get("http.route") == (name.partition(" ")[2] or None)
    known = method in METHODS
    assert span.attributes["http.request.method"] == (method if known else "_OTHER")
    assert span.attributes.get("http.request.method_original") == (None if known else method)
    assert span.status_value == 0  # a client's mistake is no error of the server


async def test_starlette_routes(seen: Capture) -> None:
    async def hello(request: Request) -> Response:
        return PlainTextResponse("hello")

    app = Starlette(
        routes=[
            Route("/a/{x:int}", hello),
            Mount("/m/{y}", routes=[Route("/b", hello), Mount("/n", app=Router([Route("/c/{z}", hello)]))]),
            Host("{tenant}.example.org", Router([Route("/d", hello)])),
        ]
    )
    for path, headers in (
        ("/a/1", ()),
        ("/m/1/b", ()),
        ("/m/1/n/c/2", ()),
        ("/d", ((b"host", b"acme.example.org"),)),
    ):
        assert (await call(app, path, headers=headers))[0]["status"] == 200
    assert [span.name for span in seen.spans] == ["GET /a/{x:int}", "GET /m/{y}/b", "GET /m/{y}/n/c/{z}", "GET /d"]


async def test_application_root_is_part_of_path_and_route(seen: Capture) -> None:
    await call(shop(), "/api/items/7", root_path="/api")
    await call(shop(), "/api/sub/things/7", root_path="/api")
    assert [span.name for span in seen.spans] == ["GET /api/items/{item}", "GET /api/sub/things/{thing}"]
    assert seen.spans[0].attributes["url.path"] == "/api/items/7"


async def test_route_is_found_behind_middleware_that_answers_or_copies_the_scope(seen: Capture) -> None:
    class Copying:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http" and scope["path"].endswith("/0"):
                await PlainTextResponse("no", 401)(scope, receive, send)
            else:
                await self.app(dict(scope), receive, send)

    app = shop()
    app.add_middleware(Copying)
    for path in ("/items/1", "/items/0", "/sub/things/1", "/v1/orders/0"):
        await call(app, path)
    assert [span.name for span in seen.spans] == [
        "GET /items/{item}",
        "GET /items/{item}",
        "GET /sub/things/{thing}",
        "GET /v1/orders/{order}",
    ]


async def test_addresses_come_from_headers_where_there_are_some(seen: Capture) -> None:
    headers = ((b"host", b"Shop.example:8443"), (b"x-forwarded-for", b"203.0.113.7, 10.0.0.1"))
    await call(shop(), "/items/1", headers=headers, scheme="https")
    await call(shop(), "/items/1", headers=((b"host", b"shop.example"),), scheme="https")
    await call(shop(), "/items/1", headers=((b"host", b"user:secret@x/\xff"),), client=None)
    first, second, third = (span.attributes for span in seen.spans)
    assert (first["server.address"], first["server.port"]) == ("shop.example", 8443)
    assert (first["client.address"], first["network.peer.address"]) == ("203.0.113.7", "127.0.0.9")
    assert (second["server.address"], second["server.port"]) == ("shop.example", 443)
    assert (third["server.address"], third["server.port"]) == ("127.0.0.1", 80)
    assert "client.address" not in third
    assert "secret" not in repr(third)


# ---------------------------------------------------------------------- trace context


@pytest.mark.parametrize(
    "header",
    [
        {"traceparent": TRACEPARENT},
        {"X-Amzn-Trace-Id": f"Root=1-{TRACE[:8]}-{TRACE[8:]};Parent={PARENT};Sampled=1"},
    ],
)
def test_trace_goes_on(seen: Capture, asgi_server: Callable[..., WebServer], header: dict[str, str]) -> None:
    get(asgi_server(shop()), "/items/1", **header)
    [span] = spans(seen, 1)
    assert (span.trace_id, span.parent_id, span.parent_remote) == (TRACE, PARENT, True)


@pytest.mark.parametrize(
    "header", [b"", b"garbage", b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01", b"\xff\xfe", b"-" * 9999]
)
async def test_garbage_begins_a_new_trace(seen: Capture, header: bytes) -> None:
    headers = tuple((name, header) for name in (b"traceparent", b"tracestate", b"baggage", b"x-amzn-trace-id", b"host"))
    assert (await call(shop(), "/items/1", headers=headers))[0]["status"] == 200
    [span] = seen.spans
    assert span.parent_id is None
    assert span.trace_id not in (TRACE, "0" * 32)


async def test_a_header_that_comes_twice(seen: Capture) -> None:
    twice = ((b"traceparent", TRACEPARENT.encode()), (b"tracestate", b"a=1"), (b"tracestate", b"b=2"))
    await call(shop(), "/items/1", headers=twice)
    assert seen.spans[0].tracestate == "a=1,b=2"


async def test_unsampled_request_has_no_span_but_is_counted(seen: Capture) -> None:
    await call(shop(), "/items/1", headers=((b"traceparent", TRACEPARENT[:-1].encode() + b"0"),))
    assert seen.spans == []
    assert seen.point(DURATION).attributes["http.route"] == "/items/{item}"


# ---------------------------------------------------------------------- the X-Ray header of the answer

ROOT = f"Root=1-{TRACE[:8]}-{TRACE[8:]}"


def answered(messages: list[dict[str, Any]]) -> list[str]:
    return [value.decode() for name, value in messages[0]["headers"] if name.lower() == b"x-amzn-trace-id"]


@pytest.mark.parametrize(
    ("share", "asked", "answer"),
    [
        (1.0, f"{ROOT};Sampled=?", [f"{ROOT};Sampled=1"]),
        (0.0, f"Sampled = ? ;{ROOT};Parent={PARENT}", [f"{ROOT};Sampled=0"]),
        (1.0, f"{ROOT};Parent={PARENT};Sampled=1", []),
        (1.0, ROOT, []),
        (1.0, "Sampled=?", []),
    ],
)
async def test_an_answer_says_what_was_decided_where_x_rays_header_asks(
    share: float, asked: str, answer: list[str]
) -> None:
    with capture(patch="asgi", sample=share):
        for path in ("/items/1", "/busy", "/nowhere"):
            assert answered(await call(shop(), path, headers=((b"x-amzn-trace-id", asked.encode()),))) == answer


async def test_an_application_answers_for_itself_and_may_use_its_message_again(seen: Capture) -> None:
    asked = ((b"x-amzn-trace-id", f"{ROOT};Sampled=?".encode()),)
    start: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]}
    for headers, answer in (
        ([(b"X-Amzn-Trace-Id", b"mine")], ["mine"]),
        ([(b"a", b"b")], [f"{ROOT};Sampled=1"]),
        (iter([(b"a", b"b")]), [f"{ROOT};Sampled=1"]),
        ((), [f"{ROOT};Sampled=1"]),
    ):
        start["headers"] = headers
        before = dict(start)

        async def answering(scope: Any, receive: Any, send: Any) -> None:
            await send(start)
            await send({"type": "http.response.body", "body": b""})

        sent = await call(Starlette(routes=[Mount("/", answering)]), headers=asked)
        assert answered(sent) == answer
        assert start == before
        assert not isinstance(headers, list) or len(headers) == 1


async def test_the_context_around_a_server_is_no_parent(seen: Capture) -> None:
    with obsv.span("main"):
        await call(shop(), "/items/1")
    request = seen.span("GET /items/{item}")
    assert request.parent_id is None
    assert request.trace_id != seen.span("main").trace_id


async def test_concurrent_requests_keep_apart(seen: Capture) -> None:
    app = FastAPI()

    @app.get("/work/{number}")
    async def work(number: int) -> int:
        with obsv.span("step", number=number):
            await asyncio.sleep(0.001 * (number % 7))
            assert obsv.current_span().attributes["number"] == number
        return number

    def headers(number: int) -> tuple[tuple[bytes, bytes], ...]:
        return ((b"traceparent", f"00-{number + 1:032x}-{PARENT}-01".encode()),)

    await asyncio.gather(*(call(app, f"/work/{number}", headers=headers(number)) for number in range(100)))
    assert obsv.current_span().span_id == "0" * 16
    roots = {span.trace_lo: span for span in seen.spans if span.name == "GET /work/{number}"}
    steps = [span for span in seen.spans if span.name == "step"]
    assert len(roots) == len(steps) == 100
    for step in steps:
        assert step.trace_lo == step.attributes["number"] + 1
        assert step.parent64 == roots[step.trace_lo].id64


# ---------------------------------------------------------------------- failures


async def test_exception_is_recorded_once_and_passes_untouched(seen: Capture) -> None:
    app = shop()
    error = ValueError("the very one")

    @app.get("/same")
    async def same() -> None:
        raise error

    with pytest.raises(ValueError, match="the very one") as raised:
        await call(app, "/same")
    assert raised.value is error
    [span] = seen.spans
    assert (span.status_value, span.status_message) == (2, "ValueError: the very one")
    assert span.attributes["http.response.status_code"] == 500
    assert span.attributes["error.type"] == "ValueError"
    [event] = span.event_list or []
    assert event.error is not None
    assert event.error.stack()[-1][2] == "same"
    assert seen.point(DURATION).attributes["error.type"] == "ValueError"


def test_server_answers_500(seen: Capture, asgi_server: Callable[..., WebServer]) -> None:
    server = asgi_server(shop(), log_level="critical")
    assert get(server, "/boom") == (500, b"Internal Server Error")
    assert spans(seen, 1)[0].name == "GET /boom"


async def test_handled_5xx_is_an_error_without_exception(seen: Capture) -> None:
    assert (await call(shop(), "/busy"))[0]["status"] == 503
    [span] = seen.spans
    assert (span.status_value, span.status_message, span.event_list) == (2, None, None)
    assert span.attributes["error.type"] == "503"


async def test_own_error_handler(seen: Capture) -> None:
    app = shop()

    @app.exception_handler(ValueError)
    async def handle(request: Request, error: ValueError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 418)

    assert (await call(app, "/boom"))[0]["status"] == 418
    assert (seen.spans[0].status_value, seen.spans[0].event_list) == (0, None)


async def test_cancelled_request_is_no_error(seen: Capture) -> None:
    app = FastAPI()

    @app.get("/wait")
    async def wait() -> None:
        await asyncio.Event().wait()

    task = asyncio.create_task(call(app, "/wait"))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (seen.spans[0].name, seen.spans[0].status_value) == ("GET /wait", 0)


# ---------------------------------------------------------------------- bodies and what comes after them


def test_streamed_body_is_part_of_the_span(seen: Capture, asgi_server: Callable[..., WebServer]) -> None:
    app = FastAPI()

    async def parts() -> AsyncIterator[bytes]:
        for number in range(3):
            with obsv.span("part", number=number):
                yield b"%d" % number
                await asyncio.sleep(0.02)

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(parts())

    assert get(asgi_server(app), "/stream") == (200, b"012")
    found = spans(seen, 4)
    request = seen.span("GET /stream")
    assert request.end_ns - request.start_ns >= 60_000_000
    assert all(span.parent64 == request.id64 for span in found if span.name == "part")


def test_client_that_leaves_is_no_error(seen: Capture, asgi_server: Callable[..., WebServer]) -> None:
    app = FastAPI()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1000
            await asyncio.sleep(0.005)

    @app.get("/endless")
    async def stream() -> StreamingResponse:
        return StreamingResponse(endless())

    server = asgi_server(app)
    with socket.create_connection((server.host, server.port)) as client:
        client.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(100)
    [span] = spans(seen, 1)
    assert (span.name, span.status_value, span.attributes["http.response.status_code"]) == ("GET /endless", 0, 200)
    assert [event.name for event in span.event_list or []] == ["response not completed"]


async def test_background_work_is_in_the_trace_and_not_in_the_duration(seen: Capture) -> None:
    app = FastAPI()

    async def later() -> None:
        with obsv.span("later"):
            await asyncio.sleep(0.1)

    @app.get("/start")
    async def start(tasks: BackgroundTasks) -> str:
        tasks.add_task(later)
        return "started"

    await call(app, "/start")
    request, later_span = seen.span("GET /start"), seen.span("later")
    assert request.end_ns - request.start_ns < 100_000_000
    assert later_span.parent64 == request.id64
    assert later_span.start_ns >= request.end_ns
    assert seen.point(DURATION).sum < 0.1


async def test_background_failure_has_a_span_of_its_own(seen: Capture) -> None:
    def fail() -> None:
        raise KeyError("later")

    async def start(request: Request) -> Response:
        return PlainTextResponse("started", background=BackgroundTask(fail))

    with pytest.raises(KeyError):
        await call(Starlette(routes=[Route("/start", start)]), "/start")
    request, task = seen.span("GET /start"), seen.span("background task")
    assert (request.status_value, task.status_value, task.parent64) == (0, 2, request.id64)
    assert task.event_list is not None


async def test_odd_messages_are_the_servers_to_judge(seen: Capture) -> None:
    async def odd(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [], "trailers": True})
        await send({"type": "http.response.body", "body": b"a"})
        await send({"type": "http.response.trailers", "headers": []})

    sent = await call(Starlette(routes=[Mount("/", odd)]), "/odd")
    assert [message["type"] for message in sent] == [
        "http.response.start",
        "http.response.body",
        "http.response.trailers",
    ]
    assert seen.spans[0].name == "GET /{path}"


# ---------------------------------------------------------------------- WebSockets and lifespan

SOCKET: dict[str, Any] = {"type": "websocket", "scheme": "ws", "subprotocols": []}
CONNECT: dict[str, Any] = {"type": "websocket.connect"}


async def test_websocket_connection_is_one_span_and_no_metric(seen: Capture) -> None:
    app = FastAPI()

    @app.websocket("/talk/{room}")
    async def talk(socket: WebSocket, room: str) -> None:
        await socket.accept()
        while True:
            text = await socket.receive_text()
            with obsv.span("message"):
                await socket.send_text(text)

    incoming = (
        CONNECT,
        {"type": "websocket.receive", "text": "a"},
        {"type": "websocket.receive", "text": "b"},
        {"type": "websocket.disconnect", "code": 1001},
    )
    from starlette.websockets import WebSocketDisconnect

    with pytest.raises(WebSocketDisconnect):
        await call(app, "/talk/1", headers=((b"traceparent", TRACEPARENT.encode()),), incoming=incoming, **SOCKET)
    span = seen.span("WS /talk/{room}")
    assert (span.trace_id, span.kind_value, span.status_value) == (TRACE, 1, 0)
    assert [event.name for event in span.event_list or []] == ["client disconnected"]
    assert span.attributes["http.response.status_code"] == 101
    assert span.attributes["network.protocol.name"] == "websocket"
    assert span.attributes["url.scheme"] == "ws"
    assert "http.request.method" not in span.attributes
    assert [each.parent64 for each in seen.spans if each.name == "message"] == [span.id64] * 2
    assert seen.points == []


async def test_websocket_refused_and_failed(seen: Capture) -> None:
    app = FastAPI()

    @app.websocket("/fail")
    async def fail(socket: WebSocket) -> None:
        await socket.accept()
        raise ValueError("in the middle")

    await call(app, "/nowhere", incoming=(CONNECT,), **SOCKET)
    with pytest.raises(ValueError, match="in the middle"):
        await call(app, "/fail", incoming=(CONNECT,), **SOCKET)
    refused, failed = seen.spans
    assert (refused.name, refused.attributes["http.response.status_code"], refused.status_value) == ("WS", 403, 0)
    assert (failed.name, failed.attributes["error.type"], failed.status_value) == ("WS /fail", "ValueError", 2)


def test_lifespan_is_untouched(seen: Capture, asgi_server: Callable[..., WebServer]) -> None:
    ran: list[str] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        ran.append("up")
        yield

    app = FastAPI(lifespan=lifespan)
    asgi_server(app, lifespan="on")
    assert ran == ["up"]
    assert seen.spans == []


# ---------------------------------------------------------------------- FastAPI's own telemetry


@pytest.mark.parametrize("signals", [(), ("metrics",), ("tracing", "metrics")], ids=str)
async def test_fastapis_own_telemetry_makes_no_second_span(seen: Capture, signals: tuple[str, ...]) -> None:
    """Given providers of its own, FastAPI goes on to use them; what would come to obsv a second time does not."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from opentelemetry.trace import get_tracer_provider

    assert type(get_tracer_provider()).__module__.startswith("obsv.")
    reader, exporter = InMemoryMetricReader(), InMemorySpanExporter()
    tracers, meters = TracerProvider(), MeterProvider([reader])
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    own: Any = {
        **({"tracer_provider": tracers} if "tracing" in signals else {}),
        **({"meter_provider": meters} if "metrics" in signals else {}),
    }
    app = FastAPI(telemetry=own)

    @app.get("/hello")
    async def hello() -> str:
        with obsv.span("inside"):
            return "hello"

    headers = ((b"traceparent", TRACEPARENT.encode()),)
    assert (await call(app, "/hello", headers=headers))[0]["status"] == 200
    inside, request = seen.spans
    assert (request.name, request.parent_id, inside.parent64) == ("GET /hello", PARENT, request.id64)
    data = reader.get_metrics_data()
    assert bool(data and data.resource_metrics) is ("metrics" in signals)
    names = [span.name for span in exporter.get_finished_spans()]
    assert ("GET /hello" in names) is ("tracing" in signals)
    tracers.shutdown()
    meters.shutdown()


# ---------------------------------------------------------------------- settings and the patch itself


async def test_excluded_urls() -> None:
    with capture(patch="asgi", config={"excluded_urls": "^/health,items/[0-4]$", "signals": False}) as seen:
        for path in ("/health/live", "/items/3", "/items/5"):
            await call(shop(), path)
        assert [span.attributes["url.path"] for span in seen.spans] == ["/items/5"]
        assert seen.point(DURATION).count == 1


def test_nobody_notices_the_wrapper_and_unpatching_restores_the_original() -> None:
    own = vars(Starlette)["__call__"]
    with capture(patch="asgi"):
        patched = vars(Starlette)["__call__"]
        assert patched is not own
        assert inspect.signature(patched) == inspect.signature(own)
        assert inspect.iscoroutinefunction(patched)
        assert (patched.__name__, patched.__qualname__, patched.__doc__) == (
            own.__name__,
            own.__qualname__,
            own.__doc__,
        )
        app = shop()
        assert isinstance(app, Starlette)
        assert type(app) is FastAPI
        obsv.unpatch("asgi")
        assert vars(Starlette)["__call__"] is own
        obsv.patch("fastapi")
        assert vars(Starlette)["__call__"] is not own
    assert vars(Starlette)["__call__"] is own


async def test_application_that_was_wrapped_before_is_silent_after_unpatching(seen: Capture) -> None:
    async def hello(request: Request) -> Response:
        return PlainTextResponse("hello")

    app = Starlette(routes=[Route("/hello", hello)])
    kept = app.__call__
    obsv.unpatch("asgi")
    assert (await call(kept, "/hello"))[0]["status"] == 200
    assert seen.spans == []


ORDERS = {
    "obsv first": "start(); import fastapi",
    "framework first": "import fastapi; start()",
    "application first": "import fastapi; app = fastapi.FastAPI(); start()",
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_order_of_imports_does_not_matter(order: str) -> None:
    code = f"""
import sys, asyncio
from obsv.testing import capture
block = capture(patch="asgi")
def start():
    global seen
    seen = block.__enter__()
{order}
app = globals().get("app") or fastapi.FastAPI()
@app.get("/hello/{{name}}")
async def hello(name: str):
    return name
async def send(message): pass
async def receive(): return {{"type": "http.request"}}
scope = {{"type": "http", "method": "GET", "path": "/hello/you", "query_string": b"", "headers": []}}
asyncio.run(app(scope, receive, send))
print([span.name for span in seen.spans])
block.__exit__(None, None, None)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.returncode) == ("['GET /hello/{name}']", 0), done.stderr


async def test_an_application_that_others_wrapped_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their wrapper takes whatever comes, so the replacement that is made for Starlette's own method does not fit."""
    own = Starlette.__call__

    async def theirs(self: Any, *args: Any, **kwargs: Any) -> None:
        await own(self, *args, **kwargs)

    monkeypatch.setattr(Starlette, "__call__", theirs)
    with capture(patch="asgi") as seen:
        sent = await call(shop(), "/items/1")
        with pytest.raises(ValueError, match="no luck"):
            await call(shop(), "/boom")
        with pytest.raises(TypeError):
            await Starlette()({"type": "http"})  # type: ignore[call-arg]
    assert Starlette.__call__ is theirs
    assert sent[1]["body"] == b'{"item":1}'
    assert [(span.name, span.status_value) for span in seen.spans] == [("GET /items/{item}", 0), ("GET /boom", 2)]
    assert obsv.current_span().span_id == "0" * 16


async def test_a_scope_that_is_no_dict(seen: Capture) -> None:
    class Odd(UserDict[str, Any]):
        pass

    async def hello(scope: Any, receive: Any, send: Any) -> None:
        assert connection.MARK in scope
        scope["endpoint"] = hello
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    app = Starlette()
    app.middleware_stack = hello
    scope = Odd(type="http", method="GET", path="/x", headers=iter([(b"host", b"a.example")]), root_path="")
    await app(scope, None, send)  # type: ignore[arg-type]
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    [span] = seen.spans
    assert (span.name, span.attributes["server.address"]) == ("GET", "a.example")
    assert connection.MARK not in scope


interpreted = pytest.mark.skipif(compiled(), reason="methods of compiled classes cannot be replaced")


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (asgi, "template"),
        (asgi._door, "deliver"),
        (asgi._door, "excluded"),
        (connection, "extract"),
        (connection, "_parent"),
        pytest.param(connection.Call, "_is_last", marks=interpreted),
        pytest.param(connection.Call, "route", marks=interpreted),
        pytest.param(exchange.Exchange, "open", marks=interpreted),
        pytest.param(exchange.Exchange, "_describe", marks=interpreted),
        pytest.param(exchange.Exchange, "finish", marks=interpreted),
        (exchange, "_first"),
        (exchange, "_cell"),
        (exchange, "redact_query"),
    ],
)
async def test_a_bug_of_ours_leaves_the_answer_alone(
    seen: Capture, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], owner: Any, name: str
) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("a bug of ours")

    faults.reset()
    exchange._cells.clear()
    exchange._histogram = None
    monkeypatch.delenv("OBSV_RAISE")
    monkeypatch.setattr(owner, name, broken)
    assert (await call(shop(), "/nowhere"))[0]["status"] == 404
    sent = await call(shop(), "/items/1", headers=((b"traceparent", TRACEPARENT.encode()),), query_string=b"a=1")
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[1]["body"] == b'{"item":1}'
    with pytest.raises(ValueError, match="no luck"):
        await call(shop(), "/boom", headers=((b"traceparent", TRACEPARENT.encode()),), query_string=b"a=1")
    assert faults.counts["patch asgi"] >= 1
    assert capfd.readouterr().err.count("your code is fine") == 1
    assert obsv.current_span().span_id == "0" * 16


# ---------------------------------------------------------------------- bounds


async def test_clients_cannot_make_series(seen: Capture) -> None:
    exchange._cells.clear()
    app = shop()
    for number in range(1500):
        headers = ((b"host", f"h{number}.example".encode()), (b"user-agent", f"agent {number}".encode()))
        await call(app, f"/random/{number}", method=f"M{number}", headers=headers)
        await call(app, f"/items/{number}", headers=headers)
    assert {tuple(sorted(point.attributes.items())) for point in seen.points} == {
        (("http.request.method", "_OTHER"), ("http.response.status_code", 404), ("url.scheme", "http")),
        (
            ("http.request.method", "GET"),
            ("http.response.status_code", 200),
            ("http.route", "/items/{item}"),
            ("url.scheme", "http"),
        ),
    }
    assert len(exchange._cells) == 2
    assert len(exchange._hosts) <= 256


async def test_ten_thousand_requests_leave_nothing_behind() -> None:
    with capture(patch="asgi", traces="none"):
        app = shop()

        async def some(count: int) -> int:
            for number in range(count):
                await call(app, "/items/1" if number % 2 else "/sub/things/2")
            gc.collect()
            return sum(type(each) in (asgi.Call, Span, LocalTrace) for each in gc.get_objects())

        before = await some(100)
        assert await some(10_000) <= before
