"""`obsv run` in front of real programs that know nothing of obsv: their telemetry arrives, from all their processes.

The programs query sqlite3 or answer HTTP requests; only the patches can have made the spans.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from collectors import plain_attributes
from programs import environment, to
from servers import accepts, free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from collectors import Collector

OBSV = [sys.executable, "-m", "obsv", "run", "--service", "zero"]

QUERY = """
import sqlite3
def query(table):
    database = sqlite3.connect(":memory:")
    database.execute(f"create table {table} (x)")
    database.close()
"""


def settings(collector: Collector, **more: str) -> dict[str, str]:
    return environment(**to(collector, **{"OBSV_PATCH": "true", "OBSV_FLUSH_INTERVAL": "0.1", **more}))


def obsv_run(
    collector: Collector, tmp_path: Path, *command: str, options: tuple[str, ...] = (), **more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*OBSV, *options, "--", *command],
        env=settings(collector, **more),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def tables(collector: Collector) -> list[str]:
    """The tables that were made, by the names of the spans of their making."""
    return sorted(
        name
        for span in collector.spans()
        if (name := plain_attributes(span.attributes).get("db.query.text", "").partition("create table ")[2][:-4])
    )


def program(tmp_path: Path, code: str, name: str = "program.py") -> str:
    (tmp_path / name).write_text(QUERY + code)
    return name


def test_a_script(otlp_collector: Collector, tmp_path: Path) -> None:
    done = obsv_run(otlp_collector, tmp_path, sys.executable, program(tmp_path, "query('one')"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert tables(otlp_collector) == ["one"]
    assert {resource["service.name"] for resource in otlp_collector.resources()} == {"zero"}


def test_exit_statuses_and_signals_are_the_programs_own(otlp_collector: Collector, tmp_path: Path) -> None:
    assert obsv_run(otlp_collector, tmp_path, sys.executable, "-c", "raise SystemExit(7)").returncode == 7
    done = obsv_run(otlp_collector, tmp_path, sys.executable, "-c", "import os; os.kill(os.getpid(), 9)")
    assert done.returncode == -9
    done = obsv_run(otlp_collector, tmp_path, "sh", "-c", "yes | head -n 1; echo $?")
    assert (done.stdout, done.stderr) == ("y\n0\n", "")  # `yes` would complain if SIGPIPE were ignored


def test_subprocesses_and_exec(otlp_collector: Collector, tmp_path: Path) -> None:
    program(tmp_path, "import sys; query(sys.argv[1])", "child.py")
    code = """
import os, subprocess, sys
query("parent")
subprocess.run([sys.executable, "child.py", "child"], check=True)
subprocess.run([sys.executable, "-m", "child", "module"], check=True)
subprocess.run(["sh", "-c", f"{sys.executable} child.py grandchild"], check=True)
import obsv; obsv.flush()
os.execv(sys.executable, [sys.executable, "child.py", "executed"])
"""
    done = obsv_run(otlp_collector, tmp_path, sys.executable, program(tmp_path, code))
    assert (done.returncode, done.stderr) == (0, "")
    assert tables(otlp_collector) == ["child", "executed", "grandchild", "module", "parent"]


@pytest.mark.parametrize("before", [None, "", "/somewhere", ":/somewhere", "~/x::/nowhere.zip:relative"])
def test_without_children(otlp_collector: Collector, tmp_path: Path, before: str | None) -> None:
    program(tmp_path, "import sys; query(sys.argv[1])", "child.py")
    code = """
import os, subprocess, sys
query("parent")
print(os.environ.get("PYTHONPATH"), [name for name in os.environ if name == "OBSV_RUN_CHILDREN"])
subprocess.run([sys.executable, "child.py", "child"], check=True)
"""
    more = {} if before is None else {"PYTHONPATH": before}
    done = obsv_run(
        otlp_collector,
        tmp_path,
        "sh",
        "-c",
        f"{sys.executable} {program(tmp_path, code)}",
        options=("--no-children",),
        **more,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{before or None} []\n"
    assert tables(otlp_collector) == ["parent"]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(otlp_collector: Collector, tmp_path: Path, method: str) -> None:
    code = f"""
import multiprocessing
if __name__ == "__main__":
    query("parent")
    with multiprocessing.get_context({method!r}).Pool(2) as pool:
        pool.map(query, ["a", "b", "c", "d"], chunksize=1)
        pool.close()
        pool.join()
"""
    done = obsv_run(otlp_collector, tmp_path, sys.executable, program(tmp_path, code))
    assert (done.returncode, done.stderr) == (0, "")
    assert tables(otlp_collector) == ["a", "b", "c", "d", "parent"]


def test_pytest(otlp_collector: Collector, tmp_path: Path) -> None:
    program(tmp_path, "def test_it(): query('tested')", "test_program.py")
    done = obsv_run(
        otlp_collector, tmp_path, sys.executable, "-m", "pytest", "-q", "-p", "no:asyncio", "test_program.py"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert tables(otlp_collector) == ["tested"]


# ---------------------------------------------------------------------- servers


@contextmanager
def server(
    collector: Collector, tmp_path: Path, port: int, *command: str, interval: str = "0.1"
) -> Iterator[subprocess.Popen[bytes]]:
    """A server under `obsv run`, with the processes that it starts; ends by SIGTERM."""
    log = tmp_path / "log.txt"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*OBSV, "--", *command], env=settings(collector, OBSV_FLUSH_INTERVAL=interval), cwd=tmp_path, stdout=out,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        wait_until(lambda: accepts(port) or process.poll() is not None, "the server", 60)
        assert process.poll() is None, log.read_text()
        yield process
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)  # what is left of it
        except ProcessLookupError:
            pass
        process.wait()
    assert not [line for line in log.read_text().splitlines() if "obsv" in line or "Traceback" in line], log.read_text()


def get(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/who", timeout=20) as answer:
        return str(answer.read().decode())


def handled(collector: Collector) -> list[Any]:
    return [span for span in collector.spans() if span.name == "GET /who"]


FLASK = """
import os
from flask import Flask
app = Flask("zero")
@app.get("/who")
def who():
    return str(os.getpid())
