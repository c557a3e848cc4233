"""The `console` sink: what a program does, on stderr, for the person in front of it.

Each local trace is a tree, printed when its local root ends, with the logs of its spans in their place. A log of a
trace that is still running waits for it, `PATIENCE` seconds at most, and is then printed alone with its short trace id;
logs outside of any trace are printed at once.
"""

from __future__ import annotations

import sys
from time import monotonic

from .base import Refused, Sent
from .lines import LineWriter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from ..hotpath.records import LogRecord
    from ..hotpath.span import Span
    from ..settings import Settings
    from .base import Attributes, Batch, Result

PATIENCE = 2.0
"""Seconds that a log waits for its trace."""

MAX_WAITING = 1000
"""Logs that wait; when there are more, the oldest are printed."""


class ConsoleSink:
    """Prints traces and logs to whatever `sys.stderr` is at the time. A closed or broken stderr loses them, no more.

    Attributes:
        lost: Traces and logs that could not be printed after their batch had been reported as sent, by reason.

    Traces are sent before the logs that were written in them, so a trace is printed with the next logs or in `idle`,
    which follows in the same turn of the lane.
    """

    name = "console"
    signals = frozenset({"traces", "metrics", "logs"})
    imports = (
        "obsv.render.live",
        "obsv.render.look",
        "obsv.render.tables",
        "obsv.store.rows",
        "traceback",
        "linecache",
    )

    def __init__(self, settings: Settings) -> None:
        self._writer = LineWriter(_stderr, name="stderr", patience=1.0)
        self._service = ""
        self.lost: dict[str, int] = {}
        self._ended: list[list[Span]] = []
        # Each with the moment until which it waits; the oldest first.
        self._waiting: list[tuple[float, LogRecord]] = []

    def open(self, resource: Attributes) -> None:
        """Nothing to open."""
        self._service = str(resource.get("service.name") or "")

    def send(self, batch: Batch) -> Result:
        """Take the batch in, and print what is complete by now."""
        if batch.signal == "metrics":
            return self._print(self._metrics(batch))
        if batch.signal == "traces":
            self._print_late(*self._trees())
            self._ended.extend(batch.items)
            return Sent()
        alone, crowded = self._take_in(batch.items)
        trees, held = self._trees()
        result = self._print(trees + self._alone(alone + crowded))
        if type(result) is Refused:
            self._count(result.reason, held + len(crowded))
            if len(alone) < batch.records:  # the others are counted above, or still wait
                return Sent(len(alone), result.reason)
        return result

    def idle(self) -> None:
        """Print the traces that have ended, and the logs that have waited long enough. The lane calls it each turn."""
        if self._ended or self._waiting:
            self._print_all(monotonic())

    def close(self) -> None:
        """Print what still waits."""
        self._print_all(float("inf"))

    def probe(self) -> str:
        """Say where it prints."""
        return "stderr" if sys.stderr is not None else "stderr is closed"

    # ------------------------------------------------------------------

    def _take_in(self, records: list[LogRecord]) -> tuple[list[LogRecord], list[LogRecord]]:
        """Keep the logs that belong to a trace; returns the others, and the waiting ones for which there is no room."""
        until = monotonic() + PATIENCE
        alone: list[LogRecord] = []
        crowded: list[LogRecord] = []
        for record in records:
            if record.id64 and record.flags & 1:  # of a trace that is not sampled nothing will come
                self._waiting.append((until, record))
            else:
                alone.append(record)
        excess = len(self._waiting) - MAX_WAITING
        if excess > 0 and not self._ended:
            crowded = [record for _, record in self._waiting[:excess]]
            del self._waiting[:excess]
        return alone, crowded

    def _metrics(self, batch: Batch) -> list[str]:
        from ..render.live import metric_line
        from ..render.look import Look

        look = Look.of(sys.stderr)
        return [metric_line(point, look) for point in batch.items]

    def _expired(self, now: float) -> tuple[list[str], int]:
        """The logs that have waited long enough, and how many they are."""
        waiting = self._waiting
        if not waiting or waiting[0][0] > now:
            return [], 0
        self._waiting = [pair for pair in waiting if pair[0] > now]
        expired = [record for until, record in waiting if until <= now]
        return self._alone(expired), len(expired)

    def _alone(self, records: list[LogRecord]) -> list[str]:
        if not records:
            return []
        from ..render.live import loose_log
        from ..render.look import Look
        from ..store.rows import log_row

        look = Look.of(sys.stderr)
        lines: list[str] = []
        for record in sorted(records, key=lambda record: record.time_ns):
            lines += loose_log(log_row(record, self._service), look)
        return lines

    def _trees(self) -> tuple[list[str], int]:
        """The traces that have ended, each with those of the waiting logs that belong to its spans; and how many traces
        and logs they are."""
        if not self._ended:
            return [], 0
        from ..render.live import local_trace
        from ..render.look import Look
        from ..store.rows import log_row, span_row

        ended, self._ended = self._ended, []
        look = Look.of(sys.stderr)
        service = self._service
        by_span: dict[int, list[LogRecord]] = {}
        for _, record in self._waiting:
            by_span.setdefault(record.id64, []).append(record)
        taken: set[int] = set()
        lines: list[str] = []
        held = 0
        for spans in ended:
            if spans:
                rows = [span_row(span, service) for span in spans]
                ids = {span.id64 for span in spans} & by_span.keys()
                logs = [log_row(record, service) for id64 in ids for record in by_span[id64]]
                taken |= ids
                lines += local_trace(rows, logs, look)
                held += 1
        if taken:
            waiting = self._waiting
            self._waiting = [pair for pair in waiting if pair[1].id64 not in taken]
            held += len(waiting) - len(self._waiting)
        return lines, held

    def _print_all(self, now: float) -> None:
        """Print the traces that have ended, and the logs that wait until ``now`` at most."""
        trees, held = self._trees()
        logs, expired = self._expired(now)
        self._print_late(trees + logs, held + expired)

    def _print_late(self, lines: list[str], held: int) -> None:
        """Print traces and logs, ``held`` of them, later than their batch, which has been reported as sent."""
        result = self._print(lines)
        if type(result) is Refused:
            self._count(result.reason, held)

    def _count(self, reason: str, held: int) -> None:
        if held:
            self.lost[reason] = self.lost.get(reason, 0) + held

    def _print(self, lines: list[str]) -> Result:
        """All lines in one write, so that no other output comes between them."""
        if lines:
            written = self._writer.write(["\n".join(lines)])
            if written.reason is not None:
                return Refused(written.reason)
        return Sent()


def _stderr() -> TextIO | None:
    return sys.stderr
