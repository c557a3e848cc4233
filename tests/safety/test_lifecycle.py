"""The beginning and the end: init and shutdown in every order, and programs that end in every way."""

from __future__ import annotations

import signal
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import obsv
from obsv import runtime
from obsv.hotpath import faults
from programs import only_our_lines, run, start, to
from servers import free_port, wait_until

if TYPE_CHECKING:
    from collectors import Collector


def init(**arguments: Any) -> None:
    arguments = {"traces": "memory", "metrics": "memory", "logs": "none", "patch": False, **arguments}
    arguments.setdefault("config", {"signals": False})
    obsv.init("test", **arguments)


def names(collector: Collector) -> list[str]:
    return sorted(span.name for span in collector.spans())


# ---------------------------------------------------------------------- in this process


def test_init_twice_with_the_same_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    init()
    first = runtime.running()
    init()
    assert runtime.running() is first
    assert capsys.readouterr().err == ""


def test_init_with_other_arguments_warns_and_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    faults.reset()
    init()
    first = runtime.running()
    init(sample=0.5)
    assert runtime.running() is first
    assert capsys.readouterr().err.count("init() was called again with other arguments") == 1


def test_arguments_that_cannot_be_compared(capsys: pytest.CaptureFixture[str]) -> None:
    class Odd(dict[str, str]):
        def __eq__(self, other: object) -> bool:
            raise RuntimeError

        __hash__ = None  # type: ignore[assignment]

    faults.reset()
    init(resource=Odd(a="b"))
    init(resource=Odd(a="b"))
    assert "init() was called again" in capsys.readouterr().err


def test_shutdown_and_flush_without_init() -> None:
    assert obsv.shutdown()
    assert obsv.flush()


def test_shutdown_twice_and_init_again() -> None:
    init()
    with obsv.span("x"):
        pass
    assert obsv.shutdown()
    assert obsv.shutdown()
    assert runtime.running() is None
    with obsv.span("not seen") as span:
        assert not span.is_recording()
    init()
    with obsv.span("y") as span:
        assert span.is_recording()
    assert obsv.flush()


def test_a_span_open_at_shutdown_is_harmless() -> None:
    init()
    with obsv.span("x"):
        obsv.shutdown()


def test_enabled_false_does_nothing() -> None:
    obsv.init("test", enabled=False)
    assert runtime.running() is None


def test_init_in_a_thread() -> None:
    thread = threading.Thread(target=lambda: init(config={"signals": True}))
    thread.start()
    thread.join()
    assert runtime.running() is not None
    assert obsv.shutdown()


@pytest.mark.parametrize("timeout", [-1, 0, "soon", None, float("nan"), float("inf"), 10**400])
def test_impossible_time_limits(timeout: Any) -> None:
    init()
    with obsv.span("x"):
        pass
    assert obsv.flush(timeout) in (True, False)
    assert obsv.shutdown(timeout) in (True, False)


def test_no_thread_is_left() -> None:
    before = set(threading.enumerate())
    init()
    with obsv.span("x"):
        obsv.counter("test.lifecycle").add(1)
    assert set(threading.enumerate()) - before
    obsv.shutdown()
    wait_until(lambda: set(threading.enumerate()) <= before, "the threads to end")


