"""OpenTelemetry's own instrumentors (entry points ``opentelemetry_instrumentor``), for what obsv does not patch.

Each is started when the program imports its library, so nothing is imported that the program would not import. They are
found by reading the metadata that pip has left beside the packages: ``importlib.metadata`` takes longer to be imported
than all of obsv may take.
"""

from __future__ import annotations

import os
import sys

from ..hotpath import faults
from ..hotpath.errors import safe_text
from ..patches import ALIASES, REGISTRY, _hook
from ..patches._patch import supports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType
    from typing import Any

    from ..settings import Settings

GROUP = "opentelemetry_instrumentor"

BEFORE, AFTER = "opentelemetry_pre_instrument", "opentelemetry_post_instrument"
"""Entry points that are functions, called before and after the instrumentors."""

COVERED = {"boto3": "botocore", "boto3sqs": "botocore"}
"""Instrumentors whose library goes by another name than obsv's patch for it."""

MODULES = {
    "cassandra-driver": "cassandra",
    "confluent-kafka": "confluent_kafka",
    "google-cloud-aiplatform": "vertexai",
    "google-genai": "google.genai",
    "grpcio": "grpc",
    "kafka-python": "kafka",
    "kafka-python-ng": "kafka",
    "mysql-connector-python": "mysql.connector",
    "mysqlclient": "MySQLdb",
    "openai-agents": "agents",
    "psycopg2-binary": "psycopg2",
    "scylla-driver": "cassandra",
    "tortoise-orm": "tortoise",
}
"""The module to wait for, by distribution, where the distribution itself does not say it rightly."""

STANDARD = {"urllib": "urllib.request"}
"""The module to wait for, by instrumentor, in the standard library."""

AT_ONCE = frozenset({"system-metrics"})
"""Instrumentors that observe no library: psutil, which this one names, is its own tool."""


class Instrumentor:
    """One installed instrumentor.

    Attributes:
        name: The entry point's name, by which the settings know it.
        value: ``module:class``.
        source: Distribution and version that it comes from.
        modules: It is started when the program imports the first of these; empty: at once.
        problem: Why it is not started, None when nothing is wrong.
        wanted: Whether the settings allow it.
        started: The instrumentor itself, once it is at work.
    """

    __slots__ = ("modules", "name", "problem", "source", "started", "value", "wanted")

    def __init__(self, name: str, value: str, source: str) -> None:
        self.name = name
        self.value = value
        self.source = source
        self.modules: tuple[str, ...] = ()
        self.problem: str | None = None
        self.wanted = False
        self.started: Any = None

    def state(self) -> str:
        """Say in a line what became of it, and where it comes from."""
        if self.problem is not None:
            said = self.problem
        elif not self.wanted:
            said = "off"
        elif self.started is not None:
            said = "started"
        else:
            said = f"waiting for the import of {' or '.join(self.modules)}"
        return f"{said} ({self.source})"

    def imported(self, module: ModuleType | None = None) -> None:
        """Start it: its library has just been imported."""
        if self.started is not None or not self.wanted:
            return
        try:
            instrumentor = _load(self.value)()
            if getattr(instrumentor, "is_instrumented_by_opentelemetry", False):
                self.problem = "started by the program"
                return
            # Its own check would refuse versions that are newer than those it knows; those too old are refused below.
            instrumentor.instrument(skip_dep_check=True)
            self.started = instrumentor
        except ModuleNotFoundError as error:  # one of several in a distribution; its metadata cannot say which it needs
            self.problem = f"left out: {' '.join(safe_text(error).split())[:200]}"
        except Exception as error:  # noqa: BLE001 - somebody else's instrumentor
            self.problem = f"failed, {type(error).__name__}: {' '.join(safe_text(error).split())[:200]}"
            faults.report(f"the instrumentor {self.name} of {self.source}", error)

    def stop(self) -> None:
        """Take it back."""
        self.wanted = False
        _hook.forget(self.imported)
        instrumentor, self.started = self.started, None
        if instrumentor is not None:
            try:
                instrumentor.uninstrument()
            except Exception as error:  # noqa: BLE001 - as above
                faults.report(f"taking back the instrumentor {self.name}", error)


