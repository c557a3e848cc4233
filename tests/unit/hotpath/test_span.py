"""Spans: their API, ids, sampling, parents, limits, cleaning, failures, local traces and context."""

from __future__ import annotations

import contextvars
import enum
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace as otel
from opentelemetry.trace.status import Status

from obsv.hotpath import faults
from obsv.hotpath import span as hot
from obsv.hotpath.span import (
    ERROR,
    NOOP,
    OK,
    PART,
    SCOPE,
    SUPPRESSED,
    UNSET,
    Remote,
    Span,
    attach,
    current,
    current_span,
    detach,
    resolve,
    span,
    start_span,
    suppressed,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


class Unreadable:
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Color(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    HIGH = 7


# ---------------------------------------------------------------------- life


def test_a_span_has_what_it_was_given(finished: Any) -> None:
    before = time.time_ns()
    with span("charge", amount=12, paid=True) as made:
        assert current_span() is made
        assert made.is_recording()
    [done] = finished.spans()
    assert done is made
    assert done.name == "charge"
    assert done.kind_value == 0
    assert done.attributes == {"amount": 12, "paid": True}
    assert before <= done.start_ns <= done.end_ns <= time.time_ns()
    assert (done.parent64, done.parent_id, done.parent_remote) == (0, None, False)
    assert not done.is_recording()
    assert done.status_value == UNSET


@pytest.mark.parametrize("kind", range(5))
def test_kinds(finished: Any, kind: int) -> None:
    start_span(SCOPE, "x", kind, None).end()
    assert finished.one().kind_value == kind


def test_children_go_with_their_root_in_order_of_ending(finished: Any) -> None:
    with span("root") as root:
        with span("first") as first, span("grandchild") as grandchild:
            pass
        with span("second"):
            assert finished.traces() == []
    [trace] = finished.traces()
    assert [each.name for each in trace] == ["grandchild", "first", "second", "root"]
    assert {(each.trace_hi, each.trace_lo) for each in trace} == {(root.trace_hi, root.trace_lo)}
    assert first.parent64 == root.id64
    assert grandchild.parent64 == first.id64
    assert grandchild.parent_id == first.span_id


def test_ids_are_hex_of_fixed_width(finished: Any) -> None:
    with span("x") as made:
        pass
    assert len(made.trace_id) == 32
    assert int(made.trace_id, 16) == made.trace_hi << 64 | made.trace_lo
    assert len(made.span_id) == 16
    assert int(made.span_id, 16) == made.id64
    made = Span(SCOPE, "x")
    made.trace_lo, made.id64, made.parent64 = 1, 2, 3
    assert (made.trace_id, made.span_id, made.parent_id) == ("0" * 31 + "1", "0" * 15 + "2", "0" * 15 + "3")


def test_ids_differ(finished: Any) -> None:
    ids = {start_span(SCOPE, "x", 0, None).span_id for _ in range(10_000)}
    assert len(ids) == 10_000


def test_flags_say_sampled_and_random(finished: Any) -> None:
    with span("x") as made:
        assert made.flags == 3


def test_x_ray_ids_begin_with_the_second(finished: Any) -> None:
    hot.OUTLET.time_ids = True
    before = int(time.time())
    with span("x") as made:
        pass
    assert before <= made.trace_hi >> 32 <= int(time.time())
    assert made.flags == 1


def test_end_twice_counts_once(finished: Any) -> None:
    with span("x") as made:
        made.end()
        ended = made.end_ns
        made.end()
        made.set_attribute("late", 1)
        made.event("late")
        made.update_name("late")
    done = finished.one()
    assert done.end_ns == ended
    assert done.attributes == {}
    assert done.event_list is None
    assert done.name == "x"


def test_end_at_a_given_time(finished: Any) -> None:
    made = start_span(SCOPE, "x", 0, None)
    made.end(made.start_ns + 5)
    assert finished.one().end_ns == made.start_ns + 5


@pytest.mark.parametrize("bad", ["soon", -1, 2**70, object(), Unreadable(), float("nan")])
def test_end_at_an_impossible_time_is_now(finished: Any, bad: Any) -> None:
    made = start_span(SCOPE, "x", 0, None)
    made.end(bad)
    done = finished.one()
    assert done.start_ns <= done.end_ns <= time.time_ns()


def test_use_before_init_is_a_no_op() -> None:
    assert not hot.OUTLET.enabled
    with span("x", a=1) as made:
        assert current_span() is NOOP
        assert not made.is_recording()
        made.set(b=2).event("e").set_status("error").record_exception(ValueError())
    assert made.trace_id == "0" * 32


def test_the_no_op_span_keeps_nothing(finished: Any) -> None:
    NOOP.set(a=1).event("e").set_status("ok").record_exception(ValueError())
    NOOP.end()
    assert (NOOP.attributes, NOOP.event_list, NOOP.status_value) == ({}, None, UNSET)
    assert not NOOP.get_span_context().is_valid
    assert current_span() is NOOP
    with span("below nothing") as made:
        assert made.parent64 == 0
    child = start_span(SCOPE, "below no-op", 0, NOOP)
    child.end()
    assert child.parent64 == 0
    assert child.trace_hi


def test_a_started_span_in_a_with_block_ends_there_and_is_not_current(finished: Any) -> None:
    made = start_span(SCOPE, "x", 0, None)
    with made as same:
        assert same is made
        assert current_span() is NOOP
    assert finished.names() == ["x"]


def test_span_is_a_decorator(finished: Any) -> None:
    @span("work", fixed=1)
    def work(x: int) -> int:
        current_span().set(x=x)
        return x + 1

    assert work(1) == 2
    assert work(2) == 3
    assert [each.attributes for each in finished.spans()] == [{"fixed": 1, "x": 1}, {"fixed": 1, "x": 2}]


def test_repr_names_it(finished: Any) -> None:
    with span("x") as made:
        assert repr(made) == f"<obsv span 'x' trace={made.trace_id} span={made.span_id}>"


# ---------------------------------------------------------------------- sampling and parents


def test_ratio_zero_keeps_nothing_and_still_has_ids(finished: Any) -> None:
    hot.OUTLET.set_ratio(0.0)
    for _ in range(100):
        with span("x") as made:
            assert made.flags == 2
            assert made.id64
            assert current_span() is made
            with span("child") as child:
                assert not child.is_recording()
                assert (child.trace_lo, child.parent64) == (made.trace_lo, made.id64)
    assert finished.spans() == []


@pytest.mark.parametrize("ratio", [0.01, 0.25, 0.5, 0.99])
def test_ratio_decides_by_the_lower_half_of_the_trace_id(finished: Any, ratio: float) -> None:
    from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

    sampler = TraceIdRatioBased(ratio)
    hot.OUTLET.set_ratio(ratio)
    for _ in range(300):
        with span("x") as made:
            pass
        theirs = sampler.should_sample(None, int(made.trace_id, 16), "x").decision.is_sampled()
        assert bool(made.flags & 1) is theirs


def test_a_sampler_decides_and_its_error_is_contained(finished: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hot.OUTLET.set_ratio(0.0)
    hot.OUTLET.sampler = lambda made, _: made.name == "keep"
    for name in ("keep", "drop"):
        with span(name):
            pass
    assert finished.names() == ["keep"]

    def broken(made: Span, _: object) -> bool:
        raise ValueError

    hot.OUTLET.sampler = broken
    monkeypatch.delenv("OBSV_RAISE")
    with span("x"):
        pass
    assert finished.names() == []
    assert faults.counts["sampler"] >= 1


def test_a_remote_parent(finished: Any) -> None:
    remote = Remote(1, 2, 3, 1, "a=b")
    made = start_span(SCOPE, "x", 1, remote)
    with_child = start_span(SCOPE, "y", 0, made)
    with_child.end()
    made.end()
    [child, root] = finished.spans()
    assert (root.trace_hi, root.trace_lo, root.parent64, root.parent_remote) == (1, 2, 3, True)
    assert (root.flags, root.tracestate) == (1, "a=b")
    assert (child.parent64, child.parent_remote, child.tracestate) == (root.id64, False, "a=b")


def test_a_remote_parent_that_is_not_sampled(finished: Any) -> None:
    made = start_span(SCOPE, "x", 1, Remote(1, 2, 3, 0))
    made.end()
    assert finished.spans() == []
    assert (made.trace_lo, made.flags) == (2, 0)


@pytest.mark.parametrize(("ratio", "kept"), [(1.0, 1), (0.0, 0)])
def test_an_undecided_remote_parent_is_decided_here(finished: Any, ratio: float, kept: int) -> None:
    hot.OUTLET.set_ratio(ratio)
    made = start_span(SCOPE, "x", 1, Remote(1, 2, 3, 0, decided=False))
    made.end()
    assert len(finished.spans()) == kept
    assert made.flags & 1 == kept


def test_a_remote_parent_without_span_id_is_no_parent(finished: Any) -> None:
    made = start_span(SCOPE, "x", 1, Remote(1, 2, 0, 1))
    made.end()
    assert (made.trace_lo, made.parent_id, made.parent_remote) == (2, None, False)


def test_baggage_without_trace_begins_a_new_trace(finished: Any) -> None:
    made = start_span(SCOPE, "x", 1, Remote(0, 0, 0, 0, base={"k": "v"}))
    child = start_span(SCOPE, "y", 0, made)
    assert made.trace_hi
    assert made.parent64 == 0
    assert made.base == child.base == {"k": "v"}


def test_suppressed_makes_no_spans(finished: Any) -> None:
    token = attach(SUPPRESSED)
    try:
        assert suppressed()
        with span("x") as made:
            assert not made.is_recording()
        assert current_span() is NOOP
    finally:
        detach(token)
    assert not suppressed()
    assert finished.spans() == []


def test_a_foreign_context_is_read(finished: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with span("parent") as parent:
        pass
    answers: dict[str, Any] = {"span": parent, "remote": Remote(1, 2, 3, 1), "suppressed": SUPPRESSED, "none": None}
    before = hot.set_foreign(lambda state: answers[state["is"]])
    try:
        made = start_span(SCOPE, "below span", 0, {"is": "span"})
        assert made.parent64 == parent.id64
        assert made.base == {"is": "span"}
        assert start_span(SCOPE, "below remote", 0, {"is": "remote"}).parent_remote
        assert not start_span(SCOPE, "suppressed", 0, {"is": "suppressed"}).is_recording()
        assert start_span(SCOPE, "root", 0, {"is": "none"}).parent64 == 0
        token = attach({"is": "span"})
        assert current_span() is parent
        detach(token)
        monkeypatch.delenv("OBSV_RAISE")
        assert resolve({"no": "key"}) is None
        hot.set_foreign(None)
        assert resolve({"is": "span"}) is None
    finally:
        hot.set_foreign(before)


# ---------------------------------------------------------------------- attributes


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("text", "text"),
        (True, True),
        (5, 5),
        (2**200, 2**200),
        (1.5, 1.5),
        (None, None),
        (b"\x00\xff", b"\x00\xff"),
        ([1, "a", [2]], (1, "a", (2,))),
        ({"a": [1], 2: "b"}, {"a": (1,), "2": "b"}),
        ((), ()),
        (Level.HIGH, 7),
        (Color.RED, "Color.RED"),
        (range(3), (0, 1, 2)),
        (frozenset({1}), "frozenset({1})"),
        ("x" * 5000, "x" * 5000),
    ],
)
def test_values_are_kept_by_opentelemetrys_rules(finished: Any, value: Any, kept: Any) -> None:
    with span("x", by_keyword=value) as made:
        made.set_attribute("key", value)
    assert made.attributes == {"by_keyword": kept, "key": kept}
    assert type(made.attributes["key"]) is type(kept)


def test_mutating_a_value_afterwards_changes_nothing(finished: Any) -> None:
    numbers, words = [1, 2], {"a": ["x"]}
    with span("x") as made:
        made.set(numbers=numbers, words=words)
        made.event("e", numbers=numbers)
        numbers.append(3)
        words["a"].append("y")
    assert made.attributes == {"numbers": (1, 2), "words": {"a": ("x",)}}
    assert made.event_list is not None
    assert made.event_list[0].attributes == {"numbers": (1, 2)}


def test_a_value_that_cannot_be_read_loses_only_itself(finished: Any) -> None:
    with span("x") as made:
        made.set(bad=Unreadable(), good=1)
        made.event("e", bad=Unreadable(), good=1)
    assert made.attributes == {"good": 1}
    assert made.dropped_attributes == 1
    [event] = made.event_list or []
    assert event.attributes == {"good": 1}
    assert event.dropped == 1


def test_values_that_hold_themselves_end(finished: Any) -> None:
    loop: list[Any] = []
    loop.extend([loop] * 50)
    with span("x", loop=loop) as made:
        pass
    assert "…" in str(made.attributes["loop"])


def test_keys_that_are_none_are_dropped_and_counted(finished: Any) -> None:
    bad: Any
    with span("x") as made:
        for bad in ("", 1, None, b"k", Unreadable()):
            made.set_attribute(bad, 1)
    assert made.attributes == {}
    assert made.dropped_attributes == 5


def test_set_attributes_takes_a_mapping_and_survives_anything_else(finished: Any) -> None:
    bad: Any
    with span("x") as made:
        made.set_attributes({"a": 1, 2: "two", Unreadable(): 3})  # type: ignore[dict-item]
        for bad in (None, 5, "text", [1], [("a", 1)]):
            made.set_attributes(bad)
    assert made.attributes["a"] == 1
    assert made.attributes["2"] == "two"
    assert made.dropped_attributes == 5


def test_a_str_subclass_is_stored_as_str(finished: Any) -> None:
    class Name(str):
        def __str__(self) -> str:
            raise RuntimeError

    with span("x") as made:
        made.set_attribute(Name("k"), Name("v"))
    [(key, value)] = made.attributes.items()
    assert (type(key), key, type(value), value) == (str, "k", str, "v")


def test_set_takes_every_keyword(finished: Any) -> None:
    with span("x", self=1, name="n") as made:
        made.set(self=2, name="m").event("e", self=3, name="o")
    assert made.attributes == {"self": 2, "name": "m"}
    assert (made.event_list or [])[0].attributes == {"self": 3, "name": "o"}


def test_the_oldest_attribute_makes_room(finished: Any) -> None:
    hot.OUTLET.set_attribute_limits(3, -1)
    with span("x") as made:
        made.set(a=1, b=2, c=3, d=4, e=(5,))
    assert made.attributes == {"c": 3, "d": 4, "e": (5,)}
    assert made.dropped_attributes == 2


def test_no_attributes_at_all(finished: Any) -> None:
    hot.OUTLET.set_attribute_limits(0, -1)
    with span("x", a=1) as made:
        made.set(b="2")
    assert made.attributes == {}
    assert made.dropped_attributes == 2


def test_long_texts_are_cut_when_there_is_a_limit(finished: Any) -> None:
    hot.OUTLET.set_attribute_limits(128, 4)
    hot.OUTLET.max_event_length = 4
    with span("x") as made:
        made.set(short="abcd", long="abcde", many=["abcdef"], deep={"k": "abcdef"})
        made.event("e", long="abcdef")
    assert made.attributes == {"short": "abcd", "long": "abcd", "many": ("abcd",), "deep": {"k": "abcd"}}
    assert (made.event_list or [])[0].attributes == {"long": "abcd"}


# ---------------------------------------------------------------------- events, links, status


def test_events(finished: Any) -> None:
    with span("x") as made:
        assert made.event("one", key="v") is made
        made.add_event("two", {"a": [1]}, 5)
        made.add_event("three")
    one, two, three = made.event_list or []
    assert (one.name, one.attributes, one.error) == ("one", {"key": "v"}, None)
    assert (two.time_ns, two.attributes) == (5, {"a": (1,)})
    assert made.start_ns <= one.time_ns <= three.time_ns <= made.end_ns


def test_the_oldest_event_makes_room(finished: Any) -> None:
    hot.OUTLET.max_events = 2
    with span("x") as made:
        for i in range(5):
            made.event(str(i))
    assert [event.name for event in made.event_list or []] == ["3", "4"]
    assert made.dropped_events == 3
    hot.OUTLET.max_events = 0
    with pytest.raises(ValueError, match="boom"), span("none") as made:
        raise ValueError("boom")
    assert not made.event_list
    assert made.dropped_events == 1
    assert made.status_value == ERROR


def test_events_with_impossible_arguments(finished: Any) -> None:
    bad: Any
    with span("x") as made:
        for bad in (Unreadable(), None, 5):
            made.add_event(bad, bad, bad)
    assert [event.name for event in made.event_list or []] == ["<Unreadable: its text cannot be read>", "None", "5"]


def test_links(finished: Any) -> None:
    state = otel.TraceState([("a", "b")])
    there = otel.SpanContext(2**127 + 5, 9, True, otel.TraceFlags(1), state)
    empty = otel.SpanContext(0, 0, True)
    with span("x") as made:
        made.add_link(there, {"k": [1]})
        made.add_link(empty)
        made.add_link(empty, {"why": "kept because of this"})
    first, second = made.link_list or []
    assert (first.trace_hi, first.trace_lo, first.id64, first.flags) == (2**63, 5, 9, 1)
    assert (first.tracestate, first.attributes) == ("a=b", {"k": (1,)})
    assert second.attributes == {"why": "kept because of this"}


def test_links_over_the_limit_and_wrong_ones(finished: Any) -> None:
    hot.OUTLET.max_links = 1
    bad: Any
    with span("x") as made:
        for number in (1, 2):
            made.add_link(otel.SpanContext(number, number, True))
        for bad in (None, "x", 5, Unreadable()):
            made.add_link(bad, {"a": 1})
    assert [link.id64 for link in made.link_list or []] == [2]
    assert made.dropped_links == 5


@pytest.mark.parametrize(
    ("given", "kept", "message"),
    [
        (("ok",), OK, None),
        (("OK", "text is for errors"), OK, None),
        (("error", "why"), ERROR, "why"),
        (("error",), ERROR, None),
        (("unset",), UNSET, None),
        ((otel.StatusCode.ERROR, "why"), ERROR, "why"),
        ((otel.StatusCode.OK,), OK, None),
        ((Status(otel.StatusCode.ERROR, "inside"),), ERROR, "inside"),
        ((2, "why"), ERROR, "why"),
        (("nonsense",), UNSET, None),
        (([],), UNSET, None),
        ((Unreadable(),), UNSET, None),
        (("error", Unreadable()), ERROR, "<Unreadable: its text cannot be read>"),
    ],
)
def test_status(finished: Any, given: Any, kept: int, message: str | None) -> None:
    with span("x") as made:
        made.set_status(*given)
    assert (made.status_value, made.status_message) == (kept, message)


def test_ok_is_final_and_otherwise_the_last_call_wins(finished: Any) -> None:
    with span("x") as made:
        made.set_status("error", "first").set_status("error", "second").set_status("unset")
        assert (made.status_value, made.status_message) == (ERROR, "second")
        made.set_status("ok").set_status("error", "late")
    assert (made.status_value, made.status_message) == (OK, None)

    def fail_after_all() -> None:
        current_span().set_status("ok")
        raise ValueError("x")

    with pytest.raises(ValueError, match="x"), span("x") as made:
        fail_after_all()
    assert made.status_value == OK
    assert made.event_list


def test_update_name(finished: Any) -> None:
    with span("x") as made:
        made.update_name("y")
    assert finished.names() == ["y"]
    with span("x") as made:
        made.update_name(Unreadable())  # type: ignore[arg-type]
    assert finished.names() == ["<Unreadable: its text cannot be read>"]


# ---------------------------------------------------------------------- exceptions


def test_an_exception_is_recorded_and_passes(finished: Any) -> None:
    error = KeyError("missing")
    with pytest.raises(KeyError) as raised, span("x"):
        raise error
    assert raised.value is error
    done = finished.one()
    assert (done.status_value, done.status_message) == (ERROR, "KeyError: 'missing'")
    [event] = done.event_list
    assert event.name == "exception"
    attributes = event.all_attributes()
    assert attributes["exception.type"] == "KeyError"
    assert attributes["exception.message"] == "'missing'"
    assert attributes["exception.escaped"] == "True"
    assert "raise error" in attributes["exception.stacktrace"]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_failure_only_ends_the_span(finished: Any, kind: type[BaseException]) -> None:
    def leave() -> None:
        with span("x"):
            raise kind

    with pytest.raises(kind):
        leave()
    done = finished.one()
    assert (done.status_value, done.event_list) == (UNSET, None)


def test_cancellation_is_no_failure(finished: Any) -> None:
    import asyncio

    async def main() -> None:
        async def work() -> None:
            with span("x"):
                await asyncio.sleep(60)

        task = asyncio.ensure_future(work())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    assert finished.one().status_value == UNSET


def test_record_exception_changes_no_status(finished: Any) -> None:
    with span("x") as made:
        made.record_exception(ValueError("a"), {"k": 1}, 7)
    [event] = made.event_list or []
    assert made.status_value == UNSET
    assert event.time_ns == 7
    assert event.all_attributes()["k"] == 1
    assert event.all_attributes()["exception.escaped"] == "False"


@pytest.mark.parametrize("bad", [None, "text", 5, ValueError])
def test_record_exception_of_something_else(finished: Any, bad: Any) -> None:
    with span("x") as made:
        made.record_exception(bad)
    assert made.dropped_events == 1 or made.event_list
    assert made.status_value == UNSET


def test_an_exception_whose_text_cannot_be_read(finished: Any) -> None:
    class Bad(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    with pytest.raises(Bad), span("x"):
        raise Bad
    done = finished.one()
    assert done.status_message == "Bad: <Bad: its text cannot be read>"


# ---------------------------------------------------------------------- local traces


def test_a_child_that_ends_after_its_root_goes_alone(finished: Any) -> None:
    root = start_span(SCOPE, "root", 0, None)
    child = start_span(SCOPE, "child", 0, root)
    root.end()
    child.end()
    assert [[each.name for each in trace] for trace in finished.traces()] == [["root"], ["child"]]


def test_a_child_that_begins_after_its_root_ended_goes_alone(finished: Any) -> None:
    root = start_span(SCOPE, "root", 0, None)
    root.end()
    child = start_span(SCOPE, "child", 0, root)
    grandchild = start_span(SCOPE, "grandchild", 0, child)
    grandchild.end()
    child.end()
    assert [[each.name for each in trace] for trace in finished.traces()] == [["root"], ["grandchild", "child"]]
    assert child.trace_id == root.trace_id
    assert child.parent64 == root.id64


def test_a_long_trace_goes_in_parts(finished: Any) -> None:
    root = start_span(SCOPE, "root", 0, None)
    for _ in range(2 * PART + 1):
        start_span(SCOPE, "child", 0, root).end()
    assert [len(trace) for trace in finished.traces()] == [PART, PART]
    root.end()
    assert [[each.name for each in trace] for trace in finished.traces()] == [["child", "root"]]


def test_a_trace_weighs_what_its_spans_hold(finished: Any) -> None:
    with span("small"):
        pass
    small = finished.queue.bytes
    finished.traces()
    with span("large", text="x" * 100_000) as made:
        made.event("e", many=["y" * 1000] * 10)
    assert finished.queue.bytes > small + 110_000


def test_every_queue_gets_the_trace(finished: Any) -> None:
    from obsv.hotpath.queue import BoundedQueue

    other = BoundedQueue(10, 1 << 20, 10, None, None)
    hot.OUTLET.queues = (*hot.OUTLET.queues, other)
    with span("x") as made:
        pass
    assert finished.spans() == [made]
    assert other.take(10) == [made]


def test_threads_below_one_root_lose_no_span(finished: Any) -> None:
    root = start_span(SCOPE, "root", 0, None)

    def work() -> None:
        for _ in range(2000):
            start_span(SCOPE, "child", 0, root).end()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    root.end()
    spans = finished.spans()
    assert len(spans) == 8001
    assert len({each.id64 for each in spans}) == 8001


# ---------------------------------------------------------------------- context


def test_the_context_is_restored(finished: Any) -> None:
    with span("outer") as outer:
        with pytest.raises(ValueError, match="x"), span("inner"):
            raise ValueError("x")
        assert current_span() is outer
    assert current() is None


def test_a_span_left_in_another_context_than_entered(finished: Any) -> None:
    lost = hot.tokens_lost()

    def generate() -> Iterator[int]:
        with span("inside"):
            yield 1

    generator = generate()
    contextvars.copy_context().run(next, generator)
    generator.close()  # here, in another context
    assert hot.tokens_lost() == lost + 1
    assert finished.names() == ["inside"]
    assert current_span() is NOOP


@pytest.mark.parametrize("token", [None, "x", 5])
def test_detach_never_raises(token: Any) -> None:
    detach(token)


def test_detach_twice(finished: Any) -> None:
    token = attach(None)
    detach(token)
    detach(token)


def test_asyncio_tasks_have_their_own_current_span(finished: Any) -> None:
    import asyncio

    async def work(name: str) -> str:
        with span(name) as made:
            await asyncio.sleep(0)
            assert current_span() is made
        return made.parent_id or ""

    async def main() -> None:
        with span("root") as root:
            assert set(await asyncio.gather(*[work(str(i)) for i in range(10)])) == {root.span_id}

    asyncio.run(main())
    assert len(finished.spans()) == 11


# ---------------------------------------------------------------------- OpenTelemetry's view


def test_the_span_context(finished: Any) -> None:
    with span("x") as made:
        context = made.get_span_context()
    assert context.trace_id == int(made.trace_id, 16)
    assert context.span_id == made.id64
    assert context.trace_flags.sampled
    assert context.trace_flags == 3
    assert context.is_valid
    assert not context.is_remote
    assert made.get_span_context() is context


def test_the_span_context_carries_the_tracestate(finished: Any) -> None:
    made = start_span(SCOPE, "x", 1, Remote(1, 2, 3, 1, "a=b,c=d"))
    assert made.get_span_context().trace_state == otel.TraceState([("a", "b"), ("c", "d")])


def test_the_span_context_of_a_span_that_has_not_begun(finished: Any) -> None:
    made = span("x")
    assert not made.get_span_context().is_valid
    with made:
        assert made.get_span_context().is_valid
