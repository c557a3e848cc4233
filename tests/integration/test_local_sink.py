"""The local sink on a real disk: several processes at once, and everything that can be wrong with the file."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from obsv.settings import resolve
from obsv.sinks.base import Batch, Refused, Retry, Sent, SinkError
from obsv.sinks.local import LocalSink
from obsv.store.reader import Reader
from telemetry import Counter, Recorder, log, points

if TYPE_CHECKING:
    from typing import Any

TESTS = str(Path(__file__).parent.parent)
RESOURCE = {"service.name": "shop"}
MIB = 1 << 20

# A program with a sink of its own: python -c PROGRAM path bytes service batches
PROGRAM = f"""
import sys, time
sys.path.insert(0, {TESTS!r})
from telemetry import Recorder, log
from obsv.settings import resolve
from obsv.sinks.base import Batch, Retry
from obsv.sinks.local import LocalSink
path, size, service, batches = sys.argv[1:]
sink = LocalSink(resolve({{}}, {{"OBSV_LOCAL_PATH": path, "OBSV_LOCAL_MAX_BYTES": size}}))
resource = {{"service.name": service}}
sink.open(resource)
recorder = Recorder()
for i in range(int(batches)):
    spans = [recorder.trace(f"{{service}} {{i}}", 9, url="x" * 200) for _ in range(5)]
    for signal, items in (("traces", spans), ("logs", [log(f"log {{i}}", one[-1]) for one in spans])):
        for _ in range(200):  # with a pause, as a lane does: some locks are refused at once
            result = sink.send(Batch(signal, items, resource))
            if not isinstance(result, Retry) or not any(word in result.reason for word in ("locked", "size limit")):
                break
            time.sleep(0.05)
        print(result)
        if not str(result).startswith("Sent"):
            sys.exit(sink.close())
