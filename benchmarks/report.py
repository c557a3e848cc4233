"""The table for people: medians, spread, ratios, whether each bar is met. Plain in a pipe, coloured on a terminal."""

from __future__ import annotations

import os
from statistics import median
from typing import TYPE_CHECKING

from . import knee
from .scenario import spread, unit

if TYPE_CHECKING:
    from .harness import Result
    from .scenario import Bar, Verdict

GREEN, RED, BOLD, OFF = "\033[32m", "\033[31m", "\033[1m", "\033[0m"


def coloured(stream_is_terminal: bool) -> bool:
    """Tell whether to colour."""
    return stream_is_terminal and not os.environ.get("NO_COLOR")


def table(result: Result, colour: bool = False) -> str:
    """Return everything about one scenario: each contestant's measures, then each bar."""
    scenario = result.scenario
    took = f" ({result.seconds:.0f} s)" if result.seconds else ""
    lines = [_paint(f"{scenario.name}: {scenario.title}", BOLD, colour) + took]
    if scenario.curve:
        return "\n".join([*lines, *_curve(result, colour)]) + "\n"
    measures = result.measures()
    rows = [["", *(f"{measure}, {unit(measure)}".rstrip(", ") for measure in measures)]]
    for peer in scenario.peers:
        values = result.values[peer.name]
        rows.append([peer.name, *(_cell(values[measure]) if measure in values else "" for measure in measures)])
    lines += columns(rows)
    lines += columns(distribution(result))
    lines += columns([_row(bar, verdict, colour) for bar, verdict in result.verdicts()], left=4)
    return "\n".join(lines) + "\n"


def summary(results: list[Result], colour: bool = False) -> str:
    """Return one line a bar, of all scenarios, and the count of those met."""
    rows, met = [], 0
    for result in results:
        for row in judged(result):
            met += row[-1]
            rows.append([result.scenario.name, *row[:-1], _word(row[-1], colour)])
    lines = columns([["", "bar", "measured", ""], *rows], left=4)
    return "\n".join([*lines, f"{met} of {len(rows)} bars met"]) + "\n" if rows else ""


def times(results: list[Result]) -> str:
    """Return how long all took, and each, the longest first."""
    longest = sorted(results, key=lambda result: -result.seconds)
    each = ", ".join(f"{result.scenario.name} {result.seconds:.0f} s" for result in longest)
    return f"{sum(result.seconds for result in results) / 60:.1f} minutes: {each}\n"


def judged(result: Result) -> list[tuple[str, str, bool]]:
    """Return each bar, or the curve, in words: what was asked, what was found, whether that is met."""
    curve = result.scenario.curve
    if curve:
        found = knee.shape(points(result))
        return [(f"{'flat or linear' if curve.shape == 'linear' else 'flat'}", found, knee.good(found, curve.shape))]
    return [(_asked(bar), bar.found(verdict.value), verdict.met) for bar, verdict in result.verdicts()]


def all_met(result: Result) -> bool:
    """Tell whether every bar of a scenario is met."""
    return all(met for _, _, met in judged(result))


def points(result: Result) -> list[tuple[float, float]]:
    """Return a curve's points: the least of the rounds, because noise only ever adds.

    But what is a difference may come out below nothing: then the median counts, and a nanosecond at least.
    """
    values = result.values[result.scenario.peers[0].name]
    return [(float(place), min(each) if min(each) > 0 else max(median(each), 1.0)) for place, each in values.items()]


def distribution(result: Result) -> list[list[str]]:
    """Return a table of how many operations in a million reached each place; no row where none is known."""
    shares, known = result.shares(), result.scenario.distribution
    if not shares or not known:
        return []
    head = ["of a million", *(f"from {place:,} {known.unit}" for place in known.places)]
    return [head, *([peer, *(_number(value) for _, value in found)] for peer, found in shares.items())]


def columns(rows: list[list[str]], left: int = 1) -> list[str]:
    """Align rows: the first ``left`` columns to the left, the others to the right."""
    if not rows:
        return []
    widths = [max(len(_plain(row[place])) for row in rows if place < len(row)) for place in range(max(map(len, rows)))]
    lines = []
    for row in rows:
        cells = []
        for place, cell in enumerate(row):
            room = " " * (widths[place] - len(_plain(cell)))
            cells.append(cell + room if place < left else room + cell)
        lines.append("  " + "  ".join(cells).rstrip())
    return lines


def _row(bar: Bar, verdict: Verdict, colour: bool) -> list[str]:
    return [
        _asked(bar),
        bar.found(verdict.value),
        f"({verdict.low:.3g} to {verdict.high:.3g})",
        _word(verdict.met, colour),
    ]


def _asked(bar: Bar) -> str:
    return bar.text() if bar.subject == "obsv" else f"{bar.subject}: {bar.text()}"


def _cell(values: list[float]) -> str:
    low, high = spread(values)
    return f"{_number(median(values))} ({_number(low)}-{_number(high)})" if len(values) > 1 else _number(values[0])


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def _curve(result: Result, colour: bool) -> list[str]:
    curve = result.scenario.curve
    assert curve is not None
    found = points(result)
    rows = [[curve.axis, *(f"{place:,.0f}" for place, _ in found)], ["ns", *(f"{cost:,.0f}" for _, cost in found)]]
    wanted, is_, met = judged(result)[0]
    return [*columns(rows), f"  wanted {wanted}, is {is_}: {_word(met, colour)}"]


def _word(met: bool, colour: bool) -> str:
    return _paint("met", GREEN, colour) if met else _paint("MISSED", RED, colour)


def _paint(text: str, code: str, colour: bool) -> str:
    return f"{code}{text}{OFF}" if colour else text


def _plain(text: str) -> str:
    for code in (GREEN, RED, BOLD, OFF):
        text = text.replace(code, "")
    return text
