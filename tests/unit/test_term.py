"""Colours, widths, durations and tables."""

from __future__ import annotations

import io
import os
import pty

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv import term


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "stream", "expected"),
    [
        ({}, Terminal(), True),
        ({}, io.StringIO(), False),
        ({}, None, False),
        ({"NO_COLOR": "1"}, Terminal(), False),
        ({"NO_COLOR": ""}, Terminal(), True),
        ({"FORCE_COLOR": "1"}, io.StringIO(), True),
        ({"FORCE_COLOR": "0"}, Terminal(), False),
        ({"FORCE_COLOR": ""}, io.StringIO(), False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, Terminal(), False),
        ({"TERM": "dumb"}, Terminal(), False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, Terminal(), True),
    ],
)
def test_color_enabled(environ: dict[str, str], stream: io.StringIO | None, expected: bool) -> None:
    assert term.color_enabled(stream, environ) is expected


def test_is_terminal_survives_odd_streams() -> None:
    closed = io.StringIO()
    closed.close()
    assert not term.is_terminal(closed)
    assert not term.is_terminal(object())  # type: ignore[arg-type]


def test_is_terminal_on_a_real_terminal() -> None:
    leader, follower = pty.openpty()
    try:
        with os.fdopen(follower, "w") as stream:
            assert term.is_terminal(stream)
    finally:
        os.close(leader)


def test_paint_and_style() -> None:
    assert term.paint("x", "red", "bold") == "\x1b[31;1mx\x1b[0m"
    assert term.paint("x") == "x"
    assert term.paint("", "red") == ""
    assert term.Style(enabled=False)("x", "red") == "x"
    assert term.Style(enabled=True)("x", "red") == "\x1b[31mx\x1b[0m"


@given(st.text(), st.lists(st.sampled_from(sorted(term.STYLES)), max_size=3))
def test_strip_undoes_paint(text: str, styles: list[str]) -> None:
    plain = text.replace("\x1b", "")
    assert term.strip(term.paint(plain, *styles)) == plain


def test_strip_keeps_what_is_no_colour() -> None:
    text = "\x1b[2Ja\x1b[31mb\x1b"
    assert term.strip(text) == "\x1b[2Jab\x1b"


@pytest.mark.parametrize(
    ("text", "cells"),
    [("abc", 3), ("\x1b[31mabc\x1b[0m", 3), ("日本", 4), ("e\u0301", 1), ("a\u200db", 2), ("", 0)],
)
def test_width(text: str, cells: int) -> None:
    assert term.width(text) == cells


@given(st.text(), st.integers(0, 40))
def test_clip_fits(text: str, cells: int) -> None:
    text = text.replace("\x1b", "")
    clipped = term.clip(text, cells)
    assert term.width(clipped) <= cells
    if term.width(text) <= cells:
        assert clipped == text


def test_clip_marks_the_cut() -> None:
    assert term.clip("abcdef", 4) == "abc…"


@given(st.text())
def test_clean_is_printable(text: str) -> None:
    assert term.clean(text).isprintable()


def test_clean_disarms_escapes() -> None:
    assert term.clean("a\x1b[2Jb\nc") == "a\\x1b[2Jb⏎c"
    assert term.clean("größe") == "größe"


def test_pad() -> None:
    assert term.pad("日本", 6) == "日本  "
    assert term.pad("12", 4, ">") == "  12"
    assert term.pad("long", 2) == "long"


def test_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "77")
    assert term.columns() == 77
    monkeypatch.setenv("COLUMNS", "wide")
    assert term.columns(io.StringIO(), default=55) == 55
    monkeypatch.delenv("COLUMNS")
    with open(os.devnull) as stream:
        assert term.columns(stream, default=66) == 66


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (999.6, "1 µs"),
        (12_345, "12.3 µs"),
        (99_950, "100 µs"),
        (999_499, "999 µs"),
        (999_500, "1 ms"),
        (1_234_567, "1.23 ms"),
        (2_500_000_000, "2.5 s"),
        (59_940_000_000, "59.9 s"),
        (59_960_000_000, "1m 00s"),
        (200_000_000_000, "3m 20s"),
        (7_500_000_000_000, "2h 05m"),
        (-1_500_000, "-1.5 ms"),
    ],
)
def test_format_duration(ns: float, text: str) -> None:
    assert term.format_duration(ns) == text


@given(st.floats(0, 1e18))
def test_format_duration_is_short(ns: float) -> None:
    assert len(term.format_duration(ns)) <= 16


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1536, "1.5 KiB"),
        (64 * 2**20, "64 MiB"),
        (1023.7 * 1024, "1 MiB"),
        (2**42, "4.0 TiB"),
    ],
)
def test_format_bytes(size: float, text: str) -> None:
    assert term.format_bytes(size) == text


def test_table() -> None:
    assert term.table([("GET /", "1.2 ms"), ("POST /orders", "12 ms")], align="<>") == [
        "GET /         1.2 ms",
        "POST /orders   12 ms",
    ]
    assert term.table([]) == []
    assert term.table([("a",), ("bb", "c")], ("x", "y"), indent="  ", style=term.Style(enabled=False)) == [
        "  x   y",
        "  a",
        "  bb  c",
    ]


def test_table_lines_up_under_colours() -> None:
    style = term.Style(enabled=True)
    lines = term.table([(style("a", "red"), "1"), ("bbb", "2")], ("h", "i"), style=style)
    assert [term.strip(line) for line in lines] == ["h    i", "a    1", "bbb  2"]
