"""OpenTelemetry on top of the hot path: loaded when the program imports ``opentelemetry``, and not before.

Public here: :class:`TracerProvider`, :class:`MeterProvider` and :class:`LoggerProvider`, for programs that
build their own.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from .logs import LoggerProvider as LoggerProvider
    from .metrics import MeterProvider as MeterProvider
    from .sdk_provider import TracerProvider as TracerProvider

_HOMES = {"LoggerProvider": "logs", "MeterProvider": "metrics", "TracerProvider": "sdk_provider"}


def __getattr__(name: str) -> Any:
    """Load a provider when it is first asked for: it brings OpenTelemetry's API along, and TracerProvider its SDK."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{home}"), name)


def adopt(module: ModuleType, flush: Callable[[float], bool]) -> None:
    """Make obsv's spans OpenTelemetry's: called when ``opentelemetry.trace`` has been imported.

    Args:
        module: ``opentelemetry.trace``.
        flush: What the provider's ``force_flush()`` calls, with seconds; it tells whether everything left in time.
    """
    from . import provider

    bridge(module)
    provider.install(flush)


def bridge(module: ModuleType) -> None:
    """Let OpenTelemetry's API and obsv's share spans and what is current, whoever the provider is.

    Args:
        module: ``opentelemetry.trace``.
    """
    import opentelemetry.context as api

    from ..hotpath import headers
    from ..hotpath.span import Span, set_classes, set_foreign, set_warner
    from . import context, warnings

    module.Span.register(Span)
    set_classes(dropped=module.NonRecordingSpan)
    if not isinstance(api._RUNTIME_CONTEXT, context.RuntimeContext):
        api._RUNTIME_CONTEXT = context.RuntimeContext()
    set_foreign(context.resolve)
    set_warner(warnings.warn)
    headers.set_baggage_writer(context.baggage_text)


def adopt_sdk(module: ModuleType) -> None:
    """Make obsv's objects pass the SDK's ``isinstance`` checks: called when ``opentelemetry.sdk.trace`` was imported.

    Args:
        module: ``opentelemetry.sdk.trace``.
    """
    from ..hotpath.span import set_classes
    from . import recording
    from .provider import BaseProvider, Tracer

    set_classes(recorded=module._Span)
    recording.watch(module)
    if not issubclass(module.TracerProvider, BaseProvider):  # somebody may have put ours there
        module.TracerProvider.register(BaseProvider)
    module.Tracer.register(Tracer)
