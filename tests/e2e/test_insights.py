"""Every query of docs/logs-insights.md, run over the lines of the page's program, finds what the page says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

import insights
from programs import environment

PAGE = (Path(__file__).parents[2] / "docs" / "logs-insights.md").read_text(encoding="utf-8")
EXAMPLE_TRACE = "0af7651916cd43dd8448eb211c80319c"

ENTRIES = re.findall(r"^## (.+?)\n.*?```insights\n(.*?)```\n\n(\|.*?)\n(?:\n|\Z)", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def lines() -> list[str]:
    program = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert program is not None
    done = subprocess.run(
        [sys.executable, "-c", program[1]], capture_output=True, text=True, timeout=60, env=environment(), check=True
    )
    assert done.stderr == ""
    return of_one_day(done.stdout.splitlines())


def of_one_day(lines: list[str]) -> list[str]:
    """The same lines as if the program had begun at noon: one that runs over midnight has errors of two days."""
    events = [json.loads(line) for line in lines]
    noon = datetime(2026, 11, 29, 12, tzinfo=UTC)
    began = min(datetime.fromisoformat(event["timestamp"]) for event in events)
    for event in events:
        moment = noon + (datetime.fromisoformat(event["timestamp"]) - began)
        event["timestamp"] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return [json.dumps(event) for event in events]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def test_every_query_of_the_page_is_among_these() -> None:
    assert len(ENTRIES) == PAGE.count("```insights") > 5


@pytest.mark.parametrize(("title", "query", "table"), ENTRIES, ids=[entry[0] for entry in ENTRIES])
def test_query_finds_what_stands_below_it(title: str, query: str, table: str, lines: list[str]) -> None:
    failed = next(event["trace_id"] for event in map(json.loads, lines) if event["correlation_id"] == "order-7")
    header, _, *expected = [cells(line) for line in (table + "\n").replace("| |\n", "|  |\n").splitlines()]
    rows = insights.run(query.replace(EXAMPLE_TRACE, failed), lines)
    found = [[str(row.get(name, "")) for name in header] for row in rows]
    assert all(set(row) <= set(header) for row in rows)
    shown = [
        ["…" if wanted == "…" and value else value for wanted, value in zip(wanted_row, row, strict=False)]
        for wanted_row, row in zip(expected, found, strict=False)
    ] + found[len(expected) :]
    if "sort" not in query:
        shown, expected = sorted(shown), sorted(expected)
    assert shown == expected


@pytest.mark.parametrize(
    "query", ["filter", "filter a = ", "nonsense a", "stats median(a)", "fields a | filter b ~ c", "filter a in [1"]
)
def test_what_is_not_understood_is_refused(query: str) -> None:
    with pytest.raises((SyntaxError, KeyError)):
        insights.run(query, ['{"timestamp":"2026-01-02T03:04:05.000Z","a":1}'])


def test_fields_are_discovered_as_cloudwatch_does() -> None:
    found = insights.discovered('{"timestamp":"2026-01-02T03:04:05.000Z","a":{"b":[1,{"c":2}]},"n":null}')
    assert (found["a.b.0"], found["a.b.1.c"], "n" in found) == (1, 2, False)
