"""One module a scenario, or a group of them that differ in little; the peers are declared beside."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.scenario import Scenario


@cache
def groups() -> dict[str, tuple[Scenario, ...]]:
    """Return all scenarios by their module, in the order of the table."""
    files = sorted(file.stem for file in Path(__file__).parent.glob("[!_]*.py"))
    modules = {name: import_module(f"{__name__}.{name}") for name in files}
    return {name: modules[name].SCENARIOS for name in sorted(files, key=lambda name: modules[name].PLACE)}


def names() -> list[str]:
    """Return the names of all scenarios, in the order of the table."""
    return [scenario.name for group in groups().values() for scenario in group]


def load(name: str) -> Scenario:
    """Return a scenario by its name."""
    return next(scenario for group in groups().values() for scenario in group if scenario.name == name)


def select(wanted: list[str]) -> list[Scenario]:
    """Return the scenarios and groups of these names, without one all that are not apart.

    Raises:
        KeyError: There is no such scenario or group; it names them.
    """
    known = groups()
    unknown = sorted(set(wanted) - set(known) - set(names()))
    if unknown:
        raise KeyError(", ".join(unknown))
    return [
        scenario
        for group, scenarios in known.items()
        for scenario in scenarios
        if (not scenario.apart if not wanted else group in wanted or scenario.name in wanted)
    ]
