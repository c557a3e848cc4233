"""Writes whole lines of text to a stream that others write to as well: EMF and JSON logs on stdout.

The rule of the readers (CloudWatch agent, Lambda, Fluent Bit) is that an event is a line of its own, so a line goes out
with one ``write(2)`` and is never mixed with another thread's. A reader that is slow, gone or out of disk is reported
to the caller, never raised.
"""

from __future__ import annotations

import errno
import os
import sys
from _weakref import ref
from io import FileIO, TextIOWrapper
from time import monotonic

from ..hotpath import loglines
from ..hotpath.loglines import Direct
from ..hotpath.loglines import locks as _locks
from ..hotpath.loglines import rest as _rest

TYPE_CHECKING = False
if TYPE_CHECKING:
    import select
    from collections.abc import Callable, Sequence
    from typing import TextIO

    GetStream = Callable[[], TextIO | None]

# What has room at all takes so much at once: a pipe is writable when a page of it is free (Linux, pipe(7): PIPE_BUF).
_ROOM = 4096

_polls: dict[int, select.poll] = {}

_AGAIN = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS, errno.ENOSPC, errno.EDQUOT})
_WORDS = {
    errno.EAGAIN: "not accepting data",
    errno.ENOSPC: "disk full",
    errno.EDQUOT: "disk quota exceeded",
    errno.EPIPE: "reader gone",
    errno.EBADF: "closed",
    errno.EIO: "terminal gone",
}


class Written:
    """What became of one `LineWriter.write`.

    ``lines``: how many were taken (the first ones). ``reason``: None when all were, else a few lower-case words such as
    ``stdout: disk full``. ``again``: the rest may succeed later; when False there is no point in trying.
    """

    __slots__ = ("again", "lines", "reason")

    def __init__(self, lines: int, reason: str | None = None, again: bool = False) -> None:
        self.lines = lines
        self.reason = reason
        self.again = again

    def __repr__(self) -> str:
        return f"Written(lines={self.lines}, reason={self.reason!r}, again={self.again})"


