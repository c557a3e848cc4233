"""What stands in a function's place is called like the function, and looks like it."""

from __future__ import annotations

import asyncio
import copy
import functools
import gc
import inspect
import pickle
import re
import subprocess
import sys
import traceback
import typing
import weakref
from types import FunctionType
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv import hotpath
from obsv.hotpath.around import Call, Switch
from obsv.hotpath.httpx_client import describe_request
from obsv.hotpath.span import CLIENT, SCOPE, Span, new_span
from obsv.hotpath.urllib3_client import sending
from obsv.hotpath.wrap import decorate, wrap

if typing.TYPE_CHECKING:
    from collections.abc import Callable


def given_to(*args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], list[tuple[str, Any]]]:
    return args, list(kwargs.items())


def traced(function: Any) -> Any:
    return decorate(function, SCOPE, "work", 0, {})


@traced
def double(x: int, *, plus: int = 0) -> int:
    """Doubles."""
    return 2 * x + plus


class Account:
    """A class with methods of all kinds."""

    @traced
    def plain(self, *args: Any, **kwargs: Any) -> Any:
        return self, given_to(*args, **kwargs)

    @traced
    @classmethod
    def of_class(cls, *args: Any) -> Any:
        return cls, args

    @traced
    @staticmethod
    def of_none(*args: Any) -> Any:
        return args


_MISSING = object()
values = st.one_of(st.none(), st.integers(), st.text(max_size=3))


@pytest.mark.usefixtures("finished")
@given(st.lists(values, max_size=4), st.dictionaries(st.text(max_size=5), values, max_size=40))
def test_arguments_arrive_as_they_were_given(args: list[Any], kwargs: dict[str, Any]) -> None:
    same = given_to(*args, **kwargs)
    hooks: list[Any] = [None, lambda *_: None]
    for hook in hooks:
        assert wrap(given_to, Call(SCOPE, "x", 0, hook), False)(*args, **kwargs) == same
        assert wrap(given_to, Call(SCOPE, "x", 0, hook, lambda *_: True), False)(*args, **kwargs) == same
    assert Account().plain(*args, **{f"_{name}": value for name, value in kwargs.items()})[1] == (
        tuple(args),
        [(f"_{name}", value) for name, value in kwargs.items()],
    )


@pytest.mark.usefixtures("finished")
@given(st.lists(values, max_size=4), st.dictionaries(st.sampled_from("abcdef"), values))
def test_a_hook_gets_what_it_wants_wherever_it_was_put(args: list[Any], kwargs: dict[str, Any]) -> None:
    seen: list[Any] = []

    def hook(span: Span, instance: Any, a: Any, b: Any, c: Any) -> None:
        seen.append((instance, a, b, c))

    call = Call(SCOPE, "x", 0, hook, wanted=("a", "b", "c"))
    assert wrap(given_to, call, False)(*args, **kwargs) == given_to(*args, **kwargs)
    assert wrap(given_to, call, True)("self", *args, **kwargs) == given_to("self", *args, **kwargs)
    wanted = [args[at] if at < len(args) else kwargs.get(name, _MISSING) for at, name in enumerate("abc")]
    assert seen == ([] if _MISSING in wanted else [(None, *wanted), ("self", *wanted)])


@pytest.mark.usefixtures("finished")
@given(st.integers(0, 60))
def test_headers_are_replaced_among_any_number_of_keywords(count: int) -> None:
    kwargs: dict[str, Any] = {f"k{number}": number for number in range(count)}
    kwargs["headers"] = {"a": "1"}
    kwargs["last"] = None
    make_request = sending(given_to, Switch(SCOPE))
    with new_span(SCOPE, "x", CLIENT):
        args, given = make_request("pool", "connection", **kwargs)
    assert args == ("pool", "connection")
    assert [name for name, _value in given] == list(kwargs)
    assert list(dict(given)["headers"]) == ["a", "traceparent", "X-Amzn-Trace-Id"]
    assert {**dict(given), "headers": None} == {**kwargs, "headers": None}
    assert kwargs["headers"] == {"a": "1"}


@pytest.mark.parametrize("wanted", [tuple([f"p{number}" for number in range(9)]), (7,)])
def test_what_cannot_be_wanted_is_refused(wanted: Any) -> None:
    with pytest.raises(ValueError, match="7"):
        Call(SCOPE, "x", 0, lambda *_: None, wanted=wanted)


def test_a_call_without_what_is_wanted_is_not_described(finished: Any) -> None:
    hook: Any = pytest.fail
    assert wrap(given_to, Call(SCOPE, "x", 0, hook, wanted=("a", "b")), False)(1) == ((1,), [])
    assert wrap(given_to, Call(SCOPE, "x", 0, hook), True)(a=1) == ((), [("a", 1)])  # without an instance
    assert len(finished.spans()) == 2


@pytest.mark.parametrize("call", [lambda: double(), lambda: double(1, 2), lambda: double(1, minus=1)])
def test_wrong_arguments_raise_what_the_function_raises(call: Callable[[], Any]) -> None:
    with pytest.raises(TypeError, match=r"^double\(\) "):
        call()


