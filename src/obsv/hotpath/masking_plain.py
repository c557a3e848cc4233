"""The interpreted twin of ``_scan.pxd``. It may find something a little more often, and never less."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .span import Span

LITERALS = {
    "J": ("eyJ",),
    "I": ("AKIA", "ASIA", "AIza"),
    "_": ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "shpat_", "sk_", "rk_", "whsec_", "npm_", "hf_"),
    "-": ("----BEGIN", "xox", "sk-", "glpat-", "pypi-"),
    ".": ("SG.", "ya29."),
    "/": ("services/", "webhooks/"),
}
"""What the tokens begin with that the rules know, by a character in each: most texts have few of these six."""

_FILLING = " \t\"'\\]_-.0123456789"
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz_")
_FLAG = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")

FEWEST = 10**13
"""The smallest integer that may be the number of a card."""


def remember(known: set[str], text: str, most: int) -> None:
    """Add to what is known to be harmless, and forget the rest when that gets too much."""
    if len(known) >= most:
        known.clear()
    known.add(text)


def all_known(pairs: Mapping[Any, Any], names: set[str], texts: set[str]) -> bool:
    """Tell whether all of these names and values are known to be harmless, or are of a kind that is."""
    if not names.issuperset(pairs):
        return False
    for value in pairs.values():
        kind = type(value)
        if kind is str:
            if value not in texts:
                return False
        elif kind is not bool and kind is not float and (kind is not int or value >= FEWEST):
            return False
    return True


def span_known(span: Span, names: set[str], texts: set[str]) -> bool:
    """Tell whether a span has nothing but a name and attributes, all of them known to be harmless."""
    name = span.name
    return (
        type(name) is str
        and name in texts
        and not (span.event_list or span.link_list or span.status_message)
        and all_known(span.told, names, texts)  # type: ignore[arg-type]
    )


def suspicious(text: str, table: bytes) -> bool:
    """Tell whether a text has to be looked at closely."""
    if table[61]:  # the byte of "=", and so on: which groups of rules are on
        for mark in "=:":
            at = text.find(mark)
            while at >= 0:
                if _named(text, at, table):
                    return True
                at = text.find(mark, at + 1)
        if "--" in text and _flag(text, table):
            return True
    if table[46]:
        if "://" in text and "@" in text:
            return True
        for mark in LITERALS:
            if mark in text:
                for literal in LITERALS[mark]:
                    if literal in text:
                        return True
        if " " in text or "\t" in text or "\n" in text:
            lower = text.lower()
            if "bearer" in lower or "basic" in lower:
                return True
    if table[52] and len(text) >= 14 and sum([text.count(digit) for digit in "0123456789"]) >= 14:
        return True
    return bool(table[64]) and "@" in text


def _named(text: str, end: int, table: bytes) -> bool:
    """Tell whether the text before ``end`` ends like a name whose values are secret."""
    while end > 0 and text[end - 1] in _FILLING:
        end -= 1
    number = length = 0
    before = ""
    while end > 0 and length < 6:
        end -= 1
        letter = text[end].lower()
        if letter == "-":
            letter = "_"
        if letter == "_" == before:
            continue
        if letter not in _LETTERS:
            return False
        before = letter
        number = (number * 33 + ord(letter)) & 0xFFFFFFFF
        length += 1
        if table[256 + number % 8191] >> length & 1:
            return True
    return False


def _flag(text: str, table: bytes) -> bool:
    """Tell whether an option of a command line, its value behind a blank, may be secret."""
    at = text.find("--")
    while at >= 0:
        end = at + 2
        while end < len(text) and text[end] in _FLAG:
            end += 1
        if end < len(text) and _named(text, end, table):
            return True
        at = text.find("--", end)
    return False
