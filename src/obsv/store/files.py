"""The store's files: the folder with its .gitignore, and what happens to a file that is corrupt."""

from __future__ import annotations

import os
import time

COMPANIONS = ("-wal", "-shm")
"""What SQLite keeps beside the database."""


def make_folder(path: str) -> None:
    """Make the folder of `path`. A new one gets a .gitignore, so that nobody commits what is in it. Raises OSError."""
    folder = os.path.dirname(path)
    try:
        os.makedirs(folder)
    except FileExistsError:
        return
    try:
        with open(os.path.join(folder, ".gitignore"), "x", encoding="ascii") as file:
            file.write("*\n")
    except OSError:
        pass  # another process made it, or the disk is full: the database will tell


def why_no_folder(path: str) -> str | None:
    """The reason why a file at `path` could not be created, None when it could."""
    folder = os.path.dirname(path)
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    if not os.path.isdir(folder):
        return f"{folder} is no folder"
    return None if os.access(folder, os.W_OK | os.X_OK) else f"{folder} is read-only"


def identity(path: str) -> tuple[int, int] | None:
    """Device and inode of the file, None when there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def move_aside(path: str) -> bool:
    """Rename a corrupt database to `<path>.corrupt-<UTC time>`, unless another process has replaced it by now.

    Of earlier corrupt files none is kept, so that they do not fill the disk. True when a new database can begin.
    """
    lock = _lock_folder(os.path.dirname(path))
    try:
        if not is_corrupt(path):
            return True
        name = f"{os.path.basename(path)}.corrupt-"
        folder = os.path.dirname(path)
        for old in os.listdir(folder):
            if old.startswith(name):
                os.unlink(os.path.join(folder, old))
        aside = f"{path}.corrupt-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
        os.rename(path, aside)
        for companion in COMPANIONS:
            try:
                os.rename(path + companion, aside + companion)
            except FileNotFoundError:
                pass
        return True
    except OSError:
        return False
    finally:
        if lock is not None:
            os.close(lock)


def is_corrupt(path: str) -> bool:
    """Look at the whole structure of the database with a fresh connection."""
    import sqlite3

    if not os.path.isfile(path):
        return False
    try:
        connection = sqlite3.connect(path, timeout=0.5, isolation_level=None)
    except sqlite3.Error:
        return False
    try:
        return bool(connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok")
    except sqlite3.OperationalError:
        return False  # locked, read-only, out of disk: not what this is about
    except sqlite3.DatabaseError:
        return True
    finally:
        connection.close()


def words(error: OSError) -> str:
    """The reason alone, in lower case: "permission denied"."""
    return (error.strerror or type(error).__name__).lower()


def _lock_folder(folder: str) -> int | None:
    """Keep other processes from moving files at the same time, until the descriptor is closed."""
    try:
        import fcntl

        descriptor = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:
        pass
    return descriptor
