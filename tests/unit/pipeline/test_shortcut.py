"""The short way of a flush says what the usual one says, and leaves everything that is out of the ordinary to it."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import obsv
from obsv import hotpath, runtime
from obsv.hotpath import loglines
from obsv.hotpath.metrics import METER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(not hotpath.compiled(), reason="there is a short way only with the extension")


@contextmanager
def started(fd: int, **arguments: Any) -> Iterator[None]:
    """Run obsv with this file as the interpreter's own stdout."""
    saved, stream = os.dup(1), sys.stdout
    guests = sys.modules.pop("obsv.guests", None)  # another test's: with them there is more to be flushed
    os.dup2(fd, 1)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    METER.instruments.clear()
    try:
        chosen: dict[str, Any] = {"traces": "none", "logs": "none", "metrics": "emf", "patch": False, **arguments}
        obsv.init("x", config={"signals": False}, **chosen)
        yield
    finally:
        obsv.shutdown()
        METER.instruments.clear()
        sys.stdout = stream
        os.dup2(saved, 1)
        os.close(saved)
        if guests is not None:
            sys.modules["obsv.guests"] = guests


def on_stdout(test: Callable[[Path], None]) -> Callable[[Path], None]:
    """Give a test its program's stdout as a file. Not by a fixture: after one, pytest puts its own stdout back."""

    def run(tmp_path: Path) -> None:
        path = tmp_path / "out"
        with path.open("w") as file, started(file.fileno()):
            test(path)

    run.__doc__ = test.__doc__
    return run


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def told() -> bool:
    """Try the short way alone."""
    return METER.teller is not None and METER.teller.tell()


def learnt(counter: Any, **dimensions: Any) -> None:
    """Go the usual way until the short one is known."""
    for _ in range(3):
        counter.add(1, **dimensions)
        assert obsv.flush()
    assert METER.teller is not None
    counter.add(1, **dimensions)
    assert told()


numbers = (
    st.integers(-10, 1000)
    | st.integers(2**62, 2**66)
    | st.floats(-1e6, 1e6)
    | st.floats(allow_nan=False)
    | st.decimals(-9, 9)
)
records = st.tuples(
    st.sampled_from(["counter", "histogram", "gauge"]),
    st.integers(0, 2),
    st.integers(0, 1),
    numbers,
    st.integers(1, 120),
)
plans = st.lists(st.lists(records, max_size=5), min_size=2, max_size=6)


@given(plan=plans)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_the_same_text_as_by_the_usual_way(plan: list[Any], tmp_path: Path) -> None:
    assert run(plan, tmp_path / "short", True) == run(plan, tmp_path / "usual", False)


def run(plan: list[Any], path: Path, short: bool) -> tuple[list[str], list[bool]]:
    answers = []
    with path.open("w") as file, started(file.fileno()):
        pipeline = runtime.running().pipeline  # type: ignore[union-attr]
        pipeline._tried = not short
        for step in [*plan, *plan]:  # what was learnt the first time is used the second
            for kind, name, shop, value, times in step:
                if kind == "counter":
                    obsv.counter(f"c{name}").add(value, shop=shop)
                elif kind == "gauge":
                    obsv.gauge(f"g{name}").set(value, shop=shop)
                else:
                    for _ in range(times):
                        obsv.histogram(f"h{name}").record(value, shop=shop)
            answers.append(obsv.flush())
            assert (METER.teller is not None) == short
    return re.sub(r'"Timestamp":\d+|"service.instance.id":"[^"]*"', "", path.read_text()).splitlines(), answers


@on_stdout
def test_it_is_taken_and_tells_each_value_once(out: Path) -> None:
    counter, histogram, gauge = obsv.counter("orders"), obsv.histogram("render"), obsv.gauge("depth")
    for number in range(20):
        counter.add(number + 1, shop="north")
        histogram.record(0.5, shop="north")
        histogram.record(number, shop="north")
        gauge.set(-number, shop="north")
        if number < 3:
            assert obsv.flush()
        else:
            assert told()
    found = lines(out)
    assert [line["orders"] for line in found] == list(range(1, 21))
    assert [line["render"] for line in found] == [[0.5, number] for number in range(20)]
    assert [line["depth"] for line in found] == [-number for number in range(20)]
    assert obsv.status()["sinks"]["emf"]["metrics"]["sent"] == 60


@on_stdout
def test_without_news_nothing_is_written(out: Path) -> None:
    learnt(obsv.counter("orders"))
    before = out.read_text()
    assert told()
    assert obsv.flush()
    assert out.read_text() == before


@on_stdout
def test_a_new_series_goes_the_usual_way_first(out: Path) -> None:
    counter = obsv.counter("orders")
    learnt(counter, shop="north")
    counter.add(5, shop="south")
    assert not told()
    assert obsv.flush()
    assert lines(out)[-1]["orders"] == 5
    learnt(counter, shop="south")
    obsv.counter("refunds").add(7)
    assert not told()
    assert obsv.flush()
    assert lines(out)[-1]["refunds"] == 7


