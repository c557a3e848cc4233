"""The command line's frame: help, unknown commands, Ctrl-C and closed pipes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from obsv.cli import COMMANDS, main

if TYPE_CHECKING:
    from pathlib import Path

OBSV = [sys.executable, "-m", "obsv"]


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*OBSV, *arguments], env=os.environ | environ, capture_output=True, text=True, timeout=60, check=False
    )


def test_help_names_every_command_and_loads_none() -> None:
    code = (
        "import sys; from obsv.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as error: print(error.code, [m for m in sys.modules if m.startswith('obsv.cli.')])\n"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.splitlines()[-1] == "0 []"
    for command in COMMANDS:
        assert command in output


def test_no_command_prints_help() -> None:
    result = run()
    assert result.returncode == 2
    assert "doctor" in result.stdout


@pytest.mark.parametrize("arguments", [["nonsense"], ["--nonsense"], ["doctor", "--nonsense"]])
def test_wrong_usage(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.returncode == 2
    assert "usage: obsv" in result.stderr
    assert "nonsense" in result.stderr
    assert "Traceback" not in result.stderr


def test_version() -> None:
    result = run("--version")
    assert result.returncode == 0
    assert result.stdout.startswith("obsv ")


def test_each_command_has_help() -> None:
    for command in COMMANDS:
        result = run(command, "--help")
        assert result.returncode == 0, result.stderr
        assert f"usage: obsv {command}" in result.stdout


def test_main_takes_sys_argv(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["obsv", "doctor", "--settings-reference"])
    assert main() == 0
    assert capsys.readouterr().out.startswith("# Settings")


@pytest.fixture
def commands(tmp_path: Path) -> dict[str, str]:
    """An environment in which `obsv doctor` is a module of ours, to be interrupted and cut off."""
    (tmp_path / "sitecustomize.py").write_text(
        textwrap.dedent("""
            import sys, types
            module = types.ModuleType("obsv.cli.doctor")
            module.add_arguments = lambda parser: None
            def run(args):
                print("started", flush=True)
                while True:
                    print("x" * 1000)
                    if MODE == "wait":
                        import time
                        time.sleep(60)
            import os
            MODE = os.environ.get("TEST_MODE")
            module.run = run
            sys.modules["obsv.cli.doctor"] = module
        """)
    )
    return dict(os.environ) | {"PYTHONPATH": str(tmp_path)}


def test_ctrl_c_is_silent(commands: dict[str, str]) -> None:
    process = subprocess.Popen(
        [*OBSV, "doctor"],
        env=commands | {"TEST_MODE": "wait"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors == ""


def test_a_closed_pipe_is_silent(commands: dict[str, str]) -> None:
    process = subprocess.Popen(
        [*OBSV, "doctor"], env=commands, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == "started\n"
    process.stdout.close()
    assert process.wait(timeout=30) == 141
    assert process.stderr.read() == ""
    process.stderr.close()


@pytest.mark.parametrize("arguments", [["show"], ["show", "--json"], ["doctor"], ["doctor", "--json"], ["status"]])
@pytest.mark.parametrize(
    ("to", "told"), [(">/dev/full", "obsv: No space left on device\n"), (">&-", "obsv: stdout is closed\n")]
)
def test_output_that_goes_nowhere(tmp_path: Path, arguments: list[str], to: str, told: str) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    code = "import obsv; obsv.init('x', metrics='none', logs='none')\nwith obsv.span('a'): pass"
    environ = os.environ | {"OBSV_TRACES": "local", "OBSV_LOCAL_PATH": str(tmp_path / "x.db"), "OBSV_METRICS": "none"}
    subprocess.run([sys.executable, "-c", code], env=environ, check=True, timeout=60)
    command = " ".join([*OBSV, *arguments, to])
    done = subprocess.run(["sh", "-c", command], env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, told)


def test_a_command_runs_without_stdout() -> None:
    command = f"{' '.join(OBSV)} run -- sh -c 'echo ran >&2' >&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "ran\n")


def test_in_a_directory_that_is_gone(tmp_path: Path) -> None:
    for arguments, status in ((["show"], 1), (["status"], 0)):
        (tmp_path / "gone").mkdir()
        command = f"cd gone; rmdir ../gone; exec {' '.join([*OBSV, *arguments])}"
        done = subprocess.run(
            ["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr


def test_status_says_who_patches_what() -> None:
    import json

    pytest.importorskip("opentelemetry.instrumentation.jinja2")
    found = {
        (one["name"], one["source"].partition(" ")[0]): one["state"]
        for one in json.loads(run("status", "--json").stdout)
    }
    assert found["sqlite3", "obsv"] == "patched"
    assert found["jinja2", "opentelemetry-instrumentation-jinja2"] == "instrumented when jinja2 is imported"
    assert found["flask", "opentelemetry-instrumentation-flask"] == "left out: obsv has its own patch flask"
    assert run("status", OBSV_PATCH="-jinja2").stdout.count("switched off") == 1
