"""Writes what was measured into README.md and docs/benchmarks.md: ``python -m benchmarks.readme [--check]``.

Each place is a block between two comments, ``<!-- bench: NAME -->`` and ``<!-- /bench -->``; NAME is ``all`` for the
table of every bar, or a scenario's name for its own figures.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from . import plots, report, scenarios, store
from .scenario import amount, unit

if TYPE_CHECKING:
    from .harness import Result

ROOT = Path(__file__).parent.parent
FILES = (ROOT / "README.md", ROOT / "docs" / "benchmarks.md")
UNMEASURED = "Not measured yet: `make bench` on a quiet machine writes the figures here."

_BLOCK = re.compile(r"(<!-- bench: ([a-z0-9_]+) -->\n).*?(<!-- /bench -->)", re.DOTALL)


def filled(text: str, folder: Path = store.KEPT) -> str:
    """Return a page with its blocks filled from the results of a folder."""
    return _BLOCK.sub(lambda block: f"{block[1]}{block_for(block[2], folder)}\n{block[3]}", text)


def block_for(name: str, folder: Path = store.KEPT) -> str:
    """Return the text of one block."""
    chosen = [scenarios.load(each) for each in (scenarios.names() if name == "all" else [name])]
    loaded = [found for scenario in chosen if (found := store.load(scenario, folder)) is not None]
    if not loaded:
        return UNMEASURED
    results = [result for result, _ in loaded]
    if name == "all":
        return f"{_bars(results)}\n\n{_origin(loaded)} {_versions(loaded)}"
    return f"{_figures(results[0])}\n\n{_origin(loaded)}"


def _bars(results: list[Result]) -> str:
    lines = ["| what | wanted | measured | |", "|---|---|---|---|"]
    for result in results:
        title = result.scenario.title
        for asked, found, met in report.judged(result):
            lines.append(f"| {title} | {asked} | {found} | {'met' if met else '**missed**'} |")
            title = ""
    return "\n".join(lines)


def _figures(result: Result) -> str:
    if result.scenario.curve:
        points = report.points(result)
        head = [result.scenario.curve.axis, *(f"{place:,.0f}" for place, _ in points)]
        return "\n".join(
            [_line(head), _line(["---"] * len(head)), _line(["ns", *(f"{cost:,.0f}" for _, cost in points)])]
        )
    measures = result.measures()
    lines = [
        _line(["", *(name if unit(name) in name else f"{name}, {unit(name)}" for name in measures)]),
        _line(["---"] * (1 + len(measures))),
    ]
    for peer, values in result.values.items():
        cells = [
            amount(median(values[name]), name).removesuffix(f" {unit(name)}") if name in values else ""
            for name in measures
        ]
        lines.append(_line([peer, *cells]))
    lines.append("")
    for asked, found, met in report.judged(result):
        lines.append(f"- wanted {asked}: {found}, {'met' if met else '**missed**'}")
    lines += _distribution(result)
    return "\n".join(lines)


def _distribution(result: Result) -> list[str]:
    rows = report.distribution(result)
    if not rows:
        return []
    head, *others = rows
    lines = ["", _line(head), _line(["---"] * len(head)), *map(_line, others)]
    if plots.shows_distribution(result):
        lines += ["", f"![{result.scenario.title}](../benchmarks/results/{plots.distribution_name(result.scenario)})"]
    return lines


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _origin(loaded: list[tuple[Result, dict[str, str]]]) -> str:
    about = [about for _, about in loaded]
    dates = sorted({each["date"] for each in about})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    rounds = min(result.rounds() for result, _ in loaded)
    first = about[0]
    return (
        f"Medians of {rounds} interleaved rounds of fresh processes, {when}, {first['python']}, {first['machine']}, "
        f"{first['cpus']} CPUs."
    )


def _versions(loaded: list[tuple[Result, dict[str, str]]]) -> str:
    """Name the packages; OpenTelemetry's instrumentations have one version."""
    found = {version for _, about in loaded for version in about.get("versions", "").split(", ") if version}
    found = {re.sub(r"^opentelemetry-instrumentation-\S+", "opentelemetry-instrumentation-*", each) for each in found}
    return f"{', '.join(sorted(found))}."


def main(arguments: list[str]) -> int:
    """Fill the pages, or with ``--check`` only say which are out of date."""
    stale = 0
    for file in FILES:
        text = file.read_text(encoding="utf-8")
        wanted = filled(text)
        if wanted != text:
            stale += 1
            if "--check" not in arguments:
                file.write_text(wanted, encoding="utf-8")
            print(f"{file.relative_to(ROOT)}: {'out of date' if '--check' in arguments else 'written'}")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
