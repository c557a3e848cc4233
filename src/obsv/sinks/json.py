"""The `json` sink: log lines on stdout, written by the thread that logs.

A line leaves with one ``write(2)`` and nothing else on it, in the order of the calls, and it is out when the call
returns: a program that crashes a moment later has logged why. What that costs is one system call; a stdout that
nobody reads blocks the caller just as ``print`` would, one that is closed, full or without its reader never does, and
each line lost is counted by its reason. With ``log_queue`` records wait for a thread of ours instead, within the bounds
of every queue.
"""

from __future__ import annotations

import sys

from ..hotpath.loglines import LineSink
from ..logs.jsonlines import JsonLines
from .base import Refused, Retry, Sent
from .lines import LineWriter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..settings import Settings
    from .base import Attributes, Batch, Result
    from .lines import Written

PATIENCE = 0.05
"""Seconds that a line waits for a non-blocking stdout that is full.

After one that waited in vain the next ones do not, until a line goes through again.
"""


def lines(settings: Settings, resource: Attributes) -> JsonLines:
    """Return what writes records in the form that the settings ask for."""
    if settings.log_format != "cloudwatch" or settings.log_keys or settings.log_order:
        from ..logs.shapes import ShapedLines

        return ShapedLines(resource, settings)
    made = JsonLines(resource)
    made.stack = settings.log_stack
    made.xray = settings.xray_ids()
    return made


class JsonSink(LineSink):
    """Writes each log record as a line of JSON on stdout.

    Attributes:
        sent: Lines that were written.
        lost: Lines that were not, by reason.
    """

    name = "json"
    signals = frozenset({"logs"})
    immediate: frozenset[str] = frozenset({"logs"})

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__(lines(settings, {"service.name": settings.service}), LineWriter(patience=PATIENCE), PATIENCE)
        self.lost: dict[str, int] = {}
        if settings.log_queue:
            self.immediate = frozenset()  # the pipeline queues them

    def open(self, resource: Attributes) -> None:
        """Take over the resource whose service every line carries."""
        self._lines = lines(self._settings, resource)

    def trouble(self, written: Written) -> None:
        """Count a line that had to wait, or that is lost."""
        self.sent += written.lines
        if written.reason is not None and not written.lines:
            # Many threads count here. CPython switches between them at calls, so never within these statements.
            self.lost.setdefault(written.reason, 0)
            self.lost[written.reason] += 1
            if written.again:
                self._writer.patience = 0.0

    def send(self, batch: Batch) -> Result:
        """Write a batch, where the pipeline queues logs instead."""
        if batch.encoded is None:
            batch.encoded = [self._lines.line(record) for record in batch.items]
        lines: Any = batch.encoded
        written: Written = self._writer.around(lines)
        if written.reason is None:
            return Sent()
        if written.again:
            batch.encoded = lines[written.lines :]
            return Retry(written.reason)
        if written.lines:
            return Sent(len(lines) - written.lines, written.reason)
        return Refused(written.reason)

    def close(self) -> None:
        """Do nothing: stdout is the program's."""

    def probe(self) -> str:
        """Say where the lines go."""
        stream = sys.stdout
        if stream is None or stream.closed:
            return "stdout is closed: lines are lost"
        return "stdout is a terminal" if stream.isatty() else "stdout is a file or pipe"
