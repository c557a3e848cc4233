"""Keeps the file small: the oldest traces go first, and with them the metric points and logs that are as old.

The bound holds for the database and its write-ahead log together. SQLite itself refuses to let the database grow past
its part (`max_page_count`), so a bound that is reached costs old data, never disk. Pages that pruning sets free are
used again, so in the long run the file neither grows nor needs to shrink.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sqlite3 import Connection

MIN_BYTES = 1 << 20
"""The smallest bound; a smaller one is taken as this."""

_FULL = 0.9  # prune when so much of the bound is used ...
_ENOUGH = 0.75  # ... until so much is
_PARTS = 20  # a twentieth of the traces goes at a time, so that no other process waits long for the lock
_MAX_WAL = 8 << 20


class Bound:
    """How the bytes are shared out: `wal` for the write-ahead log, `file` for the database."""

    __slots__ = ("file", "total", "wal")

    def __init__(self, max_bytes: int) -> None:
        self.total = max(MIN_BYTES, max_bytes)
        self.wal = min(_MAX_WAL, self.total // 4)
        self.file = self.total - self.wal

    def apply(self, connection: Connection) -> None:
        """Set the limits on a new connection; they are the connection's, not the file's."""
        page = int(connection.execute("PRAGMA page_size").fetchone()[0])
        connection.execute(f"PRAGMA max_page_count = {self.file // page}")
        # A checkpoint begins at a quarter, which leaves room for a large batch and for a reader that is in the way.
        connection.execute(f"PRAGMA wal_autocheckpoint = {max(16, self.wal // page // 4)}")
        connection.execute(f"PRAGMA journal_size_limit = {self.wal // 2}")


def keep_small(connection: Connection, path: str, bound: Bound) -> bool:
    """After a batch: prune and shorten the log if need be. Cheap when not (two pragmas and a stat).

    False when the log is too long and cannot be shortened, because a reader keeps hold of the file.
    Raises sqlite3.Error.
    """
    used, allocated = usage(connection)
    if used > bound.file * _FULL:
        prune(connection, int(bound.file * _ENOUGH), path, bound)
        used, allocated = usage(connection)
    if allocated > bound.file:  # the bound was larger once
        # It takes a step a page, and `execute` makes only one: its rows have no columns. A script is run to its end.
        connection.executescript("PRAGMA incremental_vacuum")
    return shorten_log(connection, path, bound)


def usage(connection: Connection) -> tuple[int, int]:
    """Bytes of the database in use, and bytes allocated to it."""
    pages = int(connection.execute("PRAGMA page_count").fetchone()[0])
    free = int(connection.execute("PRAGMA freelist_count").fetchone()[0])
    page = int(connection.execute("PRAGMA page_size").fetchone()[0])
    return (pages - free) * page, pages * page


def shorten_log(connection: Connection, path: str, bound: Bound) -> bool:
    """Write the log back when it is longer than its part. False when that was due and somebody was in the way."""
    if log_bytes(path) <= bound.wal:
        return True
    # It waits for readers to finish; not for long, because the batch waits, too.
    patience = int(connection.execute("PRAGMA busy_timeout").fetchone()[0])
    connection.execute("PRAGMA busy_timeout = 50").fetchall()
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {patience}").fetchall()
    return log_bytes(path) <= bound.wal


def log_bytes(path: str) -> int:
    """The size of the write-ahead log, 0 when there is none."""
    try:
        return os.stat(path + "-wal").st_size
    except OSError:
        return 0


def prune(connection: Connection, target: int, path: str, bound: Bound) -> None:
    """Delete the oldest until at most `target` bytes are in use, a part in each transaction. Raises sqlite3.Error."""
    while True:
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have pruned while this one waited.
            done = usage(connection)[0] <= target or not _delete_oldest(connection)
            if done:
                _forget_unused(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        shorten_log(connection, path, bound)
        if done:
            return


def _delete_oldest(connection: Connection) -> bool:
    """Delete a twentieth of the traces, and the loose logs and points that are as old. False when nothing is left."""
    cutoff = _oldest(connection, "trace", "end_ns", "")
    if cutoff is not None:
        old = "(SELECT id FROM trace WHERE end_ns <= ?)"
        for table in ("span", "log", "seen"):
            connection.execute(f"DELETE FROM {table} WHERE trace IN {old}", (cutoff,))
        connection.execute("DELETE FROM trace WHERE end_ns <= ?", (cutoff,))
    else:
        logs = _oldest(connection, "log", "time_ns", "WHERE trace IS NULL")
        points = _oldest(connection, "point", "time_ns", "")
        if logs is None and points is None:
            return False
        cutoff = min(time for time in (logs, points) if time is not None)
    connection.execute("DELETE FROM log WHERE trace IS NULL AND time_ns <= ?", (cutoff,))
    connection.execute("DELETE FROM point WHERE time_ns <= ?", (cutoff,))
    return True


def _oldest(connection: Connection, table: str, column: str, where: str) -> int | None:
    """The time up to which the oldest twentieth of `table` goes; None when it is empty."""
    row = connection.execute(
        f"SELECT {column} FROM {table} {where} ORDER BY {column}"
        f" LIMIT 1 OFFSET (SELECT count(*) FROM {table} {where}) / {_PARTS}"
    ).fetchone()
    return None if row is None else int(row[0])


def _forget_unused(connection: Connection) -> None:
    connection.execute("DELETE FROM series WHERE NOT EXISTS (SELECT 1 FROM point WHERE point.series = series.id)")
    # A row a process is little, and looking for the unused ones reads a lot: only once they could matter.
    if int(connection.execute("SELECT count(*) FROM process").fetchone()[0]) > 100:
        connection.execute(
            "DELETE FROM process WHERE id NOT IN (SELECT process FROM seen UNION SELECT process FROM log"
            " UNION SELECT process FROM point)"
        )
