"""Logging on a bad day: whatever happens to stdout and whatever is logged, the program goes on and losses are counted.

Each test is a program of its own, with the real stdout of a process.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

PREAMBLE = """
import os, sys
from obsv.settings import resolve
from obsv.logs import outlet
from obsv.logs.logger import get_logger
from obsv.sinks.json import JsonSink

sink = JsonSink(resolve({"service": "shop"}))
outlet.install(immediate=[sink.write], level="DEBUG")
log = get_logger("shop")

def tell(**more):
    import json
    sys.stderr.write(json.dumps({"lost": sink.lost, "dropped": outlet.lost(), **more}))
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="descriptors and signals of POSIX")


def run(program: str, *, stdout: Any = subprocess.PIPE, close: bool = False) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", PREAMBLE + program]
    if close:
        command = ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *command]
    done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.stdout.endswith("\n")
    return [json.loads(line) for line in done.stdout[:-1].split("\n")]


def told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stderr)
    return found


# ------------------------------------------------------------------------------------------------ stdout


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
def test_full_disk() -> None:
    with open("/dev/full", "w") as full:
        done = run("for n in range(5): log.info('m', n=n)\ntell()", stdout=full)
    assert told(done) == {"lost": {"stdout: disk full": 5}, "dropped": {}}


def test_stdout_closed_before_the_program_started() -> None:
    done = run("for n in range(5): log.info('m', n=n)\ntell(none=sys.stdout is None)", close=True)
    assert told(done) == {"lost": {"stdout: closed": 5}, "dropped": {}, "none": True}


def test_stdout_closed_by_the_program() -> None:
    done = run("log.info('before')\nsys.stdout.close()\nlog.info('after')\ntell()")
    assert [line["message"] for line in lines(done)] == ["before"]
    assert told(done)["lost"] == {"stdout: closed": 1}


def test_descriptor_closed_under_stdout() -> None:
    done = run("os.close(1)\nlog.info('after')\ntell()\nsys.stderr.flush()\nos._exit(0)")
    assert told(done)["lost"] == {"stdout: closed": 1}


def test_reader_gone() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = run("for n in range(3): log.info('m')\ntell()", stdout=writer)
    finally:
        os.close(writer)
    assert told(done)["lost"] == {"stdout: reader gone": 3}


def test_stdout_replaced_by_something_that_raises() -> None:
    done = run(
        """
class Broken:
    def write(self, text): raise RuntimeError("broken")
    def flush(self): raise RuntimeError("broken")
real, sys.stdout = sys.stdout, Broken()
log.info("lost")
sys.stdout = real
log.info("kept")
tell()
"""
    )
    assert [line["message"] for line in lines(done)] == ["kept"]
    assert sum(told(done)["lost"].values()) == 1


def test_nothing_else_is_on_the_line() -> None:
    done = run("print('whole line', flush=True)\nlog.info('m')\nprint('another', flush=True)\ntell()")
    first, middle, last = done.stdout.splitlines()
    assert (first, json.loads(middle)["message"], last) == ("whole line", "m", "another")


# ------------------------------------------------------------------------------------------------ values


def test_bad_values_lose_only_themselves() -> None:
    done = run(
        """
import logging
from obsv.logs import handler
handler.install("DEBUG")

class Bad:
    def __str__(self): raise RuntimeError("no text")
    __repr__ = __str__
    def __hash__(self): raise RuntimeError("no hash")
class BadMapping(dict):
    def items(self): raise RuntimeError("no items")
class BadError(Exception):
    def __str__(self): raise RuntimeError("no text")
    __notes__ = 5
class Deep:
    def __str__(self): return str(self)
log.info("1", bad=Bad(), ok=1)
log.info("2", bad={"a": Bad()}, ok=1)
log.info("3", bad=BadMapping(a=1), ok=1)
log.error("4", exc_info=BadError(), ok=1)
log.info("5", bad=Deep(), ok=1)
log.info(Bad(), ok=1)
std = logging.getLogger("std")
std.info("7 %s", Bad(), extra={"ok": 1})
std.info("8 %d", "x", extra={"ok": 1, "bad": Bad()})
std.error("9", exc_info=BadError(), extra={"ok": 1})
std.info(Bad(), extra={"ok": 1})
tell()
"""
    )
    found = lines(done)
    assert len(found) == 10
    assert all(line["ok"] == 1 for line in found)
    assert told(done) == {"lost": {}, "dropped": {}}


def test_a_text_that_logs_itself_ends() -> None:
    done = run(
        """
class Chatty:
    def __str__(self):
        log.info("about", me=self)
        return "chatty"
    __repr__ = __str__
log.info("start", me=Chatty())
tell()
"""
    )
    assert [line["message"] for line in lines(done)] == ["start", "about"]
    assert told(done)["dropped"] == {"logged while logging": 1}