def _load(value: str) -> Any:
    """Return what an entry point names: ``module:object``."""
    from importlib import import_module

    home, _, path = value.partition(":")
    found: Any = import_module(home)
    for part in path.split("."):
        found = getattr(found, part)
    return found


_found: dict[str, Instrumentor] = {}
_hooks: list[tuple[str, str, str]] = []  # group, value, source
_called = False
_searched: list[str] | None = None


def found() -> dict[str, Instrumentor]:
    """Return the installed instrumentors by name; the search is made again when ``sys.path`` has changed."""
    global _found, _hooks, _searched
    if _searched != sys.path:
        _searched = list(sys.path)
        search: dict[str, Instrumentor] = {}
        try:
            installed = _installed(_searched)
            for instrumentor in _instrumentors(installed):
                kept = _found.get(instrumentor.name, instrumentor)  # one that is at work stays the same
                search.setdefault(instrumentor.name, kept if kept.value == instrumentor.value else instrumentor)
            _hooks = [
                (group, value, source) for group in (BEFORE, AFTER) for _, value, source in _points(installed, group)
            ]
        except Exception as error:  # noqa: BLE001 - odd metadata
            faults.report("looking for OpenTelemetry's instrumentors", error)
        _found = search
    return _found


def start(settings: Settings) -> None:
    """Start every instrumentor that the settings allow now, or when its library is imported."""
    instrumentors = found()
    _call(BEFORE)
    for name, instrumentor in instrumentors.items():
        instrumentor.wanted = settings.should_patch(name)
        if not instrumentor.wanted or instrumentor.problem is not None:
            continue
        for module in instrumentor.modules:
            _hook.when_imported(module, instrumentor.imported)
        if not instrumentor.modules:
            instrumentor.imported()
    _call(AFTER)


def _call(group: str) -> None:
    """Call what packages want to have called, once in a process: ``opentelemetry-instrument`` does so by itself."""
    global _called
    if _called or "opentelemetry.instrumentation.auto_instrumentation" in sys.modules:
        return
    _called = group == AFTER
    for theirs, value, source in _hooks:
        if theirs == group:
            try:
                _load(value)()
            except Exception as error:  # noqa: BLE001 - somebody else's function
                faults.report(f"{group} {value} of {source}", error)


def stop() -> None:
    """Take all of them back."""
    for instrumentor in _found.values():
        instrumentor.stop()


def states() -> dict[str, str]:
    """Return what became of each, by name."""
    return {name: instrumentor.state() for name, instrumentor in sorted(_found.items())}


# ---------------------------------------------------------------------- what is installed


