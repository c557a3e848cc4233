"""Makes a log line that is too long fit: the largest values are cut, the small ones stay whole."""

from __future__ import annotations

from ..hotpath.jsontext import dumps, quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SHARE = 256  # bytes that every member gets at least; what cannot have so many is left out, last members first
_KEY = 64  # characters of a field's name that are kept


def shorten(line: str, limit: int) -> str:
    """Return ``line``, a JSON object, in at most ``limit`` bytes of UTF-8.

    Values over the size that lets all fit are cut: text keeps its beginning, a stack its end (where the exception
    is), and an array or object becomes the beginning of its JSON text. What was cut ends in ``...[cut: N
    characters]``, and the member ``truncated`` counts the values that were cut or left out.

    Args:
        line: A JSON object on one line, with members of any size.
        limit: At least 4096.
    """
    import json

    whole: dict[str, Any] = json.loads(line)
    error = whole.get("exception")
    places: list[tuple[dict[str, Any], str]] = []
    kept: dict[str, Any] = {}
    most = limit // (2 * _SHARE)
    for key, value in whole.items():
        if len(places) >= most:
            break
        name = key if len(key) <= _KEY else key[:_KEY] + "..."
        kept[name] = value
        if value is error and isinstance(error, dict):
            places += [(error, part) for part in error]
        else:
            places.append((kept, name))
    left_out = len(whole) - len(kept)
    # Every name, its quotes, colon and comma, the braces and the member `truncated`.
    budget = limit - sum([_size(quote(key)) + 2 for _, key in places]) - 64
    sized = [(container, key, *_measured(container[key], limit)) for container, key in places]
    cap = _cap([size for *_, size in sized], budget)
    cut = 0
    for container, key, text, size in sized:
        if size > cap:
            container[key] = _cut(text, cap, from_end=key == "stack" and container is error)
            cut += 1
    kept["truncated"] = cut + left_out
    return dumps(kept).encode("utf-8", "backslashreplace").decode()


def _measured(value: Any, limit: int) -> tuple[str, int]:
    """Return a value's text (of a structure its JSON), and the bytes that it takes; of a too long text, at least."""
    if not isinstance(value, str):
        text = dumps(value)
        return text, _size(text)
    return value, len(value) if len(value) > limit else _size(quote(value))


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "backslashreplace"))


def _cap(sizes: list[int], budget: int) -> int:
    """Find the largest size that each may have so that all together stay within the budget."""
    left = len(sizes)
    for size in sorted(sizes):
        if size > budget // left:
            return budget // left
        budget -= size
        left -= 1
    return budget


def _cut(text: str, cap: int, *, from_end: bool) -> str:
    """Cut a text to one whose JSON literal has at most ``cap`` bytes."""
    mark = f"...[cut: {len(text)} characters]"
    room = cap - len(mark) - 2
    keep = max(room, 0)
    while True:
        piece = text[-keep:] if from_end and keep else text[:keep]
        size = _size(quote(piece)) - 2
        if size <= room or not keep:
            return mark + piece if from_end else piece + mark
        # Escapes and UTF-8 make text longer; one step in proportion is nearly always enough.
        keep = min(keep * room // size, keep - 1)
