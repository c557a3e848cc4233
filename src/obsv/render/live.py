"""What the console shows while a program runs: each local trace as it ends, with its logs in place."""

from __future__ import annotations

from .look import clock, level_style, value_text
from .tables import log_line
from .tree import grow
from .waterfall import tree_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..hotpath.records import MetricPoint
    from ..store.rows import LogRow, SpanRow
    from .look import Look


def local_trace(spans: Sequence[SpanRow], logs: Sequence[LogRow], look: Look) -> list[str]:
    """A local trace: a line with the time and the short trace id, then the tree."""
    first = min(spans, key=lambda span: span.start_ns)
    head = f"{clock(first.start_ns)} {look.clean(first.service)} {look.glyphs.dot} trace {first.trace_id[:8]}"
    forest = grow(spans, logs)
    return [look(look.clip(head, look.width), "dim"), *tree_lines(forest, spans, logs, look, notes=False)]


def loose_log(log: LogRow, look: Look) -> list[str]:
    """A log on its own, and below it the stack trace of the exception that it carries."""
    lines = [log_line(log, look, service=False)]
    if log.error:
        trace = str(log.error.get("stacktrace") or "").rstrip("\n")
        style = level_style(log.severity)[0]
        lines.extend([look("  " + look.clean(text.replace("\t", "    ")), style) for text in trace.split("\n") if text])
    return lines


def metric_line(point: MetricPoint, look: Look) -> str:
    """One series of one interval: `10:22:01.123 METRIC orders +5 Count  shop=north`."""
    if point.kind == "histogram":
        mean = point.sum / point.count
        said = f"{point.count:,} values, mean {mean:.4g}, {point.min:.4g} to {point.max:.4g} {point.unit}"
    else:
        said = f"{'+' if point.kind == 'counter' else ''}{point.value:,} {point.unit}"
    parts = [look(clock(point.time_ns), "dim") + " " + look("METRIC", "cyan") + f" {look.clean(point.name)}  {said}"]
    parts += [look(f"{look.clean(str(k))}={look.clean(value_text(v))}", "dim") for k, v in point.attributes.items()]
    return "  ".join(parts)
