"""How obsv itself is doing: what is patched, which sinks there are, what was sent and lost, and why."""

from __future__ import annotations

import sys

from . import __version__, patches, runtime
from .hotpath import compiled, faults
from .hotpath import span as hot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def status() -> dict[str, Any]:
    """Return the state of obsv in this process, as plain data.

    Returns:
        A dict with ``enabled``, ``service``, ``version`` of obsv, ``platform``, ``extension`` (whether the compiled hot
        path is used), ``patches`` (obsv's own: name to what became of it), ``instrumentors`` (OpenTelemetry's, for
        libraries without a patch: the same, with the distribution that each comes from), ``agents`` (others that were
        noticed, with the patches that are left to them), ``sinks`` (name to signal to ``sent``, ``waiting``,
        ``dropped`` and ``adapted`` by reason, ``retries`` and ``last_error``; after ``shutdown()`` those of the last
        run),
        ``logs`` (what the rate limit left out, and what the buffer holds, let out and threw away), ``kept``
        (traces that were kept although nobody sampled them, by reason; empty where the setting ``keep`` is off) and
        ``errors`` (places in obsv that failed, with counts).

    Example:
        >>> obsv.status()["sinks"]["otlp"]["traces"]["dropped"]
        {}
    """
    running = runtime.running()
    sinks: dict[str, Any] = {}
    last = runtime.last()
    if last is not None:
        for lane in last.pipeline.lanes:
            sinks.setdefault(lane.name, {}).update(lane.status())
        for sink in last.immediate:
            lost = dict(getattr(sink, "lost", {}))
            sinks.setdefault(sink.name, {})["logs"] = {
                "sent": getattr(sink, "sent", 0),
                "waiting": 0,
                "dropped": lost,
                "adapted": {},
                "retries": 0,
                "last_error": next(reversed(lost), None),
            }
    embedded = sys.modules.get("obsv.compat.emf.agent")
    if embedded is not None:
        sinks.update(embedded.status())
    keeper = last.sampling.keeper if last is not None and last.sampling is not None else None
    return {
        "enabled": running is not None,
        "service": None if running is None else running.settings.service,
        "version": __version__,
        "platform": None if running is None else running.settings.platform,
        "extension": compiled(),
        "patches": {name: entry.state() for name, entry in patches.REGISTRY.items()},
        "instrumentors": _instrumentors(),
        "agents": patches.left(),
        "sinks": sinks,
        "logs": _logs(),
        "kept": {} if keeper is None else keeper.status(),
        "errors": _errors(),
    }


def _instrumentors() -> dict[str, str]:
    found = sys.modules.get("obsv.otel.instrumentors")
    return found.states() if found is not None else {}


def _logs() -> dict[str, int]:
    features = sys.modules.get("obsv.logs.features")
    return features.status() if features is not None else {}


def _errors() -> dict[str, int]:
    from .logs import outlet

    errors = dict(faults.counts)
    for reason, count in outlet.lost().items():
        errors[f"logs: {reason}"] = count
    if hot.tokens_lost():
        errors["spans left in another context than entered"] = hot.tokens_lost()
    return errors
