"""A lane: batches, retries, counts, flush and close, with sinks that do what the test says."""

from __future__ import annotations

import asyncio
import os
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from obsv.hotpath import faults, otlp
from obsv.hotpath import span as hot
from obsv.hotpath.span import current, suppressed
from obsv.pipeline import Collector, Lane, Pipeline
from obsv.pipeline import lane as lanes
from obsv.settings import resolve
from obsv.sinks.base import Batch, Refused, Retry, Sent
from servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Scripted:
    """A sink that answers as it is told, and remembers what it got."""

    name = "scripted"
    signals = frozenset({"traces", "logs", "metrics"})

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.batches: list[Batch] = []
        self.calls: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def open(self, resource: Any) -> None:
        self.calls.append("open")
        self.resource = resource

    def send(self, batch: Batch) -> Any:
        self.calls.append("send")
        self.gate.wait(20)
        answer = self.answers.pop(0) if self.answers else Sent()
        if isinstance(answer, Exception):
            raise answer
        self.batches.append(batch)
        return answer() if callable(answer) else answer

    def close(self) -> None:
        self.calls.append("close")

    def items(self) -> list[Any]:
        return [item for batch in self.batches for item in batch.items]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "FIRST_BACKOFF", 0.01)


@pytest.fixture
def make() -> Iterator[Callable[..., Lane]]:
    made: list[Lane] = []

    def lane(sink: Any, *signals: str, **options: Any) -> Lane:
        options = {"flush_interval": 0.05, **options}
        settings = resolve({"config": options})
        assert not settings.problems, settings.problems
        found = Lane(lambda: sink, signals or ("logs",), settings, {"service.name": "x"}, Collector(1000.0))
        made.append(found)
        return found

    yield lane
    for each in made:
        each.sink.gate.set()
        each.begin_close(monotonic() + 5).wait()


def put(lane: Lane, item: Any, signal: str = "logs", records: int = 1, size: int = 10) -> bool:
    queue = lane.queue(signal)
    assert queue is not None
    return queue.put(item, records, size)


def account(lane: Lane, signal: str = "logs") -> dict[str, Any]:
    found: dict[str, Any] = lane.status()[signal]
    return found


def flush(lane: Lane, seconds: float = 10.0) -> bool:
    return lane.begin_flush(monotonic() + seconds).wait()


def test_no_thread_before_the_first_record(make: Any) -> None:
    lane = make(Scripted())
    assert lane._thread is None
    assert flush(lane)
    assert lane._thread is None
    put(lane, "a")
    assert lane._thread is not None
    assert lane._thread.daemon


def test_what_is_queued_leaves(make: Any) -> None:
    sink = Scripted()
    lane = make(sink)
    put(lane, "a")
    put(lane, "b")
    assert flush(lane)
    assert sink.items() == ["a", "b"]
    assert sink.resource == {"service.name": "x"}
    assert sink.calls.count("open") == 1
    assert account(lane) == {"sent": 2, "waiting": 0, "dropped": {}, "adapted": {}, "retries": 0, "last_error": None}


def test_it_leaves_without_a_flush_too(make: Any) -> None:
    sink = Scripted()
    lane = make(sink)
    put(lane, "a")
    wait_until(sink.items, "the interval")


def test_enough_records_leave_before_the_interval(make: Any) -> None:
    sink = Scripted()
    lane = make(sink, flush_interval=600, batch_records=5)
    for number in range(5):
        put(lane, number)
    wait_until(lambda: len(sink.items()) == 5, "a wake-up")


def test_batches_have_a_size(make: Any) -> None:
    sink = Scripted()
    sink.gate.clear()
    lane = make(sink, batch_records=10)
    for number in range(25):
        put(lane, number)
    sink.gate.set()
    assert flush(lane)
    assert sink.items() == list(range(25))
    assert max(batch.records for batch in sink.batches) <= 10


def test_signals_have_their_own_queues_and_accounts(make: Any) -> None:
    sink = Scripted()
    lane = make(sink, "traces", "logs", "metrics")
    put(lane, ["span", "span"], "traces", 2)
    put(lane, "log")
    put(lane, ["point", "point", "point"], "metrics", 3)
    assert flush(lane)
    found = {batch.signal: (batch.items, batch.records) for batch in sink.batches}
    assert found["traces"] == ([["span", "span"]], 2)
    assert found["logs"] == (["log"], 1)
    assert found["metrics"] == (["point", "point", "point"], 3)
    assert {signal: each["sent"] for signal, each in lane.status().items()} == {"traces": 2, "metrics": 3, "logs": 1}
    assert lane.queue("unknown") is None


