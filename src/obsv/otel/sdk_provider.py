"""``obsv.otel.TracerProvider``: the SDK's provider to the letter, with obsv's spans behind it."""

from __future__ import annotations

import atexit
import os
import sys
import weakref

import opentelemetry.trace
from opentelemetry.sdk import resources
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.environment_variables import OTEL_SDK_DISABLED
from opentelemetry.sdk.trace import id_generator as ids
from opentelemetry.sdk.trace import sampling

from ..hotpath import faults
from ..hotpath.span import Outlet, Scope
from . import adopt_sdk, bridge
from .processors import Listener, flush, shut
from .provider import BaseProvider, milliseconds
from .sampling import govern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_METRICS_ENABLED = "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED"


class TracerProvider(BaseProvider):
    """A tracer provider that takes what ``opentelemetry.sdk.trace.TracerProvider`` takes and does what it does.

    Its spans go to its processors only. The provider that ``obsv.init()`` sets up is another one; this one is for
    programs that build theirs, and for whoever wants several.

    Args:
        sampler: Any sampler; by default what ``OTEL_TRACES_SAMPLER`` says, else ``parentbased_always_on``.
        resource: By default ``Resource.create()``.
        shutdown_on_exit: Shut the processors down at the end of the program.
        active_span_processor: What holds the processors; by default one that calls them one after the other.
        id_generator: By default random ids, made by obsv.
        span_limits: By default what the ``OTEL_*_LIMIT`` variables say.
        meter_provider: Where the SDK's metrics about its own spans go, if they are switched on.
        _tracer_configurator: Switches tracers off by their scope.

    Raises:
        ValueError: A limit in the environment is no number (as the SDK does).

    Example:
        >>> from opentelemetry import trace
        >>> from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
        >>> from obsv.otel import TracerProvider
        >>> provider = TracerProvider()
        >>> provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter()))
        >>> trace.set_tracer_provider(provider)
    """

    def __init__(
        self,
        sampler: Any = None,
        resource: Any = None,
        shutdown_on_exit: bool = True,
        active_span_processor: Any = None,
        id_generator: Any = None,
        span_limits: Any = None,
        *,
        meter_provider: Any = None,
        _tracer_configurator: Callable[[Any], Any] | None = None,
    ) -> None:
        bridge(opentelemetry.trace)
        adopt_sdk(sys.modules[sdk.__name__])
        super().__init__(Outlet())
        self._processor = active_span_processor or sdk.SynchronousMultiSpanProcessor()  # type: ignore[no-untyped-call]
        self._generator = id_generator or ids.RandomIdGenerator()
        self._sampler = sampler or sampling._get_from_env_or_default()
        self._span_limits = span_limits or sdk.SpanLimits()
        self._meter_provider = meter_provider
        self._disabled = os.environ.get(OTEL_SDK_DISABLED, "").lower().strip() == "true"
        self._tracer_configurator = _tracer_configurator
        self._listener = Listener(lambda: self._processor)
        outlet = self._outlet
        outlet.resource = resources.Resource.create({}) if resource is None else resource
        outlet.listener = self._listener
        outlet.enabled = True
        _limit(outlet, self._span_limits)
        self._govern()
        self._atexit_handler: Any = atexit.register(self.shutdown) if shutdown_on_exit else None
        if hasattr(os, "register_at_fork"):
            _after_forks(weakref.ref(self))

    @property
    def _active_span_processor(self) -> Any:
        return self._processor

    @_active_span_processor.setter
    def _active_span_processor(self, processor: Any) -> None:
        self._processor = processor

    @property
    def sampler(self) -> Any:
        """The sampler. One that is set takes effect at once, for every tracer."""
        return self._sampler

    @sampler.setter
    def sampler(self, sampler: Any) -> None:
        self._sampler = sampler
        self._govern()

    @property
    def id_generator(self) -> Any:
        """The id generator. One that is set takes effect at once."""
        return self._generator

    @id_generator.setter
    def id_generator(self, generator: Any) -> None:
        self._generator = generator
        self._govern()

    @property
    def _resource(self) -> Any:
        return self._outlet.resource

    def _govern(self) -> None:
        metrics = None
        if os.environ.get(_METRICS_ENABLED, "").strip().lower() == "true":
            from opentelemetry import metrics as metrics_api
            from opentelemetry.sdk.trace._tracer_metrics import create_tracer_metrics

            metrics = create_tracer_metrics(self._meter_provider or metrics_api.get_meter_provider(), True)
        usual = type(self._generator) is ids.RandomIdGenerator
        govern(self._outlet, self._sampler, None if usual else self._generator, metrics)

    def _update_resource(self, resource: Any) -> None:
        """Merge ``resource`` in, for spans that begin from now on."""
        old = self._outlet
        new = self._outlet = Outlet()
        for name in Outlet.__slots__:
            setattr(new, name, getattr(old, name))
        new.resource = old.resource.merge(resource)
        for tracer in self._tracers.values():
            was = tracer._scope
            tracer._scope = Scope(was.name, was.version, new, was.schema_url, was.attributes, True)

    def _set_tracer_configurator(self, *, tracer_configurator: Callable[[Any], Any]) -> None:
        """Switch tracers, made and to be made, by what the configurator says of their scopes."""
        self._tracer_configurator = tracer_configurator
        for tracer in self._tracers.values():
            tracer._configure(tracer_configurator)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Let every processor export what it has; False when one did not make it in time."""
        return flush(self._processor, milliseconds(timeout_millis))

    def shutdown(self) -> None:
        """Shut the processors down."""
        shut(self._processor)
        if self._atexit_handler is not None:
            atexit.unregister(self._atexit_handler)
            self._atexit_handler = None


def _limit(outlet: Outlet, limits: Any) -> None:
    def count(name: str) -> int:
        value = getattr(limits, name, None)
        return sys.maxsize if value is None else int(value)

    def length(name: str) -> int:
        value = getattr(limits, name, None)
        return -1 if value is None else int(value)

    outlet.set_attribute_limits(count("max_span_attributes"), length("max_span_attribute_length"))
    outlet.max_event_length = length("max_attribute_length")
    outlet.max_events = count("max_events")
    outlet.max_event_attributes = count("max_event_attributes")
    outlet.max_links = count("max_links")
    outlet.max_link_attributes = count("max_link_attributes")


def _after_forks(provider: weakref.ref[TracerProvider]) -> None:
    """In a forked child the resource says which process it is (the SDK's ``_handle_fork``)."""

    def in_child() -> None:
        found = provider()
        fresh = getattr(resources, "_get_process_dependent_resource", None)
        if found is not None and fresh is not None:
            try:
                found._update_resource(fresh())
            except Exception as error:  # noqa: BLE001 - the child is the user's
                faults.report("resource after fork", error)

    os.register_at_fork(after_in_child=in_child)
