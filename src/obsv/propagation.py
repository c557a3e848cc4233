"""Puts the setting ``propagators`` to work: for obsv's own patches, and for ``opentelemetry.propagate``."""

from __future__ import annotations

import os

from .hotpath import headers
from .patches import when_imported
from .settings_lists import PROPAGATORS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from .settings import Settings

_VARIABLE = "OTEL_PROPAGATORS"


def start(settings: Settings) -> None:
    """Speak the chosen formats from now on. Loads nothing of OpenTelemetry unless a format of others is named."""
    names = tuple(settings.propagators)
    others = [name for name in names if name not in PROPAGATORS]
    if others:
        from .otel.propagators import use_others

        loaded = use_others(others)
        names = tuple([name for name in names if name in PROPAGATORS or name in loaded])
    else:
        headers.set_others(None)
    headers.set_formats(names)
    _let_it_import(names)
    when_imported("opentelemetry.propagate", _adopt)


def _adopt(module: ModuleType) -> None:
    from .otel.propagators import adopt

    try:
        adopt(module)
    finally:
        _restore()


# ---- a wrong name in OTEL_PROPAGATORS

_original: str | None = None


def _let_it_import(names: tuple[str, ...]) -> None:
    """Let ``opentelemetry.propagate`` be imported although ``OTEL_PROPAGATORS`` has a name that nobody knows.

    Its import raises ValueError then, in the program's own code, and obsv has promised one line and the default. So the
    variable says nothing while that module is imported: from when its first import has been done until it is there.
    """
    written = [name.strip() for name in os.environ.get(_VARIABLE, "").split(",") if name.strip()]
    if any(name.lower() not in names and name.lower() != "none" for name in written):
        when_imported("opentelemetry.propagators.composite", _hide)


def _hide(module: ModuleType) -> None:
    global _original
    import sys

    if "opentelemetry.propagate" in sys.modules and _original is None:
        _original = os.environ.pop(_VARIABLE, None)


def _restore() -> None:
    global _original
    if _original is not None:
        os.environ[_VARIABLE] = _original
        _original = None
