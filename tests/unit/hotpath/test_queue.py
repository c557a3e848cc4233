"""The bounded queue: its bounds, its counts, and waking its reader."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from obsv.hotpath.queue import BoundedQueue
from obsv.hotpath.span import SCOPE, new_span
from obsv.pipeline.batch import Batch


def make(records: int = 10, size: int = 1000, wake_at: int = 5, wake: Any = None, starter: Any = None) -> BoundedQueue:
    return BoundedQueue(records, size, wake_at, wake, starter)


def test_first_in_first_out() -> None:
    queue = make()
    for item in "abc":
        assert queue.put(item, 1, 1)
    assert (queue.records, queue.bytes, queue.accepted, queue.dropped) == (3, 3, 3, 0)
    assert queue.take(2) == ["a", "b"]
    assert queue.take(2) == ["c"]
    assert queue.take(2) == []
    assert (queue.records, queue.bytes) == (0, 0)


def test_take_counts_records_not_items() -> None:
    queue = make()
    queue.put("a", 3, 1)
    queue.put("b", 3, 1)
    queue.put("c", 3, 1)
    assert queue.take(4) == ["a", "b"]
    assert queue.records == 3


def test_a_span_that_goes_alone_comes_in_no_list() -> None:
    queue = make(size=10_000)
    alone, root, child = (new_span(SCOPE, name, 0) for name in ("alone", "root", "child"))
    alone.extra = 40
    queue.put_one(alone)
    queue.put([root, child], 2, 80)
    assert (queue.records, queue.bytes) == (3, 120)
    batch = Batch("traces", queue.take(9), {})
    assert (batch.entries, batch.items, batch.records) == ([alone, [root, child]], [[alone], [root, child]], 3)
    assert (queue.records, queue.bytes, queue.taken) == (0, 0, 3)


def test_a_take_that_a_signal_handler_ended_leaves_the_rest() -> None:
    queue = make()
    for item in "abc":
        queue.put(item, 1, 1)
    assert queue.take(1) == ["a"]
    queue.ready[queue.at] = None  # it had "b" in its hands
    assert queue.take(9) == ["c"]
    assert queue.take(9) == []
    assert (queue.records, queue.bytes) == (0, 0)


def test_a_take_that_ends_after_it_has_changed_lists_leaves_the_rest() -> None:
    queue = make()
    queue.put("a", 1, 1)
    assert queue.take(9) == ["a"]
    queue.put("b", 1, 1)
    queue.items.append(("an entry that raises",))
    queue.put("c", 1, 1)
    with pytest.raises(ValueError, match="unpack"):
        queue.take(9)
    queue.put("d", 1, 1)
    assert queue.take(9) == ["c", "d"]


def test_too_many_records() -> None:
    queue = make(records=4)
    assert queue.put("a", 3, 1)
    assert not queue.put("b", 2, 1)
    assert queue.put("c", 1, 1)
    assert queue.dropped == 2
    assert queue.take(9) == ["a", "c"]


def test_too_many_bytes() -> None:
    queue = make(size=100)
    assert queue.put("a", 1, 60)
    assert not queue.put("b", 1, 50)
    assert queue.put("c", 1, 40)
    assert (queue.dropped, queue.bytes) == (1, 100)


def test_one_item_larger_than_the_bound_is_taken_by_an_empty_queue() -> None:
    queue = make(size=100)
    assert queue.put("large", 1, 5000)
    assert not queue.put("next", 1, 1)
    assert queue.take(9) == ["large"]
    assert queue.put("next", 1, 1)
    assert not queue.put("large", 1, 5000)
    assert queue.dropped == 2


def test_more_records_than_the_bound_never_fit() -> None:
    queue = make(records=4)
    assert not queue.put("a", 5, 1)
    assert queue.dropped == 5


def test_a_closed_queue_takes_nothing() -> None:
    queue = make()
    queue.open = False
    assert not queue.put("a", 1, 1)
    assert queue.dropped == 1


def test_clear_forgets_without_counting() -> None:
    queue = make()
    queue.put("a", 1, 1)
    queue.clear()
    assert (queue.records, queue.bytes, queue.dropped, queue.take(9)) == (0, 0, 0, [])


def test_the_first_record_starts_the_reader() -> None:
    started: list[int] = []
    queue = make(starter=lambda: started.append(1))
    queue.put("a", 1, 1)
    queue.put("b", 1, 1)
    assert started == [1]


def test_enough_records_wake_a_sleeping_reader_once() -> None:
    wake = threading.Lock()
    wake.acquire()
    queue = make(wake_at=2, wake=wake, starter=lambda: None)
    queue.put("a", 1, 1)
    queue.put("b", 1, 1)
    assert wake.locked()  # nobody sleeps
    queue.take(9)
    queue.sleeping = True
    queue.put("c", 1, 1)
    assert wake.locked()  # too few
    queue.put("d", 1, 1)
    assert not wake.locked()
    assert not queue.sleeping
    queue.sleeping = True
    queue.put("e", 1, 1)  # two threads at once: released already
    assert not wake.locked()


def test_a_full_queue_wakes_its_reader() -> None:
    wake = threading.Lock()
    wake.acquire()
    queue = make(records=2, wake_at=100, wake=wake, starter=lambda: None)
    queue.put("a", 2, 1)
    queue.sleeping = True
    queue.put("b", 1, 1)
    assert not wake.locked()


def test_threads_lose_nothing_uncounted() -> None:
    queue = make(records=1000, size=1 << 30, wake_at=1 << 30, starter=lambda: None)
    taken: list[int] = []
    done = threading.Event()

    def write(first: int) -> None:
        for number in range(first, first + 20_000):
            queue.put(number, 1, 10)

    def read() -> None:
        while not done.is_set() or not queue.empty():
            taken.extend(queue.take(100))

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(i * 100_000,)) for i in range(4)]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert len(set(taken)) == len(taken)
    assert len(taken) == queue.accepted
    assert queue.accepted + queue.dropped == 80_000
    assert queue.take(9) == []
    assert (queue.records, queue.bytes) == (0, 0)
