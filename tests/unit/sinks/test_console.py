"""The console sink: a tree a local trace, logs in place, and no harm from a broken stderr."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from obsv.settings import resolve
from obsv.sinks import console
from obsv.sinks.base import Batch, Refused, Sent
from obsv.sinks.console import ConsoleSink
from telemetry import Recorder, log, remote

if TYPE_CHECKING:
    from typing import Any

    from obsv.hotpath.span import Span

RESOURCE = {"service.name": "shop"}


@pytest.fixture
def sink() -> ConsoleSink:
    made = ConsoleSink(resolve({}, {}))
    made.open(RESOURCE)
    return made


class Printed:
    """What has come to stderr so far."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._text = ""

    @property
    def text(self) -> str:
        self._text += self._capsys.readouterr().err
        return self._text


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Printed:
    monkeypatch.setenv("COLUMNS", "80")
    return Printed(capsys)


def batch(signal: str, items: list[Any]) -> Batch:
    return Batch(signal, items, RESOURCE)


def traced() -> tuple[Recorder, Span, Span]:
    recorder = Recorder()
    root = recorder.start("GET /", kind=1)
    return recorder, root, recorder.start("query", root)


def test_a_trace_is_printed_as_a_tree(sink: ConsoleSink, stderr: Printed) -> None:
    recorder, root, child = traced()
    child.end()
    root.end()
    assert isinstance(sink.send(batch("traces", recorder.traces())), Sent)
    sink.idle()
    head, first, second = stderr.text.splitlines()
    assert head.endswith(f"shop · trace {root.trace_id[:8]}")
    assert first.startswith("GET / ")
    assert second.startswith("└─ query ")


@pytest.mark.parametrize("logs_first", [True, False])
def test_logs_stand_in_their_trace(sink: ConsoleSink, stderr: Printed, logs_first: bool) -> None:
    recorder, root, child = traced()
    logs = batch("logs", [log("inside", child), log("of the root", root)])
    child.end()
    root.end()
    traces = batch("traces", recorder.traces())
    for one in (logs, traces) if logs_first else (traces, logs):
        sink.send(one)
    sink.idle()
    lines = stderr.text.splitlines()
    assert len(lines) == 5
    assert any("      INFO  inside" in line for line in lines)
    sink.close()
    assert stderr.text.splitlines() == lines


def test_logs_outside_of_a_trace_are_printed_at_once(sink: ConsoleSink, stderr: Printed) -> None:
    sink.send(batch("logs", [log("started", port=80)]))
    assert stderr.text.endswith("INFO  started  port=80\n")


def test_logs_of_a_trace_that_is_not_sampled_do_not_wait(sink: ConsoleSink, stderr: Printed) -> None:
    _, root, _ = traced()
    record = log("unsampled", root)
    record.flags = 0
    sink.send(batch("logs", [record]))
    assert stderr.text.endswith(f"unsampled  trace={root.trace_id[:8]}\n")


