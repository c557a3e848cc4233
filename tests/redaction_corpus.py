"""Reads the corpus of redaction: see the beginnings of its files."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent / "unit" / "redaction"


def _filled(text: str) -> str:
    def fill(match: re.Match[str]) -> str:
        letters = "FAKE0" if match[2] else "Fake0"
        return (letters * 60)[: int(match[1])]

    return re.sub(r"\{(\d+)(A?)\}", fill, text).replace(r"\n", "\n")


def _lines(name: str) -> list[str]:
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def masked() -> list[tuple[str, str]]:
    """Return texts with secrets, and what is left of each."""
    pairs = [line.split(" ⇒ ") for line in _lines("corpus_masked.txt")]
    return [(_filled(before), _filled(after)) for before, after in pairs]


def kept() -> list[str]:
    """Return texts without secrets."""
    return [_filled(line) for line in _lines("corpus_kept.txt")]


def names() -> list[tuple[str, bool]]:
    """Return names, and whether each is secret."""
    return [(name, line[0] == "+") for line in _lines("names.txt") for name in line[1:].split()]
