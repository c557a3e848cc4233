"""Exceptions, remembered cheaply and written as Python prints them."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

import pytest

from obsv.hotpath.errors import MAX_CHAIN, MAX_FRAMES, ErrorInfo, safe_text, type_name

if TYPE_CHECKING:
    from collections.abc import Callable


class Own(Exception):
    pass


class Unreadable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def fail() -> None:
    raise ValueError("deep   inside")


def plain() -> None:
    fail()


def without_text() -> None:
    raise Own


def many_lines() -> None:
    raise Own("one\ntwo\n")


def chained() -> None:
    try:
        fail()
    except ValueError as error:
        raise Own("outer") from error


def in_handling() -> None:
    try:
        chained()
    except Own:
        {}["missing"]


def suppressed() -> None:
    try:
        fail()
    except ValueError:
        raise Own("alone") from None


def noted() -> None:
    try:
        fail()
    except ValueError as error:
        error.add_note("a note\nof two lines")
        error.add_note("another")
        raise


def syntax() -> None:
    compile("x = (1,\ny = 2\n", "somewhere.py", "exec")


def grouped() -> None:
    errors: list[Exception] = []
    for function in (fail, chained):
        try:
            function()
        except Exception as error:
            errors.append(error)
    raise ExceptionGroup("several", errors)


def group_as_cause() -> None:
    try:
        grouped()
    except ExceptionGroup as group:
        raise Own("outer") from group


def recursive(depth: int = 50) -> None:
    if depth == 0:
        raise Own("bottom")
    recursive(depth - 1)


def several_lines() -> None:
    int(
        "no number",
        base=10,
    )


def evaluated() -> None:
    exec("raise ValueError('no source')")


def catch(function: Callable[[], Any]) -> BaseException:
    try:
        function()
    except BaseException as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    "function",
    [
        plain,
        without_text,
        many_lines,
        chained,
        in_handling,
        suppressed,
        noted,
        syntax,
        grouped,
        group_as_cause,
        recursive,
        several_lines,
        evaluated,
    ],
)
def test_the_text_is_pythons(function: Callable[[], Any]) -> None:
    error = catch(function)
    assert ErrorInfo.capture(error).text() == "".join(traceback.format_exception(error))


def test_parts() -> None:
    error = catch(chained)
    info = ErrorInfo.capture(error)
    assert info.type == f"{__name__}.Own"
    assert info.message == "outer"
    assert info.explicit
    assert info.cause is not None
    assert (info.cause.type, info.cause.message) == ("ValueError", "deep   inside")
    assert [function for _, _, function in info.stack()] == ["catch", "chained"]
    path, line, _ = info.stack()[-1]
    assert path == __file__
    assert line == chained.__code__.co_firstlineno + 4


def test_an_exception_that_was_never_raised() -> None:
    info = ErrorInfo.capture(ValueError("x"))
    assert info.text() == "ValueError: x\n"
    assert info.stack() == []


def test_no_frame_is_kept_alive() -> None:
    import gc
    import weakref

    class Large:
        pass

    def work() -> None:
        large = Large()
        gone.append(weakref.ref(large))
        raise ValueError

    gone: list[Any] = []
    info = ErrorInfo.capture(catch(work))
    gc.collect()
    assert gone[0]() is None
    assert info.stack()[-1][2] == "work"


@pytest.mark.parametrize("depth", [*range(MAX_FRAMES - 4, MAX_FRAMES + 3), *range(MAX_FRAMES * 3 // 2 - 3, 387), 800])
def test_of_a_deep_stack_the_ends_are_kept_as_they_are(depth: int) -> None:
    error = catch(lambda: recursive(depth))
    info = ErrorInfo.capture(error)
    whole = [
        (frame.f_code.co_filename, line, frame.f_code.co_name) for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    half = MAX_FRAMES // 2
    assert info.stack() == (whole if len(whole) <= MAX_FRAMES else whole[:half] + whole[-half:])
    assert info.skipped == max(0, len(whole) - MAX_FRAMES)


def test_a_deep_stack_keeps_both_ends() -> None:
    error = catch(lambda: recursive(600))
    info = ErrorInfo.capture(error)
    assert len(info.frames) == MAX_FRAMES
    assert info.stack()[0][2] == "catch"
    assert info.skipped == 603 - MAX_FRAMES
    assert f"[{info.skipped} more frames]" in info.text()
    assert info.text().endswith("Own: bottom\n")


def test_a_recursion_error() -> None:
    def forever() -> None:
        forever()

    assert ErrorInfo.capture(catch(forever)).text().rstrip().splitlines()[-1].startswith("RecursionError: ")


def test_a_long_chain_ends() -> None:
    error: Exception = ValueError("first")
    for number in range(100):
        following = ValueError(str(number))
        following.__cause__ = error
        error = following
    info: ErrorInfo | None = ErrorInfo.capture(error)
    length = 0
    while info is not None:
        length, info = length + 1, info.cause
    assert length == MAX_CHAIN + 1


def test_a_chain_that_bites_its_tail() -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert ErrorInfo.capture(one).text().count("ValueError") == 2


def test_texts_that_cannot_be_read() -> None:
    error = Unreadable()
    error.add_note("note")
    info = ErrorInfo.capture(error)
    assert info.message == "<Unreadable: its text cannot be read>"
    assert info.notes == ("note",)
    assert info.text().startswith(f"{__name__}.Unreadable: <Unreadable")


def test_notes_that_are_none() -> None:
    error = ValueError("x")
    error.__notes__ = 5  # type: ignore[assignment]
    assert ErrorInfo.capture(error).notes == ()


def test_a_group_that_holds_what_cannot_be_read() -> None:
    info = ErrorInfo.capture(ExceptionGroup("g", [Unreadable()]))
    assert "ExceptionGroup: g" in info.text()


def test_type_name() -> None:
    assert type_name(ValueError) == "ValueError"
    assert type_name(Own()) == f"{__name__}.Own"


def test_safe_text_is_an_exact_str() -> None:
    class Text(str):
        def __str__(self) -> str:
            return self

    assert safe_text(Text("x")) == "x"
    assert type(safe_text(Text("x"))) is str
