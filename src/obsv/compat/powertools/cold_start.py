"""Cold starts: the first invocation of an execution environment, whatever became of it."""

from __future__ import annotations

import os


class ColdStart:
    """Tells each utility once that an invocation is the first.

    With provisioned concurrency there is none: the environment was initialised before
    (``AWS_LAMBDA_INITIALIZATION_TYPE``, Lambda developer guide).
    """

    __slots__ = ("_first",)

    def __init__(self) -> None:
        self._first = True

    def take(self) -> bool:
        """Tell whether this is the first invocation; the next one is not."""
        if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "provisioned-concurrency":
            self._first = False
        first, self._first = self._first, False
        return first

    def reset(self) -> None:
        """Begin again, for tests."""
        self._first = True
