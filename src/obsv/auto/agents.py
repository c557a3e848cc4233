"""Other agents that trace in this process: noticed, told once, and not doubled.

What is looked at, and nothing else: modules that have been imported, what the agent itself keeps of what it has
patched, and functions that it has wrapped. Imported alone, an agent patches nothing and is not noticed. One that begins
after ``init()`` is not noticed either: start it first.
"""

from __future__ import annotations

import sys

from ..hotpath import faults

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator
    from typing import Any

    from ..patches._patch import Patch

_EVERYTHING = ("asgi", "botocore", "flask", "httpx", "redis", "requests", "sqlite3", "urllib3")

OURS = frozenset({"aws_xray_sdk", "futures", "logging", "loguru", "structlog", "threading"})
"""Patches that are left to nobody: they trace nothing, they carry obsv's context and logs. No agent does that."""

_SENDERS = frozenset({"botocore", "requests"})
"""They send by urllib3: who traces one of them has traced those requests, and has written its headers."""


class Agent:
    """One agent: how it is recognised, and what obsv then leaves to it.

    Attributes:
        name: As people call it.
        state: ``module:attribute`` where it keeps what it has patched; empty or False, it has patched nothing.
        wrappers: Beginnings of the names of modules whose functions it wraps around others.
        takes: The patches of obsv's that it makes unneeded, where ``state`` does not say which.
        active: Tells whether it traces at all, where it does more than that.
    """

    __slots__ = ("active", "name", "state", "takes", "wrappers")

    def __init__(
        self,
        name: str,
        state: str,
        wrappers: tuple[str, ...],
        takes: tuple[str, ...] = (),
        active: Callable[[], bool] | None = None,
    ) -> None:
        self.name = name
        self.state = state
        self.wrappers = wrappers
        self.takes = takes
        self.active = active

    def patched(self) -> set[str]:
        """Return the patches of obsv's that this agent has made unneeded."""
        module, _, attribute = self.state.partition(":")
        kept = getattr(sys.modules.get(module), attribute, None)
        if not kept or (self.active is not None and not self.active()):
            return set()
        if self.takes:
            return set(self.takes)
        return {patch for name in list(kept) for word in _words(name) if (patch := _PATCHES.get(word))}


_PATCHES = {
    **{name: name for name in _EVERYTHING},
    "boto3": "botocore",
    "fastapi": "asgi",
    "sqlite": "sqlite3",
    "starlette": "asgi",
}
"""The words that agents have for libraries, and obsv's patch of each."""


def _words(name: object) -> list[str]:
    return str(name).lower().replace("_", ".").split(".")


def _sentry_traces() -> bool:
    """Sentry patches for errors too; it traces when it was told what share (sentry_sdk, ``has_tracing_enabled``)."""
    options = sys.modules["sentry_sdk"].get_client().options
    return options.get("enable_tracing") is not False and (
        options.get("traces_sample_rate") is not None or options.get("traces_sampler") is not None
    )


AGENTS = (
    Agent("ddtrace", "ddtrace._monkey:_PATCHED_MODULES", ("ddtrace.",)),
    Agent("New Relic", "newrelic.config:_configuration_done", ("newrelic.",), _EVERYTHING),
    Agent("Elastic APM", "elasticapm.instrumentation.register:_instrumentation_singletons", ("elasticapm.",)),
    Agent("Sentry", "sentry_sdk.integrations:_installed_integrations", ("sentry_sdk.",), active=_sentry_traces),
)
"""The agents that keep a list. OpenTelemetry's instrumentors, ADOT's too, each know for themselves: see below."""

_INSTRUMENTORS = "opentelemetry.instrumentation."


def _instrumented() -> dict[str, set[str]]:
    """Return what OpenTelemetry's instrumentors have patched, by who started them."""
    found: set[str] = set()
    for name, module in sys.modules.copy().items():
        if not name.startswith(_INSTRUMENTORS) or name.count(".") != 2:
            continue
        patch = _PATCHES.get(name[len(_INSTRUMENTORS) :])
        if patch is not None and any(_is_on(value) for value in list(vars(module).values())):
            found.add(patch)
    if not found:
        return {}
    adot = any(name in sys.modules for name in ("amazon.opentelemetry.distro", "amazon.opentelemetry.distro.patches"))
    return {"ADOT (aws-opentelemetry-distro)" if adot else "OpenTelemetry's own instrumentation": found}


def _is_on(value: object) -> bool:
    """Tell whether this is an instrumentor class whose one instance has instrumented."""
    if not isinstance(value, type):
        return False
    instance = value.__dict__.get("_instance")
    return getattr(instance, "_is_instrumented_by_opentelemetry", False) is True


found: dict[str, list[str]] = {}
"""The agents that were noticed, each with the patches left to it; for ``obsv.status()``."""


def leave(names: Iterable[str], named: Container[str]) -> list[str]:
    """Return the patches that no other agent has made unneeded, and say what is left to whom.

    Args:
        names: The patches that are to be switched on.
        named: Those that somebody has asked for by name: they are not left to anybody.
    """
    wanted = list(names)
    found.clear()
    for agent, theirs in _all():
        if not _SENDERS.isdisjoint(theirs):
            theirs.add("urllib3")
        left = sorted(name for name in theirs if name in wanted and name not in named)
        if left:
            found[agent] = left
            wanted = [name for name in wanted if name not in left]
            faults.tell(
                f"{agent} has patched this program already: {', '.join(left)} {'is' if len(left) == 1 else 'are'} left "
                "to it, so that nothing is traced twice (OBSV_PATCH may name what obsv shall patch all the same)"
            )
    return wanted


def _all() -> Iterator[tuple[str, set[str]]]:
    for agent in AGENTS:
        try:
            patched = agent.patched()
        except Exception as error:  # noqa: BLE001 - another version of it, built differently
            faults.report(f"looking for {agent.name}", error)
            continue
        yield agent.name, patched
    yield from _instrumented().items()


def wrapped_by(patch: Patch) -> str | None:
    """Return the agent that has wrapped one of a patch's functions, None when there is none."""
    if patch.name in OURS:
        return None
    for site in patch.sites:
        owner: Any = sys.modules.get(site.module)
        for part in site.path.split("."):
            owner = getattr(owner, part, None)
        for layer in _layers(owner):
            for agent in AGENTS:
                if layer.startswith(agent.wrappers) and (agent.active is None or agent.active()):
                    return agent.name
            if layer.startswith(_INSTRUMENTORS):
                return "OpenTelemetry's own instrumentation"
    return None


def _layers(function: Any) -> Iterator[str]:
    """Yield the modules in which a function's wrappers are written, outermost first."""
    for _ in range(20):
        if function is None:
            return
        wrapper = getattr(function, "_self_wrapper", None)  # wrapt
        for part in (wrapper, function):
            # Not __module__, which functools.wraps copies from the function that is wrapped.
            place = getattr(getattr(part, "__func__", part), "__globals__", None)
            if isinstance(place, dict):
                yield str(place.get("__name__", ""))
        function = getattr(function, "__wrapped__", None)
