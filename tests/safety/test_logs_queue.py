"""The queued mode: a reader of our stdout that stops reading never stops the program, and what is lost is counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from programs import environment, run

if TYPE_CHECKING:
    from pathlib import Path

INIT = """
import json, os, sys
import obsv
obsv.init("shop", logs="json", traces="none", metrics="none", patch=False)
log = obsv.get_logger()
"""

STUCK = (
    INIT
    + """
for number in range(60_000):
    log.info("x" * 200, number=number)
obsv.shutdown(0.3)
logs = obsv.status()["sinks"]["json"]["logs"]
sys.stderr.write("\\n" + json.dumps([logs["sent"], logs["waiting"], logs["dropped"]]))
sys.stderr.flush()
"""
)


def test_a_reader_that_stops_reading_stops_nothing() -> None:
    reading, writing = os.pipe()  # nobody reads
    try:
        done = subprocess.run(
            [sys.executable, "-c", STUCK],
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            timeout=100,
            env=environment(OBSV_LOG_QUEUE="true", OBSV_QUEUE_RECORDS="20000"),
            check=False,
        )
    finally:
        os.close(writing)
        os.close(reading)
    assert done.returncode == 0, done.stderr
    sent, waiting, dropped = json.loads(done.stderr.splitlines()[-1])
    assert sent + waiting + sum(dropped.values()) == 60_000
    assert dropped["queue full"] > 0
    assert dropped["shutdown timeout"] > 0


def test_with_a_reader_every_line_arrives_whole_and_in_order() -> None:
    done = run(
        INIT + "for number in range(5000): log.info('m', number=number)\n", OBSV_LOG_QUEUE="true", OBSV_PATCH="false"
    )
    assert [json.loads(line)["number"] for line in done.stdout.splitlines()] == list(range(5000))


def test_values_are_those_of_the_call() -> None:
    done = run(
        INIT + "items = [1]\nlog.info('m', items=items, when=__import__('datetime').date(2026, 1, 2))\n"
        "items.append(2)\n",
        OBSV_LOG_QUEUE="true",
    )
    line = json.loads(done.stdout)
    assert (line["items"], line["when"]) == ([1], "2026-01-02")


def test_a_forked_child_writes_its_own_lines_only() -> None:
    done = run(
        INIT + "log.info('parent')\npid = os.fork()\nlog.info('child' if pid == 0 else 'both')\n"
        "obsv.shutdown()\nif pid == 0: os._exit(0)\nos.waitpid(pid, 0)\n",
        OBSV_LOG_QUEUE="true",
        PYTHONWARNINGS="ignore:This process:DeprecationWarning",
    )
    assert sorted(json.loads(line)["message"] for line in done.stdout.splitlines()) == ["both", "child", "parent"]


def test_the_file_sink_survives_logrotate(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "shop.log"
    code = INIT.replace('logs="json"', 'logs="file"') + (
        "log.info('one')\nobsv.flush()\n"
        f"os.rename({str(path)!r}, {str(path) + '.old'!r})\n"
        "log.info('two')\nobsv.flush()\nlog.info('three')\n"
    )
    done = run(code, OBSV_LOG_FILE=str(path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    def messages(name: str) -> list[str]:
        return [json.loads(line)["message"] for line in (tmp_path / "logs" / name).read_text().splitlines()]

    assert messages("shop.log.old") == ["one"]
    assert messages("shop.log") == ["two", "three"]
