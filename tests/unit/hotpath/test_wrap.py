"""Functions run inside a span: all kinds of them, undisturbed."""

from __future__ import annotations

import asyncio
import functools
import inspect
from asyncio import CancelledError
from typing import TYPE_CHECKING, Any

import pytest

from obsv.hotpath import faults
from obsv.hotpath.around import Call
from obsv.hotpath.span import ERROR, SCOPE, UNSET, Span, current_span, span
from obsv.hotpath.wrap import decorate, wrap

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator


def traced(function: Any, *arguments: str) -> Any:
    return decorate(function, SCOPE, "work", 0, {"fixed": 1}, arguments)


class Target:
    """A library's class, for wrappers of methods."""

    def double(self, x: int, *, plus: int = 0) -> int:
        """Doubles."""
        return 2 * x + plus


# ---------------------------------------------------------------------- functions


def test_a_function_runs_inside_its_span(finished: Any) -> None:
    seen: list[Span] = []

    def work(x: int, y: int = 2) -> int:
        """Adds."""
        seen.append(current_span())
        return x + y

    wrapped = traced(work)
    assert wrapped(1) == 3
    assert wrapped(1, y=5) == 6
    assert finished.spans() == seen
    assert seen[0].attributes == {"fixed": 1}
    assert wrapped.__name__ == "work"
    assert wrapped.__doc__ == "Adds."
    assert inspect.signature(wrapped) == inspect.signature(work)


def test_errors_and_type_errors_pass_as_they_are(finished: Any) -> None:
    error = ValueError("x")

    def fail() -> None:
        raise error

    with pytest.raises(ValueError, match="x") as raised:
        traced(fail)()
    assert raised.value is error
    with pytest.raises(TypeError, match="positional argument"):
        traced(fail)(1)
    assert [each.status_value for each in finished.spans()] == [ERROR, ERROR]


def test_a_hook_sees_the_call_and_its_result(finished: Any) -> None:
    def hook(made: Span, target: Target, args: Any, kwargs: dict[str, Any]) -> Callable[[Any], None]:
        assert current_span() is made
        assert type(target) is Target
        made.name = f"double {args[0]}"
        kwargs["plus"] = 1
        return lambda result: made.set_attribute("result", result)

    double = wrap(Target.double, Call(SCOPE, "x", 2, hook), True)
    assert double(Target(), 4) == 9
    done = finished.one()
    assert (done.name, done.kind_value, done.attributes) == ("double 4", 2, {"result": 9})


def test_an_error_in_a_hook_is_contained(finished: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OBSV_RAISE")

    def bad(*_: Any) -> Any:
        raise RuntimeError("ours")

    where = "test of hooks"
    before = faults.counts.get(where, 0)
    assert wrap(Target.double, Call(SCOPE, "x", 0, bad, None, where), True)(Target(), 1) == 2
    assert wrap(Target.double, Call(SCOPE, "x", 0, lambda *_: bad, None, where), True)(Target(), 1) == 2
    assert wrap(Target.double, Call(SCOPE, "x", 0, None, bad, where), True)(Target(), 1) == 2
    assert faults.counts[where] == before + 3
    assert len(finished.spans()) == 2  # where `unless` failed there is none


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit, CancelledError, GeneratorExit])
def test_what_is_no_failure_ends_the_span_and_passes(finished: Any, raised: type[BaseException]) -> None:
    def leave() -> None:
        raise raised

    with pytest.raises(raised):
        wrap(leave, Call(SCOPE, "x", 0), False)()
    assert finished.one().status_value == 0
    assert current_span().is_recording() is False


@pytest.mark.parametrize("place", ["hook", "finish", "failed"])
def test_an_interrupt_in_a_description_ends_the_span_too(finished: Any, place: str) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    def work() -> None:
        if place == "failed":
            raise ValueError

    hook = {"hook": interrupt, "finish": lambda *_: interrupt}.get(place)
    with pytest.raises(KeyboardInterrupt):
        wrap(work, Call(SCOPE, "x", 0, hook, failed=interrupt), False)()
    assert finished.one().name == "x"
    assert current_span().is_recording() is False


