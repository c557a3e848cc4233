"""OpenTelemetry on top of the hot path: loaded when the program imports ``opentelemetry.trace``, and not before."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from .metrics import MeterProvider as MeterProvider


def adopt(module: ModuleType, flush: Callable[[float], bool]) -> None:
    """Make obsv's spans OpenTelemetry's: called when ``opentelemetry.trace`` has been imported.

    Args:
        module: ``opentelemetry.trace``.
        flush: What the provider's ``force_flush()`` calls, with seconds; it tells whether everything left in time.
    """
    import opentelemetry.context as api

    from ..hotpath import headers
    from ..hotpath.span import set_foreign
    from . import context, provider

    if not isinstance(api._RUNTIME_CONTEXT, context.RuntimeContext):
        api._RUNTIME_CONTEXT = context.RuntimeContext()
    set_foreign(context.resolve)
    headers.set_baggage_writer(context.baggage_text)
    provider.install(flush)


def __getattr__(name: str) -> Any:
    """Import what is asked for: ``opentelemetry`` is an optional dependency."""
    if name == "MeterProvider":
        from .metrics import MeterProvider

        return MeterProvider
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
