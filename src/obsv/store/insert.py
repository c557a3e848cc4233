"""The statements that put the records of a batch into the tables, inside the writer's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from sqlite3 import Connection
    from typing import Any

    from ..hotpath.records import LogRecord, MetricPoint
    from ..hotpath.span import Span

# What somebody may have put into a record; the record then loses only itself.
_ODD = (TypeError, ValueError, AttributeError, RuntimeError)

_UPSERT_TRACE = """
INSERT INTO trace (trace_id, start_ns, end_ns, spans, errors, logs,
                   root_rank, root_name, root_process, root_start_ns, root_end_ns)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (trace_id) DO UPDATE SET
    start_ns = min(start_ns, excluded.start_ns),
    end_ns = max(end_ns, excluded.end_ns),
    spans = spans + excluded.spans,
    errors = errors + excluded.errors,
    logs = logs + excluded.logs
"""
_BETTER_ROOT = """
UPDATE trace SET
    root_rank = :rank, root_name = :name, root_process = :process, root_start_ns = :start, root_end_ns = :end
WHERE id = :id AND (root_name IS NULL OR :rank > root_rank OR (:rank = root_rank AND :start < root_start_ns))
"""


def _traces(connection: Connection, items: Sequence[list[Span]], process: int) -> int:
    rejected = 0
    updates: dict[str, encode.TraceUpdate] = {}
    rows: list[tuple[str, tuple[Any, ...]]] = []
    for spans in items:
        here = {span.id64 for span in spans}
        for span in spans:
            try:
                columns = encode.span_columns(span, process)
                trace_id = span.trace_id
                update = updates.get(trace_id) or encode.TraceUpdate(trace_id)
                update.add_span(span, encode.rank(span, here))
            except _ODD:
                rejected += 1
                continue
            updates[trace_id] = update
            rows.append((trace_id, columns))
    ids = _touch_traces(connection, updates, process)
    connection.executemany(
        "INSERT INTO span (trace, process, span_id, parent_id, parent_remote, name, kind, flags, start_ns, end_ns,"
        " status, status_message, attributes, events, links, tracestate, scope, scope_version, dropped)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(ids[trace_id], *columns) for trace_id, columns in rows],
    )
    return rejected


def _logs(connection: Connection, items: Sequence[LogRecord], process: int) -> int:
    rejected = 0
    updates: dict[str, encode.TraceUpdate] = {}
    rows: list[tuple[str | None, tuple[Any, ...]]] = []
    for record in items:
        try:
            columns = encode.log_columns(record, process)
            trace_id = record.trace_id
        except _ODD:
            rejected += 1
            continue
        if trace_id is not None:
            update = updates.setdefault(trace_id, encode.TraceUpdate(trace_id))
            update.add_log(encode.integer(record.time_ns))
        rows.append((trace_id, columns))
    ids = _touch_traces(connection, updates, process)
    connection.executemany(
        "INSERT INTO log (trace, process, span_id, time_ns, severity, level, logger, body, fields, error, code)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(None if trace_id is None else ids[trace_id], *columns) for trace_id, columns in rows],
    )
    return rejected


def _metrics(connection: Connection, items: Sequence[MetricPoint], process: int) -> int:
    rejected = 0
    rows: list[tuple[Any, ...]] = []
    for point in items:
        try:
            series, columns = encode.series_columns(point), encode.point_columns(point, process)
        except _ODD:
            rejected += 1
            continue
        connection.execute(
            "INSERT OR IGNORE INTO series (name, kind, unit, attributes, description) VALUES (?, ?, ?, ?, ?)", series
        )
        find = "SELECT id FROM series WHERE name = ? AND kind = ? AND unit = ? AND attributes = ?"
        rows.append((connection.execute(find, series[:4]).fetchone()[0], *columns))
    connection.executemany(
        "INSERT INTO point (series, process, start_ns, time_ns, value, count, sum, min, max, zero, buckets, negative)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )
    return rejected


INSERT: dict[str, Callable[..., int]] = {"traces": _traces, "logs": _logs, "metrics": _metrics}


def _touch_traces(connection: Connection, updates: dict[str, encode.TraceUpdate], process: int) -> dict[str, int]:
    """Bring the rows of `trace` up to date. Returns their ids by trace id."""
    ids: dict[str, int] = {}
    for trace_id, update in updates.items():
        row = update.row(process)
        connection.execute(_UPSERT_TRACE, row)
        number = int(connection.execute("SELECT id FROM trace WHERE trace_id = ?", (trace_id,)).fetchone()[0])
        if update.root is not None:
            rank, name, root_process, start, end = row[6:]
            connection.execute(
                _BETTER_ROOT,
                {"rank": rank, "name": name, "process": root_process, "start": start, "end": end, "id": number},
            )
        connection.execute("INSERT OR IGNORE INTO seen (trace, process) VALUES (?, ?)", (number, process))
        ids[trace_id] = number
    return ids
