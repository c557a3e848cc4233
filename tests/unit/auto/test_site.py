"""Our ``sitecustomize``: it runs the one that it hides, and every failure costs one line."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from obsv.auto import SITE, prepend, remove
from obsv.auto.start import is_tool
from programs import environment

if TYPE_CHECKING:
    from pathlib import Path

SEEN = "import obsv; print(obsv.status()['enabled'])"


def python(*arguments: str, path: str = SITE, interpreter: str = sys.executable, **more: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [interpreter, *arguments],
        env=environment(PYTHONPATH=path, OBSV_TRACES="none", OBSV_METRICS="none", OBSV_LOGS="none", **more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def customize(folder: Path, code: str) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(code)
    return str(folder)


def test_it_starts_obsv() -> None:
    assert python("-c", SEEN) == (0, "True\n", "")


def test_the_hidden_one_runs_first_and_takes_its_name(tmp_path: Path) -> None:
    theirs = customize(tmp_path / "theirs", "import sys\nassert 'obsv' not in sys.modules\nmark = 7\n")
    code = "import sitecustomize, sys; print(sitecustomize.mark, sys.path.index(sys.argv[1])); " + SEEN
    assert python("-c", code, SITE, path=f"{SITE}{os.pathsep}{theirs}") == (0, "7 1\nTrue\n", "")


def test_failing_imports_pass_by_our_directory(tmp_path: Path) -> None:
    code = """
import importlib, sys
asked = []
def profile(frame, event, argument):
    if event == "call" and frame.f_code.co_name == "find_spec" and hasattr(frame.f_locals.get("self"), "path"):
        asked.append(frame.f_locals["self"].path)
def attempt():
    try:
        import nothing_of_this_name
    except ImportError:
        pass
attempt()
sys.setprofile(profile)
attempt()
sys.setprofile(None)
print(*sorted(set(asked) & set(sys.argv[1:])))
sys.modules.pop("sitecustomize")  # or the system's own: Debian has one
importlib.invalidate_caches()
import sitecustomize
print(sitecustomize.__spec__.origin.startswith(sys.argv[1]), importlib.reload(sitecustomize) is sitecustomize)
"""
    other = str(tmp_path)
    assert python("-c", code, SITE, other, path=f"{SITE}{os.pathsep}{other}") == (0, f"{other}\nTrue True\n", "")


def test_odd_entries_of_the_path(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(SITE)
    (tmp_path / "x.zip").write_bytes(b"no zip")
    theirs = customize(tmp_path / "theirs", "print('theirs')\n")
    odd = [f"{SITE}/", "", str(tmp_path / "link"), str(tmp_path / "x.zip"), "~/nothing", "/dev/null", SITE, theirs]
    assert python("-c", SEEN, path=os.pathsep.join(odd)) == (0, "theirs\nTrue\n", "")


def test_one_that_fails_is_told_by_python_itself(tmp_path: Path) -> None:
    theirs = customize(tmp_path / "theirs", "raise ValueError('theirs is broken')\n")
    alone = python("-c", "pass", path=theirs)
    assert "theirs is broken" in alone[2]
    assert python("-c", "pass", path=f"{SITE}{os.pathsep}{theirs}") == alone
    assert python("-c", SEEN, path=f"{SITE}{os.pathsep}{theirs}")[1] == "True\n"


def test_one_that_misses_a_module(tmp_path: Path) -> None:
    theirs = customize(tmp_path / "theirs", "import no_such_module\n")
    alone = python("-c", "pass", path=theirs)
    assert python("-c", "pass", path=f"{SITE}{os.pathsep}{theirs}") == alone


def test_one_that_looks_for_the_next_in_the_same_way(tmp_path: Path) -> None:
    # As ddtrace's does: it takes its own directory from the path and imports the name again.
    code = """
