"""The headers in which a trace travels: W3C ``traceparent``, ``tracestate`` and ``baggage``, and AWS's
``X-Amzn-Trace-Id``.

Parsing never raises: a malformed header is as good as none, and gives a new trace. What goes out is always valid.
Other formats (B3, Jaeger) are somebody else's propagators: :func:`set_others` installs what speaks to them.
"""

from __future__ import annotations

import os

from . import faults
from .baggage import MAX_BYTES, clean_baggage
from .baggage import parse_baggage as parse_baggage
from .span import RANDOM, SAMPLED, Remote, Span, current, resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping
    from typing import Any, Protocol

    Reader = Callable[[str], str | None]

    class Others(Protocol):
        """Formats of others, by name."""

        fields: tuple[str, ...]

        def extract(self, name: str, get: Reader) -> Remote | None: ...

        def inject(self, name: str, state: Span | Remote, base: Mapping[Any, Any]) -> list[tuple[str, str]]: ...


TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"
BAGGAGE = "baggage"
XRAY = "X-Amzn-Trace-Id"
INVOCATION = "_X_AMZN_TRACE_ID"
"""The variable that says the same of an invocation of a Lambda function: see `invocation`."""


_HEX = frozenset("0123456789abcdef")
_MASK = 0xFFFFFFFFFFFFFFFF
_MAX_XRAY = 4096  # characters of an X-Ray header that are read
_MAX_OTHERS = 1024  # characters of unknown pairs of an X-Ray header that are passed on
_MAX_TRACESTATE = 8192  # characters of a tracestate that are passed on: servers refuse requests with longer headers
_MAX_STATES = 32  # members of a tracestate
_LONG_STATE = 128  # a longer member is the first to go
_XRAY_KEYS = frozenset(("root", "parent", "sampled", "self"))
_FLAGS = ("00", "01", "02", "03")
_NO_BASE: Mapping[Any, Any] = {}

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
    for learn in _learners:
        learn(names)


_learners: list[Callable[[tuple[str, ...]], None]] = []


def learn_formats(learn: Callable[[tuple[str, ...]], None]) -> None:
    """Call back with :data:`formats`, now and when they are chosen anew."""
    _learners.append(learn)
    learn(formats)


class Correlation:
    """The headers that name a request, and how its log records come by the name.

    Attributes:
        headers: Names of headers in lower case, the first that is there counts.
        begin: Called with the header's value where a request begins; what it returns is for ``end``.
        end: Called where the request ends.
    """

    __slots__ = ("begin", "end", "headers")

    def __init__(self) -> None:
        self.headers: tuple[str, ...] = ()
        self.begin: Callable[[str | None], Any] = _no_name
        self.end: Callable[[Any], None] = _no_name


def _no_name(value: Any) -> None:
    return None


correlation = Correlation()
"""Set by ``init()``."""


def set_correlation(headers: tuple[str, ...], begin: Callable[[str | None], Any], end: Callable[[Any], None]) -> None:
    """Let log records carry what the first of these headers says."""
    correlation.begin, correlation.end = begin, end
    if correlation.headers != headers:
        correlation.headers = headers
        for listener in _listeners:
            listener(other_fields())


_others: Others | None = None
_listeners: list[Callable[[tuple[str, ...]], None]] = []


def set_others(others: Others | None) -> None:
    """Install what reads and writes the formats that are not ours; None for nothing.

    Args:
        others: Its ``fields`` are the names of the headers that it reads, in lower case.
    """
    global _others
    _others = others
    for listener in _listeners:
        listener(other_fields())


def other_fields() -> tuple[str, ...]:
    """Return the headers that are read beside those of :data:`formats`."""
    return () if _others is None else _others.fields


def listen(listener: Callable[[tuple[str, ...]], None]) -> None:
    """Call back with :func:`other_fields`, now and when they change: for servers that look at known headers only."""
    _listeners.append(listener)
    listener(other_fields())


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
    if "," in text:
        text = first_of(text)
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
            others.append(part.strip())
    rest = ";".join(others)
    return (hi, lo, parent, sampled, rest if may_travel(rest, _MAX_OTHERS) else "") if hi or lo else None