def test_the_thread_is_not_traced(make: Any) -> None:
    seen: list[Any] = []

    def look() -> Sent:
        seen.append((suppressed(), current() is not None))
        return Sent()

    lane = make(Scripted(look))
    put(lane, "a")
    assert flush(lane)
    assert seen == [(True, True)]


def test_a_retry_sends_the_same_batch_again(make: Any) -> None:
    sink = Scripted(Retry("http 503"), Retry("http 503"), Sent())
    lane = make(sink)
    put(lane, "a")
    assert flush(lane)
    assert len(sink.batches) == 3
    assert len(set(map(id, sink.batches))) == 1
    found = account(lane)
    assert (found["sent"], found["retries"], found["last_error"], found["dropped"]) == (1, 2, "http 503", {})


def test_what_comes_meanwhile_waits(make: Any) -> None:
    sink = Scripted(Retry("later", 0.2), Sent())
    lane = make(sink)
    put(lane, "a")
    wait_until(lambda: sink.batches, "the first try")
    put(lane, "b")
    assert account(lane)["waiting"] == 2
    wait_until(lambda: account(lane)["sent"] == 2, "the second try")
    assert [batch.items for batch in sink.batches] == [["a"], ["a"], ["b"]]


@pytest.mark.parametrize(
    ("attempts", "after", "least", "most"),
    [
        (1, None, 0.005, 0.01),
        (3, None, 0.02, 0.04),
        (100, None, 15, 30),
        (1, 7.0, 7, 7),
        (1, 1e9, 300, 300),
        (1, -5.0, 0.005, 0.01),
    ],
)
def test_back_off(make: Any, attempts: int, after: float | None, least: float, most: float) -> None:
    lane = make(Scripted())
    assert least <= lane._backoff(attempts, after) <= most


def test_it_gives_up_on_an_old_batch(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "MAX_AGE", 0.0)
    lane = make(Scripted(Retry("http 503")))
    put(lane, "a")
    put(lane, "b")
    wait_until(lambda: account(lane)["dropped"], "the end of patience")
    assert flush(lane)
    assert account(lane)["dropped"]["gave up: http 503"] >= 1


def test_a_retry_that_needs_somebody_is_told_at_once_and_once(make: Any, capsys: pytest.CaptureFixture[str]) -> None:
    answers = [Retry("somebody has to help", tell=True), Retry("busy"), Retry("somebody has to help", tell=True)]
    sink = Scripted(*answers, Retry("something else, too", tell=True))
    sink.name = "helpless"  # what was told of another test's sink is not told again
    lane = make(sink)
    lane.queue("logs").put("record", 1, 10)
    assert lane.begin_flush(monotonic() + 10).wait()
    assert capsys.readouterr().err.splitlines() == [
        "obsv: the helpless sink cannot send logs: somebody has to help; it goes on trying",
        "obsv: the helpless sink cannot send logs: busy; it goes on trying",
        "obsv: the helpless sink cannot send logs: something else, too; it goes on trying",
    ]
    assert lane.status()["logs"]["retries"] == 4


def test_refused_is_dropped_and_counted(make: Any, capsys: pytest.CaptureFixture[str]) -> None:
    faults.reset()
    lane = make(Scripted(Refused("http 400"), Sent()), flush_interval=600)
    put(lane, ["x"] * 3, records=3)
    assert not flush(lane)  # what was lost has not left
    put(lane, "b")
    flush(lane)
    found = account(lane)
    assert found["dropped"] == {"http 400": 1}  # one log record, whatever it was queued as
    assert (found["sent"], found["last_error"]) == (1, "http 400")
    assert capsys.readouterr().err.count("obsv: the scripted sink lost 1 records: http 400") == 1


def test_a_partial_success_counts_both(make: Any) -> None:
    lane = make(Scripted(Sent(2, "partial success: too old")), "traces", flush_interval=600)
    put(lane, ["s"] * 5, "traces", 5)
    assert not flush(lane)  # what was lost has not left
    found = account(lane, "traces")
    assert (found["sent"], found["dropped"]) == (3, {"partial success: too old": 2})


def test_what_was_adapted_is_counted_by_what_was_done(make: Any) -> None:
    lane = make(Scripted(Sent(0, None, {"cut": 2}), Sent(1, "too old", {"cut": 1, "moved": 3})), batch_records=1)
    for item in "ab":
        put(lane, item)
    flush(lane)
    found = account(lane)
    assert found["adapted"] == {"cut": 3, "moved": 3}
    assert (found["sent"], found["dropped"]) == (1, {"too old": 1})


def test_a_warning_loses_nothing(make: Any, capsys: pytest.CaptureFixture[str]) -> None:
    faults.reset()
    lane = make(Scripted(Sent(0, "partial success: be careful")))
    put(lane, "a")
    flush(lane)
    found = account(lane)
    assert (found["sent"], found["dropped"], found["last_error"]) == (1, {}, "partial success: be careful")
    err = capsys.readouterr().err
    assert "was told: partial success: be careful" in err
    assert "lost" not in err


