"""A request to a web framework, called in process: what instrumentation adds to the framework's own time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from benchmarks.measure import adds
from benchmarks.scenario import Less, Peer, Scenario

from ._setup import DDTRACE, OBSV, SDK, start_ddtrace, start_obsv, start_sdk

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.measure import Run
    from benchmarks.scenario import Measure

PLACE = 4


def _fastapi_app() -> Any:
    from fastapi import FastAPI

    app = FastAPI()

    async def order(number: int) -> dict[str, object]:
        return {"number": number, "paid": True}

    order.__annotations__ = {"number": int}  # FastAPI reads them, and these ones are texts
    app.get("/orders/{number}")(order)
    return app


def _fastapi_run(app: Any) -> Run:
    events = asyncio.new_event_loop()
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/orders/7",
        "raw_path": b"/orders/7",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"shop.example.com"), (b"user-agent", b"bench/1.0"), (b"accept", b"*/*")],
        "client": ("10.0.0.7", 41234),
        "server": ("10.0.0.1", 80),
        "state": {},
    }

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    status = 0

    async def send(message: dict[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)

    async def requests(count: int) -> None:
        for _ in range(count):
            await app(dict(scope, headers=list(scope["headers"]), state={}), receive, send)

    def run(count: int) -> None:
        events.run_until_complete(requests(count))
        if status != 200:
            raise SystemExit(f"the application answered {status}")

    return run


def _flask_app() -> Any:
    from flask import Flask

    app = Flask("bench")

    @app.get("/orders/<int:number>")
    def order(number: int) -> dict[str, object]:
        return {"number": number, "paid": True}

    return app


def _flask_run(app: Any) -> Run:
    from io import BytesIO

    environ: dict[str, object] = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/orders/7",
        "QUERY_STRING": "",
        "SCRIPT_NAME": "",
        "SERVER_NAME": "10.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "10.0.0.7",
        "REMOTE_PORT": "41234",
        "HTTP_HOST": "shop.example.com",
        "HTTP_USER_AGENT": "bench/1.0",
        "HTTP_ACCEPT": "*/*",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(),
        "wsgi.errors": BytesIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    statuses = set()

    def start_response(status: str, headers: object, error: object = None) -> None:
        statuses.add(status)

    def run(count: int) -> None:
        for _ in range(count):
            body = app(dict(environ), start_response)
            b"".join(body)
            body.close()
        if statuses != {"200 OK"}:
            raise SystemExit(f"the application answered {statuses}")

    return run


MAKE = {"fastapi": (_fastapi_app, _fastapi_run), "flask": (_flask_app, _flask_run)}


def _with(
    framework: str, instrument: Callable[[str, str], tuple[Callable[[], object], Callable[[Any], None]]]
) -> Measure:
    """Measure a framework; ``instrument`` returns a flush and what is to be done to the application."""
    make_app, make_run = MAKE[framework]
    finish: list[Callable[[Any], None]] = []

    def make(url: str) -> Run:
        app = make_app()
        for each in finish:
            each(app)
        return make_run(app)

    def start(url: str) -> Callable[[], object]:
        flush, after = instrument(url, framework)
        finish.append(after)
        return flush

    return adds(make, start)


def _obsv(url: str, framework: str) -> tuple[Callable[[], object], Callable[[Any], None]]:
    return start_obsv(url, metrics="otlp", patch=True), lambda app: None


def _sdk(url: str, framework: str) -> tuple[Callable[[], object], Callable[[Any], None]]:
    _, flush = start_sdk(url, metrics=True)
    if framework == "fastapi":
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

        return flush, FastAPIInstrumentor.instrument_app
    from opentelemetry.instrumentation.flask import FlaskInstrumentor

    return flush, FlaskInstrumentor().instrument_app


def _ddtrace(url: str, framework: str) -> tuple[Callable[[], object], Callable[[Any], None]]:
    tracer = start_ddtrace(url)
    from ddtrace import patch

    patch(raise_errors=True, **{framework: True, **({"starlette": True} if framework == "fastapi" else {})})
    return tracer.flush, lambda app: None


def _scenario(framework: str, title: str, sdk: float, ddtrace: float) -> Scenario:
    return Scenario(
        framework,
        f"{title} request in process: what server span and request metric add",
        (
            Peer(OBSV, _with(framework, _obsv), "obsv"),
            Peer(SDK, _with(framework, _sdk), "opentelemetry"),
            Peer(DDTRACE, _with(framework, _ddtrace), "ddtrace"),
        ),
        5_000,
        (Less("adds", (SDK,), sdk), Less("adds", (DDTRACE,), ddtrace)),
        few=400,
    )


SCENARIOS = (_scenario("fastapi", "FastAPI", 25, 15), _scenario("flask", "Flask", 20, 30))
