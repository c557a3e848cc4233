"""CloudWatch's graphs and its list of metrics, from EMF lines."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .svg import WIDTH, Sheet

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Line = dict[str, Any]
    Series = dict[tuple[tuple[str, str], ...], list[list[float]]]

_LEFT, _HEIGHT = 64.0, 130.0


def percentile(values: Iterable[float], rank: float) -> float:
    """Return the value that ``rank`` percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * rank / 100) - 1)]


def definitions(lines: Iterable[Line]) -> list[tuple[str, tuple[str, ...], str, str]]:
    """Return each metric that CloudWatch makes of some lines: namespace, dimensions, name and unit; each once."""
    found: dict[tuple[str, tuple[str, ...], str, str], None] = {}
    for line in lines:
        for directive in line["_aws"]["CloudWatchMetrics"]:
            for metric in directive["Metrics"]:
                for names in directive["Dimensions"]:
                    found[directive["Namespace"], tuple(names), metric["Name"], metric.get("Unit", "None")] = None
    return list(found)


def series(rounds: Sequence[Iterable[Line]], name: str) -> Series:
    """Return the values of a metric in each round, by its dimensions."""
    found: Series = {}
    for number, lines in enumerate(rounds):
        for line in lines:
            for directive in line["_aws"]["CloudWatchMetrics"]:
                if name not in [metric["Name"] for metric in directive["Metrics"]]:
                    continue
                for names in directive["Dimensions"]:
                    key = tuple([(each, line[each]) for each in names])
                    values = line[name] if isinstance(line[name], list) else [line[name]]
                    found.setdefault(key, [[] for _ in rounds])[number] += values
    return found


def graph(rounds: Sequence[Iterable[Line]]) -> str:
    """Draw the durations of requests that went well, and how many orders were placed."""
    durations = {
        key: found
        for key, found in series(rounds, "http.server.request.duration").items()
        if ("http.response.status_code", "200") in key
    }
    [(dimensions, values)] = durations.items()
    placed = series(rounds, "orders.placed")
    sheet = Sheet(
        "CloudWatch · Metrics · orders",
        "Lines over time: median and 99th percentile of the duration of requests, and the orders placed, by article.",
    )
    lines = [
        (f"p{rank}", kind, [1000 * percentile(each, rank) for each in values])
        for rank, kind in ((50, "plain"), (99, "second"))
    ]
    _chart(sheet, "http.server.request.duration, milliseconds", lines)
    rows = [["━", name, "http.server.request.duration", _said(dimensions)] for name, _, _ in lines]
    counts = [
        (dict(key)["sku"], kind, [sum(each) for each in found])
        for (key, found), kind in zip(placed.items(), ("ok", "error", "fault"), strict=False)
    ]
    sheet.y += 12
    _chart(sheet, "orders.placed, sum", counts)
    rows += [["━", "Sum", "orders.placed", _said(key)] for key in placed]
    sheet.y += 12
    top = sheet.y
    sheet.table(
        [("", 16), ("Statistic", 40), ("Metric", 110), ("Values of the dimensions", 330)],
        [["", *row[1:]] for row in rows],
        {},
    )
    for number, (_, kind, _) in enumerate([*lines, *counts]):
        sheet.rect(16, top + 22 * (number + 1) + 9, 14, 4, kind)
    return sheet.svg()


def _said(dimensions: tuple[tuple[str, str], ...]) -> str:
    return " · ".join([value for _, value in dimensions])


def _chart(sheet: Sheet, title: str, lines: list[tuple[str, str, list[float]]]) -> None:
    """Draw lines over the rounds, from zero."""
    sheet.text(16, sheet.y + 8, title, "dim")
    bottom, right = sheet.y + 20 + _HEIGHT, WIDTH - 24.0
    most = _round_up(max(max(values) for _, _, values in lines))
    for share in (0.0, 0.5, 1.0):
        y = bottom - _HEIGHT * share
        sheet.path(f"M{_LEFT:g} {y:g}H{right:g}", "rule")
        sheet.text(_LEFT - 8, y + 4, f"{most * share:g}", "dim", "end")
    count = len(lines[0][2])
    places = [_LEFT + 20 + (right - _LEFT - 40) * number / max(1, count - 1) for number in range(count)]
    for _, kind, values in lines:
        points = [(x, bottom - _HEIGHT * value / most) for x, value in zip(places, values, strict=True)]
        sheet.path("M" + "L".join([f"{x:.1f} {y:.1f}" for x, y in points]), kind, 2)
        for x, y in points:
            sheet.rect(x - 2, y - 2, 4, 4, kind, 2)
    for number, x in enumerate(places):
        sheet.text(x, bottom + 16, str(number + 1), "dim", "middle")
    sheet.y = bottom + 22


def _round_up(value: float) -> float:
    """Return the next number that reads well on an axis: 1, 2 or 5 times a power of ten."""
    power = 10 ** math.floor(math.log10(value)) if value > 0 else 1
    return float(next(step * power for step in (1, 2, 5, 10) if step * power >= value))


def names(lines: Sequence[Line]) -> str:
    """Draw the list of metrics that a namespace has, by their dimensions."""
    found = sorted(definitions(lines), key=lambda each: (each[1], each[2]))
    sheet = Sheet(
        f"CloudWatch · Metrics · All metrics · {found[0][0]}",
        f"A table of {len(found)} metrics with their units and dimensions.",
    )
    rows = [[name, unit, ", ".join(dimensions)] for _, dimensions, name, unit in found]
    sheet.table([("Metric", 16), ("Unit", 270), ("Dimensions", 350)], rows, {})
    return sheet.svg()