sink.close()
"""


def sink_at(path: Path, size: int = 16 * MIB) -> LocalSink:
    made = LocalSink(resolve({}, {"OBSV_LOCAL_PATH": str(path), "OBSV_LOCAL_MAX_BYTES": str(size)}))
    made.open(RESOURCE)
    return made


def traces(name: str = "GET /") -> Batch:
    return Batch("traces", [Recorder().trace(name, 2)], RESOURCE)


def start(path: Path, size: int, service: str, batches: int, **more: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, str(path), str(size), service, str(batches)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


def size_of(path: Path) -> int:
    total = 0
    for name in (path.name, path.name + "-wal"):
        try:
            total += path.with_name(name).stat().st_size
        except FileNotFoundError:  # the last writer takes the log away
            pass
    return total


def test_all_signals_reach_the_file(tmp_path: Path) -> None:
    path = tmp_path / ".obsv" / "obsv.db"
    sink = sink_at(path)
    assert sink.probe() == f"{path}: nothing stored yet"
    assert not path.parent.exists()
    assert isinstance(sink.send(traces()), Sent)
    assert isinstance(sink.send(Batch("logs", [log("hello")], RESOURCE)), Sent)
    metrics = points(lambda make: make(Counter, "orders").add(2))
    assert isinstance(sink.send(Batch("metrics", metrics, RESOURCE)), Sent)
    assert sink.probe() == f"{path}: 1 trace, 0.1 MiB"
    sink.close()
    assert sorted(os.listdir(path.parent)) == [".gitignore", "obsv.db"]
    with Reader(str(path)) as reader:
        assert (len(reader.traces()), len(reader.logs()), reader.series()[0].sum) == (1, 1, 2)


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / ".obsv" / "obsv.db"
    services = ["front", "orders", "worker", "mail"]
    programs = [start(path, 64 * MIB, service, 30) for service in services]
    for program in programs:
        out, err = program.communicate(timeout=100)
        assert err == ""
        assert program.returncode == 0
        assert set(out.splitlines()) == {"Sent(rejected=0, reason=None)"}
    with Reader(str(path)) as reader:
        found = reader.traces(limit=10_000)
        assert len(found) == 4 * 30 * 5
        assert {summary.services for summary in found} == {(service,) for service in services}
        assert all((summary.spans, summary.logs) == (10, 1) for summary in found)
        assert len(reader.logs(limit=10_000)) == 4 * 30 * 5
        assert len(reader.traces(limit=10_000, service="mail")) == 150
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_the_bound_holds_for_all_processes_together(tmp_path: Path) -> None:
    path = tmp_path / "obsv.db"
    programs = [start(path, 2 * MIB, f"service {i}", 60) for i in range(3)]
    largest = 0
    while any(program.poll() is None for program in programs):
        largest = max(largest, size_of(path))
        try:
            programs[0].wait(0.02)
        except subprocess.TimeoutExpired:
            pass
    for program in programs:
        out, err = program.communicate(timeout=100)
        assert err == ""
        assert "Refused" not in out
    assert size_of(path) <= 2 * MIB
    # The log may be longer for a moment, by what the three wrote before one of them could shorten it.
    assert largest <= 3 * MIB
    with Reader(str(path)) as reader:
        assert len(reader.traces(limit=10_000)) > 50


def test_processes_that_meet_a_corrupt_file_agree_on_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "obsv.db"
    path.write_bytes(b"garbage" * 2000)
    programs = [start(path, 16 * MIB, f"service {i}", 5) for i in range(3)]
    for program in programs:
        out, err = program.communicate(timeout=100)
        assert err == ""
        assert "Refused" not in out
    assert len(list(tmp_path.glob("obsv.db.corrupt-*"))) == 1
    with Reader(str(path)) as reader:
        assert len(reader.traces(limit=1000)) == 3 * 5 * 5


def test_reading_goes_on_while_others_write(tmp_path: Path) -> None:
    path = tmp_path / "obsv.db"
    program = start(path, 16 * MIB, "shop", 60)
    while program.poll() is None and not path.exists():
        pass
    most = 0
    while program.poll() is None:
        try:
            with Reader(str(path)) as reader:
                for summary in reader.traces(limit=5):
                    trace = reader.trace(summary.trace_id)
                    assert trace is not None
                    assert len(trace.spans) == 10
                most = max(most, len(reader.traces(limit=1000)))
        except Exception as error:
            assert "no traces yet" in str(error), error  # noqa: PT017 - in the first moment the file is empty
    _, err = program.communicate()
    assert err == ""
    assert most > 0


def test_a_locked_file_means_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("obsv.store.writer.BUSY_SECONDS", 0.05)
    path = tmp_path / "obsv.db"
    sink = sink_at(path)
    sink.send(traces())
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    result = sink.send(traces())
    assert isinstance(result, Retry)
    assert result.reason == f"{path} is locked by another process"
    other.close()
    assert isinstance(sink.send(traces()), Sent)
    sink.close()


def test_a_corrupt_page_is_noticed_and_the_file_replaced(tmp_path: Path) -> None:
    path = tmp_path / "obsv.db"
    sink = sink_at(path)
    for i in range(20):
        sink.send(traces(f"GET /{i}"))
    sink.close()
    data = bytearray(path.read_bytes())
    data[4096 : 4096 * 18] = b"\xa5" * (4096 * 17)
    path.write_bytes(data)
    again = sink_at(path)
    assert isinstance(again.send(traces("after")), Sent)
    again.close()
    assert len(list(tmp_path.glob("obsv.db.corrupt-*"))) == 1
    with Reader(str(path)) as reader:
        assert [summary.name for summary in reader.traces()] == ["after"]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    before = ""
    if os.geteuid() == 0:
        # Root may write everywhere, so it becomes nobody; who then cannot load modules from root's home.
        before = "import os, sqlite3, obsv.store.writer, traceback; os.setgid(65534); os.setuid(65534)\n"
    folder = tmp_path / "locked"
    folder.mkdir()
    for above in (tmp_path, *list(tmp_path.parents)[:2]):
        above.chmod(above.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
    folder.chmod(0o555)
    program = PROGRAM.replace("path, size", before + "path, size", 1)
    for path in (folder / "obsv.db", folder / "deeper" / "obsv.db"):
        done = subprocess.run(
            [sys.executable, "-c", program, path, str(MIB), "shop", "1"], capture_output=True, text=True, timeout=60
        )
        assert done.stderr == ""
        assert done.stdout.startswith("Refused('cannot "), done.stdout
        assert "read-only" in done.stdout or "permission denied" in done.stdout
    folder.chmod(0o755)


def test_a_full_disk_means_again(tmp_path: Path) -> None:
    """RLIMIT_FSIZE makes writes fail as a full disk does, after so many bytes."""
    resource = pytest.importorskip("resource")
    path = tmp_path / "obsv.db"
    limit = 400_000
    program = start(
        path, 64 * MIB, "shop", 150, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    )
    out, err = program.communicate(timeout=100)
    assert err == ""
    assert program.returncode == 0
    lines = out.splitlines()
    assert lines[0] == "Sent(rejected=0, reason=None)"
    assert lines[-1].startswith("Retry(")
    assert "disk full" in lines[-1] or "cannot read or write" in lines[-1]
    # With room again, what was stored is there and the file goes on.
    sink = sink_at(path)
    assert isinstance(sink.send(traces("after")), Sent)
    sink.close()
    with Reader(str(path)) as reader:
        names = {summary.name for summary in reader.traces(limit=1000)}
    assert {"shop 0", "after"} <= names


def test_a_full_file_system_means_again(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    try:
        program = start(folder / "obsv.db", 64 * MIB, "shop", 40)
        out, err = program.communicate(timeout=100)
        assert err == ""
        assert "Retry('disk full: " in out.splitlines()[-1]
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_what_cannot_be_stored_is_said_by_the_probe(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="no folder"):
        sink_at(tmp_path / "file" / "obsv.db").probe()
    other = sqlite3.connect(tmp_path / "cats.db")
    other.execute("CREATE TABLE cats (name)")
    other.close()
    sink = sink_at(tmp_path / "cats.db")
    with pytest.raises(SinkError, match="another program"):
        sink.probe()
    result = sink.send(traces())
    assert isinstance(result, Refused)
    assert "another program" in result.reason


def test_the_path_is_that_of_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = LocalSink(resolve({}, {}))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    sink.send(traces())
    sink.close()
    assert (tmp_path / ".obsv" / "obsv.db").exists()
