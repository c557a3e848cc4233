"""Asks the callbacks of observable instruments for their values, before each collection of metrics.

Callbacks are the program's code: they may raise, take long, or never return. They run in a thread of their own, one
after the other, while the collection waits. One that takes too long is *late*: the collection goes on without it, what
it says counts for the next one, and from then on it gets a thread for itself, which nobody waits for, until it is fast
again. While it has not returned it is not asked again, so each callback holds one thread at most.
"""

from __future__ import annotations

import _thread
import os
import queue
from collections.abc import Generator
from queue import Empty
from time import monotonic

from opentelemetry.metrics import CallbackOptions

from ..hotpath import faults
from ..hotpath.errors import safe_text
from ..hotpath.metrics import METER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeAlias

    from ..hotpath.api_metrics import ApiObservable
    from .shaped import SinkReader

    Asked: TypeAlias = ApiObservable | SinkReader
    Ask: TypeAlias = Callable[[CallbackOptions], Iterable[Any]]

PATIENCE = 1.0
"""Seconds that a collection waits for all callbacks together, before it leaves one that has not returned behind."""

GRACE = 0.1
"""Seconds for what stands behind a late callback, each time."""

LONGEST = 3.0
"""Seconds after which what has not begun is left to the next collection, however many callbacks are late."""

_OPTIONS = CallbackOptions()


class Callback:
    """One callback of one instrument.

    Attributes:
        busy: It has been asked and has not answered.
        late: It took longer than ``PATIENCE`` the last time.
    """

    __slots__ = ("ask", "busy", "instrument", "late")

    def __init__(self, instrument: Asked, ask: Ask) -> None:
        self.instrument = instrument
        self.ask = ask
        self.busy = False
        self.late = False

    def run(self, turn: int) -> None:
        """Ask, and put the answer into the instrument's cells. What was answered before an error counts."""
        begin = monotonic()
        try:
            for observation in self.ask(_OPTIONS):
                self.instrument.take(observation.value, observation.attributes, turn)
        except BaseException as error:  # noqa: BLE001 - the program's code, in a thread of ours
            _tell(self.instrument.name, error)
        finally:
            self.late = monotonic() - begin >= PATIENCE
            self.busy = False


class _Worker:
    """A thread that runs callbacks, until one of them keeps it."""

    def __init__(self) -> None:
        self.lock = _thread.allocate_lock()
        # By their module, where gevent puts its own.
        self.todo: queue.SimpleQueue[tuple[list[Callback], int]] = queue.SimpleQueue()
        self.done: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.begun = 0
        self.left = False
        _thread.start_new_thread(self._work, ())

    def _work(self) -> None:
        while not self.left:
            callbacks, turn = self.todo.get()
            for callback in callbacks:
                with self.lock:
                    if self.left:
                        return
                    self.begun += 1
                callback.run(turn)
            self.done.put(None)

    def ask(self, callbacks: list[Callback], turn: int, patience: float) -> list[Callback]:
        """Run them; return those behind one that takes too long. Then this worker is not to be used again."""
        self.begun = 0
        self.todo.put((callbacks, turn))
        try:
            self.done.get(timeout=patience)
        except Empty:
            with self.lock:
                self.left = True
                return callbacks[self.begun :]
        return []


class Observer:
    """All callbacks of the process."""

    def __init__(self) -> None:
        self.callbacks: list[Callback] = []
        self._worker: _Worker | None = None
        self._turn = 0

    def add(self, instrument: Asked, asks: Iterable[Ask]) -> None:
        """Ask these callbacks from the next collection on."""
        self.callbacks.extend([Callback(instrument, ask) for ask in asks])
        if not self.callbacks:
            return
        METER.observe = self.observe
        if METER.enabled:
            self._ready()  # at the end of the program there may be no new thread
        starter = METER.starter
        if METER.enabled and starter is not None:
            METER.starter = None
            starter()

    def remove(self, instrument: Asked) -> None:
        """Never ask an instrument's callbacks again."""
        self.callbacks = [callback for callback in self.callbacks if callback.instrument is not instrument]
        if not self.callbacks:
            METER.observe = None

    def observe(self) -> None:
        """Ask every callback that is not at it still; wait for those that have been fast so far."""
        self._turn += 1
        turn = self._turn
        prompt: list[Callback] = []
        for callback in list(self.callbacks):
            if callback.busy or not callback.instrument.on or not callback.instrument.meter.enabled:
                continue
            callback.busy = True
            if callback.late:
                _start(callback, turn)
            else:
                prompt.append(callback)
        deadline, patience = monotonic() + LONGEST, PATIENCE
        while prompt and monotonic() < deadline:
            worker = self._ready()
            if worker is None:  # a callback that hangs must not keep the program alive
                break
            prompt = worker.ask(prompt, turn, patience)
            if worker.left:
                self._worker, patience = None, GRACE
        for callback in prompt:
            callback.busy = False

    def _ready(self) -> _Worker | None:
        """Return the worker; None at the end of the program, when no thread can be started."""
        if self._worker is None:
            try:
                self._worker = _Worker()
            except RuntimeError:
                return None
        return self._worker

    def after_fork(self) -> None:
        """In a forked child: no thread has come along."""
        self._worker = None
        for callback in self.callbacks:
            callback.busy = False


def prepared(callbacks: Iterable[Any] | None, name: str) -> list[Ask]:
    """Return callbacks as functions; a generator is sent the options and yields the answers, as in the SDK."""
    asks: list[Ask] = []
    try:
        for callback in callbacks or ():
            if isinstance(callback, Generator):
                next(callback)
                asks.append(_sender(callback))
            else:
                asks.append(callback)
    except Exception as error:  # noqa: BLE001 - a generator that raises, or no sequence at all
        _tell(name, error)
    return asks


def _sender(generator: Generator[Any, Any, Any]) -> Ask:
    def ask(options: CallbackOptions) -> Iterable[Any]:
        try:
            answer: Iterable[Any] = generator.send(options)
        except StopIteration:
            return ()
        return answer

    return ask


def _start(callback: Callback, turn: int) -> None:
    try:
        _thread.start_new_thread(callback.run, (turn,))
    except RuntimeError:
        callback.busy = False


def _tell(name: str, error: BaseException) -> None:
    where = f"callback of metric {name}"
    faults.counts[where] = faults.counts.get(where, 0) + 1
    faults.tell(
        f"the callback of metric {name!r} raised {type(error).__name__}: {safe_text(error)[:200]}; the metric has no "
        "value for that time",
        key=where,
    )


OBSERVER = Observer()
"""The one that :data:`obsv.hotpath.metrics.METER` asks."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=OBSERVER.after_fork)

__all__ = ["GRACE", "LONGEST", "OBSERVER", "PATIENCE", "Callback", "Observer", "prepared"]
