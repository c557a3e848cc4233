"""The bounded queue between the request's thread and a sink's thread.

No lock is taken here: ``list.append`` is atomic, and the counters and lists are changed by statements inside which
CPython neither switches threads nor runs signal handlers. So a signal handler, a destructor or a forked child can never
find it locked. There may be many writers; there is one reader.
"""

from __future__ import annotations

from sys import modules

if 0:  # seen by the compiler only
    import cython
else:
    from . import shim as cython

if cython.compiled:
    from cython.cimports.obsv.hotpath._native import pause
else:
    from ._native_py import pause

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .span import Span


STRETCH = 256
"""Records that a writer puts into a queue that is more than half full before it gives way."""

PAUSES = (60_000, 250_000, 1_000_000)
"""Nanoseconds that it then waits: from a half, three quarters and seven eighths on."""


class BoundedQueue:
    """Hold finished telemetry, up to so many records and bytes; count what does not fit.

    Attributes:
        max_records: How many records (spans, log records) may wait.
        max_bytes: How many bytes they may hold, as estimated by the caller.
        records: How many wait now.
        bytes: How many bytes they hold.
        accepted: Records taken since the start.
        dropped: Records refused since the start because the queue was full.
        wake_at: From so many waiting records on the reader is woken before its time.
        wake: The lock on which the reader sleeps: releasing it is the wake-up.
        taken: Records that the last :meth:`take` returned.
        busy: True while the reader gets on with sending: then a writer that is faster gives way, so that nothing is
            lost. Somebody who makes a million spans a second in a loop never lets go of the interpreter by himself, and
            CPython takes it away from him only every 5 ms. False while the reader waits for the receiver to come back:
            waiting for it would not help. False also where the reader is a greenlet of the writer's own thread.
        starter: Called by the first ``put``, to start the reader's thread.
    """

    __slots__ = (
        "accepted",
        "at",
        "busy",
        "bytes",
        "dropped",
        "items",
        "max_bytes",
        "max_records",
        "open",
        "owed",
        "ready",
        "records",
        "sleeping",
        "started",
        "starter",
        "taken",
        "wake",
        "wake_at",
    )

    def __init__(
        self, max_records: int, max_bytes: int, wake_at: int, wake: Any, starter: Callable[[], None] | None
    ) -> None:
        self.items: list[Any] = []  # a span that goes alone, or an item with its records and size
        self.ready: list[Any] = []  # what the reader has taken out of `items`; before `at` it is empty
        self.at = 0
        self.taken = 0
        self.wake = wake
        self.starter = starter
        self.records = 0
        self.bytes = 0
        self.max_records = max_records
        self.max_bytes = max_bytes
        self.wake_at = wake_at
        self.dropped = 0
        self.accepted = 0
        self.sleeping = False
        self.started = False
        self.open = True
        self.busy = False
        self.owed = 0

    def put(self, item: Any, records: int, size: int) -> bool:
        """Append ``item``, which counts as ``records`` records of together ``size`` bytes. Never raises.

        It returns at once, but for a pause of at most a millisecond after each :data:`STRETCH` records while the queue
        is more than half full and the reader is :attr:`busy`; in the thread of a running event loop it never pauses.

        Returns:
            False when it did not fit (or the queue is closed) and was dropped.
        """
        if (
            self.records + records > self.max_records or self.bytes + size > self.max_bytes or not self.open
        ) and not self.fits_alone(records, size):
            return self._refuse(records)
        self.records += records
        self.bytes += size
        self.accepted += records
        self.items.append((item, records, size))
        if not self.started:
            self._start()
        elif self.sleeping and self.records >= self.wake_at:
            self._rouse()
        elif self.busy and (self.bytes * 2 > self.max_bytes or self.records * 2 > self.max_records):
            self._give_way(records)
        return True

    def put_one(self, span: Span) -> bool:
        """Append a span that goes alone, of ``span.extra`` bytes, as :meth:`put` does with lists of them."""
        size = span.extra
        if (
            self.records >= self.max_records or self.bytes + size > self.max_bytes or not self.open
        ) and not self.fits_alone(1, size):
            return self._refuse(1)
        self.records += 1
        self.bytes += size
        self.accepted += 1
        self.items.append(span)
        if not self.started:
            self._start()
        elif self.sleeping and self.records >= self.wake_at:
            self._rouse()
        elif self.busy and (self.bytes * 2 > self.max_bytes or self.records * 2 > self.max_records):
            self._give_way(1)
        return True

    def _give_way(self, records: int) -> None:
        self.owed += records
        if self.owed < STRETCH:
            return
        self.owed = 0
        if _on_event_loop():  # others wait for this thread: rather lose records than stop them
            return
        fill = max(self.bytes / self.max_bytes, self.records / self.max_records)
        pause(PAUSES[0] if fill < 0.75 else PAUSES[1] if fill < 0.875 else PAUSES[2])

    def _refuse(self, records: int) -> bool:
        self.dropped += records
        if self.sleeping:
            self._rouse()
        return False

    def fits_alone(self, records: int, size: int) -> bool:
        """Tell whether an empty queue takes what is larger than the whole bound: better once too much than never."""
        return self.open and self.records <= 0 and self.bytes <= 0 and records <= self.max_records

    def empty(self) -> bool:
        """Tell whether nothing waits."""
        return not self.items and self.at >= len(self.ready)

    def take(self, most: int) -> list[Any]:
        """Remove and return waiting items, oldest first, until they hold ``most`` records or none is left.

        A span that went alone comes as it is: a list around each would cost as much as a tenth of its encoding.
        """
        taken: list[Any] = []
        ready = self.ready
        at = self.at
        count = held = 0
        while count < most:
            if at >= len(ready):
                self.at = at = 0  # before the lists change: a signal handler's exception may end this in the middle
                self.ready = ready = self.items
                self.items = []
                if not ready:
                    # An interpreted ``+=`` between two threads could in theory lose an update: an empty queue sets it
                    # right.
                    self.records = count
                    self.bytes = held
                    break
            entry = ready[at]
            ready[at] = None
            at += 1
            if entry is None:  # a signal handler's exception has ended an earlier call here
                continue
            if type(entry) is not tuple:
                span: Span = entry
                taken.append(entry)
                count += 1
                held += span.extra
            else:
                item, records, size = entry
                taken.append(item)
                count += records
                held += size
        self.at = at
        self.records -= count
        self.bytes -= held
        self.taken = count
        return taken

    def clear(self) -> None:
        """Forget what waits, uncounted: in a forked child it is the parent's to send."""
        self.items = []
        self.ready = []
        self.at = 0
        self.records = 0
        self.bytes = 0
        self.sleeping = self.busy = False

    def _start(self) -> None:
        self.started = True
        if self.starter is not None:
            self.starter()

    def _rouse(self) -> None:
        self.sleeping = False
        try:
            self.wake.release()
        except RuntimeError:  # two threads roused it at once: awake it is
            pass


def _on_event_loop() -> bool:
    """Tell whether the calling thread runs asyncio's event loop, or one that takes its place (uvloop)."""
    events = modules.get("asyncio.events")
    return events is not None and events._get_running_loop() is not None
