"""Counts what each sink sent and lost, and why."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_REASONS = 50
"""Different reasons kept a signal; the rest is counted as ``other``."""


class Account:
    """One sink's account of one signal. Only the sink's thread writes it; what the queue refuses is counted by the
    queue.

    Attributes:
        sent: Records that left.
        dropped: Records lost, by reason.
        retries: Batches that had to be sent again.
        last_error: The newest reason of a retry or loss.
    """

    __slots__ = ("dropped", "last_error", "retries", "sent")

    def __init__(self) -> None:
        self.sent = 0
        self.dropped: dict[str, int] = {}
        self.retries = 0
        self.last_error: str | None = None

    def drop(self, reason: str, records: int) -> None:
        """Count records as lost."""
        if reason not in self.dropped and len(self.dropped) >= MAX_REASONS:
            reason = "other"
        self.dropped[reason] = self.dropped.get(reason, 0) + records
        self.last_error = reason

    def as_dict(self, waiting: int, refused: int) -> dict[str, Any]:
        """Return plain data for ``obsv.status()``; ``refused`` is what did not fit into the queue."""
        dropped = dict(self.dropped)
        if refused:
            dropped["queue full"] = dropped.get("queue full", 0) + refused
        return {
            "sent": self.sent,
            "waiting": waiting,
            "dropped": dropped,
            "retries": self.retries,
            "last_error": self.last_error,
        }
