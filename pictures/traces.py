"""X-Ray's trace map and the timeline of a trace, from segment documents."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from obsv.term import format_duration

from .svg import ROW, WIDTH, Sheet, clip

if TYPE_CHECKING:
    from collections.abc import Iterator

    Document = dict[str, Any]

_RADIUS = 34
_COLOURS = ("ok", "error", "fault")


def outcome(document: Document) -> str:
    """Return how X-Ray counts a segment or subsegment: ``ok``, ``error`` (4xx) or ``fault``."""
    return next((kind for kind in ("fault", "error") if document.get(kind)), "ok")


def seconds(document: Document) -> float:
    """Return how long it took."""
    took: float = document["end_time"] - document["start_time"]
    return took


def kind_of(document: Document) -> str:
    """Return what X-Ray's console calls a node: its origin, an AWS service, a database, or a remote one."""
    if "origin" in document:
        return str(document["origin"])
    if document.get("namespace") == "aws":
        return f"AWS::{document['name']}" + ("::Table" if "table_name" in document["aws"] else "")
    return "Database::SQL" if "sql" in document else "remote"


def within(document: Document, depth: int = 0) -> Iterator[tuple[int, Document]]:
    """Yield a segment and what is below it, with its depth."""
    yield depth, document
    for inner in document.get("subsegments", ()):
        yield from within(inner, depth + 1)


def trace_map(documents: list[Document]) -> str:
    """Draw who has called whom: a node a service, with its outcomes as a ring."""
    seen: dict[tuple[str, str], list[Document]] = defaultdict(list)
    for document in documents:
        for depth, each in within(document):
            if depth == 0 or "namespace" in each:
                seen[each["name"], kind_of(each)].append(each)
    (service, *others) = seen
    sheet = Sheet(
        "X-Ray · Trace map",
        f"{service[0]} has answered {len(seen[service])} requests, and called {', '.join(name for name, _ in others)}.",
    )
    height = max(1, len(others)) * 130
    middle = sheet.y + height / 2 - 14
    client, here = (90.0, middle), (330.0, middle)
    sheet.ring(*client, _RADIUS, [("rule", 1.0)])
    sheet.text(client[0], client[1] + 4, "Client", "ink", "middle")
    _edge(sheet, client, here)
    for index, other in enumerate(others):
        place = (580.0, sheet.y + 51 + index * 130)
        _edge(sheet, here, place)
        _node(sheet, place, other, seen[other])
    _node(sheet, here, service, seen[service])
    sheet.y += height + 14
    x = 16
    for kind, word in (("ok", "OK"), ("error", "Error (4xx)"), ("fault", "Fault (5xx, exceptions)")):
        sheet.rect(x, sheet.y - 9, 10, 10, kind, 2)
        sheet.text(x + 16, sheet.y, word, "dim")
        x += 130
    return sheet.svg()


def _node(sheet: Sheet, place: tuple[float, float], node: tuple[str, str], calls: list[Document]) -> None:
    x, y = place
    shares = [(kind, sum(outcome(call) == kind for call in calls) / len(calls)) for kind in _COLOURS]
    sheet.ring(x, y, _RADIUS, shares)
    mean = sum(map(seconds, calls)) / len(calls)
    sheet.text(x, y, format_duration(mean * 1e9), "ink", "middle")
    sheet.text(x, y + 15, f"{len(calls)} req", "dim", "middle")
    sheet.text(x, y + _RADIUS + 18, node[0], "ink bold", "middle")
    sheet.text(x, y + _RADIUS + 33, node[1], "dim", "middle")


def _edge(sheet: Sheet, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw an arrow between two rings."""
    (x, y), (to_x, to_y) = start, end
    length = ((to_x - x) ** 2 + (to_y - y) ** 2) ** 0.5
    dx, dy = (to_x - x) / length, (to_y - y) / length
    gap = _RADIUS + 7
    tip_x, tip_y = to_x - dx * gap, to_y - dy * gap
    sheet.path(f"M{x + dx * gap:.1f} {y + dy * gap:.1f}L{tip_x:.1f} {tip_y:.1f}", "dim")
    sheet.path(
        f"M{tip_x - 8 * dx - 5 * dy:.1f} {tip_y - 8 * dy + 5 * dx:.1f}L{tip_x:.1f} {tip_y:.1f}"
        f"L{tip_x - 8 * dx + 5 * dy:.1f} {tip_y - 8 * dy - 5 * dx:.1f}",
        "dim",
    )


def timeline(document: Document) -> str:
    """Draw the segments of a trace over time, and below them what was raised."""
    request, response = document["http"]["request"], document["http"]["response"]
    said = f"{request['method']} {request['url']} · {response['status']} · {_took(document)}"
    sheet = Sheet(
        f"X-Ray · Trace {document['trace_id']}",
        f"{said}: the segment and its subsegments as bars over time.",
    )
    sheet.text(16, sheet.y + 4, said, "ink mono")
    sheet.y += 14
    left, right = 452.0, WIDTH - 24.0
    begin, whole = document["start_time"], seconds(document)
    sheet.rect(8, sheet.y, WIDTH - 16, ROW, "head")
    for x, word, anchor in (
        (16.0, "Segments timeline", "start"),
        (344.0, "Status", "middle"),
        (430.0, "Duration", "end"),
    ):
        sheet.text(x, sheet.y + 15, word, "dim bold", anchor)
    for share in (0.0, 0.5, 1.0):
        anchor = ("start", "middle", "end")[int(share * 2)]
        sheet.text(left + (right - left) * share, sheet.y + 15, format_duration(whole * share * 1e9), "dim", anchor)
    sheet.y += ROW
    for depth, each in within(document):
        x, y = 16 + 16 * depth, sheet.y + 15
        sheet.text(x, y, each["name"], "ink bold", rest=clip(_detail(each), 34 - len(each["name"])))
        status = each.get("http", {}).get("response", {}).get("status")
        kind = outcome(each)
        sheet.text(344, y, str(status or {"ok": "OK"}.get(kind, kind.title())), kind, "middle")
        sheet.text(430, y, _took(each), "ink", "end")
        at = left + (right - left) * (each["start_time"] - begin) / whole
        sheet.rect(at, sheet.y + 6, max(2.0, (right - left) * seconds(each) / whole), 10, kind, 2)
        sheet.y += ROW
        sheet.path(f"M8 {sheet.y:g}H{WIDTH - 8}", "rule")
    for depth, each in within(document):
        for raised in each.get("cause", {}).get("exceptions", ()) if depth else ():
            sheet.y += ROW
            top = raised["stack"][0]
            sheet.text(16, sheet.y - 4, f"{raised['type']}: {raised['message']}", "fault bold")
            sheet.text(WIDTH - 24, sheet.y - 4, f"{top['path']}:{top['line']} {top['label']}", "mono dim", "end")
    return sheet.svg()


def _took(document: Document) -> str:
    return format_duration(seconds(document) * 1e9)


def _detail(document: Document) -> str:
    if "origin" in document:
        return str(document["origin"])
    if document.get("namespace") == "aws":
        said = document["aws"]
        return f"{said['operation']} {said.get('table_name', '')}".strip()
    return str(document.get("metadata", {}).get("span", {}).get("name", ""))
