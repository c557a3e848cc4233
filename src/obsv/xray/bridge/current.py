"""Which span is meant: the current one, the segment around it, and what a new segment begins below.

obsv's context variable says what is current, for threads and tasks alike. What was current before a span is written on
the span's record by the bridge, and in the context variable's token for all others.
"""

from __future__ import annotations

import os
from _contextvars import Token
from time import time_ns
from weakref import WeakKeyDictionary

from obsv.hotpath import headers
from obsv.hotpath.headers import parse_xray
from obsv.hotpath.span import OUTLET, SAMPLED, Remote, Scope, Span, attach, current, new_span, resolve

from .words import LAMBDA_TASK_ROOT_KEY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

SCOPE = Scope("obsv.xray.bridge")
"""The scope of segments and subsegments that programs begin."""

BEFORE = "_before"
"""Key of a record: what was current before the span began."""
KIND = "_kind"
"""Key of a record: the class of a span that the bridge has begun."""
FACADE = "obsv.xray.facade"
"""Key among what travels along with a parent: it is the segment of Lambda's service, made current by the program."""

MAX_STEPS = 1000  # spans inside each other that are looked through

_records: WeakKeyDictionary[Span, dict[str, Any]] = WeakKeyDictionary()
_invoked: tuple[int, int] | None = None  # the trace of the last invocation of Lambda's that was seen


def record_of(span: Span) -> dict[str, Any]:
    """Return what is remembered about a span as long as it lives. It must not hold the span: that would be for ever."""
    record = _records.get(span)
    if record is None:
        record = {
            "http": {}, "annotations": {}, "metadata": {}, "aws": {}, "cause": {}, "subsegments": [], "sql": {},
        }  # fmt: skip
        _records[span] = record
    return record


def begun_here(span: Span) -> Any:
    """Return the class of a span that the bridge has begun, None for all others."""
    record = _records.get(span)
    return None if record is None else record.get(KIND)


def before(span: Span) -> Any:
    """Return what was current when ``span`` became current, None where that cannot be known."""
    record = _records.get(span)
    if record is not None and BEFORE in record:
        return record[BEFORE]
    token = span.token
    if token is None:
        return None
    old = token.old_value
    return None if old is Token.MISSING else old


def around() -> Iterator[Span]:
    """Go through the open spans that are current here, from the innermost outwards."""
    state = resolve(now())
    for _ in range(MAX_STEPS):
        if type(state) is not Span:
            return
        if not state.ended:
            yield state
        state = resolve(before(state))


def is_local_root(span: Span) -> bool:
    """Tell whether a span is the first of its trace in this process."""
    return not span.parent64 or span.parent_remote


def leave(span: Span) -> None:
    """Make current again what was so before ``span``, where it is current here.

    No token does it: an end may come in another context than the beginning, and this one's state counts. What has ended
    meanwhile is passed over.
    """
    if resolve(current()) is not span:
        return
    state = before(span)
    for _ in range(MAX_STEPS):
        known = resolve(state)
        if type(known) is not Span or not known.ended or begun_here(known) is None:
            break
        state = before(known)
    attach(state)


def beneath() -> Any:
    """Return what is current beneath everything that the bridge has begun here."""
    state = current()
    for _ in range(MAX_STEPS):
        known = resolve(state)
        if _is_facade(known):
            return None
        if type(known) is not Span or begun_here(known) is None:
            return state
        state = before(known)
    return None


def _is_facade(known: Any) -> bool:
    return type(known) is Remote and known.base is not None and FACADE in known.base


# ---------------------------------------------------------------------- what a new one begins below


def ids_of(trace_id: object) -> tuple[int, int] | None:
    """Read ``1-<8 hex>-<24 hex>``."""
    parsed = parse_xray(f"Root={trace_id}") if isinstance(trace_id, str) else None
    return None if parsed is None else parsed[:2]


def span_id_of(text: object) -> int:
    """Read 16 hex digits; 0 where there are none."""
    try:
        number = int(text, 16) if isinstance(text, str) and len(text) == 16 else 0
    except ValueError:
        number = 0
    return max(number, 0)


def in_lambda() -> bool:
    """Tell whether this is a Lambda function: there the service begins the segment of each invocation."""
    return bool(os.environ.get(LAMBDA_TASK_ROOT_KEY))


def invocation() -> Remote | None:
    """Return the segment that the Lambda service has begun for this invocation, None elsewhere and while starting."""
    global _invoked
    given = headers.invocation() if in_lambda() else None
    if given is not None:
        _invoked = (given.trace_hi, given.trace_lo)
    return given


def now() -> Any:
    """Return what is current here, below which a subsegment begins: in Lambda at least the invocation.

    What an earlier invocation of a function has left open is let go.
    """
    state = current()
    if not in_lambda():
        return state
    given = invocation()
    if _left_open(resolve(state), given):
        state = beneath()
        attach(state)
    return given if state is None else state


def _left_open(known: Any, given: Remote | None) -> bool:
    """Tell whether what is current here is an earlier invocation's."""
    if _is_facade(known):
        return given is None or (known.trace_hi, known.trace_lo) != _invoked
    if type(known) is not Span or begun_here(known) is None or type(resolve(beneath())) is Span:
        return False
    return ((known.trace_hi, known.trace_lo) == _invoked) is (given is None)


def handed_over(facade: Span) -> Remote:
    """Return the segment that a facade stands for, as what is made current."""
    ids = (facade.trace_hi, facade.trace_lo, facade.id64)
    given = invocation()
    if given is not None and (given.trace_hi, given.trace_lo, given.id64) == ids:
        given.base = {**(given.base or {}), FACADE: True}
        return given
    return Remote(*ids, facade.flags, base={FACADE: True})


def above_segment(trace_id: object, parent_id: object, sampling: object) -> Any:
    """Return what a segment begins below.

    In an invocation of Lambda: the service's segment, whatever a request says. Where ids are given: that trace. Else
    what is current beneath other segments, a server's span for instance: a segment that was left open is not continued.
    Else a new trace.

    Args:
        trace_id: ``1-<8 hex>-<24 hex>`` or None.
        parent_id: 16 hex digits or None.
        sampling: 0: not sampled; None: not decided; otherwise sampled.
    """
    state = beneath()
    known = resolve(state)
    given = invocation()
    ids = ids_of(trace_id) if given is None else None
    flags = SAMPLED if sampling else 0
    decided = sampling is not None
    if ids is not None:
        if type(known) is Span and (known.trace_hi, known.trace_lo) == ids:
            return state
        return Remote(*ids, span_id_of(parent_id), flags, decided=decided)
    if state is not None:
        return state
    if given is not None or not decided:
        return given
    drawn = new_span(SCOPE, "", 0)
    drawn.draw_ids(True)
    hi = drawn.trace_hi
    if OUTLET.time_ids:
        hi = (time_ns() // 1_000_000_000) << 32 | hi & 0xFFFFFFFF
    return Remote(hi, drawn.trace_lo, 0, flags)


def unsampled(state: Any) -> Any:
    """Return a parent like ``state`` under which nothing is sampled."""
    known = resolve(state)
    if (type(known) is Span and known.id64) or type(known) is Remote:
        return Remote(known.trace_hi, known.trace_lo, known.id64, known.flags & ~SAMPLED, known.tracestate, known.base)
    return above_segment(None, None, 0) if known is None else state
