"""``obsv.testing.capture()``: everything that is emitted inside of it."""

from __future__ import annotations

import logging

import pytest

import obsv
from obsv import runtime, testing


def test_spans_points_and_logs() -> None:
    with testing.capture(patch=False) as seen:
        with obsv.span("outer"), obsv.span("inner", a=1):
            obsv.counter("test.capture").add(2, shop="north")
            obsv.get_logger("shop").info("hello", user=7)
        assert [span.name for span in seen.spans] == ["inner", "outer"]
        assert seen.span("inner").attributes == {"a": 1}
        assert seen.point("test.capture", shop="north").value == 2
        [record] = seen.logs
        assert (record.body, record.fields) == ("hello", {"user": 7})
        assert record.trace_id == seen.span("inner").trace_id
    assert runtime.running() is None


def test_it_can_be_read_afterwards() -> None:
    with testing.capture(patch=False) as seen, obsv.span("x"):
        pass
    assert seen.span("x").name == "x"


def test_each_block_sees_only_its_own() -> None:
    counter = obsv.counter("test.capture.own")
    with testing.capture(patch=False) as first:
        counter.add(1)
        with obsv.span("one"):
            pass
    counter.add(10)  # outside: nobody listens
    with testing.capture(patch=False) as second:
        counter.add(2)
        with obsv.span("two"):
            pass
    assert (first.point("test.capture.own").value, second.point("test.capture.own").value) == (1, 2)
    assert [span.name for span in first.spans + second.spans] == ["one", "two"]


def test_debug_records_of_the_standard_library_are_seen() -> None:
    with testing.capture() as seen:
        logging.getLogger("test.capture").warning("by the book")
    assert "by the book" in [record.body for record in seen.logs]


def test_settings_of_a_block() -> None:
    with testing.capture(patch=False, sample=0.0) as seen, obsv.span("x"):
        pass
    assert seen.spans == []


def test_looking_for_what_is_not_there() -> None:
    with testing.capture(patch=False) as seen:
        for _ in range(2):
            with obsv.span("twice"):
                pass
    with pytest.raises(LookupError, match="0 spans are named 'never'; there are: 'twice', 'twice'"):
        seen.span("never")
    with pytest.raises(LookupError, match="2 spans are named 'twice'"):
        seen.span("twice")
    with pytest.raises(LookupError, match="0 points match 'never'"):
        seen.point("never")


def test_names_with_dots_are_found() -> None:
    with testing.capture(patch=False) as seen:
        obsv.counter("test.capture.dots").add(1, **{"http.route": "/a"})
        obsv.counter("test.capture.dots").add(3, **{"http.route": "/b"})
    assert seen.point("test.capture.dots", http_route="/b").value == 3


def test_an_error_inside_passes_and_ends_it() -> None:
    with pytest.raises(ValueError, match="x"), testing.capture(patch=False):
        raise ValueError("x")
    assert runtime.running() is None


def test_a_running_obsv_is_shut_down_first() -> None:
    obsv.init("first", traces="memory", metrics="none", logs="none", patch=False, config={"signals": False})
    with testing.capture(patch=False) as seen, obsv.span("x"):
        pass
    assert len(seen.spans) == 1
    assert runtime.running() is None
