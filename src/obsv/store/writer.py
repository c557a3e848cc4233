"""Writes batches to the local store, beside any number of other processes that do the same.

One transaction a batch. The connection is opened with the first batch, closed before a fork, and opened again when the
file was moved or deleted under it.
"""

from __future__ import annotations

import os
import time
from _thread import allocate_lock
from typing import TYPE_CHECKING

from . import encode, failure, files
from .failure import StoreError
from .insert import INSERT
from .prune import Bound, keep_small, log_bytes, prune, usage
from .schema import WrongVersionError, migrate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from sqlite3 import Connection
    from typing import Any


BUSY_SECONDS = 2.0
"""How long a batch waits for other processes that write; then it is to be tried again."""

_FORK_SECONDS = BUSY_SECONDS + 1.0


class Writer:
    """Writes to the store at `path`, which stays within `max_bytes` (at least 1 MiB), write-ahead log included.

    For one thread at a time. Every method raises `StoreError` and nothing else.

        writer = Writer(".obsv/obsv.db", 100 << 20)
        writer.write("traces", [local_trace], {"service.name": "shop"})
    """

    def __init__(self, path: str, max_bytes: int) -> None:
        self.path = os.path.abspath(path)
        self.bound = Bound(max_bytes)
        self.connection: Connection | None = None
        self._file: tuple[int, int] | None = None
        self._identity = (0, 0)
        self._moved_aside = False

    def write(self, signal: str, items: Sequence[Any], resource: Mapping[str, Any]) -> int:
        """Store a batch of "traces" (lists of spans), "metrics" or "logs". Returns how many items were left out."""
        insert = INSERT[signal]
        with _gate:
            rejected: int = self._guarded(lambda connection: self._write(connection, insert, items, resource))
        return rejected

    def probe(self) -> str:
        """Open the file and say in a few words what is in it, for `obsv doctor`. Creates nothing."""
        if not os.path.exists(self.path):
            reason = files.why_no_folder(self.path)
            if reason is not None:
                raise StoreError(f"cannot write {self.path}: {reason}")
            return "nothing stored yet"
        with _gate:
            line: str = self._guarded(_describe)
        return line

    def close(self) -> None:
        """Close the file; the last process to do so leaves it without a write-ahead log."""
        with _gate:
            self._close()

    # ------------------------------------------------------------------ opening

    def _guarded(self, work: Callable[[Connection], Any]) -> Any:
        """Run `work`, a second time after what can be repaired, and turn every error into a `StoreError`."""
        import sqlite3

        if _torn:
            raise StoreError("forked in the middle of a write")
        for last_try in (False, True):
            try:
                return work(self._connect())
            except sqlite3.Error as error:
                moved = getattr(error, "sqlite_errorcode", 0) == failure.READONLY_DBMOVED
                again = not last_try and (moved or self._repair(error))
                if moved or not again or failure.code(error) in (failure.CORRUPT, failure.NOTADB):
                    self._close()
                if not again:
                    raise failure.explain(error, self.path) from error
            except WrongVersionError as error:
                self._close()
                raise StoreError(f"{self.path}: {error}") from error
            except OSError as error:
                self._close()
                raise StoreError(f"cannot write {self.path}: {files.words(error)}") from error
        raise StoreError(f"cannot write {self.path}")

    def _connect(self) -> Connection:
        connection = self.connection
        if connection is not None:
            if files.identity(self.path) == self._file:
                return connection
            self._close()  # somebody moved or deleted it: what we would write there, nobody would find
        import sqlite3

        files.make_folder(self.path)
        connection = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        try:
            # Both only take effect on an empty file, and in this order: WAL mode writes the first page.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            # With a write-ahead log, NORMAL never corrupts the file; a power cut may cost the last batches.
            connection.execute("PRAGMA synchronous = NORMAL")
            migrate(connection)
            self.bound.apply(connection)
        except BaseException:
            connection.close()
            raise
        self.connection = connection
        self._file = files.identity(self.path)
        _watch_forks(self)
        return connection

    def _close(self) -> None:
        connection, self.connection, self._file = self.connection, None, None
        _open.discard(self)
        if connection is not None:
            import sqlite3

            try:
                connection.close()
            except sqlite3.Error:
                pass  # everything committed is in the file or in its log

    def _repair(self, error: Any) -> bool:
        """Try to remove the cause of `error`; true when the batch should be tried again."""
        number = failure.code(error)
        if number in (failure.CORRUPT, failure.NOTADB) and not self._moved_aside:
            self._close()
            self._moved_aside = True
            return files.move_aside(self.path)
        if number == failure.FULL and self.connection is not None:
            import sqlite3

            try:
                used, _ = usage(self.connection)
                if used < self.bound.file // 2:
                    return False  # the disk is full, or the batch is larger than the bound
                prune(self.connection, self.bound.file // 2, self.path, self.bound)
            except sqlite3.Error:
                return False
            return True
        return False

    # ------------------------------------------------------------------ writing

    def _write(
        self, connection: Connection, insert: Callable[..., int], items: Sequence[Any], resource: Mapping[str, Any]
    ) -> int:
        if log_bytes(self.path) > self.bound.wal and not keep_small(connection, self.path, self.bound):
            raise StoreError(f"{self.path} is at its size limit: a reader keeps it open", retry=True)
        connection.execute("BEGIN IMMEDIATE")
        try:
            rejected = insert(connection, items, self._process(connection, resource))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self._keep_small(connection)
        return rejected

    def _keep_small(self, connection: Connection) -> None:
        import sqlite3

        try:
            keep_small(connection, self.path, self.bound)
        except sqlite3.Error:
            pass  # the batch is stored; with somebody in the way now (who prunes, perhaps), the next batch tries again

    def _process(self, connection: Connection, resource: Mapping[str, Any]) -> int:
        """The row of this process. Looked up in every transaction, because another process may have pruned it."""
        pid = os.getpid()
        if self._identity[0] != pid:
            self._identity = (pid, time.time_ns())
        key = (encode.text(resource.get("service.name") or "unknown_service"), *self._identity)
        find = "SELECT id FROM process WHERE service = ? AND pid = ? AND started_ns = ?"
        row = connection.execute(find, key).fetchone()
        if row is None:
            columns = (*key, encode.json(resource))
            cursor = connection.execute(
                "INSERT INTO process (service, pid, started_ns, resource) VALUES (?, ?, ?, ?)", columns
            )
            return int(cursor.lastrowid or 0)
        return int(row[0])


def _describe(connection: Connection) -> str:
    traces = connection.execute("SELECT count(*) FROM trace WHERE spans > 0").fetchone()[0]
    return f"{traces} trace{'' if traces == 1 else 's'}, {usage(connection)[1] / (1 << 20):.1f} MiB"


# ---------------------------------------------------------------------- forks
#
# A child process must not inherit an open database: SQLite keeps its view of the file locks in memory, per file, and a
# child would believe in locks that only the parent holds (sqlite.org, "How To Corrupt An SQLite Database File", 2.6).
# So nobody is inside SQLite, and nothing is open, at the moment of a fork; the next batch opens the file again.

_gate = allocate_lock()
_open: set[Writer] = set()
# In a child: somebody was inside SQLite for too long when it was forked, so the store is out of reach here.
_torn = False
_registered = False


def _watch_forks(writer: Writer) -> None:
    global _registered
    _open.add(writer)
    if not _registered and hasattr(os, "register_at_fork"):
        _registered = True
        os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)


_held = False


def _before_fork() -> None:
    global _held
    _held = _gate.acquire(timeout=_FORK_SECONDS)
    if _held:
        for writer in list(_open):
            writer._close()


def _after_fork() -> None:
    global _held
    if _held:
        _held = False
        _gate.release()


def _after_fork_in_child() -> None:
    global _gate, _torn
    if not _held:
        _torn = True
        _gate = allocate_lock()
        return
    _after_fork()
