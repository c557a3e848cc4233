from __future__ import annotations

import io
import json
import os
import sys
import threading
from typing import Any

import pytest

from obsv.hotpath.records import LogRecord
from obsv.settings import resolve
from obsv.sinks.base import Batch, Refused, Retry, Sent
from obsv.sinks.json import PATIENCE, JsonSink


def sink(service: str = "shop") -> JsonSink:
    return JsonSink(resolve({"service": service}, raise_strict=False))


def record(body: str = "m", **fields: Any) -> LogRecord:
    return LogRecord(1_700_000_000_123_456_789, 9, "INFO", body, "shop", fields)


def batch(*bodies: str) -> Batch:
    return Batch("logs", [record(body) for body in bodies], {})


def test_what_it_takes() -> None:
    made = sink()
    assert (made.name, set(made.signals), set(made.immediate)) == ("json", {"logs"}, {"logs"})


def test_a_record_is_one_line_on_stdout(capfd: pytest.CaptureFixture[str]) -> None:
    made = sink()
    made.write(record("first", a=1))
    made.write(record("second"))
    out, err = capfd.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    assert [(line["message"], line["service"]) for line in lines] == [("first", "shop"), ("second", "shop")]
    assert out.endswith("}\n")
    assert err == ""
    assert (made.sent, made.lost) == (2, {})


def test_the_resource_names_the_service(capsys: pytest.CaptureFixture[str]) -> None:
    made = sink("before")
    made.open({"service.name": "after"})
    made.write(record())
    made.close()
    assert json.loads(capsys.readouterr().out)["service"] == "after"


def test_stdout_may_be_replaced_at_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made = sink()
    for _ in range(2):
        own = io.StringIO()
        monkeypatch.setattr(sys, "stdout", own)
        made.write(record("m\n"))
        assert own.getvalue().count("\n") == 1


@pytest.mark.parametrize("stream", [None, "closed"])
def test_no_stdout_is_counted_and_not_raised(monkeypatch: pytest.MonkeyPatch, stream: str | None) -> None:
    made = sink()
    if stream == "closed":
        closed = io.StringIO()
        closed.close()
        monkeypatch.setattr(sys, "stdout", closed)
    else:
        monkeypatch.setattr(sys, "stdout", None)
    made.write(record())
    made.write(record())
    assert made.lost == {"stdout: closed": 2}
    assert made.probe() == "stdout is closed: lines are lost"


def test_a_batch(capfd: pytest.CaptureFixture[str]) -> None:
    result = sink().send(batch("a", "b"))
    assert isinstance(result, Sent)
    assert result.rejected == 0
    assert [json.loads(line)["message"] for line in capfd.readouterr().out.splitlines()] == ["a", "b"]


def test_a_batch_without_stdout_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    result = sink().send(batch("a"))
    assert isinstance(result, Refused)
    assert result.reason == "stdout: closed"


class FullPipe:
    """A block in which stdout is a non-blocking pipe that the test fills and empties.

    No fixture: pytest's capture puts its own stdout in place again after the fixtures.
    """

    def __enter__(self) -> FullPipe:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.writer, False)
        os.set_blocking(self.reader, False)
        self.saved = os.dup(1)
        self.stdout = sys.stdout
        sys.stdout = open(1, "w", closefd=False)
        os.dup2(self.writer, 1)
        return self

    def fill(self) -> None:
        for piece in (b"." * 4096, b"."):
            while True:
                try:
                    os.write(self.writer, piece)
                except BlockingIOError:
                    break

    def read(self) -> bytes:
        read = b""
        while True:
            try:
                piece = os.read(self.reader, 1 << 16)
            except BlockingIOError:
                return read
            if not piece:
                return read
            read += piece

    def __exit__(self, *_: object) -> None:
        sys.stdout.close()
        sys.stdout = self.stdout
        os.dup2(self.saved, 1)
        for descriptor in (self.saved, self.reader, self.writer):
            os.close(descriptor)


def test_a_full_pipe_loses_lines_and_recovers() -> None:
    made = sink()
    with FullPipe() as pipe:
        pipe.fill()
        made.write(record("lost"))
        assert made.lost == {"stdout: not accepting data": 1}
        assert made._writer.patience == 0.0  # the next line does not wait
        made.write(record("lost too"))
        assert made.lost == {"stdout: not accepting data": 2}
        pipe.read()
        made.write(record("again"))
        assert made._writer.patience == PATIENCE
        assert json.loads(pipe.read())["message"] == "again"


def test_a_slow_reader_is_waited_for() -> None:
    made = sink()
    made._writer.patience = 30.0
    with FullPipe() as pipe:
        pipe.fill()
        read: list[bytes] = []
        reader = threading.Timer(0.05, lambda: read.append(pipe.read()))
        reader.start()
        made.write(record("late"))
        reader.join()
        assert (made.sent, made.lost) == (1, {})
        assert json.loads((read[0] + pipe.read()).lstrip(b"."))["message"] == "late"


def test_a_batch_continues_where_the_pipe_was_full() -> None:
    made = sink()
    made._writer.patience = 0.0
    with FullPipe() as pipe:
        pipe.fill()
        sent = batch("a", "b", "c")
        first = made.send(sent)
        assert isinstance(first, Retry)
        assert first.reason == "stdout: not accepting data"
        pipe.read()
        assert isinstance(made.send(sent), Sent)
        assert [json.loads(line)["message"] for line in pipe.read().splitlines()] == ["a", "b", "c"]


def test_probe_says_where_lines_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert sink().probe() == "stdout is a file or pipe"
