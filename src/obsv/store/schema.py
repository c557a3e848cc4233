"""What is in the local store's file, and how an older file becomes a current one.

- `process`: a process that wrote, with its resource, once.
- `trace`: a row a trace, kept up to date by every batch, so that listing traces never reads spans.
- `span`, `log`: their `trace` is the row of `trace`; a log outside of any span has none.
- `seen`: which processes took part in a trace.
- `series`, `point`: a metric with its attributes once, and its value over each interval.

Ids are lower-case hexadecimal text, as everybody writes them; attributes, events, links and fields are JSON text; times
are Unix epoch nanoseconds.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sqlite3 import Connection

# PRAGMA application_id, "obsv" in ASCII: tells our file from another program's database at the same path.
APPLICATION_ID = 0x6F627376

VERSION = 1

_VERSION_1 = """
CREATE TABLE process (
    id INTEGER PRIMARY KEY,
    service TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started_ns INTEGER NOT NULL,
    resource TEXT NOT NULL,
    UNIQUE (service, pid, started_ns)
);
CREATE TABLE trace (
    id INTEGER PRIMARY KEY,
    trace_id TEXT NOT NULL UNIQUE,
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL,
    spans INTEGER NOT NULL,
    errors INTEGER NOT NULL,
    logs INTEGER NOT NULL,
    root_rank INTEGER NOT NULL,
    root_name TEXT,
    root_process INTEGER,
    root_start_ns INTEGER,
    root_end_ns INTEGER
);
CREATE INDEX trace_start ON trace (start_ns);
CREATE INDEX trace_end ON trace (end_ns);
CREATE TABLE seen (
    trace INTEGER NOT NULL,
    process INTEGER NOT NULL,
    PRIMARY KEY (trace, process)
) WITHOUT ROWID;
CREATE TABLE span (
    id INTEGER PRIMARY KEY,
    trace INTEGER NOT NULL,
    process INTEGER NOT NULL,
    span_id TEXT NOT NULL,
    parent_id TEXT,
    parent_remote INTEGER NOT NULL,
    name TEXT NOT NULL,
    kind INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL,
    status INTEGER NOT NULL,
    status_message TEXT,
    attributes TEXT,
    events TEXT,
    links TEXT,
    tracestate TEXT,
    scope TEXT,
    scope_version TEXT,
    dropped TEXT
);
CREATE INDEX span_trace ON span (trace);
CREATE TABLE log (
    id INTEGER PRIMARY KEY,
    trace INTEGER,
    process INTEGER NOT NULL,
    span_id TEXT,
    time_ns INTEGER NOT NULL,
    severity INTEGER NOT NULL,
    level TEXT NOT NULL,
    logger TEXT NOT NULL,
    body TEXT NOT NULL,
    fields TEXT,
    error TEXT,
    code TEXT
);
CREATE INDEX log_trace ON log (trace) WHERE trace IS NOT NULL;
CREATE INDEX log_time ON log (time_ns);
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    unit TEXT NOT NULL,
    attributes TEXT NOT NULL,
    description TEXT NOT NULL,
    UNIQUE (name, kind, unit, attributes)
);
CREATE TABLE point (
    id INTEGER PRIMARY KEY,
    series INTEGER NOT NULL,
    process INTEGER NOT NULL,
    start_ns INTEGER NOT NULL,
    time_ns INTEGER NOT NULL,
    value REAL,
    count INTEGER,
    sum REAL,
    min REAL,
    max REAL,
    zero INTEGER,
    buckets TEXT,
    negative TEXT
);
CREATE INDEX point_series ON point (series);
CREATE INDEX point_time ON point (time_ns);
"""

# What turns version N - 1 into version N is at index N - 1; a step that was released never changes again.
MIGRATIONS = (_VERSION_1,)


class WrongVersionError(Exception):
    """The file is a healthy database that this obsv must not touch. The message says whose it is."""


def check(connection: Connection) -> int:
    """The file's schema version; 0 means that it is empty.

    Raises `WrongVersionError` when a newer obsv wrote it, or another program. Does not write.
    """
    if connection.in_transaction:
        return _check(connection)
    # All of it from one moment: another process may just be creating the tables.
    connection.execute("BEGIN")
    try:
        return _check(connection)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _check(connection: Connection) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    owner = int(connection.execute("PRAGMA application_id").fetchone()[0])
    if owner != APPLICATION_ID:
        if owner or version or connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            raise WrongVersionError("the database belongs to another program")
        return 0
    if version > VERSION:
        raise WrongVersionError(f"written by a newer obsv (schema {version}, this one knows {VERSION})")
    return version


def migrate(connection: Connection) -> None:
    """Bring the file to the current version, whoever else does the same at the same time.

    `connection` is in autocommit mode (`isolation_level=None`) with a busy timeout.
    """
    if check(connection) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have done it while this one waited for the lock.
        for step in MIGRATIONS[check(connection) :]:
            for statement in step.split(";"):
                if statement.strip():
                    connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
