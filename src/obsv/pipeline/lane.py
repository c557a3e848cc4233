"""A lane: one sink, its queues and its thread.

The request's thread only appends to the lane's queues. The lane's thread takes batches, sends them, waits and tries
again where the receiver asks for it, and counts what is lost. One lane that hangs delays nobody else.
"""

from __future__ import annotations

import _thread
import os
from time import monotonic

from ..hotpath import faults
from ..hotpath.queue import BoundedQueue
from ..hotpath.span import SUPPRESSED, attach, detach
from ..hotpath.turn import Turn
from . import gate
from .accounting import Account
from .batch import LATER, Batch, Refused, Retry, Sent

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping
    from typing import Any

    from ..hotpath.loglines import Guard
    from ..settings import Settings
    from .batch import Result, Sink
    from .collector import Collector

FIRST_BACKOFF = 0.5
"""Seconds before the second try; each further one waits twice as long, with jitter."""

MAX_BACKOFF = 30.0
"""The longest pause between two tries, in seconds."""

MAX_RETRY_AFTER = 300.0
"""The longest ``Retry-After`` that is obeyed, in seconds."""

MAX_AGE = 300.0
"""How long, in seconds, a batch is tried before it makes room for newer ones."""

WAKE_AT = 2048
"""Waiting records that wake the thread before its time."""


class _Pending:
    """One signal of a lane: its queue, its account, and the batch that is being sent."""

    __slots__ = ("account", "attempts", "batch", "due", "queue", "since")

    def __init__(self, queue: BoundedQueue) -> None:
        self.queue = queue
        self.account = Account()
        self.batch: Batch | None = None
        self.attempts = 0
        self.since = 0.0
        self.due = 0.0

    def idle(self) -> bool:
        return self.batch is None and self.queue.empty()


class Flush:
    """Somebody who waits for everything to leave, until the deadline (by ``time.monotonic``).

    ``lost`` is what the lane had lost before: when it has lost more by the end, not everything left.
    """

    __slots__ = ("_answered", "deadline", "everything", "lost", "over")

    def __init__(self, deadline: float, lost: int = 0) -> None:
        self.deadline = deadline
        self.lost = lost
        self.over = False
        self._answered = _thread.allocate_lock()
        self._answered.acquire()
        self.everything = False

    def answer(self, everything: bool) -> Flush:
        """Say whether everything left."""
        if not self.over:
            self.everything, self.over = everything, True
            self._answered.release()
        return self

    def wait(self) -> bool:
        """Wait for the answer; False when the deadline comes first."""
        if self._answered.acquire(timeout=max(0.0, self.deadline - monotonic()) + 0.05):
            self._answered.release()  # for whoever else waits
        return self.everything


def _thread_class() -> type[threading.Thread]:
    """Return a thread that ends quietly also where gevent or eventlet has patched ``threading`` since it was started.

    They give it another identity, under which ``threading`` does not find it: it would end in a ``KeyError``, which
    CPython prints, and aborts the process when it does so at the interpreter's very end.

    It is made with the first thread, and here: with ``threading`` twelve modules are loaded, which ``init()`` saves a
    program that has not done so, and a module of ours would be loaded while another thread forks.
    """
    global _Thread
    if _Thread is not None:
        return _Thread
    import threading

    class Thread(threading.Thread):
        def _delete(self) -> None:
            try:
                super()._delete()  # type: ignore[misc]
            except KeyError:
                active = threading._active  # type: ignore[attr-defined]
                for identity, thread in active.copy().items():
                    if thread is self:
                        active.pop(identity, None)

    _Thread = Thread
    # After what `threading` has registered: it takes every thread for one of the parent's.
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_start_waiting)
    return Thread


def _start_waiting() -> None:
    while _waiting:
        _waiting.pop().start()


_Thread: type[threading.Thread] | None = None
_waiting: list[Lane] = []
"""In a forked child: lanes that are to have a thread again."""


