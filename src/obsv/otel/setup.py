"""Samplers and id generators that an installed package offers by an entry point, put to work for ``obsv.init()``."""

from __future__ import annotations

from ..entry_points import find
from ..hotpath import faults
from ..hotpath.span import OUTLET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..settings import Settings
    from ..settings_plugins import SamplerChoice


def use(settings: Settings) -> None:
    """Load what the settings ``sampler`` and ``id_generator`` name; what cannot be loaded is told, and left out."""
    from .provider import listener_of_init
    from .sampling import govern

    sampler = None if settings.sampler is None else _sampler(settings.sampler)
    generator = _load("opentelemetry_id_generator", settings.id_generator, lambda make: make())
    if sampler is None and generator is None:
        return
    if sampler is None:
        from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

        sampler = ParentBasedTraceIdRatio(settings.sample)
    listener_of_init()
    govern(OUTLET, sampler, generator)


def _sampler(choice: SamplerChoice) -> Any:
    if choice.ratio is not None:
        return None  # one of the hot path's own
    # The SDK gives a sampler's factory the argument's text (SDK, `_configuration._get_sampler`).
    return _load("opentelemetry_traces_sampler", choice.name, lambda make: make(choice.argument or ""))


def _load(group: str, name: str | None, make: Any) -> Any:
    found = find(group, name) if name not in (None, "random", "xray") else None
    if found is None:
        return None
    try:
        return make(found.load())
    except Exception as error:  # noqa: BLE001 - a package of others
        faults.report(f"{group} {name}", error)
        return None