def first_of(text: str) -> str:
    """Return the first of several X-Ray headers, which servers join by commas: two of them together would name a trace
    that is neither's. A comma in a pair that nobody knows is left alone."""
    pieces = text.split(",")
    for index in range(1, len(pieces)):
        if pieces[index].partition("=")[0].strip().lower() in _XRAY_KEYS:
            return ",".join(pieces[:index])
    return text


def _asks(text: str) -> bool:
    """Tell whether an X-Ray header wants to know in the answer whether the request is sampled."""
    for part in first_of(text).split(";"):
        key, _, value = part.partition("=")
        if key.strip().lower() == "sampled":
            return value.strip() == "?"
    return False


def answer_xray(span: Span) -> str:
    """Write the ``X-Amzn-Trace-Id`` of an answer to a request that asks for it (X-Ray developer guide, "Tracing
    header")."""
    return _xray(span, f"{span.trace_hi:016x}{span.trace_lo:016x}", "", "")


def format_xray(span: Span | Remote, others: str = "") -> str:
    """Write an ``X-Amzn-Trace-Id`` header."""
    parent = span.id64
    return _xray(span, f"{span.trace_hi:016x}{span.trace_lo:016x}", f"{parent:016x}" if parent else "", others)


def _xray(span: Span | Remote, trace: str, parent: str, others: str) -> str:
    text = f"Root=1-{trace[:8]}-{trace[8:]};Parent={parent}" if parent else f"Root=1-{trace[:8]}-{trace[8:]}"
    if type(span) is not Remote or span.decided:
        text += ";Sampled=1" if span.flags & SAMPLED else ";Sampled=0"
    return f"{text};{others}" if others else text


def may_travel(text: str, longest: int) -> bool:
    """Tell whether a text may stand in an outgoing header: with a line break in it the request would fail."""
    return len(text) <= longest and text.isascii() and text.isprintable()


def extract(get: Reader, names: tuple[str, ...] | None = None) -> Remote | None:
    """Read the parent from incoming headers.

    Args:
        get: Returns a header's value by its name in lower case, or None. A header that came several times is one value,
            joined by commas (RFC 9110, "Field Order").
        names: The formats to read, :data:`formats` when None.

    Returns:
        The parent to begin a span below, or None where the headers name none.
    """

    def read(name: str) -> str | None:
        text = get(name)
        return text if isinstance(text, str) else None

    base: dict[str, Any] = {}
    found: Remote | None = None
    for name in formats if names is None else names:
        if name == "baggage":
            text = read(BAGGAGE)
            text = clean_baggage(text[: MAX_BYTES + 1]) if text else None
            if text:
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
            if text and len(text) > _MAX_XRAY:
                text = text[:_MAX_XRAY]
            pairs = parse_xray(text) if text else None
            if pairs is not None:
                hi, lo, parent, sampled, others = pairs
                found = Remote(hi, lo, parent, SAMPLED if sampled else 0, decided=sampled is not None)
                if sampled is None and text is not None and "?" in text:
                    found.asked = _asks(text)
                if others:
                    base[BASE_XRAY] = others
        elif _others is not None:
            other = _extract_other(_others, name, read)
            if other is not None and other.base:
                base.update(other.base)
            if other is not None and (other.trace_hi or other.trace_lo):
                found = other
    if found is None and base:
        found = Remote(0, 0, 0, 0)
    if found is not None and base:
        found.base = base
    return found


def _extract_other(others: Others, name: str, get: Reader) -> Remote | None:
    try:
        return others.extract(name, get)
    except Exception as error:  # noqa: BLE001 - a propagator of the user's
        faults.report(f"propagator {name}", error)
        return None


def invocation() -> Remote | None:
    """Return the segment that the Lambda service writes for this invocation, None without one.

    Lambda's runtime sets the variable anew for each invocation and deletes it where there is no segment to name; while
    a function starts it is not there. So it is read each time. Where it has no ``Parent``, the trace is known and no
    segment; where it has no ``Sampled``, obsv decides.
    """
    header = os.environ.get(INVOCATION)
    parsed = parse_xray(header) if header else None
    if parsed is None:
        return None
    hi, lo, parent, sampled, others = parsed
    base = {BASE_XRAY: others} if others else None
    return Remote(hi, lo, parent, SAMPLED if sampled else 0, base=base, decided=sampled is not None)


