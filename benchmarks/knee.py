"""Tells whether a curve of costs is flat, linear, or bends upwards.

Points lie far apart (1, 10, 100, ...) and each is noisy, so the test is coarse: a curve is *flat* when no point costs
more than twice as much as one before it (growing cheaper is no knee), and *linear* when a straight line with a start
and a slope of no less than zero passes within a factor of 1.5 of every point. Anything else is a *knee*.
"""

from __future__ import annotations

FLAT = 2.0
LINEAR = 1.5


def shape(points: list[tuple[float, float]]) -> str:
    """Return ``flat``, ``linear`` or ``knee`` for pairs of a place and its cost."""
    least = points[0][1]
    for _, cost in points:
        if cost <= 0:
            raise ValueError(f"a cost of {cost:g} is a measurement gone wrong")
        least = min(least, cost)
        if cost > FLAT * least:
            break
    else:
        return "flat"
    start, slope = line(points)
    for place, cost in points:
        expected = start + slope * place
        if expected <= 0 or cost > LINEAR * expected or cost < expected / LINEAR:
            return "knee"
    return "linear"


def line(points: list[tuple[float, float]]) -> tuple[float, float]:
    """Return start and slope, neither below zero, of the line with the least relative squared errors."""
    w = sum(1 / cost**2 for _, cost in points)
    wx = sum(x / cost**2 for x, cost in points)
    wxx = sum(x * x / cost**2 for x, cost in points)
    wy = sum(1 / cost for _, cost in points)
    wxy = sum(x / cost for x, cost in points)
    determinant = w * wxx - wx * wx
    if determinant > 0:
        slope = (w * wxy - wx * wy) / determinant
        start = (wy - slope * wx) / w
        if slope >= 0 and start >= 0:
            return start, slope
        if start < 0:
            return 0.0, wxy / wxx
    return wy / w, 0.0


def good(found: str, wanted: str) -> bool:
    """Tell whether a curve is as it should be: flat is good wherever linear is."""
    return found == wanted or (found == "flat" and wanted == "linear")
