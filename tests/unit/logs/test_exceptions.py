"""Exceptions as JSON: type, message, stack as text and as frames, notes, chain, groups."""

from __future__ import annotations

import json
from typing import Any

import pytest

from obsv.hotpath.errors import MAX_MEMBERS, ErrorInfo
from obsv.logs.exceptions import MAX_FRAMES, describe


def caught(function: Any) -> ErrorInfo:
    try:
        function()
    except BaseException as error:
        return ErrorInfo.capture(error)
    raise AssertionError


def told(info: ErrorInfo, stack: str = "both") -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(describe(info, stack))
    return parsed


def plain() -> None:
    error = ValueError("no stock")
    error.add_note("ask the warehouse")
    raise error


def test_type_message_notes_stack_and_frames() -> None:
    found = told(caught(plain))
    assert list(found) == ["type", "message", "notes", "stack", "frames"]
    assert (found["type"], found["message"], found["notes"]) == ("ValueError", "no stock", ["ask the warehouse"])
    assert found["stack"].startswith("Traceback (most recent call last):\n")
    assert [frame["function"] for frame in found["frames"]] == ["caught", "plain"]
    assert found["frames"][1]["path"] == __file__
    assert found["frames"][1]["line"] == plain.__code__.co_firstlineno + 3


@pytest.mark.parametrize(
    ("stack", "keys"), [("text", {"stack"}), ("frames", {"frames"}), ("both", {"stack", "frames"})]
)
def test_the_setting_says_how_stacks_are_written(stack: str, keys: set[str]) -> None:
    assert set(told(caught(plain), stack)) - {"type", "message", "notes"} == keys


def test_a_cause_and_a_context() -> None:
    def caused() -> None:
        try:
            raise KeyError("sku")
        except KeyError as error:
            raise ValueError("no stock") from error

    def while_handling() -> None:
        try:
            raise KeyError("sku")
        except KeyError:
            raise ValueError("no stock")  # noqa: B904

    cause = told(caught(caused))["cause"]
    assert (cause["type"], cause["message"], cause["frames"][0]["function"]) == ("KeyError", "'sku'", "caused")
    found = told(caught(while_handling))
    assert "cause" not in found
    assert found["context"]["type"] == "KeyError"


def test_a_group_has_its_members_and_they_theirs() -> None:
    def group() -> None:
        raise ExceptionGroup("both", [ValueError("a"), ExceptionGroup("inner", [KeyError("b"), OSError("c")])])

    found = told(caught(group))
    assert [member["type"] for member in found["exceptions"]] == ["ValueError", "ExceptionGroup"]
    assert [member["message"] for member in found["exceptions"][1]["exceptions"]] == ["'b'", "c"]


def test_a_group_is_bounded() -> None:
    def group() -> None:
        raise ExceptionGroup("many", [ValueError(str(number)) for number in range(1000)])

    assert len(told(caught(group))["exceptions"]) == MAX_MEMBERS

    def deep() -> None:
        error: Exception = ValueError("x")
        for _ in range(200):
            error = ExceptionGroup("g", [error])
        raise error

    json.loads(describe(caught(deep)))


def test_a_deep_stack_is_bounded_and_says_so() -> None:
    def down(depth: int) -> None:
        if depth:
            down(depth - 1)
        raise ValueError

    found = told(caught(lambda: down(300)))
    assert len(found["frames"]) == MAX_FRAMES
    assert found["frames_left_out"] == 303 - MAX_FRAMES
    assert found["frames"][-1]["function"] == "down"


def test_what_led_to_a_member_of_a_group_is_told_too() -> None:
    def group() -> None:
        inner = ValueError("a")
        inner.__cause__ = KeyError("b")
        raise ExceptionGroup("both", [inner]) from ExceptionGroup("before", [OSError("c")])

    found = told(caught(group))
    [member] = found["exceptions"]
    assert (member["message"], member["cause"]["type"], member["cause"]["message"]) == ("a", "KeyError", "'b'")
    assert found["cause"]["exceptions"][0]["message"] == "c"


def test_groups_and_chains_in_circles_end() -> None:
    inner = ValueError("a")
    group = ExceptionGroup("g", [inner] * 3)
    inner.__context__ = group
    group.__cause__ = inner
    info = ErrorInfo.capture(group)
    json.loads(describe(info))

    def count(error: ErrorInfo | None) -> int:
        total = 0
        while error is not None:
            total += 1 + sum(count(member) for member in error.members)
            error = error.cause
        return total

    assert count(info) <= 2 * MAX_MEMBERS
