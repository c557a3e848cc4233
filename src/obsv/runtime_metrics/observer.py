"""Looks at what the interpreter and the process use: CPU, memory, threads, open files, garbage collection, event loops.

Names and units are OpenTelemetry's (semantic conventions, "Process metrics", "CPython runtime metrics"), where there
are any. The values are ordinary instruments, so every metrics sink gets them.

Nothing here is loaded before the first collection that was due, and there is no thread for it: who collects the metrics
also looks at the process.
"""

from __future__ import annotations

from ..hotpath import faults
from ..hotpath.metrics import METER
from ..hotpath.span import Scope
from . import process
from .garbage import Garbage
from .loops import LOOPS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hotpath.api_metrics import ApiObservable
    from ..hotpath.metrics import Instrument

SCOPE = Scope("obsv.runtime_metrics")


class RuntimeMetrics:
    """Look at the process whenever the metrics are collected.

    Args:
        since_ns: Since when sums are told, in nanoseconds since the Unix epoch.
    """

    def __init__(self, since_ns: int) -> None:
        self._turn = 0
        self._instruments: dict[str, Instrument] = {}
        self._process = process.Process()
        self._garbage = Garbage(SCOPE)
        for made in (*process.instruments(SCOPE), *self._garbage.instruments(), LOOPS.instrument(SCOPE)):
            made.start_ns = made.since_ns = since_ns
            self._instruments[made.name] = made
            METER.instruments[SCOPE.name, made.name] = made
        self._garbage.begin()
        LOOPS.begin()

    def observe(self) -> None:
        """Put what is used now into the instruments. One source that fails does not stop the others."""
        self._turn += 1
        for read in (self._process.read, self._garbage.read, LOOPS.read):
            try:
                for name, value, attributes in read():
                    found: ApiObservable = self._instruments[name]  # type: ignore[assignment]
                    found.take(value, attributes, self._turn)
            except Exception as error:  # noqa: BLE001 - a file of /proc that reads differently here
                faults.report("runtime metrics", error)

    def end(self) -> None:
        """Look no more."""
        self._garbage.end()
        LOOPS.end()
        for name in self._instruments:
            METER.instruments.pop((SCOPE.name, name), None)

    def after_fork(self) -> None:
        """In a forked child: what the parent has used is the parent's."""
        self._process.after_fork()
        self._garbage.after_fork()
        LOOPS.after_fork()
