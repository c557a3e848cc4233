"""OpenTelemetry's meter provider and meter, over obsv's cells.

What is recorded goes where ``obsv.init()`` sends metrics. Readers and views of the SDK that a program brings along work
too: then the SDK's own provider is imported and stands behind this one.

Nothing that a program records or names makes it raise: what cannot be used is left out and told.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from threading import RLock
from time import monotonic

from opentelemetry import metrics as api

from .. import guests
from ..hotpath import faults, values
from ..hotpath.api_metrics import KINDS, ApiInstrument, typed
from ..hotpath.errors import safe_text
from ..hotpath.metrics import BOUNDARIES, MAX_INSTRUMENTS, METER
from ..hotpath.span import Scope
from ..patches import when_imported
from .observing import OBSERVER, prepared
from .warnings import warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import ModuleType
    from typing import Any

    from opentelemetry.metrics import CallbackT
    from opentelemetry.sdk.metrics import ExemplarFilter
    from opentelemetry.sdk.metrics import MeterProvider as SdkMeterProvider
    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.metrics.view import View
    from opentelemetry.sdk.resources import Resource

MAX_METERS = 1000
"""Meters that a provider remembers. A program that makes a scope for each request must not fill the memory."""

_CREATE = {
    "Counter": "create_counter",
    "UpDownCounter": "create_up_down_counter",
    "Histogram": "create_histogram",
    "_Gauge": "create_gauge",
    "ObservableCounter": "create_observable_counter",
    "ObservableUpDownCounter": "create_observable_up_down_counter",
    "ObservableGauge": "create_observable_gauge",
}


_making = RLock()
"""Held while meters and instruments are made, never to record. Whatever is called meanwhile may make others."""


class MeterProvider(api.MeterProvider):
    """Give out meters whose metrics go where ``obsv.init()`` sends them. ``obsv.init()`` installs one by itself.

    The arguments are those of ``opentelemetry.sdk.metrics.MeterProvider``.

    Args:
        metric_readers: Readers of the SDK, which get all that obsv's sinks get.
        resource: What those readers say about the process. obsv's sinks have the resource of ``obsv.init()``.
        exemplar_filter: Which values those readers keep as exemplars.
        shutdown_on_exit: Shut those readers down at the end of the program.
        views: They shape what readers see and what obsv's sinks send. With views the SDK does all the work, at its
            price.

    Example:
        >>> from opentelemetry import metrics
        >>> obsv.init("shop")
        >>> orders = metrics.get_meter("shop.orders").create_counter("orders", unit="{order}")
        >>> orders.add(1, {"shop": "north"})
    """

    def __init__(
        self,
        metric_readers: Sequence[MetricReader] = (),
        resource: Resource | None = None,
        exemplar_filter: ExemplarFilter | None = None,
        shutdown_on_exit: bool = True,
        views: Sequence[View] = (),
        *,
        _meter_configurator: Any = None,
    ) -> None:
        self._engine: SdkMeterProvider | None = None
        self._known: dict[Any, Meter] = {}
        self._ended = False
        self._off = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
        self._options = {
            "resource": resource,
            "exemplar_filter": exemplar_filter,
            "shutdown_on_exit": shutdown_on_exit,
            "views": views,
            "_meter_configurator": _meter_configurator,
        }
        self._shaped = bool(views) or _meter_configurator is not None  # only the SDK knows what is to be sent
        if self._shaped:
            from .shaped import SinkReader

            metric_readers = (*metric_readers, SinkReader(_exponential()))
        if metric_readers:
            self._sdk(metric_readers)

    def _sdk(self, readers: Sequence[MetricReader] = ()) -> SdkMeterProvider:
        """Return the SDK's provider behind this one, made when first asked for."""
        if self._engine is None:
            from opentelemetry.sdk import metrics as sdk

            _register(sdk)
            self._engine = _theirs[0](readers, **self._options)
        return self._engine

    def __getattr__(self, name: str) -> Any:
        """Answer for the SDK's private attributes, which tools read, where the program has loaded the SDK."""
        if name.startswith("_") and not name.startswith("__") and "_options" in vars(self) and _sdk_loaded():
            return getattr(self._sdk(), name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def get_meter(
        self,
        name: str,
        version: str | None = None,
        schema_url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> api.Meter:
        """Return the meter of an instrumentation scope.

        Without a name, and after the shutdown, it is one that does nothing.
        """
        if self._off or self._ended or not name:
            if self._ended:
                faults.tell("a meter provider was shut down and gives no more meters", key="meter provider shut down")
            elif not self._off:
                warn("a meter without a name records nothing: get_meter() needs one;")
            return api.NoOpMeter(name, version=version, schema_url=schema_url)
        if self._shaped:
            return self._sdk().get_meter(name, version, schema_url, attributes)
        name, version, schema_url = safe_text(name), _text(version), _text(schema_url)
        cleaned = _attributes(attributes)
        key = (name, version, schema_url, typed(cleaned))
        meter = self._known.get(key)
        if meter is None:
            with _making:
                meter = self._known.get(key)
                if meter is None:
                    meter = Meter(Scope(name, version, None, schema_url, cleaned or None), self)
                    if self._engine is not None:
                        meter.follow(self._engine)
                    if len(self._known) < MAX_METERS:
                        self._known[key] = meter
        return meter

    def add_metric_reader(self, metric_reader: MetricReader) -> None:
        """Let a reader of the SDK see what is recorded from now on, by instruments that exist already too."""
        if self is _provider:
            guests.add(guests.Guest("metric readers", self._flush_readers, lambda: self._end_readers))
        with _making:
            if self._engine is None:
                engine = self._sdk((metric_reader,))
                for meter in list(self._known.values()):
                    meter.follow(engine)
                return
            engine = self._engine
            engine.add_metric_reader(metric_reader)
            if metric_reader not in engine._metric_readers:  # what the SDK flushes and shuts down
                engine._metric_readers = (*engine._metric_readers, metric_reader)

    def remove_metric_reader(self, metric_reader: MetricReader) -> None:
        """Shut a reader down and show it nothing more."""
        engine = self._engine
        if engine is None:
            faults.tell("remove_metric_reader() was given a reader that was never added")
            return
        engine.remove_metric_reader(metric_reader)
        engine._metric_readers = tuple([reader for reader in engine._metric_readers if reader is not metric_reader])

    def _flush_readers(self, seconds: float) -> bool:
        engine = self._engine
        if engine is None or engine._shutdown:
            return True
        everything = True
        for reader in engine._metric_readers:
            try:
                everything = reader.force_flush(seconds * 1000) is not False and everything
            except Exception as error:  # noqa: BLE001 - a reader of the user's
                faults.report(f"force_flush of metric reader {type(reader).__name__}", error)
                everything = False
        return everything

    def _end_readers(self, seconds: float) -> bool:
        """Shut the readers down with obsv, unless the program has; the provider goes on for another ``init()``."""
        engine = self._engine
        if engine is None or engine._shutdown:
            return True
        everything = self._flush_readers(seconds)  # removed, a reader collects no more
        for reader in engine._metric_readers:
            try:
                self.remove_metric_reader(reader)
            except Exception as error:  # noqa: BLE001 - a reader of the user's
                faults.report(f"shutdown of metric reader {type(reader).__name__}", error)
                everything = False
        return everything

    def _set_meter_configurator(self, *, meter_configurator: Any) -> None:
        """Switch meters on and off, as the SDK's provider does: those that exist too."""
        engine = self._sdk()  # imports: not while the lock is held, which an import of theirs may wait for
        with _making:
            self._options["_meter_configurator"] = meter_configurator
            engine._set_meter_configurator(meter_configurator=meter_configurator)
            for meter in list(self._known.values()):
                meter.follow(engine)

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Send what was recorded so far; True when everything left in time.

        Raises:
            Exception: A reader of the SDK that was given to this provider failed, as with the SDK's own provider.
        """
        begin, milliseconds = monotonic(), _milliseconds(timeout_millis, 10_000.0)
        try:
            if self._engine is not None:
                self._engine.force_flush(milliseconds)
        finally:
            done = _flush(max(0.0, milliseconds / 1000 - (monotonic() - begin)))
        return done

    def shutdown(self, timeout_millis: float = 30_000) -> None:
        """Send what was recorded, and take this provider's instruments out of service. obsv itself goes on.

        Raises:
            Exception: A reader of the SDK that was given to this provider failed, as with the SDK's own provider.
        """
        with _making:
            first, self._ended = not self._ended, True
        if not first:
            warn("shutdown() of a meter provider can only be called once;")
            return
        begin, milliseconds = monotonic(), _milliseconds(timeout_millis, 30_000.0)
        try:
            if self._engine is not None:
                self._engine.shutdown(milliseconds)
        finally:
            _flush(max(0.0, milliseconds / 1000 - (monotonic() - begin)))
            for meter in list(self._known.values()):
                meter.end()


class Meter(api.Meter):
    """Make instruments of one scope. Two of the same name, kind, unit and description are one, as in the SDK."""

    def __init__(self, scope: Scope, provider: MeterProvider) -> None:
        super().__init__(scope.name, scope.version, scope.schema_url)
        self._scope = scope
        self._provider = provider
        self._made: dict[Any, _Made] = {}
        self._twin: Any = None

    def __getattr__(self, name: str) -> Any:
        """Answer for the private attributes of the SDK's meter, where the program has loaded the SDK."""
        if name.startswith("_") and not name.startswith("__") and "_made" in vars(self) and _sdk_loaded():
            return getattr(self._their_meter(self._provider._sdk()), name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _their_meter(self, engine: SdkMeterProvider) -> Any:
        scope = self._scope
        return engine.get_meter(scope.name, scope.version, scope.schema_url, scope.attributes)

    def create_counter(self, name: str, unit: str = "", description: str = "") -> api.Counter:
        """Return a counter: a sum that only grows."""
        return self._make("Counter", name, unit, description)  # type: ignore[no-any-return]

    def create_up_down_counter(self, name: str, unit: str = "", description: str = "") -> api.UpDownCounter:
        """Return an up-down counter: a sum that may shrink, told as what it is now."""
        return self._make("UpDownCounter", name, unit, description)  # type: ignore[no-any-return]

    def create_histogram(
        self,
        name: str,
        unit: str = "",
        description: str = "",
        *,
        explicit_bucket_boundaries_advisory: Sequence[float] | None = None,
    ) -> api.Histogram:
        """Return a histogram; the boundaries are those of its explicit buckets, where these are in use."""
        advisory = _boundaries(name, explicit_bucket_boundaries_advisory)
        return self._make("Histogram", name, unit, description, advisory=advisory)  # type: ignore[no-any-return]

    def create_gauge(self, name: str, unit: str = "", description: str = "") -> api._Gauge:
        """Return a gauge: the last value counts, and is told until there is another."""
        return self._make("_Gauge", name, unit, description)  # type: ignore[no-any-return]

    def create_observable_counter(
        self, name: str, callbacks: Sequence[CallbackT] | None = None, unit: str = "", description: str = ""
    ) -> api.ObservableCounter:
        """Return a counter whose callbacks say the whole sum at each collection."""
        return self._make("ObservableCounter", name, unit, description, callbacks)  # type: ignore[no-any-return]

    def create_observable_up_down_counter(
        self, name: str, callbacks: Sequence[CallbackT] | None = None, unit: str = "", description: str = ""
    ) -> api.ObservableUpDownCounter:
        """Return an up-down counter whose callbacks say the whole sum at each collection."""
        return self._make("ObservableUpDownCounter", name, unit, description, callbacks)  # type: ignore[no-any-return]

    def create_observable_gauge(
        self, name: str, callbacks: Sequence[CallbackT] | None = None, unit: str = "", description: str = ""
    ) -> api.ObservableGauge:
        """Return a gauge whose callbacks say the value at each collection."""
        return self._make("ObservableGauge", name, unit, description, callbacks)  # type: ignore[no-any-return]

    def _make(
        self,
        kind: str,
        name: Any,
        unit: Any,
        description: Any,
        callbacks: Iterable[Any] | None = None,
        advisory: tuple[float, ...] | None = None,
    ) -> Any:
        checked = _checked(name, unit)
        if checked is None:
            return _nothing(kind, name)
        name, unit = checked
        description = "" if description is None else safe_text(description)
        key = (self._scope, name.lower(), kind, unit, description)
        asks = [] if key in self._made else prepared(callbacks, name)  # the program's generators begin: not in the lock
        with _making:
            found = self._made.get(key)
            if found is None:
                if len(METER.instruments) >= MAX_INSTRUMENTS:
                    faults.tell(
                        f"there are {MAX_INSTRUMENTS} metrics; new names are left out: use attributes", key="metrics"
                    )
                    return _nothing(kind, name)
                found = _Made(kind, KINDS[kind](name.lower(), unit, description, self._scope), advisory)
                if kind == "Histogram" and not _exponential():
                    found.instrument.boundaries = BOUNDARIES if advisory is None else advisory
                found.asks = asks
                if self._twin is not None:
                    found.follow(self._twin)
                self._made[key] = found
                METER.instruments[key] = found.instrument
                if found.asks:
                    OBSERVER.add(found.instrument, found.asks)
            elif found.advisory != advisory:
                faults.tell(f"histogram {name!r} was made before with other boundaries, which stay")
        return found.instrument

    def follow(self, engine: SdkMeterProvider) -> None:
        """Let the SDK's meter of the same scope hear of everything."""
        with _making:
            self._twin = self._their_meter(engine)
            for made in self._made.values():
                made.follow(self._twin)

    def end(self) -> None:
        """Record nothing more."""
        with _making:
            for key, made in self._made.items():
                made.instrument.on = False
                OBSERVER.remove(made.instrument)
                METER.instruments.pop(key, None)


class _Made:
    """An instrument, and what is needed to make its twin in the SDK."""

    __slots__ = ("advisory", "asks", "instrument", "kind")

    def __init__(self, kind: str, instrument: ApiInstrument, advisory: tuple[float, ...] | None) -> None:
        self.kind = kind
        self.instrument: Any = instrument
        self.advisory = advisory
        self.asks: list[Any] = []

    def follow(self, meter: Any) -> None:
        made = self.instrument
        more: dict[str, Any] = {"unit": made.unit, "description": made.description}
        if self.kind.startswith("Observable"):
            more["callbacks"] = self.asks
        elif self.kind == "Histogram":
            more["explicit_bucket_boundaries_advisory"] = self.advisory
        made.twin = getattr(meter, _CREATE[self.kind])(made.name, **more)
        made.on = bool(meter._is_enabled())  # as a meter configurator wants it


def _checked(name: Any, unit: Any) -> tuple[str, str] | None:
    """Return name and unit if OpenTelemetry allows them (API specification, "Instrument name syntax")."""
    try:
        result = api.Instrument._check_name_unit_description(name, unit, "")
    except TypeError:  # no text
        result = {"name": None, "unit": None}
    if result["name"] is None or result["unit"] is None:
        faults.tell(
            f"the metric {safe_text(name)[:80]!r} with unit {safe_text(unit)[:80]!r} records nothing: a name is a "
            "letter and up to 254 of letters, digits and _ . - /, a unit up to 63 ASCII characters"
        )
        return None
    return result["name"], result["unit"]


def _nothing(kind: str, name: Any) -> Any:
    """Return an instrument that does nothing, for what cannot be made."""
    return getattr(api.NoOpMeter(""), _CREATE[kind])(safe_text(name))


def _boundaries(name: Any, advisory: Any) -> tuple[float, ...] | None:
    """Return boundaries as they are to be used; what are none is told, and the default is used."""
    if advisory is None:
        return None
    if isinstance(advisory, Sequence) and all([isinstance(bound, (int, float)) for bound in advisory]):
        bounds = tuple([float(bound) for bound in advisory])
        rising = all([low < high for low, high in pairwise(bounds)])
        if rising and all([bound - bound == 0 for bound in bounds]):
            return bounds
    faults.tell(
        f"the boundaries of histogram {safe_text(name)[:80]!r} must be a sequence of rising finite numbers; the "
        "default is used"
    )
    return None


def _exponential() -> bool:
    from .. import runtime

    return runtime.settings_in_force().otlp_histogram == "base2_exponential_bucket_histogram"


def _attributes(attributes: Any) -> dict[str, Any]:
    """Return a scope's attributes by the API's rules."""
    try:
        cleaned: dict[str, Any] = values.clean(dict(attributes or {}))
        return cleaned
    except Exception:  # noqa: BLE001 - whatever was given
        faults.tell("the attributes of a meter cannot be read; they are left out")
        return {}


def _text(value: object) -> str | None:
    return value if value is None or type(value) is str else safe_text(value)


def _milliseconds(timeout: Any, default: float) -> float:
    try:
        return float(timeout)
    except Exception:  # noqa: BLE001 - whatever was given
        faults.tell("a timeout of a meter provider must be in milliseconds; the default is used", key="metric timeout")
        return default


def _flush(seconds: float) -> bool:
    from .. import runtime

    return runtime.flush_sinks(seconds)


def _sdk_loaded() -> bool:
    return "opentelemetry.sdk.metrics" in sys.modules


_provider: MeterProvider | None = None


def adopt(module: ModuleType) -> None:
    """Do what is to be done when ``opentelemetry.metrics`` or ``opentelemetry.sdk.metrics`` has been imported."""
    if module.__name__ == "opentelemetry.metrics":
        install()
    else:
        _register(module)


def install() -> None:
    """Make obsv's provider the global one, unless the program has set another already."""
    global _provider
    from opentelemetry.metrics import _internal

    if _provider is None:
        _provider = MeterProvider()
    if _internal._METER_PROVIDER is None:
        api.set_meter_provider(_provider)
    elif _internal._METER_PROVIDER is not _provider:
        faults.tell(
            f"an OpenTelemetry meter provider is set already ({type(_internal._METER_PROVIDER).__module__}); it stays, "
            "and its metrics are not obsv's"
        )


_theirs: list[type[SdkMeterProvider]] = []  # the SDK's class itself, also where a test put ours in its place


def _register(module: ModuleType) -> None:
    """Let ``isinstance`` with the SDK's classes hold, once the program has loaded them."""
    if _theirs:
        return
    _theirs.append(module.MeterProvider)
    module.MeterProvider.register(MeterProvider)
    module.Meter.register(Meter)
    for name, kind in KINDS.items():
        getattr(module, name).register(kind)


def _after_fork() -> None:
    global _making
    _making = RLock()  # another thread of the parent may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
for _name, _kind in KINDS.items():
    getattr(api, _name).register(_kind)
when_imported("opentelemetry.sdk.metrics", _register)

__all__ = ["MAX_METERS", "Meter", "MeterProvider", "adopt"]
