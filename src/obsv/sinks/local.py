"""The `local` sink: one SQLite file on this machine that every process writes to, for `obsv show` and the local viewer.

Settings: `local_path` (default `.obsv/obsv.db`, in the working directory) and `local_max_bytes`. The folder is made
with a `.gitignore` in it. Nothing is created, and sqlite3 is not even imported, before there is something to store.
"""

from __future__ import annotations

import os

from .base import Refused, Retry, Sent, SinkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..settings import Settings
    from ..store.writer import Writer
    from .base import Attributes, Batch, Result


class LocalSink:
    """Spans, metric points and logs in one file, the oldest of which go when it grows past its bound."""

    name = "local"
    signals = frozenset({"traces", "metrics", "logs"})
    imports = (
        "sqlite3",
        "fcntl",
        "traceback",
        "linecache",
        "obsv.store.writer",
        "obsv.store.insert",
        "obsv.store.prune",
        "obsv.store.schema",
        "obsv.store.files",
        "obsv.store.encode",
        "obsv.store.failure",
    )

    def __init__(self, settings: Settings) -> None:
        self._path = os.path.abspath(settings.local_path)  # now: the program may change its directory
        self._max_bytes = settings.local_max_bytes
        self._writer: Writer | None = None

    def open(self, resource: Attributes) -> None:
        """Does nothing: the file is opened with the first batch."""

    def send(self, batch: Batch) -> Result:
        """Store the batch in one transaction."""
        from ..store.failure import StoreError

        try:
            rejected = self._open_writer().write(batch.signal, batch.items, batch.resource)
        except StoreError as error:
            return Retry(error.reason) if error.retry else Refused(error.reason)
        return Sent(rejected, "cannot be stored" if rejected else None)

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def probe(self) -> str:
        """Where the file is, and what is in it. Raises `SinkError` when it cannot be written."""
        from ..store.failure import StoreError

        writer = self._open_writer()
        try:
            return f"{writer.path}: {writer.probe()}"
        except StoreError as error:
            raise SinkError(error.reason) from error

    def _open_writer(self) -> Writer:
        if self._writer is None:
            from ..store.writer import Writer

            self._writer = Writer(self._path, self._max_bytes)
        return self._writer
