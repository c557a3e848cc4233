"""Every public function with arguments of every wrong type: nothing raises, nothing but obsv's own lines is printed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from programs import only_our_lines, run

BAD = """
import datetime, decimal, enum, json, sys, threading
import obsv

class Unreadable:
    def __str__(self): raise RuntimeError("no text")
    __repr__ = __str__

class Unhashable(Unreadable):
    __hash__ = None

class Undecided:  # as NumPy's arrays are
    def __bool__(self): raise ValueError("the truth value is ambiguous")
    def __eq__(self, other): return self
    __hash__ = object.__hash__

class BadMapping(dict):
    def items(self): raise RuntimeError
    def keys(self): raise RuntimeError
    def __iter__(self): raise RuntimeError

class BadList(list):
    def __iter__(self): raise RuntimeError

loop = []; loop.append(loop)
deep = 1
for _ in range(5000): deep = [deep]

BAD = [
    None, True, 5, -1, 0, 2**70, -(10**400), 1.5, float("nan"), float("inf"), "", "text", "\\ud800", "x" * 100_000,
    b"\\xff", (), [], {}, [1, "a"], {"a": 1}, {1: 2}, {None: None}, loop, deep, object(), object, Unreadable(),
    Unhashable(), BadMapping(a=1), BadList([1]), len, lambda: 1, ValueError("x"), ValueError,
    Undecided(), datetime.datetime.now(), decimal.Decimal("1"), {1}, range(3), threading.Lock(),
    Ellipsis, NotImplemented, 1j, sys, memoryview(b"ab"),
]
failures = []

def attempt(what, function, *args, **kwargs):
    try:
        return function(*args, **kwargs)
    except Exception as error:
        failures.append(f"{what}: {type(error).__name__}: {str(error)[:200]}")
"""

USE = """
for bad in BAD:
    def use_span():
        with obsv.span(bad, a=bad) as span:
            span.set(b=bad)
            span.set_attribute(bad, bad)
            span.set_attributes(bad)
            span.event(bad, c=bad)
            span.add_event(bad, bad, bad)
            span.record_exception(bad)
            span.record_exception(ValueError("x"), bad, bad, bad)
            span.set_status(bad, bad)
            span.add_link(bad, bad)
            span.update_name(bad)
            span.end(bad)
    attempt("span", use_span)
    attempt("span decorator", lambda: obsv.span(bad)(bad))
    attempt("span on a function", lambda: obsv.span(bad, a=bad)(lambda: None)())
    attempt("traced", lambda: obsv.traced(bad))
    attempt("traced with", lambda: obsv.traced(name=bad, attributes=bad, args=bad)(lambda x=1: x)())
    for kind, method in (("counter", "add"), ("histogram", "record"), ("gauge", "set")):
        def use_metric():
            made = getattr(obsv, kind)("m." + kind, unit=bad, description=bad)
            getattr(made, method)(bad)
            getattr(made, method)(1, d=bad)
            getattr(made, method)(bad, d=bad)
            getattr(obsv, kind)(bad, bad, bad)
        attempt(kind, use_metric)
    def use_timer():
        with obsv.histogram("timer").time(d=bad):
            pass
    attempt("time", use_timer)
    def use_logger():
        logger = obsv.get_logger(bad)
        logger.info(bad, a=bad)
        logger.bind(a=bad).error(bad)
        logger.exception(bad, a=bad)
    attempt("logger", use_logger)
    attempt("flush", lambda: obsv.flush(0.2))
    attempt("patch", lambda: obsv.patch(bad))
    attempt("unpatch", lambda: obsv.unpatch(bad))
    attempt("current_span", lambda: obsv.current_span().set(a=bad))
