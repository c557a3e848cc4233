"""docs/opentelemetry-variables.md says what obsv does with every variable, and the settings agree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from opentelemetry import environment_variables as of_the_api
from opentelemetry.sdk import environment_variables as of_the_sdk

from obsv.settings_table import SETTINGS, UNSUPPORTED

PAGE = Path(__file__).parents[2] / "docs" / "opentelemetry-variables.md"
ROW = re.compile(r"\| `(?P<name>[A-Z0-9_]+)` \| (?P<settings>[^|]+) \| (?P<text>[^|]+) \|")

ROWS = {match["name"]: match for match in map(ROW.fullmatch, PAGE.read_text(encoding="utf-8").splitlines()) if match}


def settings_of(name: str) -> set[str]:
    cell = ROWS[name]["settings"]
    return set() if cell == "-" else {word.strip("` ") for word in cell.split(",")}


def reading(name: str) -> set[str]:
    return {each for each, setting in SETTINGS.items() if any(variable.name == name for variable in setting.variables)}


def test_every_variable_that_opentelemetry_has_is_there() -> None:
    """The installed packages are the authority; with a newer one this says what is new."""
    known = {
        value
        for module in (of_the_api, of_the_sdk)
        for value in vars(module).values()
        if isinstance(value, str) and value.startswith("OTEL_") and value.isupper()
    }
    assert len(known) > 60
    assert known - set(ROWS) == set()


def test_every_variable_that_a_setting_reads_is_there() -> None:
    read = {variable.name for setting in SETTINGS.values() for variable in setting.variables}
    assert {name for name in read if name.startswith("OTEL_")} - set(ROWS) == set()


@pytest.mark.parametrize("name", ROWS)
def test_the_table_and_the_settings_agree(name: str) -> None:
    text = ROWS[name]["text"]
    if name == "OTEL_TRACES_SAMPLER_ARG":  # read together with OTEL_TRACES_SAMPLER
        assert reading(name) == settings_of(name) == set()
        return
    assert settings_of(name) == reading(name)
    assert bool(settings_of(name)) != text.startswith(("Not used", "Not supported"))
    assert (name in UNSUPPORTED) == text.startswith("Not supported")


def test_names_stand_once() -> None:
    names = re.findall(r"^\| `([A-Z0-9_]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(names) == len(set(names))
