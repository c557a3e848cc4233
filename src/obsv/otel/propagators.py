"""OpenTelemetry's ``TextMapPropagator`` on obsv's headers, and the propagators of others for obsv's patches.

``opentelemetry.propagate.inject`` and ``extract`` then speak the same formats as obsv's own patches do (the setting
``propagators``).
"""

from __future__ import annotations

import opentelemetry.context as api
from opentelemetry.baggage import _BAGGAGE_KEY
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter, TextMapPropagator, default_getter, default_setter
from opentelemetry.trace.propagation import _SPAN_KEY

from ..entry_points import find
from ..hotpath import faults, headers
from ..hotpath.baggage import parse_baggage
from ..hotpath.span import Remote, Span, current
from ..hotpath.span import resolve as reduce
from .context import RemoteSpan, as_context, resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import ModuleType
    from typing import Any

    from opentelemetry.propagators.textmap import Setter

GROUP = "opentelemetry_propagator"
"""The entry point group of propagators (OpenTelemetry API, ``opentelemetry.propagate``)."""

_FIELDS = {"tracecontext": ("traceparent", "tracestate"), "baggage": ("baggage",), "xray": (headers.XRAY,)}


class HeaderPropagator(TextMapPropagator):
    """Read and write the trace by obsv's functions (OpenTelemetry specification, "TextMap Propagator").

    Args:
        formats: Names as in the setting ``propagators``; None for whatever that setting says at the time.

    Example:
        >>> HeaderPropagator(("tracecontext",)).fields == {"traceparent", "tracestate"}
        True
    """

    def __init__(self, formats: tuple[str, ...] | None = None) -> None:
        self._formats = formats

    def extract(self, carrier: Any, context: Context | None = None, getter: Getter[Any] = default_getter) -> Context:
        """Return ``context`` with what the carrier's headers name; unchanged where they name nothing valid."""
        context = Context() if context is None else context
        try:
            return self._extract(carrier, context, getter)
        except Exception as error:  # noqa: BLE001 - a carrier or getter of the user's
            faults.report("extracting the trace", error)
            return context

    def _extract(self, carrier: Any, context: Context, getter: Getter[Any]) -> Context:
        remote = headers.extract(lambda name: _read(carrier, getter, name), self._formats)
        if remote is None:
            return context
        values: dict[str, Any] = {**context, **(remote.base or {})}
        text = (remote.base or {}).get(headers.BASE_BAGGAGE)
        if text:
            values[_BAGGAGE_KEY] = {**(context.get(_BAGGAGE_KEY) or {}), **parse_baggage(text)}  # type: ignore[dict-item]
        if remote.trace_hi or remote.trace_lo:
            values[_SPAN_KEY] = RemoteSpan(remote)
        return Context(values)

    def inject(self, carrier: Any, context: Context | None = None, setter: Setter[Any] = default_setter) -> None:
        """Write the headers for what is current in ``context``."""
        try:
            state = _current() if context is None else context
            base = state if isinstance(state, dict) else None
            # Of a context only the span counts here: where instrumentation is suppressed, a program that asks for the
            # headers gets them all the same, as from OpenTelemetry's own propagators.
            found = reduce(state) if base is None else resolve(Context({_SPAN_KEY: base.get(_SPAN_KEY)}))
            if type(found) is not Span and type(found) is not Remote:
                if base is None:
                    return
                found = Remote(0, 0, 0, 0)  # no trace, but perhaps baggage
            for name, value in headers.outgoing(found, base, self._formats):
                setter.set(carrier, name, value)
        except Exception as error:  # noqa: BLE001 - a carrier or setter of the user's
            faults.report("injecting the trace", error)

    @property
    def fields(self) -> set[str]:
        """The names of the headers that :meth:`inject` may write."""
        found: set[str] = set()
        for name in headers.formats if self._formats is None else self._formats:
            found.update(_FIELDS.get(name) or headers.other_fields())
        return found


class XRayPropagator(HeaderPropagator):
    """AWS's ``X-Amzn-Trace-Id`` (entry point ``xray``).

    Other than the one of ``opentelemetry-propagator-aws-xray`` it takes headers without ``Parent`` (load balancers) or
    ``Sampled``, and passes on the pairs that it does not know (``Lineage``).

    Example:
        >>> carrier = {"X-Amzn-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793"}
        >>> context = XRayPropagator().extract(carrier)
    """

    def __init__(self) -> None:
        super().__init__(("xray",))


def _current() -> Any:
    """Return what is current: for OpenTelemetry, where a program uses this propagator and not ``obsv.init()``."""
    ours = type(api._RUNTIME_CONTEXT).__module__.startswith("obsv.")
    return current() if ours else api.get_current()


def _read(carrier: Any, getter: Getter[Any], name: str) -> str | None:
    """Return a header from a carrier whose names are in lower case, or as the header's inventors write it: a dict minds
    the difference."""
    found = _joined(getter.get(carrier, name))
    if found is None and name == "x-amzn-trace-id":
        found = _joined(getter.get(carrier, headers.XRAY))
    return found


def _joined(values: Any) -> str | None:
    """Return a header's values as one (RFC 9110, "Field Order")."""
    if values is None or isinstance(values, str):
        return values
    found = [value for value in values if isinstance(value, str)]
    return ",".join(found) if found else None


