"""`obsv doctor` in a directory and an environment of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from obsv import term
from obsv.cli import main
from obsv.cli.doctor import render
from obsv.cli.findings import Findings, extension, groups, libraries
from obsv.platform import Platform
from obsv.settings import resolve
from obsv.settings_table import SETTINGS

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

LAPTOP = Platform("laptop", {})


def doctor(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "obsv", "doctor", *arguments],
        env=os.environ | {"OBSV_PLATFORM": "laptop"} | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_healthy() -> None:
    result = doctor(OBSV_TRACES="memory", OBSV_METRICS="none", OBSV_LOGS="memory")
    assert result.returncode == 0, result.stdout
    assert result.stderr == ""
    assert result.stdout.splitlines()[-1] == "All is well."
    assert "\x1b" not in result.stdout


def test_a_wrong_setting_is_not_healthy_even_when_strict() -> None:
    result = doctor(OBSV_TRACES="none", OBSV_METRICS="none", OBSV_LOGS="none", OBSV_SAMPEL="1", OBSV_STRICT="1")
    assert result.returncode == 1
    assert "did you mean 'OBSV_SAMPLE'?" in result.stdout
    assert "All is well" not in result.stdout


def test_a_sink_that_cannot_be_reached() -> None:
    port = closed_port()
    result = doctor("--json", OBSV_TRACES="otlp", OBSV_METRICS="none", OBSV_LOGS="none",
                    OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}")  # fmt: skip
    assert result.returncode == 1
    found = json.loads(result.stdout)
    assert found["healthy"] is False
    (sink,) = found["sinks"]
    assert (sink["name"], sink["signals"], sink["reached"]) == ("otlp", ["traces"], False)
    assert str(port) in sink["detail"]


def test_json_has_everything() -> None:
    result = doctor("--json", OBSV_SERVICE="shop", OBSV_TRACES="memory", OBSV_METRICS="memory", OBSV_LOGS="none")
    assert result.returncode == 0, result.stdout
    found = json.loads(result.stdout)
    assert found["healthy"] is True
    assert found["problems"] == []
    assert list(found["settings"]) == list(SETTINGS)
    assert found["settings"]["service"] == {"value": "shop", "origin": "OBSV_SERVICE", "group": "Who is it"}
    assert found["settings"]["otlp_timeout"]["origin"] == "default"
    assert found["platform"] == "laptop"
    assert isinstance(found["extension"]["in_use"], bool)
    assert {"requests", "sqlite3"} <= {library["name"] for library in found["libraries"]}
    assert [sink["name"] for sink in found["sinks"]] == ["memory"]


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    doctor(OBSV_TRACES="local,console", OBSV_METRICS="local,emf", OBSV_LOGS="local,json")
    assert list(tmp_path.iterdir()) == []


def test_no_thread_is_started(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBSV_TRACES", "memory")
    before = threading.active_count()
    main(["doctor"])
    assert threading.active_count() == before
    assert "Libraries to patch" in capsys.readouterr().out


def test_switched_off() -> None:
    result = doctor(OTEL_SDK_DISABLED="true", OBSV_TRACES="otlp")
    assert result.returncode == 0
    assert "switched off" in result.stdout
    assert "by OTEL_SDK_DISABLED" in result.stdout


def test_every_setting_in_force_is_printed() -> None:
    settings = resolve({}, {"OTEL_EXPORTER_OTLP_LOGS_TIMEOUT": "3"}, platform=LAPTOP, terminal=False)
    lines = render(Findings(settings), term.Style(enabled=False))
    named = {line.split()[0] for line in lines if line.startswith("  ")}
    silent = {name for name in SETTINGS if name.startswith(("otlp_traces_", "otlp_metrics_", "otlp_logs_"))}
    assert set(SETTINGS) - silent <= named
    assert "otlp_logs_timeout" in named
    assert "otlp_traces_timeout" not in named


def test_colours_change_nothing_but_colours() -> None:
    findings = Findings(resolve({}, {"OBSV_SAMPEL": "1"}, platform=LAPTOP, terminal=False))
    plain = render(findings, term.Style(enabled=False))
    colourful = render(findings, term.Style(enabled=True))
    assert [term.strip(line) for line in colourful] == plain
    assert colourful != plain


def test_groups_cover_the_table() -> None:
    assert [name for _, names in groups() for name in names] == list(SETTINGS)


def test_libraries() -> None:
    found = {library.name: library for library in libraries(resolve({}, {"OBSV_PATCH": "-requests"}, platform=LAPTOP))}
    assert found["requests"].state == "switched off"
    assert not found["requests"].wanted
    assert found["flask"].state == "patched"
    assert found["flask"].version
    assert found["sqlite3"].version is None
    assert found["sqlite3"].supported


def test_one_patch_for_fastapi_and_starlette() -> None:
    for name in ("fastapi", "starlette", "asgi"):
        found = {library.name: library for library in libraries(resolve({}, {"OBSV_PATCH": name}, platform=LAPTOP))}
        assert [library for library in found.values() if library.wanted] == [found["asgi"]]


def test_interpreted_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBSV_PURE_PYTHON", "1")
    assert extension() == (False, "OBSV_PURE_PYTHON says so")


def test_strange_values_cannot_steer_the_terminal() -> None:
    settings = resolve({}, {"OBSV_RESOURCE": "a=%1b[2Jb", "OBSV_X": "\x1b[2J"}, platform=LAPTOP, terminal=False)
    assert "\x1b" not in "".join(render(Findings(settings), term.Style(enabled=False)))


def test_application_signals_are_asked_for_too() -> None:
    nothing = {"OBSV_TRACES": "none", "OBSV_METRICS": "none", "OBSV_LOGS": "none"}
    result = doctor(
        **nothing, OBSV_APPLICATION_SIGNALS="on", OBSV_APPLICATION_SIGNALS_ENDPOINT=f"http://127.0.0.1:{closed_port()}"
    )
    assert result.returncode == 1
    [line] = [line for line in result.stdout.splitlines() if "not reached" in line]
    assert line.split()[:2] == ["application_signals", "metrics"]
    assert "connection refused" in line.lower()
    result = doctor(**nothing, OBSV_APPLICATION_SIGNALS="emf")
    assert result.returncode == 0, result.stdout
    assert "writes to stdout" in result.stdout
