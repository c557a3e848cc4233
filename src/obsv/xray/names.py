"""Names, ids and times as X-Ray writes them (X-Ray developer guide, "Segment documents")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obsv.hotpath.errors import safe_text

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_NAME = 200
MAX_STRING = 250
"""Longest string in most fields."""

_SYMBOLS = frozenset("_.:/%&#=+-@")


def segment_name(*candidates: object) -> str:
    """Return the first candidate with something left of it: 1 to 200 letters, digits, spaces and ``_.:/%&#=+-@``.

    Characters outside the Basic Multilingual Plane go too: X-Ray's schema counts and checks UTF-16 units.
    """
    for candidate in candidates:
        if not candidate:
            continue
        text = safe_text(candidate)
        if not (text.isascii() and text.replace("_", "").replace("-", "").replace(".", "").isalnum()):
            text = "".join([_character(character) for character in text])
        text = text.strip()[:MAX_NAME].rstrip()
        if text:
            return text
    return "unnamed"


def _character(character: str) -> str:
    if character in _SYMBOLS:
        return character
    if character.isspace():
        return " "
    return character if character.isalnum() and character < "\U00010000" else ""


def trace_id(high: int, low: int) -> str:
    """Return a W3C trace id in X-Ray's form, ``1-<8 hex>-<24 hex>``."""
    digits = f"{high:016x}{low:016x}"
    return f"1-{digits[:8]}-{digits[8:]}"


def annotation_key(key: object) -> str:
    """Return an allowed key, 1 to 500 ASCII letters, digits and underscores; empty when nothing is left."""
    text = safe_text(key)
    if not (text.isascii() and text.isidentifier()):
        text = "".join([c if c.isascii() and c.isalnum() else "_" for c in text])
    return text[:500] if text.strip("_") else ""


def take(attributes: dict[str, Any], *keys: str) -> Any:
    """Remove ``keys`` and return the first value that is not None."""
    found = None
    for key in keys:
        value = attributes.pop(key, None)
        if found is None:
            found = value
    return found


def first(attributes: Mapping[str, Any], *keys: str) -> Any:
    """Return the first value that is not None or empty, and leave it there."""
    for key in keys:
        value = attributes.get(key)
        if value is not None and value != "":
            return value
    return None


def text(value: object) -> str:
    """Return a value as text; of a list its first member, as headers are recorded."""
    if isinstance(value, (tuple, list)):
        value = value[0] if value else ""
    return safe_text(value)


def integer(value: object) -> int | None:
    """Return a value as an integer that any JSON reader understands, or None."""
    if isinstance(value, (tuple, list)):
        value = value[0] if value else None
    if value is None or isinstance(value, bool):
        return None
    try:
        number = int(value)  # type: ignore[call-overload]
    except Exception:  # noqa: BLE001 - text that is no number, NaN, or a value's own __int__
        return None
    return number if abs(number) < 2**63 else None


def without_password(url: str) -> str:
    """Return a URL or connection string without the credentials in it.

    >>> without_password("postgresql://me:secret@db/shop"), without_password("host=db user=me password=secret")
    ('postgresql://db/shop', 'host=db user=me')
    """
    start = url.find("://")
    if start >= 0:
        start += 3
        end = min([at for at in (url.find(mark, start) for mark in "/?#") if at >= 0], default=len(url))
        at = url.rfind("@", start, end)
        _, colon, port = url[start:end].rpartition(":")
        if at < 0 and colon and port and not port.isdigit() and not port.endswith("]"):
            at = url.rfind("@")  # no port, but a password with one of the marks in it, which many libraries take
        if at >= 0:
            url = url[:start] + url[at + 1 :]
    lower = url.lower()
    if "password" in lower or "pwd" in lower:
        import re

        url = re.sub(r"(?i)[?&;\s]*\b(password|passwd|pwd)\s*=\s*('[^']*'|\"[^\"]*\"|[^&;\s]*)", "", url)
    return url
