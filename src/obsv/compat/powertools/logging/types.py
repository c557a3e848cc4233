"""Names that formatters of one's own are annotated with."""

from __future__ import annotations

from typing import Any, TypeAlias

LogRecord: TypeAlias = dict[str, Any]
"""A line before it is written: members and their values."""

LogStackTrace: TypeAlias = dict[str, Any]
"""Its member ``stack_trace``."""

PowertoolsLogRecord: TypeAlias = LogRecord
PowertoolsStackTrace: TypeAlias = LogStackTrace
