"""A histogram point as EMF metric targets: what stands at the root of the object under the metric's name."""

from __future__ import annotations

from math import fsum
from typing import TYPE_CHECKING

from .limits import MAX_VALUE, MAX_VALUES, number

if TYPE_CHECKING:
    from obsv.hotpath.records import MetricPoint

    from .counts import Counts


MAX_PLAIN = 1000
"""Values that stand for a histogram where only plain arrays may be used."""


def targets(point: MetricPoint, counts: Counts, arrays: bool = False) -> list[str]:
    """Return the JSON texts that together say what a histogram holds; each must go into an object of its own.

    Up to 100 values are a plain array, as the EMF specification says. More are what the collector's awsemf exporter and
    AWS's OpenTelemetry distribution send: ``{"Values":…,"Counts":…,"Count":…,"Sum":…,"Max":…,"Min":…}``, at most 100
    values each. Every part has its own count, sum and extremes, and the sums of the parts add up to the true sum.

    ``arrays``: more are plain arrays too. Up to 1,000 values are all there, as the mid-points of their buckets; of more
    there are 1,000 at equal distances of rank, with the true extremes. Percentiles and the average stay right, the
    sample count and the sum are then those of the 1,000.
    """
    if point.values:
        values = [value for value in map(number, point.values) if value is not None]
        if len(values) < len(point.values):
            counts.change("values left out: not a number within 2^360", len(point.values) - len(values))
        return [_array(values[at : at + MAX_VALUES]) for at in range(0, len(values), MAX_VALUES)]
    pairs = _pairs(point, counts)
    if arrays:
        values = _spread(pairs) if pairs else _between(point)
        return [_array(values[at : at + MAX_VALUES]) for at in range(0, len(values), MAX_VALUES)]
    return _weighted(point, pairs) if pairs else _statistics(point)


def _weighted(point: MetricPoint, pairs: list[tuple[float, int]]) -> list[str]:
    """Write values with their counts, at most 100 of them in a part."""
    parts = [pairs[at : at + MAX_VALUES] for at in range(0, len(pairs), MAX_VALUES)]
    sums = [fsum([value * count for value, count in part]) for part in parts]
    total = number(point.sum)
    if total is not None:
        # The buckets' mid-points miss the true sum by up to half a percent: the largest part takes the difference.
        largest = max(range(len(sums)), key=lambda index: abs(sums[index]))
        sums[largest] += total - fsum(sums)
    texts = []
    for index, part in enumerate(parts):
        low = number(point.min) if index == 0 else None
        high = number(point.max) if index == len(parts) - 1 else None
        texts.append(
            f'{{"Values":{_array([value for value, _ in part])},"Counts":{_array([count for _, count in part])},'
            f'"Count":{sum([count for _, count in part])!r},"Sum":{_bounded(sums[index])!r},'
            f'"Max":{part[-1][0] if high is None else high!r},"Min":{part[0][0] if low is None else low!r}}}'
        )
    return texts


def _spread(pairs: list[tuple[float, int]]) -> list[float | int]:
    """Return every value as often as it counts; of more than 1,000 as many at equal distances of rank."""
    total = sum([count for _, count in pairs])
    if total <= MAX_PLAIN:
        return [value for value, count in pairs for _ in range(count)]
    values: list[float | int] = []
    passed = 0
    for value, count in pairs:
        passed += count
        while len(values) < MAX_PLAIN and (2 * len(values) + 1) * total < 2 * MAX_PLAIN * passed:
            values.append(value)
    values[0], values[-1] = pairs[0][0], pairs[-1][0]
    return values


def _between(point: MetricPoint) -> list[float | int]:
    """Return up to 100 values with the extremes and the average of a histogram without buckets."""
    low, high, total = number(point.min), number(point.max), number(point.sum)
    if point.count < 1 or low is None or high is None or total is None:
        return []
    if point.count < 3:
        return [low, high][: point.count]
    middle = _bounded((total - low - high) / (point.count - 2))
    return [low, *[middle] * min(point.count - 2, MAX_VALUES - 2), high]


def representative(index: int) -> float:
    """Return what stands for bucket ``(2**(i/64), 2**((i+1)/64)]``: its mid-point on the logarithmic scale.

    No value of the bucket is further away than 0.55 %.
    """
    try:
        return float(2.0 ** ((index + 0.5) / 64))
    except OverflowError:
        return float("inf")


def _pairs(point: MetricPoint, counts: Counts) -> list[tuple[float, int]]:
    """Return ``(value, count)`` of each bucket that holds something, smallest value first."""
    low, high = number(point.min), number(point.max)
    found = [(-representative(index), point.negative[index]) for index in sorted(point.negative, reverse=True)]
    if point.zero:
        found.append((0.0, point.zero))
    found += [(representative(index), point.buckets[index]) for index in sorted(point.buckets)]
    pairs: list[tuple[float, int]] = []
    for value, count in found:
        if count <= 0:
            continue
        if low is not None and value < low:
            value = float(low)
        if high is not None and value > high:
            value = float(high)
        if number(value) is None:
            counts.change("values left out: not a number within 2^360", count)
        elif pairs and pairs[-1][0] == value:  # both were moved to the same extreme
            pairs[-1] = (value, pairs[-1][1] + count)
        else:
            pairs.append((value, count))
    return pairs


def _statistics(point: MetricPoint) -> list[str]:
    """Say what is known of a histogram without buckets: four numbers, the older form of the awsemf exporter."""
    known = [number(point.count), number(point.sum), number(point.max), number(point.min)]
    if not known[0] or None in known:
        return []
    return ['{{"Count":{!r},"Sum":{!r},"Max":{!r},"Min":{!r}}}'.format(*known)]


def _array(values: list[float] | list[int] | list[float | int]) -> str:
    return "[" + ",".join([repr(value) for value in values]) + "]"


def _bounded(value: float) -> float:
    return max(-MAX_VALUE, min(value, MAX_VALUE))
