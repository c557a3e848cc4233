"""Writing and reading back: everything a record holds, whatever it holds; repairs; forks."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.store.failure import StoreError
from obsv.store.reader import Reader
from obsv.store.writer import Writer
from telemetry import Counter, Gauge, Histogram, Recorder, log, points, remote

if TYPE_CHECKING:
    from obsv.hotpath.span import Span

SHOP = {"service.name": "shop", "host.name": "laptop"}
MIB = 1 << 20


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / ".obsv" / "obsv.db")


@pytest.fixture
def writer(path: str) -> Any:
    made = Writer(path, 16 * MIB)
    yield made
    made.close()


def test_nothing_is_created_before_the_first_batch(path: str) -> None:
    made = Writer(path, MIB)
    assert made.probe() == "nothing stored yet"
    made.close()
    assert not os.path.exists(os.path.dirname(path))


def test_a_new_folder_is_ignored_by_git(writer: Writer, path: str) -> None:
    writer.write("traces", [Recorder().trace()], SHOP)
    assert Path(path).with_name(".gitignore").read_text() == "*\n"
    assert writer.probe() == "1 trace, 0.1 MiB"


def test_a_folder_that_was_there_is_left_as_it_is(tmp_path: Path) -> None:
    made = Writer(str(tmp_path / "obsv.db"), MIB)
    made.write("traces", [Recorder().trace()], SHOP)
    made.close()
    assert os.listdir(tmp_path) == ["obsv.db"]


def test_a_span_comes_back_with_everything(writer: Writer, path: str) -> None:
    recorder = Recorder()
    other = recorder.start("other")
    root = recorder.start("GET /orders/{id}", remote(other), 1, text="käse 画像", flag=True, number=7, part=0.5)
    root.set_attribute("list", ["a", "b"])
    root.event("cache miss", key="k")
    root.add_link(other.get_span_context(), {"why": "batch"})
    root.set_status(2, "broken")
    root.end()
    writer.write("traces", recorder.traces(), SHOP)
    with Reader(path) as reader:
        trace = reader.trace(root.trace_id)
    assert trace is not None
    [row] = trace.spans
    assert (row.trace_id, row.span_id, row.parent_id, row.parent_remote) == (
        root.trace_id, root.span_id, other.span_id, True,
    )  # fmt: skip
    assert (row.name, row.kind, row.service, row.pid) == ("GET /orders/{id}", 1, "shop", os.getpid())
    assert (row.start_ns, row.end_ns, row.status, row.status_message) == (root.start_ns, root.end_ns, 2, "broken")
    assert row.attributes == {"text": "käse 画像", "flag": True, "number": 7, "part": 0.5, "list": ["a", "b"]}
    assert [(event.name, event.attributes) for event in row.events] == [("cache miss", {"key": "k"})]
    assert row.links == [{"trace_id": other.trace_id, "span_id": other.span_id, "attributes": {"why": "batch"}}]
    assert (row.scope, row.flags) == ("test", root.flags)


def test_an_exception_comes_back_with_its_stack(writer: Writer, path: str) -> None:
    recorder = Recorder()
    span = recorder.start("reserve")
    try:
        raise ValueError("no stock")
    except ValueError as error:
        span.fail(error)
    span.end()
    writer.write("traces", recorder.traces(), SHOP)
    with Reader(path) as reader:
        trace = reader.trace(span.trace_id)
        [summary] = reader.traces()
    assert trace is not None
    attributes = trace.spans[0].events[0].attributes
    assert attributes["exception.type"] == "ValueError"
    assert "test_writer.py" in attributes["exception.stacktrace"]
    assert summary.error == "ValueError: no stock"


def test_one_trace_of_several_services_is_one_summary(writer: Writer, path: str) -> None:
    front, back = Recorder(), Recorder()
    root = front.start("GET /", kind=1)
    call = front.start("GET", root, 2)
    server = back.start("GET /stock", remote(call), 1)
    server.set_status(2)
    server.end()
    writer.write("traces", back.traces(), {"service.name": "stock"})
    with Reader(path) as reader:
        [early] = reader.traces()
    assert (early.name, early.service, early.complete, early.services) == ("GET /stock", "stock", False, ("stock",))
    call.end()
    root.end()
    writer.write("traces", front.traces(), SHOP)
    with Reader(path) as reader:
        [summary] = reader.traces()
    assert (summary.name, summary.service, summary.complete) == ("GET /", "shop", True)
    assert (summary.services, summary.spans, summary.errors) == (("shop", "stock"), 3, 1)
    assert summary.duration_ns == root.end_ns - root.start_ns
    assert summary.total_ns >= summary.duration_ns


def test_logs_find_their_trace_whichever_comes_first(writer: Writer, path: str) -> None:
    recorder = Recorder()
    root = recorder.start("GET /")
    writer.write("logs", [log("early", root), log("nowhere", severity=13, level="WARNING", n=1)], SHOP)
    with Reader(path) as reader:
        assert reader.traces() == []
        assert [found.trace_id for found in reader.find(root.trace_id)] == [root.trace_id]
    root.end()
    writer.write("traces", recorder.traces(), SHOP)
    writer.write("logs", [log("late", root)], SHOP)
    with Reader(path) as reader:
        trace = reader.trace(root.trace_id)
        [summary] = reader.traces()
        alone = reader.logs(in_traces=False)
        everything = reader.logs()
    assert trace is not None
    assert [(row.body, row.span_id) for row in trace.logs] == [("early", root.span_id), ("late", root.span_id)]
    assert (summary.spans, summary.logs) == (1, 2)
    assert [(row.body, row.level, row.severity, row.fields) for row in alone] == [("nowhere", "WARNING", 13, {"n": 1})]
    assert [row.body for row in everything] == ["early", "nowhere", "late"]


def test_points_of_one_series_are_summed_up(writer: Writer, path: str) -> None:
    def work(make: Any) -> None:
        make(Counter, "orders", "Count").add(2, shop="north")
        make(Gauge, "depth", "None").set(-3.5)
        histogram = make(Histogram, "took", "Milliseconds")
        for value in (1, 2, 4, 0, -8):
            histogram.record(value, b=1, a="x")

    for now in (1_000, 2_000):
        writer.write("metrics", points(work, now), SHOP)
    with Reader(path) as reader:
        depth, orders, took = reader.series()
        assert [one.name for one in reader.series("took")] == ["took"]
    assert (depth.kind, depth.last, depth.count) == ("gauge", -3.5, 2)
    assert (orders.kind, orders.sum, orders.attributes, orders.unit) == ("counter", 4, {"shop": "north"}, "Count")
    assert (took.count, took.sum, took.min, took.max, took.zero) == (10, -2, -8, 4, 2)
    assert took.attributes == {"a": "x", "b": 1}
    assert took.percentile(1.0) == 4
    assert took.percentile(0.0) == -8
    assert took.service == "shop"


class Nasty:
    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


def test_odd_fields_are_stored_as_well_as_they_can_be(writer: Writer, path: str) -> None:
    record = log("half \ud800 pair \x00", severity=2**70, nasty=Nasty(), nan=float("nan"), bytes=b"\xff", key={1: {2}})
    assert writer.write("logs", [record], SHOP) == 0
    with Reader(path) as reader:
        [row] = reader.logs()
    assert row.body == "half ? pair \x00"
    assert row.severity == 2**63 - 1
    assert row.fields["nan"] is None
    assert row.fields["key"] == {"1": [2]}


def test_a_record_that_is_none_loses_only_itself(writer: Writer, path: str) -> None:
    good = log("good")
    bad = log("bad")
    bad.time_ns = "yesterday"  # type: ignore[assignment]
    assert writer.write("logs", [bad, good], SHOP) == 1
    with Reader(path) as reader:
        assert [row.body for row in reader.logs()] == ["good"]


texts = st.text(st.characters(), max_size=20)
values = st.one_of(texts, st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False))


@pytest.fixture(scope="module")
def one_file(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = Writer(str(tmp_path_factory.mktemp("any") / "obsv.db"), 16 * MIB)
    yield made
    made.close()


@given(name=texts, attributes=st.dictionaries(texts, values, max_size=5), end=st.integers(-(2**80), 2**80))
def test_any_span_comes_back(name: str, attributes: dict[str, Any], end: int, one_file: Writer) -> None:
    recorder = Recorder()
    span = recorder.start(name)
    span.set_attributes(attributes)
    plain = json.dumps([name, dict(span.attributes)], ensure_ascii=False).encode("utf-8", "replace")
    span.end(end)
    assert one_file.write("traces", recorder.traces(), SHOP) == 0
    with Reader(one_file.path) as reader:
        trace = reader.trace(span.trace_id)
    assert trace is not None
    [row] = trace.spans
    assert [row.name, row.attributes] == json.loads(plain)


def test_a_file_that_was_deleted_is_made_again(writer: Writer, path: str) -> None:
    recorder = Recorder()
    writer.write("traces", [recorder.trace("first")], SHOP)
    shutil.rmtree(os.path.dirname(path))
    writer.write("traces", [recorder.trace("second")], SHOP)
    with Reader(path) as reader:
        assert [summary.name for summary in reader.traces()] == ["second"]


@pytest.mark.parametrize(
    "garbage", [b"this is no database, whatever its name says" * 50, b"SQLite format 3\x00" + b"\xee" * 9000]
)
def test_a_corrupt_file_is_moved_aside_once(writer: Writer, path: str, garbage: bytes) -> None:
    folder = Path(path).parent
    folder.mkdir()
    Path(path).write_bytes(garbage)
    (folder / "obsv.db.corrupt-20200101T000000Z").write_bytes(b"an older one")
    recorder = Recorder()
    assert writer.write("traces", [recorder.trace("saved")], SHOP) == 0
    with Reader(path) as reader:
        assert [summary.name for summary in reader.traces()] == ["saved"]
    [aside] = folder.glob("obsv.db.corrupt-*")
    assert aside.read_bytes() == garbage
    # The second time it is not this process that repairs it: something keeps breaking the file.
    writer.close()
    Path(path).write_bytes(garbage)
    with pytest.raises(StoreError, match="corrupt") as caught:
        writer.write("traces", [recorder.trace()], SHOP)
    assert caught.value.corrupt
    assert not caught.value.retry


def test_a_locked_file_is_to_be_tried_again(writer: Writer, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("obsv.store.writer.BUSY_SECONDS", 0.05)
    recorder = Recorder()
    writer.write("traces", [recorder.trace()], SHOP)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked by another process") as caught:
        writer.write("traces", [recorder.trace()], SHOP)
    assert caught.value.retry
    other.execute("ROLLBACK")
    other.close()
    assert writer.write("traces", [recorder.trace()], SHOP) == 0


def test_another_programs_database_is_refused(writer: Writer, path: str) -> None:
    Path(path).parent.mkdir()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE cats (name)")
    other.commit()
    other.close()
    with pytest.raises(StoreError, match="another program") as caught:
        writer.write("traces", [Recorder().trace()], SHOP)
    assert not caught.value.retry
    with pytest.raises(StoreError, match="another program"):
        Reader(path)


def test_a_newer_schema_is_refused(writer: Writer, path: str) -> None:
    writer.write("traces", [Recorder().trace()], SHOP)
    writer.close()
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(StoreError, match="newer obsv"):
        writer.write("traces", [Recorder().trace()], SHOP)
    with pytest.raises(StoreError, match="newer obsv"):
        Reader(path)


def test_a_folder_in_its_place_is_refused(path: str) -> None:
    os.makedirs(path)
    with pytest.raises(StoreError, match="is a directory"):
        Writer(path, MIB).write("traces", [Recorder().trace()], SHOP)


def test_a_file_in_the_folders_place_is_refused(path: str) -> None:
    Path(path).parent.write_text("not a folder")
    made = Writer(path, MIB)
    with pytest.raises(StoreError, match="cannot"):
        made.write("traces", [Recorder().trace()], SHOP)
    with pytest.raises(StoreError, match="no folder"):
        made.probe()


def test_a_forked_child_writes_to_the_same_file(writer: Writer, path: str) -> None:
    recorder = Recorder()
    spans: list[Span] = recorder.trace("parent")
    child_spans = recorder.trace("child")
    writer.write("traces", [spans], SHOP)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            writer.write("traces", [child_spans], SHOP)
            writer.close()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    writer.write("traces", [recorder.trace("parent again")], SHOP)
    with Reader(path) as reader:
        assert {summary.name for summary in reader.traces()} == {"parent", "child", "parent again"}
        pids = {reader.trace(summary.trace_id).spans[0].pid for summary in reader.traces()}  # type: ignore[union-attr]
    assert pids == {os.getpid(), pid}
