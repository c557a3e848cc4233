"""threading, patched: a thread is part of the trace it was started in."""

from __future__ import annotations

import gc
import inspect
import multiprocessing.pool
import os
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import obsv
from obsv.hotpath.span import current
from obsv.testing import Capture, capture
from unpatched import ORDERS, functions, spans_in_new_process

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGETS = ("threading:Thread.start", "threading:Thread._bootstrap_inner")


@pytest.fixture
def seen() -> Iterator[Capture]:
    with capture(patch="threading") as captured:
        yield captured


def inner() -> None:
    with obsv.span("inner"):
        pass


class Own(threading.Thread):
    """A thread with a ``run`` of its own."""

    def run(self) -> None:
        inner()


@pytest.mark.parametrize(
    "make",
    [
        lambda: threading.Thread(target=inner),
        lambda: threading.Thread(target=inner, daemon=True),
        lambda: threading.Timer(0.001, inner),
        Own,
    ],
    ids=["target", "daemon", "timer", "own run"],
)
def test_a_thread_is_a_child(seen: Capture, make: Any) -> None:
    thread = make()
    before = set(vars(thread))
    with obsv.span("outer"):
        thread.start()
        assert obsv.current_span().name == "outer"
        thread.join()
    assert seen.span("inner").parent_id == seen.span("outer").span_id
    assert set(vars(thread)) <= before | {"_context"}


def test_a_thread_of_sentrys_starts_with_nothing(seen: Capture) -> None:
    def worker() -> None:
        inner()

    worker.__module__ = "sentry_sdk.worker"
    with obsv.span("outer"):
        thread = threading.Thread(target=worker)
        thread.start()
        thread.join()
    assert seen.span("inner").parent64 == 0


def test_a_thread_that_outlives_its_starter_is_still_its_child(seen: Capture) -> None:
    release = threading.Event()

    def late() -> None:
        release.wait(10)
        inner()

    with obsv.span("outer"):
        thread = threading.Thread(target=late)
        thread.start()
    release.set()
    thread.join()
    assert seen.span("inner").parent_id == seen.span("outer").span_id


def test_threads_of_threads(seen: Capture) -> None:
    def middle() -> None:
        with obsv.span("middle"):
            thread = threading.Thread(target=inner)
            thread.start()
            thread.join()

    with obsv.span("outer"):
        thread = threading.Thread(target=middle)
        thread.start()
        thread.join()
    assert seen.span("middle").parent_id == seen.span("outer").span_id
    assert seen.span("inner").parent_id == seen.span("middle").span_id


def test_outside_of_a_span_nothing_is_noted(seen: Capture) -> None:
    found = []
    thread = threading.Thread(target=lambda: found.append(current()))
    thread.start()
    thread.join()
    assert found == [None]


def test_pools_and_servants_start_with_nothing(seen: Capture) -> None:
    with obsv.span("outer"):
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(current).result() is None
        with multiprocessing.pool.ThreadPool(1) as workers:
            assert workers.apply(current) is None


def test_threads_and_spans_are_freed_without_the_collector(seen: Capture) -> None:
    class Thread(threading.Thread):
        pass

    gc.collect()
    gc.disable()
    try:
        with obsv.span("outer"):
            thread = Thread(target=inner)
            thread.start()
            thread.join()
        gone = weakref.ref(thread)
        del thread
        assert gone() is None
    finally:
        gc.enable()


def test_the_starter_keeps_no_reference_of_a_waiting_thread(seen: Capture) -> None:
    """A thread that was never able to start does not hold the span."""
    thread = threading.Thread(target=inner)
    with obsv.span("outer"):
        thread.start()
        thread.join()
        with pytest.raises(RuntimeError, match="only be started once"):
            thread.start()
    assert "_obsv_state" not in vars(thread)


def test_an_exception_in_a_thread_reaches_the_hook(seen: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    caught = []
    monkeypatch.setattr(threading, "excepthook", lambda args: caught.append((args.exc_value, current())))
    error = LookupError("x")

    def fail() -> None:
        raise error

    with obsv.span("outer") as outer:
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
        assert caught == [(error, outer)]
    caught.clear()


def test_unpatching_restores_the_functions() -> None:
    before = functions(*TARGETS)
    signature = inspect.signature(threading.Thread.start)
    with capture(patch="threading"):
        patched = functions(*TARGETS)
        assert all(patched[target] is not before[target] for target in TARGETS)
        assert inspect.signature(threading.Thread.start) == signature
    assert functions(*TARGETS) == before


def test_a_thread_that_was_started_before_unpatching_ends(seen: Capture) -> None:
    release = threading.Event()
    with obsv.span("outer"):
        thread = threading.Thread(target=release.wait)
        thread.start()
    obsv.unpatch("threading")
    release.set()
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.parametrize("order", ORDERS)
def test_the_order_of_imports_does_not_matter(order: str) -> None:
    code = (
        "import obsv\nwith obsv.span('outer'):\n"
        "    thread = threading.Thread(target=obsv.span('inner')(lambda: None)); thread.start(); thread.join()\n"
    )
    inner_span, outer = spans_in_new_process(order, "threading", code)
    assert inner_span["parent"] == outer["id"]


def test_a_daemon_thread_does_not_hold_up_the_end() -> None:
    code = (
        "import obsv, threading, time\nobsv.init('t', traces='none', metrics='none', logs='none')\n"
        "with obsv.span('outer'):\n    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    )
    begin = time.monotonic()
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], timeout=50, env=os.environ, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert time.monotonic() - begin < 50