"""

END = """
status = attempt("status", obsv.status)
attempt("flush", obsv.flush, 10)
status = attempt("status", obsv.status)
attempt("shutdown", obsv.shutdown)
attempt("shutdown again", obsv.shutdown)
print(json.dumps({"failures": failures, "status": status}))
"""

SINKS = {"OBSV_TRACES": "memory", "OBSV_METRICS": "memory", "OBSV_LOGS": "memory"}


def outcome(code: str, **settings: str) -> dict[str, Any]:
    done = run(BAD + code + END, timeout=100, **settings)
    assert done.returncode == 0, done.stderr[-3000:]
    assert only_our_lines(done.stderr), done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found["failures"] == []
    return found


def test_before_init() -> None:
    outcome(USE)


def test_with_everything_in_memory() -> None:
    errors = outcome('obsv.init("x")\n' + USE, **SINKS)["status"]["errors"]
    assert errors["attribute a"] >= 3
    assert errors["metric value"] > 10
    assert errors["record_exception"] > 10


def test_with_every_sink_that_writes(tmp_path: Any) -> None:
    settings = {
        "OBSV_TRACES": "local",
        "OBSV_METRICS": "local",
        "OBSV_LOGS": "local",
        "OBSV_LOCAL_PATH": str(tmp_path / "x.db"),
    }
    outcome('obsv.init("x")\n' + USE, **settings)


def test_over_otlp(otlp_collector: Any) -> None:
    settings = {
        "OBSV_TRACES": "otlp",
        "OBSV_METRICS": "otlp",
        "OBSV_LOGS": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": otlp_collector.endpoint,
    }
    status = outcome('obsv.init("x")\n' + USE, **settings)["status"]
    for signal in ("traces", "metrics", "logs"):
        assert status["sinks"]["otlp"][signal]["dropped"] == {}
        assert status["sinks"]["otlp"][signal]["sent"] > 10
    assert "encoding a span" not in status["errors"]
    assert "encoding a log record" not in status["errors"]


@pytest.mark.parametrize("name", ["xray", "console"])
def test_traces_elsewhere(name: str) -> None:
    done = run(BAD + 'obsv.init("x")\n' + USE + END, timeout=100, **{**SINKS, "OBSV_TRACES": name, "NO_COLOR": "1"})
    assert done.returncode == 0
    assert "Traceback (most recent call last)" not in done.stderr.partition("ValueError: x")[0]
    assert json.loads(done.stdout.splitlines()[-1])["failures"] == []


def test_metrics_and_logs_on_stdout() -> None:
    done = run(
        BAD + 'obsv.init("x")\n' + USE + END, timeout=100, **{**SINKS, "OBSV_METRICS": "emf", "OBSV_LOGS": "json"}
    )
    assert (done.returncode, only_our_lines(done.stderr)) == (0, True), done.stderr[-2000:]
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert next(line for line in lines if "failures" in line)["failures"] == []
    assert len(lines) > 100


INIT = """
NAMES = "service version environment traces metrics logs patch sample resource config enabled".split()
for name in NAMES:
    for bad in BAD:
        if name == "config" and isinstance(bad, str) and len(bad) > 1000:
            continue
        arguments = {"traces": "none", "metrics": "none", "logs": "none", "patch": False, name: bad}
        attempt(f"init {name}={type(bad).__name__}", lambda: obsv.init(**arguments))
        def use():
            with obsv.span("x"):
                obsv.counter("c").add(1)
        attempt(f"use after {name}", use)
        attempt("status", obsv.status)
        attempt("shutdown", obsv.shutdown, 2)
"""


def test_init_with_anything() -> None:
    outcome(INIT)


def test_sinks_of_the_users_that_break() -> None:
    code = """
class Sink:
    name = "mine"
    signals = frozenset({"traces", "metrics", "logs"})
    def __init__(self, broken): self.broken = broken
    def open(self, resource): self.fail("open")
    def send(self, batch): self.fail("send")
    def close(self): self.fail("close")
    def fail(self, what):
        if what == self.broken: raise RuntimeError(what)

for broken in ("open", "send", "close", "nothing"):
    sink = Sink(broken)
    attempt(broken, lambda: obsv.init("x", traces=[sink], metrics=[sink], logs=[sink], patch=False))
    with obsv.span("x"):
        obsv.counter("c").add(1)
    attempt("flush", obsv.flush, 10)
    dropped = obsv.status()["sinks"]["mine"]["traces"]["dropped"]
    if sum(dropped.values()) != 1: failures.append(f"{broken}: {dropped}")
    attempt("shutdown", obsv.shutdown)
"""
    # `close` and `nothing` return None from send, which is no answer either
    outcome(code)


@pytest.mark.parametrize("where", ["stdout", "stderr"])
def test_a_closed_stream(where: str) -> None:
    code = f"""
import sys, os
import obsv
obsv.init("x", traces="memory", metrics="emf", logs="json")
os.close({1 if where == "stdout" else 2})
sys.{where}.close() if {where == "stderr"} else None
with obsv.span("x"):
    obsv.get_logger("l").error("hello")
    obsv.counter("c").add(1)
assert obsv.flush() in (True, False)
obsv.status()
obsv.shutdown()
os._exit(7)
"""
    done = run(code)
    assert done.returncode == 7, done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk() -> None:
    code = """
import os, sys
full = os.open("/dev/full", os.O_WRONLY)
os.dup2(full, 1)
import obsv
obsv.init("x", traces="none", metrics="emf", logs="json")
for number in range(10):
    obsv.get_logger("l").error("hello")
    obsv.counter("c").add(1, number=number)
obsv.flush()
signals = [signal for sink in obsv.status()["sinks"].values() for signal in sink.values()]
sys.stderr.write(f"lost {sum(sum(signal['dropped'].values()) for signal in signals)}\\n")
obsv.shutdown()
os._exit(7)
"""
    done = run(code)
    assert done.returncode == 7, done.stderr
    assert "Traceback" not in done.stderr
    [lost] = [int(line[5:]) for line in done.stderr.splitlines() if line.startswith("lost ")]
    assert lost == 10  # log lines; the metrics wait for the disk to have room
    assert "the emf sink lost 11 records" in done.stderr
