"""What can go wrong with the file, in words for people, and whether it makes sense to try again."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sqlite3 import Error


class StoreError(Exception):
    """The store cannot do what was asked. The message is short, lower case and names the reason.

    `retry`: it may work later by itself. `corrupt`: the file holds no readable database.
    """

    def __init__(self, reason: str, retry: bool = False, corrupt: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry = retry
        self.corrupt = corrupt


class NoStoreError(StoreError):
    """There is no file yet."""


# SQLite's primary result codes (sqlite.org, "Result and Error Codes"); the low byte of an extended one.
PERM, BUSY, LOCKED, READONLY, IOERR, CORRUPT, FULL, CANTOPEN, NOTADB = 3, 5, 6, 8, 10, 11, 13, 14, 26
READONLY_DBMOVED = READONLY | (4 << 8)


def code(error: Error) -> int:
    """The primary result code; 0 when Python's module raised the error itself."""
    return (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


def explain(error: Error, path: str) -> StoreError:
    """The `StoreError` for an error of SQLite's."""
    number = code(error)
    if number in (BUSY, LOCKED):
        return StoreError(f"{path} is locked by another process", retry=True)
    if number == FULL:
        return StoreError(f"disk full: {path}", retry=True)
    if number == IOERR:
        return StoreError(f"cannot read or write {path}: {error}", retry=True)
    if number in (CORRUPT, NOTADB):
        return StoreError(f"{path} is corrupt: {error}", corrupt=True)
    if number == READONLY:
        return StoreError(f"{path} is read-only")
    if number in (CANTOPEN, PERM):
        return StoreError(f"cannot open {path}: {_why_not(path)}")
    return StoreError(f"{path}: {error}")


def _why_not(path: str) -> str:
    """SQLite only says that a file cannot be opened; the reason is looked for here."""
    if os.path.isdir(path):
        return "is a directory"
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        return f"no folder {folder}"
    if os.path.exists(path):
        return "permission denied" if not os.access(path, os.R_OK | os.W_OK) else "unable to open the database file"
    return "folder is read-only" if not os.access(folder, os.W_OK) else "unable to create the database file"
