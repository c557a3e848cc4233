"""No secret of a small program reaches any destination, by obsv's API or by OpenTelemetry's."""

from __future__ import annotations

import logging
import os
import re
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import obsv
from obsv import entry_points

if TYPE_CHECKING:
    from pathlib import Path

    from collectors import Collector, XRayDaemon

SECRET = "hunter2x"
CARD = "4111 1111 1111 1111"
SECRETS = re.compile(f"{SECRET}|{CARD}".encode())


def work() -> None:
    """Say the same secrets in as many ways as there are."""
    log = obsv.get_logger("work").bind(api_key=SECRET)
    with obsv.span(
        "outer", password=SECRET, list=[f"token={SECRET}"], url=f"https://me:{SECRET}@shop/x?sig={SECRET}"
    ) as span:
        span.event("tried", secret=SECRET, text=f"card {CARD}")
        log.info(f"password={SECRET}", nested={"a": [{"token": SECRET}]}, headers=[("cookie", SECRET)])
        logging.getLogger("work").warning("Authorization: Bearer %s", SECRET, extra={"session_id": SECRET})
        try:
            with trace.get_tracer("t").start_as_current_span("inner", attributes={"client_secret": SECRET}) as inner:
                inner.set_attribute("db.statement", f"SELECT 1 WHERE password = '{SECRET}'")
                raise ValueError(f"no answer, token={SECRET} for {CARD}")
        except ValueError as error:
            log.error("failed", exc_info=error)
    obsv.counter("orders").add(1, token=SECRET)
    metrics.get_meter("t").create_counter("theirs").add(1, {"api_key": SECRET})


def start(**chosen: Any) -> None:
    config = {"signals": False, **chosen.pop("config", {})}
    given = {"traces": "none", "metrics": "none", "logs": "none", **chosen}
    obsv.init("shop", resource={"db.password": SECRET}, config=config, **given)


def test_otlp(otlp_collector: Collector) -> None:
    start(traces="otlp", metrics="otlp", logs="otlp", config={"otlp_endpoint": otlp_collector.endpoint})
    work()
    assert obsv.shutdown()
    assert {request.signal for request in otlp_collector.requests} == {"traces", "metrics", "logs"}
    assert [SECRETS.search(request.body) for request in otlp_collector.requests] == [None] * len(
        otlp_collector.requests
    )
    assert b"REDACTED" in otlp_collector.requests[0].body


def test_otlp_json(otlp_collector: Collector) -> None:
    config = {"otlp_endpoint": otlp_collector.endpoint, "otlp_protocol": "http/json"}
    start(traces="otlp", metrics="otlp", logs="otlp", config=config)
    work()
    assert obsv.shutdown()
    assert not [request.body for request in otlp_collector.requests if SECRETS.search(request.body)]


def test_xray(xray_daemon: XRayDaemon) -> None:
    start(traces="xray", config={"xray_daemon_address": xray_daemon.address})
    work()
    assert obsv.shutdown()
    assert xray_daemon.wait()
    assert not [datagram for datagram in xray_daemon.datagrams if SECRETS.search(datagram)]


def test_the_local_store(tmp_path: Path) -> None:
    path = tmp_path / "obsv.db"
    start(traces="local", metrics="local", logs="local", config={"local_path": str(path)})
    work()
    assert obsv.shutdown()
    with sqlite3.connect(path) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = [row for table in tables for row in connection.execute(f'SELECT * FROM "{table}"')]
    connection.close()
    assert rows
    for file in tmp_path.iterdir():
        if file.is_file():
            assert not SECRETS.search(file.read_bytes())


def test_what_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    start(traces="console", metrics=["console", "emf"], logs=["console", "json"])
    work()
    assert obsv.shutdown()
    out, err = capfd.readouterr()
    assert "outer" in err
    assert "failed" in out
    assert not SECRETS.search(f"{out}{err}".encode())


def test_exporters_of_other_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    exporter = InMemorySpanExporter()

    class Point:
        def load(self) -> Any:
            return lambda: exporter

    monkeypatch.setattr(entry_points, "find", lambda group, name: Point() if name == "mine" else None)
    monkeypatch.setattr(exporter, "shutdown", lambda: None)
    start(traces="mine")
    work()
    assert obsv.shutdown()
    spans = exporter.get_finished_spans()
    assert sorted(span.name for span in spans) == ["inner", "outer"]
    assert not SECRETS.search("".join([span.to_json() for span in spans]).encode())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_masks_too(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "obsv.db"
    start(traces="local", logs="json", config={"local_path": str(path)})
    work()
    child = os.fork()
    if child == 0:
        try:
            work()
            obsv.shutdown()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert obsv.shutdown()
    out, _ = capfd.readouterr()
    assert out.count('"failed"') == 2
    assert not SECRETS.search(out.encode() + path.read_bytes())
