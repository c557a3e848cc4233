"""What stands in a function's place is called like the function, and looks like it."""

from __future__ import annotations

import copy
import functools
import gc
import inspect
import pickle
import sys
import typing
import weakref
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.hotpath.around import Call
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
    wanted = tuple(args[at] if at < len(args) else kwargs.get(name) for at, name in enumerate("abc"))
    assert seen == [(None, *wanted), ("self", *wanted)]


@pytest.mark.usefixtures("finished")
@given(st.integers(0, 60))
def test_headers_are_replaced_among_any_number_of_keywords(count: int) -> None:
    switch = type("Switch", (), {"active": True})()
    kwargs: dict[str, Any] = {f"k{number}": number for number in range(count)}
    kwargs["headers"] = {"a": "1"}
    kwargs["last"] = None
    make_request = sending(given_to, switch, SCOPE)
    with new_span(SCOPE, "x", CLIENT):
        args, given = make_request("pool", "connection", **kwargs)
    assert args == ("pool", "connection")
    assert [name for name, _value in given] == list(kwargs)
    assert list(dict(given)["headers"]) == ["a", "traceparent", "X-Amzn-Trace-Id"]
    assert {**dict(given), "headers": None} == {**kwargs, "headers": None}
    assert kwargs["headers"] == {"a": "1"}


def test_too_many_wanted_are_refused() -> None:
    with pytest.raises(ValueError, match="p8"):
        Call(SCOPE, "x", 0, lambda *_: None, wanted=tuple([f"p{number}" for number in range(9)]))


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
        sending(given_to, type("Switch", (), {"active": True})(), SCOPE),
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