def test_what_waits_elsewhere_goes_the_usual_way(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as file, started(file.fileno(), traces="memory"):
        counter = obsv.counter("orders")
        learnt(counter)
        counter.add(1)
        with obsv.span("waits"):
            pass
        assert not told()
        assert obsv.flush()
        counter.add(1)
        assert told()


@on_stdout
def test_once_an_interval_it_goes_the_usual_way(out: Path) -> None:
    counter = obsv.counter("orders")
    learnt(counter)
    assert METER.teller is not None
    METER.teller.until_ns = 0
    counter.add(1)
    assert not told()
    assert obsv.flush()
    counter.add(1)
    assert told()
    assert [line["orders"] for line in lines(out)] == [1] * 6


@on_stdout
def test_callbacks_and_other_sources_are_asked(out: Path) -> None:
    counter = obsv.counter("orders")
    learnt(counter)
    METER.observe = lambda: None
    try:
        assert not told()
    finally:
        METER.observe = None
    METER.sources.append(list)
    try:
        assert not told()
    finally:
        METER.sources.clear()
    assert told()


@on_stdout
def test_what_the_program_has_added_is_flushed_too(out: Path) -> None:
    learnt(obsv.counter("orders"))
    sys.modules["obsv.guests"] = sys
    try:
        assert not told()
    finally:
        del sys.modules["obsv.guests"]
    assert told()


@on_stdout
def test_another_stdout_is_written_to_by_the_usual_way(out: Path) -> None:
    counter = obsv.counter("orders")
    learnt(counter)
    counter.add(9)
    other = out.parent / "other"
    stream = sys.stdout
    with other.open("w") as sys.stdout:
        assert not told()
        assert obsv.flush()
        assert lines(other)[-1]["orders"] == 9
    sys.stdout = stream


@on_stdout
def test_a_line_in_the_midst_of_which_it_comes_is_not_torn(out: Path) -> None:
    counter = obsv.counter("orders")
    learnt(counter)
    counter.add(1)
    with loglines.locks[1]:  # this thread is writing
        assert not told()
    ready, done = threading.Event(), threading.Event()

    def hold() -> None:
        with loglines.locks[1]:
            ready.set()
            done.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    ready.wait(20)
    assert not told()
    done.set()
    thread.join()
    loglines.rest[1] = b""
    try:
        assert not told()
    finally:
        loglines.rest.clear()
    assert told()


def test_a_pipe_without_room_is_left_to_the_thread() -> None:
    reading, writing = os.pipe()
    with started(writing):
        counter = obsv.counter("orders")
        learnt(counter)
        os.set_blocking(writing, False)
        filled = 0
        try:
            while True:
                filled += os.write(writing, b" " * 4096)
        except BlockingIOError:
            pass
        counter.add(3)
        assert not told()
        assert not obsv.flush(0.2)
        os.set_blocking(writing, True)
        while b'"orders":3' not in (data := os.read(reading, 65536)):
            assert data
    os.close(reading)
    os.close(writing)


def test_what_could_not_be_written_is_kept(tmp_path: Path) -> None:
    """/dev/full has room, and takes nothing."""
    with open("/dev/full", "w") as full, started(full.fileno()):
        counter = obsv.counter("orders")
        pipeline = runtime.running().pipeline  # type: ignore[union-attr]
        with (tmp_path / "out").open("w") as file:
            os.dup2(file.fileno(), 1)
            learnt(counter)
            counter.add(4)
            os.dup2(full.fileno(), 1)
            assert not told()
            batch = pipeline.lanes[0].pending["metrics"].batch
            assert batch is not None
            assert batch.records == 1
            assert not obsv.flush(0.1)
            os.dup2(file.fileno(), 1)
            assert obsv.flush()
            assert [line["orders"] for line in lines(tmp_path / "out")] == [1, 1, 1, 1, 4]
    assert pipeline.lanes[0].status()["metrics"]["dropped"] == {}


@on_stdout
def test_threads_lose_and_double_nothing(out: Path) -> None:
    counter, histogram = obsv.counter("orders"), obsv.histogram("render")
    learnt(counter)

    def work() -> None:
        for number in range(500):
            counter.add(1)
            histogram.record(1)
            if number % 3 == 0:
                obsv.flush()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert obsv.flush(20)
    found = lines(out)
    assert sum(line.get("orders", 0) for line in found) == 4 + 2000
    values = [line["render"] for line in found if "render" in line]
    assert sum(value["Count"] if type(value) is dict else len(value) for value in values) == 2000


@on_stdout
def test_a_forked_child_begins_anew(out: Path) -> None:
    counter = obsv.counter("orders")
    learnt(counter)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if METER.teller is None:
                counter.add(8)
                status = 0 if obsv.flush() else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert lines(out)[-1]["orders"] == 8
    counter.add(2)
    assert told()


@on_stdout
def test_a_metric_that_becomes_of_high_resolution_says_so(out: Path) -> None:
    counter = obsv.counter("orders")
    learnt(counter)
    try:
        assert obsv.counter("orders", resolution=1) is counter
        for _ in range(4):
            counter.add(1)
            assert obsv.flush()
    finally:
        METER.fine = False
    definitions = [line["_aws"]["CloudWatchMetrics"][0]["Metrics"][0] for line in lines(out)]
    assert [definition.get("StorageResolution") for definition in definitions] == [None] * 4 + [1] * 4
