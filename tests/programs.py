"""Small programs run in processes of their own, for tests of what happens at their ends."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import Any

# Since Python 3.12 a program with threads, and obsv's are some, that forks is warned; -c is where warnings are shown.
FORKS = {"PYTHONWARNINGS": "ignore:This process:DeprecationWarning"}


def environment(**settings: str) -> dict[str, str]:
    """This process's environment as a user's would be: errors of obsv's are swallowed, unless said otherwise."""
    found = {key: value for key, value in os.environ.items() if key not in ("OBSV_RAISE", "PYTHONWARNINGS")}
    return {**found, "OBSV_PATCH": "false", **settings}


def start(code: str, *arguments: str, **settings: str) -> subprocess.Popen[str]:
    """Starts a program."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**settings),
    )


def run(code: str, *arguments: str, timeout: float = 60, **settings: str) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end."""
    program = start(code, *arguments, **settings)
    try:
        out, err = program.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        program.kill()
        out, err = program.communicate()
        raise AssertionError(f"did not end within {timeout} s\n{out}\n{err}") from None
    return subprocess.CompletedProcess(program.args, program.returncode, out, err)


def to(collector: Any, **settings: str) -> dict[str, str]:
    """The settings of a program that sends everything to this collector."""
    return {
        "OBSV_TRACES": "otlp",
        "OBSV_METRICS": "otlp",
        "OBSV_LOGS": "none",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
        "OBSV_FLUSH_INTERVAL": "60",
        **settings,
    }


def only_our_lines(text: str) -> bool:
    """Whether every line is one of obsv's: no traceback, nothing else."""
    return all(line.startswith("obsv: ") for line in text.splitlines())
