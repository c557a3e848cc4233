"""``obsv.log_context``: fields of a stretch of work, in every task and thread for itself."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

import obsv
from obsv.logs import context, handler, outlet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from obsv.hotpath.records import LogRecord

log = obsv.get_logger("test")


@pytest.fixture(autouse=True)
def _no_layer() -> Iterator[None]:
    before = context._layer.get()
    yield
    assert context._layer.get() is before, "a block was left open"


def fields(records: list[LogRecord]) -> list[dict[str, Any]]:
    return [dict(record.fields or {}) for record in records]


def test_an_inner_block_hides_and_then_restores_the_outer_value(records: list[LogRecord]) -> None:
    """Powertools' ``append_context_keys`` loses the outer value (aws-powertools/powertools-lambda-python 7690)."""
    with obsv.log_context(order=1, shop="north"):
        with obsv.log_context(order=2):
            log.info("inner")
        log.info("outer")
    log.info("outside")
    assert fields(records) == [{"order": 2, "shop": "north"}, {"order": 1, "shop": "north"}, {}]


def test_bind_and_the_call_win_over_the_context(records: list[LogRecord]) -> None:
    bound = log.bind(a="bound", b="bound")
    with obsv.log_context(a="context", b="context", c="context"):
        bound.info("m", a="call")
    assert fields(records) == [{"a": "call", "b": "bound", "c": "context"}]


def test_an_exception_ends_the_block_too(records: list[LogRecord]) -> None:
    with pytest.raises(KeyError), obsv.log_context(order=1):
        raise KeyError
    log.info("after")
    assert fields(records) == [{}]


def test_records_of_the_standard_library_carry_them(records: list[LogRecord], fresh_root: logging.Logger) -> None:
    handler.install("DEBUG")
    with obsv.log_context(order=1):
        logging.getLogger("lib").info("m", extra={"own": 2})
    assert fields(records) == [{"order": 1, "own": 2}]


def test_one_object_may_be_used_again_and_within_itself(records: list[LogRecord]) -> None:
    both = obsv.log_context(order=1)
    with both:
        with both:
            log.info("twice")
        log.info("once")
    log.info("none")
    with both:
        log.info("again")
    assert fields(records) == [{"order": 1}, {"order": 1}, {}, {"order": 1}]


def test_each_thread_has_its_own(records: list[LogRecord]) -> None:
    inside, leave = threading.Event(), threading.Event()

    def work() -> None:
        with obsv.log_context(where="thread"):
            inside.set()
            leave.wait(10)
            log.info("thread")

    with obsv.log_context(where="main"):
        thread = threading.Thread(target=work)
        thread.start()
        inside.wait(10)
        log.info("main")
        leave.set()
        thread.join(10)
    assert fields(records) == [{"where": "main"}, {"where": "thread"}]


def test_each_task_has_its_own_and_the_parent_keeps_its_fields(records: list[LogRecord]) -> None:
    async def child(number: int) -> None:
        async with obsv.log_context(task=number):
            await asyncio.sleep(0)
            log.info("child")

    async def main() -> None:
        with obsv.log_context(request="r"):
            await asyncio.gather(child(1), child(2))
            log.info("parent")

    asyncio.run(main())
    assert fields(records) == [{"request": "r", "task": 1}, {"request": "r", "task": 2}, {"request": "r"}]


def test_decorated_functions_of_every_kind(records: list[LogRecord]) -> None:
    @obsv.log_context(kind="function")
    def function(value: int) -> int:
        """Its text."""
        log.info("m")
        return value

    @obsv.log_context(kind="coroutine")
    async def coroutine(value: int) -> int:
        await asyncio.sleep(0)
        log.info("m")
        return value

    @obsv.log_context(kind="generator")
    def generator() -> Iterator[int]:
        log.info("m")
        yield 1
        log.info("m")

    @obsv.log_context(kind="async generator")
    async def async_generator() -> AsyncIterator[int]:
        log.info("m")
        yield 1
        log.info("m")

    async def main() -> None:
        assert await coroutine(2) == 2
        async for _ in async_generator():
            log.info("between")

    assert function(1) == 1
    assert (function.__name__, function.__doc__) == ("function", "Its text.")
    asyncio.run(main())
    for _ in generator():
        log.info("between")
    kinds = [record.fields.get("kind") if record.fields else None for record in records]
    assert kinds == [
        "function", "coroutine", "async generator", None, "async generator", "generator", None, "generator",
    ]  # fmt: skip