@pytest.mark.parametrize("answer", [ValueError("bug"), None, "nonsense"])
def test_a_sink_that_fails_loses_only_its_batch(make: Any, answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OBSV_RAISE")
    sink = Scripted(answer if answer is not None else lambda: None, Sent())
    lane = make(sink, flush_interval=600)
    put(lane, "a")
    assert not flush(lane)  # what was lost has not left
    put(lane, "b")
    flush(lane)
    assert account(lane)["sent"] == 1
    assert sum(account(lane)["dropped"].values()) == 1


def test_a_sink_that_cannot_open_tries_again(make: Any) -> None:
    class Closed(Scripted):
        def open(self, resource: Any) -> None:
            super().open(resource)
            if len(self.calls) == 1:
                raise OSError("not yet")

    lane = make(Closed(), flush_interval=600)
    put(lane, "a")
    assert not flush(lane)  # what was lost has not left
    assert account(lane)["dropped"] == {"error: OSError": 1}
    put(lane, "b")
    flush(lane)
    assert account(lane)["sent"] == 1


def test_what_does_not_fit_is_counted(make: Any) -> None:
    sink = Scripted()
    sink.gate.clear()
    lane = make(sink, queue_records=3)
    put(lane, "first")
    wait_until(lambda: sink.calls == ["open", "send"], "the first batch")
    assert [put(lane, number) for number in range(5)] == [True, True, True, False, False]
    assert account(lane)["dropped"] == {"queue full": 2}
    assert account(lane)["waiting"] == 4
    sink.gate.set()
    assert flush(lane)
    assert account(lane)["sent"] == 4


def test_a_flush_ends_in_time(make: Any) -> None:
    sink = Scripted()
    sink.gate.clear()
    lane = make(sink)
    put(lane, "a")
    assert not flush(lane, 0.1)
    sink.gate.set()
    assert flush(lane)


def test_a_flush_does_not_wait_for_the_back_off(make: Any) -> None:
    sink = Scripted(Retry("busy", 200.0), Sent())
    lane = make(sink)
    put(lane, "a")
    wait_until(lambda: account(lane)["retries"], "the first try")
    assert flush(lane)
    assert account(lane)["sent"] == 1


def test_close_sends_what_is_left_and_ends_the_thread(make: Any) -> None:
    sink = Scripted()
    lane = make(sink, flush_interval=600)
    put(lane, "a")
    assert lane.begin_close(monotonic() + 10).wait()
    lane.end_close()
    assert sink.items() == ["a"]
    thread = lane._thread
    assert thread is not None
    thread.join(10)
    assert not thread.is_alive()
    assert sink.calls == ["open", "send", "close"]
    assert not put(lane, "late")


def test_close_without_a_thread(make: Any) -> None:
    sink = Scripted()
    lane = make(sink)
    assert lane.begin_close(monotonic() + 10).wait()
    assert sink.calls == []
    assert lane._thread is None


def test_without_threads_close_sends_from_the_callers(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(self: Any) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", none_left)
    sink = Scripted()
    lane = make(sink)
    put(lane, "a")
    assert account(lane)["waiting"] == 1
    assert lane.begin_close(monotonic() + 10).wait()
    assert sink.items() == ["a"]
    assert sink.calls == ["open", "send", "close"]
    assert not suppressed()


def test_close_counts_what_a_hanging_sink_leaves(make: Any) -> None:
    sink = Scripted()
    sink.gate.clear()
    lane = make(sink)
    put(lane, "a")
    wait_until(lambda: "send" in sink.calls, "the sink to hang")
    put(lane, "b")
    assert not lane.begin_close(monotonic() + 0.1).wait()
    lane.end_close()
    assert account(lane)["dropped"] == {"shutdown timeout": 2}


def test_close_does_not_wait_for_a_receiver_that_was_never_there(make: Any) -> None:
    lane = make(Scripted(*[Retry("connection refused")] * 50))
    put(lane, "a")
    assert not lane.begin_close(monotonic() + 600).wait()
    assert account(lane)["dropped"] == {"shutdown": 1}


def test_close_does_not_wait_for_a_retry_that_would_come_too_late(make: Any) -> None:
    lane = make(Scripted(Sent(), Retry("http 429", 200.0), Retry("http 429", 200.0)))
    put(lane, "a")
    assert flush(lane)
    put(lane, "b")
    assert not lane.begin_close(monotonic() + 100).wait()
    assert account(lane)["dropped"] == {"shutdown": 1}


def test_the_idle_hook(make: Any) -> None:
    class Idle(Scripted):
        def idle(self) -> None:
            self.calls.append("idle")

    sink = Idle()
    lane = make(sink)
    put(lane, "a")
    wait_until(lambda: "idle" in sink.calls, "the hook")


def test_a_forked_child_has_an_empty_lane_of_its_own(make: Any) -> None:
    sink = Scripted()
    sink.gate.clear()
    lane = make(sink)
    put(lane, "parent's")
    wait_until(lambda: "send" in sink.calls, "the first batch")
    put(lane, "parent's too")
    queue = lane.queue("logs")
    child = os.fork()
    if child == 0:
        failed = 1
        try:
            fresh = Scripted()
            lane._make = lambda: fresh
            lane.after_fork()
            assert lane.queue("logs") is queue  # loggers hold the queue itself
            assert lane._thread is None
            put(lane, "child's")
            assert flush(lane)
            assert fresh.items() == ["child's"]
            assert account(lane) == {
                "sent": 1,
                "waiting": 0,
                "dropped": {},
                "adapted": {},
                "retries": 0,
                "last_error": None,
            }
            failed = 0
        finally:
            os._exit(failed)
    assert os.waitpid(child, 0)[1] == 0
    sink.gate.set()
    assert flush(lane)
    assert sink.items() == ["parent's", "parent's too"]


def test_lanes_of_the_same_name_have_their_own_accounts() -> None:
    pipeline = Pipeline(resolve({}), {})
    names = [pipeline.add(lambda: Scripted(), ("logs",)).name for _ in range(3)]
    assert names == ["scripted", "scripted 2", "scripted 3"]
    assert len(pipeline.queues("logs")) == 3
    assert pipeline.close(1.0)


def test_a_pipeline_flushes_all_lanes_at_once() -> None:
    pipeline = Pipeline(resolve({}), {})
    sinks = [Scripted(), Scripted()]
    pipeline.add(lambda: sinks[0], ("logs",))
    pipeline.add(lambda: sinks[1], ("logs", "traces"))
    for queue in pipeline.queues("logs"):
        queue.put("a", 1, 1)
    assert pipeline.flush(10)
    assert [sink.items() for sink in sinks] == [["a"], ["a"]]
    assert pipeline.close(10)


class Encoding(Scripted):
    """Does to spans what the OTLP sink does."""

    def send(self, batch: Batch) -> Any:
        otlp.traces(batch.items, b"")
        return Sent()


def test_a_loop_that_is_faster_than_its_sink_loses_nothing(make: Any) -> None:
    lane = make(Encoding(), "traces")
    queue = lane.queue("traces")
    hot.OUTLET.queues, hot.OUTLET.enabled = (queue,), True
    try:
        for number in range(250_000):
            with hot.span("loop") as made:
                made.set_attribute("number", number)
    finally:
        hot.OUTLET.queues, hot.OUTLET.enabled = (), False
    assert flush(lane, 60)
    assert (queue.dropped, account(lane, "traces")["sent"]) == (0, 250_000)


def test_writers_give_way_only_while_sending_goes_on(make: Any) -> None:
    class Looking(Scripted):
        def send(self, batch: Batch) -> Any:
            seen.append(lane.queue("logs").busy)
            return super().send(batch)

    seen: list[bool] = []
    sink = Looking(Sent(), Retry("away"), Sent())
    lane = make(sink, batch_records=1)
    sink.gate.clear()
    for item in "abc":
        put(lane, item)
    sink.gate.set()
    assert flush(lane)
    assert seen == [True, True, False, True]
    wait_until(lambda: not lane.queue("logs").busy, "the lane to sleep")


def test_a_writer_never_pauses_on_an_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    from obsv.hotpath import queue as module

    class Pauses:
        def __getitem__(self, step: int) -> int:
            asked.append(step)
            return 0

    def fill() -> None:
        for _ in range(module.STRETCH):
            queue.put("record", 1, 1)

    async def on_the_loop() -> None:
        fill()

    asked: list[int] = []
    monkeypatch.setattr(module, "PAUSES", Pauses())
    queue = module.BoundedQueue(module.STRETCH * 2 + 1, 1 << 20, 1 << 20, threading.Lock(), None)
    queue.put("record", 1, 1)
    fill()  # half full
    queue.busy = True
    asyncio.run(on_the_loop())
    assert asked == []
    queue.take(module.STRETCH)
    fill()
    assert asked == [2]


def test_flush_says_no_when_something_was_lost_meanwhile(make: Any) -> None:
    faults.reset()
    asked = threading.Event()

    def refuse() -> Refused:
        asked.wait(10)
        return Refused("http 400")

    lane = make(Scripted(refuse, Sent()))
    put(lane, "a")
    request = lane.begin_flush(monotonic() + 10)
    asked.set()
    assert not request.wait()
    assert flush(lane)
