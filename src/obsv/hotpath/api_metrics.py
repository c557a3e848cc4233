"""OpenTelemetry's instruments: what ``Meter.create_counter()`` and its siblings give out, on obsv's cells.

They are registered with the API's abstract classes, so a call goes straight to the compiled code. Beside what obsv's
own instruments do they follow the SDK: attributes are told apart by type (``1`` is not ``True``), sums report zero once
they were touched, and gauges and up-down counters are told each interval.
"""

from __future__ import annotations

from collections.abc import Mapping

from . import faults, values
from .errors import safe_text
from .metrics import GaugeCell, HistogramCell, Instrument, accepted, number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .records import MetricPoint

_MOST = 1.7976931348623157e308  # sys.float_info.max: NaN and infinities compare false with it


class SumCell:
    """One series of a sum, monotonic or not, added to or observed.

    Attributes:
        value: The sum since the start; of an observable instrument what its callbacks said last.
        seen: What the last collection told of it.
        news: Whether it was touched since.
        round: The collection for which it was observed last.
    """

    __slots__ = ("attributes", "news", "owner", "round", "seen", "value")

    def __init__(self, attributes: dict[str, Any]) -> None:
        self.attributes = attributes
        self.owner: Any = None
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.value: int | float = 0
        self.seen: int | float = 0
        self.round = -1
        self.news = False

    def add(self, value: int | float) -> None:
        """Add a finite number; anything else is told, or raises where there is no ``owner``."""
        if (type(value) is not float and type(value) is not int) or not -_MOST <= value <= _MOST:
            value = accepted(value, -_MOST, self.owner)
            if value is None:
                return
        self.value += value
        self.news = True

    def observe(self, value: int | float, turn: int) -> None:
        """Take what a callback says the sum is; several of one collection add up, as in the SDK."""
        if type(value) is not float and type(value) is not int:
            value = number(value)
        if not -_MOST <= value <= _MOST:
            raise ValueError(value)
        self.value = self.value + value if self.round == turn else value
        self.round = turn
        self.news = True


class ApiInstrument(Instrument):
    """What they share: one attribute set is one cell, and whoever added an SDK reader hears of everything too.

    Attributes:
        observed: Values come from callbacks.
        on: False after its provider was shut down.
        plain: The cell without attributes.
        twin: The SDK's instrument of the same name, where a reader of the SDK was added; else None.
    """

    __slots__ = ("observed", "on", "plain", "twin")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        Instrument.__init__(self, *args, **kwargs)
        self.observed = False
        self.on = True
        self.plain: Any = None
        self.twin: Any = None

    def _new_cell(self, attributes: dict[str, Any]) -> Any:
        return SumCell(attributes)

    def find(self, attributes: Any) -> Any:
        """Return the cell of an attribute set; None and ``{}`` are the empty one."""
        if not attributes:
            if self.plain is None:
                self.plain = self._series((), {})
            return self.plain
        try:
            found = self.cells.get(tuple(attributes.items()))
        except Exception:  # noqa: BLE001 - no mapping, or a value that cannot be hashed
            found = None
        if type(found) is dict:  # values that are not all text: 1, 1.0 and True are equal as keys
            found = found.get(tuple([type(value) for value in attributes.values()]))
        if found is None:
            found = self._search(attributes)
        return found

    def _search(self, attributes: Any) -> Any:
        """Look for the series by the SDK's rules, and remember it for the next time. Rare: once a caller and series."""
        if not isinstance(attributes, Mapping):
            faults.tell(
                f"attributes of metric {self.name!r} must be a mapping, not {type(attributes).__name__}; they are left "
                "out",
                key=f"metric attributes {self.name}",
            )
            attributes = {}
        items = tuple(attributes.items())
        cleaned = _cleaned(items)
        found = self._series(typed(cleaned)[1], cleaned)
        if found is self.overflow or len(self.cells) >= 4 * self.meter.max_series:
            return found
        kept = [value for _, value in items]
        if all([isinstance(value, str) for value in kept]):
            self.cells[items] = found
        elif all([isinstance(value, (str, int, float)) and value == value for value in kept]):
            self.cells.setdefault(items, {})[tuple([type(value) for value in kept])] = found
        return found

    def _read(self, cell: Any, point: MetricPoint) -> bool:
        point.foreign = True
        point.observed = self.observed
        point.since_ns = self.since_ns
        if type(cell) is GaugeCell:
            value = cell.value
            if self.observed:  # until it is observed again
                cell.value = None
            point.value = 0 if value is None else value
            return value is not None
        if type(cell) is not SumCell:
            return Instrument._read(self, cell, point)
        news, cell.news = cell.news, False
        total = cell.value
        point.total = total
        if self.kind == "counter":
            point.value = total - cell.seen
            cell.seen = total
            return bool(news)
        point.value = total
        return bool(news or (total and not self.observed))

    def _forget(self, cell: Any) -> None:
        if type(cell) is SumCell:
            cell.clear()
        else:
            Instrument._forget(self, cell)

    def _tell_twin(self, value: Any, attributes: Any, context: Any) -> None:
        """Pass a value on to the SDK. A reader, filter or exemplar reservoir of the user's may raise there."""
        try:
            call = getattr(self.twin, "add", None) or getattr(self.twin, "record", None) or self.twin.set
            call(value, attributes, context)
        except Exception as error:  # noqa: BLE001 - never into user code
            faults.tell(
                f"metric {self.name!r} could not reach the SDK's readers: {type(error).__name__}: {safe_text(error)}",
                key=f"metric twin {self.name}",
            )


