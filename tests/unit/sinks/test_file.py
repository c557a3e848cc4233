"""The sink `file`: whole lines, rotation, a full disk."""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from obsv.hotpath.records import LogRecord
from obsv.settings import resolve
from obsv.sinks.base import Batch, Retry, Sent, SinkError
from obsv.sinks.file import FileSink

if TYPE_CHECKING:
    from pathlib import Path


def sink(path: Path, **config: Any) -> FileSink:
    made = FileSink(resolve({"service": "shop", "config": {"log_file": str(path), **config}}, raise_strict=False))
    made.open({"service.name": "shop"})
    return made


def batch(*bodies: str) -> Batch:
    return Batch("logs", [LogRecord(1, 9, "INFO", body, "test", None) for body in bodies], {})


def messages(path: Path) -> list[str]:
    return [json.loads(line)["message"] for line in path.read_text().splitlines()]


def test_batches_are_appended(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "shop.log"
    for made in (sink(path), sink(path)):
        assert isinstance(made.send(batch("a", "b")), Sent)
        made.close()
    assert messages(path) == ["a", "b", "a", "b"]


def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "shop.log"
    made = sink(path)
    made.send(batch("a"))
    path.rename(tmp_path / "old")
    made.send(batch("b"))
    made.close()
    assert (messages(tmp_path / "old"), messages(path)) == (["a"], ["b"])


def test_a_file_that_has_grown_gets_a_number(tmp_path: Path) -> None:
    path = tmp_path / "shop.log"
    made = sink(path, log_file_max_bytes=1, log_file_backups=2)
    for body in "abcd":
        made.send(batch(body))
    made.close()
    found = {each.name: messages(each) for each in tmp_path.iterdir()}
    assert found == {"shop.log": ["d"], "shop.log.1": ["c"], "shop.log.2": ["b"]}


def test_without_backups_it_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "shop.log"
    made = sink(path, log_file_max_bytes=1, log_file_backups=0)
    for body in "ab":
        made.send(batch(body))
    made.close()
    assert os.listdir(tmp_path) == ["shop.log"]
    assert messages(path) == ["b"]


def test_a_full_disk_is_tried_again_and_no_line_is_torn_or_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "shop.log"
    made = sink(path)
    real, room = os.write, 150

    def write(fd: int, data: bytes) -> int:
        nonlocal room
        if room <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = real(fd, data[:room])
        room -= taken
        return taken

    monkeypatch.setattr("obsv.sinks.file.os.write", write)
    sent = batch("a", "b", "c")
    answer = made.send(sent)
    assert isinstance(answer, Retry)
    assert answer.reason.endswith("no space left on device")
    room = 1_000_000
    assert isinstance(made.send(sent), Sent)
    made.close()
    assert messages(path) == ["a", "b", "c"]


def test_a_directory_that_cannot_be_written_is_tried_again_and_probed(tmp_path: Path) -> None:
    path = tmp_path / "file" / "shop.log"
    (tmp_path / "file").write_text("")
    assert isinstance(sink(path).send(batch("a")), Retry)
    if os.getuid() != 0:
        with pytest.raises(SinkError):
            sink(tmp_path / "x").probe()
    assert sink(tmp_path / "shop.log").probe().endswith("can be written")