def test_a_start_that_fails_leaves_nothing_half_on(monkeypatch: pytest.MonkeyPatch) -> None:
    from obsv.hotpath import span as hot

    def broken(*_: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.delenv("OBSV_RAISE")
    monkeypatch.setattr(runtime.Runtime, "_start_logs", broken)
    init()
    assert runtime.running() is None
    assert not hot.OUTLET.enabled
    with obsv.span("x") as span:
        assert not span.is_recording()


def test_time_limits_against_a_collector_that_hangs(otlp_collector: Collector) -> None:
    otlp_collector.answer("hang", times=None)
    config = {"signals": False, "otlp_endpoint": otlp_collector.endpoint, "otlp_timeout": 60}
    init(traces="otlp", config=config)
    with obsv.span("x"):
        pass
    begin = time.monotonic()
    assert not obsv.flush(0.2)
    assert not obsv.shutdown(0.2)
    assert time.monotonic() - begin < 20  # far below the sink's own timeout
    otlp_collector.released.set()


def test_flush_and_shutdown_say_whether_everything_left(otlp_collector: Collector) -> None:
    init(traces="otlp", metrics="otlp", config={"signals": False, "otlp_endpoint": otlp_collector.endpoint})
    with obsv.span("one"):
        obsv.counter("test.orders").add(2)
    assert obsv.flush()
    assert names(otlp_collector) == ["one"]
    assert "test.orders" in [metric.name for metric in otlp_collector.metrics()]
    otlp_collector.answer(400)
    with obsv.span("refused"):
        pass
    assert not obsv.flush()
    assert obsv.status()["sinks"]["otlp"]["traces"]["dropped"] == {"http 400": 1}
    with obsv.span("two"):
        pass
    assert obsv.shutdown()
    assert names(otlp_collector) == ["one", "two"]


# ---------------------------------------------------------------------- programs that end

PROGRAM = """
import sys, os, threading, time
import obsv
obsv.init("program")
obsv.counter("ends").add(1)
with obsv.span("work"):
    pass
"""


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("", 0),
        ("sys.exit(3)", 3),
        ("threading.Thread(target=time.sleep, args=(600,), daemon=True).start()", 0),
        ("thread = threading.Thread(target=lambda: time.sleep(0.2)); thread.start()", 0),
        ("sys.stderr.close()", 0),
    ],
    ids=["end", "exit", "daemon", "thread", "no stderr"],
)
def test_what_is_queued_leaves_at_the_end(otlp_collector: Collector, end: str, status: int) -> None:
    done = run(PROGRAM + end, **to(otlp_collector))
    assert (done.returncode, done.stderr) == (status, "")
    assert names(otlp_collector) == ["work"]
    assert [metric.name for metric in otlp_collector.metrics()] == ["ends"]


def test_what_a_thread_emits_last_leaves_too(otlp_collector: Collector) -> None:
    code = (
        PROGRAM
        + "def late():\n    time.sleep(0.3)\n    with obsv.span('late'):\n        pass\n"
        + "threading.Thread(target=late).start()"
    )
    assert run(code, **to(otlp_collector)).returncode == 0
    assert names(otlp_collector) == ["late", "work"]


def test_an_exception_at_the_top(otlp_collector: Collector) -> None:
    code = PROGRAM + "with obsv.span('fails'):\n    raise ValueError('boom')"
    done = run(code, **to(otlp_collector))
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert done.stderr.endswith("ValueError: boom\n")
    assert names(otlp_collector) == ["fails", "work"]


def test_os_exit_loses_it_and_does_not_hang(otlp_collector: Collector) -> None:
    done = run(PROGRAM + "os._exit(4)", **to(otlp_collector))
    assert done.returncode == 4
    assert names(otlp_collector) == []


def test_a_collector_that_is_not_there_delays_nobody() -> None:
    begin = time.monotonic()
    done = run(
        PROGRAM, OBSV_TRACES="otlp", OBSV_METRICS="none", OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}"
    )
    assert done.returncode == 0
    assert time.monotonic() - begin < 30
    assert only_our_lines(done.stderr)
    assert "the otlp sink lost 1 records" in done.stderr


def test_a_collector_that_hangs_costs_the_shutdown_timeout_only(otlp_collector: Collector) -> None:
    otlp_collector.answer("hang", times=None)
    done = run(
        PROGRAM, timeout=40, **to(otlp_collector, OBSV_SHUTDOWN_TIMEOUT="0.5", OTEL_EXPORTER_OTLP_TIMEOUT="60000")
    )
    assert done.returncode == 0
    assert only_our_lines(done.stderr)
    otlp_collector.released.set()


def test_sigterm_sends_what_is_queued_and_ends_the_program_as_always(otlp_collector: Collector) -> None:
    program = start(PROGRAM + "print('ready', flush=True)\ntime.sleep(600)", **to(otlp_collector))
    assert program.stdout is not None
    assert program.stdout.readline() == "ready\n"
    program.send_signal(signal.SIGTERM)
    _, err = program.communicate(timeout=30)
    assert (program.returncode, err) == (-signal.SIGTERM, "")
    assert names(otlp_collector) == ["work"]


def test_a_handler_of_the_program_stays(otlp_collector: Collector) -> None:
    code = (
        "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        + PROGRAM
        + "print('ready', flush=True)\ntime.sleep(600)"
    )
    program = start(code, **to(otlp_collector))
    assert program.stdout is not None
    assert program.stdout.readline() == "ready\n"
    program.send_signal(signal.SIGTERM)
    program.communicate(timeout=30)
    assert program.returncode == 7
    assert names(otlp_collector) == ["work"]


