"""What obsv knows of the process, as the SDK's ``Resource``. Loads the SDK when it is asked for."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..hotpath.span import Outlet

_known: tuple[dict[str, Any], Any] | None = None


def sdk_resource(attributes: Mapping[str, Any]) -> Any:
    """Return the SDK's ``Resource``; the one before, where it says the same (it is the same for a whole process)."""
    global _known
    known = _known
    if known is None or known[0] != attributes:
        from opentelemetry.sdk.resources import Resource

        known = _known = (dict(attributes), Resource(dict(attributes)))
    return known[1]


def resource_of(outlet: Outlet) -> Any:
    """Return the SDK's ``Resource`` of an outlet: that of a provider of the program's, or obsv's own."""
    found = outlet.resource
    return sdk_resource(found) if isinstance(found, dict) else found