def test_a_keyword_given_twice() -> None:
    more = {"plus": 2}
    with pytest.raises(TypeError, match="multiple values for keyword argument 'plus'"):
        double(1, plus=1, **more)


def test_it_binds_as_a_function_does() -> None:
    account = Account()
    assert account.plain(1, b=2) == (account, ((1,), [("b", 2)]))
    assert Account.plain(account, 1) == (account, ((1,), []))
    assert Account.of_class(1) == account.of_class(1) == (Account, (1,))
    assert Account.of_none(1) == account.of_none(1) == (1,)
    bound = account.plain
    assert bound.__self__ is account
    assert bound.__func__ is Account.__dict__["plain"]
    assert bound() == (account, ((), []))
    assert functools.partial(account.plain, 1)(b=2)[1] == ((1,), [("b", 2)])
    assert list(map(double, [1, 2])) == [2, 4]
    assert sorted([2, 1], key=double) == [1, 2]
    assert double.__call__(3) == 6

    class Savings(Account):
        def plain(self, *args: Any, **kwargs: Any) -> Any:
            return super().plain(*args, **kwargs)

    assert Savings().plain(4, c=5)[1] == ((4,), [("c", 5)])


def test_it_looks_like_the_function() -> None:
    inner = double.__wrapped__
    assert inspect.signature(double) == inspect.signature(inner)
    assert inspect.unwrap(double) is inner
    assert inspect.isroutine(double)
    assert inspect.isfunction(double)
    if hotpath.compiled():  # interpreted, it is a function, with a code of its own
        assert double.__globals__ is globals()
        assert double.__code__ is inner.__code__
    assert inspect.getdoc(double) == "Doubles."
    assert "def double" in inspect.getsource(double)
    assert (double.__name__, double.__qualname__, double.__module__) == ("double", "double", __name__)
    assert double.__annotations__ == {"x": "int", "plus": "int", "return": "int"}
    assert typing.get_type_hints(double) == {"x": int, "plus": int, "return": int}
    assert repr(double).startswith("<function ")
    assert repr(Account.plain).startswith("<function ")
    assert repr(traced(functools.partial(double, 1))).startswith("<function ")
    assert callable(double)
    with pytest.raises(AttributeError, match="'function' object has no attribute 'nothing'"):
        _ = double.nothing


def test_tools_that_ask_for_functions_take_it() -> None:
    assert isinstance(traced(traced(lambda: None)), FunctionType)
    fake = mock.create_autospec(Account)
    fake().plain(1)
    with mock.patch.object(Account, "plain", autospec=True, side_effect=given_to):
        account = Account()
        assert account.plain(1)[0] == (account, 1)


@pytest.mark.parametrize("what", [functools.partial(given_to, 1), mock.Mock(spec=["__call__"]), len])
def test_what_is_no_function_has_a_name_all_the_same(what: Any) -> None:
    wrapped = traced(what)
    assert wrapped.__name__
    assert wrapped.__qualname__
    assert isinstance(repr(wrapped), str)


def test_names_given_to_a_function_that_wraps_it_count() -> None:
    @functools.wraps(double)
    def outer(*args: Any) -> Any:
        return double(*args)

    outer.__name__ = outer.__qualname__ = "outer"
    outer.__doc__ = "Another."
    again = traced(outer)
    assert (again.__name__, again.__qualname__, again.__doc__, again.__wrapped__) == (
        "outer",
        "outer",
        "Another.",
        outer,
    )


def test_what_python_makes_class_methods_of() -> None:
    made: list[type] = []

    class Base:
        @traced
        def __init_subclass__(cls) -> None:
            made.append(cls)

        @traced
        def __class_getitem__(cls, item: Any) -> Any:
            return cls, item

    class Derived(Base):
        pass

    assert made == [Derived]
    assert Derived[int] == (Derived, int)


def test_it_is_pickled_and_copied_by_its_name() -> None:
    assert pickle.loads(pickle.dumps(double)) is double
    assert pickle.loads(pickle.dumps(Account.plain)) is Account.__dict__["plain"]
    assert copy.copy(double) is double
    assert copy.deepcopy([double]) == [double]
    account = Account()
    assert pickle.loads(pickle.dumps(account.plain))()[1] == ((), [])


def test_it_takes_attributes_and_weak_references() -> None:
    wrapped = traced(lambda: None)
    wrapped.limit = 3
    assert wrapped.limit == 3
    assert vars(wrapped)["limit"] == 3
    del wrapped.limit
    assert not hasattr(wrapped, "limit")
    seen = weakref.ref(wrapped)
    wrapped.me = wrapped  # a cycle
    del wrapped
    gc.collect()
    assert seen() is None


