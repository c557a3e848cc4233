"""docs/settings.md is written from the table; this says when it has to be written again."""

from __future__ import annotations

from pathlib import Path

from obsv.cli.reference import reference
from obsv.settings_table import SETTINGS

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "run: obsv doctor --settings-reference > docs/settings.md"


def test_the_page_has_every_setting_and_variable() -> None:
    page = reference()
    for setting in SETTINGS.values():
        assert f"\n### {setting.name}\n" in page
        assert f"`{setting.env}`" in page
        assert all(f"`{variable.name}`" in page for variable in setting.variables)


def test_the_page_does_not_depend_on_the_environment() -> None:
    import os
    import subprocess
    import sys

    environ = dict(os.environ) | {"OBSV_SERVICE": "x", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OBSV_SAMPLE": "9"}
    command = [sys.executable, "-m", "obsv", "doctor", "--settings-reference"]
    assert subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout == reference()
