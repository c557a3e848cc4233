from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from obsv.hotpath import faults
from obsv.hotpath.queue import BoundedQueue
from obsv.hotpath.records import LogRecord
from obsv.logs import levels, outlet

Lost = Callable[[], dict[str, int]]


@pytest.fixture(autouse=True)
def _removed() -> Iterator[None]:
    yield
    outlet.remove()


def record(body: str = "x", **fields: Any) -> LogRecord:
    return LogRecord(1, 9, "INFO", body, "test", fields)


def queue(size: int = 1_000_000) -> BoundedQueue:
    return BoundedQueue(100, size, 100, threading.Lock(), None)


class Order:
    def __str__(self) -> str:
        return "order 7"


class Bad:
    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_every_outlet_gets_the_record() -> None:
    found: list[LogRecord] = []
    waiting = queue()
    outlet.install([found.append, found.append], [waiting])
    sent = record()
    outlet.emit(sent)
    assert found == [sent, sent]
    assert waiting.take(10) == [sent]


def test_nothing_installed_takes_nothing_and_raises_nothing() -> None:
    outlet.emit(record())
    assert outlet.level == levels.OFF


def test_level_is_off_without_outlets() -> None:
    outlet.install([], [], "DEBUG")
    assert outlet.level == levels.OFF


def test_watchers_hear_of_the_level_now_and_later() -> None:
    heard: list[int] = []
    outlet.watch(heard.append)
    outlet.install([lambda _: None], level="warning")
    outlet.remove()
    outlet._watchers.remove(heard.append)
    assert heard == [25, 13, 25]


def test_queued_values_are_settled_when_they_are_logged() -> None:
    waiting = queue()
    outlet.install([], [waiting])
    items, order = [1, 2], Order()
    outlet.emit(record(items=items, order=order, bad=Bad(), plain="a", number=1, thing=object()))
    items.append(3)
    fields = waiting.take(1)[0].fields
    assert fields["items"] == (1, 2)
    assert fields["order"] == "order 7"
    assert "Bad" in fields["bad"]
    assert (fields["plain"], fields["number"]) == ("a", 1)
    assert fields["thing"].startswith("<object")


def test_immediate_writers_see_the_values_as_given() -> None:
    seen: list[object] = []
    items = [1]
    outlet.install([lambda written: seen.append((written.fields or {})["items"])], [queue()])
    outlet.emit(record(items=items))
    assert seen[0] is items


def test_queued_records_weigh_what_they_hold() -> None:
    waiting = queue()
    outlet.install([], [waiting])
    outlet.emit(record())
    light = waiting.bytes
    outlet.emit(record("y" * 10_000, text="z" * 5_000))
    assert waiting.bytes - light > light + 15_000


def test_full_queue_drops_and_counts() -> None:
    small = queue(1500)
    outlet.install([], [small])
    for _ in range(5):
        outlet.emit(record())
    assert 0 < small.dropped < 5