class _Distribution:
    """An installed package: its directory of metadata, and the version that the directory's name says."""

    __slots__ = ("_points", "folder", "version")

    def __init__(self, folder: str, version: str) -> None:
        self.folder = folder
        self.version = version
        self._points: str | None = None

    @property
    def points(self) -> str:
        """Its entry points, read once."""
        if self._points is None:
            self._points = self.read("entry_points.txt")
        return self._points

    def read(self, name: str) -> str:
        """Return a file of metadata, "" where it is missing."""
        try:
            with open(os.path.join(self.folder, name), encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return ""


def _normal(name: str) -> str:
    """Return a distribution's name as names are compared (Python packaging, "Name normalization")."""
    return "-".join([part for part in name.lower().replace("_", "-").replace(".", "-").split("-") if part])


def _installed(path: list[str]) -> dict[str, _Distribution]:
    """Return all distributions on ``path`` by normal name; the first of a name counts, as Python imports the first."""
    result: dict[str, _Distribution] = {}
    for entry in path:
        if not isinstance(entry, str):
            continue
        try:
            names = os.listdir(entry or ".")
        except (OSError, ValueError):  # no directory: a zip file, or whatever somebody has put there
            continue
        for name in names:
            stem, _, kind = name.rpartition(".")
            if kind not in ("dist-info", "egg-info"):
                continue
            distribution, _, rest = stem.partition("-")
            result.setdefault(_normal(distribution), _Distribution(os.path.join(entry, name), rest.partition("-")[0]))
    return result


def _points(installed: dict[str, _Distribution], group: str) -> Iterator[tuple[str, str, str]]:
    """Yield the entry points of a group: name, value and distribution."""
    head = f"[{group}]"
    for name, distribution in installed.items():
        text = distribution.points
        if head not in text:
            continue
        section = text.split(head, 1)[1].split("\n[", 1)[0]
        for line in section.splitlines():
            key, mark, value = line.partition("=")
            if mark and not line.startswith("#"):
                yield key.strip(), value.partition("[")[0].strip(), name


def _instrumentors(installed: dict[str, _Distribution]) -> Iterator[Instrumentor]:
    for name, value, distribution in _points(installed, GROUP):
        instrumentor = Instrumentor(name, value, f"{distribution} {installed[distribution].version}".strip())
        _decide(instrumentor, installed[distribution], installed)
        yield instrumentor


def _decide(instrumentor: Instrumentor, distribution: _Distribution, installed: dict[str, _Distribution]) -> None:
    """Find out what it waits for, or why it is not wanted."""
    name = instrumentor.name.replace("_", "-")
    patch = COVERED.get(name) or ALIASES.get(name) or (name if name in REGISTRY else None)
    if patch is not None:
        instrumentor.problem = f"left out: obsv has its own patch {patch}"
        return
    if name == "aws-lambda" and not os.environ.get("_HANDLER"):
        instrumentor.problem = "left out: this is no Lambda function"
        return
    needs, needs_any = _instruments(distribution.read("METADATA") or distribution.read("PKG-INFO"))
    missing = [library for library, _ in needs if _normal(library) not in installed]
    if missing or (needs_any and not any(_normal(library) in installed for library, _ in needs_any)):
        instrumentor.problem = f"left out: {missing[0] if missing else needs_any[0][0]} is not installed"
        return
    libraries = [(library, lowest) for library, lowest in [*needs, *needs_any] if _normal(library) in installed]
    for library, lowest in libraries:
        version = installed[_normal(library)].version
        if lowest and version and not supports(f"{library} >= {lowest}", version):
            instrumentor.problem = f"left out: {library} {version} is installed, it needs {lowest} or newer"
            return
    if name in AT_ONCE:
        return
    if libraries:
        waits = libraries if needs_any else libraries[:1]
        instrumentor.modules = tuple({_module(_normal(library), installed): None for library, _ in waits})
    else:
        module = STANDARD.get(name, instrumentor.name)
        instrumentor.modules = (module,) if module.partition(".")[0] in sys.stdlib_module_names else ()


def _instruments(metadata: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return the libraries that a distribution's extras ``instruments`` (all of these) and ``instruments-any`` (one of
    these) name, each with the lowest version that it takes, "" for any."""
    needs: list[tuple[str, str]] = []
    needs_any: list[tuple[str, str]] = []
    for line in metadata.split("\n\n", 1)[0].splitlines():
        if not line.startswith("Requires-Dist:") or "extra" not in line:
            continue
        requirement, _, marker = line[len("Requires-Dist:") :].partition(";")
        extra = marker.rpartition("extra")[2].replace("_", "-")
        if "instruments-any" in extra:
            needs_any.append(_requirement(requirement))
        elif "instruments" in extra:
            needs.append(_requirement(requirement))
    return needs, needs_any


def _requirement(text: str) -> tuple[str, str]:
    """Return name and lowest version of ``name[extra] (>=1.2,<3)``."""
    text = text.strip()
    end = next((at for at, letter in enumerate(text) if not (letter.isalnum() or letter in "-_.")), len(text))
    lowest = ""
    for bound in text[end:].replace("(", " ").replace(")", " ").split(","):
        bound = bound.rpartition("]")[2].strip()
        if bound.startswith((">=", "~=", "==")):
            lowest = bound[2:].strip("= ")
    return text[:end], lowest


def _module(library: str, installed: dict[str, _Distribution]) -> str:
    """Return the module that a distribution is imported by."""
    if library in MODULES:
        return MODULES[library]
    for line in installed[library].read("top_level.txt").split():
        if not line.startswith("_"):
            return line
    return library.replace("-", "_")
