"""Ids and open spans across forks and new processes."""

from __future__ import annotations

import multiprocessing
import os
from typing import Any

import pytest

from obsv.hotpath.span import SCOPE, after_fork, reseed, span, start_span


def _ids(count: int = 1000) -> set[str]:
    from obsv.hotpath import span as hot

    hot.OUTLET.enabled = True
    return {start_span(SCOPE, "x", 0, None).span_id for _ in range(count)}


def _send_ids(pipe: Any) -> None:
    pipe.send(_ids())
    pipe.close()


def _in_child(work: Any) -> bytes:
    """Run ``work`` in a forked child and return the bytes that it returns."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            with os.fdopen(writer, "wb") as out:
                out.write(work())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as source:
        data = source.read()
    os.waitpid(child, 0)
    return data


def test_forked_children_have_ids_of_their_own(finished: Any) -> None:
    def work() -> bytes:
        return " ".join(_ids()).encode()

    sets = [set(_in_child(work).decode().split()) for _ in range(3)]
    sets.append(_ids())
    assert len(set.union(*sets)) == 4000


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_have_ids_of_their_own(finished: Any, method: Any) -> None:
    context = multiprocessing.get_context(method)
    sets = [_ids()]
    for _ in range(2):
        reader, writer = context.Pipe(duplex=False)
        worker = context.Process(target=_send_ids, args=(writer,))
        worker.start()
        writer.close()
        sets.append(reader.recv())
        worker.join()
        assert worker.exitcode == 0
    assert len(set.union(*sets)) == 3000


def test_an_open_span_is_handed_over_by_the_parent_only(finished: Any) -> None:
    with span("open") as made:

        def work() -> bytes:
            made.end()
            return " ".join(finished.names()).encode()

        assert _in_child(work) == b""
    assert finished.names() == ["open"]


def test_a_child_process_below_an_open_span(finished: Any) -> None:
    with span("open") as made:

        def work() -> bytes:
            with span("in the child") as child, span("below it"):
                pass
            assert child.parent64 == made.id64
            assert child.trace_id == made.trace_id
            return " ".join(finished.names()).encode()

        assert _in_child(work) == b"below it in the child"
    assert finished.names() == ["open"]


def test_a_fork_in_a_fork(finished: Any) -> None:
    def inner() -> bytes:
        with span("inner"):
            pass
        return " ".join(finished.names()).encode()

    def outer() -> bytes:
        with span("outer"):
            inner_names = _in_child(inner)
        return inner_names + b"|" + " ".join(finished.names()).encode()

    assert _in_child(outer) == b"inner|outer"


def test_after_fork_leaves_open_spans_to_the_parent(finished: Any) -> None:
    made = start_span(SCOPE, "x", 0, None)
    after_fork()
    made.end()
    assert finished.spans() == []


def test_reseed_gives_other_ids(finished: Any) -> None:
    before = _ids(10)
    reseed()
    assert before.isdisjoint(_ids(10))