def inject(headers: MutableMapping[str, Any]) -> None:
    """Write the current trace into outgoing headers. Headers that the caller set himself are left alone."""
    state = resolve(current())
    if type(state) is not Span and type(state) is not Remote:
        return
    for name, value in outgoing(state):
        if name not in headers and name.lower() not in headers:
            headers[name] = value


def outgoing(
    state: Span | Remote, base: Mapping[Any, Any] | None = None, names: tuple[str, ...] | None = None
) -> list[tuple[str, str]]:
    """Return the headers that carry ``state``, as pairs.

    Args:
        state: What is current.
        base: What travels along (baggage); that of ``state`` when None.
        names: The formats to write, :data:`formats` when None.
    """
    pairs: list[tuple[str, str]] = []
    if base is None:
        base = state.base or _NO_BASE
    # Both formats are written from the same digits.
    hi, lo, id64 = state.trace_hi, state.trace_lo, state.id64
    trace = f"{hi:016x}{lo:016x}" if hi or lo else ""
    parent = f"{id64:016x}" if id64 else ""
    for name in formats if names is None else names:
        if name == "tracecontext":
            if trace and parent:
                pairs.append((TRACEPARENT, f"00-{trace}-{parent}-{_FLAGS[state.flags & 3]}"))
                if state.tracestate:
                    # Not only that of a header, which is clean already: samplers and OpenTelemetry's API write it too.
                    text = clean_tracestate(state.tracestate)
                    if text:
                        pairs.append((TRACESTATE, text))
        elif name == "baggage":
            if not base:
                continue
            text = _write_baggage(base) if _write_baggage is not None else None
            if text is None:
                text = base.get(BASE_BAGGAGE)
            if text:
                pairs.append((BAGGAGE, text))
        elif name == "xray":
            if trace:
                pairs.append((XRAY, _xray(state, trace, parent, base.get(BASE_XRAY, ""))))
        elif _others is not None:
            try:
                pairs.extend(_others.inject(name, state, base))
            except Exception as error:  # noqa: BLE001 - a propagator of the user's
                faults.report(f"propagator {name}", error)
    return pairs


def clean_tracestate(text: str | None) -> str | None:
    """Return a ``tracestate`` that may be passed on, None where there is none.

    Empty members are removed, and of two with the same key the later one. A member that the grammar does not allow, or
    more than 32, make all of it void; the ``traceparent`` stays valid. Of a very long one the members over 128
    characters go, the last ones first.

    Rule: W3C Trace Context level 2, "tracestate Header", "tracestate Limits" and its test-suite.
    """
    if not text:
        return None
    known = _cleaned.get(text, "")  # most often it is the same for all requests of a caller
    if known == "":
        known = _clean(text) or None
        if len(text) <= 512:
            if len(_cleaned) >= 256:
                _cleaned.clear()
            _cleaned[text] = known
    return known


_cleaned: dict[str, str | None] = {}


def _clean(text: str) -> str | None:
    if not text.isascii():
        return None
    members: dict[str, str] = {}
    count = 0
    for member in text.split(",", 10_000):
        member = member.strip(" \t")
        if not member:
            continue
        count += 1
        key, _, value = member.partition("=")
        if count > _MAX_STATES or not _valid_key(key) or not 0 < len(value) <= 256:
            return None
        if not value.isprintable() or "=" in value:
            return None
        members.setdefault(key, member)
    kept = list(members.values())
    excess = sum([len(member) + 1 for member in kept]) - 1 - _MAX_TRACESTATE
    for index in range(len(kept) - 1, -1, -1):
        if excess > 0 and len(kept[index]) > _LONG_STATE:
            excess -= len(kept.pop(index)) + 1
    return ",".join(kept) or None


_KEY_START = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_KEY_CHARACTERS = _KEY_START | frozenset("_-*/@")


def _valid_key(key: str) -> bool:
    return 0 < len(key) <= 256 and key[0] in _KEY_START and _KEY_CHARACTERS.issuperset(key)
