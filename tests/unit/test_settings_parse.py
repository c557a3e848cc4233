"""Kinds of plain values: whatever is thrown at a parser, it answers with a value or with InvalidError."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from obsv.settings_parse import (
    DAY,
    FLAG,
    LEVEL,
    PATH,
    RATIO,
    TEXT,
    InvalidError,
    Kind,
    choice,
    count,
    duration,
    limit,
    show_plain,
    size,
)
from obsv.settings_table import SETTINGS

ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.lists(st.one_of(st.text(), st.integers(), st.none())),
    st.dictionaries(st.one_of(st.text(), st.integers()), st.one_of(st.text(), st.floats(), st.lists(st.text()))),
    st.sets(st.one_of(st.text(), st.integers())),
    st.tuples(st.text(), st.binary()),
    st.builds(object),
    st.just(str),
    st.sampled_from(
        ["1e999", "9" * 5000, "-0", "nan", "inf", "1e400ms", "٣", "5 s", "\ud800", "a=%ff", "%", ",,,", "="]
    ),
)


@pytest.mark.parametrize("name", sorted(SETTINGS))
@given(value=ANYTHING)
def test_every_kind_answers_or_raises_invalid(name: str, value: object) -> None:
    kind = SETTINGS[name].kind
    try:
        result = kind.parse(value)
    except InvalidError as error:
        result = error.usable
        allowed = error.allowed
    else:
        allowed = kind.allowed
    assert allowed
    assert isinstance(kind.show(result), str)


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_every_default_is_allowed_and_shown(name: str) -> None:
    setting = SETTINGS[name]
    assert setting.show(setting.default)
    if setting.default is not None:
        assert setting.kind.parse(setting.default) == setting.default


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("5s", 5.0),
        ("1m", 60.0),
        ("2 h", 7200.0),
        ("1d", DAY),
        (" 250 us ", 0.00025),
        ("7µs", 7e-6),
        ("100ns", 1e-7),
        ("1.5", 1.5),
        ("1e1", 10.0),
        ("0", 0.0),
        (3, 3.0),
        (0.25, 0.25),
        ("10 SEC", 10.0),
        ("3min", 180.0),
    ],
)
def test_durations(text: object, seconds: float) -> None:
    assert duration().parse(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "s", "five", "5 parsecs", "-1s", "nan", "inf", "2d", True, None, b"5s", "5s5s", [5]]
)
def test_wrong_durations(text: object) -> None:
    with pytest.raises(InvalidError, match="a time from 0s to 1d"):
        duration().parse(text)


def test_durations_have_bounds() -> None:
    kind = duration(0.001, 60)
    assert kind.allowed == 'a time from 1ms to 1m, in seconds or as "500ms", "5s", "1m"'
    assert kind.parse("1ms") == 0.001
    for wrong in ("0", "0.9ms", "61s"):
        with pytest.raises(InvalidError):
            kind.parse(wrong)


@given(st.floats(0, DAY))
def test_a_number_of_seconds_is_itself(seconds: float) -> None:
    assert duration().parse(seconds) == seconds
    assert duration().parse(repr(seconds)) == seconds


@given(st.integers(0, 86_400_000))
def test_milliseconds_are_exact(milliseconds: int) -> None:
    assert duration().parse(f"{milliseconds}ms") == milliseconds / 1000


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("64MiB", 64 * 1024 * 1024),
        ("10MB", 10_000_000),
        ("64k", 65536),
        ("1.5 GiB", 3 * 2**29),
        ("2KB", 2000),
        ("100", 100),
        ("100 bytes", 100),
        ("7B", 7),
        (4096, 4096),
        ("1t", 2**40),
    ],
)
def test_sizes(text: object, number: int) -> None:
    assert size().parse(text) == number


@pytest.mark.parametrize("text", ["", "MiB", "-1", "0", "ten", "10 XB", "1e30", "nan", True, None, [1], 2**60])
def test_wrong_sizes(text: object) -> None:
    with pytest.raises(InvalidError, match="a size of at least 1B"):
        size().parse(text)


@given(st.integers(1, 2**40))
def test_shown_sizes_read_back(number: int) -> None:
    assert size().parse(size().show(number)) == number


@given(st.integers(1, 86_400))
def test_shown_durations_read_back(seconds: int) -> None:
    assert duration().parse(duration().show(seconds)) == seconds


@pytest.mark.parametrize(
    ("value", "ratio"), [("0", 0.0), ("1", 1.0), ("0.25", 0.25), (1, 1.0), ("1e-3", 0.001), (-0.0, 0.0)]
)
def test_ratios(value: object, ratio: float) -> None:
    result = RATIO.parse(value)
    assert result == ratio
    assert math.copysign(1, result) == 1


@pytest.mark.parametrize("value", ["2", "-0.1", "nan", "half", True, None, 1.01, ""])
def test_wrong_ratios(value: object) -> None:
    with pytest.raises(InvalidError, match="a number from 0 to 1"):
        RATIO.parse(value)


@pytest.mark.parametrize("value", ["true", "True", " YES ", "1", "on", True, 1])
def test_true(value: object) -> None:
    assert FLAG.parse(value) is True


@pytest.mark.parametrize("value", ["false", "No", "0", "OFF", False, 0])
def test_false(value: object) -> None:
    assert FLAG.parse(value) is False


@pytest.mark.parametrize("value", ["", "maybe", 2, 1.0, None, [], "tru"])
def test_neither_true_nor_false(value: object) -> None:
    with pytest.raises(InvalidError, match="true or false"):
        FLAG.parse(value)


def test_counts() -> None:
    kind = count(1, 10)
    assert kind.parse("10") == 10
    assert kind.parse(1) == 1
    for wrong in ("0", "11", 11, 1.0, "1.0", True, None, "many", "9" * 5000):
        with pytest.raises(InvalidError, match="a whole number from 1 to 10"):
            kind.parse(wrong)


def test_limits() -> None:
    kind = limit()
    assert kind.parse("0") == 0
    assert kind.parse("unlimited") is None
    assert kind.parse("None") is None
    assert kind.show(None) == "unlimited"
    with pytest.raises(InvalidError, match="or unlimited"):
        kind.parse("-1")


def test_texts() -> None:
    assert TEXT.parse(" shop ") == "shop"
    assert TEXT.parse(1.2) == "1.2"
    assert TEXT.parse("größe") == "größe"
    for wrong in ("", "  ", "a\nb", "x" * 256, "\ud800", None, True, b"shop", ["shop"]):
        with pytest.raises(InvalidError, match="a text"):
            TEXT.parse(wrong)


def test_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert PATH.parse("~/x.db") == "/home/me/x.db"
    assert PATH.parse(Path("a/b")) == "a/b"

    class Broken:
        def __fspath__(self) -> str:
            raise RuntimeError("no")

    for wrong in ("", "a\x00b", 1, None, Broken(), Path):
        with pytest.raises(InvalidError, match="the path of a file"):
            PATH.parse(wrong)


@pytest.mark.parametrize(
    ("text", "level"),
    [("debug", "DEBUG"), ("WARN", "WARNING"), ("warning", "WARNING"), ("Fatal", "CRITICAL"), ("trace", "DEBUG")],
)
def test_levels(text: str, level: str) -> None:
    assert LEVEL.parse(text) == level


def test_choices() -> None:
    kind = choice("gzip", "none")
    assert kind.parse(" GZIP ") == "gzip"
    for wrong in ("deflate", "", None, 1):
        with pytest.raises(InvalidError, match="one of gzip, none"):
            kind.parse(wrong)


@example({"a": (1, True)})
@given(ANYTHING)
def test_show_plain_shows_anything(value: object) -> None:
    assert isinstance(show_plain(value), str)


def test_a_kind_says_its_name() -> None:
    assert repr(Kind("thing", str, "a thing")) == "<Kind thing>"
