"""The `file` sink: log lines in a file, the same as those of the sink `json`, written by a thread.

The file is opened for appending, so several processes may write the same one: a batch leaves with one ``write(2)``.
Whoever moves the file away (logrotate) need not tell: it is looked for before each batch, and begun anew where it is
gone or another. ``log_file_max_bytes`` does the same without such a tool; use it for one process a file.
"""

from __future__ import annotations

import errno
import os

from .base import Retry, Sent, SinkError
from .json import lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..settings import Settings
    from .base import Attributes, Batch, Result

_PASSES = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EAGAIN, errno.EINTR, errno.ENOENT, errno.EACCES, errno.EROFS))


class FileSink:
    """Writes each log record as a line of JSON into a file."""

    name = "file"
    signals = frozenset({"logs"})

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.path = os.path.abspath(settings.log_file)
        self._lines = lines(settings, {"service.name": settings.service})
        self._fd = -1

    def open(self, resource: Attributes) -> None:
        """Take over the resource whose service every line carries."""
        self._lines = lines(self._settings, resource)

    def send(self, batch: Batch) -> Result:
        """Append a batch of lines. What the disk does not take now is tried again, from where it stopped."""
        if batch.encoded is None:
            batch.encoded = [self._lines.data(record) for record in batch.items]
        try:
            self._look()
            while batch.encoded:
                _leave_out(batch.encoded, os.write(self._fd, b"".join(batch.encoded)))
        except OSError as error:
            words = (error.strerror or type(error).__name__).lower()
            self.close()
            if error.errno in _PASSES or error.errno is None:
                return Retry(f"{self.path}: {words}")
            return Retry(f"{self.path}: {words}", 30.0)
        return Sent()

    def _look(self) -> None:
        """Open the file, anew where it is another than before or has grown enough."""
        if self._fd >= 0:
            ours = os.fstat(self._fd)
            try:
                there = os.stat(self.path)
            except FileNotFoundError:
                self.close()
            else:
                most = self._settings.log_file_max_bytes
                if (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino):
                    self.close()
                elif most and ours.st_size >= most:
                    self.close()
                    self._rotate()
        if self._fd < 0:
            folder = os.path.dirname(self.path)
            os.makedirs(folder, exist_ok=True)
            self._fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def _rotate(self) -> None:
        """Move ``x.log`` to ``x.log.1``, that to ``x.log.2``, and so on; the last one goes."""
        backups = self._settings.log_file_backups
        if backups == 0:
            os.unlink(self.path)
            return
        for number in range(backups, 1, -1):
            older = f"{self.path}.{number - 1}"
            if os.path.exists(older):
                os.replace(older, f"{self.path}.{number}")
        os.replace(self.path, f"{self.path}.1")

    def close(self) -> None:
        """Let go of the file."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def probe(self) -> str:
        """Say whether the file can be written.

        Raises:
            SinkError: It cannot.
        """
        folder = os.path.dirname(self.path)
        while folder and not os.path.isdir(folder):
            folder = os.path.dirname(folder)
        there = os.path.exists(self.path)
        if not os.access(self.path if there else folder, os.W_OK):
            raise SinkError(f"{self.path} cannot be written")
        return f"{self.path} can be written"


def _leave_out(lines: list[bytes], taken: int) -> None:
    """Leave out so many bytes at the beginning of the lines: they are in the file."""
    whole = 0
    for line in lines:
        if taken < len(line):
            break
        taken -= len(line)
        whole += 1
    del lines[:whole]
    if taken:
        lines[0] = lines[0][taken:]
