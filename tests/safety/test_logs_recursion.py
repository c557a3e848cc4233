"""Logging where nobody should have to think about it: in exporters, processors, signal handlers, a ``__str__``.

Each test is a program of its own that would hang, recurse or never end if a log record led straight to the next.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from programs import run

if TYPE_CHECKING:
    import subprocess

SECONDS = 30

SINK = """
import json, logging, sys, threading
import obsv

class Sink:
    name, signals = "own", frozenset({"logs"})
    batches = 0
    bodies = []
    lock = threading.Lock()  # not reentrant
    def open(self, resource): logging.getLogger("own").warning("opening")
    def send(self, batch):
        with self.lock:
            Sink.batches += 1
            self.bodies += [record.body for record in batch.items]
            for record in batch.items:
                say("sending 1")
                say("sending 2")
        from obsv.sinks.base import Sent
        return Sent()
    def close(self): logging.getLogger("own").warning("closing")

obsv.init("shop", traces="none", metrics="none", logs=[Sink()], config={"flush_interval": 0.005})
"""

SAY = {
    "logging": "def say(text): logging.getLogger('own').warning(text)\n",
    "obsv": "def say(text): obsv.get_logger('own').warning(text)\n",
    "structlog": (
        # Its PrintLogger has a lock that a signal handler would wait for in vain, with obsv or without.
        "import structlog\nstructlog.configure(logger_factory=structlog.ReturnLoggerFactory())\n"
        "def say(text): structlog.get_logger().warning(text)\n"
    ),
    "loguru": "from loguru import logger\nlogger.remove()\ndef say(text): logger.warning(text)\n",
    "opentelemetry": ("from opentelemetry import _logs\ndef say(text): _logs.get_logger('own').emit(body=text)\n"),
}


def program(code: str, **settings: str) -> subprocess.CompletedProcess[str]:
    done = run(code, timeout=SECONDS, **{"OBSV_PATCH": "true", "OBSV_LOG_LEVEL": "DEBUG", **settings})
    assert done.returncode == 0, done.stderr
    return done


def told(code: str, **settings: str) -> Any:
    return json.loads(program(code, **settings).stdout.splitlines()[-1])


@pytest.mark.parametrize("way", SAY)
def test_a_sink_that_logs_twice_for_each_record_does_not_go_on_for_ever(way: str) -> None:
    found = told(
        SINK
        + SAY[way]
        + """
import time
say("hello")
obsv.flush(5)
time.sleep(1)
obsv.flush(5)
print(json.dumps({"hello": Sink.bodies.count("hello"), "all": len(Sink.bodies), "lost": obsv.status()["dropped"]
    if "dropped" in obsv.status() else None}))
"""
    )
    assert found["hello"] == 1
    assert 2 < found["all"] <= 120  # 100 a minute from sending threads


PROCESSOR = """
import json, logging, threading, time
import obsv
obsv.init("shop", traces="none", metrics="none", logs="memory")
from opentelemetry import _logs
provider = _logs.get_logger_provider()
from opentelemetry.sdk._logs import LoggingHandler
import warnings
warnings.simplefilter("ignore")
logging.getLogger().addHandler(LoggingHandler(logger_provider=provider))
"""


def test_a_processor_that_logs_while_it_holds_its_lock() -> None:
    found = told(
        PROCESSOR
        + """
class Locking:
    bodies = []
    lock = threading.Lock()
    def on_emit(self, record):
        with self.lock:
            self.bodies.append(record.log_record.body)
            logging.getLogger("own").warning("got one")
    def shutdown(self): logging.getLogger("own").warning("shutting down")
    def force_flush(self, timeout_millis=0):
        with self.lock:
            return True

provider.add_log_record_processor(Locking())
logging.getLogger("shop").warning("hello")
provider.get_logger("x").emit(body="there")
assert provider.force_flush()
print(json.dumps(Locking.bodies))
"""
    )
    assert found == ["hello", "got one", "there", "got one"]


@pytest.mark.parametrize("kind", ["SimpleLogRecordProcessor", "BatchLogRecordProcessor"])
def test_an_sdk_exporter_that_logs(kind: str) -> None:
    found = told(
        PROCESSOR
        + f"""