import os, sys
here = os.path.dirname(__file__)
sys.path.remove(here)
me = sys.modules.pop("sitecustomize")
import sitecustomize
print("chained to", sitecustomize.__file__ == FINAL)
"""
    final = customize(tmp_path / "final", "print('final')\n")
    agent = customize(tmp_path / "agent", code.replace("FINAL", repr(os.path.join(final, "sitecustomize.py"))))
    for path in ([SITE, agent, final], [agent, SITE, final]):
        assert python("-c", SEEN, path=os.pathsep.join(path))[1:] in {
            ("final\nchained to True\nTrue\n", ""),
        }


def test_broken_settings(tmp_path: Path) -> None:
    status, out, err = python("-c", SEEN, OBSV_SAMPLE="many", OBSV_STRICT="1")
    assert (status, out, err.count("\n")) == (0, "False\n", 1)
    assert err.startswith("obsv: not started: SettingsError: OBSV_SAMPLE='many'")


def test_an_interpreter_without_obsv(tmp_path: Path) -> None:
    status, out, err = python("-S", "-c", "import sitecustomize; print('ran')")
    assert (status, out, err.count("\n")) == (0, "ran\n", 1)
    assert "has no obsv" in err
    assert "the program runs without it" in err


def test_an_obsv_that_cannot_be_imported(tmp_path: Path) -> None:
    (tmp_path / "obsv").mkdir()
    (tmp_path / "obsv" / "__init__.py").write_text("raise RuntimeError('half\\ninstalled')\n")
    status, out, err = python("-c", "print('ran')", path=f"{SITE}{os.pathsep}{tmp_path}")
    assert (status, out) == (0, "ran\n")
    assert err == "obsv: not started: RuntimeError: half installed (the program runs without it)\n"


@pytest.mark.parametrize("module", ["auto/start.py", "runtime.py", "pipeline/__init__.py"])
@pytest.mark.parametrize(
    ("code", "status", "out", "err"),
    [
        ("raise SystemExit(9)", 0, "ran\n", "obsv: not started: SystemExit: 9 (the program runs without it)\n"),
        ("import os; os.kill(os.getpid(), 2)", -2, "", ""),  # Ctrl-C
    ],
)
def test_a_start_that_is_ended(tmp_path: Path, module: str, code: str, status: int, out: str, err: str) -> None:
    import shutil

    import obsv

    ignored = shutil.ignore_patterns("__pycache__", "_site")
    copy = shutil.copytree(os.path.dirname(obsv.__file__), tmp_path / "obsv", ignore=ignored)
    (copy / module).write_text(code)
    path = f"{SITE}{os.pathsep}{tmp_path}"
    assert python("-c", "print('ran')", path=path, PYTHONDONTWRITEBYTECODE="1") == (status, out, err)


def test_a_closed_stderr(tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -S -c 'import sitecustomize; print(1)' 2>&-"],
        env=environment(PYTHONPATH=SITE),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "1\n")


@pytest.mark.parametrize("option", ["-I", "-E", "-S"])
def test_interpreters_that_do_not_hear(option: str) -> None:
    assert python(option, "-c", "import sys; print('obsv' in sys.modules)") == (0, "False\n", "")


def test_it_is_valid_for_old_interpreters() -> None:
    import ast

    with open(os.path.join(SITE, "sitecustomize.py"), encoding="utf-8") as file:
        ast.parse(file.read(), feature_version=(3, 4))


@pytest.mark.parametrize("version", ["2.7", "3.8", "3.10"])
def test_old_interpreters(version: str) -> None:
    import glob

    found = sorted(glob.glob(os.path.expanduser(f"~/.pyenv/versions/{version}.*/bin/python{version}")))
    if not found:
        pytest.skip(f"there is no Python {version} under ~/.pyenv")
    status, out, err = python("-c", "print('ran')", interpreter=found[-1])
    assert (status, out) == (0, "ran\n")
    assert err == f"obsv: not started: it needs Python 3.11, this is {version} (the program runs without it)\n"


def test_tools_are_left_alone() -> None:
    status, out, err = python("-m", "pip", "--version")
    assert (status, err) == (0, "")
    assert out.startswith("pip ")
    program = os.path.join(os.path.dirname(sys.executable), "pip3.11")
    for command, tool in [
        (["python", "-m", "pip", "install", "x"], True),
        (["python", "-mpip"], True),
        (["python", "-W", "error", "-X", "dev", "-m", "venv", "x"], True),
        (["python", "-c", "from multiprocessing.resource_tracker import main;main(5)"], True),
        (["python", "-s", program, "install"], True),
        (["python", program.replace("pip3.11", "opentelemetry-instrument"), "python", "app.py"], True),
        (["python", "-m", "uvicorn", "app:app"], False),
        (["python", "-c", "import pip"], False),
        (["python", "pip.py"], False),
        (["python", "app.py", "-m", "pip"], False),
        (["python"], False),
        (["python", "-m"], False),
        ([], False),
    ]:
        assert is_tool(command) is tool, command


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, "/s"), ("", "/s"), ("/a", "/s:/a"), (":/a", "/s::/a"), ("/a:/s/:/s", "/s:/a"), ("/s", "/s")],
)
def test_prepend(before: str | None, after: str) -> None:
    assert prepend(before, "/s") == after
    assert prepend(after, "/s") == after


@pytest.mark.parametrize(
    ("before", "after"), [(None, None), ("/s", None), ("/s:/a", "/a"), ("/s::/a", ":/a"), ("/a", "/a"), ("", None)]
)
def test_remove(before: str | None, after: str | None) -> None:
    assert remove(before, "/s") == after
