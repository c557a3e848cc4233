"""Callbacks of observable instruments: those that raise, take long or never return hurt nobody but themselves."""

from __future__ import annotations

import os
import threading
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.metrics import Observation

import obsv
from obsv.hotpath import faults, metrics
from obsv.otel import MeterProvider, observing
from obsv.otel.observing import OBSERVER
from obsv.testing import Capture, capture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def seen() -> Iterator[Capture]:
    faults.reset()
    with capture(patch=False) as captured:
        yield captured
    faults.reset()


def patient(monkeypatch: pytest.MonkeyPatch, patience: float = 30, grace: float = 30, longest: float = 60) -> None:
    """However slow the machine is: what does not hang is waited for."""
    monkeypatch.setattr(observing, "PATIENCE", patience)
    monkeypatch.setattr(observing, "GRACE", grace)
    monkeypatch.setattr(observing, "LONGEST", longest)


@pytest.fixture
def meter(seen: Capture, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    patient(monkeypatch)
    provider = MeterProvider()
    yield provider.get_meter("x")
    provider.shutdown()
    assert not OBSERVER.callbacks


def collected(seen: Capture) -> dict[str, Any]:
    found = {point.name: point.value for point in seen.points}
    del seen._sink.points[:]
    return found


def until(true: Callable[[], bool]) -> None:
    deadline = monotonic() + 20
    while not true():
        assert monotonic() < deadline
        sleep(0.01)


def five(options: object) -> list[Observation]:
    return [Observation(5)]


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()])
def test_one_that_raises(seen: Capture, meter: Any, capsys: Any, error: BaseException) -> None:
    def bad(options: object) -> Iterator[Observation]:
        yield Observation(1)
        raise error

    meter.create_observable_gauge("bad", [bad])
    meter.create_observable_gauge("good", [five])
    for _ in range(2):
        assert collected(seen) == {"bad": 1, "good": 5}  # what was said before the error counts
    told = capsys.readouterr().err
    assert told.count("the callback of metric 'bad' raised") == 1
    assert faults.counts["callback of metric bad"] == 2


@pytest.mark.parametrize("answer", [None, 5, [5], [Observation("x")], [Observation(float("nan"))]])  # type: ignore[arg-type]
def test_answers_that_are_none(seen: Capture, meter: Any, answer: Any) -> None:
    meter.create_observable_counter("bad", [lambda options: answer])
    meter.create_observable_counter("good", [five])
    assert collected(seen) == {"good": 5}


@pytest.mark.parametrize("callbacks", [[None], 5, [5]])
def test_callbacks_that_are_none(seen: Capture, meter: Any, callbacks: Any) -> None:
    meter.create_observable_counter("bad", callbacks)
    meter.create_observable_counter("good", [five])
    assert collected(seen) == {"good": 5}


def test_one_that_hangs(seen: Capture, meter: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    patient(monkeypatch, patience=0.5)
    gate, asked = threading.Event(), []

    def hang(options: object) -> list[Observation]:
        asked.append(threading.get_ident())
        gate.wait(30)
        return [Observation(7)]

    meter.create_observable_gauge("hanging", [hang])
    meter.create_observable_gauge("good", [five])
    try:
        begin = monotonic()
        assert collected(seen) == {"good": 5}
        assert monotonic() - begin < 5
        for _ in range(3):
            assert collected(seen) == {"good": 5}  # nobody waits for it any more
        assert len(asked) == 1  # and it is not asked again
        assert asked[0] != threading.get_ident()
    finally:
        gate.set()
    until(lambda: not any(callback.busy for callback in OBSERVER.callbacks))
    assert collected(seen)["hanging"] == 7  # what it said in the end counts
    until(lambda: len(asked) == 2)  # it was asked again, in a thread of its own
    until(lambda: not any(callback.busy or callback.late for callback in OBSERVER.callbacks))  # and was fast this time


def test_many_that_hang_hold_up_a_collection_only_so_long(
    seen: Capture, meter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient(monkeypatch, patience=0.2, grace=0.1, longest=0.5)
    gate = threading.Event()
    try:
        for number in range(20):
            meter.create_observable_gauge(f"hanging{number}", [lambda options: gate.wait(30) and []])
        meter.create_observable_gauge("good", [five])
        begin = monotonic()
        for _ in range(30):  # each collection finds some of them
            if collected(seen) == {"good": 5}:
                break
        assert collected(seen) == {"good": 5}
        assert monotonic() - begin < 30
    finally:
        gate.set()


def test_callbacks_may_use_obsv(seen: Capture, meter: Any) -> None:
    def ask(options: object) -> list[Observation]:
        obsv.counter("test.inner").add(1)
        obsv.flush(0.05)  # which asks for a collection, and one is under way
        return [Observation(5)]

    meter.create_observable_gauge("good", [ask])
    try:
        assert collected(seen)["good"] == 5
    finally:
        metrics.METER.instruments.pop("test.inner", None)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_asks_in_a_thread_of_its_own(seen: Capture, meter: Any) -> None:
    meter.create_observable_counter("good", [five])
    assert collected(seen) == {"good": 5}
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            OBSERVER.observe()
            found = [(point.name, point.value) for point in metrics.collect(2 * 10**18) if point.name == "good"]
            os.write(write, repr(found).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        assert pipe.read() == "[('good', 5)]"  # the whole sum: the child's totals begin anew
    os.waitpid(child, 0)


def test_without_init_nobody_is_asked() -> None:
    provider = MeterProvider()
    asked: list[int] = []
    provider.get_meter("x").create_observable_gauge("g", [lambda options: asked.append(1) or []])  # type: ignore[list-item, func-returns-value]
    OBSERVER.observe()
    assert asked == []
    provider.shutdown()
