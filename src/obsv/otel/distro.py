"""What ``opentelemetry-instrument`` finds when obsv is installed: it then starts obsv.

Loaded by its entry points only. Where another distribution is installed too, ``OTEL_PYTHON_DISTRO=obsv`` chooses.
"""

from __future__ import annotations

import os
from typing import Any

TYPE_CHECKING = False
if TYPE_CHECKING:

    class BaseDistro:
        """OpenTelemetry's base class, as far as it is used here."""

        def configure(self, **kwargs: Any) -> None: ...

else:
    try:
        from opentelemetry.instrumentation.distro import BaseDistro
    except ImportError:  # loaded by somebody else than opentelemetry-instrument
        BaseDistro = object


class Distro(BaseDistro):
    """obsv as a distribution of OpenTelemetry's (opentelemetry-instrumentation, ``BaseDistro``)."""

    def _configure(self, **kwargs: Any) -> None:
        os.environ.setdefault("OTEL_PYTHON_CONFIGURATOR", "obsv")  # not that of another distribution

    def load_instrumentor(self, entry_point: Any, **kwargs: Any) -> None:
        """Do nothing: ``init()`` has decided on every instrumentor, see :mod:`obsv.otel.instrumentors`."""


class Configurator:
    """Starts obsv where ``opentelemetry-instrument`` would build the SDK's providers.

    No subclass of the SDK's ``_BaseConfigurator``: nobody asks for it, and importing it loads all of the SDK.
    """

    def configure(self, **kwargs: Any) -> None:
        """Do what ``obsv.init()`` does; a program that calls it with arguments afterwards gets its way."""
        from .. import runtime

        runtime.init({"patch": True}, by_itself=True)


def sampler(argument: str | None = None) -> Any:
    """Return a sampler for the SDK's provider that keeps the share of traces that obsv's setting ``sample`` says.

    Named in ``OTEL_TRACES_SAMPLER``; ``OTEL_TRACES_SAMPLER_ARG`` comes first.

    Raises:
        ValueError: ``argument`` is no number from 0 to 1; the SDK then says so and takes its default.
    """
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    from ..runtime import settings_in_force

    return ParentBasedTraceIdRatio(float(argument) if argument else settings_in_force().sample)