class _ReaderGetter(Getter["headers.Reader"]):
    """Lets a propagator read through the function that obsv's patches read headers with."""

    def __init__(self, fields: tuple[str, ...]) -> None:
        self._fields = fields

    def get(self, carrier: headers.Reader, key: str) -> list[str] | None:
        value = carrier(key.lower())
        return None if value is None else [value]

    def keys(self, carrier: headers.Reader) -> list[str]:
        return [name for name in self._fields if carrier(name) is not None]


class Others:
    """Propagators of other packages, by their entry point's name: what :func:`obsv.hotpath.headers.set_others` takes.

    Attributes:
        fields: The headers that they read, in lower case.
    """

    def __init__(self, propagators: Mapping[str, TextMapPropagator]) -> None:
        self._propagators = dict(propagators)
        known: dict[str, None] = {}
        for name, propagator in self._propagators.items():
            known.update(dict.fromkeys(_MORE_FIELDS.get(name, ())))
            known.update(dict.fromkeys([str(field).lower() for field in propagator.fields]))
        self.fields = tuple(known)
        self._getter = _ReaderGetter(self.fields)

    def extract(self, name: str, get: headers.Reader) -> Remote | None:
        """Return what the propagator reads; errors of its own are the caller's to report."""
        propagator = self._propagators.get(name)
        if propagator is None:
            return None
        context = propagator.extract(get, Context(), self._getter)
        base = {key: value for key, value in context.items() if key != _SPAN_KEY}
        remote = resolve(context)
        if type(remote) is not Remote:
            return Remote(0, 0, 0, 0, None, base) if base else None
        remote.base = base
        return remote

    def inject(self, name: str, state: Span | Remote, base: Mapping[Any, Any]) -> list[tuple[str, str]]:
        """Return the headers that the propagator writes."""
        propagator = self._propagators.get(name)
        if propagator is None:
            return []
        context = as_context(state)
        carrier: dict[str, str] = {}
        propagator.inject(carrier, Context({**base, **context, **_baggage(base)}))
        return [(str(key), str(value)) for key, value in carrier.items()]


# What a propagator reads beside what it writes: its `fields` are those that it writes (OpenTelemetry API, "Fields").
_B3 = ("b3", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "x-b3-flags", "x-b3-parentspanid")
_MORE_FIELDS = {"b3": _B3, "b3multi": _B3}


def _baggage(base: Mapping[Any, Any]) -> dict[str, Any]:
    return {_BAGGAGE_KEY: base[_BAGGAGE_KEY]} if _BAGGAGE_KEY in base else {}


def use_others(names: Iterable[str]) -> tuple[str, ...]:
    """Load propagators of other packages and let obsv's patches speak through them.

    Args:
        names: Names of entry points, as in ``OTEL_PROPAGATORS``.

    Returns:
        Those that could be loaded. The others are told.
    """
    loaded: dict[str, TextMapPropagator] = {}
    for name in names:
        try:
            found = find(GROUP, name)
            if found is None:
                raise LookupError("no installed package has it")
            loaded[name] = found.load()()
        except Exception as error:  # noqa: BLE001 - a package of others
            faults.tell(f"the propagator {name} is left out: {type(error).__name__}: {error}")
    headers.set_others(Others(loaded) if loaded else None)
    return tuple(loaded)


GLOBAL = HeaderPropagator()
"""What obsv makes OpenTelemetry's global propagator."""


def adopt(module: ModuleType) -> None:
    """Make obsv's headers those of ``opentelemetry.propagate``, unless the program has set a propagator of its own.

    Args:
        module: ``opentelemetry.propagate``, imported.
    """
    global _original
    present = module.get_global_textmap()
    if present is GLOBAL:
        return
    if _original is None and not _is_default(present):
        return
    if _original is not None and present is not _original:
        return
    _original = present
    module.set_global_textmap(GLOBAL)


_original: Any = None


def _is_default(propagator: object) -> bool:
    """Tell whether this is what ``opentelemetry.propagate`` made of ``OTEL_PROPAGATORS`` by itself, at its import.

    It makes a composite of its own; so does a program that sets one, and then of parts that it has made itself. What
    the module makes comes from entry points, each without arguments, of the classes that the variable names.
    """
    from os import environ

    from opentelemetry.propagators.composite import CompositePropagator

    if type(propagator) is not CompositePropagator:
        return False
    kinds = [type(part).__name__ for part in getattr(propagator, "_propagators", ())]
    configured = environ.get("OTEL_PROPAGATORS", "").strip()
    if not configured:
        return kinds == ["TraceContextTextMapPropagator", "W3CBaggagePropagator"]
    names = [name.strip() for name in configured.split(",")]
    if "none" in [name.lower() for name in names]:
        return not kinds
    wanted: list[str] = []
    for name in names:
        found = find(GROUP, name)
        if found is None:
            return False
        wanted.append(found.value.partition(":")[2].rpartition(".")[2])
    return kinds == wanted


__all__ = ["GLOBAL", "GROUP", "HeaderPropagator", "Others", "XRayPropagator", "adopt", "use_others"]
