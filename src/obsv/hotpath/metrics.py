# cython: binding=False, embedsignature=True, embedsignature.format=clinic
"""Instruments and their cells: counters, gauges and histograms on the request's path.

An instrument keeps one *cell* for each set of dimensions. Recording finds the cell in a dict and changes it: no lock,
no allocation of telemetry. Every interval the collector reads what was added since (:func:`collect`).
"""

from __future__ import annotations

import os
import sys
from _thread import allocate_lock as Lock  # noqa: N812 - `threading.Lock`, without what `threading` loads
from time import perf_counter_ns, time_ns

from . import faults, values
from .errors import safe_text
from .records import MetricPoint
from .span import SCOPE, Scope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .telling import Teller

if 0:
    import cython
else:
    from . import shim as cython

if cython.compiled:
    from cython.cimports.libc.math import frexp, log2
    from cython.cimports.obsv.hotpath._native import flat, small
else:
    from math import frexp, log2

    from ._native_py import flat

SCALE = 64
"""Buckets a doubling: base-2 exponential histograms of scale 6 (2**6). A value is off by at most 0.55 % of itself."""

PLAIN = 100
"""A histogram keeps so many values as they are before it counts them in buckets (EMF: at most 100 values an array)."""

MAX_INSTRUMENTS = 10_000
"""Instruments kept by name; one more records nothing. Names that vary belong into dimensions."""

OVERFLOW = {"otel.metric.overflow": True}
"""Dimensions of the series that takes what goes over the limit (OpenTelemetry SDK, "Cardinality limits")."""

BOUNDARIES = (0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0, 10000.0)
"""Explicit buckets by default (OpenTelemetry SDK specification, "Explicit Bucket Histogram Aggregation")."""

_PLAIN = cython.declare(cython.Py_ssize_t, PLAIN)
_SCALE = cython.declare(cython.long, SCALE)
_MOST = cython.declare(
    cython.double, sys.float_info.max
)  # NaN, infinities and integers that no float holds compare false with it

_MAX_TEXT = 1024  # characters of a dimension's value (CloudWatch API, "Dimension")


class Meter:
    """All instruments of the process, and whether they record.

    Attributes:
        enabled: False before ``init()``: recording is then a no-op.
        fine: Whether there is an instrument of high resolution, which is collected each second.
        starter: Called once, when the first series appears: somebody has to collect from now on.
        max_series: Series an instrument may have; what comes on top is counted in one overflow series.
        boundaries: Of histograms that have none of their own; None for base-2 exponential buckets.
        observe: Asks the callbacks of observable instruments for their values, before a collection.
        sources: Give points that somebody else has collected.
        teller: Flushes the short way, where there is one (:mod:`obsv.hotpath.telling`).
    """

    __slots__ = (
        "boundaries",
        "enabled",
        "fine",
        "instruments",
        "lock",
        "max_series",
        "observe",
        "sources",
        "starter",
        "teller",
    )

    def __init__(self) -> None:
        self.enabled = False
        self.fine = False
        self.max_series = 2000
        self.instruments: dict[
            Any, Instrument
        ] = {}  # by name; those of OpenTelemetry's API by all that tells them apart
        self.starter: Callable[[], None] | None = None
        self.boundaries: tuple[float, ...] | None = None
        self.observe: Callable[[], None] | None = None
        self.sources: list[Callable[[], list[MetricPoint]]] = []
        self.teller: Teller | None = None
        self.lock = Lock()  # taken when a histogram folds or is collected, never to record


METER = Meter()
"""The meter that ``obsv.init()`` switches on."""


class CounterCell:
    """One series of a counter. It only grows; the collector remembers what it has seen.

    Attributes:
        owner: The instrument, where the program keeps the cell (``bind``): told of what the cell cannot take.
    """

    __slots__ = ("attributes", "owner", "seen", "value")

    def __init__(self, attributes: dict[str, Any]) -> None:
        self.attributes = attributes
        self.owner: Any = None
        self.value: int | float = 0
        self.seen: int | float = 0

    def add(self, value: int | float) -> None:
        """Add a finite number that is not negative; anything else is told, or raises where there is no ``owner``."""
        if not plain(value, 0.0):
            value = accepted(value, 0, self.owner)
            if value is None:
                return
        self.value += value


