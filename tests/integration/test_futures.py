"""concurrent.futures, patched: what a thread pool runs is part of the trace it was submitted in."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import gc
import inspect
import weakref
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import obsv
from obsv.hotpath.span import Span, current
from obsv.testing import Capture, capture
from unpatched import ORDERS, functions, spans_in_new_process

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGETS = ("concurrent.futures.thread:ThreadPoolExecutor.submit",)


@pytest.fixture
def seen() -> Iterator[Capture]:
    with capture(patch=["futures", "threading"]) as captured:
        yield captured


def inner(name: str = "inner") -> str:
    with obsv.span(name):
        return obsv.current_span().trace_id


def test_a_submitted_task_is_a_child(seen: Capture) -> None:
    with ThreadPoolExecutor(1) as pool:
        with obsv.span("outer") as outer:
            assert pool.submit(inner).result() == outer.trace_id
            assert pool.submit(inner, name="named").result() == outer.trace_id
        assert pool.submit(current).result() is None
    assert seen.span("inner").parent_id == seen.span("outer").span_id
    assert seen.span("named").parent_id == seen.span("outer").span_id


def test_map_and_nested_pools(seen: Capture) -> None:
    def middle(name: str) -> str:
        with obsv.span(f"middle {name}"), ThreadPoolExecutor(2) as deeper:
            return deeper.submit(inner, f"inner {name}").result()

    with ThreadPoolExecutor(3) as pool, obsv.span("outer"):
        assert len(set(pool.map(middle, "abc"))) == 1
    for name in "abc":
        assert seen.span(f"middle {name}").parent_id == seen.span("outer").span_id
        assert seen.span(f"inner {name}").parent_id == seen.span(f"middle {name}").span_id


def test_tasks_of_two_traces_do_not_mix(seen: Capture) -> None:
    with ThreadPoolExecutor(2) as pool:
        waiting = {}
        for number in range(20):
            with obsv.span(f"outer {number}") as outer:
                waiting[pool.submit(inner)] = outer.trace_id
        assert all(future.result() == trace for future, trace in waiting.items())
        assert len(set(waiting.values())) == 20


def test_results_and_errors_are_the_same_objects(seen: Capture) -> None:
    error = LookupError("x")
    result = object()

    def fail() -> None:
        raise error

    with ThreadPoolExecutor(1) as pool, obsv.span("outer"):
        assert pool.submit(lambda: result).result() is result
        assert pool.submit(fail).exception() is error
        assert isinstance(pool.submit(None).exception(), TypeError)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            pool.submit()  # type: ignore[call-arg]
        future = pool.submit(inner)
        assert type(future) is concurrent.futures.Future
    with pytest.raises(RuntimeError, match="after shutdown"), obsv.span("late"):
        pool.submit(inner)


def test_other_context_variables_stay_behind(seen: Capture) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="default")
    variable.set("set")
    with ThreadPoolExecutor(1) as pool, obsv.span("outer"):
        assert pool.submit(variable.get).result() == "default"


def test_an_idle_pool_holds_no_span(seen: Capture) -> None:
    class Payload:
        pass

    payload = Payload()
    gone = weakref.ref(payload)
    with ThreadPoolExecutor(2) as pool:
        with obsv.span("outer") as outer:
            outer.base = {"payload": payload}  # what hangs on a span lives as long as it
            pool.submit(inner).result()
        assert pool.submit(current).result() is None
        del outer, payload
        seen.spans.clear()
        seen._sink.spans.clear()
        gc.collect()
        leaked = [span for span in gc.get_objects() if type(span) is Span and span.name == "outer"]
        assert gone() is None, leaked


def test_asyncio_executors_are_covered(seen: Capture) -> None:
    async def main() -> None:
        with obsv.span("outer") as outer:
            loop = asyncio.get_running_loop()
            assert await loop.run_in_executor(None, inner) == outer.trace_id
            assert await asyncio.to_thread(inner, "thread") == outer.trace_id

    asyncio.run(main())
    assert seen.span("inner").parent_id == seen.span("outer").span_id
    assert seen.span("thread").parent_id == seen.span("outer").span_id


def test_a_users_executor_that_calls_ours(seen: Capture) -> None:
    class Counting(ThreadPoolExecutor):
        count = 0

        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
            self.count += 1
            return super().submit(fn, *args, **kwargs)

    with Counting(1) as pool, obsv.span("outer") as outer:
        assert list(pool.map(inner, ["a"])) == [outer.trace_id]
        assert pool.count == 1


def test_process_pools_work_untouched(seen: Capture) -> None:
    import multiprocessing

    with obsv.span("outer"), ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(abs, -1).result() == 1


def test_unpatching_restores_the_function() -> None:
    before = functions(*TARGETS)
    signature = inspect.signature(ThreadPoolExecutor.submit)
    with capture(patch="futures"):
        assert functions(*TARGETS) != before
        assert inspect.signature(ThreadPoolExecutor.submit) == signature
    assert functions(*TARGETS) == before


@pytest.mark.parametrize("order", ORDERS)
def test_the_order_of_imports_does_not_matter(order: str) -> None:
    code = (
        "import obsv\nwith obsv.span('outer'), concurrent.futures.ThreadPoolExecutor() as pool:\n"
        "    pool.submit(obsv.span('inner')(lambda: None)).result()\n"
    )
    inner_span, outer = spans_in_new_process(order, "concurrent.futures", code)
    assert inner_span["parent"] == outer["id"]
