"""How late event loops are: the time between the moment for which a callback was scheduled and the one when it ran.

A loop that runs has a timer of ours in it, twice a second, once the runtime metrics have begun. A timer does not keep a
loop running, and ends with it. Which loops run is known from ``run_forever``, which all ways to run one go through.
"""

from __future__ import annotations

import os
from _contextvars import Context
from _thread import get_ident

from ..hotpath import faults
from ..hotpath.metrics import Histogram

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, TimerHandle
    from collections.abc import Callable
    from typing import Any

    from ..hotpath.metrics import HistogramCell
    from ..hotpath.span import Scope
    from .process import Value

DELAY = "asyncio.eventloop.delay"
"""No name of the semantic conventions, which have none for asyncio; modelled on ``nodejs.eventloop.delay``."""

PERIOD = 0.5
"""Seconds between two looks at a loop."""

WHERE = "event loop delay"


class Loops:
    """The loops that run in this process."""

    def __init__(self) -> None:
        self.tickers: list[_Ticker] = []
        self.cell: HistogramCell | None = None
        self._histogram: Histogram | None = None

    def instrument(self, scope: Scope) -> Histogram:
        """Make the instrument."""
        self._histogram = Histogram(DELAY, "Seconds", "How late callbacks of the event loop run", scope)
        return self._histogram

    def begin(self) -> None:
        """Measure from now on."""
        if self._histogram is not None:
            self.cell = self._histogram.cell({})

    def end(self) -> None:
        """Measure no more; the timers end when they next run."""
        self.cell = None

    def read(self) -> tuple[Value, ...]:
        """Give nothing, for the loops record themselves; see to it that those that run now are measured."""
        for ticker in list(self.tickers):
            if not ticker.loop.is_running():
                self.leave(ticker)
            elif ticker.handle is None:
                try:
                    # Empty, because a task that begins there must not be one of our thread's, where nothing is traced.
                    ticker.loop.call_soon_threadsafe(ticker.start, context=Context())
                except RuntimeError:  # it was closed meanwhile
                    self.leave(ticker)
        return ()

    def after_fork(self) -> None:
        """In a forked child: loops of other threads have not come along, and waking one would wake the parent's."""
        self.tickers[:] = [ticker for ticker in self.tickers if ticker.thread == get_ident()]

    def enter(self, loop: AbstractEventLoop) -> _Ticker | None:
        """Note that a loop is about to run in this thread."""
        if any([ticker.loop is loop for ticker in self.tickers]):  # run inside itself, as nest_asyncio does
            return None
        ticker = _Ticker(self, loop)
        self.tickers.append(ticker)
        if self.cell is not None:
            ticker.start()
        return ticker

    def leave(self, ticker: _Ticker | None) -> None:
        """Note that it runs no more."""
        if ticker is not None and ticker in self.tickers:
            self.tickers.remove(ticker)
            ticker.stop()


class _Ticker:
    """The timer in one loop. Its methods run in the loop's thread."""

    __slots__ = ("due", "handle", "loop", "loops", "thread")

    def __init__(self, loops: Loops, loop: AbstractEventLoop) -> None:
        self.loops = loops
        self.loop = loop
        self.thread = get_ident()
        self.handle: TimerHandle | None = None
        self.due = 0.0

    def start(self) -> None:
        """Begin, unless it has."""
        if self.handle is None:
            self._schedule()

    def stop(self) -> None:
        """Let go of the loop."""
        handle, self.handle = self.handle, None
        if handle is not None:
            handle.cancel()

    def _schedule(self) -> None:
        self.due = self.loop.time() + PERIOD
        self.handle = self.loop.call_at(self.due, self._tick, context=Context())

    def _tick(self) -> None:
        self.handle = None
        cell = self.loops.cell
        if cell is None:
            return
        try:
            cell.record(max(0.0, self.loop.time() - self.due))
            self._schedule()
        except Exception as error:  # noqa: BLE001 - a loop of somebody's own
            faults.report(WHERE, error)


LOOPS = Loops()
"""Those of this process."""


def hook(kind: Any) -> None:
    """Hear of it when loops of this class run; of the one that runs here already, at once."""
    run_forever = kind.run_forever
    if getattr(run_forever, "_obsv", None) is LOOPS:
        return
    kind.run_forever = _heard(run_forever)
    from asyncio.events import _get_running_loop  # the package itself may be half imported

    loop = _get_running_loop()
    if loop is not None and isinstance(loop, kind):
        LOOPS.enter(loop)


def _heard(run_forever: Callable[..., Any]) -> Callable[..., Any]:
    from functools import wraps

    @wraps(run_forever)
    def heard(self: Any, *args: Any, **kwargs: Any) -> Any:
        ticker = _guarded(LOOPS.enter, self)
        try:
            return run_forever(self, *args, **kwargs)
        finally:
            _guarded(LOOPS.leave, ticker)

    heard._obsv = LOOPS  # type: ignore[attr-defined]
    return heard


def _guarded(call: Callable[[Any], Any], argument: Any) -> Any:
    try:
        return call(argument)
    except Exception as error:  # noqa: BLE001 - a loop of somebody's own
        faults.report(WHERE, error)
        return None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=LOOPS.after_fork)
