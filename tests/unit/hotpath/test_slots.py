"""Attributes that lie in the span itself, and become a dict when there are many or somebody looks."""

from __future__ import annotations

import gc
import sys
import weakref
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import obsv
from obsv.hotpath import compiled, otlp, span, wire
from telemetry import Recorder

KEYS = st.sampled_from([f"key {number}" for number in range(20)])
PLAIN = st.one_of(st.text(max_size=5), st.booleans(), st.integers(), st.floats(allow_nan=False))
VALUES = st.one_of(PLAIN, st.lists(st.integers(), max_size=2).map(tuple), st.text(min_size=300, max_size=301))


def written(made: span.Span) -> bytes:
    out = wire.Writer()
    otlp.write_span(out, made)
    return out.getvalue()


def model(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """What attributes are by the rules: a plain value keeps its key's place, any other comes last."""
    kept: dict[str, Any] = {}
    for key, value in pairs:
        if type(value) is tuple or (type(value) is str and len(value) > span.SHORT):
            kept.pop(key, None)
        kept[key] = value
    return kept


@given(pairs=st.lists(st.tuples(KEYS, VALUES), max_size=30), looks=st.sets(st.integers(0, 30)))
def test_they_are_what_a_dict_would_be(pairs: list[tuple[str, Any]], looks: set[int]) -> None:
    made = span.new_span(span.SCOPE, "x", 0)
    for number, (key, value) in enumerate(pairs):
        made.set_attribute("".join(list(key)), value)  # an equal key, another object
        if number in looks:
            assert list(made.attributes.items()) == list(model(pairs[: number + 1]).items())
    unseen = written(made)
    assert list(made.attributes.items()) == list(model(pairs).items())
    assert unseen == written(made)


@given(pairs=st.lists(st.tuples(KEYS, PLAIN), max_size=30), most=st.integers(0, 18))
def test_a_limit_holds_for_both(pairs: list[tuple[str, Any]], most: int) -> None:
    outlet = span.Outlet()
    outlet.set_attribute_limits(most, -1)
    made = span.new_span(span.Scope("limited", outlet=outlet), "x", 0)
    for key, value in pairs:
        made.set_attribute(key, value)
    assert len(made.attributes) == min(most, len({key for key, _ in pairs})) or made.dropped_attributes
    assert len(made.attributes) <= most


def test_nothing_is_kept_of_a_span_that_is_gone() -> None:
    value = object().__repr__() * 2
    references = sys.getrefcount(value)
    made = span.new_span(span.SCOPE, "x", 0)
    for number in range(12):
        made.set_attribute(f"key {number}", value)
    made.set_attribute("key 3", value)
    assert sys.getrefcount(value) == references + 12
    assert len(made.attributes) == 12
    assert sys.getrefcount(value) == references + 12
    gone = weakref.ref(made)
    del made
    assert gone() is None
    assert sys.getrefcount(value) == references


def test_many_spans_leave_no_objects_behind(finished: Any) -> None:
    def make(count: int) -> None:
        for number in range(count):
            with obsv.span("root") as root:
                root.set_attribute("n", number)
                with obsv.span("child"):
                    pass
        finished.queue.take(1 << 30)

    make(1_000)
    gc.collect()
    before = sys.getallocatedblocks()
    make(20_000)
    gc.collect()
    assert sys.getallocatedblocks() - before < 500


@pytest.mark.skipif(not compiled(), reason="interpreted spans stay in the collector's sight")
def test_finished_spans_cost_the_collector_nothing(finished: Any) -> None:
    with obsv.span("root") as root:
        assert gc.is_tracked(root)  # an open one may be part of a cycle: the context holds it
        with obsv.span("child") as child:
            pass
    assert not gc.is_tracked(root)
    assert not gc.is_tracked(child)
    assert len(finished.queue.take(9)) == 1


FACTS = st.dictionaries(KEYS, VALUES | st.none(), max_size=12)


@given(facts=FACTS, before=st.lists(st.tuples(KEYS, PLAIN), max_size=3), most=st.integers(0, 18))
def test_facts_set_at_once_are_set_one_by_one(facts: dict[str, Any], before: list[tuple[str, Any]], most: int) -> None:
    outlet = span.Outlet()
    outlet.set_attribute_limits(most, -1)
    scope = span.Scope("limited", outlet=outlet)
    at_once, one_by_one = span.new_span(scope, "x", 0), span.new_span(scope, "x", 0)
    for key, value in before:
        at_once.set_attribute(key, value)
        one_by_one.set_attribute(key, value)
    at_once.set_facts(tuple(said for pair in facts.items() for said in pair))
    for key, value in facts.items():
        one_by_one.set_attribute(key, value)
    assert written(at_once) == written(one_by_one)
    assert list(at_once.attributes.items()) == list(one_by_one.attributes.items())
    assert at_once.dropped_attributes == one_by_one.dropped_attributes


def test_no_facts_and_half_of_one() -> None:
    made: Any = Recorder().start("x")
    made.set_facts(())
    with pytest.raises(TypeError):
        made.set_facts(None)
    with pytest.raises(IndexError):
        made.set_facts(("name",))
    made.end()
    made.set_facts(("late", 1))
    assert made.attributes == {}