class GaugeCell:
    """One series of a gauge: the last value, None when it was not set since it was read."""

    __slots__ = ("attributes", "owner", "value")

    def __init__(self, attributes: dict[str, Any]) -> None:
        self.attributes = attributes
        self.owner: Any = None
        self.value: int | float | None = None

    def set(self, value: int | float) -> None:
        """Remember a finite number; anything else is told, or raises where there is no ``owner``."""
        if not plain(value, -_MOST):
            value = accepted(value, -_MOST, self.owner)
            if value is None:
                return
        self.value = value


class HistogramCell:
    """One series of a histogram: the newest values as they are, older ones in buckets.

    With ``bounds`` there are explicit buckets beside the exponential ones, which EMF and the local store live on.
    """

    __slots__ = (
        "attributes", "bounded", "bounds", "buckets", "count", "lock", "max", "min", "negative", "owner", "raw", "sum",
        "zero",
    )  # fmt: skip

    def __init__(self, attributes: dict[str, Any], lock: Any, bounds: tuple[float, ...] | None = None) -> None:
        self.attributes = attributes
        self.owner: Any = None
        self.lock = lock
        self.bounds = bounds
        self.raw: list[int | float] = []
        self.clear()

    def clear(self) -> None:
        """Forget what was folded."""
        self.buckets: dict[int, int] = {}
        self.negative: dict[int, int] = {}
        self.bounded: list[int] | None = None if self.bounds is None else [0] * (len(self.bounds) + 1)
        self.count = 0
        self.zero = 0
        self.sum: int | float = 0
        self.min: int | float = 0
        self.max: int | float = 0

    def record(self, value: int | float) -> None:
        """Take a finite number; anything else is told, or raises where there is no ``owner``."""
        if not plain(value, -_MOST):
            value = accepted(value, -_MOST, self.owner)
            if value is None:
                return
        self.raw.append(value)
        if len(self.raw) > _PLAIN:
            self._fold_if_free()

    def _fold_if_free(self) -> None:
        lock = self.lock
        if lock.acquire(False):  # else another thread is at it, and takes this value along the next time
            try:
                self.fold()
            finally:
                lock.release()

    def fold(self) -> None:
        """Count the waiting values in buckets. The caller holds the lock."""
        raw, bounds, bounded = self.raw, self.bounds, self.bounded
        if bounded is not None:
            from bisect import bisect_left  # start-up does without it
        try:
            while True:
                value = raw.pop()
                if (
                    type(value) is float
                    and type(self.sum) is float
                    and type(self.min) is float
                    and type(self.max) is float
                ):  # the same as below, in C's numbers
                    exact, low, high, total = value, self.min, self.max, self.sum
                    if exact < low:
                        self.min = value
                    elif exact > high:
                        self.max = value
                    self.sum = total + exact
                else:
                    if self.count == 0:
                        self.min = self.max = value
                    elif value < self.min:
                        self.min = value
                    elif value > self.max:
                        self.max = value
                    self.sum += value
                self.count += 1
                if bounded is not None:
                    bounded[bisect_left(bounds, value)] += 1  # type: ignore[arg-type]
                if value > 0:
                    index = bucket(value)
                    self.buckets[index] = self.buckets.get(index, 0) + 1
                elif value < 0:
                    index = bucket(-value)
                    self.negative[index] = self.negative.get(index, 0) + 1
                else:
                    self.zero += 1
        except IndexError:  # that was all
            return


def plain(value: Any, least: float) -> bool:
    """Tell whether a value is a finite float or an int not below ``least``, as nearly all are."""
    if type(value) is float:
        exact = value
        return bool(least <= exact <= _MOST)
    if type(value) is not int:
        return False
    if cython.compiled:
        whole = 0
        if small(value, cython.address(whole)):
            return whole >= 0 or least < 0.0
    return bool(least <= value <= _MOST)


def number(value: Any) -> int | float:
    """Return what is no exact ``int`` or ``float`` as one: ``bool``, ``Decimal``, ``Fraction``, NumPy's numbers.

    Raises:
        TypeError: It is no number; a text that reads like one is none.
    """
    if isinstance(value, int):
        return int(value)
    if isinstance(value, (str, bytes, bytearray)):
        raise TypeError(value)
    return float(value)


def accepted(value: Any, least: float, owner: Any) -> Any:
    """Return a value as a number that a cell takes; None where it is none and the instrument has been told.

    Raises:
        Exception: It is none, and nobody is there to be told.
    """
    try:
        if type(value) is not float and type(value) is not int:
            value = number(value)
        if not least <= value <= _MOST:
            raise ValueError(value)
    except Exception:
        if owner is None:
            raise
        owner._refuse(value)
        return None
    return value


