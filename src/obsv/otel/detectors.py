"""OpenTelemetry's resource detectors, by their entry points (``OTEL_EXPERIMENTAL_RESOURCE_DETECTORS``)."""

from __future__ import annotations

from opentelemetry.sdk.resources import Resource, ResourceDetector, get_aggregated_resources

from ..hotpath import faults

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..platform.resource import Attributes

GROUP = "opentelemetry_resource_detector"

TIMEOUT = 5
"""Seconds that a detector may take, as in the SDK: some ask over the network."""

_found: dict[tuple[str, ...], Attributes] = {}


def detected(names: Iterable[str]) -> Attributes:
    """Return what the detectors say of this process, without what obsv says of itself.

    They are asked once: a forked child has its own process id, and the same answers else.

    Args:
        names: Names of entry points, ``"*"`` for all that are installed.
    """
    key = tuple(names)
    if key not in _found:
        _found[key] = _ask(key)
    return dict(_found[key])


def _ask(names: tuple[str, ...]) -> Attributes:
    from importlib.metadata import entry_points

    from ..hotpath.values import clean

    detectors: list[ResourceDetector] = []
    for name in names:
        for point in entry_points(group=GROUP) if name == "*" else entry_points(group=GROUP, name=name):
            if point.name == "otel":
                continue  # reads the variables that obsv's settings read
            try:
                detectors.append(point.load()())
            except Exception as error:  # noqa: BLE001 - a package of others
                faults.tell(f"the resource detector {point.name} is left out: {type(error).__name__}: {error}")
    try:
        merged = get_aggregated_resources(detectors, Resource.get_empty(), TIMEOUT).attributes
    except Exception as error:  # noqa: BLE001 - a detector of others
        faults.tell(f"the resource detectors are left out: {type(error).__name__}: {error}")
        return {}
    kept = {name: clean(value) for name, value in merged.items() if not name.startswith(("telemetry.", "process.pid"))}
    for name in ("service.instance.id", "service.name"):
        kept.pop(name, None)  # new in each process, and the settings' word
    return kept
