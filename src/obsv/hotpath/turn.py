"""Whose turn it is to do what only one may do at a time: collect the metrics, or send for a sink.

It is a lock for which nobody ever waits, and which knows who holds it. A signal handler can so tell that it has
interrupted the holder, who goes on only when the handler is done.
"""

from __future__ import annotations

import _thread


class Turn:
    """Taken with a claim of one's own, in one step inside which CPython runs no signal handler and no other thread.

    Example:
        >>> mine = turn.claim()
        >>> try:
        ...     if turn.take(mine): ...
        ... finally:
        ...     turn.leave(mine)
    """

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[int, list[int]] = {}

    def claim(self) -> list[int]:
        """Return what to take the turn with. It is no more than the caller's thread (under gevent: greenlet)."""
        return [_thread.get_ident()]  # looked up each time: gevent replaces it

    def take(self, claim: list[int]) -> bool:
        """Take the turn; False when it is somebody else's."""
        return self._held.setdefault(0, claim) is claim

    def leave(self, claim: list[int]) -> None:
        """Give the turn back, if it is this claim's: an exception may have come before it was taken."""
        if self._held.get(0) is claim:
            self._held.clear()

    def taken(self) -> bool:
        """Tell whether anybody has the turn."""
        return bool(self._held)

    def ours(self) -> bool:
        """Tell whether the calling thread has the turn."""
        held = self._held.get(0)
        return held is not None and held[0] == _thread.get_ident()
