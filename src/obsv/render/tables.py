"""Tables for people: the newest traces, request metrics by route, other metrics, log lines."""

from __future__ import annotations

from .. import term
from .failures import headline
from .look import clock, level_style, level_word, value_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..store.rows import LogRow, Series, TraceSummary
    from .look import Look

SERVER_DURATION = "http.server.request.duration"
"""The metric behind `routes` (OpenTelemetry semantic conventions, "HTTP metrics")."""

_NANOSECONDS = {"s": 1e9, "Seconds": 1e9, "ms": 1e6, "Milliseconds": 1e6, "us": 1e3, "Microseconds": 1e3, "ns": 1.0}


def traces(rows: Sequence[TraceSummary], look: Look) -> list[str]:
    """A line a trace: when, short id, duration, how many spans, the services, the name, and the first error."""
    cells = []
    for row in rows:
        bad = row.errors > 0
        services = look.clean(", ".join(sorted(row.services, key=lambda name: name != row.service)))
        cells.append(
            (
                look(clock(row.start_ns)[:8], "dim"),
                look(row.trace_id[:8], "cyan"),
                look.duration(row.duration_ns),
                f"{row.spans:,}",
                look.clip(services, max(12, look.width // 4)),
                look(look.clean(row.name), *(("red",) if bad else ()))
                + ("" if row.complete else look(" (part)", "dim")),
            )
        )
    lines = term.table(
        cells,
        ("TIME", "TRACE", "TOOK", "SPANS", "SERVICES", "NAME"),
        align="<<>><<",
        style=term.Style(enabled=look.color),
    )
    # The errors are as long as they are: they take what is left of the line.
    return [_short(lines[0], look)] + [_with_error(line, row, look) for line, row in zip(lines[1:], rows, strict=True)]


def _with_error(line: str, row: TraceSummary, look: Look) -> str:
    if not row.errors or not row.error:
        return _short(line, look)
    mark = f"  {look.glyphs.cross} "
    room = look.width - term.width(line) - term.width(mark)
    if room < 12:
        return _short(line, look)
    return line + look(mark + look.clip(look.clean(row.error), room), "red")


def _short(line: str, look: Look) -> str:
    """A line that is too long loses its colours with its end."""
    return line if term.width(line) <= look.width else look.clip(term.strip(line), look.width)


class Route:
    """What a route answered: `requests` so many, `errors` of them with a server error; times in nanoseconds."""

    __slots__ = ("errors", "max_ns", "method", "p50_ns", "p99_ns", "requests", "route", "service")

    def __init__(self, service: str, method: str, route: str) -> None:
        self.service = service
        self.method = method
        self.route = route
        self.requests = 0
        self.errors = 0
        self.p50_ns = 0.0
        self.p99_ns = 0.0
        self.max_ns = 0.0

    @property
    def error_rate(self) -> float:
        """Between 0 and 1."""
        return self.errors / self.requests if self.requests else 0.0


def by_route(series: Sequence[Series]) -> list[Route]:
    """Sum `http.server.request.duration` up over status codes, by service, method and route.

    An error is an answer of 500 or more, or none at all (`error.type` that is no status code).
    """
    from ..store.rows import Series as Sum

    sums: dict[tuple[str, str, str], tuple[Route, Sum]] = {}
    for one in series:
        if one.name != SERVER_DURATION or one.kind != "histogram" or not one.count:
            continue
        attributes = one.attributes
        method, route = str(attributes.get("http.request.method", "")), str(attributes.get("http.route", ""))
        key = (one.service, method, route)
        if key not in sums:
            sums[key] = (Route(*key), Sum(one.service, one.name, one.kind, one.unit, {}))
        found, total = sums[key]
        found.requests += one.count
        if _failed(attributes.get("http.response.status_code"), attributes.get("error.type")):
            found.errors += one.count
        total.merge(one)
    for found, total in sums.values():
        size = _NANOSECONDS.get(total.unit, 1e9)
        found.p50_ns = (total.percentile(0.5) or 0.0) * size
        found.p99_ns = (total.percentile(0.99) or 0.0) * size
        found.max_ns = (total.max or 0.0) * size
    return [sums[key][0] for key in sorted(sums)]


def _failed(status: object, error: object) -> bool:
    code = str(status if status is not None else "")
    if code.isdecimal():
        return int(code) >= 500
    return error is not None


def routes(series: Sequence[Series], look: Look) -> list[str]:
    """A line a route: requests, error rate, median, 99th percentile and maximum."""
    cells = []
    for row in by_route(series):
        rate = look(f"{row.error_rate:.1%}", "red") if row.errors else "0%"
        name = look.clean(f"{row.method} {row.route}".strip()) or "(no route)"
        times = [look.duration(ns) for ns in (row.p50_ns, row.p99_ns, row.max_ns)]
        cells.append((look.clean(row.service), name, f"{row.requests:,}", rate, *times))
    header = ("SERVICE", "ROUTE", "REQUESTS", "ERRORS", "P50", "P99", "MAX")
    lines = term.table(cells, header, align="<<>>>>>", style=term.Style(enabled=look.color))
    return [_short(line, look) for line in lines]


def metrics(series: Sequence[Series], look: Look) -> list[str]:
    """A line a series: its service, name, what its kind has to say, and attributes."""
    cells = []
    for one in series:
        attributes = " ".join([f"{key}={value_text(value)}" for key, value in one.attributes.items()])
        cells.append((look.clean(one.service), look.clean(one.name), look.clean(_value(one)), look.clean(attributes)))
    header = ("SERVICE", "METRIC", "VALUE", "ATTRIBUTES")
    lines = term.table(cells, header, style=term.Style(enabled=look.color))
    return [_short(line, look) for line in lines]


def _value(one: Series) -> str:
    unit = "" if one.unit in ("None", "Count", "1", "") else f" {one.unit}"
    if one.kind == "counter":
        return _number(one.sum) + unit
    if one.kind in ("gauge", "up_down_counter"):
        return _number(one.last or 0.0) + unit
    facts = (("p50", one.percentile(0.5)), ("p99", one.percentile(0.99)), ("max", one.max))
    return " ".join([f"n={one.count:,}", *[f"{name}={value:.4g}" for name, value in facts if value is not None]]) + unit


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == value // 1 and abs(value) < 1e15 else f"{value:.6g}"


def logs(rows: Sequence[LogRow], look: Look, *, services: bool = True) -> list[str]:
    """A line a log: time, level, service, message, fields, and its short trace id."""
    return [log_line(row, look, service=services) for row in rows]


def log_line(row: LogRow, look: Look, *, service: bool = True) -> str:
    """One log: `10:22:01.123 WARN  shop  stock low  sku=A-1  trace=4bf92f35`."""
    styles = level_style(row.severity)
    parts = [look(clock(row.time_ns), "dim") + " " + look(look.clean(level_word(row.level)).ljust(5), *styles)]
    if service and row.service:
        parts[0] += " " + look(look.clean(row.service), "cyan") + " "
    body = look.clean(row.body)
    parts[0] += " " + look(body, *(styles if row.severity >= 17 else ()))
    if row.error and row.error.get("message", "") not in row.body:
        parts.append(look(look.clean(headline(row.error.get("type"), row.error.get("message"))), "red"))
    parts.extend([look(f"{look.clean(str(k))}={look.clean(value_text(v))}", "dim") for k, v in row.fields.items()])
    if row.trace_id:
        parts.append(look(f"trace={row.trace_id[:8]}", "dim"))
    return "  ".join(parts)