def bucket(value: int | float) -> int:
    """Return the index of a positive value's bucket, ``(2**(i/64), 2**((i+1)/64)]``.

    Rule: OpenTelemetry metrics data model, "ExponentialHistogram": powers of two belong to the bucket that they close.
    """
    # value == fraction * 2**exponent, 0.5 <= fraction < 1
    if cython.compiled:
        exponent = 0
        fraction = frexp(value, cython.address(exponent))
    else:
        fraction, exponent = frexp(value)
    if fraction == 0.5:
        return int((exponent - 1) * _SCALE - 1)
    position = log2(fraction) * _SCALE  # -64 < position < 0
    index = int(position) - 1  # rounds towards zero: this is ceil(position) - 1
    return int(exponent * _SCALE + index)


class Instrument:
    """What counter, gauge and histogram share: a name, and a cell for each set of dimensions."""

    __slots__ = (
        "boundaries",
        "cells",
        "description",
        "kind",
        "meter",
        "name",
        "overflow",
        "resolution",
        "scope",
        "series",
        "since_ns",
        "start_ns",
        "unit",
    )

    def __init__(
        self, name: str, unit: str, description: str = "", scope: Scope | None = None, meter: Meter | None = None
    ) -> None:
        self.name = name
        self.unit = unit
        self.description = description
        self.kind = ""
        self.scope = SCOPE if scope is None else scope
        self.meter = METER if meter is None else meter
        self.boundaries: tuple[float, ...] | None = None
        self.resolution = 60
        self.cells: dict[Any, Any] = {}  # by dimensions in the order in which a caller writes them
        self.series: dict[Any, Any] = {}  # by dimensions in sorted order: each cell once
        self.overflow: Any = None
        self.start_ns = self.since_ns = time_ns()

    def _new_cell(self, attributes: dict[str, Any]) -> Any:
        raise NotImplementedError(self.kind)

    def cell(self, attributes: dict[str, Any]) -> Any:
        """Return the cell of one set of dimensions. Keep it to record without looking it up again."""
        return _cell(self, attributes)

    def _find(self, key: Any, attributes: dict[str, Any]) -> Any:
        """Look for the series under the canonical order; make it when there is room. Rare: once a caller and series."""
        cleaned: dict[str, Any] = {}
        keep = True  # a key in `cells` holds the caller's own values for ever: not those that may be large
        for name, value in attributes.items():
            keep = keep and isinstance(value, (str, int, float)) and value == value
            text = _dimension(value)
            if text is not None:
                cleaned[safe_text(name)] = text
        found = self._series(tuple(sorted(cleaned.items(), key=_first)), cleaned)
        if keep and found is not self.overflow and len(self.cells) < 4 * self.meter.max_series:
            self.cells[key] = found
        return found

    def _series(self, canonical: Any, cleaned: dict[str, Any]) -> Any:
        """Return the one cell of a series, the overflow's where there is no room for another."""
        found = self.series.get(canonical)
        if found is None:
            if len(self.series) >= self.meter.max_series:
                if self.overflow is None:
                    self.overflow = self._new_cell(dict(OVERFLOW))
                    faults.tell(
                        f"metric {self.name!r} has more than {self.meter.max_series} series; new ones go together "
                        "under otel.metric.overflow (setting max_series)"
                    )
                return self.overflow
            found = self.series.setdefault(canonical, self._new_cell(cleaned))
        starter = self.meter.starter
        if starter is not None and self.meter.enabled:
            self.meter.starter = None
            starter()
        return found

    def _read(self, cell: Any, point: MetricPoint) -> bool:
        """Put what a series has taken since the last time into a point; False when that is nothing."""
        return _read(cell, point, self.meter)

    def _forget(self, cell: Any) -> None:
        """Leave out what a series has taken so far."""
        if isinstance(cell, CounterCell):
            cell.seen = cell.value
        elif isinstance(cell, GaugeCell):
            cell.value = None
        else:
            cell.lock = self.meter.lock
            cell.raw.clear()
            cell.clear()

    def _refuse(self, value: Any) -> None:
        faults.counts["metric value"] = faults.counts.get("metric value", 0) + 1
        faults.tell(
            f"metric {self.name!r} cannot take {_short(value)}: {self._allowed()} is needed; such values are left out",
            key=f"metric value {self.name}",
        )

    def _allowed(self) -> str:
        return "a finite number that is not negative" if self.kind == "counter" else "a finite number"

    def bind(self, /, **dimensions: Any) -> Any:
        """Return the cell of these dimensions: its ``add``, ``set`` or ``record`` saves the look-up on each call."""
        found = self.cell(dimensions)
        found.owner = self
        return found

    def all_cells(self) -> list[Any]:
        """Return every cell there is."""
        cells = list(self.series.values())
        if self.overflow is not None:
            cells.append(self.overflow)
        return cells