def test_a_decorated_generator_takes_and_returns_what_its_own_does() -> None:
    seen: list[Any] = []

    @obsv.log_context(a=1)
    def generator() -> Any:
        try:
            while True:
                try:
                    seen.append((yield len(seen)))
                except ValueError as error:
                    seen.append(str(error))
                    if len(seen) > 3:
                        return "done"
        finally:
            seen.append("closed")

    steps = generator()
    assert next(steps) == 0
    assert steps.send("a") == 1
    assert steps.throw(ValueError("thrown")) == 2
    steps.close()
    assert seen == ["a", "thrown", "closed"]
    steps = generator()
    next(steps)
    with pytest.raises(StopIteration) as ended:
        steps.throw(ValueError("last"))
    assert ended.value.value == "done"


def test_an_async_generator_is_thrown_into_and_closed() -> None:
    seen: list[str] = []

    @obsv.log_context(a=1)
    async def generator() -> AsyncIterator[int]:
        try:
            try:
                yield 1
            except ValueError:
                seen.append("thrown")
            yield 2
        finally:
            seen.append("closed")

    async def main() -> None:
        steps: Any = generator()
        assert await steps.__anext__() == 1
        assert await steps.athrow(ValueError()) == 2
        await steps.aclose()

    asyncio.run(main())
    assert seen == ["thrown", "closed"]


def test_a_block_that_ends_in_another_context_changes_nothing_there(records: list[LogRecord]) -> None:
    import contextvars

    block = obsv.log_context(order=1)
    contextvars.copy_context().run(block.__enter__)
    block.__exit__(None, None, None)
    log.info("m")
    assert fields(records) == [{}]


def test_a_block_left_out_of_order_takes_those_inside_it_along(records: list[LogRecord]) -> None:
    outer, inner = obsv.log_context(a=1), obsv.log_context(b=2)
    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)
    inner.__exit__(None, None, None)
    log.info("m")
    assert fields(records) == [{}]


def test_it_may_be_used_before_init_and_any_name_is_a_field(records: list[LogRecord]) -> None:
    with obsv.log_context(self=1, function=2, **{"http.route": "/x"}):
        log.info("m")
    assert fields(records) == [{"self": 1, "function": 2, "http.route": "/x"}]


def test_the_fields_of_a_context_are_never_changed_by_a_record(records: list[LogRecord]) -> None:
    with obsv.log_context(order=1):
        log.info("a", b=2)
        log.info("c")
    assert fields(records) == [{"order": 1, "b": 2}, {"order": 1}]


def test_without_any_use_of_it_there_is_no_stage() -> None:
    assert (outlet.emitter.through is None) == (not outlet._stages)


def test_a_correlation_id_lasts_as_long_as_its_block(records: list[LogRecord]) -> None:
    with obsv.log_context(order=1):
        obsv.set_correlation_id("c-1")
        log.info("in")
        assert context.correlation_id() == "c-1"
    log.info("out")
    assert fields(records) == [{"order": 1, "correlation_id": "c-1"}, {}]
    assert context.correlation_id() is None


def test_a_correlation_id_is_short_text(records: list[LogRecord]) -> None:
    with obsv.log_context():
        obsv.set_correlation_id(17)
        log.info("number")
        obsv.set_correlation_id("x" * 1000)
        log.info("long")
        obsv.set_correlation_id(None)
        log.info("none")
    assert [record.fields.get("correlation_id") for record in records if record.fields is not None] == [
        "17", "x" * 256, None,
    ]  # fmt: skip


def test_classes_stay_classes_and_methods_of_classes_work(
    records: list[LogRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    @obsv.log_context(job="class")
    class Job:
        @classmethod
        @obsv.log_context(job="classmethod")
        def make(cls) -> Job:
            log.info("made")
            return cls()

        @staticmethod
        @obsv.log_context(job="staticmethod")
        def static() -> None:
            log.info("static")

        @obsv.log_context(job="method")
        def run(self) -> None:
            log.info("run")

    job = Job.make()
    assert isinstance(job, Job)
    job.static()
    job.run()
    assert [(record.fields or {}).get("job") for record in records] == ["classmethod", "staticmethod", "method"]
    assert "Job is left as it is" in capsys.readouterr().err
