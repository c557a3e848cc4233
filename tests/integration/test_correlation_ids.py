"""Correlation ids from the headers of requests: real FastAPI behind uvicorn, real Flask behind Werkzeug."""

from __future__ import annotations

import asyncio
import http.client
import logging
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from flask import Flask

import obsv
from obsv.hotpath import headers
from obsv.logs import context
from obsv.testing import capture
from servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from obsv.hotpath.records import LogRecord
    from obsv.testing import Capture
    from servers import WebServer

log = obsv.get_logger("shop")


@pytest.fixture
def seen() -> Iterator[Capture]:
    with capture(patch="asgi,flask,logging") as captured:
        yield captured


def get(server: WebServer, path: str, **sent: str) -> None:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    try:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in sent.items()})
        connection.getresponse().read()
    finally:
        connection.close()


def ids(seen: Capture, count: int) -> list[Any]:
    def ours() -> list[LogRecord]:
        return [record for record in seen.logs if record.logger in ("shop", "library")]

    wait_until(lambda: len(ours()) >= count, f"{count} records")
    return [(record.fields or {}).get("correlation_id") for record in ours()]


def fast() -> FastAPI:
    app = FastAPI()

    @app.get("/sync")
    def sync() -> str:
        log.info("in a thread of the pool")
        return "x"

    @app.get("/async")
    async def coroutine() -> str:
        log.info("before")
        await asyncio.sleep(0.01)
        logging.getLogger("library").warning("after")
        return "x"

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> Any:
            yield b"a"
            log.info("in the stream")
            yield b"b"

        return StreamingResponse(parts())

    return app


def flask() -> Flask:
    app = Flask("shop")

    @app.get("/sync")
    def sync() -> str:
        log.info("in the view")
        logging.getLogger("library").warning("of a library")
        return "x"

    @app.get("/stream")
    def stream() -> Any:
        def parts() -> Any:
            yield "a"
            log.info("in the stream")
            yield "b"

        return parts()

    return app


def test_asgi(seen: Capture, asgi_server: Callable[..., WebServer]) -> None:
    server = asgi_server(fast())
    get(server, "/async", X_Correlation_ID="c-1")
    get(server, "/sync", X_Request_Id="r-2")
    get(server, "/async")
    get(server, "/stream", x_request_id="s-3")
    assert ids(seen, 6) == ["c-1", "c-1", "r-2", None, None, "s-3"]


def test_wsgi(seen: Capture, wsgi_server: Callable[..., WebServer]) -> None:
    server = wsgi_server(flask())
    get(server, "/sync", X_Correlation_ID="c-1")
    get(server, "/sync", X_Request_Id="r-2", X_Correlation_Id="c-2")
    get(server, "/sync")
    get(server, "/stream", x_request_id="s-3")
    assert ids(seen, 7) == ["c-1", "c-1", "c-2", "c-2", None, None, "s-3"]
    assert context.correlation_id() is None


def test_concurrent_requests_keep_apart(seen: Capture, asgi_server: Callable[..., WebServer]) -> None:
    import threading

    server = asgi_server(fast())
    threads = [threading.Thread(target=get, args=(server, "/async"), kwargs={"x_request_id": str(n)}) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(ids(seen, 16)) == sorted([str(n) for n in range(8)] * 2)


def test_a_long_id_is_cut(seen: Capture, wsgi_server: Callable[..., WebServer]) -> None:
    get(wsgi_server(flask()), "/sync", x_request_id="x" * 5000)
    assert ids(seen, 2) == ["x" * 256] * 2


def test_the_headers_are_a_setting(
    asgi_server: Callable[..., WebServer], wsgi_server: Callable[..., WebServer]
) -> None:
    config = {"signals": False, "flush_interval": 0.05, "log_correlation_headers": "X-Trace, x-other"}
    with capture(patch="asgi,flask,logging", config=config) as seen:
        for server in (asgi_server(fast()), wsgi_server(flask())):
            get(server, "/sync", x_request_id="no", X_Other="yes")
        assert ids(seen, 3) == ["yes", "yes", "yes"]
    with capture(patch="asgi,flask,logging", config={**config, "log_correlation_headers": "none"}) as seen:
        assert headers.correlation.headers == ()
        get(wsgi_server(flask()), "/sync", x_request_id="no", X_Other="no")
        assert ids(seen, 2) == [None, None]