class Counter(Instrument):
    """A sum that only grows. Example: ``obsv.counter("orders").add(1, shop="north")``."""

    __slots__ = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        Instrument.__init__(self, *args, **kwargs)
        self.kind = "counter"

    def _new_cell(self, attributes: dict[str, Any]) -> CounterCell:
        return CounterCell(attributes)

    def add(self, /, value: int | float = 1, **dimensions: Any) -> None:
        """Add a number that is not negative to the series of these dimensions."""
        try:
            _add(self, dimensions, value)
        except Exception:  # noqa: BLE001 - a value that is no number
            self._refuse(value)


class Gauge(Instrument):
    """A value that goes up and down. Example: ``obsv.gauge("queue_depth").set(12, queue="mail")``."""

    __slots__ = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        Instrument.__init__(self, *args, **kwargs)
        self.kind = "gauge"

    def _new_cell(self, attributes: dict[str, Any]) -> GaugeCell:
        return GaugeCell(attributes)

    def set(self, /, value: int | float, **dimensions: Any) -> None:
        """Remember the value of the series of these dimensions."""
        try:
            _set(self, dimensions, value)
        except Exception:  # noqa: BLE001
            self._refuse(value)


class Histogram(Instrument):
    """A distribution of values. Example: ``obsv.histogram("latency").record(12.5, route="/")``."""

    __slots__ = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        Instrument.__init__(self, *args, **kwargs)
        self.kind = "histogram"

    def _new_cell(self, attributes: dict[str, Any]) -> HistogramCell:
        bounds = self.meter.boundaries if self.boundaries is None else self.boundaries
        return HistogramCell(attributes, self.meter.lock, bounds)

    def record(self, /, value: int | float, **dimensions: Any) -> None:
        """Add a value to the distribution of these dimensions."""
        try:
            _record(self, dimensions, value)
        except Exception:  # noqa: BLE001
            self._refuse(value)

    def time(self, /, **dimensions: Any) -> Timer:
        """Record how long a ``with`` block takes, in the histogram's unit.

        Example:
            >>> with obsv.histogram("checkout").time(shop="north"):
            ...     ...
        """
        return Timer(self, dimensions)


# Functions, because `self` of a class that programs may derive from has no C type.
def _cell(made: Instrument, attributes: dict[str, Any]) -> Any:
    key = flat(attributes)
    try:
        found = made.cells.get(key)
    except Exception:  # noqa: BLE001 - a dimension that cannot be hashed
        found = None
    return made._find(key, attributes) if found is None else found


def _add(made: Instrument, dimensions: dict[str, Any], value: Any) -> None:
    if made.meter.enabled:
        counter: CounterCell = _cell(made, dimensions)
        counter.add(value)


def _set(made: Instrument, dimensions: dict[str, Any], value: Any) -> None:
    if made.meter.enabled:
        gauge: GaugeCell = _cell(made, dimensions)
        gauge.set(value)


def _record(made: Instrument, dimensions: dict[str, Any], value: Any) -> None:
    if made.meter.enabled:
        histogram: HistogramCell = _cell(made, dimensions)
        histogram.record(value)


class Timer:
    """Times a ``with`` block; made by :meth:`Histogram.time`."""

    __slots__ = ("_begin", "_dimensions", "_histogram")

    def __init__(self, histogram: Histogram, dimensions: dict[str, Any]) -> None:
        self._histogram = histogram
        self._dimensions = dimensions
        self._begin = 0

    def __enter__(self) -> Timer:
        self._begin = perf_counter_ns()
        return self

    def __exit__(self, *error: object) -> None:
        elapsed = perf_counter_ns() - self._begin
        histogram = self._histogram
        if histogram.meter.enabled:
            histogram.cell(self._dimensions).record(elapsed / _NANOSECONDS.get(histogram.unit, 1e6))


_NANOSECONDS = {"Seconds": 1e9, "Milliseconds": 1e6, "Microseconds": 1e3}


