"""The sinks by name; what a sink is stands in :mod:`obsv.pipeline.batch`, for sinks of one's own too."""

from __future__ import annotations

from ..pipeline.batch import SIGNALS, Batch, Refused, Retry, Sent, SinkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..pipeline.batch import Attributes as Attributes
    from ..pipeline.batch import Result as Result
    from ..pipeline.batch import Sink as Sink
    from ..settings import Settings

__all__ = ["NAMES", "SIGNALS", "Batch", "Refused", "Retry", "Sent", "SinkError", "create"]


def create(name: str, settings: Settings) -> Sink:
    """Make the sink of this name.

    Raises:
        SinkError: No sink has this name.
    """
    found = NAMES.get(name)
    if found is None and name in foreign_names(settings):
        from .foreign import ForeignSink

        return ForeignSink(name, settings)
    if found is None:
        raise SinkError(f"there is no sink {name!r}; known are {', '.join(NAMES)}")
    module, _, kind = found.partition(":")
    sink: Sink = getattr(__import__(f"obsv.sinks.{module}", fromlist=[kind]), kind)(settings)
    return sink


def foreign_names(settings: Settings) -> set[str]:
    """Return the exporters of other packages that the settings name: each is an entry point that was found."""
    chosen = (*settings.traces, *settings.metrics, *settings.logs)
    return {name for name in chosen if isinstance(name, str) and name not in NAMES}


NAMES = {
    "console": "console:ConsoleSink",
    "emf": "emf:emf_sink",
    "json": "json:JsonSink",
    "local": "local:LocalSink",
    "memory": "memory:MemorySink",
    "otlp": "otlp:OtlpSink",
    "xray": "xray:XRaySink",
}
"""Every sink by name: its module and class."""
