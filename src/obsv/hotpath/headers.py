"""The headers in which a trace travels: W3C ``traceparent``, ``tracestate`` and ``baggage``, and AWS's
``X-Amzn-Trace-Id``.

Parsing never raises: a malformed header is as good as none, and gives a new trace.
"""

from __future__ import annotations

from .span import RANDOM, SAMPLED, Remote, Span, current, resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping
    from typing import Any

TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"
BAGGAGE = "baggage"
XRAY = "X-Amzn-Trace-Id"

_HEX = frozenset("0123456789abcdef")
_MASK = 0xFFFFFFFFFFFFFFFF
_MAX_OTHERS = 1024  # characters of unknown pairs of an X-Ray header that are passed on
_MAX_BAGGAGE_BYTES = 8192  # W3C Baggage, "Limits"
_MAX_BAGGAGE_MEMBERS = 180  # what OpenTelemetry's propagator keeps

BASE_BAGGAGE = "obsv.baggage"
"""Key of a span's ``base`` under which the incoming ``baggage`` header stands, as text."""
BASE_XRAY = "obsv.xray"
"""Key of a span's ``base`` under which the X-Ray header's other pairs (``Lineage``, …) stand, as text."""

formats: tuple[str, ...] = ("tracecontext", "baggage", "xray")
"""What is written and understood, set by ``init()`` from the ``propagators`` setting."""


def set_formats(names: tuple[str, ...]) -> None:
    """Choose the formats; when several are present in a request, the first one that is valid wins."""
    global formats
    formats = names


_write_baggage: Callable[[Any], str | None] | None = None


def set_baggage_writer(write: Callable[[Any], str | None] | None) -> None:
    """Install what writes the baggage that OpenTelemetry's API put into a context."""
    global _write_baggage
    _write_baggage = write


def parse_traceparent(text: str) -> tuple[int, int, int, int] | None:
    """Read a ``traceparent`` (W3C Trace Context level 2, "traceparent Header").

    Returns:
        Upper and lower half of the trace id, span id and flags; None when it is malformed.
    """
    text = text.strip(" \t")
    if len(text) < 55 or text[2] != "-" or text[35] != "-" or text[52] != "-":
        return None
    version, trace, parent, flags = text[:2], text[3:35], text[36:52], text[53:55]
    if not _HEX.issuperset(version + trace + parent + flags) or version == "ff":
        return None
    if len(text) > 55 and (version == "00" or text[55] != "-"):
        return None
    hi, lo, span = int(trace[:16], 16), int(trace[16:], 16), int(parent, 16)
    if not (hi or lo) or not span:
        return None
    # Level 2 defines sampled and random; other bits must not be passed on.
    return hi, lo, span, int(flags, 16) & (SAMPLED | RANDOM)


def parse_xray(text: str) -> tuple[int, int, int, bool | None, str] | None:
    """Read an ``X-Amzn-Trace-Id`` in any order and spacing; ``Parent`` and ``Sampled`` may be missing (load balancers).

    Returns:
        Both halves of the trace id, the parent's id (0 when there is none), whether it is sampled (None: undecided) and
        the other pairs verbatim; None when there is no valid ``Root``.
    """
    hi = lo = parent = 0
    sampled: bool | None = None
    others: list[str] = []
    for part in text.split(";"):
        key, equals, value = part.strip().partition("=")
        key, value = key.strip(), value.strip()
        word = key.lower()
        if word == "root":
            pieces = value.split("-")
            digits = "".join(pieces[1:]).lower()
            if [len(piece) for piece in pieces] != [1, 8, 24] or pieces[0] != "1" or not _HEX.issuperset(digits):
                return None
            hi, lo = int(digits[:16], 16), int(digits[16:], 16)
        elif word == "parent":
            if len(value) == 16 and _HEX.issuperset(value.lower()):
                parent = int(value, 16)
        elif word == "sampled":
            sampled = {"1": True, "0": False}.get(value)
        elif word == "self":
            continue
        elif equals and key:
            others.append(f"{key}={value}")
    rest = ";".join(others)
    return (hi, lo, parent, sampled, rest if may_travel(rest, _MAX_OTHERS) else "") if hi or lo else None


def format_xray(span: Span | Remote, others: str = "") -> str:
    """Write an ``X-Amzn-Trace-Id`` header."""
    trace = f"{span.trace_hi:016x}{span.trace_lo:016x}"
    parts = [f"Root=1-{trace[:8]}-{trace[8:]}"]
    if span.id64:
        parts.append(f"Parent={span.id64:016x}")
    if type(span) is not Remote or span.decided:
        parts.append(f"Sampled={span.flags & SAMPLED}")
    if others:
        parts.append(others)
    return ";".join(parts)