def instrument(
    kind: type[Instrument], name: str, unit: str, description: str, scope: Scope | None = None, resolution: int = 60
) -> Any:
    """Return the instrument of this name, made at the first call.

    A second one with another unit shares the first one's unit. A second one of another kind records nothing that is
    sent. Both are told. One that was made of high resolution (1) stays so.
    """
    name, unit, description = safe_text(name), safe_text(unit), safe_text(description)
    found = METER.instruments.get(name)
    if resolution != 60:
        resolution = _resolution(name, resolution)
        if resolution == 1:
            METER.fine = True
            if found is not None and found.resolution != 1:
                found.resolution = 1
                if METER.teller is not None:
                    METER.teller.instruments = []  # what it knows of them is looked up again
    if found is None:
        made = kind(name, unit, description, scope)
        made.resolution = resolution
        if len(METER.instruments) >= MAX_INSTRUMENTS:
            faults.tell(f"there are {MAX_INSTRUMENTS} metrics; new names are left out: use dimensions", key="metrics")
            return made
        return METER.instruments.setdefault(name, made)
    if type(found) is not kind:
        faults.tell(
            f"metric {name!r} is a {found.kind} already; a {kind.__name__.lower()} of the same name is left out: "
            "choose another name"
        )
        return kind(name, unit, description, scope)
    if found.unit != unit:
        faults.tell(f"metric {name!r} has the unit {found.unit!r} already; {unit!r} is ignored: choose another name")
    return found


def _resolution(name: str, seconds: Any) -> int:
    """Return a storage resolution as CloudWatch has it (EMF specification, "StorageResolution": 1 or 60)."""
    if type(seconds) is int and (seconds == 1 or seconds == 60):
        return seconds
    faults.tell(f"metric {name!r} cannot have the resolution {_short(seconds)}: 1 or 60 seconds; 60 is used")
    return 60


def collect(now_ns: int, meter: Meter = METER, fine: bool = False) -> list[MetricPoint]:
    """Return what every series has taken since the last call, and begin the next interval.

    Series without news are left out. ``fine``: only those of high resolution.
    """
    points: list[MetricPoint] = []
    for made in list(meter.instruments.values()):
        if fine and made.resolution != 1:
            continue
        start = made.start_ns
        made.start_ns = now_ns
        for cell in made.all_cells():
            point = MetricPoint(
                made.name, made.unit, made.description, made.kind, cell.attributes, start, now_ns, made.scope
            )
            point.resolution = made.resolution
            if made._read(cell, point):
                points.append(point)
    if not fine:
        for source in list(meter.sources):
            points.extend(source())
    return points


def _read(cell: Any, point: MetricPoint, meter: Meter) -> bool:
    kind = type(cell)
    if kind is CounterCell:
        total = cell.value
        point.value = total - cell.seen
        cell.seen = total
        return bool(point.value)
    if kind is GaugeCell:
        value = cell.value
        if value is None:
            return False
        cell.value = None
        point.value = value
        return True
    with meter.lock:
        if cell.count == 0 and 0 < len(cell.raw) <= PLAIN:
            point.values = cell.raw[:PLAIN]
        cell.fold()
        if cell.count == 0:
            return False
        if point.values is not None and len(point.values) != cell.count:
            point.values = None  # one more arrived meanwhile
        point.count, point.sum, point.min, point.max = cell.count, cell.sum, cell.min, cell.max
        point.buckets, point.negative, point.zero = cell.buckets, cell.negative, cell.zero
        point.bounds, point.bounded = cell.bounds, cell.bounded
        cell.clear()
    return True


def after_fork() -> None:
    """In a forked child: what the parent has counted is the parent's to tell."""
    METER.lock = Lock()  # another thread of the parent may have held it
    forget()


def forget() -> None:
    """Begin a new interval without telling anybody of the one so far."""
    now = time_ns()
    for made in list(METER.instruments.values()):
        made.start_ns = made.since_ns = now
        for cell in made.all_cells():
            made._forget(cell)


def _first(pair: tuple[str, Any]) -> str:
    return pair[0]


def _dimension(value: Any) -> str | bool | int | float | None:
    """Return a dimension's value: text, a number or a bool; None, which says nothing, leaves the dimension out."""
    kind = type(value)
    if kind is bool or kind is int or value is None:
        return value  # type: ignore[no-any-return]
    if kind is float:
        return value if value == value else "nan"
    try:
        cleaned = values.clean(value, _MAX_TEXT)
    except Exception:  # noqa: BLE001 - the value's own methods
        cleaned = None
    return cleaned if isinstance(cleaned, (str, int, float)) else safe_text(value)[:_MAX_TEXT]


def _short(value: Any) -> str:
    return f"{safe_text(value)[:40]!r} ({type(value).__name__})"


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=after_fork)
