"""The store's file: what a new one gets, and which existing ones are left alone."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from obsv.store import schema

if TYPE_CHECKING:
    from pathlib import Path


def connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, timeout=5)


def tables(connection: sqlite3.Connection) -> set[str]:
    return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_a_new_file_gets_the_current_schema(tmp_path: Path) -> None:
    connection = connect(tmp_path / "obsv.db")
    assert schema.check(connection) == 0
    schema.migrate(connection)
    assert schema.check(connection) == schema.VERSION == len(schema.MIGRATIONS)
    assert tables(connection) == {"process", "trace", "seen", "span", "log", "series", "point"}
    connection.close()


def test_migrating_twice_changes_nothing(tmp_path: Path) -> None:
    connection = connect(tmp_path / "obsv.db")
    schema.migrate(connection)
    before = connection.execute("PRAGMA schema_version").fetchone()
    schema.migrate(connection)
    assert connection.execute("PRAGMA schema_version").fetchone() == before
    connection.close()


def test_a_newer_file_is_left_alone(tmp_path: Path) -> None:
    connection = connect(tmp_path / "obsv.db")
    schema.migrate(connection)
    connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    with pytest.raises(schema.WrongVersionError, match=rf"newer obsv \(schema {schema.VERSION + 1}"):
        schema.migrate(connection)
    connection.close()


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE cats (name)", "PRAGMA application_id = 7", "PRAGMA user_version = 3"]
)
def test_another_programs_database_is_left_alone(tmp_path: Path, statement: str) -> None:
    connection = connect(tmp_path / "cats.db")
    connection.execute(statement)
    with pytest.raises(schema.WrongVersionError, match="another program"):
        schema.migrate(connection)
    assert "trace" not in tables(connection)
    connection.close()


def test_a_migration_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", ("CREATE TABLE half (x); CREATE TABLE half (x)",))
    connection = connect(tmp_path / "obsv.db")
    with pytest.raises(sqlite3.OperationalError):
        schema.migrate(connection)
    assert tables(connection) == set()
    assert schema.check(connection) == 0
    connection.close()
