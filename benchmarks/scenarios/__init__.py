"""One module a scenario, its peers declared beside it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.harness import Scenario


def names() -> list[str]:
    """Return the names of all scenarios."""
    return sorted(file.stem for file in Path(__file__).parent.glob("*.py") if file.stem != "__init__")


def load(name: str) -> Scenario:
    """Return a scenario by its name."""
    scenario: Scenario = import_module(f"{__name__}.{name}").SCENARIO
    return scenario
