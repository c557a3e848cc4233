"""The bound on the store's size."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from obsv.store import prune
from obsv.store.failure import StoreError
from obsv.store.reader import Reader
from obsv.store.writer import Writer
from telemetry import Counter, Recorder, log, points

if TYPE_CHECKING:
    from pathlib import Path

SHOP = {"service.name": "shop"}
KIB, MIB = 1 << 10, 1 << 20


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "obsv.db")


def total(path: str) -> int:
    return sum(os.path.getsize(path + end) for end in ("", "-wal") if os.path.exists(path + end))


def fill(writer: Writer, recorder: Recorder, batches: int, first: int = 0) -> int:
    """Write batches of about 30 KiB; returns the largest size that the files ever had."""
    largest = 0
    for i in range(first, first + batches):
        traces = [recorder.trace(f"GET /{i}", 9, url="x" * 200) for _ in range(10)]
        writer.write("traces", traces, SHOP)
        writer.write("logs", [log(f"in {i}", spans[0]) for spans in traces] + [log(f"loose {i}")], SHOP)
        writer.write(
            "metrics", points(lambda make, i=i: make(Counter, "c").add(1, n=i), 1_780_000_000_000_000_000 + i), SHOP
        )
        largest = max(largest, total(writer.path))
    return largest


def test_the_files_stay_within_the_bound_and_the_newest_stay(path: str) -> None:
    writer = Writer(path, 2 * MIB)
    largest = fill(writer, Recorder(), 200)
    assert largest <= 2 * MIB
    with Reader(path) as reader:
        names = [summary.name for summary in reader.traces(limit=10_000)]
        bodies = [row.body for row in reader.logs(limit=10_000)]
        metrics = [one.attributes["n"] for one in reader.series("c")]
    writer.close()
    assert names[0] == "GET /199"
    assert "GET /0" not in names
    assert len(names) > 100
    assert "loose 199" in bodies
    assert "loose 0" not in bodies
    assert "in 0" not in bodies
    assert 199 in metrics
    assert total(path) <= 2 * MIB


def test_nothing_is_left_of_a_pruned_trace(path: str) -> None:
    writer = Writer(path, MIB)
    fill(writer, Recorder(), 100)
    writer.close()
    connection = sqlite3.connect(path)
    for table in ("span", "log", "seen"):
        lost = connection.execute(
            f"SELECT count(*) FROM {table} WHERE trace IS NOT NULL AND trace NOT IN (SELECT id FROM trace)"
        ).fetchone()
        assert lost == (0,), table
    assert connection.execute("SELECT count(*) FROM series WHERE id NOT IN (SELECT series FROM point)").fetchone() == (
        0,
    )
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_a_smaller_bound_shrinks_the_file(path: str) -> None:
    recorder = Recorder()
    writer = Writer(path, 8 * MIB)
    fill(writer, recorder, 150)
    writer.close()
    assert os.path.getsize(path) > 2 * MIB
    writer = Writer(path, MIB)
    fill(writer, recorder, 3, first=150)
    writer.close()
    assert total(path) <= MIB
    with Reader(path) as reader:
        assert reader.traces(limit=1)[0].name == "GET /152"


def test_logs_and_points_without_any_trace_are_pruned_too(path: str) -> None:
    writer = Writer(path, MIB)
    for i in range(300):
        writer.write("logs", [log(f"{i} " + "x" * 500) for _ in range(20)], SHOP)
        assert total(path) <= MIB
    with Reader(path) as reader:
        rows = reader.logs(limit=100_000)
    writer.close()
    assert 200 < len(rows) < 3000
    assert rows[-1].body.startswith("299 ")


def test_a_batch_larger_than_the_bound_is_refused_and_the_store_goes_on(path: str) -> None:
    writer = Writer(path, MIB)
    recorder = Recorder()
    with pytest.raises(StoreError, match="full"):
        writer.write("logs", [log("x" * 5000) for _ in range(1000)], SHOP)
    assert writer.write("traces", [recorder.trace("after")], SHOP) == 0
    with Reader(path) as reader:
        assert reader.traces()[0].name == "after"
    writer.close()
    assert total(path) <= MIB


def test_a_reader_that_never_ends_does_not_let_the_log_grow(path: str) -> None:
    writer = Writer(path, MIB)
    fill(writer, Recorder(), 2)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM span").fetchone()
    with pytest.raises(StoreError, match="a reader keeps it open") as caught:
        fill(writer, Recorder(), 400)
    assert caught.value.retry
    assert total(path) <= 2 * MIB
    other.execute("ROLLBACK")
    other.close()
    fill(writer, Recorder(), 1)
    assert total(path) <= MIB
    writer.close()


def test_a_tiny_bound_is_taken_as_the_smallest() -> None:
    assert prune.Bound(1).total == prune.MIN_BYTES
    assert prune.Bound(100 * MIB).wal == 8 * MIB


def test_unused_processes_are_forgotten(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder()
    writer = Writer(path, MIB)
    for i in range(150):
        monkeypatch.setattr(writer, "_identity", (os.getpid(), i))
        writer.write("traces", [recorder.trace(children=9, url="x" * 3000)], SHOP | {"n": "y" * 2000})
    connection: Any = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM process").fetchone()[0] < 150
    used = {row[0] for row in connection.execute("SELECT process FROM seen")}
    assert used <= {row[0] for row in connection.execute("SELECT id FROM process")}
    connection.close()
    writer.close()
