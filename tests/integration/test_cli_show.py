"""`obsv show` as people call it: a process of its own over a store that was really written."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from obsv.store.writer import Writer
from telemetry import Recorder, log, remote

if TYPE_CHECKING:
    from pathlib import Path

    from obsv.hotpath.span import Span


def show(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "obsv", "show", *arguments]
    env = {**os.environ, "COLUMNS": "100", "PYTHONIOENCODING": "utf-8", "TZ": "UTC", **environ}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=env, encoding="utf-8")


@pytest.fixture
def stored(tmp_path: Path) -> list[Span]:
    """A trace of two services with an error and a log, and a slow one of one service, in the default place."""
    writer = Writer(str(tmp_path / ".obsv" / "obsv.db"), 16 << 20)
    front, back = Recorder(), Recorder()
    root = front.start("POST /checkout", kind=1, user="ünï")
    call = front.start("POST", root, 2)
    order = back.start("POST /orders", remote(call), 1)
    for _ in range(12):
        back.start("SELECT items", order, 2).end()
    try:
        raise ValueError("no stock")
    except ValueError as error:
        order.fail(error)
    writer.write("logs", [log("stock low", order, 13, "WARNING", sku="A-1")], {"service.name": "orders"})
    order.end()
    call.end()
    root.end()
    slow = front.start("GET /slow")
    slow.end(slow.start_ns + 3_000_000_000)
    writer.write("traces", back.traces(), {"service.name": "orders"})
    writer.write("traces", front.traces(), {"service.name": "front"})
    writer.close()
    return [root, slow]


def test_the_list_has_the_newest_first(stored: list[Span]) -> None:
    done = show()
    assert (done.returncode, done.stderr) == (0, "")
    head, newest, older = done.stdout.splitlines()
    assert head.split() == ["TIME", "TRACE", "TOOK", "SPANS", "SERVICES", "NAME"]
    assert newest.split()[1:] == [stored[1].trace_id[:8], "3", "s", "1", "front", "GET", "/slow"]
    assert older.endswith("15  front, orders  POST /checkout  ✖ ValueError: no stock")


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--errors"], ["POST /checkout"]),
        (["--slow"], ["GET /slow", "POST /checkout"]),
        (["--service", "orders"], ["POST /checkout"]),
        (["--limit", "1"], ["GET /slow"]),
    ],
)
def test_the_list_can_be_narrowed(stored: list[Span], arguments: list[str], names: list[str]) -> None:
    found = json.loads(show(*arguments, "--json").stdout)
    assert [row["name"] for row in found] == names


def test_a_waterfall_by_prefix(stored: list[Span]) -> None:
    done = show(stored[0].trace_id[:10].upper())
    assert (done.returncode, done.stderr) == (0, "")
    text = done.stdout
    assert text.startswith("POST /checkout  ")
    assert "2 services · 1 error" in text
    assert "   └─ POST /orders" in text
    assert "SELECT items ×12 — N+1?" in text
    assert "WARN  stock low  sku=A-1" in text
    assert "✖ ValueError: no stock" in text
    assert "\x1b" not in text


def test_full_shows_everything(stored: list[Span]) -> None:
    text = show(stored[0].trace_id, "--full").stdout
    assert text.count("SELECT items ") == 12
    assert "Traceback (most recent call last):" in text
    assert "user=ünï" in text


def test_json_of_a_trace(stored: list[Span]) -> None:
    done = show(stored[0].trace_id, "--json")
    trace = json.loads(done.stdout)
    assert trace["trace_id"] == stored[0].trace_id
    assert len(trace["spans"]) == 15
    root = trace["spans"][0]
    assert (root["name"], root["parent_id"], root["attributes"]) == ("POST /checkout", None, {"user": "ünï"})
    assert [line["body"] for line in trace["logs"]] == ["stock low"]
    order = next(span for span in trace["spans"] if span["name"] == "POST /orders")
    assert order["events"][0]["attributes"]["exception.type"] == "ValueError"


def test_colours_when_asked_for(stored: list[Span]) -> None:
    assert "\x1b[31m" in show(stored[0].trace_id, FORCE_COLOR="1").stdout


def test_a_terminal_that_knows_only_ascii(stored: list[Span]) -> None:
    done = show(stored[0].trace_id, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert done.stdout.isascii()
    assert "x12 - N+1?" in done.stdout
    listed = show(stored[0].trace_id, "--json", PYTHONIOENCODING="ascii")
    assert json.loads(listed.stdout)["spans"][0]["attributes"] == {"user": "ünï"}


def test_without_a_database() -> None:
    done = show()
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "obsv: no traces yet: .obsv/obsv.db does not exist\n"


def test_an_unknown_trace(stored: list[Span]) -> None:
    for prefix in ("ffffffffffffffffffffffffffffffff", "xyz\x1b[31m"):
        done = show(prefix)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("obsv: no trace begins with '")
        assert "\x1b" not in done.stderr
        assert done.stderr.count("\n") == 1


def test_nothing_like_that(stored: list[Span]) -> None:
    done = show("--service", "nobody")
    assert done.returncode == 1
    assert done.stderr.startswith("obsv: no traces like that: ")


def test_several_traces_with_the_same_beginning(tmp_path: Path, stored: list[Span]) -> None:
    connection = sqlite3.connect(tmp_path / ".obsv" / "obsv.db")
    for span, end in zip(stored, "12", strict=True):
        connection.execute("UPDATE trace SET trace_id = ? WHERE trace_id = ?", ("ab" * 15 + "0" + end, span.trace_id))
    connection.commit()
    connection.close()
    done = show("abab")
    assert (done.returncode, done.stdout) == (1, "")
    head, *candidates = done.stderr.splitlines()
    assert head == "obsv: several traces begin with 'abab':"
    assert [line.split()[1:] for line in candidates] == [["GET", "/slow"], ["POST", "/checkout"]]
    assert show("ab" * 15 + "02").stdout.startswith("GET /slow")


def test_a_corrupt_file_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.db").write_bytes(b"garbage" * 1000)
    done = show("--db", "bad.db")
    assert (done.returncode, done.stdout) == (1, "")
    assert "bad.db is corrupt: file is not a database" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_empty_file_holds_no_traces(tmp_path: Path) -> None:
    (tmp_path / "new.db").touch()
    done = show("--db", "new.db")
    assert done.returncode == 1
    assert done.stderr.startswith("obsv: no traces yet: ")


def test_another_place(tmp_path: Path, stored: list[Span]) -> None:
    os.rename(".obsv", "elsewhere")
    assert "GET /slow" in show("--db", "elsewhere/obsv.db").stdout
    assert "GET /slow" in show(OBSV_LOCAL_PATH="elsewhere/obsv.db").stdout


def test_while_somebody_writes(tmp_path: Path, stored: list[Span]) -> None:
    writer = sqlite3.connect(tmp_path / ".obsv" / "obsv.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("DELETE FROM trace")
    assert "GET /slow" in show().stdout
    writer.execute("ROLLBACK")
    writer.close()


def test_a_folder_without_write_permission_can_be_read(tmp_path: Path, stored: list[Span]) -> None:
    folder = tmp_path / ".obsv"
    folder.chmod(0o555)
    assert "GET /slow" in show().stdout
    folder.chmod(0o755)


def test_wrong_usage() -> None:
    done = show("--limit", "0")
    assert done.returncode == 2
    assert "must be at least 1" in done.stderr


def test_any_number_is_a_limit(stored: list[Span]) -> None:
    assert "GET /slow" in show("--limit", "9" * 30).stdout
    for number in ("many", "9" * 5000):
        done = show("--limit", number)
        assert (done.returncode, "must be a number" in done.stderr) == (2, True)