def test_a_log_waits_for_its_trace_and_not_for_ever(
    sink: ConsoleSink, stderr: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(console, "monotonic", lambda: now)
    _, root, _ = traced()
    sink.send(batch("logs", [log("long running", root)]))
    now += 1.0
    sink.idle()
    assert stderr.text == ""
    now += 1.5
    sink.idle()
    assert stderr.text.endswith(f"long running  trace={root.trace_id[:8]}\n")
    sink.close()
    assert stderr.text.count("long running") == 1


def test_waiting_logs_are_bounded(sink: ConsoleSink, stderr: Printed) -> None:
    _, root, _ = traced()
    sink.send(batch("logs", [log(f"number {i}.", root) for i in range(console.MAX_WAITING + 3)]))
    assert stderr.text.count("number") == 3
    assert "number 0." in stderr.text
    sink.close()
    assert stderr.text.count("number") == console.MAX_WAITING + 3


def test_two_local_traces_of_one_trace_keep_their_own_logs(sink: ConsoleSink, stderr: Printed) -> None:
    recorder, root, _ = traced()
    other = Recorder()
    inner = other.start("GET /inner", remote(root), 1)
    sink.send(batch("logs", [log("in the outer", root), log("in the inner", inner)]))
    inner.end()
    sink.send(batch("traces", other.traces()))
    sink.idle()
    assert "in the inner" in stderr.text
    assert "in the outer" not in stderr.text
    root.end()
    sink.send(batch("traces", recorder.traces()))
    sink.close()
    assert stderr.text.count("in the outer") == 1


def test_errors_are_red_on_a_terminal(sink: ConsoleSink, stderr: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    recorder, root, child = traced()
    try:
        raise ValueError("no stock")
    except ValueError as error:
        child.fail(error)
    child.end()
    root.end()
    sink.send(batch("traces", recorder.traces()))
    sink.close()
    assert "\x1b[31m✖ ValueError: no stock\x1b[0m" in stderr.text


class Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(5, "Input/output error")


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [None, closed(), Broken()], ids=["none", "closed", "broken"])
def test_a_broken_stderr_loses_what_is_printed_and_nothing_else(
    sink: ConsoleSink, monkeypatch: pytest.MonkeyPatch, stream: Any
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    recorder = Recorder()
    assert isinstance(sink.send(batch("logs", [log("hello")])), Refused)
    sink.send(batch("traces", [recorder.trace()]))
    sink.idle()
    sink.close()


def test_all_that_a_failed_write_held_is_counted(sink: ConsoleSink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Broken())
    recorder, root, child = traced()
    logs = [log("inside", child), log("of the root", root), log("loose")]
    result = sink.send(batch("logs", logs))
    assert isinstance(result, Sent)
    assert (result.rejected, result.reason) == (1, "stderr: terminal gone")  # the others wait for their trace
    assert sink.lost == {}
    child.end()
    root.end()
    assert isinstance(sink.send(batch("traces", [*recorder.traces(), Recorder().trace()])), Sent)
    sink.idle()
    assert sink.lost == {"stderr: terminal gone": 4}  # two traces and two logs
    sink.idle()
    assert sink.lost == {"stderr: terminal gone": 4}


def test_what_a_batch_loses_of_earlier_ones_is_not_counted_as_its_own(
    sink: ConsoleSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", Broken())
    assert isinstance(sink.send(batch("traces", [Recorder().trace()])), Sent)
    assert isinstance(sink.send(batch("traces", [Recorder().trace(), Recorder().trace()])), Sent)
    assert sink.lost == {"stderr: terminal gone": 1}
    assert isinstance(sink.send(batch("logs", [log("loose")])), Refused)
    assert sink.lost == {"stderr: terminal gone": 3}


@pytest.mark.parametrize("over", ["idle", "close"])
def test_logs_that_waited_in_vain_are_counted_one_by_one(
    sink: ConsoleSink, monkeypatch: pytest.MonkeyPatch, over: str
) -> None:
    monkeypatch.setattr(console, "PATIENCE", 0.0)
    _, root, _ = traced()
    sink.send(batch("logs", [log(f"number {i}", root) for i in range(console.MAX_WAITING)]))
    monkeypatch.setattr(sys, "stderr", None)
    sink.send(batch("logs", [log("one more", root)]))
    assert sink.lost == {"stderr: closed": 1}
    getattr(sink, over)()
    assert sink.lost == {"stderr: closed": console.MAX_WAITING + 1}


def test_a_pipe_that_nobody_reads_any_more(tmp_path: Any) -> None:
    script = tmp_path / "program.py"
    script.write_text(
        "import sys\n"
        f"sys.path.insert(0, {os.path.dirname(os.path.dirname(os.path.dirname(__file__)))!r})\n"
        "from telemetry import log\n"
        "from obsv.settings import resolve\n"
        "from obsv.sinks.base import Batch\n"
        "from obsv.sinks.console import ConsoleSink\n"
        "sink = ConsoleSink(resolve({}, {}))\n"
        "sink.open({})\n"
        "print(sink.send(Batch('logs', [log('hello')], {})))\n"
        "sink.close()\n"
    )
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, script], stdout=subprocess.PIPE, stderr=writing, text=True, timeout=60)
    os.close(writing)
    assert done.stdout.startswith("Refused('stderr: ")
    assert done.returncode == 0


def test_an_ascii_stderr_gets_ascii(sink: ConsoleSink, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(buffer, "ascii", write_through=True))
    recorder, root, child = traced()
    child.end()
    root.update_name("käse")
    root.end()
    sink.send(batch("traces", recorder.traces()))
    sink.idle()
    assert buffer.getvalue().isascii()
    assert b"`- query" in buffer.getvalue()


def test_loading_it_is_cheap() -> None:
    code = (
        "import sys, obsv.sinks.base, obsv.hotpath.span; before = set(sys.modules);"
        "import obsv.sinks.console, obsv.sinks.local;"
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    loaded = done.stdout
    for heavy in ("sqlite3", "'json'", "render", "store", "dataclasses", "inspect", "'re'"):
        assert heavy not in loaded