def may_travel(text: str, longest: int) -> bool:
    """Tell whether a text may stand in an outgoing header: with a line break in it the request would fail."""
    return len(text) <= longest and text.isascii() and text.isprintable()


def extract(get: Callable[[str], str | None]) -> Remote | None:
    """Read the parent from incoming headers.

    Args:
        get: Returns a header's value by its name in lower case, or None.

    Returns:
        The parent to begin a span below, or None where the headers name none.
    """

    def read(name: str) -> str | None:
        text = get(name)
        return text if isinstance(text, str) else None

    base: dict[str, Any] = {}
    found: Remote | None = None
    for name in formats:
        if name == "baggage":
            text = read(BAGGAGE)
            if text and may_travel(text, _MAX_BAGGAGE_BYTES):
                base[BASE_BAGGAGE] = text
        elif found is not None:
            continue
        elif name == "tracecontext":
            text = read(TRACEPARENT)
            ids = parse_traceparent(text) if text else None
            if ids is not None:
                found = Remote(*ids, tracestate=clean_tracestate(read(TRACESTATE)))
        elif name == "xray":
            text = read("x-amzn-trace-id")
            pairs = parse_xray(text) if text else None
            if pairs is not None:
                hi, lo, parent, sampled, others = pairs
                found = Remote(hi, lo, parent, SAMPLED if sampled else 0, decided=sampled is not None)
                if others:
                    base[BASE_XRAY] = others
    if found is None and base:
        found = Remote(0, 0, 0, 0)
    if found is not None and base:
        found.base = base
    return found


def inject(headers: MutableMapping[str, Any]) -> None:
    """Write the current trace into outgoing headers. Headers that the caller set himself are left alone."""
    state = resolve(current())
    if type(state) is not Span and type(state) is not Remote:
        return
    for name, value in outgoing(state):
        if name not in headers and name.lower() not in headers:
            headers[name] = value


def outgoing(state: Span | Remote) -> list[tuple[str, str]]:
    """Return the headers that carry ``state``, as pairs."""
    pairs: list[tuple[str, str]] = []
    base: Mapping[Any, Any] = state.base or {}
    has_trace = bool(state.trace_hi or state.trace_lo)
    for name in formats:
        if name == "tracecontext" and has_trace and state.id64:
            trace = f"{state.trace_hi:016x}{state.trace_lo:016x}"
            pairs.append((TRACEPARENT, f"00-{trace}-{state.id64:016x}-{state.flags & 3:02x}"))
            if state.tracestate:
                pairs.append((TRACESTATE, state.tracestate))
        elif name == "baggage":
            text = (_write_baggage(base) if _write_baggage is not None else None) or base.get(BASE_BAGGAGE)
            if text:
                pairs.append((BAGGAGE, text))
        elif name == "xray" and has_trace:
            pairs.append((XRAY, format_xray(state, base.get(BASE_XRAY, ""))))
    return pairs


def clean_tracestate(text: str | None) -> str | None:
    """Return a ``tracestate`` that may be passed on: printable ASCII, at most 32 members, empty ones removed; else
    None.

    Rule: W3C Trace Context, "tracestate Header": a header that cannot be parsed is dropped, the ``traceparent`` stays
    valid.
    """
    if not text:
        return None
    members = [member.strip(" \t") for member in text.split(",")]
    members = [member for member in members if member]
    if len(members) > 32 or not text.isascii():
        return None
    keys = set()
    for member in members:
        key, _, value = member.partition("=")
        if not _valid_key(key) or not 0 < len(value) <= 256 or not value.isprintable() or "=" in value:
            return None
        keys.add(key)
    return ",".join(members) if members and len(keys) == len(members) else None


_KEY_START = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_KEY_CHARACTERS = _KEY_START | frozenset("_-*/@")


def _valid_key(key: str) -> bool:
    return 0 < len(key) <= 256 and key[0] in _KEY_START and _KEY_CHARACTERS.issuperset(key) and key.count("@") <= 1


def parse_baggage(text: str) -> dict[str, str]:
    """Read a ``baggage`` header (W3C Baggage): values decoded, properties left out, malformed members skipped."""
    from urllib.parse import unquote_plus

    pairs: dict[str, str] = {}
    for member in text.split(",")[:_MAX_BAGGAGE_MEMBERS]:
        key, equals, value = member.partition(";")[0].partition("=")
        if equals and key.strip():
            pairs[unquote_plus(key.strip())] = unquote_plus(value.strip())
    return pairs