def test_one_broken_writer_does_not_keep_the_record_from_the_others(
    monkeypatch: pytest.MonkeyPatch, lost: Lost, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("OBSV_RAISE", raising=False)
    faults.reset()

    def broken(_: LogRecord) -> None:
        raise ValueError("boom")

    found: list[LogRecord] = []
    waiting = queue()
    outlet.install([broken, found.append], [waiting])
    outlet.emit(record())
    assert len(found) == 1
    assert len(waiting.take(9)) == 1
    assert lost() == {"error": 1}
    assert "writing a log line failed: ValueError: boom" in capfd.readouterr().err


def test_our_own_errors_are_raised_in_tests() -> None:
    def broken(_: LogRecord) -> None:
        raise ValueError("boom")

    outlet.install([broken])
    with pytest.raises(ValueError, match="boom"):
        outlet.emit(record())
    outlet.install([lambda _: None])
    outlet.emit(record())  # the guard against recursion was released


def test_a_record_made_while_writing_waits_and_no_line_is_nested(lost: Lost) -> None:
    order: list[str] = []

    def write(written: LogRecord) -> None:
        order.append(f"begin {written.body}")
        if written.body == "outer":
            outlet.emit(record("inner"))
        order.append(f"end {written.body}")

    outlet.install([write])
    outlet.emit(record("outer"))
    assert order == ["begin outer", "end outer", "begin inner", "end inner"]
    assert lost() == {}


def test_what_waits_in_another_thread_survives_a_new_init(lost: Lost) -> None:
    waits, goes_on = threading.Event(), threading.Event()
    written: list[str] = []

    def write(made: LogRecord) -> None:
        written.append(made.body)
        if made.body == "outer":
            outlet.emit(record("inner"))
            waits.set()
            goes_on.wait(10)

    outlet.install([write])
    thread = threading.Thread(target=outlet.emit, args=(record("outer"),))
    thread.start()
    assert waits.wait(10)
    outlet.install([write])
    goes_on.set()
    thread.join()
    assert written == ["outer", "inner"]
    assert lost() == {}


def test_a_forked_child_forgets_what_waits_in_threads_that_it_does_not_have() -> None:
    waits, goes_on = threading.Event(), threading.Event()

    def write(made: LogRecord) -> None:
        if made.body == "outer":
            outlet.emit(record("inner"))
            waits.set()
            goes_on.wait(10)

    outlet.install([write])
    thread = threading.Thread(target=outlet.emit, args=(record("outer"),))
    thread.start()
    assert waits.wait(10)
    assert thread.ident in outlet.emitter.waiting
    outlet.forget_threads()
    assert outlet.emitter.waiting == {}
    goes_on.set()
    thread.join()


def test_a_writer_that_always_logs_ends_and_is_counted(lost: Lost) -> None:
    written: list[str] = []

    def write(made: LogRecord) -> None:
        written.append(made.body)
        outlet.emit(record(made.body + "+"))

    outlet.install([write])
    outlet.emit(record("a"))
    assert written == ["a", "a+"]
    assert lost() == {"logged while logging": 1}


def test_a_writer_that_logs_without_end_is_bounded(lost: Lost) -> None:
    written: list[str] = []

    def write(made: LogRecord) -> None:
        written.append(made.body)
        if made.body == "a":
            for number in range(100):
                outlet.emit(record(str(number)))

    outlet.install([write])
    outlet.emit(record("a"))
    assert len(written) == 1 + outlet.MAX_WAITING
    assert lost() == {"logged while logging": 100 - outlet.MAX_WAITING}


def test_the_guard_is_the_threads_own() -> None:
    entered, done = threading.Event(), threading.Event()
    written: list[str] = []

    def write(made: LogRecord) -> None:
        written.append(made.body)
        if made.body == "slow":
            entered.set()
            assert done.wait(30)

    outlet.install([write])
    slow = threading.Thread(target=lambda: outlet.emit(record("slow")))
    slow.start()
    assert entered.wait(30)
    outlet.emit(record("other thread"))
    done.set()
    slow.join()
    assert written == ["slow", "other thread"]


def test_an_interrupt_while_writing_passes_and_leaves_the_thread_usable() -> None:
    found: list[LogRecord] = []

    def interrupted(_: LogRecord) -> None:
        raise KeyboardInterrupt

    outlet.install([interrupted])
    with pytest.raises(KeyboardInterrupt):
        outlet.emit(record())
    outlet.install([found.append])
    outlet.emit(record())
    assert len(found) == 1


def test_losses_are_counted_by_many_threads(lost: Lost) -> None:
    def write(made: LogRecord) -> None:
        outlet.emit(record(made.body + "+"))

    def log() -> None:
        for _ in range(1000):
            outlet.emit(record())

    outlet.install([write])
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=log) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert lost() == {"logged while logging": 8000}
