"""Plots as SVG, written by hand: bars for a comparison, lines for a curve or a distribution.

They show in light and dark alike.
"""

from __future__ import annotations

import math
from html import escape
from statistics import median
from typing import TYPE_CHECKING

from . import report
from .scenario import DEFAULT, amount, unit

if TYPE_CHECKING:
    from pathlib import Path

    from .harness import Result
    from .scenario import Scenario

WIDTH, LABELS, ROOM, LINE = 760, 190, 120, 22
OURS, THEIRS, INK = "#2a78d6", "#9aa4b2", "#808890"
DASHES = ("none", "7 4", "2 3", "9 3 2 3")


def save(result: Result, folder: Path) -> Path:
    """Write a result's plot and return its file; a distribution has one more."""
    file = folder / f"{result.scenario.name}.svg"
    file.write_text(curve(result) if result.scenario.curve else bars(result), encoding="utf-8")
    if shows_distribution(result):
        (folder / distribution_name(result.scenario)).write_text(distribution(result), encoding="utf-8")
    return file


def bars(result: Result) -> str:
    """Draw the median of each contestant, a group of bars a measure."""
    parts: list[str] = []
    y = 40
    for measure in result.measures():
        rows = [(peer, median(values[measure])) for peer, values in result.values.items() if measure in values]
        most = max(value for _, value in rows)
        parts.append(_text(10, y + 14, f"{measure}, {unit(measure)}".rstrip(", "), weight="bold"))
        y += LINE
        for peer, value in rows:
            length = max(1.0, (WIDTH - LABELS - ROOM) * max(value, 0.0) / most) if most > 0 else 1.0
            parts.append(_text(LABELS - 8, y + 14, peer, anchor="end"))
            size = f'width="{length:.1f}" height="{LINE - 6}"'
            parts.append(f'<rect x="{LABELS}" y="{y + 2}" {size} fill="{_colour(peer)}"/>')
            parts.append(_text(LABELS + length + 6, y + 14, amount(value, measure)))
            y += LINE
        y += 10
    return _drawing(result, y, parts)


def curve(result: Result) -> str:
    """Draw a cost against its axis, which is logarithmic from 1 on."""
    assert result.scenario.curve is not None
    points = report.points(result)
    left, right, top, bottom = 80, WIDTH - 30, 50, 290
    places = [math.log10(1 + x) for x, _ in points]
    most = max(y for _, y in points) * 1.15 or 1.0

    def at(place: float, value: float) -> tuple[float, float]:
        return left + (right - left) * place / (places[-1] or 1.0), bottom - (bottom - top) * max(value, 0.0) / most

    parts = []
    for share in (0.0, 0.5, 1.0):
        _, y = at(0, most * share)
        parts.append(f'<path d="M{left} {y:.1f}H{right}" stroke="{INK}" stroke-opacity=".35"/>')
        parts.append(_text(left - 8, y + 4, f"{most * share:,.0f} ns", anchor="end"))
    drawn = [at(place, cost) for place, (_, cost) in zip(places, points, strict=True)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in drawn)
    parts.append(f'<polyline points="{path}" fill="none" stroke="{OURS}" stroke-width="2"/>')
    for (x, y), (place, _) in zip(drawn, points, strict=True):
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{OURS}"/>')
        parts.append(_text(x, bottom + 18, f"{place:,.0f}", anchor="middle"))
    parts.append(_text((left + right) / 2, bottom + 38, result.scenario.curve.axis, anchor="middle"))
    return _drawing(result, bottom + 50, parts)


def shows_distribution(result: Result) -> bool:
    """Tell whether there is a plot of how long operations took: of a few contestants, whose lines can be told apart."""
    return 0 < len(result.shares()) <= len(DASHES)


def distribution_name(scenario: Scenario) -> str:
    """Return the name of the file that shows how long operations took."""
    return f"{scenario.name}_distribution.svg"


def distribution(result: Result) -> str:
    """Draw how many operations in a million reached each place: a line a contestant, both axes logarithmic."""
    known = result.scenario.distribution
    assert known is not None
    left, right, top, bottom = 80, WIDTH - 40, 50, 290
    first, last = math.log10(known.places[0]), math.log10(known.places[-1])
    decades = 6

    def at(place: float, share: float) -> tuple[float, float]:
        along = (math.log10(place) - first) / (last - first)
        return left + (right - left) * along, bottom - (bottom - top) * math.log10(max(share, 1.0)) / decades

    parts = []
    for power in range(decades + 1):
        _, y = at(known.places[0], 10**power)
        parts.append(f'<path d="M{left} {y:.1f}H{right}" stroke="{INK}" stroke-opacity=".35"/>')
        parts.append(_text(left - 8, y + 4, f"{10**power:,}" if power else "1 or none", anchor="end"))
    parts += [_text(at(place, 1)[0], bottom + 18, f"{place:,}", anchor="middle") for place in known.places]
    axis = f"of a million, so many took so long or longer, {known.unit}"
    parts.append(_text((left + right) / 2, bottom + 38, axis, anchor="middle"))
    for number, (peer, shares) in enumerate(result.shares().items()):
        dashes = DASHES[number % len(DASHES)]
        style = f'fill="none" stroke="{_colour(peer)}" stroke-width="2" stroke-dasharray="{dashes}"'
        path = " ".join("{:.1f},{:.1f}".format(*at(place, share)) for place, share in shares)
        y = top + 14 + number * LINE
        parts.append(f'<polyline points="{path}" {style}/>')
        parts.append(f'<path d="M{right - 170} {y}h30" {style}/>')
        parts.append(_text(right - 132, y + 4, peer))
    return _drawing(result, bottom + 50, parts)


def _colour(peer: str) -> str:
    return OURS if peer.startswith("obsv") or DEFAULT in peer else THEIRS


def _drawing(result: Result, height: float, parts: list[str]) -> str:
    title = f"{result.scenario.title}"
    head = _text(10, 22, title, weight="bold", size=14)
    size = f'width="{WIDTH}" height="{height:.0f}" viewBox="0 0 {WIDTH} {height:.0f}"'
    body = "\n".join([head, *parts])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="sans-serif" font-size="12">\n'
        f"<title>{escape(title)}</title>\n{body}\n</svg>\n"
    )


def _text(x: float, y: float, text: str, anchor: str = "start", weight: str = "normal", size: int = 12) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" font-size="{size}" fill="{INK}">'
        f"{escape(text)}</text>"
    )
