"""What a program may do to compiled objects that they were not made for: each ends in an exception, or in nothing."""

from __future__ import annotations

import copy
import gc
import importlib
import pickle
import weakref
from typing import Any

import pytest

import obsv
from obsv.hotpath import COMPILED, span

MODULES = [importlib.import_module(f"obsv.hotpath.{name}") for name in COMPILED]
CLASSES = sorted(
    {
        value
        for module in MODULES
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__
    },
    key=lambda kind: (kind.__module__, kind.__name__),
)


def made() -> list[Any]:
    """One of each that a program holds."""
    obsv.init("x", traces="memory", metrics="memory", logs="none", patch=False, config={"signals": False})
    begun = obsv.span("begun", a=1)
    begun.begin(None)
    ended = obsv.span("ended", a="x" * 300)
    with ended:
        ended.event("e", b=2.5)
    failed = obsv.span("failed")
    try:
        with failed:
            raise ValueError("no")
    except ValueError:
        pass
    counter, histogram = obsv.counter("c"), obsv.histogram("h")
    counter.add(1, a="b")
    histogram.record(2.5, a="b")
    return [obsv.span("new"), begun, ended, failed, span.NOOP, counter, counter.bind(a="b"), histogram, span.OUTLET]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: f"{kind.__module__.rpartition('.')[2]}.{kind.__name__}")
def test_a_class_can_be_subclassed_or_says_that_it_cannot(kind: type) -> None:
    try:
        child = type("Child", (kind,), {})
    except TypeError as error:
        said = str(error)
    else:
        said = "" if issubclass(child, kind) else "it is no subclass"
        gc.collect()
    assert said == "" or "not an acceptable base type" in said


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, pickle.dumps], ids=["copy", "deepcopy", "pickle"])
def test_copies_are_copies_or_refused(way: Any) -> None:
    for thing in made():
        try:
            twin = way(thing)
        except (TypeError, pickle.PicklingError, AttributeError, NotImplementedError):
            continue
        repr(twin)
    gc.collect()


def test_a_span_in_a_cycle() -> None:
    for thing in made()[:4]:
        thing.attributes["me"] = thing
        thing.attributes["list"] = [thing, {"again": thing}]
        del thing
    gc.collect()


def test_a_span_is_used_after_its_end_and_after_shutdown() -> None:
    things = made()
    for turn in range(2):
        for thing in things[:5]:
            thing.set_attribute("late", "x" * 1_000)
            thing.set(a=1, b=[1, 2], c=None)
            thing.event("late", a=1)
            thing.record_exception(KeyError("late"))
            thing.set_status("error", "late")
            thing.end()
            thing.end(5)
            with thing:
                pass
            repr(thing), str(thing), hash(thing), thing == things[0]
            thing.attributes, thing.get_span_context()
        if turn == 0:
            obsv.shutdown()
    gc.collect()


def test_collection_in_the_midst_of_everything() -> None:
    """Collections at every allocation, whose callbacks make spans themselves."""
    seen: list[str] = []

    class Dying:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            with obsv.span("dying") as current:
                current.set_attribute("a", 1)
            obsv.counter("c").add(1)
            seen.append("died")

    made()
    before = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    try:
        for number in range(200):
            watched = Dying()
            reference = weakref.ref(watched, lambda _: obsv.span("gone").end())
            with obsv.span("outer", number=number) as outer, obsv.span("inner") as inner:
                inner.set(**{f"key {index}": index for index in range(20)})
                outer.event("e", a=[1, 2, 3])
                del watched
            assert reference is not None
    finally:
        gc.set_threshold(*before)
    gc.collect()
    assert len(seen) == 200


class Odd:
    """A value whose every method does something else than it should."""

    def __init__(self, act: Any) -> None:
        self.act = act

    def _acts(self, *_: Any) -> Any:
        return self.act()

    __str__ = __repr__ = __hash__ = __eq__ = __bool__ = __len__ = __iter__ = __format__ = _acts  # type: ignore[assignment]


def _raises() -> Any:
    raise RuntimeError("odd")


def _exits() -> Any:
    raise MemoryError


def _traces() -> Any:
    with obsv.span("from a value") as current:
        current.set(a=1)
    obsv.get_logger("odd").info("from a value", a=1)
    return "text"


def _ends() -> Any:
    obsv.current_span().end()
    return 3


@pytest.mark.parametrize("act", [_raises, _exits, _traces, _ends, lambda: None, lambda: "x" * 10_000])
def test_values_that_act(act: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OBSV_RAISE", raising=False)
    obsv.init("x", traces="memory", metrics="memory", logs="json", patch=False, config={"signals": False})
    odd = Odd(act)
    logger = obsv.get_logger("x")
    with obsv.span("host") as current:
        current.set_attribute("odd", odd)
        current.set_attribute(odd, 1)  # type: ignore[arg-type]
        current.set(list=[odd, 1], tuple=(odd,), dict={"a": odd})
        current.event("odd", a=odd)
        for say in (logger.info, logger.error):
            say("odd", a=odd, b=[odd], c={"k": odd})
        for count in (obsv.counter("c").add, obsv.histogram("h").record):
            try:
                count(odd, a="b")  # type: ignore[arg-type]
                count(1, a=odd)  # type: ignore[arg-type]
            except (RuntimeError, MemoryError, TypeError):
                pass  # a hash that raises is the caller's
    assert obsv.flush(10)
