"""An environment of its own for each tool, below ``build/conformance/tools``: in one, pip finds no way for all of them.

What goes into one stands in ``requirements/<tool>.txt``; what is there already is used again as long as that file and
obsv's own requirements stay the same.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WORK = ROOT / "build" / "conformance" / "tools"
REQUIREMENTS = HERE / "requirements"


def tools() -> list[str]:
    """Return the tools there are."""
    return sorted(path.stem for path in REQUIREMENTS.glob("*.txt"))


def requirements(tool: str) -> str:
    """Return the text of a tool's requirements."""
    return (REQUIREMENTS / f"{tool}.txt").read_text()


def pins(text: str) -> dict[str, str]:
    """Read pinned versions, by package, in their order; the first is the tool itself.

    Raises:
        ValueError: A line pins nothing.
    """
    found = {}
    for line in text.splitlines():
        requirement = line.partition("#")[0].strip()
        if requirement:
            name, mark, version = requirement.partition("==")
            if not (mark and version.strip()):
                raise ValueError(f"no pinned version in {line!r}")
            found[name.partition("[")[0].strip()] = version.strip()
    return found


def python(tool: str) -> Path:
    """Return the interpreter of a tool's environment, made if need be.

    Raises:
        RuntimeError: The environment could not be made; the text says where pip's is.
    """
    folder = WORK / tool
    found = folder / "bin" / "python"
    stamp = folder / "installed"
    wanted = _fingerprint(tool)
    if found.exists() and stamp.exists() and stamp.read_text() == wanted:
        return found
    print(f"{tool}: installing into {folder.relative_to(ROOT)}", flush=True)
    venv.create(folder, clear=True, with_pip=True, symlinks=True)
    log = WORK / f"{tool}.log"
    command = [str(found), "-m", "pip", "--disable-pip-version-check", "install", "-e", str(ROOT)]
    with log.open("w") as output:
        done = subprocess.run(
            [*command, "-r", str(REQUIREMENTS / f"{tool}.txt")],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OBSV_NO_EXT": "1"},  # the extension is built already, in the source tree
        )
    if done.returncode:
        raise RuntimeError(f"pip failed, see {log.relative_to(ROOT)}")
    stamp.write_text(wanted)
    return found


def _fingerprint(tool: str) -> str:
    """Return what changes when an environment has to be made again."""
    obsv = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    parts = [requirements(tool), repr((obsv["dependencies"], obsv["entry-points"])), sys.version, str(ROOT)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
