"""What the program has added to obsv's OpenTelemetry providers: span processors, log record processors, metric readers.

``obsv.flush()`` and ``obsv.shutdown()`` count for them too. They are the program's code and may hang: they are called
in threads of their own, which nobody waits for longer than was asked for.
"""

from __future__ import annotations

import _thread
import os
from time import monotonic

from .hotpath import faults
from .hotpath.span import SUPPRESSED, attach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Guest:
    """The guests of one provider.

    Args:
        name: What stands in a line about a failure.
        flush: Lets all of them send what they have within so many seconds; tells whether they did.
        leave: Forgets all of them, and returns what shuts them down.
    """

    def __init__(self, name: str, flush: Callable[[float], bool], leave: Callable[[], Callable[[float], bool]]) -> None:
        self.name = name
        self.flush = flush
        self.leave = leave
        self.busy = False

    def start(self, call: Callable[[float], bool], deadline: float) -> Callable[[], bool]:
        """Make a call in a thread; return what waits for it until the deadline."""
        if self.busy:  # it hangs, or is itself what called us
            return lambda: False
        self.busy = True
        done = _thread.allocate_lock()
        done.acquire()
        answers: list[bool] = []

        def work(context: bool = True) -> None:
            try:
                if context:
                    attach(SUPPRESSED)
                answers.append(call(max(0.0, deadline - monotonic())) is not False)
            except Exception as error:  # noqa: BLE001 - the program's processors
                faults.report(self.name, error)
            finally:
                self.busy = False
                done.release()

        try:
            _thread.start_new_thread(work, ())
        except RuntimeError:  # at the end of the program there may be no new thread
            work(False)

        def wait() -> bool:
            left = deadline - monotonic()
            done.acquire(timeout=left) if left > 0 else done.acquire(False)
            return answers == [True]

        return wait


_guests: dict[str, Guest] = {}


def add(guest: Guest) -> None:
    """Flush and shut down these with obsv from now on; they replace those of the same name."""
    _guests[guest.name] = guest


def start(seconds: float, leave: bool = False) -> Callable[[], bool]:
    """Let all guests send what they have, or with ``leave`` shut them down.

    Returns:
        What waits for them, until ``seconds`` after now, and tells whether all were done.
    """
    deadline = monotonic() + seconds
    waiting = [guest.start(guest.leave() if leave else guest.flush, deadline) for guest in list(_guests.values())]
    if leave:
        _guests.clear()
    return lambda: all([wait() for wait in waiting])


def _after_fork() -> None:
    """In a forked child: no thread has come along."""
    for guest in _guests.values():
        guest.busy = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
