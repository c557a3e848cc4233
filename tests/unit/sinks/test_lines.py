from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import textwrap
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.sinks.lines import LineWriter

BEGIN = """
import errno, fcntl, json, os, sys, threading
from obsv.sinks.lines import LineWriter
writer = LineWriter()
def tell(*what):
    print(json.dumps([[w.lines, w.reason, w.again] if hasattr(w, "again") else w for w in what]), file=sys.stderr)
"""


def run(code: str, stdout: Any = subprocess.PIPE, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Runs ``code`` in a process of its own, whose stdout is real."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + textwrap.dedent(code)],
        stdout=stdout,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
        **options,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done


def told(done: subprocess.CompletedProcess[bytes]) -> Any:
    return json.loads(done.stderr.splitlines()[-1])


def test_lines_go_to_stdout_as_utf8() -> None:
    done = run("tell(writer.write(['{\"a\":\"é😀\"}', '\\udc80']))", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.stdout == '{"a":"é😀"}\n\\udc80\n'.encode()
    assert told(done) == [[2, None, False]]


def test_lines_of_threads_and_processes_are_never_mixed() -> None:
    code = """
    for _ in range(3):
        if os.fork() == 0:
            break
    def work(number):
        for _ in range(50):
            writer.write([str(number) * 3000] * 2)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for t in threads: t.start()
    for t in threads: t.join()
    try:
        while True: os.wait()
    except ChildProcessError:
        pass
    """
    lines = run(code).stdout.decode().splitlines()
    assert len(lines) == 4 * 4 * 100
    assert all(len(line) == 3000 and len(set(line)) == 1 for line in lines)


@pytest.mark.parametrize("closing", ["sys.stdout.close()", "os.close(1)", "sys.stdout = None"])
def test_a_closed_stdout_is_told_and_not_tried_again(closing: str) -> None:
    assert told(run(f"{closing}\ntell(writer.write(['a']))\nos._exit(0)")) == [[0, "stdout: closed", False]]


def test_a_reader_that_left_is_told() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = run("tell(writer.write(['a']))", stdout=writing)
    os.close(writing)
    assert told(done) == [[0, "stdout: reader gone", False]]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_is_told_and_tried_again() -> None:
    with open("/dev/full", "wb") as full:
        assert told(run("tell(writer.write(['a']))", stdout=full)) == [[0, "stdout: disk full", True]]


def test_a_full_pipe_is_told_and_no_line_is_torn() -> None:
    code = """
    flags = fcntl.fcntl(1, fcntl.F_GETFL)
    fcntl.fcntl(1, fcntl.F_SETFL, flags | os.O_NONBLOCK)
    lines = [str(n % 10) * 50_000 for n in range(20)]
    first = writer.write(lines)
    second = writer.write(lines[first.lines:])
    tell(first, second)
    sys.stdin.read(1)  # the reader begins
    at = first.lines
    while at < len(lines):
        at += writer.write(lines[at:]).lines
    while writer.write(['end']).lines == 0:
        pass
    """
    process = subprocess.Popen(
        [sys.executable, "-c", BEGIN + textwrap.dedent(code)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    first, second = json.loads(process.stderr.readline())
    assert first[1:] == ["stdout: not accepting data", True]
    assert 0 < first[0] < 20
    assert second == [0, "stdout: not accepting data", True]
    out, err = process.communicate(b"x", timeout=60)
    assert process.returncode == 0, err
    assert out.decode().splitlines() == [*[str(n % 10) * 50_000 for n in range(20)], "end"]


def test_a_writer_with_patience_waits_for_a_slow_reader() -> None:
    code = """
    fcntl.fcntl(1, fcntl.F_SETFL, fcntl.fcntl(1, fcntl.F_GETFL) | os.O_NONBLOCK)
    writer = LineWriter(patience=30.0)
    for n in range(40):
        written = writer.write(['x' * 50_000])
        assert written.lines == 1, written
    while writer.write([]).lines or writer.write(['']).lines == 0:
        pass
    """
    program = [sys.executable, "-c", BEGIN + textwrap.dedent(code)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        read = b""
        while piece := os.read(process.stdout.fileno(), 5_000):
            read += piece
            time.sleep(0.001)  # so that a line needs several waits
        assert (process.wait(60), process.stderr.read()) == (0, b"")
    assert read.decode().split() == ["x" * 50_000] * 40


def test_a_child_does_not_finish_its_parents_line() -> None:
    code = """
    fcntl.fcntl(1, fcntl.F_SETFL, fcntl.fcntl(1, fcntl.F_GETFL) | os.O_NONBLOCK)
    from obsv.sinks import lines
    while writer.write(['x' * 50_000]).lines == 1 and not lines._rest:
        pass
    assert lines._rest
    if os.fork() == 0:
        os._exit(len(lines._rest))
    assert os.wait()[1] == 0
    os._exit(0)
    """
    process = subprocess.Popen([sys.executable, "-c", BEGIN + textwrap.dedent(code)], stdout=subprocess.PIPE)
    assert process.wait(60) == 0
    assert process.stdout
    process.stdout.close()


BLOCKED = """
import select, signal
def block(fd, stream):
    "Has a thread hang in the middle of a line on a descriptor that nobody reads."
    threading.Thread(target=LineWriter(lambda: stream).write, args=(['x' * 5_000_000],), daemon=True).start()
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    while poll.poll(0):
        pass
"""


def test_a_stderr_that_nobody_reads_does_not_block_stdout() -> None:
    code = "block(2, sys.stderr)\nwriter.write(['still here'])\nos._exit(0)"
    process = subprocess.Popen(
        [sys.executable, "-c", BEGIN + BLOCKED + code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout
    assert process.stderr
    try:
        assert process.wait(15) == 0
        assert process.stdout.read() == b"still here\n"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_child_waits_for_no_thread_of_its_parent(stream: str) -> None:
    code = f"""
fd = sys.{stream}.fileno()
block(fd, sys.{stream})
if os.fork() == 0:
    signal.alarm(15)
    os.dup2(os.open(os.devnull, os.O_WRONLY), fd)
    os._exit(LineWriter(lambda: sys.{stream}).write(['a', 'b']).lines)
os._exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    # Since 3.12 Python warns of a fork beside threads, on the very stderr that is blocked here.
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", BEGIN + BLOCKED + code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout
    assert process.stderr
    try:
        assert process.wait(30) == 2
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def test_stdout_and_stderr_that_are_one_pipe_are_never_mixed() -> None:
    code = """
    def work(letter, stream):
        mine = LineWriter(lambda: stream)
        for _ in range(20):
            mine.write([letter * 200_000])
    threads = [threading.Thread(target=work, args=each) for each in (("a", sys.stdout), ("b", sys.stderr))]
    for t in threads: t.start()
    for t in threads: t.join()
    """
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=True,
    )
    assert sorted(done.stdout.decode().splitlines()) == ["a" * 200_000] * 20 + ["b" * 200_000] * 20


def test_a_signal_handler_may_log_while_its_thread_writes() -> None:
    code = """
    import signal
    signal.signal(signal.SIGALRM, lambda *_: writer.write(['alarm']))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    for _ in range(3000):
        writer.write(['line'])
    signal.setitimer(signal.ITIMER_REAL, 0)
    """
    lines = run(code).stdout.decode().splitlines()
    assert lines.count("line") == 3000
    assert set(lines) <= {"line", "alarm"}


def test_stdout_is_looked_up_at_each_write(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    writer = LineWriter()
    assert writer.write(["a"]).lines == 1
    replaced = io.StringIO()
    monkeypatch.setattr(sys, "stdout", replaced)
    assert writer.write(["b", "c"]).lines == 2
    monkeypatch.undo()
    assert replaced.getvalue() == "b\nc\n"
    assert capsys.readouterr().out == "a\n"


def test_a_stream_that_was_replaced_is_not_kept_alive() -> None:
    code = """
    import gc, io, weakref
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False)))
    before = weakref.ref(sys.stdout)
    first = [writer.put(b"a\\n"), writer.put(b"b\\n")]
    sys.stdout = replaced = io.StringIO()
    gc.collect()
    gone = before() is None
    second = writer.put(b"c\\n").lines
    sys.stdout = sys.__stdout__
    tell(first, gone, second, replaced.getvalue(), writer.put(b"d\\n"))
    """
    done = run(code)
    assert done.stdout == b"a\nb\nd\n"
    assert told(done) == [[None, None], True, 1, "c\n", None]


def test_a_stream_that_was_closed_since_is_not_written_to() -> None:
    code = """
    import io
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False))
    first = writer.put(b"a\\n")
    sys.stdout.close()
    second = writer.put(b"b\\n")
    sys.stdout = None
    tell(first, second, writer.put(b"c\\n"))
    """
    done = run(code)
    assert done.stdout == b"a\n"
    assert told(done) == [None, [0, "stdout: closed", False], [0, "stdout: closed", False]]


def test_captured_descriptors(capfd: pytest.CaptureFixture[str]) -> None:
    assert LineWriter().write(["a"]).lines == 1
    assert capfd.readouterr().out == "a\n"


def test_a_stream_that_cannot_write_every_character_gets_escapes() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    assert LineWriter(lambda: stream).write(['{"a":"é😀"}']).lines == 1
    assert json.loads(raw.getvalue()) == {"a": "é😀"}


class Broken(io.StringIO):
    def __init__(self, error: BaseException, at_flush: bool) -> None:
        super().__init__()
        self.error, self.at_flush = error, at_flush

    def write(self, text: str) -> int:
        if not self.at_flush:
            raise self.error
        return super().write(text)

    def flush(self) -> None:
        raise self.error


@pytest.mark.parametrize("at_flush", [False, True])
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("I/O operation on closed file."), "stdout: closed"),
        (RuntimeError("odd"), "stdout: error: RuntimeError"),
        (BrokenPipeError(32, "Broken pipe"), "stdout: reader gone"),
        (OSError(28, "No space left"), "stdout: disk full"),
        (OSError("no number"), "stdout: oserror"),
    ],
)
def test_no_error_of_a_stream_is_raised(error: Exception, reason: str, at_flush: bool) -> None:
    stream = Broken(error, at_flush)
    written = LineWriter(lambda: stream).write(["a"])
    assert (written.lines, written.reason, written.again) == (0, reason, False)


def test_a_blocked_stream_keeps_what_it_took() -> None:
    taken = LineWriter(lambda: Broken(BlockingIOError(11, "again"), True)).write(["a"])
    assert (taken.lines, taken.reason) == (1, None)
    refused = LineWriter(lambda: Broken(BlockingIOError(11, "again"), False)).write(["a"])
    assert (refused.lines, refused.again) == (0, True)


def test_a_getter_that_raises() -> None:
    def get() -> Any:
        raise RuntimeError("odd")

    assert LineWriter(get).write(["a"]).reason == "stdout: error: RuntimeError"
    assert LineWriter(get).write([]).lines == 0


@given(st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=()))))
def test_any_text_arrives_as_it_was(texts: list[str]) -> None:
    stream = io.StringIO()
    assert LineWriter(lambda: stream).write(texts).lines == len(texts)
    assert stream.getvalue() == "".join(text + "\n" for text in texts)
