"""What `obsv doctor` finds out. It reads and asks, and changes nothing: no file is made, no thread started."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from ..settings_table import GROUPS, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..settings import Settings


class Library:
    """A library that can be patched, what is installed of it, and who patches it: obsv, or the distribution of an
    instrumentor."""

    __slots__ = ("name", "requires", "source", "state", "supported", "version", "wanted")

    def __init__(
        self,
        name: str,
        requires: str | None,
        version: str | None,
        supported: bool,
        wanted: bool,
        state: str,
        source: str = "obsv",
    ) -> None:
        self.name = name
        self.requires = requires
        self.version = version
        self.supported = supported
        self.wanted = wanted
        self.state = state
        self.source = source

    def as_dict(self) -> dict[str, object]:
        """All of it as plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


class Sink:
    """A configured sink: which signals go there, and whether it can be reached."""

    __slots__ = ("detail", "name", "reached", "signals")

    def __init__(self, name: str, signals: list[str], reached: bool, detail: str) -> None:
        self.name = name
        self.signals = signals
        self.reached = reached
        self.detail = detail


def groups() -> Iterator[tuple[str, list[str]]]:
    """The titles of the groups of settings, each with its settings' names."""
    for group in GROUPS:
        yield (group.__doc__ or group.__name__).strip(), [name for name in vars(group) if name in SETTINGS]


def extension() -> tuple[bool, str]:
    """Whether the compiled hot path is in use, and why not (or where it lies)."""
    import os

    if os.environ.get("OBSV_PURE_PYTHON", "").strip().lower() in ("1", "true", "yes", "on"):
        return False, "OBSV_PURE_PYTHON says so"
    try:
        from .. import hotpath

        if hotpath.compiled():
            return True, f"{sys.implementation.name} {sys.version.split()[0]}"
    except Exception as error:  # noqa: BLE001 - a broken build is a finding
        return False, f"{type(error).__name__}: {error}"
    return False, "not built: there was no C compiler, or this is another Python than it was built for"


def libraries(settings: Settings) -> list[Library]:
    """The libraries of the patch registry that are installed here, by name."""
    from ..patches import REGISTRY
    from ..patches._patch import supports

    found = []
    for name, entry in sorted(REGISTRY.items()):
        wanted = settings.should_patch(*entry.names)
        if entry.requires is None:
            found.append(Library(name, None, None, True, wanted, "patched" if wanted else "switched off"))
            continue
        version = _installed(entry.requires.split()[0])
        if version is None:
            continue
        supported = supports(entry.requires, version)
        state = "patched" if supported else f"too old or too new, {entry.requires} is supported"
        found.append(Library(name, entry.requires, version, supported, wanted, state if wanted else "switched off"))
    return found


def instrumentors(settings: Settings) -> list[Library]:
    """The libraries of OpenTelemetry's instrumentors, where both are installed."""
    from ..patches import contrib

    found = []
    instrumentors = contrib()
    for name, one in sorted(instrumentors.found().items()) if instrumentors is not None else ():
        problem = one.problem or ""
        if problem.endswith("is not installed"):
            continue
        wanted = not problem and settings.should_patch(name)
        waits = f"instrumented when {' or '.join(one.modules)} is imported" if one.modules else "instrumented"
        state = problem or (waits if wanted else "switched off")
        found.append(Library(name, None, None, not problem, wanted, state, one.source))
    return found


def _installed(distribution: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def sinks(settings: Settings) -> list[Sink]:
    """Every configured sink, asked whether it can be reached."""
    signals: dict[str, list[str]] = {}
    for signal, chosen in (("traces", settings.traces), ("metrics", settings.metrics), ("logs", settings.logs)):
        for name in chosen:
            if isinstance(name, str):
                signals.setdefault(name, []).append(signal)
    found = [_probe(name, carried, settings) for name, carried in signals.items()]
    if settings.application_signals != "off":
        found.append(_probe("application_signals", ["metrics"], settings))
    return found


def _probe(name: str, signals: list[str], settings: Settings) -> Sink:
    try:
        if name == "application_signals":  # the setting makes it, and no list of sinks has it
            sink = import_module("obsv.sinks.application_signals").ApplicationSignalsSink(settings)
        else:
            sink = import_module("obsv.sinks").create(name, settings)
        detail = str(sink.probe())
    except Exception as error:  # noqa: BLE001 - whatever a sink raises means that it cannot be used
        kind = type(error).__name__
        detail = str(error) if kind == "SinkError" else f"{kind}: {error}"
        return Sink(name, signals, False, detail)
    return Sink(name, signals, True, detail)


class Findings:
    """All of it. `healthy` is false when a sink cannot be reached or a setting is wrong."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.compiled, self.compiled_detail = extension()
        self.libraries = libraries(settings)
        self.instrumentors = instrumentors(settings)
        self.sinks = sinks(settings) if settings.enabled else []
        self.problems = [str(problem) for problem in settings.problems]

    @property
    def healthy(self) -> bool:
        return not self.problems and all(sink.reached for sink in self.sinks)

    def as_dict(self, version: str) -> dict[str, object]:
        """Everything as plain values, for `--json`."""
        settings = self.settings
        return {
            "obsv": version,
            "python": sys.version.split()[0],
            "platform": settings.platform,
            "healthy": self.healthy,
            "extension": {"in_use": self.compiled, "detail": self.compiled_detail},
            "settings": {
                name: {"value": settings.show(name), "origin": settings.origin(name), "group": title}
                for title, names in groups()
                for name in names
            },
            "libraries": [library.as_dict() for library in self.libraries],
            "instrumentors": [library.as_dict() for library in self.instrumentors],
            "sinks": [
                {"name": sink.name, "signals": sink.signals, "reached": sink.reached, "detail": sink.detail}
                for sink in self.sinks
            ],
            "problems": self.problems,
        }
