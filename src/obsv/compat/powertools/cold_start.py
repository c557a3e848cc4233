"""Cold starts: the first invocation of an execution environment, whatever became of it."""

from __future__ import annotations

import os


class ColdStart:
    """Tells each utility once that an invocation is the first.

    With provisioned concurrency there is none: the environment was initialised before
    (``AWS_LAMBDA_INITIALIZATION_TYPE``, Lambda developer guide).

    Attributes:
        is_cold_start: Whether the next invocation is the first. Tests set it, as Powertools documents.
    """

    __slots__ = ("is_cold_start",)

    def __init__(self) -> None:
        self.is_cold_start = True

    def take(self) -> bool:
        """Tell whether this is the first invocation; the next one is not."""
        if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "provisioned-concurrency":
            self.is_cold_start = False
        first, self.is_cold_start = self.is_cold_start, False
        return first

    def reset(self) -> None:
        """Begin again, for tests."""
        self.is_cold_start = True
