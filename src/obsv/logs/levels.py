"""Log levels: our words, OpenTelemetry's severity numbers and the standard library's numbers.

Rule: OpenTelemetry logs data model, "Field: SeverityNumber": four steps a level, TRACE 1, DEBUG 5, INFO 9, WARN 13,
ERROR 17, FATAL 21.
"""

from __future__ import annotations

DEBUG = 5
INFO = 9
WARNING = 13
ERROR = 17
CRITICAL = 21
OFF = 25
"""Above every severity: nothing is logged."""

SEVERITIES = {
    "TRACE": 1,
    "DEBUG": DEBUG,
    "INFO": INFO,
    "WARN": WARNING,
    "WARNING": WARNING,
    "ERROR": ERROR,
    "CRITICAL": CRITICAL,
    "FATAL": CRITICAL,
    "OFF": OFF,
    "NONE": OFF,
}
"""The words that a level setting may hold, in upper case."""


def severity(level: str) -> int:
    """Return the severity number of a level's name, in any case; INFO's where the name is unknown."""
    return SEVERITIES.get(level.strip().upper(), INFO)


def from_stdlib(number: int) -> int:
    """Return the severity of a ``logging`` level; a custom one lands between its neighbours.

    Example:
        >>> from_stdlib(20), from_stdlib(25), from_stdlib(5)
        (9, 12, 1)
    """
    if number < 10:
        return 1
    if number >= 50:
        return CRITICAL + min(number - 50, 3)
    return DEBUG + 4 * (number // 10 - 1) + min(number % 10, 3)


def to_stdlib(number: int) -> int:
    """Return the ``logging`` level from which on records reach a severity."""
    if number >= OFF:
        return 1000
    return 1 if number < DEBUG else 10 * ((number - DEBUG) // 4 + 1)
