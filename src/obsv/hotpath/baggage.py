"""The ``baggage`` header (W3C Baggage): read, checked and written. Loaded with the hot path, used where one is there.

Members that the grammar does not allow are skipped, so that what is passed on is always valid.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES = 8192
"""Bytes of a header that are passed on (W3C Baggage, "Limits")."""

MAX_MEMBERS = 64
"""Members that are passed on (W3C Baggage, "Limits")."""

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_TOKEN = frozenset(_LETTERS + "!#$%&'*+-.^_`|~")  # RFC 9110, "Tokens"
_OCTETS = frozenset(chr(code) for code in range(0x21, 0x7F)) - frozenset('",;\\')
_PLAIN_VALUE = "!#$&'()*+-./:<=>?@[]^_`{|}~"  # what a value may hold as it is, "%" aside


class Member:
    """One member: its ``key`` and ``value`` decoded, and its ``text`` as it came, properties included."""

    __slots__ = ("key", "text", "value")

    def __init__(self, key: str, value: str, text: str) -> None:
        self.key = key
        self.value = value
        self.text = text


def members(text: str) -> list[Member]:
    """Return the valid members of a header, as far as the limits allow."""
    if len(text) > MAX_BYTES:
        text = text[: MAX_BYTES + 1].rpartition(",")[0]
    found: list[Member] = []
    for part in text.split(","):
        part = part.strip(" \t")
        pair, semicolon, properties = part.partition(";")
        key, equals, value = pair.partition("=")
        key, value = key.strip(" \t"), value.strip(" \t")
        if not equals or not key or not _TOKEN.issuperset(key) or not _OCTETS.issuperset(value):
            continue
        if semicolon and not all([_is_property(each) for each in properties.split(";")]):
            continue
        found.append(Member(_decoded(key), _decoded(value), part))
        if len(found) == MAX_MEMBERS:
            break
    return found


def _is_property(text: str) -> bool:
    key, equals, value = text.partition("=")
    key = key.strip(" \t")
    return bool(key) and _TOKEN.issuperset(key) and (not equals or _OCTETS.issuperset(value.strip(" \t")))


def _decoded(text: str) -> str:
    if "%" not in text:
        return text
    from urllib.parse import unquote

    return unquote(text)


_cleaned: dict[str, str] = {}


def clean_baggage(text: str) -> str | None:
    """Return a header that may be passed on, None where nothing of it may."""
    known = _cleaned.get(text)  # services behind each other often carry the same
    if known is None:
        known = ",".join([member.text for member in members(text)])
        if len(_cleaned) >= 64:
            _cleaned.clear()
        _cleaned[text] = known
    return known or None


def parse_baggage(text: str) -> dict[str, str]:
    """Read a header: values decoded, properties left out, malformed members skipped. Of a key twice the last counts."""
    return {member.key: member.value for member in members(text)}


def format_baggage(pairs: Mapping[str, str], incoming: str | None = None) -> str:
    """Write the header for what a program put into its baggage; what does not fit is left out.

    Args:
        pairs: Keys and values, not encoded.
        incoming: The header that came. Members that are still the same go on as they came, with their properties.

    Example:
        >>> format_baggage({"user": "Amélie"})
        'user=Am%C3%A9lie'
    """
    came = {(member.key, member.value): member.text for member in members(incoming)} if incoming else {}
    written: list[str] = []
    left = MAX_BYTES
    for key, value in pairs.items():
        text = came.get((key, value)) or _member(key, value)
        if text and len(text) <= left:
            written.append(text)
            left -= len(text) + 1
            if len(written) == MAX_MEMBERS:
                break
    return ",".join(written)


def _member(key: str, value: str) -> str:
    if not key:
        return ""
    from urllib.parse import quote

    return f"{quote(key, safe='', errors='replace')}={quote(value, safe=_PLAIN_VALUE, errors='replace')}"