"""


@pytest.mark.parametrize("preload", [True, False])
def test_gunicorn(otlp_collector: Collector, tmp_path: Path, preload: bool) -> None:
    (tmp_path / "web.py").write_text(FLASK)
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "-w", "2", "web:app"]
    with server(otlp_collector, tmp_path, port, *command, *(["--preload"] if preload else [])) as master:
        workers = {get(port) for _ in range(10)}
        assert str(master.pid) not in workers
    assert len(handled(otlp_collector)) == 10


@pytest.mark.parametrize("ending", ["SIGTERM", "SIGINT"])
def test_gunicorn_with_the_worker_of_uvicorn(otlp_collector: Collector, tmp_path: Path, ending: str) -> None:
    """It gives its signals back to the system, and ends by the one that it was sent."""
    (tmp_path / "web.py").write_text(STARLETTE)
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "-w", "1"]
    with server(
        otlp_collector, tmp_path, port, *command, "-k", "uvicorn.workers.UvicornWorker", "web:app", interval="60"
    ) as master:
        wait_until(lambda: answers(port), "a worker", 60)
        worker = int(get(port).split()[0])
        os.kill(worker, getattr(signal, ending))  # as the master does, and Ctrl-C in a terminal
        wait_until(lambda: handled(otlp_collector), f"spans after {ending}", 30)
        wait_until(lambda: answers(port) not in ("", f"{worker} NAME"), "another worker", 60)
        assert master.poll() is None


STARLETTE = """
import os
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
async def who(request):
    return PlainTextResponse(f"{os.getpid()} NAME")
app = Starlette(routes=[Route("/who", who)])
"""


def test_uvicorn_with_workers(otlp_collector: Collector, tmp_path: Path) -> None:
    (tmp_path / "web.py").write_text(STARLETTE)
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--port", str(port), "--workers", "2", "web:app"]
    with server(otlp_collector, tmp_path, port, *command) as master:
        wait_until(lambda: answers(port), "a worker", 60)
        workers = {get(port) for _ in range(10)}
        assert f"{master.pid} NAME" not in workers
    assert len(handled(otlp_collector)) >= 10


def test_uvicorn_that_reloads(otlp_collector: Collector, tmp_path: Path) -> None:
    (tmp_path / "web.py").write_text(STARLETTE)
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--port", str(port), "--reload", "web:app"]
    with server(otlp_collector, tmp_path, port, *command):
        wait_until(lambda: answers(port), "the worker", 60)
        assert get(port).endswith("NAME")
        wait_until(lambda: handled(otlp_collector), "spans before the reload", 60)
        before = len(handled(otlp_collector))
        (tmp_path / "web.py").write_text(STARLETTE.replace("NAME", "OTHER"))
        later = time.time() + 5
        os.utime(tmp_path / "web.py", (later, later))
        wait_until(lambda: answers(port).endswith("OTHER"), "the reload", 60)
        wait_until(lambda: len(handled(otlp_collector)) > before, "spans after the reload", 60)


def answers(port: int) -> str:
    try:
        return get(port)
    except (OSError, urllib.error.URLError):
        return ""


CELERY = """
from celery import Celery
app = Celery("tasks", broker="filesystem://")
app.conf.broker_transport_options = {"data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "queue"}
app.conf.worker_max_tasks_per_child = 2

@app.task
def work(number):
    query(f"task{number}")
"""


def test_celery(otlp_collector: Collector, tmp_path: Path) -> None:
    pytest.importorskip("celery")
    (tmp_path / "queue").mkdir()
    (tmp_path / "tasks.py").write_text(QUERY + CELERY)
    send = "from tasks import work\nfor number in range(5): work.delay(number)"
    subprocess.run([sys.executable, "-c", send], cwd=tmp_path, check=True, timeout=60)
    log = tmp_path / "log.txt"
    command = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "-c", "2", "-l", "warning", "--without-mingle"]
    with log.open("wb") as out:
        worker = subprocess.Popen(
            [*OBSV, "--", *command],
            env=settings(otlp_collector),
            cwd=tmp_path,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        expected = [f"task{number}" for number in range(5)]
        wait_until(lambda: tables(otlp_collector) == expected or worker.poll() is not None, "all tasks", 90)
        worker.send_signal(signal.SIGTERM)
        worker.wait(60)
    finally:
        try:
            os.killpg(worker.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        worker.wait()
    assert tables(otlp_collector) == expected, log.read_text()
    assert "Traceback" not in log.read_text()


# ---------------------------------------------------------------------- a program that calls init() itself


def test_a_program_that_calls_init_gets_its_way(otlp_collector: Collector, tmp_path: Path) -> None:
    code = "import obsv; obsv.init('mine'); query('one'); print(obsv.status()['service'])"
    done = obsv_run(otlp_collector, tmp_path, sys.executable, program(tmp_path, code))
    assert (done.returncode, done.stdout, done.stderr) == (0, "mine\n", "")
    assert {resource["service.name"] for resource in otlp_collector.resources()} == {"mine"}
    done = obsv_run(otlp_collector, tmp_path, sys.executable, "-c", "import obsv; obsv.init()")
    assert (done.returncode, done.stderr) == (0, "")
