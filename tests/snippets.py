"""The code blocks of README.md and docs/*.md, for the test that runs them all.

* A ``python`` block is a program: it is run, and has to end by itself with status 0. When its first
  line is a comment with a file name (``# app.py``), it is saved under that name too, for the blocks after it.
* In a ``console`` block, lines that begin with ``$ `` are commands, run one after another in the same directory.
  ``sh`` blocks are commands as a whole. Commands of developers (``make``, ``pip``, ``git``) are left out.
* ``<!-- not run: why -->`` on the line before a block leaves it out.

All blocks of a document share one directory, in order.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^(?P=indent)```", re.MULTILINE | re.DOTALL)
LEFT_OUT = re.compile(r"^(make|pip|pip3|python3? -m (pip|venv)|uv|git|cd|docker|aws)\b")
NAMED = re.compile(r"^# ([\w/]+\.\w+)$")
SECONDS = 60


class Snippet:
    """A code block: its ``language``, its ``code``, and the ``line`` where it begins."""

    def __init__(self, language: str, code: str, line: int) -> None:
        self.language = language
        self.code = code
        self.line = line

    def commands(self) -> list[list[str]]:
        """What has to be run, as argument lists."""
        if self.language == "python":
            return [[sys.executable, "-c", self.code] if self.file is None else [sys.executable, self.file]]
        if self.language == "sh":
            lines = self.code.splitlines()
        else:
            lines = [line[2:] for line in self.code.splitlines() if line.startswith("$ ")]
        lines = [line for line in lines if line.strip() and not line.startswith("#")]
        return [["bash", "-c", line] for line in lines if not LEFT_OUT.match(line)]

    @property
    def file(self) -> str | None:
        """The name under which the block is saved."""
        named = NAMED.match(self.code.split("\n", 1)[0])
        return named.group(1) if named else None


def snippets(text: str) -> Iterator[Snippet]:
    """The blocks of a Markdown document that are to be run."""
    for block in FENCE.finditer(text):
        before = text[: block.start()].rstrip("\n").rpartition("\n")[2]
        if block["language"] not in {"python", "console", "sh"} or before.strip().startswith("<!-- not run"):
            continue
        code = "".join(line.removeprefix(block["indent"]) for line in block["code"].splitlines(keepends=True))
        yield Snippet(block["language"], code, text.count("\n", 0, block.start()) + 1)


def run(snippet: Snippet, folder: Path) -> str | None:
    """Runs a block in the folder; returns what went wrong."""
    if snippet.file is not None:
        path = folder / snippet.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(snippet.code)
    programs = os.path.dirname(sys.executable)
    env = {**os.environ, "PATH": programs + os.pathsep + os.environ.get("PATH", ""), "NO_COLOR": "1"}
    for command in snippet.commands():
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=SECONDS,
                text=True,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"line {snippet.line}: did not end within {SECONDS} s: {command[-1]}"
        if done.returncode:
            return f"line {snippet.line}: status {done.returncode} of {command[-1]}\n{done.stdout[-3000:]}"
    return None
