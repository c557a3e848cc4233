"""A flush in the caller's own thread: whose turn it is, what a signal handler finds, what goes to the thread."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from obsv.hotpath.turn import Turn
from obsv.pipeline import Collector, Lane
from obsv.pipeline.batch import LATER
from obsv.settings import resolve
from obsv.sinks.base import Batch, Sent

if TYPE_CHECKING:
    from collections.abc import Iterator


class Direct:
    """A sink that can send here, and remembers in which thread it did."""

    name = "direct"
    signals = frozenset({"logs"})

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any]] = []
        self.later = False
        self.during: Any = None

    def open(self, resource: Any) -> None:
        pass

    def _take(self, batch: Batch) -> Sent:
        where = "here" if threading.current_thread() is threading.main_thread() else "there"
        self.sent += [(where, item) for item in batch.items]
        return Sent()

    send = _take

    def send_now(self, batch: Batch) -> Any:
        if self.during is not None:
            self.during()
        return LATER if self.later else self._take(batch)

    def close(self) -> None:
        pass


@pytest.fixture
def lane() -> Iterator[Lane]:
    settings = resolve({"config": {"flush_interval": 600}})
    sink = Direct()
    made = Lane(lambda: sink, ("logs",), settings, {}, Collector(1000.0))
    put(made, "first")
    assert not made.flush_here()  # nothing is open yet
    assert made.begin_flush(monotonic() + 20).wait()
    yield made
    sink.during = None
    made.begin_close(monotonic() + 5).wait()


def put(lane: Lane, item: Any) -> None:
    queue = lane.queue("logs")
    assert queue is not None
    assert queue.put(item, 1, 10)


def test_it_is_sent_here_once_the_sink_is_open(lane: Lane) -> None:
    put(lane, "a")
    put(lane, "b")
    assert lane.flush_here()
    assert lane.sink.sent == [("there", "first"), ("here", "a"), ("here", "b")]  # type: ignore[attr-defined]
    assert lane.status()["logs"]["sent"] == 3


def test_what_would_have_to_wait_goes_to_the_thread(lane: Lane) -> None:
    lane.sink.later = True  # type: ignore[attr-defined]
    put(lane, "a")
    assert not lane.flush_here()
    assert lane.begin_flush(monotonic() + 20).wait()
    assert lane.sink.sent == [("there", "first"), ("there", "a")]  # type: ignore[attr-defined]
    assert lane.status()["logs"]["retries"] == 0


def test_a_flush_in_the_midst_of_a_flush_is_told_at_once_that_it_cannot(lane: Lane) -> None:
    answers: list[Any] = []

    def interrupt() -> None:
        begin = monotonic()
        answers.extend([lane.flush_here(), lane.begin_flush(begin + 600).wait(), lane.sending_here()])

    lane.sink.during = interrupt  # type: ignore[attr-defined]
    put(lane, "a")
    assert lane.flush_here()
    assert answers == [False, False, True]
    assert not lane.sending_here()


def test_an_interrupt_gives_the_turn_back(lane: Lane) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    lane.sink.during = interrupt  # type: ignore[attr-defined]
    put(lane, "a")
    with pytest.raises(KeyboardInterrupt):
        lane.flush_here()
    lane.sink.during = None  # type: ignore[attr-defined]
    put(lane, "b")
    assert lane.begin_flush(monotonic() + 20).wait()
    assert [item for _, item in lane.sink.sent] == ["first", "a", "b"]  # type: ignore[attr-defined]


def test_a_turn() -> None:
    turn = Turn()
    mine, theirs = turn.claim(), [0]
    assert not turn.ours()
    assert turn.take(mine)
    assert turn.ours()
    assert not turn.take(theirs)
    turn.leave(theirs)
    assert not turn.take(turn.claim())
    turn.leave(mine)
    assert turn.take(theirs)
    assert not turn.ours()


PROGRAM = """
import os, signal, sys, obsv
obsv.init("x", traces="none", logs="none", metrics="emf", patch=False, config={"signals": %s})
counter = obsv.counter("orders")
%s
for number in range(%d):
    counter.add(1)
    obsv.flush()
"""


def run(program: str, **options: Any) -> Any:
    env = {**os.environ, "OBSV_RAISE": ""}
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=env, **options
    )


def test_each_flush_is_a_line_and_none_is_written_twice() -> None:
    done = run(PROGRAM % (False, "", 300))
    assert done.returncode == 0, done.stderr
    assert sum('"orders":1' in line for line in done.stdout.splitlines()) == 300


def test_a_reader_that_does_not_read_delays_no_longer_than_the_timeout() -> None:
    program = PROGRAM % (False, "", 1) + (
        "while obsv.flush(0.2):\n    counter.add(1)\nsys.stderr.write('late')\nsys.stderr.flush()\nos._exit(0)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        try:
            process.wait(60)
            assert process.stderr.read().endswith(b"late")
        finally:
            process.kill()


def test_a_handler_that_flushes_interrupts_flushes() -> None:
    handler = "signal.signal(signal.SIGALRM, lambda *_: (counter.add(1), obsv.flush()))\n" + (
        "signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)"
    )
    program = PROGRAM % (False, handler, 500) + "signal.setitimer(signal.ITIMER_REAL, 0)\nobsv.shutdown()\n"
    program = program.replace("lambda *_: (", "lambda *_: (told.append(1), ").replace(
        "counter =", "told = []\ncounter ="
    )
    done = run(program + "sys.stderr.write(str(len(told)))")
    assert done.returncode == 0, done.stderr
    values = [int(line.rsplit('"orders":', 1)[1].rstrip("}")) for line in done.stdout.splitlines()]
    assert sum(values) == 500 + int(done.stderr)


def test_sigterm_in_the_midst_of_a_flush_waits_for_it() -> None:
    program = PROGRAM % (
        True,
        "from obsv.sinks import lines\n"
        "whole = lines._has_room\n"
        "lines._has_room = lambda fd: (os.kill(os.getpid(), 15) if number == 1 else None, whole(fd))[1]",
        100,
    )
    done = run(program)
    assert done.returncode == -15
    assert done.stdout.count('"orders":1') == 2


def test_sigterm_at_any_moment_loses_and_doubles_nothing() -> None:
    program = PROGRAM % (
        True,
        "import threading, time\n"
        "def end():\n"
        "    while number < 300:\n"
        "        time.sleep(0.001)\n"
        "    os.kill(os.getpid(), 15)\n"
        "number = 0\n"
        "threading.Thread(target=end).start()\n"
        "while True:\n"
        "    number += 1\n"
        "    counter.add(number)\n"
        "    obsv.flush()",
        0,
    )
    for _ in range(3):
        done = run(program)
        assert done.returncode == -15
        told = [json.loads(line)["orders"] for line in done.stdout.splitlines()]
        assert len(told) >= 299
        assert told == list(range(1, len(told) + 1))
