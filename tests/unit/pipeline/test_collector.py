"""The collection of metrics: when, for whom, and what was lost as a metric of its own."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from obsv.hotpath import faults, metrics
from obsv.hotpath.metrics import Counter, instrument
from obsv.hotpath.queue import BoundedQueue
from obsv.pipeline import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator


class FakeLane:
    """What a collector needs of a lane: a queue, and an account."""

    name = "somewhere"

    def __init__(self, takes_metrics: bool = True) -> None:
        self.metrics = BoundedQueue(1000, 1 << 20, 1000, None, None) if takes_metrics else None
        self.dropped: dict[str, int] = {}

    def queue(self, signal: str) -> BoundedQueue | None:
        return self.metrics

    def status(self) -> dict[str, Any]:
        return {"traces": {"dropped": dict(self.dropped)}}

    def lost(self) -> int:
        return sum(self.dropped.values())

    def points(self) -> list[Any]:
        assert self.metrics is not None
        return [point for points in self.metrics.take(10_000) for point in points]


@pytest.fixture
def counter() -> Iterator[Counter]:
    enabled = metrics.METER.enabled
    metrics.METER.enabled = True
    metrics.forget()
    made: Counter = instrument(Counter, "test.collector", "Count", "")
    yield made
    metrics.METER.enabled = enabled
    del metrics.METER.instruments["test.collector"]


def collector(*lanes: Any, interval: float = 1000.0) -> Collector:
    made = Collector(interval)
    made.lanes.extend(lanes)
    return made


def test_every_sink_gets_the_same_points(counter: Counter) -> None:
    one, other = FakeLane(), FakeLane()
    made = collector(one, FakeLane(takes_metrics=False), other)
    counter.add(3)
    made.collect()
    [point] = one.points()
    assert (point.name, point.value) == ("test.collector", 3)
    assert other.points() == [point]
    made.collect()
    assert one.points() == []


def test_without_a_taker_nothing_is_collected(counter: Counter) -> None:
    counter.add(3)
    collector(FakeLane(takes_metrics=False)).collect()
    lane = FakeLane()
    collector(lane).collect()
    assert [point.value for point in lane.points()] == [3]


def test_only_when_it_is_due(counter: Counter) -> None:
    lane = FakeLane()
    counter.add(1)
    made = collector(lane)
    made.collect_if_due()
    assert lane.points() == []
    made.due = 0.0
    made.collect_if_due()
    assert len(lane.points()) == 1
    made.collect_if_due()
    assert made.due > 0


def test_losses_are_a_metric(counter: Counter) -> None:
    lane = FakeLane()
    made = collector(lane)
    lane.dropped = {"queue full": 5}
    made.collect()
    [point] = lane.points()
    assert (point.name, point.kind, point.value) == ("obsv.dropped", "counter", 5)
    assert point.attributes == {"sink": "somewhere", "signal": "traces", "reason": "queue full"}
    assert point.start_ns <= point.time_ns
    made.collect()
    assert lane.points() == []
    lane.dropped = {"queue full": 7, "http 400": 1}
    made.collect()
    assert sorted((point.attributes["reason"], point.value) for point in lane.points()) == [
        ("http 400", 1),
        ("queue full", 2),
    ]


def test_the_words_of_a_receiver_do_not_make_metrics_of_their_own(counter: Counter) -> None:
    lane = FakeLane()
    made = collector(lane)
    lane.dropped = {"http 400: request 1 is bad": 2, "http 400: request 2 is bad": 3, "queue full": 1}
    made.collect()
    assert sorted((point.attributes["reason"], point.value) for point in lane.points()) == [
        ("http 400", 5),
        ("queue full", 1),
    ]
    lane.dropped["http 400: request 3 is bad"] = 1
    made.collect()
    assert [(point.attributes["reason"], point.value) for point in lane.points()] == [("http 400", 1)]


def test_counting_tells_whether_there_is_a_series(counter: Counter) -> None:
    made = collector(FakeLane())
    before = made.counting()
    counter.add(1)
    assert made.counting()
    assert before in (True, False)


def test_a_collection_that_another_thread_has_begun(counter: Counter) -> None:
    lane = FakeLane()
    made = collector(lane)
    counter.add(1)
    theirs = [0]  # no thread's number
    assert made.turn.take(theirs)
    made.collect()  # the other one has to do
    assert lane.points() == []
    waiting = threading.Thread(target=made.collect, args=(20.0,))
    waiting.start()
    made.turn.leave(theirs)
    waiting.join(20)
    assert len(lane.points()) == 1


def test_a_forked_child_begins_anew(counter: Counter) -> None:
    lane = FakeLane()
    made = collector(lane)
    lane.dropped = {"queue full": 5}
    made.collect()
    lane.points()
    assert made.turn.take([0])
    lane.dropped = {"queue full": 1}  # the child's own account
    made.after_fork()
    made.collect()
    assert [point.value for point in lane.points()] == [1]


@pytest.fixture
def fine() -> Iterator[Counter]:
    made: Counter = instrument(Counter, "test.fine", "Count", "", None, 1)
    yield made
    metrics.METER.fine = False
    del metrics.METER.instruments["test.fine"]


def test_metrics_of_high_resolution_are_collected_each_second(counter: Counter, fine: Counter) -> None:
    lane = FakeLane()
    made = collector(lane, interval=1000.0)
    begin = monotonic()
    made.collect_if_due()
    assert lane.points() == []
    assert begin < made.due <= monotonic() + 1.0  # a second from now, whatever the interval is
    counter.add(1)
    fine.add(2)
    made.due = 0.0
    made.collect_if_due()
    assert [(point.name, point.value, point.resolution) for point in lane.points()] == [("test.fine", 2, 1)]
    assert made.due <= monotonic() + 1.0
    made.collect()  # a flush takes all
    assert [(point.name, point.value, point.resolution) for point in lane.points()] == [("test.collector", 1, 60)]


def test_when_the_interval_is_over_everything_is_collected(counter: Counter, fine: Counter) -> None:
    lane = FakeLane()
    made = collector(lane, interval=0.0)
    counter.add(1)
    fine.add(2)
    made.collect_if_due()
    assert sorted(point.name for point in lane.points()) == ["test.collector", "test.fine"]


def test_a_metric_becomes_of_high_resolution_and_stays_so(fine: Counter, counter: Counter) -> None:
    assert instrument(Counter, "test.fine", "Count", "").resolution == 1
    assert instrument(Counter, "test.collector", "Count", "", None, 1) is counter
    assert counter.resolution == 1


@pytest.mark.parametrize("wrong", [0, 30, -1, True, 1.0, "1", None])
def test_another_resolution_is_told_and_60(wrong: Any, counter: Counter, capsys: pytest.CaptureFixture[str]) -> None:
    faults.reset()
    assert instrument(Counter, "test.collector", "Count", "", None, wrong).resolution == 60
    assert "1 or 60 seconds; 60 is used" in capsys.readouterr().err
    assert not metrics.METER.fine
