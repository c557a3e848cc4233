"""sqlite3, patched: real files, and everything that a connection does still works."""

from __future__ import annotations

import inspect
import os
import pickle
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import obsv
from obsv.hotpath.span import CLIENT, ERROR
from obsv.testing import Capture, capture
from unpatched import ORDERS, functions, spans_in_new_process

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGETS = ("sqlite3:connect", "sqlite3.dbapi2:connect")


@pytest.fixture
def seen() -> Iterator[Capture]:
    with capture(patch="sqlite3") as captured:
        yield captured


@pytest.fixture
def db(seen: Capture) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect("shop.db")
    yield connection
    connection.close()


def names(seen: Capture) -> list[str]:
    return [span.name for span in seen.spans]


def test_a_statement_is_one_span(seen: Capture, db: sqlite3.Connection) -> None:
    db.execute("create table parcels (number integer, label text)")
    db.execute("insert into parcels values (?, 'a label')", (1,))
    created, inserted = seen.spans
    assert created.name == "CREATE TABLE parcels"
    assert (inserted.name, inserted.kind_value, inserted.status_value) == ("INSERT parcels", CLIENT, 0)
    assert inserted.attributes == {
        "db.system.name": "sqlite",
        "db.namespace": "shop.db",
        "db.operation.name": "INSERT",
        "db.query.summary": "INSERT parcels",
        "db.query.text": "insert into parcels values (?)",
    }


@pytest.mark.parametrize("by", ["connection", "cursor"])
def test_each_way_to_execute_is_one_span(seen: Capture, db: sqlite3.Connection, by: str) -> None:
    at: Any = db if by == "connection" else db.cursor()
    assert type(at.execute("create table t (a)")) in (type(at), sqlite3.Cursor)
    at.executemany("insert into t values (?)", [(1,), (2,), (3,)])
    at.executemany("insert into t values (?)", ((n,) for n in range(4, 6)))
    at.executescript("insert into t values (6); insert into t values (7);")
    assert names(seen) == ["CREATE TABLE t", "INSERT t", "INSERT t", "INSERT t INSERT t"]
    assert [span.attributes.get("db.operation.batch.size") for span in seen.spans] == [None, 3, None, None]
    assert db.execute("select sum(a) from t").fetchone() == (28,)


def test_types_are_what_they_were(seen: Capture, db: sqlite3.Connection) -> None:
    cursor = db.cursor()
    assert isinstance(db, sqlite3.Connection)
    assert isinstance(cursor, sqlite3.Cursor)
    assert cursor.connection is db
    assert repr(db).startswith("<sqlite3.Connection object at ")
    assert repr(cursor).startswith("<sqlite3.Cursor object at ")
    assert inspect.signature(cursor.execute) == inspect.signature(sqlite3.Cursor.execute.__get__(cursor))
    with pytest.raises(TypeError):
        pickle.dumps(db)
    with pytest.raises(TypeError):
        db.cursor(lambda connection: None)
    with pytest.raises(TypeError):
        db.cursor(None)  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        sqlite3.connect()  # type: ignore[call-overload]


def test_a_users_classes_keep_their_methods(seen: Capture) -> None:
    class Cursor(sqlite3.Cursor):
        """Counts."""

        __slots__ = ("count",)

        def execute(self, sql: str, *parameters: Any) -> Any:
            self.count = getattr(self, "count", 0) + 1
            return super().execute(sql, parameters)

    class Connection(sqlite3.Connection):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            super().execute("pragma foreign_keys = on")

        def cursor(self) -> Any:  # type: ignore[override]
            return super().cursor(Cursor)

        def execute(self, sql: str, *parameters: Any) -> Any:  # type: ignore[override]
            return self.cursor().execute(sql, *parameters)

    for connect in (
        lambda: sqlite3.connect(":memory:", factory=Connection),
        lambda: (
            sqlite3.connect(":memory:", 5.0, 0, "", True, Connection)
            if sys.version_info < (3, 12)
            else sqlite3.connect(":memory:", factory=Connection)
        ),
        lambda: sqlite3.dbapi2.connect(database=":memory:", factory=Connection),
    ):
        connection = connect()
        assert isinstance(connection, Connection)
        cursor = connection.execute("select ?", 1)
        assert isinstance(cursor, Cursor)
        assert (cursor.count, cursor.fetchone()) == (1, (1,))
        assert (type(cursor).__name__, type(cursor).__doc__) == ("Cursor", "Counts.")
        connection.close()
    assert names(seen) == ["PRAGMA", "SELECT"] * 3