from opentelemetry.sdk._logs.export import {kind}, LogRecordExporter, LogRecordExportResult
class Exporter(LogRecordExporter):
    bodies = []
    def export(self, batch):
        for record in batch:
            self.bodies.append(record.log_record.body)
            logging.getLogger("own").error("exporting")
        return LogRecordExportResult.SUCCESS
    def shutdown(self): pass
    def force_flush(self, timeout_millis=0): return True

provider.add_log_record_processor({kind}(Exporter()))
logging.getLogger("shop").warning("hello")
provider.force_flush(2000)
time.sleep(0.2)
print(json.dumps(Exporter.bodies))
"""
    )
    assert found[:1] == ["hello"]
    assert len(found) <= 110


LOGGED = {
    "logging": "logging.getLogger('a').warning('%s', value)",
    "extra": "logging.getLogger('a').warning('x', extra={'value': value})",
    "obsv": "obsv.get_logger('a').warning('x', value=value)",
    "structlog": "structlog.get_logger().warning('x', value=value)",
    "loguru": "logger.bind(value=value).warning('x {}', value)",
    "opentelemetry": "_logs.get_logger('a').emit(body=value, attributes={'value': value})",
}


@pytest.mark.parametrize("way", LOGGED)
@pytest.mark.parametrize("sink", ["json", "memory"])
def test_a_value_whose_text_logs_itself(way: str, sink: str) -> None:
    done = program(
        f"""
import io, logging, sys, structlog
import obsv
obsv.init("shop", traces="none", metrics="none", logs="{sink}")
from loguru import logger
from opentelemetry import _logs
logger.remove()
structlog.configure(logger_factory=structlog.PrintLoggerFactory(io.StringIO()))

class Value:
    depth = 0
    def __str__(self):
        if Value.depth < 3:  # else the program itself would recurse
            Value.depth += 1
            value = self
            {LOGGED[way]}
            Value.depth -= 1
        return "text"
    __repr__ = __str__

value = Value()
{LOGGED[way]}
obsv.flush()
sys.stderr.write("done")
"""
    )
    assert done.stderr.endswith("done")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("way", SAY)
def test_signal_handlers_that_log_while_the_program_logs(way: str) -> None:
    done = program(
        """
import json, logging, os, signal, sys, threading, time
import obsv
obsv.init("shop", traces="none", metrics="none", logs="memory,json")
"""
        + SAY[way]
        + """
count = 0
def handler(number, frame):
    global count
    count += 1
    say("in the handler")

say("what is loaded with the first record is there")
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.003, 0.003)
end = time.monotonic() + 1.0
while time.monotonic() < end:
    say("in the program")
signal.setitimer(signal.ITIMER_REAL, 0)
time.sleep(0.01)
obsv.flush()
sys.stderr.write(f"signals {count > 20}")
"""
    )
    assert done.stderr.endswith("signals True")
    for line in done.stdout.splitlines():
        json.loads(line)


def test_threads_that_log_while_another_forks() -> None:
    done = program(
        """
import os, sys, threading, time
import obsv
obsv.init("shop", traces="none", metrics="none", logs="memory")
from loguru import logger
import structlog, io
from opentelemetry import _logs
logger.remove()
structlog.configure(logger_factory=structlog.PrintLoggerFactory(io.StringIO()))
emit = _logs.get_logger("x").emit
stop = False
def work():
    while not stop:
        logger.info("x"); structlog.get_logger().info("x"); emit(body="x")
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads: thread.start()
for _ in range(10):
    pid = os.fork()
    if pid == 0:
        emit(body="child"); logger.info("child"); obsv.flush(2); os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
stop = True
for thread in threads: thread.join()
sys.stderr.write("done")
"""
    )
    assert done.stderr.endswith("done")