@pytest.mark.usefixtures("finished")
def test_no_reference_is_kept_or_lost() -> None:
    held, name = object(), "".join(["not", "_", "interned"])

    def hook(span: Span, instance: Any, a: Any) -> Callable[[Any], None]:
        return lambda result: None

    calls: list[Any] = [
        wrap(given_to, Call(SCOPE, "x", 0, None), False),
        wrap(given_to, Call(SCOPE, "x", 0, lambda *_: None), True),
        wrap(given_to, Call(SCOPE, "x", 0, hook, wanted=("a",)), False),
        wrap(given_to, Call(SCOPE, "x", 0, None, lambda *_: True), False),
        sending(given_to, Switch(SCOPE)),
    ]
    for call in calls:
        before = sys.getrefcount(held), sys.getrefcount(name)
        for _ in range(100):
            call(held, held, **{name: held, "headers": {"a": "1"}})
        assert (sys.getrefcount(held), sys.getrefcount(name)) == before


def test_a_function_may_call_itself_through_it() -> None:
    @traced
    def down(n: int) -> int:
        return 0 if n == 0 else 1 + int(down(n - 1))

    assert down(100) == 100
    with pytest.raises(RecursionError):
        down(10**6)


DEEP = """
import functools, sys, threading
import obsv

sys.setrecursionlimit(1500)

@obsv.traced
def down(n):
    return 0 if n == 0 else 1 + down(n - 1)

with_a_hook = obsv.traced(args=("n",))(lambda n: with_a_hook(n + 1))
round_and_round = functools.partial(len)
again = obsv.traced(round_and_round)
round_and_round.__setstate__((again, (), {}, None))

def run():
    for call in (lambda: down(10**6), lambda: with_a_hook(1), again):
        try:
            call()
        except RecursionError:
            print("RecursionError")

if len(sys.argv) > 1:
    obsv.init(traces="none", metrics="none", logs="none")
threading.stack_size(16 << 20)
thread = threading.Thread(target=run)
thread.start()
thread.join()
"""


def names_of(error: BaseException) -> list[str]:
    return [frame.f_code.co_name for frame, _ in traceback.walk_tb(error.__traceback__)]


NEAR = """
import sys
import obsv
obsv.init(traces="none", metrics="none", logs="none")
sys.setrecursionlimit(150)

@obsv.traced
def deep(n):
    if not n:
        raise ValueError
    deep(n - 1)

for n in range(150):
    try:
        deep(n)
    except ValueError as error:
        print("V", end="")
    except RecursionError as error:
        while error is not None:
            print("lost" if type(error) is ValueError else "R", end="")
            error = error.__context__
print()
"""


def test_an_error_near_the_limit_of_recursion_stays_what_it_is() -> None:
    done = subprocess.run([sys.executable, "-c", NEAR], capture_output=True, text=True, timeout=60)
    assert re.fullmatch("V{20,}R+\n", done.stdout), (done.stdout, done.stderr[-2000:])


@pytest.mark.skipif(not hotpath.compiled(), reason="interpreted, its frames are frames")
def test_a_traceback_does_not_name_what_stands_in_between(finished: Any) -> None:
    def inner(how: type[BaseException]) -> None:
        raise how

    def outer(how: type[BaseException]) -> None:
        try:
            traced(inner)(how)
        except LookupError:
            raise ValueError from None

    call = Call(SCOPE, "x", 0)
    for calls_are_seen in (True, False):
        call.active = calls_are_seen
        for raised, caught, below in (
            (KeyError, ValueError, []),
            (OSError, OSError, ["inner"]),
            (KeyboardInterrupt, KeyboardInterrupt, ["inner"]),
        ):
            with pytest.raises(caught) as seen:
                wrap(outer, call, False)(raised)
            assert names_of(seen.value)[1:] == ["outer", *below]
    with pytest.raises(TypeError, match="positional argument") as lacking:
        wrap(outer, call, False)()
    assert len(names_of(lacking.value)) == 1


@pytest.mark.skipif(not hotpath.compiled(), reason="interpreted, its frames are frames")
def test_a_traceback_keeps_what_is_not_the_wrapper_itself(finished: Any) -> None:
    theirs: dict[str, Any] = {}
    code = "def inner(): raise LookupError\ndef handler(): inner()\n"
    exec(compile(code, "/home/me/obsv/hotpath/around.py", "exec"), theirs)
    with pytest.raises(LookupError) as seen:
        traced(theirs["handler"])()
    assert names_of(seen.value)[1:] == ["handler", "inner"]

    # An error of ours, which the tests let through.
    call = Call(SCOPE, "x", CLIENT, describe_request, wanted=("request",))
    with pytest.raises(AttributeError) as fault:
        wrap(lambda client, request: None, call, True)(object(), object())
    assert any("describe_request" in name for name in names_of(fault.value))


def test_the_stack_of_a_span_begins_where_the_program_does(finished: Any) -> None:
    def inner() -> None:
        raise LookupError

    async def later() -> None:
        inner()

    with pytest.raises(LookupError):
        traced(inner)()
    with pytest.raises(LookupError):
        asyncio.run(traced(later)())
    with pytest.raises(TypeError):
        traced(inner)(1)
    stacks = [[function for _, _, function in span.event_list[0].error.stack()] for span in finished.spans()]
    assert stacks == [["inner"], ["later", "inner"], []]


@pytest.mark.parametrize("arguments", [[], ["init"]])
def test_recursion_without_an_end_raises(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", DEEP, *arguments], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "RecursionError\n" * 3), done.stderr[-2000:]
