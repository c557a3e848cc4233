"""The wildcards of sampling rules: `*` for any characters, `?` for one (X-Ray developer guide, "Sampling rules")."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Matches = Callable[[str], object]


def compile_pattern(pattern: str, ignore_case: bool = True) -> Matches | None:
    """Return what tells whether a text matches, None where every text does, also one that is missing.

    Case does not count unless asked for, as in AWS's X-Ray SDKs. The time that matching takes grows with the text and
    the pattern, never faster, whatever is in them: the text comes from a client.

    Example:
        >>> bool(compile_pattern("/orders/*/items")("/Orders/7/items"))
        True
    """
    if not pattern.strip("*"):
        return None if pattern else re.compile("").fullmatch
    first, *rest = re.split(r"\*+", pattern)
    expression = _literal(first)
    if rest:
        *middle, last = rest
        # Atomic: what lies between two stars is found at its first place, and no other one is tried again.
        expression += "".join([f"(?>.*?{_literal(part)})" for part in middle if part])
        expression += ".*" + _literal(last)
    return re.compile(expression, re.DOTALL | (re.IGNORECASE if ignore_case else 0)).fullmatch


def _literal(text: str) -> str:
    return "".join(["." if character == "?" else re.escape(character) for character in text])
