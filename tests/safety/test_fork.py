"""Forks: what was queued before is sent once, by the parent; children send their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING

import pytest

from programs import FORKS, environment, run, start, to
from servers import accepts, free_port, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from collectors import Collector


def names(collector: Collector) -> list[str]:
    return sorted(span.name for span in collector.spans())


def counts(collector: Collector, name: str) -> list[int]:
    found = [metric for metric in collector.metrics() if metric.name == name]
    return sorted(point.as_int for metric in found for point in metric.sum.data_points)


def test_os_fork(otlp_collector: Collector) -> None:
    code = """
    import os, sys
    import obsv
    obsv.init("program")
    orders = obsv.counter("orders")
    orders.add(2)
    with obsv.span("before"):
        pass
    with obsv.span("open at the fork") as parent:
        child = os.fork()
        if child == 0:
            with obsv.span("in the child"):
                orders.add(1)
            sys.exit(0)
        os.waitpid(child, 0)
    """
    done = run(code, **to(otlp_collector, **FORKS))
    assert (done.returncode, done.stderr) == (0, "")
    assert names(otlp_collector) == ["before", "in the child", "open at the fork"]
    assert counts(otlp_collector, "orders") == [1, 2]
    by_name = {span.name: span for span in otlp_collector.spans()}
    assert by_name["in the child"].parent_span_id == by_name["open at the fork"].span_id
    assert by_name["in the child"].trace_id == by_name["open at the fork"].trace_id
    assert len({resource["service.instance.id"] for resource in otlp_collector.resources()}) in (1, 2)


def test_a_child_that_emits_nothing_sends_nothing(otlp_collector: Collector) -> None:
    code = """
    import os, sys
    import obsv
    obsv.init("program")
    with obsv.span("before"):
        pass
    child = os.fork()
    if child == 0:
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0
    """
    assert run(code, **to(otlp_collector, **FORKS)).returncode == 0
    assert names(otlp_collector) == ["before"]


def test_a_fork_while_a_batch_is_being_sent(otlp_collector: Collector, tmp_path: Path) -> None:
    otlp_collector.answer("hang")
    code = """
    import os, sys, threading, time
    import obsv
    obsv.init("program")
    with obsv.span("being sent"):
        pass
    threading.Thread(target=obsv.flush, args=(60,), daemon=True).start()
    while not os.path.exists(sys.argv[1]):
        time.sleep(0.01)
    child = os.fork()
    if child == 0:
        with obsv.span("in the child"):
            pass
        sys.exit(0 if obsv.flush(20) else 1)
    assert os.waitpid(child, 0)[1] == 0
    os._exit(0)
    """
    go = tmp_path / "go"
    program = start(code, str(go), **to(otlp_collector, **FORKS))
    wait_until(lambda: otlp_collector.requests, "the batch that hangs", 60)
    go.touch()
    _, err = program.communicate(timeout=60)
    assert (program.returncode, err) == (0, "")
    assert names(otlp_collector) == ["in the child"]
    otlp_collector.released.set()


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("end", ["close", "terminate"])
def test_a_pool_of_processes(otlp_collector: Collector, tmp_path: Path, method: str, end: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(f"""
import multiprocessing, os
import obsv

obsv.init("program")

def work(number):
    with obsv.span("work", number=number):
        pass
    return os.getpid()

if __name__ == "__main__":
    with obsv.span("before"):
        pass
    with multiprocessing.get_context({method!r}).Pool(2) as pool:
        assert os.getpid() not in pool.map(work, range(6), chunksize=1)
        pool.{end}()
        pool.join()
""")
    done = subprocess.run(
        [sys.executable, str(program)],
        env=environment(**to(otlp_collector, **FORKS)),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert names(otlp_collector) == ["before", *["work"] * 6]


def test_a_child_of_a_multiprocessing_process_that_is_told_to_end(otlp_collector: Collector) -> None:
    code = """
    import multiprocessing, time
    import obsv
    obsv.init("program")

    def work(ready):
        with obsv.span("work"):
            pass
        ready.set()
        time.sleep(600)

    context = multiprocessing.get_context("fork")
    ready = context.Event()
    worker = context.Process(target=work, args=(ready,))
    worker.start()
    ready.wait(30)
    worker.terminate()
    worker.join(30)
    """
    done = run(code, **to(otlp_collector, **FORKS))
    assert (done.returncode, done.stderr) == (0, "")
    assert names(otlp_collector) == ["work"]


WSGI = """
import os
import obsv
obsv.init("web")
with obsv.span("at import"):
    pass

def app(environ, start_response):
    with obsv.span("handled"):
        obsv.counter("requests").add(1)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""


@pytest.mark.parametrize("preload", [True, False])
def test_gunicorn(otlp_collector: Collector, tmp_path: Path, preload: bool) -> None:
    (tmp_path / "web.py").write_text(WSGI)
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "-b",
        f"127.0.0.1:{port}",
        "-w",
        "2",
        "--log-level",
        "error",
        "web:app",
    ]
    log = tmp_path / "log.txt"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [*command, "--preload"] if preload else command,
            env=environment(**to(otlp_collector, **FORKS)),
            cwd=tmp_path,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: accepts(port) or server.poll() is not None, "gunicorn", 60)
        workers = set()
        for _ in range(10):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer:
                workers.add(int(answer.read()))
        assert server.pid not in workers
        server.send_signal(signal.SIGTERM)
        server.wait(60)
    finally:
        server.kill()
        server.wait()
    assert log.read_text() == ""
    found = names(otlp_collector)
    assert found.count("handled") == 10
    assert found.count("at import") == (1 if preload else 2)
    assert sum(counts(otlp_collector, "requests")) == 10


def test_a_child_process_that_is_no_python_is_left_alone(otlp_collector: Collector) -> None:
    code = """
    import subprocess
    import obsv
    obsv.init("program")
    with obsv.span("x"):
        subprocess.run(["true"], check=True)
        subprocess.run(["true"], check=True, preexec_fn=lambda: None)
    """
    done = run(code, **to(otlp_collector, **FORKS))
    assert (done.returncode, done.stderr) == (0, "")
    assert names(otlp_collector) == ["x"]


def test_this_process_can_fork_inside_a_capture() -> None:
    import obsv
    from obsv import testing

    with testing.capture(patch=False) as seen:
        with obsv.span("before"):
            pass
        child = os.fork()
        if child == 0:
            try:
                with obsv.span("in the child"):
                    pass
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert [span.name for span in seen.spans] == ["before"]
