"""B3 headers, which a propagator of another package speaks, through real servers and clients."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import requests
from fastapi import FastAPI
from flask import Flask

import obsv
from obsv.hotpath import headers
from obsv.otel.propagators import use_others
from obsv.testing import capture
from servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from obsv.testing import Capture
    from servers import WebServer

TRACE = "80f198ee56343ba864fe8b2a57d3eff7"
PARENT = "e457b5a2e4d86bd1"
SINGLE = {"b3": f"{TRACE}-{PARENT}-1"}
MULTI = {"X-B3-TraceId": TRACE, "X-B3-SpanId": PARENT, "X-B3-Sampled": "1"}


@pytest.fixture
def seen() -> Iterator[Capture]:
    before = headers.formats
    with capture() as captured:
        headers.set_formats(use_others(["b3multi"]))
        yield captured
    headers.set_others(None)
    headers.set_formats(before)


@pytest.fixture
def echo() -> Iterator[str]:
    """A server that answers with the headers that it got, one a line."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = "\n".join(f"{name.lower()}: {value}" for name, value in self.headers.items()).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def fastapi_app() -> Any:
    app = FastAPI()
    app.get("/items")(lambda: 1)
    return app


def flask_app() -> Any:
    app = Flask("shop")
    app.get("/items")(lambda: "1")
    return app


@pytest.mark.parametrize("sent", [SINGLE, MULTI], ids=["single", "multi"])
@pytest.mark.parametrize(("kind", "app"), [("asgi_server", fastapi_app), ("wsgi_server", flask_app)])
def test_a_trace_comes_in(
    seen: Capture, request: pytest.FixtureRequest, kind: str, app: Any, sent: dict[str, str]
) -> None:
    make: Callable[..., WebServer] = request.getfixturevalue(kind)
    server = make(app())
    answer = requests.get(f"http://127.0.0.1:{server.port}/items", headers=sent, timeout=10)
    assert answer.status_code == 200
    wait_until(lambda: [span for span in seen.spans if span.parent_remote], "the server's span")
    [span] = [span for span in seen.spans if span.parent_remote]
    assert (span.trace_id, span.parent_id) == (TRACE, PARENT)


def test_a_trace_goes_out(seen: Capture, echo: str) -> None:
    with obsv.span("work") as work:
        got = dict(line.split(": ", 1) for line in requests.get(echo, timeout=10).text.splitlines())
    [client] = [span for span in seen.spans if span.name == "GET"]
    assert got["x-b3-traceid"] == work.trace_id
    assert got["x-b3-spanid"] == client.span_id
    assert got["x-b3-sampled"] == "1"
    assert "traceparent" not in got
