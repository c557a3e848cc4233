"""A flush that finds the same series as the last one: their news go into a text that is remembered.

The end of each invocation of a Lambda function is such a flush. Between the first look at a cell and the last change of
one no Python code runs, no object is made that the cyclic collector knows, and the interpreter is not given away: so no
other thread and no signal handler ever sees half of it. That is why it is compiled only; interpreted, and wherever
something is out of the ordinary, :meth:`Teller.tell` does nothing and the flush goes its usual way.
"""

from __future__ import annotations

import sys

from . import faults
from .loglines import Buffer, Direct, locks, rest
from .metrics import PLAIN, Counter, CounterCell, Gauge, GaugeCell, Histogram, HistogramCell, Instrument, Meter
from .records import MetricPoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .queue import BoundedQueue
    from .turn import Turn

if 0:  # seen by the compiler only
    import cython
else:
    from . import shim as cython

if cython.compiled:
    from cython.cimports.cpython.bytes import PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
    from cython.cimports.obsv.hotpath._native import (
        has_room,
        monotonic_ns,
        put_bytes,
        put_decimal,
        put_double,
        small,
        time_ns,
        write_bytes,
    )

POSSIBLE: bool = cython.compiled
"""Whether there is a short way."""

MAX_POINTS = 100
"""News told at once (EMF: metrics an object may have)."""

MAX_SERIES = 256
"""Series that are looked through."""

ROOM = 4096
"""Bytes that a pipe with room at all takes at once."""

TIME = -1
"""A hole for the time in milliseconds; other holes have the number of a value."""

END = -2
"""Not a hole: here a line ends."""

# The same as C numbers: a comparison with a name of the module makes an object of the other side.
_TIME = cython.declare(cython.Py_ssize_t, TIME)
_ROOM = cython.declare(cython.Py_ssize_t, ROOM)
_PLAIN = cython.declare(cython.Py_ssize_t, PLAIN)
_POINTS = cython.declare(cython.Py_ssize_t, MAX_POINTS)