def test_a_description_that_fails_beside_an_error_leaves_the_span_ended(
    finished: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bad(*_: Any) -> None:
        raise RuntimeError("ours")

    def fail() -> None:
        raise ValueError("theirs")

    with pytest.raises(RuntimeError, match="ours"):  # under OBSV_RAISE
        wrap(fail, Call(SCOPE, "x", 0, failed=bad), False)()
    monkeypatch.delenv("OBSV_RAISE")
    with pytest.raises(ValueError, match="theirs"):
        wrap(fail, Call(SCOPE, "x", 0, failed=bad), False)()
    assert [each.status_value for each in finished.spans()] == [ERROR, ERROR]
    assert current_span().is_recording() is False


def test_calls_that_are_not_to_be_seen(finished: Any) -> None:
    call = Call(SCOPE, "x", 0, None, lambda instance, args, kwargs: args == (1,))
    double = wrap(Target.double, call, True)
    assert double(Target(), 1) == 2
    assert double(Target(), 2) == 4
    call.active = False
    assert double(Target(), 3) == 6
    assert len(finished.spans()) == 1


def test_quiet_is_asked_first_and_given_the_instance(finished: Any) -> None:
    asked: list[Any] = []
    quiet, loud = Target(), Target()

    def unless(instance: Any, args: Any, kwargs: Any) -> bool:
        asked.append((instance, args, kwargs))
        return bool(args == (2,))

    call = Call(SCOPE, "x", 0, None, unless, quiet=lambda instance: instance is quiet)
    double = wrap(Target.double, call, True)
    assert [double(quiet, 1), double(loud, 2), double(loud, 3, plus=1)] == [2, 4, 7]
    assert asked == [(loud, (2,), {}), (loud, (3,), {"plus": 1})]
    assert len(finished.spans()) == 1


def test_an_error_in_quiet_leaves_the_call_as_it_is(finished: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "report", lambda where, error: None)

    def fail(instance: Any) -> bool:
        raise RuntimeError

    assert wrap(Target.double, Call(SCOPE, "x", 0, quiet=fail), True)(Target(), 1) == 2
    assert finished.spans() == []


async def test_what_is_wanted_by_hooks_of_other_kinds_of_functions(finished: Any) -> None:
    seen: list[Any] = []

    async def coroutine(a: int, b: int = 0) -> int:
        return a + b

    def generator(a: int, b: int = 0) -> Iterator[int]:
        yield a + b

    def hook(span: Span, instance: Any, a: Any, b: Any) -> None:
        seen.append((instance, a, b))

    call = Call(SCOPE, "x", 0, hook, wanted=("a", "b"))
    assert await wrap(coroutine, call, False)(1, b=2) == 3
    assert list(wrap(generator, call, False)(a=4)) == [4]
    assert seen == [(None, 1, 2)]  # the other call lacks one
    assert len(finished.spans()) == 2


async def test_an_answer_gets_the_result_and_what_the_hook_told(
    finished: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def plain(a: int) -> int:
        return a

    async def coroutine(a: int) -> int:
        return a

    def generator(a: int) -> Iterator[int]:
        yield 0
        return a

    def hook(span: Span, instance: Any, a: Any) -> str:
        return f"{a}" if a != 5 else a.missing

    def answer(span: Span, result: Any, told: Any) -> None:
        assert current_span() is span
        seen.append((result, told))
        span.set_attribute("half", 6 // result)

    async def call(which: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        seen_call = Call(SCOPE, "x", 0, hook, where="here", wanted=("a",), answer=answer)
        made = wrap(which, seen_call, False)(*args, **kwargs)
        return await made if which is coroutine else list(made) if which is generator else made

    monkeypatch.delenv("OBSV_RAISE")
    for which in (plain, coroutine, generator):
        seen: list[Any] = []
        for number in (2, 0, 5):  # for 0 the answer fails, for 5 the hook
            assert await call(which, number) == ([0] if which is generator else number)
        assert seen == [(2, "2"), (0, "0"), (5, None)]
        assert [each.attributes.get("half") for each in finished.spans()] == [3, None, 1]
    assert "here" in capsys.readouterr().err


def test_a_function_before_init_is_only_called() -> None:
    assert traced(lambda: current_span().is_recording())() is False


# ---------------------------------------------------------------------- coroutines


async def test_a_coroutine_function_stays_one(finished: Any) -> None:
    async def work(x: int) -> int:
        made = current_span()
        await asyncio.sleep(0)
        assert current_span() is made
        return x

    wrapped = traced(work)
    assert inspect.iscoroutinefunction(wrapped)
    coroutine = wrapped(5)
    assert inspect.iscoroutine(coroutine)
    assert finished.spans() == []
    assert await coroutine == 5
    assert finished.names() == ["work"]


async def test_a_failing_coroutine(finished: Any) -> None:
    async def work() -> None:
        raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        await traced(work)()
    assert finished.one().status_value == ERROR


async def test_partials_and_callable_objects_of_coroutines(finished: Any) -> None:
    ended: list[int] = []

    async def work(x: int) -> int:
        await asyncio.sleep(0)
        ended.append(finished.queue.records)
        return x

    class Worker:
        async def __call__(self, x: int) -> int:
            return await work(x)

    assert await traced(functools.partial(work, 3))() == 3
    assert await traced(Worker())(4) == 4
    assert ended == [0, 1]  # the span was open while the coroutine ran
    assert len(finished.spans()) == 2


async def test_a_hook_of_a_coroutine(finished: Any) -> None:
    async def work(x: int) -> int:
        return x + 1

    call = Call(SCOPE, "x", 0, lambda made, instance, args, kwargs: lambda result: made.set_attribute("result", result))
    assert await wrap(work, call, False)(1) == 2
    assert finished.one().attributes == {"result": 2}
    call.active = False
    assert await wrap(work, call, False)(1) == 2
    assert finished.spans() == []


# ---------------------------------------------------------------------- generators


def test_a_generator_has_its_span_current_only_while_it_runs(finished: Any) -> None:
    inside: list[Span] = []

    def work(n: int) -> Iterator[int]:
        for i in range(n):
            inside.append(current_span())
            yield i

    wrapped = traced(work)
    assert inspect.isgeneratorfunction(wrapped)
    outside: list[Span] = []
    with span("caller") as caller:
        outside.extend(current_span() for _ in wrapped(3))
    assert outside == [caller] * 3
    [done, _] = finished.spans()
    assert inside == [done] * 3
    assert done.parent64 == caller.id64


def test_a_generator_that_is_never_begun_has_no_span(finished: Any) -> None:
    def work() -> Iterator[int]:
        yield 1

    traced(work)()
    assert finished.spans() == []


def test_send_throw_and_the_return_value(finished: Any) -> None:
    def work() -> Any:
        got = yield "first"
        try:
            yield got
        except KeyError as error:
            yield repr(error)
        return "result"

    def run() -> Any:
        return (yield from traced(work)())

    generator = run()
    assert next(generator) == "first"
    assert generator.send("sent") == "sent"
    assert generator.throw(KeyError("k")) == "KeyError('k')"
    with pytest.raises(StopIteration) as stopped:
        next(generator)
    assert stopped.value.value == "result"
    assert finished.one().status_value == UNSET


def test_a_generator_that_fails(finished: Any) -> None:
    def work() -> Iterator[int]:
        yield 1
        raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        list(traced(work)())
    assert finished.one().status_value == ERROR


def test_a_generator_that_is_left_early(finished: Any) -> None:
    closed: list[Span] = []

    def work() -> Iterator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed.append(current_span())

    for _ in traced(work)():
        break
    else:
        pytest.fail("nothing came")
    generator = traced(work)()
    next(generator)
    generator.close()
    assert finished.spans() == closed
    assert [each.status_value for each in closed] == [UNSET, UNSET]
    assert not current_span().is_recording()


def test_a_span_that_a_generator_opens_is_current_again_in_its_next_step(finished: Any) -> None:
    def work() -> Iterator[int]:
        with span("inner"):
            yield 1
            current_span().set(second=True)
            yield 2
        current_span().set(outer=True)
        yield 3

    with span("caller") as caller:
        for _ in traced(work)():
            assert current_span() is caller
    [inner, work_span, _] = finished.spans()
    assert inner.attributes == {"second": True}
    assert work_span.attributes == {"fixed": 1, "outer": True}


def test_a_generator_hook_gets_the_return_value(finished: Any) -> None:
    def work() -> Any:
        yield 1
        return 2

    call = Call(SCOPE, "x", 0, lambda made, *_: lambda result: made.set_attribute("result", result))
    assert list(wrap(work, call, False)()) == [1]
    assert finished.one().attributes == {"result": 2}
    call.active = False
    assert list(wrap(work, call, False)()) == [1]


# ---------------------------------------------------------------------- async generators


async def numbers(n: int, seen: list[Span]) -> AsyncIterator[int]:
    try:
        for i in range(n):
            seen.append(current_span())
            await asyncio.sleep(0)
            yield i
    finally:
        seen.append(current_span())


async def test_an_async_generator(finished: Any) -> None:
    wrapped = traced(numbers)
    assert inspect.isasyncgenfunction(wrapped)
    inside: list[Span] = []
    with span("caller") as caller:
        async for _ in wrapped(3, inside):
            assert current_span() is caller
            assert finished.queue.records == 0
            assert inside[-1].is_recording()
    [done, _] = finished.spans()
    assert inside == [done] * 4
    assert done.attributes == {"fixed": 1}
    assert done.parent64 == caller.id64
    assert done.status_value == UNSET


async def test_an_async_generator_that_is_left_early(finished: Any) -> None:
    inside: list[Span] = []
    generator = traced(numbers)(3, inside)
    assert await anext(generator) == 0
    await generator.aclose()
    [done] = finished.spans()
    assert inside == [done, done]  # its `finally` ran, inside the span
    assert done.status_value == UNSET


async def test_asend_and_athrow(finished: Any) -> None:
    async def work() -> Any:
        got = yield "first"
        try:
            got = yield got
        except KeyError as error:
            got = yield repr(error)
        assert got is None
        yield "last"

    generator = traced(work)()
    assert await anext(generator) == "first"
    assert await generator.asend("sent") == "sent"
    assert await generator.athrow(KeyError("k")) == "KeyError('k')"
    assert await anext(generator) == "last"
    with pytest.raises(StopAsyncIteration):
        await anext(generator)
    assert finished.one().status_value == UNSET


async def test_an_async_generator_that_fails(finished: Any) -> None:
    async def work() -> AsyncIterator[int]:
        yield 1
        raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        async for _ in traced(work)():
            pass
    assert finished.one().status_value == ERROR


async def test_an_error_thrown_in_that_is_not_caught(finished: Any) -> None:
    generator = traced(numbers)(3, [])
    await anext(generator)
    with pytest.raises(KeyError):
        await generator.athrow(KeyError("k"))
    assert finished.one().status_value == ERROR


async def test_an_async_generator_whose_end_fails(finished: Any) -> None:
    async def work() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            raise ValueError("x")

    generator = traced(work)()
    await anext(generator)
    with pytest.raises(ValueError, match="x"):
        await generator.aclose()
    assert finished.one().status_value == ERROR


async def test_an_async_generator_that_is_not_to_be_seen(finished: Any) -> None:
    call = Call(SCOPE, "x", 0)
    call.active = False
    wrapped = wrap(numbers, call, False)
    assert [i async for i in wrapped(3, [])] == [0, 1, 2]
    generator = wrapped(3, [])
    await anext(generator)
    await generator.aclose()
    assert finished.spans() == []


# ---------------------------------------------------------------------- what may be decorated


def test_methods_of_all_kinds(finished: Any) -> None:
    class Thing:
        @span("plain")
        def plain(self, x: int) -> int:
            return x

        @span("static")
        @staticmethod
        def static(x: int) -> int:
            return x

        @span("class")
        @classmethod
        def of_class(cls, x: int) -> tuple[type, int]:
            return cls, x

        @staticmethod
        @span("inside")
        def inside(x: int) -> int:
            return x

    assert Thing().plain(1) == 1
    assert Thing().static(2) == Thing.static(2) == 2
    assert Thing.of_class(3) == (Thing, 3)
    assert Thing().inside(4) == 4
    assert finished.names() == ["plain", "static", "static", "class", "inside"]


def test_arguments_become_attributes(finished: Any) -> None:
    def work(a: int, /, b: int, *rest: int, c: int = 0, **others: int) -> None: ...

    wrapped = traced(work, "a", "b", "c")
    wrapped(1, 2, 3, 4)
    wrapped(1, b=2, c=9)
    assert [each.attributes for each in finished.spans()] == [
        {"fixed": 1, "a": 1, "b": 2},
        {"fixed": 1, "a": 1, "b": 2, "c": 9},
    ]


def test_arguments_behind_another_decorator(finished: Any) -> None:
    def work(order: str) -> None: ...

    @functools.wraps(work)
    def retrying(*args: Any, **kwargs: Any) -> None:
        work(*args, **kwargs)

    traced(retrying, "order")("o1")
    assert finished.one().attributes == {"fixed": 1, "order": "o1"}


def test_an_unknown_argument_is_told(finished: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def work(order: str) -> None: ...

    traced(work, "ordre")("o1")
    assert finished.one().attributes == {"fixed": 1}
    err = capsys.readouterr().err
    assert "no parameter 'ordre'; allowed are order" in err


@pytest.mark.parametrize("value", [5, None, "text", Target, property(lambda self: 1)])
def test_what_is_no_function_comes_back_as_it_is(value: Any) -> None:
    assert traced(value) is value


def test_builtins(finished: Any) -> None:
    assert traced(len)("abc") == 3
    assert finished.names() == ["work"]
