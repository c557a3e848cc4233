"""`obsv run`: options, variables, and commands that cannot be run. tests/e2e/test_run.py runs real programs."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from obsv.auto import SITE
from obsv.cli.run import OPTIONS, deaf
from obsv.settings_table import OTHER_VARIABLES, SETTINGS
from programs import environment

if TYPE_CHECKING:
    from pathlib import Path


def obsv_run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in environment(**more).items() if key != "PYTHONPATH" or key in more}
    return subprocess.run(
        [sys.executable, "-m", "obsv", "run", *arguments],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_every_option_is_a_setting() -> None:
    assert {variable for variable, _, _ in OPTIONS.values()} <= {setting.env for setting in SETTINGS.values()}


def test_options_become_variables(tmp_path: Path) -> None:
    code = (
        "import os; print({k: v for k, v in os.environ.items() if k.startswith('OBSV_') and k not in ('OBSV_RAISE',)})"
    )
    done = obsv_run(
        *("--service", "shop", "--service-version=2", "--environment", "test", "--traces", "none", "--metrics=none"),
        *("--logs", "none", "--sample", "0.5", "--resource", "a=b,c=d", "--patch=-redis", "--config", "x.toml"),
        *("--", "sh", "-c", f'{sys.executable} -S -E -c "{code}" -- --service no'),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("{")
    found = {name: value for name, value in eval(done.stdout).items() if name not in OTHER_VARIABLES}
    assert found == {
        "OBSV_SERVICE": "shop",
        "OBSV_VERSION": "2",
        "OBSV_ENVIRONMENT": "test",
        "OBSV_TRACES": "none",
        "OBSV_METRICS": "none",
        "OBSV_LOGS": "none",
        "OBSV_SAMPLE": "0.5",
        "OBSV_RESOURCE": "a=b,c=d",
        "OBSV_PATCH": "-redis",
        "OBSV_CONFIG": os.path.join(os.getcwd(), "x.toml"),
    }


def test_the_environment_can_be_printed() -> None:
    done = obsv_run("--service", "it's", "--no-patch", "--config", "none", "--no-children", "--print-environment")
    assert (done.returncode, done.stderr) == (0, "")
    shell = subprocess.run(
        ["sh", "-c", f"{done.stdout}\necho $OBSV_SERVICE,$OBSV_PATCH,$OBSV_CONFIG,$OBSV_RUN_CHILDREN,$PYTHONPATH"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shell.stdout == f"it's,false,none,false,{SITE}\n"


@pytest.mark.parametrize("arguments", [(), ("--",), ("--service", "x")])
def test_without_a_command(arguments: tuple[str, ...]) -> None:
    done = obsv_run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "obsv: run needs a command: obsv run [options] -- command [argument ...]\n"


def test_commands_that_cannot_be_run(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    (tmp_path / "broken").write_text("no program")
    (tmp_path / "orphan").write_text("#!/nowhere/python\n")
    for name in ("broken", "orphan"):
        (tmp_path / name).chmod(0o755)
    for command, status, told in [
        ("no-such-command", 127, "no-such-command: command not found"),
        (f"{tmp_path}/nothing", 127, "nothing: command not found"),
        (f"{tmp_path}/text", 126, "text: cannot be executed: Permission denied"),
        (str(tmp_path), 126, "cannot be executed: Permission denied"),
        (f"{tmp_path}/text/x", 127, "x: command not found"),
        (f"{tmp_path}/broken", 126, "it is neither a binary nor begins with #!"),
        (f"{tmp_path}/orphan", 126, "orphan: the interpreter that its first line names is not there"),
        ("", 127, "'': command not found"),
        ("./", 126, "./: cannot be executed: Permission denied"),
    ]:
        done = obsv_run("--", command)
        assert (done.returncode, done.stdout) == (status, ""), (command, done.stderr)
        assert done.stderr.startswith("obsv: ")
        assert done.stderr.endswith(f"{told}\n"), done.stderr
        assert done.stderr.count("\n") == 1


def test_in_a_directory_that_is_gone(tmp_path: Path) -> None:
    code = f"mkdir gone; cd gone; rmdir ../gone; exec {sys.executable} -m obsv run --config x.toml -- echo ran"
    done = subprocess.run(
        ["sh", "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "ran\n"), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("python app.py", None),
        ("python -I app.py", "-I"),
        ("/usr/bin/python3.11 -uE -m app", "-E"),
        ("python -W error -S app.py", "-S"),
        ("python -m app -I", None),
        ("python -c code -S", None),
        ("python app.py -I", None),
        ("python -X dev -I -c x", "-I"),
        ("env A=1 python -I x", "-I"),
        ("env -S python3 -s x", None),
        ("sh -I", None),
        ("python", None),
    ],
)
def test_interpreters_that_do_not_hear(command: str, option: str | None) -> None:
    told = deaf(command.split())
    assert told is None if option is None else told is not None and f"option {option} " in told


def test_scripts_of_interpreters_that_do_not_hear(tmp_path: Path) -> None:
    script = tmp_path / "tool"
    script.write_text(f"#!{sys.executable} -Es\nprint('ran')\n")
    script.chmod(0o755)
    done = obsv_run("--", str(script))
    assert (done.returncode, done.stdout) == (0, "ran\n")
    assert done.stderr == (
        "obsv: not started: Python's option -E leaves out what `obsv run` sets; call obsv.init() in the program "
        "instead (the program runs without it)\n"
    )
