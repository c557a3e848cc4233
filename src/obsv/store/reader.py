"""Reads the local store, while other processes write to it.

    with Reader(".obsv/obsv.db") as reader:
        for summary in reader.traces(limit=20):
            print(summary.name, summary.duration_ns)

Every method raises `StoreError` (`NoStoreError` when there is no file yet) and nothing else.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING
from urllib.parse import quote

from . import failure
from .failure import NoStoreError, StoreError
from .rows import ERROR, EventRow, LogRow, Series, SpanRow, Trace, TraceSummary, add_buckets
from .schema import VERSION, WrongVersionError, check

if TYPE_CHECKING:
    from collections.abc import Sequence
    from sqlite3 import Connection
    from typing import Any

_SECONDS = 5.0

_TRACES = """
SELECT t.id, t.trace_id, t.root_name, p.service, t.start_ns, t.end_ns, t.root_rank, t.root_start_ns, t.root_end_ns,
       t.spans, t.errors, t.logs
FROM trace t LEFT JOIN process p ON p.id = t.root_process
WHERE t.spans > 0 {where}
ORDER BY {order} LIMIT ?
"""
_BY_SERVICE = "AND t.id IN (SELECT s.trace FROM seen s JOIN process q ON q.id = s.process WHERE q.service = ?)"
_SPANS = """
SELECT s.span_id, s.parent_id, s.name, p.service, s.start_ns, s.end_ns, s.parent_remote, p.pid, s.kind, s.flags,
       s.status, s.status_message, s.attributes, s.events, s.links, s.tracestate, s.scope
FROM span s LEFT JOIN process p ON p.id = s.process
WHERE s.trace = ? ORDER BY s.start_ns, s.id
"""
_LOGS = """
SELECT l.time_ns, l.severity, l.level, l.body, l.logger, p.service, p.pid, t.trace_id, l.span_id, l.fields, l.error,
       l.code
FROM log l LEFT JOIN process p ON p.id = l.process LEFT JOIN trace t ON t.id = l.trace
"""
_POINTS = """
SELECT s.id, p.service, s.name, s.kind, s.unit, s.attributes, s.description, o.start_ns, o.time_ns, o.value, o.count,
       o.sum, o.min, o.max, o.zero, o.buckets, o.negative
FROM point o JOIN series s ON s.id = o.series LEFT JOIN process p ON p.id = o.process
"""


class Reader:
    """Reads the store at `path`, without ever writing to it."""

    def __init__(self, path: str) -> None:
        try:
            self.path = os.path.abspath(path)
        except OSError:  # the current directory is gone
            self.path = path
        if not os.path.exists(self.path):
            raise NoStoreError(f"no traces yet: {path} does not exist")
        self._connection = self._open()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def traces(
        self, limit: int = 20, *, errors: bool = False, slow: bool = False, service: str | None = None
    ) -> list[TraceSummary]:
        """The newest traces first; with `slow`, the ones that took longest first.

        `errors` keeps those with an error in any span, `service` those in which that service took part.
        """
        where, values = "", []
        if errors:
            where += " AND t.errors > 0"
        if service is not None:
            where += " " + _BY_SERVICE
            values.append(service)
        order = "max(t.root_end_ns - t.root_start_ns, 0) DESC, t.id DESC" if slow else "t.start_ns DESC, t.id DESC"
        rows = self._all(_TRACES.format(where=where, order=order), (*values, limit))
        return [self._summary(row) for row in rows]

    def find(self, prefix: str, limit: int = 20) -> list[TraceSummary]:
        """The traces whose id begins with `prefix`, newest first. Upper case, dashes and X-Ray's "1-" are fine."""
        digits = _plain_id(prefix)
        if not digits or any(c not in "0123456789abcdef" for c in digits) or len(digits) > 32:
            return []
        where = "AND t.trace_id >= ? AND t.trace_id <= ?"
        sql = _TRACES.replace("t.spans > 0", "1").format(where=where, order="t.start_ns DESC, t.id DESC")
        return [self._summary(row) for row in self._all(sql, (digits, digits.ljust(32, "f"), limit))]

    def trace(self, trace_id: str) -> Trace | None:
        """The trace with exactly this id, None when there is none."""
        rows = self._all("SELECT id FROM trace WHERE trace_id = ?", (trace_id,))
        if not rows:
            return None
        number = rows[0][0]
        spans = [_span(trace_id, row) for row in self._all(_SPANS, (number,))]
        logs = [_log(row) for row in self._all(_LOGS + "WHERE l.trace = ? ORDER BY l.time_ns, l.id", (number,))]
        return Trace(trace_id, spans, logs)

    def logs(self, limit: int = 50, *, in_traces: bool | None = None) -> list[LogRow]:
        """The newest logs, oldest of them first. `in_traces` true or false keeps those within or outside of a trace."""
        where = "" if in_traces is None else f"WHERE l.trace IS {'NOT ' if in_traces else ''}NULL "
        rows = self._all(_LOGS + where + "ORDER BY l.time_ns DESC, l.id DESC LIMIT ?", (limit,))
        return [_log(row) for row in reversed(rows)]

    def series(self, name: str | None = None) -> list[Series]:
        """Every metric by service and attributes over all its points, in order of service, name and attributes."""
        where, values = ("WHERE s.name = ? ", (name,)) if name is not None else ("", ())
        found: dict[tuple[str, int], Series] = {}
        for row in self._all(_POINTS + where + "ORDER BY o.time_ns, o.id", values):
            service = row[1] or ""
            series = found.get((service, row[0]))
            if series is None:
                series = found[service, row[0]] = Series(service, row[2], row[3], row[4], _json(row[5], {}))
                series.description = row[6]
                series.first_ns = row[7]
            series.merge(_one_point(series, row))
        return sorted(found.values(), key=lambda s: (s.service, s.name, s.kind, str(s.attributes)))

    # ------------------------------------------------------------------

    def _open(self) -> Connection:
        import sqlite3

        address = "file:" + quote(self.path)
        error: sqlite3.Error | None = None
        # A folder that cannot be written has no room for SQLite's shared memory; then nobody writes the file either,
        # and it can be taken as it is.
        for mode in ("?mode=ro", "?immutable=1"):
            try:
                connection = sqlite3.connect(address + mode, uri=True, timeout=_SECONDS, isolation_level=None)
            except sqlite3.Error as e:
                error = error or e
                continue
            try:
                version = check(connection)
                if version == 0:
                    raise NoStoreError(f"no traces yet: {self.path} is empty")
                if version < VERSION:
                    raise StoreError(
                        f"{self.path}: written by an older obsv (schema {version}, this one reads {VERSION})"
                    )
                return connection
            except WrongVersionError as e:
                connection.close()
                raise StoreError(f"{self.path}: {e}") from e
            except StoreError:
                connection.close()
                raise
            except sqlite3.Error as e:
                connection.close()
                error = error or e
                if failure.code(e) not in (failure.CANTOPEN, failure.READONLY):
                    break
        assert error is not None
        raise failure.explain(error, self.path) from error

    def _all(self, sql: str, values: Sequence[Any]) -> list[Any]:
        import sqlite3

        try:
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise failure.explain(error, self.path) from error

    def _summary(self, row: Sequence[Any]) -> TraceSummary:
        number, trace_id, name, service, start, end, rank, root_start, root_end, spans, errors, logs = row
        summary = TraceSummary(trace_id, name or "(no spans)", service or "", start)
        summary.total_ns = max(0, end - start)
        summary.duration_ns = summary.total_ns if root_start is None else max(0, root_end - root_start)
        summary.spans, summary.errors, summary.logs = spans, errors, logs
        summary.complete = rank == _ROOT
        services = self._all(
            "SELECT DISTINCT p.service FROM seen s JOIN process p ON p.id = s.process WHERE s.trace = ? ORDER BY 1",
            (number,),
        )
        summary.services = tuple([item[0] for item in services])
        if errors:
            summary.error = self._first_error(number)
        return summary

    def _first_error(self, number: int) -> str | None:
        """What went wrong first: the error that ended earliest is the innermost, those around it repeat it."""
        rows = self._all(
            "SELECT status_message, events, attributes FROM span WHERE trace = ? AND status = ?"
            " ORDER BY end_ns, start_ns DESC LIMIT 1",
            (number, ERROR),
        )
        if not rows:
            return None
        message, events, attributes = rows[0]
        for event in reversed(_events(events)):
            if event.name == "exception":
                kind, text = event.attributes.get("exception.type"), event.attributes.get("exception.message")
                return ": ".join([str(part) for part in (kind, text) if part])
        return message or str(_json(attributes, {}).get("error.type") or "error")


