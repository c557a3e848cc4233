"""Makes a span that alone is larger than a datagram fit: it loses detail, with a count, and is never lost itself."""

from __future__ import annotations

from typing import Any

from obsv.hotpath.jsontext import dumps, quote, utf8

MIN_BYTES = 2000
"""The smallest limit that any span can be trimmed to."""

_LONG = 4_000  # characters that a string keeps at first
_SHORT = 500  # and when that was not enough
_FRAMES = 8  # frames that a stack keeps
_BLOCKS = (
    *("links", "precursor_ids", "cause", "sql", "aws", "http", "annotations", "service", "user", "origin"),
    *("resource_arn", "metadata"),
)


def encode(fields: dict[str, Any]) -> str:
    """Write fields as members of an object, without braces. Half surrogate pairs become ``?``: it is valid UTF-8."""
    text = ",".join([f"{quote(key)}:{dumps(value)}" for key, value in fields.items()])
    return text if text.isascii() else utf8(text).decode()


def fit(fields: dict[str, Any], room: int) -> str:
    """Write fields within ``room`` bytes, trimming what is least missed first.

    In order: the tails of very long strings, metadata (the largest entries first), the tails of long strings, stack
    frames, all exceptions but the first, links, annotations (the largest first), and at last whole blocks.
    ``metadata.obsv.trimmed`` says how many of each went.
    """
    text = encode(fields)
    if len(text) <= room and (text.isascii() or len(utf8(text)) <= room):
        return text
    counts = _earlier(fields)
    for step in (_long_strings, _metadata, _strings, _frames, _exceptions, _annotations, _blocks):
        step(fields, room - _size(fields) - 200, counts)  # 200: what the count itself takes
        marked = dict(fields)
        metadata = fields.get("metadata", {})
        marked["metadata"] = {**metadata, "obsv": {**metadata.get("obsv", {}), "trimmed": counts}}
        text = encode(marked)
        if len(utf8(text)) <= room:
            return text
    return text


def _earlier(fields: dict[str, Any]) -> dict[str, int]:
    """Take the counts of an earlier trimming out of the fields: a transport with smaller datagrams trims again."""
    metadata = fields.get("metadata")
    own = metadata.get("obsv") if isinstance(metadata, dict) else None  # a program may have a namespace of this name
    counts = own.pop("trimmed", None) if isinstance(own, dict) else None
    return {key: count for key, count in counts.items() if type(count) is int} if isinstance(counts, dict) else {}


def _size(value: object) -> int:
    return len(utf8(dumps(value)))


def _metadata(fields: dict[str, Any], spare: int, counts: dict[str, int]) -> None:
    _drop_largest(
        [
            (space, key)
            for space in fields.get("metadata", {}).values()
            if isinstance(space, dict)
            for key in list(space)
        ],
        spare,
        "metadata",
        counts,
    )
    metadata = {name: space for name, space in fields.get("metadata", {}).items() if space}
    if metadata:
        fields["metadata"] = metadata
    else:
        fields.pop("metadata", None)


def _annotations(fields: dict[str, Any], spare: int, counts: dict[str, int]) -> None:
    annotations = fields.get("annotations")
    if annotations:
        _drop_largest([(annotations, key) for key in list(annotations)], spare, "annotations", counts)


def _drop_largest(entries: list[tuple[dict[str, Any], str]], spare: int, what: str, counts: dict[str, int]) -> int:
    """Drop members, the largest first, until ``spare`` (negative: bytes too many) is no longer negative."""
    sized = [(_size(space[key]) + len(utf8(quote(key))) + 2, space, key) for space, key in entries]
    sized.sort(key=lambda entry: -entry[0])
    for size, space, key in sized:
        if spare >= 0:
            break
        del space[key]
        spare += size
        counts[what] = counts.get(what, 0) + 1
    return spare


def _long_strings(fields: dict[str, Any], spare: int, counts: dict[str, int]) -> None:
    if spare < 0:
        _cut(fields, _LONG, counts)


def _strings(fields: dict[str, Any], spare: int, counts: dict[str, int]) -> None:
    if spare < 0:
        _cut(fields, _SHORT, counts)


def _cut(fields: dict[str, Any], length: int, counts: dict[str, int]) -> None:
    blocks = [fields[name] for name in ("sql", "aws") if isinstance(fields.get(name), dict)]
    for block in [*blocks, *_exceptions_of(fields)]:
        for key, value in block.items():
            if isinstance(value, str) and len(value) > length + 1:
                block[key] = value[:length] + "…"
                counts["strings"] = counts.get("strings", 0) + 1


def _frames(fields: dict[str, Any], spare: int, counts: dict[str, int]) -> None:
    if spare >= 0:
        return
    for exception in _exceptions_of(fields):
        stack = exception.get("stack") or []
        for frame in stack:
            for key in ("path", "label"):
                frame[key] = str(frame.get(key) or "")[-200:]
        gone = len(stack) - _FRAMES
        if gone > 0:
            exception["truncated"] = exception.get("truncated", 0) + gone
            exception["stack"] = stack[:_FRAMES]
            counts["frames"] = counts.get("frames", 0) + gone


def _exceptions(fields: dict[str, Any], spare: int, counts: dict[str, int]) -> None:
    if spare >= 0:
        return
    exceptions = _exceptions_of(fields)
    if len(exceptions) > 1:
        exceptions[0].pop("cause", None)
        fields["cause"] = {"exceptions": exceptions[:1]}
        counts["exceptions"] = counts.get("exceptions", 0) + len(exceptions) - 1
    links = fields.pop("links", None)
    if links:
        counts["links"] = counts.get("links", 0) + len(links)


def _blocks(fields: dict[str, Any], spare: int, counts: dict[str, int]) -> None:
    for name in _BLOCKS:
        if spare >= 0:
            break
        if name in fields:
            spare += _size(fields.pop(name)) + len(name) + 4
            counts["blocks"] = counts.get("blocks", 0) + 1


def _exceptions_of(fields: dict[str, Any]) -> list[dict[str, Any]]:
    block = fields.get("cause")
    found = block.get("exceptions") if isinstance(block, dict) else None
    return found if isinstance(found, list) else []
