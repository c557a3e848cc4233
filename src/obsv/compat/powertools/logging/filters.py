"""Keeps the records of a Powertools logger from handlers of the root logger, which would write them again."""

from __future__ import annotations

import logging


class SuppressFilter(logging.Filter):
    """Rejects the records of a logger and of those below it.

    Powertools' own rejects every logger whose name merely contains the service's: ``Logger(service="app")`` silences
    ``myapp.orders`` on the root logger.
    """

    def __init__(self, logger: str) -> None:
        super().__init__()
        self.logger = logger

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record may pass."""
        return record.name != self.logger and not record.name.startswith(f"{self.logger}.")
