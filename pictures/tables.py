"""What Logs Insights and Application Signals show as tables, from log lines and EMF lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obsv.term import format_duration

from .metrics import percentile
from .svg import WIDTH, Sheet

if TYPE_CHECKING:
    from collections.abc import Sequence

    Line = dict[str, Any]


def insights(query: str, rows: Sequence[dict[str, Any]]) -> str:
    """Draw a query and its result; the rows are what the query has found."""
    columns = query.split("|")[0].replace(",", "").split()[1:]
    sheet = Sheet("CloudWatch · Logs Insights", f"A query and the {len(rows)} records that it finds.")
    lines = query.strip().splitlines()
    sheet.rect(8, sheet.y, WIDTH - 16, 12 + 17 * len(lines), "head", 4)
    for line in lines:
        sheet.text(18, sheet.y + 19, line, "ink mono")
        sheet.y += 17
    sheet.y += 28
    texts = [[str(row.get(name, "")) for name in columns] for row in rows]
    widths = [
        2 + max(len(text) for text in (name, *column))
        for name, column in zip(columns, zip(*texts, strict=True), strict=True)
    ]
    edges, x = [], 16.0
    for width in widths:
        edges.append(x)
        x += (WIDTH - 32) * width / sum(widths)
    sheet.table(list(zip(columns, edges, strict=True)), texts, {"ERROR": "fault", "WARNING": "error"})
    return sheet.svg()


def signals(lines: Sequence[Line]) -> str:
    """Draw what Application Signals shows of a service: its operations, and what it depends on."""
    first = lines[0]
    operations = [line for line in lines if "RemoteService" not in line]
    calls = [line for line in lines if "RemoteService" in line]
    sheet = Sheet(
        f"CloudWatch · Application Signals · {first['Service']}",
        f"Operations and dependencies of the service {first['Service']} with their latencies, faults and errors.",
    )
    sheet.text(16, sheet.y + 6, f"{first['PlatformType']} · Environment {first['Environment']}", "dim")
    sheet.y += 20
    _numbers(sheet, [("Operation", 16)], [([line["Operation"]], line) for line in operations])
    sheet.y += 16
    rows = [
        ([line["RemoteService"], f"{line['RemoteOperation']} {line.get('RemoteResourceIdentifier', '')}".strip()], line)
        for line in calls
    ]
    _numbers(sheet, [("Dependency", 16), ("Remote operation", 150)], rows)
    return sheet.svg()


def _numbers(sheet: Sheet, columns: list[tuple[str, float]], rows: list[tuple[list[str], Line]]) -> None:
    headings = [("Requests", -440.0), ("p50", -520.0), ("p99", -600.0), ("Faults", -670.0), ("Errors", -740.0)]
    texts = []
    for names, line in rows:
        count = len(line["Latency"])
        shares = [f"{100 * sum(line[name]) / count:.1f} %" for name in ("Fault", "Error")]
        times = [format_duration(percentile(line["Latency"], rank) * 1e6) for rank in (50, 99)]
        texts.append([*names, str(count), *times, *shares])
    sheet.table([*columns, *headings], texts, {})
