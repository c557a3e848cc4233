"""What CloudWatch takes, checked where the program says it, with the exceptions that aws-embedded-metrics documents."""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING, Any

from obsv.emf import limits
from obsv.hotpath.errors import safe_text

from .exceptions import (
    DimensionSetExceededError,
    InvalidDimensionError,
    InvalidMetricError,
    InvalidNamespaceError,
    InvalidTimestampError,
)
from .storage_resolution import StorageResolution
from .unit import Unit

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNITS = {unit.value for unit in Unit}
_NAMESPACE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._#:/-")


def dimension_set(dimensions: Mapping[Any, Any]) -> dict[str, str]:
    """Return a dimension set as texts.

    Raises:
        DimensionSetExceededError: It has more than 30 dimensions.
        InvalidDimensionError: A name or value is none that CloudWatch takes.
    """
    try:
        given = list(dimensions.items())
    except Exception:  # noqa: BLE001 - whatever was given
        raise InvalidDimensionError(f"Dimensions must be a dict, not {type(dimensions).__name__}") from None
    if len(given) > limits.MAX_DIMENSIONS:
        raise DimensionSetExceededError(
            f"Maximum number of dimensions per dimension set allowed are {limits.MAX_DIMENSIONS}"
        )
    found: dict[str, str] = {}
    for key, content in given:
        name = "" if key is None else safe_text(key)
        value = "" if content is None else safe_text(content)
        for what, text, longest in (
            ("name", name, limits.MAX_DIMENSION_NAME),
            ("value", value, limits.MAX_DIMENSION_VALUE),
        ):
            if not text.strip():
                raise InvalidDimensionError(f"Dimension {what} must include at least one non-whitespace character")
            if len(text) > longest:
                raise InvalidDimensionError(f"Dimension {what} cannot be longer than {longest} characters")
            if not text.isascii():
                raise InvalidDimensionError(f"Dimension {what} contains invalid characters: {text}")
        if name.startswith(":"):
            raise InvalidDimensionError("Dimension name cannot start with ':'")
        found[name] = value
    return found


def metric(name: Any, value: Any, unit: Any, resolution: Any) -> tuple[str, float | int, str, StorageResolution]:
    """Return a metric's name, value, unit and resolution.

    Raises:
        InvalidMetricError: One of them is none that CloudWatch takes.
    """
    name = "" if name is None else safe_text(name)
    if not name.strip():
        raise InvalidMetricError("Metric name must include at least one non-whitespace character")
    if len(name) > limits.MAX_METRIC_NAME:
        raise InvalidMetricError(f"Metric name cannot be longer than {limits.MAX_METRIC_NAME} characters")
    number = limits.number(value)
    if number is None:
        raise InvalidMetricError(f"Metric value must be finite: a number within 2^360, not {safe_text(value)[:80]}")
    word = "None" if unit is None else unit.value if isinstance(unit, Unit) else unit
    if not isinstance(word, str) or word not in _UNITS:
        raise InvalidMetricError(f"Metric unit is not valid: {safe_text(unit)[:80]}")
    try:
        return name, number, word, StorageResolution(resolution)
    except Exception:  # noqa: BLE001 - ValueError, or what the value's own methods raise
        raise InvalidMetricError(f"Metric storage resolution is not valid: {safe_text(resolution)[:80]}") from None


def namespace(text: Any) -> str:
    """Return a namespace.

    Raises:
        InvalidNamespaceError: It is none that CloudWatch takes.
    """
    name = "" if text is None else safe_text(text)
    if not name.strip():
        raise InvalidNamespaceError("Namespace must include at least one non-whitespace character")
    if len(name) > limits.MAX_NAMESPACE:
        raise InvalidNamespaceError(f"Namespace cannot be longer than {limits.MAX_NAMESPACE} characters")
    if not _NAMESPACE.issuperset(name):
        raise InvalidNamespaceError(f"Namespace contains invalid characters: {name}")
    return name


def timestamp(time: Any) -> int:
    """Return a time in milliseconds since the Unix epoch.

    Raises:
        InvalidTimestampError: CloudWatch does not take it.
    """
    found = limits.milliseconds(time)
    if found is None:
        raise InvalidTimestampError("Timestamp must be a valid datetime object")
    now = time_ns() // 1_000_000
    if not limits.timely(found, now):
        if found < now:
            raise InvalidTimestampError(f"Timestamp {safe_text(time)} must not be older than 14 days")
        raise InvalidTimestampError(f"Timestamp {safe_text(time)} must not be newer than 2 hours")
    return found
