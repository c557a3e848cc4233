"""OpenTelemetry on top of the hot path: loaded when the program imports ``opentelemetry.trace``, and not before."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from .logs import LoggerProvider as LoggerProvider

_HOMES = {"LoggerProvider": "logs"}


def __getattr__(name: str) -> object:
    """Load a provider when it is first asked for: it brings OpenTelemetry's API along (PEP 562)."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'obsv.otel' has no attribute {name!r}")
    return getattr(__import__(f"obsv.otel.{home}", fromlist=[name]), name)


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