class LineWriter(Direct):
    """Writes lines to the stream that ``stream`` returns at the time of each write (programs replace ``sys.stdout``).

    Where the stream is Python's own file on descriptor 1 or 2, each line is one ``os.write`` of UTF-8; any other stream
    (pytest's capture, `io.StringIO`, a wrapper) gets one ``write`` a line and a ``flush``. Safe to use from many
    threads. Never raises an `Exception`.

    ``patience``: seconds that one `write` waits, all in all, for a non-blocking descriptor that is full.

        LineWriter(lambda: sys.stderr).write(['{"a":1}'])
    """

    __slots__ = ("name",)

    def __init__(self, stream: GetStream | None = None, *, name: str = "stdout", patience: float = 0.0) -> None:
        super().__init__(stream, patience)
        self.name = name

    def write(self, lines: Sequence[str]) -> Written:
        """Write each of ``lines`` (without line ends), stop at the first that is not taken."""
        if not lines:
            return Written(0)
        try:
            stream = sys.stdout if self.stream is None else self.stream()
            if stream is None:
                return Written(0, f"{self.name}: closed")
            fd = self.descriptor(stream)
            if fd > 0:
                shared = self.shared(fd)
                with _locks[shared]:
                    return self.onward(fd, shared, lines)
            return self._to_stream(stream, lines)
        except Exception as error:  # noqa: BLE001 - a stream is the user's object and may raise anything
            return self.failed(0, error)

    def write_now(self, lines: Sequence[str]) -> bool:
        """Write ``lines`` if that cannot wait for whoever reads them; False when nothing was written.

        That is so for a few of them, to Python's own file on descriptor 1 or 2, which is a file on disk or a pipe with
        room. What cannot be known before, `write` finds out.
        """
        try:
            stream = sys.stdout if self.stream is None else self.stream()
            fd = -1 if stream is None else self.descriptor(stream)
            if fd < 0:
                return False
            shared = 1 if fd == 1 else self.shared(fd)
            text = "\n".join(lines) + "\n"
            if len(text) > _ROOM or not text.isascii():
                return False
            lock = _locks[shared]
            if not lock.acquire(False):
                return False
            try:
                if shared in _rest or not _has_room(fd):
                    return False
                data = text.encode()
                written = os.write(fd, data)
                if written < len(data):
                    _rest[shared] = data[written:]
                return True
            finally:
                lock.release()
        except Exception:  # noqa: BLE001 - a stream is the user's object; `write` tells what is the matter
            return False

    def around(self, lines: Sequence[str]) -> Written:
        """Write to a stream that is no file of Python's own."""
        return self.write(lines)

    def descriptor(self, stream: TextIO) -> int:
        """Return the number of the stream's file if lines may go to it directly, else -1."""
        if type(stream) is not TextIOWrapper:  # subclasses (pytest's capture) do more than write to their descriptor
            return -1
        try:
            fd = stream.fileno()
        except OSError:  # over a BytesIO
            return -1
        if not 1 <= fd <= 2:
            return -1
        raw = getattr(stream.buffer, "raw", stream.buffer)  # there is no buffer under ``python -u``
        if type(raw) is FileIO:
            self.knows(ref(stream), raw.fileno)
        return fd

    def onward(self, fd: int, shared: int, lines: Sequence[str | bytes], begun: bytes = b"") -> Written:
        """Write lines after what is left of another, or of one that was ``begun``, which counts as one of them."""
        taken = 0
        patience = self.patience
        deadline = 0.0
        left = begun or _rest.pop(shared, b"")
        started = 1 if begun else 0
        while left or taken < len(lines):
            if not left:
                line = lines[taken]
                # A lone surrogate becomes \udXXX, which is how JSON writes it.
                left = line if isinstance(line, bytes) else line.encode("utf-8", "backslashreplace") + b"\n"
                taken += 1
                whole = True
            else:
                whole = False
            try:
                left = left[os.write(fd, left) :]
            except OSError as error:
                if error.errno == errno.EAGAIN and patience > 0.0:
                    now = monotonic()
                    deadline = deadline or now + patience
                    patience = deadline - now
                    _wait(fd, max(0.0, patience))
                    if whole:
                        taken -= 1
                        left = b""
                    continue
                if whole:
                    taken -= 1  # nothing of it went out: the caller keeps it
                elif error.errno in _AGAIN:
                    _rest[shared] = left
                return self.failed(started + taken, error)
        return Written(started + taken)

    def _to_stream(self, stream: TextIO, lines: Sequence[str]) -> Written:
        taken = 0
        try:
            for line in lines:
                try:
                    stream.write(line + "\n")
                except UnicodeEncodeError:
                    stream.write(_ascii(line) + "\n")
                taken += 1
            stream.flush()
        except BlockingIOError:
            # What was accepted stays in the stream's buffer and leaves with its next flush.
            if taken < len(lines):
                return Written(taken, f"{self.name}: not accepting data", True)
        except OSError as error:
            # The stream keeps what it could not write and tries again by itself: a second try of ours would double it.
            failed = self.failed(0, error)
            failed.again = False
            return failed
        except Exception as error:  # noqa: BLE001 - see write()
            return Written(max(0, taken - 1), f"{self.name}: {_words(error)}")
        return Written(taken)

    def failed(self, taken: int, error: Exception) -> Written:
        """Say what an exception means."""
        if not isinstance(error, OSError):
            return Written(taken, f"{self.name}: {_words(error)}")
        number = error.errno or 0
        words = _WORDS.get(number) or (error.strerror or type(error).__name__).lower()
        return Written(taken, f"{self.name}: {words}", number in _AGAIN)

    def shared(self, fd: int) -> int:
        """Return the descriptor whose lock is that of ``fd``: 1 for both where they are one file (``2>&1``)."""
        if fd == 2:
            try:
                if os.path.sameopenfile(1, 2):
                    return 1
            except OSError:  # one of them is closed
                pass
        return fd


def _words(error: Exception) -> str:
    if isinstance(error, ValueError) and "closed" in str(error):
        return "closed"
    return f"error: {type(error).__name__}"


def _has_room(fd: int) -> bool:
    """Tell whether a write of ``_ROOM`` bytes returns at once. What polls is kept: making it costs more than asking."""
    poll = _polls.get(fd)
    if poll is None:
        import select

        poll = _polls[fd] = select.poll()
        poll.register(fd, select.POLLOUT)
    return bool(poll.poll(0))


def _wait(fd: int, seconds: float) -> None:
    import select

    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    poll.poll(seconds * 1000.0)


def _ascii(line: str) -> str:
    """The same JSON text in ASCII. What is not ASCII can only be in a string literal, where \\uXXXX means the same."""
    parts = []
    for character in line:
        code = ord(character)
        if code < 0x80:
            parts.append(character)
        elif code < 0x10000:
            parts.append(f"\\u{code:04x}")
        else:
            code -= 0x10000
            parts.append(f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}")
    return "".join(parts)


def _forked() -> None:
    loglines.forget()
    _polls.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