def test_a_message_that_logs_itself_without_end_ends() -> None:
    done = run(
        """
class Chatty:
    def __str__(self):
        log.info(self)
        return "chatty"
log.info(Chatty())
tell()
"""
    )
    assert len(lines(done)) >= 1


def test_a_stdout_that_logs_ends() -> None:
    done = run(
        """
import logging
from obsv.logs import handler
handler.install("DEBUG")

class Chatty:
    def __init__(self, stream): self.stream = stream
    def write(self, text):
        log.info("from write")
        logging.getLogger("std").info("from write")
        return self.stream.write(text)
    def flush(self): self.stream.flush()
sys.stdout = Chatty(sys.stdout)
log.info("m")
logging.getLogger("std").info("m")
sys.stdout = sys.stdout.stream
tell()
"""
    )
    assert [line["message"] for line in lines(done)] == ["m", "from write", "from write"] * 2
    assert told(done)["dropped"] == {"logged while logging": 8}


# ------------------------------------------------------------------------------------------------ threads and signals


@pytest.mark.parametrize("way", ["own", "stdlib"])
def test_threads_neither_mix_nor_lose_lines(way: str) -> None:
    done = run(
        f"""
import logging, threading
from obsv.logs import handler
handler.install("DEBUG")
way = {way!r}
sys.setswitchinterval(1e-5)
def work(thread):
    bound = log.bind(thread=thread)
    std = logging.getLogger("std")
    for number in range(2000):
        if way == "own":
            bound.info("m" * (number % 300), number=number)
        else:
            std.info("m" * (number % 300), extra={{"thread_": thread, "number": number}})
threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
for t in threads: t.start()
for t in threads: t.join()
tell()
"""
    )
    found = lines(done)
    assert len(found) == 16_000
    name = "thread" if way == "own" else "thread_"
    for thread in range(8):
        mine = [line for line in found if line[name] == thread]
        assert [line["number"] for line in mine] == list(range(2000))
        assert all(line["message"] == "m" * (line["number"] % 300) for line in mine)
    assert told(done) == {"lost": {}, "dropped": {}}


def test_a_signal_handler_may_log() -> None:
    done = run(
        """
import signal
count = 0
def handle(number, frame):
    global count
    count += 1
    log.warning("signal", count=count)
signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
for number in range(10000):
    log.info("m", number=number)
    if number > 2000 and count > 50:
        break
while count <= 50:
    pass
signal.setitimer(signal.ITIMER_REAL, 0)
tell(count=count, number=number)
"""
    )
    found = lines(done)
    about = told(done)
    signals = [line for line in found if line["message"] == "signal"]
    assert len(signals) + about["dropped"].get("logged while logging", 0) == about["count"]
    assert [line["number"] for line in found if line["message"] == "m"] == list(range(about["number"] + 1))
    assert about["lost"] == {}


def test_a_forked_child_logs_its_own_lines_only() -> None:
    done = run(
        """
import threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of fork in a program with threads
stop = threading.Event()
def work():
    while not stop.is_set():
        log.info("noise")
threads = [threading.Thread(target=work) for _ in range(3)]
for t in threads: t.start()
pids = []
for child in range(10):
    pid = os.fork()
    if pid == 0:
        for number in range(20):
            log.info("child", child=child, number=number)
        os._exit(0)
    pids.append(pid)
codes = [os.waitpid(pid, 0)[1] for pid in pids]
stop.set()
for t in threads: t.join()
tell(codes=codes)
"""
    )
    assert told(done)["codes"] == [0] * 10
    for child in range(10):
        mine = [line["number"] for line in lines(done) if line.get("child") == child]
        assert mine == list(range(20))


# ------------------------------------------------------------------------------------------------ the end


def test_logging_while_the_interpreter_goes_down() -> None:
    done = run(
        """
import atexit, logging, threading, weakref
from obsv.logs import correlation, handler
correlation.install_record_factory("shop")
handler.install("DEBUG")

class Last:
    def __del__(self):
        log.info("del")
        logging.getLogger("std").info("del std")
class Thing:
    pass
last = Last()
last.me = last  # freed by the last collection
thing = Thing()
weakref.finalize(thing, log.info, "finalize")
atexit.register(lambda: log.info("atexit"))
def forever():
    while True:
        log.info("daemon")
threading.Thread(target=forever, daemon=True).start()
keep = sys.modules["keep"] = Last()
log.info("main")
"""
    )
    messages = {line["message"] for line in lines(done)}
    assert {"main", "atexit", "finalize"} <= messages
    assert done.stderr == ""


def test_a_killed_program_has_written_what_it_logged(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with open(out, "w") as stream:
        done = subprocess.run(
            [sys.executable, "-c", PREAMBLE + "log.info('last words')\nos.kill(os.getpid(), 9)"],
            stdout=stream,
            timeout=60,
            check=False,
        )
    assert done.returncode == -signal.SIGKILL
    assert json.loads(out.read_text())["message"] == "last words"