class Teller:
    """Tells the news of a meter's series, if they are of a kind that was told before.

    Args:
        meter: Whose series.
        writer: Writes lines to stdout; its ``fileno`` is known where stdout is Python's own file.
        sending: The turn of the lane that sends the metrics.
        collecting: The turn of the collector.
        queues: Those of all lanes: what waits in them has to leave as well.
        pendings: What is being sent from them, as ``batch``.
        account: Its ``sent`` grows.
        most: The largest value.
        longest: Bytes of the longest line.
        unless: A module with which there is more to be flushed.

    Attributes:
        until_ns: When the next collection is due, by the monotonic clock: then the flush goes its usual way.
        wanted: What was looked for in ``layouts`` in vain; see :meth:`learn`.
        layouts: By what has news: pieces of text and the hole behind each; ``None`` where it cannot be told so.
    """

    __slots__ = (
        "_count", "_ends", "_flags", "_out", "_values", "account", "cells", "collecting", "instruments", "layouts",
        "longest", "meter", "modules", "most", "pendings", "queues", "sending", "sizes", "unless", "until_ns", "wanted",
        "writer",
    )  # fmt: skip

    def __init__(
        self,
        meter: Meter,
        writer: Direct,
        sending: Turn,
        collecting: Turn,
        queues: list[BoundedQueue],
        pendings: list[Any],
        account: Any,
        most: float,
        longest: int,
        unless: str,
    ) -> None:
        self.meter = meter
        self.writer = writer
        self.sending = sending
        self.collecting = collecting
        self.queues = queues
        self.pendings = pendings
        self.account = account
        self.most = most
        self.longest = longest
        self.unless = unless
        self.modules = sys.modules
        self.until_ns = 0
        self.wanted: bytes | None = None
        self.layouts: dict[bytes, tuple[tuple[bytes, ...], tuple[int, ...]] | None] = {}
        self.instruments: list[Instrument] = []
        self.sizes: list[int] = []
        self.cells: list[Any] = []
        self._flags = Buffer()
        self._values = Buffer()
        self._out = Buffer()
        self._count: Any = 0
        if not cython.compiled:
            self._ends: Any = [0] * (MAX_POINTS + 1)

    def tell(self) -> bool:
        """Write what is new; False where the flush has to go its usual way. Never raises an `Exception`."""
        if not cython.compiled:
            return False
        mine = self.sending.claim()
        try:
            return self.sending.take(mine) and self._alone() and self._tell()
        except Exception as error:  # noqa: BLE001 - the usual way is there
            faults.report("flush", error)
            return False
        finally:
            self.sending.leave(mine)

    def _alone(self) -> bool:
        """Tell whether there is nothing else to be collected or sent."""
        meter = self.meter
        if (
            meter.observe is not None
            or meter.sources
            or self.unless in self.modules
            or self.collecting.taken()
            or meter.lock.locked()
        ):
            return False
        for queue in self.queues:
            if not queue.empty():
                return False
        for pending in self.pendings:  # noqa: SIM110 - a generator is an object that the collector knows
            if pending.batch is not None:
                return False
        return True

    def _tell(self) -> bool:
        if cython.compiled:
            if monotonic_ns() >= self.until_ns:
                return False
            writer = self.writer
            stream = sys.stdout
            if stream is None or writer._known() is not stream or writer._fileno() != 1:
                return False
            lock: Any = locks[1]
            # A signal handler may have interrupted its own thread in the midst of a line.
            if lock._is_owned() or not lock.acquire(False):
                return False
            try:
                if rest or not has_room(1) or not self._same() or not self._read():
                    return False
                if self._count == 0:
                    return True
                key: bytes = PyBytes_FromStringAndSize(cython.cast(cython.p_char, self._flags.data), self._flags.size)
                layout = self.layouts.get(key)
                if layout is None:
                    self.wanted = None if key in self.layouts else key
                    return False
                now = cython.declare(cython.longlong, time_ns())
                if not self._write_text(layout, now):
                    return False
                data: bytes = PyBytes_FromStringAndSize(cython.cast(cython.p_char, self._out.data), self._out.size)
                self._forget(now)
                # From here on others may run.
                taken = cython.declare(cython.Py_ssize_t, write_bytes(1, data))
                if taken < 0:
                    self.keep(data, self._count)
                    return False
                if taken < self._out.size:
                    rest[1] = data[taken:]
                self.account.sent += self._count
                return True
            finally:
                lock.release()
        return False

    def _same(self) -> bool:
        """Tell whether the series are those of :meth:`learn`."""
        if len(self.meter.instruments) != len(self.instruments):
            self.wanted = b""
            return False
        for at, made in enumerate(self.meter.instruments.values()):
            if self.instruments[at] is not made or len(made.series) != self.sizes[at] or made.overflow is not None:
                self.wanted = b""
                return False
        return True

    def _read(self) -> bool:
        """Put the texts of all news into ``_values``, and whose they are into ``_flags``."""
        if cython.compiled:
            self._flags.size = self._values.size = 0
            self._count = 0
            self._ends[0] = 0
            at = self._flags.room(len(self.cells))
            for cell in self.cells:
                news = self._news(cell)
                if news < 0:
                    return False
                at[0] = 48 + news
                at += 1
                if news:
                    if self._count == _POINTS:
                        return False
                    self._count += 1
                    self._ends[self._count] = self._values.size
            self._flags.size = len(self.cells)
        return True

    def _news(self, cell: Any) -> int:
        """Append the text of what a series has to tell: 1, 0 where it has nothing, -1 where it cannot be told so."""
        if type(cell) is CounterCell:
            return self._counted(cell)
        if type(cell) is HistogramCell:
            return self._distributed(cell)
        if cell.value is None:
            return 0
        return 1 if self._number(cell.value) else -1

    def _counted(self, cell: CounterCell) -> int:
        if cell.value is cell.seen:
            return 0
        if cython.compiled:
            whole = seen = 0
            kind = type(cell.value)
            if kind is int and type(cell.seen) is int:
                if not small(cell.value, cython.address(whole)) or not small(cell.seen, cython.address(seen)):
                    return -1
                if whole == seen:
                    return 0
                if whole < 0 or seen < 0:
                    return -1
                self._values.size = put_decimal(self._values.room(24), whole - seen) - self._values.data
                return 1
            if kind is not float or (type(cell.seen) is not float and type(cell.seen) is not int):
                return -1
            total = cell.value
            before = cell.seen
            if total == before:
                return 0
            if not -self.most <= total - before <= self.most:
                return -1
            self._values.size = put_double(self._values.room(40), total - before) - self._values.data
        return 1

    def _distributed(self, cell: HistogramCell) -> int:
        if cell.count == 0 and not cell.raw:
            return 0
        if cell.count or len(cell.raw) > _PLAIN:
            return -1
        if cython.compiled:
            self._values.room(1)[0] = 91
            for value in cell.raw:
                self._values.size += 1
                if not self._number(value):
                    return -1
                self._values.room(1)[0] = 44
            self._values.room(1)[0] = 93
            self._values.size += 1
        return 1

    def _number(self, value: Any) -> bool:
        if cython.compiled:
            whole = 0
            if type(value) is int:
                if not small(value, cython.address(whole)):
                    return False
                self._values.size = put_decimal(self._values.room(24), whole) - self._values.data
                return True
            if type(value) is not float:
                return False
            exact = value
            if not -self.most <= exact <= self.most:
                return False
            self._values.size = put_double(self._values.room(40), exact) - self._values.data
        return True

    def _write_text(self, layout: tuple[tuple[bytes, ...], tuple[int, ...]], now: int) -> bool:
        """Put the lines together; False where they would be too long."""
        if cython.compiled:
            pieces, holes = layout
            out = self._out
            out.size = start = 0
            index = cython.declare(cython.Py_ssize_t, 0)
            for piece in pieces:
                length = PyBytes_GET_SIZE(piece)
                out.size = put_bytes(out.room(length), PyBytes_AS_STRING(piece), length) - out.data
                hole = holes[index]
                index += 1
                if hole >= 0:
                    length = self._ends[hole + 1] - self._ends[hole]
                    out.size = put_bytes(out.room(length), self._values.data + self._ends[hole], length) - out.data
                elif hole == _TIME:
                    out.size = put_decimal(out.room(24), now // 1_000_000) - out.data
                else:  # END
                    if out.size - start > self.longest:
                        return False
                    out.room(1)[0] = 10
                    out.size += 1
                    start = out.size
            return bool(out.size <= _ROOM)
        return False

    def _forget(self, now: int) -> None:
        """Begin the next interval: what was read is told."""
        if cython.compiled:
            for at, cell in enumerate(self.cells):
                if self._flags.data[at] == 49:
                    if type(cell) is CounterCell:
                        counter = cython.cast(CounterCell, cell)
                        counter.seen = counter.value
                    elif type(cell) is HistogramCell:
                        distribution = cython.cast(HistogramCell, cell)
                        distribution.raw.clear()
                    else:
                        gauge = cython.cast(GaugeCell, cell)
                        gauge.value = None
            for made in self.instruments:
                made.start_ns = now

    def learn(self, until_ns: int) -> None:
        """Learn what the last :meth:`tell` did not know, after a flush of the usual way.

        Args:
            until_ns: As the attribute.
        """
        self.until_ns = until_ns
        wanted, self.wanted = self.wanted, None
        if wanted is None and self.instruments:
            return
        if not wanted:
            self._look()
        elif wanted not in self.layouts and len(wanted) == len(self.cells):
            self.layouts[wanted] = self._layout(wanted)

    def _look(self) -> None:
        """Look which series there are."""
        instruments = list(self.meter.instruments.values())
        self.layouts.clear()
        self.cells = []
        self.instruments = []
        kinds = (Counter, Gauge, Histogram)
        if any([type(made) not in kinds or made.overflow is not None for made in instruments]):
            return
        cells = [list(made.series.values()) for made in instruments]
        if sum(map(len, cells)) <= MAX_SERIES:
            self.sizes = [len(each) for each in cells]
            self.cells = [cell for each in cells for cell in each]
            self.instruments = instruments

    def _layout(self, wanted: bytes) -> tuple[tuple[bytes, ...], tuple[int, ...]] | None:
        points: list[MetricPoint] = []
        owners = [made for made, size in zip(self.instruments, self.sizes, strict=True) for _ in range(size)]
        for cell, made, news in zip(self.cells, owners, wanted, strict=True):
            if news == ord("1"):
                point = MetricPoint(
                    made.name, made.unit, made.description, made.kind, cell.attributes, 0, 0, made.scope
                )
                point.resolution = made.resolution
                points.append(point)
        return self.layout(points)

    def layout(self, points: list[MetricPoint]) -> tuple[tuple[bytes, ...], tuple[int, ...]] | None:
        """Return how these points are told, whatever their values; None where that cannot be said."""
        raise NotImplementedError

    def keep(self, data: bytes, points: int) -> None:
        """Keep lines that could not be written, to be sent later. The caller has the lane's turn."""
        raise NotImplementedError
