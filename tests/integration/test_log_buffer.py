"""The buffer and the context with the logging libraries that people use, and with a real server's 5xx."""

from __future__ import annotations

import http.client
import logging
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from fastapi import FastAPI, Response
from flask import Flask
from loguru import logger as loguru

import obsv
from obsv.testing import capture
from servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from obsv.testing import Capture
    from servers import WebServer


def seen(**config: Any) -> capture:
    settings = {"signals": False, "flush_interval": 0.05, "log_level": "INFO", "log_hooks": "none", **config}
    return capture(patch="asgi,flask,logging,structlog,loguru", config=settings)


@pytest.fixture(autouse=True)
def _structlog() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def messages(found: Capture) -> list[str]:
    return [record.message for record in found.logs if record.logger != "uvicorn.error"]


def test_structlog_on_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    with seen(log_buffer="20KiB") as found:
        log = structlog.get_logger("orders")
        with obsv.log_context(job="nightly"):
            with obsv.span("good"):
                log.debug("never")
            with obsv.span("bad") as bad:
                log.debug("held", order=7)
                bad.set_status("error")
        assert messages(found) == ["held"]
        assert found.logs[0].fields == {"job": "nightly", "order": 7}
        assert found.logs[0].trace_id == found.span("bad").trace_id


def test_structlog_on_logging() -> None:
    structlog.configure(
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        processors=[structlog.stdlib.filter_by_level, structlog.processors.JSONRenderer()],
    )
    with seen(log_buffer="20KiB") as found:
        log = structlog.get_logger("orders")
        with obsv.span("bad") as bad:
            log.debug("held", order=7)
            log.warning("written", order=8)
            bad.set_status("error")
        assert [(record.message, record.fields) for record in found.logs] == [
            ("written", {"order": 8}),
            ("held", {"order": 7}),
        ]


def test_loguru(capsys: pytest.CaptureFixture[str]) -> None:
    with seen(log_buffer="20KiB") as found:
        with obsv.span("good"):
            loguru.debug("never")
        with obsv.span("bad") as bad, obsv.log_context(job="nightly"):
            loguru.bind(order=7).debug("held")
            bad.set_status("error")
        assert messages(found) == ["held"]
        assert found.logs[0].fields == {"job": "nightly", "order": 7}


def test_without_a_buffer_both_keep_their_level(capsys: pytest.CaptureFixture[str]) -> None:
    with seen() as found:
        with obsv.span("bad") as bad:
            loguru.debug("never")
            structlog.get_logger().debug("never")
            bad.set_status("error")
        assert messages(found) == []


def get(server: WebServer, path: str) -> int:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def fast() -> FastAPI:
    app = FastAPI()

    @app.get("/{status}")
    def answer(status: int) -> Response:
        logging.getLogger("library").debug("held %d", status)
        return Response(status_code=status)

    return app


def flask() -> Flask:
    app = Flask("shop")

    @app.get("/<int:status>")
    def answer(status: int) -> Any:
        logging.getLogger("library").debug("held %d", status)
        return "", status

    return app


@pytest.mark.parametrize("sample", [1.0, 0.0])
@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_a_5xx_brings_the_records_of_its_request_along(
    kind: str, sample: float, asgi_server: Callable[..., WebServer], wsgi_server: Callable[..., WebServer]
) -> None:
    with seen(log_buffer="20KiB") as found:
        obsv.hotpath.span.OUTLET.set_ratio(sample)  # type: ignore[attr-defined]
        server = asgi_server(fast()) if kind == "asgi" else wsgi_server(flask())
        assert [get(server, path) for path in ("/200", "/404", "/503", "/200")] == [200, 404, 503, 200]
        wait_until(lambda: "held 503" in messages(found), "the record")
        wait_until(lambda: obsv.status()["logs"]["buffered"] == 0, "the end of the last request")
        assert messages(found) == ["held 503"]