def test_shutdown_gives_sigterm_back() -> None:
    code = """
    import signal, obsv
    obsv.init("x", traces="memory", metrics="none", logs="none")
    assert callable(signal.getsignal(signal.SIGTERM))
    obsv.shutdown()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    """
    done = run(code)
    assert (done.returncode, done.stderr) == (0, "")


def test_sigterm_with_a_collector_that_hangs(otlp_collector: Collector) -> None:
    otlp_collector.answer("hang", times=None)
    program = start(
        PROGRAM + "print('ready', flush=True)\ntime.sleep(600)", **to(otlp_collector, OBSV_SHUTDOWN_TIMEOUT="0.3")
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "ready\n"
    program.send_signal(signal.SIGTERM)
    program.communicate(timeout=30)
    assert program.returncode == -signal.SIGTERM
    otlp_collector.released.set()


def test_sigterm_in_the_midst_of_a_shutdown(otlp_collector: Collector) -> None:
    code = """
    import os, signal
    import obsv
    from obsv.pipeline import Pipeline
    obsv.init("x")
    with obsv.span("work"):
        pass
    real = Pipeline.close
    def interrupted(self, timeout):
        os.kill(os.getpid(), signal.SIGTERM)
        return real(self, timeout)
    Pipeline.close = interrupted
    obsv.shutdown(600)
    print("not reached", flush=True)
    """
    done = run(code, timeout=40, **to(otlp_collector))
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGTERM, "", "")
    assert names(otlp_collector) == ["work"]


UVICORN = """
import sys, obsv, uvicorn
obsv.init("web")

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    with obsv.span("handled"):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), lifespan="off", log_level="critical")
"""


def test_uvicorn_and_sigterm(otlp_collector: Collector) -> None:
    import urllib.request

    from servers import accepts

    port = free_port()
    program = start(UVICORN, str(port), **to(otlp_collector))
    try:
        wait_until(lambda: accepts(port) or program.poll() is not None, "uvicorn")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer:
            assert answer.read() == b"ok"
        program.send_signal(signal.SIGTERM)
        _, err = program.communicate(timeout=30)
    finally:
        program.kill()
    assert program.returncode in (0, -signal.SIGTERM)
    assert err == ""
    assert names(otlp_collector) == ["handled"]


def test_ctrl_c(otlp_collector: Collector) -> None:
    program = start(PROGRAM + "print('ready', flush=True)\ntime.sleep(600)", **to(otlp_collector))
    assert program.stdout is not None
    assert program.stdout.readline() == "ready\n"
    program.send_signal(signal.SIGINT)
    program.communicate(timeout=30)
    assert names(otlp_collector) == ["work"]


def test_shutdown_in_a_handler_in_the_midst_of_init(otlp_collector: Collector) -> None:
    code = """
    import os, signal, sys
    import obsv
    from obsv import runtime
    signal.signal(signal.SIGTERM, lambda *_: (obsv.shutdown(), sys.exit(5)))
    real = runtime.Runtime.start
    def interrupted(self):
        os.kill(os.getpid(), signal.SIGTERM)
        real(self)
    runtime.Runtime.start = interrupted
    obsv.init("x")
    """
    assert run(code, timeout=30, **to(otlp_collector)).returncode == 5


def test_a_signal_handler_uses_the_logger_in_the_midst_of_its_first_use(otlp_collector: Collector) -> None:
    code = """
    import os, signal, sys
    import obsv
    obsv.init("x", traces="none", metrics="none", logs="json")
    signal.signal(signal.SIGUSR1, lambda *_: obsv.get_logger("handler").info("handled"))
    def hook(event, arguments):
        if event == "exec" and "logger" in str(arguments[0]):
            os.kill(os.getpid(), signal.SIGUSR1)
    sys.addaudithook(hook)
    obsv.get_logger("main").info("hi")
    """
    done = run(code)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_silent_collector_delays_the_end_by_no_more_than_the_timeout() -> None:
    """With OpenTelemetry's global providers in use, too. Theirs would wait 30 s each."""
    with socket.create_server(("127.0.0.1", 0), backlog=8) as server:
        done = run(
            """
            import obsv
            from opentelemetry import trace
            from opentelemetry._logs import get_logger
            obsv.init("test", traces="otlp", metrics="otlp", logs="otlp", config={"shutdown_timeout": 0.2})
            with trace.get_tracer("test").start_as_current_span("work"):
                obsv.counter("orders").add(1)
                get_logger("test").emit(body="paid")
            """,
            timeout=20,
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{server.getsockname()[1]}",
        )
    assert done.returncode == 0
    assert only_our_lines(done.stderr)
    assert "shutdown timeout" in done.stderr
