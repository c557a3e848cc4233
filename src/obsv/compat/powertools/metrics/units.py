"""CloudWatch's units and resolutions (CloudWatch API reference, "MetricDatum")."""

from __future__ import annotations

from enum import Enum

from obsv.hotpath.errors import safe_text

from .exceptions import MetricResolutionError, MetricUnitError


class MetricUnit(Enum):
    """The units."""

    Seconds = "Seconds"
    Microseconds = "Microseconds"
    Milliseconds = "Milliseconds"
    Bytes = "Bytes"
    Kilobytes = "Kilobytes"
    Megabytes = "Megabytes"
    Gigabytes = "Gigabytes"
    Terabytes = "Terabytes"
    Bits = "Bits"
    Kilobits = "Kilobits"
    Megabits = "Megabits"
    Gigabits = "Gigabits"
    Terabits = "Terabits"
    Percent = "Percent"
    Count = "Count"
    BytesPerSecond = "Bytes/Second"
    KilobytesPerSecond = "Kilobytes/Second"
    MegabytesPerSecond = "Megabytes/Second"
    GigabytesPerSecond = "Gigabytes/Second"
    TerabytesPerSecond = "Terabytes/Second"
    BitsPerSecond = "Bits/Second"
    KilobitsPerSecond = "Kilobits/Second"
    MegabitsPerSecond = "Megabits/Second"
    GigabitsPerSecond = "Gigabits/Second"
    TerabitsPerSecond = "Terabits/Second"
    CountPerSecond = "Count/Second"
    NoUnit = "None"


class MetricResolution(Enum):
    """How fine CloudWatch stores a metric, in seconds."""

    Standard = 60
    High = 1


_UNITS = {unit.value: unit.value for unit in MetricUnit} | {unit.name: unit.value for unit in MetricUnit}


def unit_of(unit: object) -> str:
    """Return CloudWatch's word.

    Raises:
        MetricUnitError: There is none.
    """
    word = unit.value if isinstance(unit, MetricUnit) else _UNITS.get(unit) if isinstance(unit, str) else None
    if word is None:
        known = list(MetricUnit.__members__)
        raise MetricUnitError(f"Invalid metric unit {safe_text(unit)[:80]!r}, expected either option: {known}")
    return str(word)


def resolution_of(resolution: object) -> int:
    """Return 1 or 60.

    Raises:
        MetricResolutionError: It is neither.
    """
    value = resolution.value if isinstance(resolution, MetricResolution) else resolution
    if type(value) is not int or value not in (1, 60):
        raise MetricResolutionError(
            f"Invalid metric resolution {safe_text(resolution)[:80]!r}, expected either option: [60, 1]"
        )
    return value