class ApiCounter(ApiInstrument):
    """``opentelemetry.metrics.Counter``."""

    __slots__ = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        ApiInstrument.__init__(self, *args, **kwargs)
        self.kind = "counter"

    def add(self, amount: int | float, attributes: Any = None, context: Any = None) -> None:
        """Add a number that is not negative (OpenTelemetry API, "Counter operations")."""
        if self.on and self.meter.enabled:
            try:
                if amount < 0:
                    raise ValueError(amount)
                self.find(attributes).add(amount)
            except Exception:  # noqa: BLE001 - a value that is no number
                self._refuse(amount)
        if self.twin is not None:
            self._tell_twin(amount, attributes, context)


class ApiUpDownCounter(ApiInstrument):
    """``opentelemetry.metrics.UpDownCounter``."""

    __slots__ = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        ApiInstrument.__init__(self, *args, **kwargs)
        self.kind = "up_down_counter"

    def add(self, amount: int | float, attributes: Any = None, context: Any = None) -> None:
        """Add a number (OpenTelemetry API, "UpDownCounter operations")."""
        if self.on and self.meter.enabled:
            try:
                self.find(attributes).add(amount)
            except Exception:  # noqa: BLE001
                self._refuse(amount)
        if self.twin is not None:
            self._tell_twin(amount, attributes, context)


class ApiHistogram(ApiInstrument):
    """``opentelemetry.metrics.Histogram``."""

    __slots__ = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        ApiInstrument.__init__(self, *args, **kwargs)
        self.kind = "histogram"

    def _new_cell(self, attributes: dict[str, Any]) -> HistogramCell:
        return HistogramCell(attributes, self.meter.lock, self.boundaries)

    def _allowed(self) -> str:
        return "a finite number that is not negative"

    def record(self, amount: int | float, attributes: Any = None, context: Any = None) -> None:
        """Record a value that is not negative (OpenTelemetry API, "Histogram operations")."""
        if self.on and self.meter.enabled:
            try:
                if amount < 0:
                    raise ValueError(amount)
                self.find(attributes).record(amount)
            except Exception:  # noqa: BLE001
                self._refuse(amount)
        if self.twin is not None:
            self._tell_twin(amount, attributes, context)


class ApiGauge(ApiInstrument):
    """OpenTelemetry's synchronous gauge."""

    __slots__ = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        ApiInstrument.__init__(self, *args, **kwargs)
        self.kind = "gauge"

    def _new_cell(self, attributes: dict[str, Any]) -> GaugeCell:
        return GaugeCell(attributes)

    def set(self, amount: int | float, attributes: Any = None, context: Any = None) -> None:
        """Remember a value (OpenTelemetry API, "Gauge operations")."""
        if self.on and self.meter.enabled:
            try:
                self.find(attributes).set(amount)
            except Exception:  # noqa: BLE001
                self._refuse(amount)
        if self.twin is not None:
            self._tell_twin(amount, attributes, context)


class ApiObservable(ApiInstrument):
    """The three observable instruments: nobody calls them, :mod:`obsv.otel.observing` asks their callbacks."""

    __slots__ = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        ApiInstrument.__init__(self, *args, **kwargs)
        self.observed = True

    def take(self, value: Any, attributes: Any, turn: int) -> None:
        """Remember what a callback said in collection number ``turn``."""
        try:
            cell = self.find(attributes)
            if type(cell) is SumCell:
                cell.observe(value, turn)
            else:
                cell.set(value)
        except Exception:  # noqa: BLE001
            self._refuse(value)


class ApiObservableCounter(ApiObservable):
    """``opentelemetry.metrics.ObservableCounter``."""

    __slots__ = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        ApiObservable.__init__(self, *args, **kwargs)
        self.kind = "counter"


class ApiObservableUpDownCounter(ApiObservable):
    """``opentelemetry.metrics.ObservableUpDownCounter``."""

    __slots__ = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        ApiObservable.__init__(self, *args, **kwargs)
        self.kind = "up_down_counter"


class ApiObservableGauge(ApiObservable):
    """``opentelemetry.metrics.ObservableGauge``."""

    __slots__ = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        ApiObservable.__init__(self, *args, **kwargs)
        self.kind = "gauge"

    def _new_cell(self, attributes: dict[str, Any]) -> GaugeCell:
        return GaugeCell(attributes)


def _cleaned(items: tuple[tuple[Any, Any], ...]) -> dict[str, Any]:
    """Return attributes by the API's rules; a value whose own methods raise loses only itself."""
    try:
        cleaned: dict[str, Any] = values.clean(dict(items))
        return cleaned
    except Exception:  # noqa: BLE001 - the value's own __str__
        found: dict[str, Any] = {}
        for name, value in items:
            try:
                found[safe_text(name)] = values.clean(value)
            except Exception:  # noqa: BLE001
                found[safe_text(name)] = safe_text(value)
        return found


def typed(value: Any) -> Any:
    """Return what tells a cleaned value from all others: its type too, whatever the order of a mapping."""
    kind = type(value)
    if kind is dict:
        return (kind, tuple(sorted([(name, typed(item)) for name, item in value.items()], key=_first)))
    if kind is tuple:
        return (kind, tuple([typed(item) for item in value]))
    return (kind, "nan" if value != value else value)


def _first(pair: tuple[str, Any]) -> str:
    return pair[0]


KINDS = {
    "Counter": ApiCounter,
    "UpDownCounter": ApiUpDownCounter,
    "Histogram": ApiHistogram,
    "_Gauge": ApiGauge,
    "ObservableCounter": ApiObservableCounter,
    "ObservableUpDownCounter": ApiObservableUpDownCounter,
    "ObservableGauge": ApiObservableGauge,
}
"""The classes by the names under which ``opentelemetry.metrics`` and ``opentelemetry.sdk.metrics`` have theirs."""