class Lane:
    """Drive one sink.

    Args:
        make: Makes the sink; called again in a forked child, which must not touch its parent's sockets and files.
        signals: What this sink takes here.
        settings: Bounds and intervals.
        resource: Attributes of the process.
        collector: Called in time to collect the metrics.

    Attributes:
        guard: Masks secrets in what is sent, None where none are.
        losses: How many records were taken and not sent.
        turn: Whose turn it is to send.
    """

    def __init__(
        self,
        make: Callable[[], Sink],
        signals: tuple[str, ...],
        settings: Settings,
        resource: Mapping[str, Any],
        collector: Collector,
    ) -> None:
        self._make = make
        self.sink = make()
        self.name = str(self.sink.name)
        self._settings = settings
        self._resource = resource
        self._collector = collector
        self._signals = tuple(signals)
        self._inherited: list[Any] = []
        self.guard: Guard | None = None
        self._reset()

    def _reset(self) -> None:
        settings = self._settings
        self._wake = _thread.allocate_lock()
        self._wake.acquire()
        self._thread: threading.Thread | None = None
        self._asked_in = 0
        self._aside = False
        self._starting = Turn()
        self._flushes: list[Flush] = []
        self._closing: Flush | None = None
        self._opened = False
        self._ever_sent = False
        self.losses = 0
        self.turn = Turn()
        self.pending = {
            signal: _Pending(
                BoundedQueue(
                    settings.queue_records,
                    settings.queue_bytes,
                    min(WAKE_AT, settings.batch_records),
                    self._wake,
                    self.start,
                )
            )
            for signal in self._signals
        }

    def queue(self, signal: str) -> BoundedQueue | None:
        """Return the queue of a signal, None when this sink does not take it."""
        pending = self.pending.get(signal)
        return None if pending is None else pending.queue

    # ------------------------------------------------------------------ called from anywhere

    def start(self) -> None:
        """Start the thread, unless it runs. Called by the first record."""
        mine = self._starting.claim()
        try:
            if not self._starting.take(mine):
                return
            if self._thread is not None or (self._closing is not None and self._closing.over):
                return
            # Made anew: gevent or eventlet may have put theirs in the place of locks and threads since. A greenlet that
            # waits for a real lock stops the whole program.
            self._wake = _thread.allocate_lock()
            self._wake.acquire()
            for pending in self.pending.values():
                pending.queue.wake = self._wake
                pending.queue.started = True
            thread = _thread_class()(target=self._run, name=f"obsv-{self.name}", daemon=True)
            try:
                self._thread = thread
                self._asked_in = _thread.get_native_id()
                # The threading patch must not carry the request's span into our thread.
                thread.start()
            except RuntimeError as error:  # the interpreter is exiting, or the system has no thread left
                self._thread = None
                for pending in self.pending.values():
                    pending.queue.started = False
                faults.tell(f"no thread for the {self.name} sink ({error}); telemetry waits in memory")
        finally:
            self._starting.leave(mine)

    def begin_flush(self, deadline: float) -> Flush:
        """Ask for all that is queued now to be sent at once; wait on what is returned."""
        request = Flush(deadline, self.losses)
        if self._thread is None:
            if self._idle():
                return request.answer(True)
            self.start()
        if self._over():
            return request.answer(self._idle())
        # A signal handler's, in the midst of sending or of starting the thread: that goes on after it, not before.
        if self.turn.ours() or self._starting.ours():
            return request.answer(False)
        self._ask(request)
        return request

    def flush_here(self) -> bool:
        """Send what is queued from the caller's thread, where the sink can do that at once; True when nothing is left.

        Handing over to the lane's thread and waiting for it costs more than writing a line. A sink says so by having
        ``send_now``, which does what ``send`` does or answers ``LATER`` where it might have to wait.
        """
        send = getattr(self.sink, "send_now", None)
        if send is None or not self._opened or self._closing is not None:
            return False
        turn = self.turn
        mine = turn.claim()
        try:
            if not turn.take(mine):
                return False
            token = attach(SUPPRESSED)
            try:
                self._work(send)
            finally:
                detach(token)
            return self._idle()
        finally:
            turn.leave(mine)

    def keep(self, batch: Batch) -> None:
        """Take a batch that somebody else could not send. The caller has the turn, and nothing else is being sent."""
        pending = self.pending[batch.signal]
        pending.batch = batch
        pending.attempts = 0
        pending.since = monotonic()
        pending.due = 0.0

    def sending_here(self) -> bool:
        """Tell whether the calling thread is in :meth:`flush_here`: a signal handler has interrupted it."""
        return self.turn.ours()

    def begin_close(self, deadline: float) -> Flush:
        """Ask for all that is left to be sent, as far as the deadline allows, and for the thread to end."""
        request = Flush(deadline, self.losses)
        if self._thread is None and not self._idle():
            self.start()
        over = self._over() or self.turn.ours()
        self._closing = request
        if self._thread is None and not self._idle():
            self._work_here()
        if self._thread is None or over:
            idle = self._idle()
            self._abandon("shutdown")
            return request.answer(idle)
        self._ask(request)
        return request

    def _work_here(self) -> None:
        """Send once from the caller's thread: CPython 3.12 gives no new thread to a program that is at its end."""
        token = attach(SUPPRESSED)
        try:
            self._work(self.sink.send)
            self._close_sink()
        finally:
            detach(token)

    def end_close(self) -> None:
        """Count what a hanging thread leaves behind; it is a daemon and ends with the process."""
        if self._closing is not None and not self._closing.over:
            self._abandon("shutdown timeout")

    def _over(self) -> bool:
        """Tell whether the thread has ended, or was closed already: nobody would answer."""
        closed = self._closing is not None and self._closing.over
        thread = self._thread
        return closed or (thread is not None and thread.ident is not None and not thread.is_alive())

    def _ask(self, request: Flush) -> None:
        for pending in self.pending.values():
            pending.due = 0.0  # try at once, whatever the back-off
        self._flushes.append(request)
        self._rouse()

    def _idle(self) -> bool:
        return all([pending.idle() for pending in self.pending.values()])

    def _rouse(self) -> None:
        try:
            self._wake.release()
        except RuntimeError:  # it is awake
            pass

    def after_fork(self) -> None:
        """In a forked child: a new sink, empty queues, no thread. What waits is the parent's to send."""
        self._inherited.append((self.sink, self.pending))  # never closed here: its sockets and files are the parent's
        had_thread = self._thread is not None
        old = self.pending
        self._reset()
        try:
            fork = getattr(self.sink, "after_fork", None)
            self.sink = self._make() if fork is None else fork()
        except Exception as error:  # noqa: BLE001 - a sink of the user's
            faults.report(f"sink {self.name} after fork", error)
        for signal, pending in old.items():  # outlets and loggers hold the queues themselves
            queue, fresh = pending.queue, self.pending[signal].queue
            queue.clear()
            queue.wake, queue.starter = fresh.wake, fresh.starter
            queue.started = False
            queue.dropped = queue.accepted = 0
            self.pending[signal].queue = queue
        if had_thread and "metrics" in self.pending and self._collector.counting():
            _waiting.append(self)

    def lost(self) -> int:
        """Return how many records were lost so far; what :meth:`status` tells in detail."""
        lost = self.losses
        for pending in self.pending.values():
            lost += pending.queue.dropped
        own = getattr(self.sink, "lost", None)
        return lost + sum(own.values()) if own else lost

    def status(self) -> dict[str, Any]:
        """Return what was sent, waits and was lost, by signal."""
        own = getattr(self.sink, "lost", None) or {}
        status: dict[str, Any] = {}
        for signal, pending in self.pending.items():
            waiting = pending.queue.records + (pending.batch.records if pending.batch is not None else 0)
            status[signal] = pending.account.as_dict(waiting, pending.queue.dropped)
            for reason, lost in dict(own).items():
                dropped = status[signal]["dropped"]
                dropped[reason] = dropped.get(reason, 0) + lost
            own = {}  # a sink does not say of which signal: the first one stands for all
        return status

    # ------------------------------------------------------------------ the thread

    def _run(self) -> None:
        attach(SUPPRESSED)
        # Else it is a greenlet in the thread of the writers, where nothing is sent while one of them pauses.
        self._aside = _thread.get_native_id() != self._asked_in
        try:
            while not (self._closing is not None and self._closing.over):
                self._sleep()
                self._collector.collect_if_due()
                mine = self.turn.claim()
                try:
                    if self.turn.take(mine):  # else somebody flushes in his own thread, which takes no time
                        self._work(self.sink.send)
                        self._idle_hook()
                        self._answer()
                finally:
                    self.turn.leave(mine)
        except BaseException as error:  # noqa: BLE001 - a thread of ours must not print a traceback
            self._abandon("sink thread ended")
            faults.report(f"sink {self.name}", error)
        finally:
            self._close_sink()

    def _sleep(self) -> None:
        # A queue whose batch has to wait wakes nobody: an outage must not cost a wake-up a record.
        queues = [pending.queue for pending in self.pending.values() if pending.batch is None]
        for queue in queues:
            queue.busy = False
            queue.sleeping = True
        # A record that came before `sleeping` was set has not woken us.
        if not any(queue.records >= queue.wake_at for queue in queues):
            self._wake.acquire(timeout=self._pause())
        for queue in queues:
            queue.sleeping = False

    def _backing_off(self) -> bool:
        return any(pending.batch is not None for pending in self.pending.values())

    def _pause(self) -> float:
        """Return how long nothing needs to be done, in seconds."""
        now = monotonic()
        pause = min(self._settings.flush_interval, max(0.0, self._collector.due - now))
        for pending in self.pending.values():
            if pending.batch is not None:
                pause = min(pause, max(0.0, pending.due - now))
        if self._flushes:
            pause = min(pause, 0.02) if not self._backing_off() else pause
        return max(pause, 0.001)

    def _work(self, send: Callable[[Batch], Result]) -> None:
        for signal, pending in self.pending.items():
            while True:
                if pending.batch is None:
                    items = pending.queue.take(self._settings.batch_records)
                    if not items:
                        break
                    if signal == "metrics":  # each item is what one collection found
                        items = [point for points in items for point in points]
                    spans = pending.queue.taken if signal in ("traces", "spans") else None
                    pending.batch = Batch(signal, items, self._resource, spans)
                    pending.attempts = 0
                    pending.since = monotonic()
                elif monotonic() < pending.due:
                    break
                pending.queue.busy = self._aside and pending.attempts == 0  # else the receiver is away
                if not self._send(pending, pending.batch, send):
                    pending.queue.busy = False
                    break

    def _send(self, pending: _Pending, batch: Batch, send: Callable[[Batch], Result]) -> bool:
        """Send one batch; return False when it has to wait."""
        result = self._try(batch, send)
        if result is LATER:
            return False
        account = pending.account
        if type(result) is Sent:
            self._ever_sent = True
            account.sent += batch.records - result.rejected
            if result.adapted:
                account.adapt(result.adapted)
            if result.rejected:
                self._lose(pending, result.reason or "rejected by the receiver", result.rejected)
            elif result.reason:
                account.last_error = result.reason
                faults.tell(f"the {self.name} sink was told: {result.reason}", key=f"told {self.name} {result.reason}")
        elif type(result) is Retry:
            account.retries += 1
            account.last_error = result.reason
            pending.attempts += 1
            now = monotonic()
            if now - pending.since < MAX_AGE:
                pending.due = now + self._backoff(pending.attempts, result.after)
                if pending.attempts == 2 or result.tell:  # the first failure is often a restart of the receiver
                    faults.tell(
                        f"the {self.name} sink cannot send {batch.signal}: {result.reason}; it goes on trying",
                        key=f"retry {self.name} {batch.signal} {result.reason if result.tell else ''}",
                    )
                return False
            self._lose(pending, f"gave up: {result.reason}", batch.records)
        else:
            self._lose(pending, getattr(result, "reason", "refused"), batch.records)
        pending.batch = None
        return True

    def _try(self, batch: Batch, send: Callable[[Batch], Result]) -> Result:
        try:
            if not self._opened:
                gate.load(("random", *getattr(self.sink, "imports", ())))
                if self.guard is not None:
                    gate.load(self.guard.modules)
                    self.guard.ready().mapping(self._resource)
                self.sink.open(self._resource)
                self._opened = True
            if self.guard is not None and not batch.masked:
                self.guard.ready().batch(batch.signal, batch.entries)
                batch.masked = True
            return send(batch)
        except Exception as error:  # noqa: BLE001 - a sink, ours or the user's
            if faults.raising():
                faults.counts[f"sink {self.name}"] = faults.counts.get(f"sink {self.name}", 0) + 1
            else:
                faults.report(f"sink {self.name}", error)
            return Refused(f"error: {type(error).__name__}")

    def _idle_hook(self) -> None:
        """Tell a sink that holds things back for a moment (the console) that everything queued has been sent."""
        idle = getattr(self.sink, "idle", None)
        if idle is None or not self._opened:
            return
        try:
            idle()
        except Exception as error:  # noqa: BLE001 - a sink, ours or the user's
            faults.report(f"sink {self.name}", error)

    def _lose(self, pending: _Pending, reason: str, records: int) -> None:
        pending.account.drop(reason, records)
        self.losses += records
        faults.tell(
            f"the {self.name} sink lost {records} records: {reason} (counted in obsv.status())",
            key=f"lost {self.name} {reason}",
        )

    def _backoff(self, attempts: int, after: float | None) -> float:
        if after is not None and after > 0:
            return min(after, MAX_RETRY_AFTER)
        from random import random

        first = 0.1 if self._closing is not None else FIRST_BACKOFF
        longest: float = min(first * 2.0 ** min(attempts - 1, 20), MAX_BACKOFF)
        return longest * (0.5 + random() / 2)

    def _answer(self) -> None:
        """Tell those who wait for a flush what became of it."""
        if not self._flushes:
            return
        idle = self._idle()
        now = monotonic()
        for _ in range(len(self._flushes)):
            request = self._flushes.pop(0)
            if idle or now >= request.deadline or (request is self._closing and self._hopeless(request.deadline)):
                if request is self._closing:
                    self._abandon("shutdown")
                    self._close_sink()
                request.answer(idle and self.losses == request.lost)
            else:
                self._flushes.append(request)

    def _hopeless(self, deadline: float) -> bool:
        """Tell whether waiting is vain: then the program's end is not delayed any longer.

        Either nobody has ever been there, or the next try would come too late.
        """
        waiting = [pending for pending in self.pending.values() if not pending.idle()]
        return (not self._ever_sent and all(pending.attempts >= 2 for pending in waiting)) or all(
            pending.batch is not None and pending.due >= deadline for pending in waiting
        )

    def _abandon(self, reason: str) -> None:
        """Count what is left as lost, and take nothing more."""
        for pending in self.pending.values():
            pending.queue.open = False
            left = pending.queue.records
            pending.queue.clear()
            batch, pending.batch = pending.batch, None
            if batch is not None:
                left += batch.records
            if left > 0:
                self._lose(pending, reason, left)

    def _close_sink(self) -> None:
        opened, self._opened = self._opened, False
        if not opened:
            return
        try:
            self.sink.close()
        except Exception as error:  # noqa: BLE001 - a sink, ours or the user's
            if not faults.raising():
                faults.report(f"closing the {self.name} sink", error)