def test_factories_that_cannot_be_subclassed_are_used_as_they_are(seen: Capture) -> None:
    class Final(sqlite3.Connection):
        def __init_subclass__(cls) -> None:
            raise TypeError("final")

    made = sqlite3.connect(":memory:", factory=Final)
    assert type(made) is Final
    assert made.execute("select 1").fetchone() == (1,)
    made.close()

    def build(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        return sqlite3.Connection(*args, **kwargs)

    built = sqlite3.connect(":memory:", factory=build)  # type: ignore[arg-type]
    assert type(built) is sqlite3.Connection
    built.close()


def test_rows_types_and_transactions_work(seen: Capture) -> None:
    sqlite3.register_converter("upper", lambda value: value.decode().upper())
    try:
        db = sqlite3.connect("t.db", detect_types=sqlite3.PARSE_DECLTYPES)
        db.row_factory = sqlite3.Row
        with db:
            db.execute("create table t (a upper, b)")
            db.execute("insert into t values ('x', 1)")
        row = db.execute("select * from t").fetchone()
        assert (row["a"], row["b"]) == ("X", 1)

        def fail() -> None:
            with db:
                db.execute("insert into t values ('y', 2)")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        assert not db.in_transaction
        db.execute("insert into t values ('z', 3)")
        db.commit()
        db.rollback()
        assert [line for line in db.iterdump() if line.startswith("INSERT")] == [
            """INSERT INTO "t" VALUES('x',1);""",
            """INSERT INTO "t" VALUES('z',3);""",
        ]
        copy = sqlite3.connect(":memory:")
        db.backup(copy)
        assert copy.execute("select count(*) from t").fetchone() == (2,)
        copy.close()
        db.close()
        with pytest.raises(sqlite3.ProgrammingError):
            db.execute("select 1")
    finally:
        del sqlite3.converters["UPPER"]


def test_functions_called_by_sql_are_part_of_the_statement(seen: Capture, db: sqlite3.Connection) -> None:
    other = sqlite3.connect(":memory:")
    db.create_function("twice", 1, lambda n: other.execute("select 2 * ?", (n,)).fetchone()[0])
    assert db.execute("select twice(21)").fetchone() == (42,)
    assert names(seen) == ["SELECT"]
    other.close()


def test_errors_are_recorded_and_raised(seen: Capture, db: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        db.execute("select * from missing where a = 's3cret'")
    [span] = seen.spans
    assert span.status_value == ERROR
    assert span.event_list is not None
    assert span.event_list[0].error is not None
    assert span.event_list[0].error.type == "sqlite3.OperationalError"
    with pytest.raises(TypeError):
        db.execute()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        db.execute(7)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("database", "options", "name"),
    [
        (":memory:", {}, ":memory:"),
        (Path("a.db"), {}, "a.db"),
        ("file:a.db?mode=rwc&key=s3cret", {"uri": True}, "a.db"),
        (b"a.db", {}, "a.db"),
    ],
)
def test_the_database_is_named(seen: Capture, database: Any, options: dict[str, Any], name: str) -> None:
    db = sqlite3.connect(database, **options)
    db.execute("select 1")
    db.close()
    assert seen.spans[0].attributes["db.namespace"] == name


def test_statements_are_children_and_threads_are_told_apart(seen: Capture) -> None:
    def work(number: int) -> None:
        db = sqlite3.connect(":memory:")
        with obsv.span(f"work {number}"):
            db.execute("select 1")
        db.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    roots = {span.span_id for span in seen.spans if span.name.startswith("work")}
    assert {span.parent_id for span in seen.spans if span.name == "SELECT"} == roots


def test_connections_outlive_the_patch(seen: Capture, db: sqlite3.Connection) -> None:
    cursor = db.cursor()
    obsv.unpatch("sqlite3")
    assert cursor.execute("select 1").fetchone() == (1,)
    assert type(db.cursor()) is sqlite3.Cursor
    assert db.execute("select 1").fetchone() == (1,)
    assert seen.spans == []


def test_unpatching_restores_the_functions() -> None:
    before = functions(*TARGETS)
    execute = sqlite3.Connection.execute
    with capture(patch="sqlite3"):
        assert sqlite3.connect is not before["sqlite3:connect"]
        assert sqlite3.connect.__name__ == "connect"
        assert sqlite3.connect.__doc__ == before["sqlite3:connect"].__doc__
    assert functions(*TARGETS) == before
    assert sqlite3.Connection.execute is execute
    db = sqlite3.connect(":memory:")
    assert type(db) is sqlite3.Connection
    db.close()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("module", ["sqlite3", "sqlite3.dbapi2"])
def test_the_order_of_imports_does_not_matter(order: str, module: str) -> None:
    code = f"db = {module}.connect(':memory:'); db.execute('select 1'); db.close()"
    [span] = spans_in_new_process(order, module, code)
    assert span["name"] == "SELECT"


def test_every_python_makes_cursors_of_connections_in_c() -> None:
    """What the description of ``Connection.execute`` stands on; if it changes, each statement would have two spans."""
    code = (
        "import sqlite3\n"
        "class C(sqlite3.Connection):\n    def cursor(self, *args): raise SystemExit('cursor() was called')\n"
        "sqlite3.connect(':memory:', factory=C).execute('select 1').fetchone()\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, env=os.environ)
