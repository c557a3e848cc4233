"""The libraries that obsv patches: a registry, and the switch for each.

A patch's module is loaded when its library has been imported, so an unused one costs nothing.
"""

from __future__ import annotations

import os
import sys

from ..hotpath import faults
from . import _hook
from ._hook import forget, when_imported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType
    from typing import Any

    from ..settings import Settings
    from ._patch import Patch

__all__ = ["ALIASES", "REGISTRY", "Entry", "forget", "known_names", "switch_off", "switch_on", "when_imported"]


class Entry:
    """One library in the registry.

    Attributes:
        name: Its name in the settings.
        module: The module whose import brings the patch in.
        requires: The supported distribution and versions, None for the standard library.
        wanted: Whether the patch is switched on.
        named: Whether the settings name it, so that it is on although another agent has patched the library.
        patch: The patch, once the library has been imported.
    """

    __slots__ = ("module", "name", "named", "patch", "requires", "wanted")

    def __init__(self, name: str, module: str, requires: str | None) -> None:
        self.name = name
        self.module = module
        self.requires = requires
        self.wanted = False
        self.named = False
        self.patch: Patch | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The name and its aliases."""
        return (self.name, *[alias for alias, name in ALIASES.items() if name == self.name])

    def imported(self, module: ModuleType) -> None:
        """Apply the patch: its library has just been imported."""
        if self.patch is None:
            self.patch = __import__(f"{__name__}.{self.name}", fromlist=["patch"]).patch
        agents = _agents()
        other = None if agents is None or self.named else agents.wrapped_by(self.patch)
        if other is None:
            self.patch.apply()
        else:
            self.patch.problem = f"left to {other}, which has patched it already"
            faults.tell(f"{self.name} is {self.patch.problem}")

    def state(self) -> str:
        """Say in a word or line what became of it."""
        if not self.wanted:
            return "off"
        if self.patch is None:
            return "waiting for the import"
        if self.patch.problem is not None:
            return self.patch.problem
        missing = self.patch.missing()
        return f"patched, but not found: {', '.join(missing)}" if missing else "patched"


REGISTRY: dict[str, Entry] = {
    name: Entry(name, module, requires)
    for name, module, requires in (
        ("asgi", "starlette", "starlette >= 0.27"),
        ("aws_xray_sdk", "aws_xray_sdk.core", "aws-xray-sdk >= 2.8"),
        ("botocore", "botocore", "botocore >= 1.29"),
        ("flask", "flask", "flask >= 2.2"),
        ("futures", "concurrent.futures", None),
        ("httpx", "httpx", "httpx >= 0.23"),
        ("logging", "logging", None),
        ("loguru", "loguru", "loguru >= 0.6"),
        ("redis", "redis", "redis >= 4.2"),
        ("requests", "requests", "requests >= 2.25"),
        ("sqlite3", "sqlite3", None),
        ("structlog", "structlog", "structlog >= 21.1"),
        ("threading", "threading", None),
        ("urllib3", "urllib3", "urllib3 >= 1.26"),
    )
}
"""Every library that obsv can patch, by name."""


_settings: Settings | None = None


def use(settings: Settings) -> None:
    """Hand the settings to the patches; ``init()`` does it before it switches them on."""
    global _settings
    _settings = settings


def in_force() -> Settings:
    """Return the settings of the last ``init()``; without one, those that it would use."""
    if _settings is None:
        from ..settings import resolve

        use(resolve({}, raise_strict=False))
    assert _settings is not None
    return _settings


ALIASES = {"fastapi": "asgi", "starlette": "asgi"}
"""Other names under which people look for a patch."""


def known_names() -> list[str]:
    """Return every name that the setting ``patch`` understands."""
    others = contrib()
    return sorted({*REGISTRY, *ALIASES, *(others.found() if others is not None else ())})


AGENTS = ("ddtrace", "newrelic", "elasticapm", "sentry_sdk", "opentelemetry.instrumentation")
"""Packages of other agents; nothing more is loaded about them while the program has imported none."""


def _agents() -> Any:
    if not any([name in sys.modules for name in AGENTS]):
        return None
    from ..auto import agents

    return agents


def contrib() -> Any:
    """Return :mod:`obsv.otel.instrumentors` where the package that all instrumentors need is installed, else None."""
    for entry in sys.path:
        if isinstance(entry, str) and os.path.isdir(os.path.join(entry, "opentelemetry", "instrumentation")):
            from ..otel import instrumentors

            return instrumentors
    return None


def start(settings: Settings) -> None:
    """Switch on what the settings allow and no other agent has patched already, OpenTelemetry's instrumentors too."""
    use(settings)
    wanted = [name for name, entry in REGISTRY.items() if settings.should_patch(*entry.names)]
    chosen = frozenset(settings.patch if isinstance(settings.patch, tuple) else ())
    named = [name for name in wanted if not chosen.isdisjoint(REGISTRY[name].names)]
    agents, others = _agents(), contrib()
    switch_on(wanted if agents is None else agents.leave(wanted, named), named)
    if others is not None:
        others.start(settings)


def stand_in() -> None:
    """Answer ``import aws_xray_sdk``: always where it is not installed, else where its patch is switched on."""
    _hook.stand_in("aws_xray_sdk", _xray_sdk)


def _xray_sdk(name: str) -> Any:
    from ..xray.bridge import finder

    return finder.find(name, REGISTRY["aws_xray_sdk"].wanted)


def stop() -> None:
    """Take everything back."""
    if (others := sys.modules.get("obsv.otel.instrumentors")) is not None:
        others.stop()
    switch_off(list(REGISTRY))


def left() -> dict[str, list[str]]:
    """Return the other agents that were noticed, each with the patches that are left to it."""
    agents = sys.modules.get("obsv.auto.agents")
    return dict(agents.found) if agents is not None else {}


def switch_on(names: Iterable[str], named: Iterable[str] | None = None) -> None:
    """Patch these libraries now, or as soon as the program imports them.

    Those that are ``named`` (all, unless said otherwise) are patched although another agent has done it too.
    """
    for name in names:
        entry = _entry(name)
        if entry is not None and not entry.wanted:
            entry.named = named is None or entry.name in named
            entry.wanted = True
            _hook.when_imported(entry.module, entry.imported)


def switch_off(names: Iterable[str]) -> None:
    """Take the patches back; functions are as they were."""
    for name in names:
        entry = _entry(name)
        if entry is None or not entry.wanted:
            continue
        entry.wanted = False
        _hook.forget(entry.imported)
        if entry.patch is not None:
            try:
                entry.patch.remove()
            except Exception as error:  # noqa: BLE001 - a patch of ours
                faults.report(f"unpatching {name}", error)


def _entry(name: str) -> Entry | None:
    entry = REGISTRY.get(name) or REGISTRY.get(ALIASES.get(name, ""))
    if entry is None:
        faults.tell(f"patch {name!r} is unknown and left out; known are {', '.join(known_names())}")
    return entry
