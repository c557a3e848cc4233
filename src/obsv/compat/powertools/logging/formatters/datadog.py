"""The form that Datadog reads: as the default, with times in RFC 3339."""

from __future__ import annotations

from typing import Any

from ..formatter import LambdaPowertoolsFormatter


class DatadogLogFormatter(LambdaPowertoolsFormatter):
    """Writes lines for Datadog. Takes what `LambdaPowertoolsFormatter` takes."""

    def __init__(self, use_rfc3339: bool = True, **options: Any) -> None:
        super().__init__(use_rfc3339=use_rfc3339, **options)
