"""CloudWatch's words for units, and how other ways to write a unit map to them."""

from __future__ import annotations

UNITS = frozenset(
    [
        "Seconds",
        "Microseconds",
        "Milliseconds",
        "Bytes",
        "Kilobytes",
        "Megabytes",
        "Gigabytes",
        "Terabytes",
        "Bits",
        "Kilobits",
        "Megabits",
        "Gigabits",
        "Terabits",
        "Percent",
        "Count",
        "Bytes/Second",
        "Kilobytes/Second",
        "Megabytes/Second",
        "Gigabytes/Second",
        "Terabytes/Second",
        "Bits/Second",
        "Kilobits/Second",
        "Megabits/Second",
        "Gigabits/Second",
        "Terabits/Second",
        "Count/Second",
        "None",
    ]
)
"""The 27 units that CloudWatch knows (CloudWatch API reference, "MetricDatum"). Any other makes it drop the metric."""

# OpenTelemetry writes units in UCUM (semantic conventions, "Instrument units"). Only names for the very same quantity
# are here: a unit that would need its values multiplied (min, KiBy, ns) is unknown.
_UCUM = {
    "": "None",
    "1": "None",
    "s": "Seconds",
    "ms": "Milliseconds",
    "us": "Microseconds",
    "µs": "Microseconds",
    "By": "Bytes",
    "kBy": "Kilobytes",
    "MBy": "Megabytes",
    "GBy": "Gigabytes",
    "TBy": "Terabytes",
    "bit": "Bits",
    "kbit": "Kilobits",
    "Mbit": "Megabits",
    "Gbit": "Gigabits",
    "Tbit": "Terabits",
    "%": "Percent",
    "By/s": "Bytes/Second",
    "kBy/s": "Kilobytes/Second",
    "MBy/s": "Megabytes/Second",
    "GBy/s": "Gigabytes/Second",
    "bit/s": "Bits/Second",
    "kbit/s": "Kilobits/Second",
    "Mbit/s": "Megabits/Second",
    "Gbit/s": "Gigabits/Second",
    "1/s": "Count/Second",
}

_BY_LOWER = {unit.lower(): unit for unit in UNITS}


def unit(text: object) -> str | None:
    """Return CloudWatch's word for a unit, or None when there is none.

    Words in another case (``count``), UCUM codes (``ms``, ``By``) and UCUM annotations (``{request}``: a count of
    requests) are understood.

        >>> unit("ms"), unit("{request}"), unit("furlongs")
        ('Milliseconds', 'Count', None)
    """
    if text is None:
        return "None"
    if not isinstance(text, str):
        return None
    if text in UNITS:
        return text
    text = text.strip()
    known = _UCUM.get(text) or _BY_LOWER.get(text.lower())
    if known is None and text.startswith("{"):
        known = {"}": "Count", "}/s": "Count/Second"}.get(text[text.find("}") :])
    return known
