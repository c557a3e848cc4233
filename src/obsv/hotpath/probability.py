"""How likely it was that a trace is kept, as OpenTelemetry's tracestate says it (``ot=th:c;rv:…``).

OpenTelemetry specification, "TraceState: Probability Sampling". A trace has 56 random bits, the last of its id or
``rv``; with the rejection threshold ``th`` those are kept whose randomness is not below it. A service that keeps fewer
so keeps a part of the same traces.
"""

from __future__ import annotations

BITS = 1 << 56
_HEX = frozenset("0123456789abcdef")
_MAX_MEMBERS = 32  # W3C Trace Context, "tracestate"
_STEPS = 1 << 16  # thresholds are written with four digits at most


def threshold_of(probability: float) -> int:
    """Return the rejection threshold for a probability, to four hex digits.

    Example:
        >>> threshold_of(0.25) == 3 * BITS // 4
        True
    """
    steps = round((1.0 - probability) * _STEPS)
    return max(0, min(steps, _STEPS - 1)) << 40


def weight_of(threshold: int) -> float:
    """Return how many traces one stands for that was kept with this threshold.

    Example:
        >>> weight_of(threshold_of(0.25))
        4.0
    """
    return BITS / (BITS - threshold)


def with_threshold(tracestate: str | None, threshold: int) -> str:
    """Return a ``tracestate`` header that says ``th``; what else it says stays.

    Example:
        >>> with_threshold("vendor=1,ot=rv:0123456789abcd;th:8", threshold_of(0.25))
        'ot=rv:0123456789abcd;th:c,vendor=1'
    """
    word = f"th:{f'{threshold:014x}'.rstrip('0') or '0'}"
    members = [member.strip() for member in (tracestate or "").split(",") if member.strip()]
    own = next((member for member in members if member.startswith("ot=")), "")
    parts = [part for part in own[3:].split(";") if part and not part.startswith("th:")]
    rest = [member for member in members if not member.startswith("ot=")]
    return ",".join(["ot=" + ";".join([*parts, word]), *rest[: _MAX_MEMBERS - 1]])


def said_weight(tracestate: str | None) -> float | None:
    """Return how many traces this one stands for by its ``th``; None where the tracestate says nothing."""
    digits = _part(tracestate, "th:")
    if digits is None or not 0 < len(digits) <= 14 or not _HEX.issuperset(digits):
        return None
    return weight_of(int(digits.ljust(14, "0"), 16))


def randomness(trace_lo: int, tracestate: str | None) -> int:
    """Return the 56 random bits of a trace: its ``rv``, else the last ones of its id."""
    digits = _part(tracestate, "rv:")
    if digits is None or len(digits) != 14 or not _HEX.issuperset(digits):
        return trace_lo & (BITS - 1)
    return int(digits, 16)


def _part(tracestate: str | None, key: str) -> str | None:
    if not tracestate or key not in tracestate:
        return None
    for member in tracestate.split(","):
        name, _, value = member.strip().partition("=")
        if name == "ot":
            for part in value.split(";"):
                if part.startswith(key):
                    return part[len(key) :]
    return None
