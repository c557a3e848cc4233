from __future__ import annotations

from typing import Any

import pytest

from aws_data import span
from obsv.xray.cause import MAX_FRAMES, cause, flags


@pytest.mark.parametrize(
    ("status", "error_type", "failed", "expected"),
    [
        (200, None, False, {}),
        (302, None, False, {}),
        (404, None, False, {"error": True}),
        (404, None, True, {"error": True}),
        (429, None, False, {"error": True, "throttle": True}),
        (400, "ThrottlingException", True, {"error": True, "throttle": True}),
        (500, None, False, {"fault": True}),
        (503, "SlowDown", True, {"fault": True, "throttle": True}),
        (200, None, True, {"fault": True}),
        (None, None, True, {"fault": True}),
        (None, "ThrottlingException", True, {"error": True, "throttle": True}),
        ("404", None, False, {"error": True}),
        (None, None, False, {}),
        ("odd", ("list",), True, {"fault": True}),
    ],
)
def test_flags(status: Any, error_type: Any, failed: bool, expected: dict[str, bool]) -> None:
    made = span()
    if status is not None:
        made.set_attribute("http.response.status_code", status)
    if error_type is not None:
        made.set_attribute("error.type", error_type)
    if failed:
        made.set_status("error")
    assert flags(made) == expected


def deep(levels: int) -> None:
    if levels:
        deep(levels - 1)
    raise KeyError("inner")


def test_a_chain_of_exceptions_with_their_stacks() -> None:
    made = span(7)
    try:
        try:
            deep(2)
        except KeyError as error:
            error.add_note("a note")
            raise ValueError("outer") from error
    except ValueError as error:
        made.record_exception(error)
    block = cause(made)
    assert block is not None
    outer, inner = block["exceptions"]
    assert outer["type"] == "ValueError"
    assert outer["message"] == "outer"
    assert outer["cause"] == inner["id"] != outer["id"]
    assert not outer["remote"]
    assert inner["message"] == "'inner'\na note"
    assert "cause" not in inner
    # The top of X-Ray's stack is where the exception was raised.
    assert [frame["label"] for frame in inner["stack"]] == ["deep"] * 3 + [
        "test_a_chain_of_exceptions_with_their_stacks"
    ]
    assert inner["stack"][0]["path"] == __file__
    assert all(isinstance(frame["line"], int) for frame in inner["stack"])
    assert all(len(exception["id"]) == 16 for exception in (outer, inner))


def test_a_deep_stack_says_how_much_is_missing() -> None:
    made = span()
    try:
        deep(400)
    except KeyError as error:
        made.record_exception(error)
    block = cause(made)
    assert block is not None
    [exception] = block["exceptions"]
    assert len(exception["stack"]) == MAX_FRAMES
    assert exception["truncated"] == 402 - MAX_FRAMES


def test_an_exception_recorded_as_text() -> None:
    made = span(kind=2)
    made.add_event(
        "exception",
        {
            "exception.type": "shop.Error",
            "exception.message": "no",
            "exception.stacktrace": 'Traceback (most recent call last):\n  File "a.py", line 3, in outer\n    inner()\n'
            '  File "b, line 1.py", line 7, in inner\n    raise Error\nshop.Error: no\n',
        },
    )
    block = cause(made)
    assert block is not None
    [exception] = block["exceptions"]
    assert exception["remote"]
    assert exception["stack"] == [
        {"path": "b, line 1.py", "line": 7, "label": "inner"},
        {"path": "a.py", "line": 3, "label": "outer"},
    ]


def test_a_status_message_is_a_cause_where_there_is_no_exception() -> None:
    made = span()
    made.set_status("error", "queue full")
    block = cause(made)
    assert block is not None
    assert block["exceptions"][0]["message"] == "queue full"
    assert cause(span()) is None
