"""Counts what each sink sent and lost, and why."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

MAX_REASONS = 50
"""Different reasons kept a signal; the rest is counted as ``other``."""


class Account:
    """One sink's account of one signal. Only the sink's thread writes it; what the queue refuses is counted by the
    queue.

    Attributes:
        sent: Records that left.
        dropped: Records lost, by reason.
        adapted: What was changed to keep the receiver's rules, by what was done. Nothing of it is lost.
        retries: Batches that had to be sent again.
        last_error: The newest reason of a retry or loss.
    """

    __slots__ = ("adapted", "dropped", "last_error", "retries", "sent")

    def __init__(self) -> None:
        self.sent = 0
        self.dropped: dict[str, int] = {}
        self.adapted: dict[str, int] = {}
        self.retries = 0
        self.last_error: str | None = None

    def drop(self, reason: str, records: int) -> None:
        """Count records as lost."""
        self.last_error = _count(self.dropped, reason, records)

    def adapt(self, adapted: Mapping[str, int]) -> None:
        """Count what was changed."""
        for reason, number in adapted.items():
            _count(self.adapted, reason, number)

    def as_dict(self, waiting: int, refused: int) -> dict[str, Any]:
        """Return plain data for ``obsv.status()``; ``refused`` is what did not fit into the queue."""
        dropped = dict(self.dropped)
        if refused:
            dropped["queue full"] = dropped.get("queue full", 0) + refused
        return {
            "sent": self.sent,
            "waiting": waiting,
            "dropped": dropped,
            "adapted": dict(self.adapted),
            "retries": self.retries,
            "last_error": self.last_error,
        }


def _count(counts: dict[str, int], reason: str, number: int) -> str:
    """Count under a reason, or as ``other`` where there are too many of them; return which."""
    if reason not in counts and len(counts) >= MAX_REASONS:
        reason = "other"
    counts[reason] = counts.get(reason, 0) + number
    return reason
