"""X-Ray's centralised sampling for the OpenTelemetry SDK's own provider, and for programs that look at obsv's."""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult

from ..settings_plugins import SamplerChoice
from ..xray.sampling.sampler import RULE, Decider

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from opentelemetry.context import Context
    from opentelemetry.trace import Link, SpanKind
    from opentelemetry.trace.span import TraceState
    from opentelemetry.util.types import Attributes


class XRaySampler(Sampler):
    """Decides on root spans by X-Ray's sampling rules; use it as the root of ``ParentBased``.

    Rules and quotas are asked for on a thread of its own, which the first decision starts and which keeps no process
    alive. Until there are rules, one trace a second and 5 % of the others are kept.

    Args:
        resource: The provider's resource, or its attributes: rules name services. By default what
            ``OTEL_SERVICE_NAME`` and ``OTEL_RESOURCE_ATTRIBUTES`` say.
        endpoint: The daemon, agent or collector, ``http://127.0.0.1:2000``; ``aws`` for X-Ray itself, to which requests
            are signed by botocore.
        polling_interval: Seconds between two readings of the rules.

    Example:
        >>> from opentelemetry.sdk.trace.sampling import ParentBased
        >>> sampler = ParentBased(XRaySampler({"service.name": "shop"}))
    """

    def __init__(
        self,
        resource: Any = None,
        endpoint: str = "http://127.0.0.1:2000",
        polling_interval: float = 300.0,
    ) -> None:
        if resource is None:
            from opentelemetry.sdk.resources import Resource

            resource = Resource.create()
        self._decider = Decider(getattr(resource, "attributes", resource), endpoint, polling_interval)
        self._endpoint = endpoint
        _after_forks(weakref.ref(self._decider))

    @classmethod
    def around(cls, decider: Decider) -> XRaySampler:
        """Return a sampler that shares what another one has learnt."""
        made: XRaySampler = cls.__new__(cls)
        made._decider = decider
        made._endpoint = decider.poller.client.endpoint
        return made

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decide by the rules (OpenTelemetry SDK, ``Sampler.should_sample``). The rule is added as an attribute."""
        from opentelemetry.trace import get_current_span

        weight, rule = self._decider.decide(trace_id & 0xFFFFFFFFFFFFFFFF, attributes or {})
        added: Mapping[str, Any] = {} if rule is None else {RULE: rule}
        return SamplingResult(
            Decision.RECORD_AND_SAMPLE if weight else Decision.DROP,
            {**(attributes or {}), **added} if weight else None,
            get_current_span(parent_context).get_span_context().trace_state,
        )

    def get_description(self) -> str:
        """Return who is asked."""
        return f"XRaySampler{{{self._endpoint}}}"


def sampler(argument: str | None = None) -> Any:
    """Return what ``OTEL_TRACES_SAMPLER=xray`` names, ``ParentBased`` around an :class:`XRaySampler`.

    ``OTEL_TRACES_SAMPLER_ARG`` is ``endpoint=http://localhost:2000,polling_interval=300`` (OpenTelemetry SDK
    environment variables, "General SDK Configuration").

    Raises:
        InvalidError: The argument is of another form; the SDK then says so and takes its default.
    """
    from ..settings import resolve

    settings = resolve({}, raise_strict=False)
    chosen = SamplerChoice("xray", argument)
    return ParentBased(XRaySampler(None, chosen.endpoint or f"http://{settings.xray_tcp_address}", chosen.interval))


def _after_forks(decider: weakref.ref[Decider]) -> None:
    def in_child() -> None:
        alive = decider()
        if alive is not None:
            alive.after_fork()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=in_child)
