"""The instruction counts that a change is compared with, and how much it may be off.

A count is exact for one build: one CPython, one C compiler, one Cython. So the baseline is a list of builds. On a build
that is in it, an operation may take 5 % more instructions than noted. On another, the count is first divided by that of
a *calibration* loop, which holds nothing of obsv and is counted in the same way, and the quotient may be 40 % above the
largest that any known build of the same minor version has (or any known build at all): between builds with and without
profile-guided optimisation it moves by a quarter, because the extension is optimised alike in both. That is a wide
margin, and it catches what matters: something that should not be on the path at all.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).parent / "baseline.json"
EXACT = 0.05
WIDE = 0.40
CALIBRATION = "calibration"

Counts = dict[str, float]


@dataclass(frozen=True)
class Finding:
    """What came of one operation: instructions, what was allowed, and whether it is within that."""

    operation: str
    count: float
    allowed: float
    ok: bool
    note: str = ""


def build() -> str:
    """Say what decides over instruction counts: the interpreter, how it was built, and what builds the extension."""
    arguments = str(sysconfig.get_config_var("CONFIG_ARGS") or "")
    flags = " ".join(
        re.findall(r"-O\w|-flto|-fprofile-use|-g(?= |$)", str(sysconfig.get_config_var("PY_CFLAGS") or ""))
    )
    optimised = [word for word in ("--enable-optimizations", "--with-lto", "--with-pydebug") if word in arguments]
    shared = ["shared"] if sysconfig.get_config_var("Py_ENABLE_SHARED") else []
    parts = [
        f"CPython {platform.python_version()}",
        platform.machine(),
        platform.python_compiler(),
        flags,
        *optimised,
        *shared,
        f"extension: {_compiler()}, Cython {_cython()}",
    ]
    return ", ".join(part for part in parts if part)


def _compiler() -> str:
    command = [*str(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[:1], "-dumpfullversion"]
    try:
        version = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout.strip()
    except OSError:
        return "no compiler"
    return f"{command[0]} {version}"


def _cython() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("cython")
    except PackageNotFoundError:
        return "absent"


def load(file: Path = FILE) -> dict[str, Counts]:
    """Return the known builds."""
    known: dict[str, Counts] = json.loads(file.read_text()) if file.exists() else {}
    return known


def update(counts: Counts, here: str, file: Path = FILE) -> None:
    """Note the counts of this build."""
    known = load(file) | {here: {name: round(count) for name, count in counts.items()}}
    file.write_text(json.dumps(dict(sorted(known.items())), indent=2) + "\n")


def judge(counts: Counts, here: str, known: dict[str, Counts]) -> list[Finding]:
    """Compare counts with the baseline. Without any baseline nothing is allowed."""
    operations = [name for name in counts if name != CALIBRATION]
    if here in known:
        return [_exact(name, counts[name], known[here].get(name, 0.0)) for name in operations]
    minor = _minor(here)
    near = [each for build, each in known.items() if _minor(build) == minor] or list(known.values())
    findings = []
    for name in operations:
        quotient = max((each[name] / each[CALIBRATION] for each in near if name in each), default=0.0)
        allowed = quotient * counts[CALIBRATION] * (1 + WIDE)
        findings.append(Finding(name, counts[name], allowed, counts[name] <= allowed, "unknown build: wide margin"))
    return findings


def _exact(name: str, count: float, noted: float) -> Finding:
    allowed = noted * (1 + EXACT)
    note = "better by more than 5 %: update the baseline" if count < noted * (1 - EXACT) else ""
    return Finding(name, count, allowed, count <= allowed, note)


def _minor(here: str) -> str:
    found = re.match(r"CPython (\d+\.\d+)", here)
    return found[1] if found else ""
