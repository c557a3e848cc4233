"""What happened to metrics on their way into EMF: what was refused, and what had to be adapted."""

from __future__ import annotations


class Counts:
    """Counts by reason.

    ``refused``: points lost. ``changed``: names, values and units that were adapted.
    """

    __slots__ = ("changed", "refused")

    def __init__(self) -> None:
        self.refused: dict[str, int] = {}
        self.changed: dict[str, int] = {}

    def refuse(self, reason: str, number: int = 1) -> None:
        """Count points that are lost."""
        self.refused[reason] = self.refused.get(reason, 0) + number

    def change(self, reason: str, number: int = 1) -> None:
        """Count what was adapted."""
        self.changed[reason] = self.changed.get(reason, 0) + number

    def add(self, other: Counts) -> None:
        """Take over what another has counted."""
        for reason, number in other.refused.items():
            self.refuse(reason, number)
        for reason, number in other.changed.items():
            self.change(reason, number)
