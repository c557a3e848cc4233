"""EMF lines on stdout, where Lambda, the CloudWatch agent and log routers pick them up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obsv.hotpath import faults
from obsv.sinks.lines import LineWriter

if TYPE_CHECKING:
    from collections.abc import Sequence

_writer = LineWriter(name="stdout", patience=0.05)


def write(lines: Sequence[str]) -> None:
    """Write lines, each in one piece; where stdout does not take them, say so once."""
    written = _writer.write(lines)
    if written.reason is not None and written.lines < len(lines):
        faults.tell(f"metrics are lost: {written.reason}", key="compat metrics stdout")