_ROOT = 3


def _plain_id(text: str) -> str:
    text = text.strip().lower()
    if text.startswith("1-"):
        text = text[2:]
    return text.replace("-", "")


def _span(trace_id: str, row: Sequence[Any]) -> SpanRow:
    span = SpanRow(trace_id, row[0], row[1], row[2], row[3] or "", row[4], row[5])
    span.parent_remote = bool(row[6])
    span.pid = row[7] or 0
    span.kind, span.flags, span.status, span.status_message = row[8:12]
    span.attributes = _json(row[12], {})
    span.events = _events(row[13])
    span.links = _json(row[14], [])
    span.tracestate, span.scope = row[15:17]
    return span


def _events(text: str | None) -> list[EventRow]:
    return [EventRow(name, time_ns, attributes) for name, time_ns, attributes in _json(text, [])]


def _log(row: Sequence[Any]) -> LogRow:
    log = LogRow(row[0], row[1], row[2], row[3], row[4], row[5] or "")
    log.pid = row[6] or 0
    log.trace_id, log.span_id = row[7], row[8]
    log.fields = _json(row[9], {})
    log.error = _json(row[10], None)
    code = _json(row[11], None)
    log.code = None if code is None else tuple(code)
    return log


def _one_point(like: Series, row: Sequence[Any]) -> Series:
    point = Series(like.service, like.name, like.kind, like.unit, like.attributes)
    point.first_ns, point.last_ns, value = row[7], row[8], row[9]
    if like.kind == "histogram":
        point.count, point.sum, point.min, point.max, point.zero = (
            row[10] or 0,
            row[11] or 0.0,
            row[12],
            row[13],
            row[14] or 0,
        )
        add_buckets(point.buckets, _buckets(row[15]))
        add_buckets(point.negative, _buckets(row[16]))
    else:
        point.count, point.last = 1, value
        point.sum = value or 0.0
    return point


def _buckets(text: str | None) -> dict[int, int]:
    return {int(index): count for index, count in _json(text, {}).items()}


def _json(text: str | None, empty: Any) -> Any:
    """What the column holds; `empty` for nothing, and for what a stranger wrote there."""
    if not text:
        return empty
    try:
        value = json.loads(text)
    except ValueError:
        return empty
    return value if empty is None or isinstance(value, type(empty)) else empty
