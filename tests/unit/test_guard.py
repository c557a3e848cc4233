"""The guard: what is raised inside is counted, told once a minute a place, and swallowed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from obsv.guard import guard
from obsv.hotpath import faults

if TYPE_CHECKING:
    from collections.abc import Iterator


class Unreadable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@pytest.fixture(autouse=True)
def _swallowed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("OBSV_RAISE")
    faults.reset()
    yield
    faults.reset()


def test_as_a_context_manager(capsys: pytest.CaptureFixture[str]) -> None:
    with guard("place"):
        raise ValueError("two\nlines")
    assert faults.counts == {"place": 1}
    err = capsys.readouterr().err
    assert err == "obsv: place failed: ValueError: two lines (your code is fine; you have less telemetry)\n"


def test_as_a_decorator() -> None:
    @guard("place")
    def divide(a: int, b: int) -> float:
        """Divides."""
        return a / b

    assert divide(1, 2) == 0.5
    assert divide(1, 0) is None
    assert divide.__doc__ == "Divides."
    assert faults.counts == {"place": 1}


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_is_the_users_passes(kind: type[BaseException]) -> None:
    with pytest.raises(kind), guard("place"):
        raise kind
    assert faults.counts == {}


def test_a_place_is_told_once_a_minute_and_counted_always(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(5):
        with guard("one"):
            raise ValueError
    with guard("other"):
        raise ValueError
    assert faults.counts == {"one": 5, "other": 1}
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_an_error_whose_text_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    with guard("place"):
        raise Unreadable
    assert "Unreadable: (its text cannot be read)" in capsys.readouterr().err


def test_raised_under_obsv_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBSV_RAISE", "1")
    with pytest.raises(ValueError, match="x"), guard("place"):
        raise ValueError("x")
    assert faults.counts == {"place": 1}


def test_without_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with guard("place"):
        raise ValueError
    faults.tell("a line")


def test_a_line_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        faults.tell("a line")
        faults.tell("another", key="a key")
        faults.tell("yet another", key="a key")
    assert capsys.readouterr().err == "obsv: a line\nobsv: another\n"


def test_places_are_bounded() -> None:
    for number in range(3000):
        faults.report(f"place {number}")
    assert len(faults.counts) <= 1001
    assert faults.counts["other"] >= 1999
