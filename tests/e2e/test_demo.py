"""The demo as a newcomer runs it: a real shop, real servers, real traffic, and nothing left behind."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from servers import need, need_program

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "examples" / "shop" / "demo.py"
SECTIONS = (
    "One order on its way through three processes",
    "The slowest path",
    "The failing path",
    "The N+1 query",
    "Requests by route",
    "Log lines of that order",
    "Raw output",
)


@pytest.fixture(autouse=True)
def _needs() -> None:
    need(DEMO.exists(), "there is no examples/shop here")
    need_program("redis-server")  # the demo runs without; this test is of all of it


def start(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    env = {**os.environ, "COLUMNS": "120", "OBSV_DEMO_MARK": folder.name, **environment}
    for name in [name for name in env if name.startswith(("OBSV_RAISE", "OBSV_CI"))]:
        del env[name]
    command = [sys.executable, str(DEMO), "--seconds", "4", *arguments]
    return subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def processes_in(folder: Path) -> list[str]:
    """Every process that works in the demo's folder, as far as the system tells (Linux does, in /proc)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").readlink().is_relative_to(folder) and int(entry.name) != os.getpid():
                found.append((entry / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


class Finished:
    """A demo that ran to its end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.demo = folder / ".obsv" / "demo"
        output, status = folder / "output.txt", folder / "status.txt"
        if not status.exists():
            process = start(folder)
            output.write_text(process.communicate(timeout=90)[0])
            status.write_text(str(process.returncode))
        self.output, self.status = output.read_text(), int(status.read_text())

    def section(self, title: str) -> str:
        found = re.search(rf"^── {re.escape(title)} ─*$(.*?)(?=^── |\Z)", self.output, re.MULTILINE | re.DOTALL)
        assert found is not None, self.output
        return found.group(1)

    def query(self, sql: str) -> Any:
        with closing(sqlite3.connect(f"file:{self.demo}/obsv.db?mode=ro", uri=True)) as store:
            return store.execute(sql).fetchall()

    def stdout(self, service: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.demo / f"{service}.stdout.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """One demo for all workers of pytest-xdist: the first runs it, the others wait and read what it left."""
    need_program("redis-server")
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "demo"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return Finished(folder)


def test_ends_well_and_leaves_no_process(finished: Finished) -> None:
    assert finished.status == 0, finished.output
    assert processes_in(finished.folder) == []
    assert "missing" not in finished.output
    assert "\x1b" not in finished.output, "colours in a pipe"


def test_shows_every_section_once(finished: Finished) -> None:
    titles = re.findall(r"^── (.*?) ─*$", finished.output, re.MULTILINE)
    assert titles == list(SECTIONS)


def test_one_trace_runs_through_three_processes(finished: Finished) -> None:
    text = finished.section(SECTIONS[0])
    for part in ("POST /orders", "storefront", "orders", "worker", "3 services", "INSERT", "PutObject"):
        assert part in text


def test_the_slow_path_is_explained(finished: Finished) -> None:
    text = finished.section(SECTIONS[1])
    assert "GET /products/{sku}/related" in text
    assert re.search(r"time goes +\d+ % into .* in orders", text)
    assert "from products a, products b" in text


def test_the_failing_path_is_traced_to_its_origin(finished: Finished) -> None:
    text = finished.section(SECTIONS[2])
    assert "ZeroDivisionError: integer division or modulo by zero" in text
    line = 1 + (ROOT / "examples/shop/orders.py").read_text().split("return amount //")[0].count("\n")
    assert f"service orders, function share, shop/orders.py:{line}" in text


def test_the_n_plus_1_query_is_seen(finished: Finished) -> None:
    text = finished.section(SECTIONS[3])
    assert re.search(r"calls +\d+ times SELECT.* in orders, one after the other", text)
    assert "from lines where number" in text


def test_requests_by_route(finished: Finished) -> None:
    rows = [
        line.split() for line in finished.section(SECTIONS[4]).splitlines() if line.startswith(("storefront", "orders"))
    ]
    found = {(row[0], row[1], row[2]): row[3:] for row in rows}
    assert found["storefront", "GET", "/products/{sku}"][1] == "0%"
    assert found["storefront", "POST", "/orders"][1] != "0%"
    assert found["orders", "POST", "/orders"][1] != "0%"
    assert ("storefront", "GET", "/orders/{number}") in found


def test_each_request_is_one_server_span_and_one_measurement(finished: Finished) -> None:
    for service in ("storefront", "orders"):
        process = f"(select id from process where service = '{service}')"
        ((spans,),) = finished.query(f"select count(*) from span where kind = 1 and process in {process}")
        ((measured,),) = finished.query(
            "select sum(count) from point join series on series.id = point.series"
            f" where name = 'http.server.request.duration' and process in {process}"
        )
        assert spans == measured > 0


def test_log_lines_carry_the_trace(finished: Finished) -> None:
    lines = [line for line in finished.section(SECTIONS[5]).splitlines() if line]
    traces = {line.rpartition("trace_id=")[2] for line in lines}
    assert len(traces) == 1
    (trace,) = traces
    assert trace in finished.section(SECTIONS[0])
    services = {s for s in ("storefront", "orders", "worker") if any(s in line.split() for line in lines)}
    assert services == {"storefront", "orders", "worker"}
    for service in services:
        assert trace in (finished.demo / f"{service}.stdout.jsonl").read_text()


def test_every_sink_got_the_same(finished: Finished) -> None:
    trace_pb2 = pytest.importorskip("opentelemetry.proto.trace.v1.trace_pb2")
    bodies = [path.read_bytes() for path in sorted((finished.demo / "otlp").glob("traces-*.pb"))]
    spans = [
        span
        for body in bodies
        for resource in trace_pb2.TracesData.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    sent = {(span.trace_id.hex(), span.span_id.hex()) for span in spans}
    assert len(sent) == len(spans), "a span was sent twice"
    stored = finished.query("select t.trace_id, s.span_id from span s join trace t on t.id = s.trace")
    assert set(stored) == sent
    documents = [json.loads(line) for line in (finished.demo / "xray" / "datagrams.jsonl").read_text().splitlines()][
        1::2
    ]
    seen = {segment["id"] for document in documents for segment in flat(document)}
    assert seen >= {span for _, span in sent}


def flat(segment: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield segment
    for child in segment.get("subsegments", ()):
        yield from flat(child)


def test_raw_output_is_where_it_is_said(finished: Finished) -> None:
    rows = [line.split()[0] for line in finished.section(SECTIONS[6]).splitlines() if line.startswith(".obsv")]
    assert len(rows) == 7
    for row in rows:
        assert list(finished.folder.glob(row)), row
    for service in ("storefront", "orders", "worker"):
        documents = finished.stdout(service)
        assert service == "worker" or any("_aws" in document for document in documents)
        assert any("trace_id" in document for document in documents if "_aws" not in document)


def test_ctrl_c_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    process = start(tmp_path, "--seconds", "30")
    try:
        assert process.stdout is not None
        line = next((line for line in process.stdout if "storefront" in line), "")
        time.sleep(1)  # in the middle of traffic
        assert "the demo failed" not in line, line
        if Path("/proc").exists():
            assert len(processes_in(tmp_path / ".obsv")) >= 6
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, output
    assert "Traceback" not in output
    assert processes_in(tmp_path) == []


def test_a_service_that_does_not_start_ends_the_demo(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "uvicorn.py").write_text("raise ImportError('no such luck')\n")
    process = start(tmp_path, PYTHONPATH=str(broken))
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1, output
    assert "the demo failed: storefront ended with status 1: ImportError: no such luck" in output
    assert "Traceback" not in output
    assert processes_in(tmp_path) == []
