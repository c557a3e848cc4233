"""The ``sql`` block of a subsegment, from OpenTelemetry's database attributes."""

from __future__ import annotations

from typing import Any

from .names import MAX_STRING, first, integer, take, text, without_password

# Names of the stable conventions and of the older ones. Other databases (Redis, MongoDB) have no place in this block.
_SQL = frozenset(
    (
        "postgresql",
        "mysql",
        "mariadb",
        "sqlite",
        "microsoft.sql_server",
        "mssql",
        "oracle.db",
        "oracle",
        "ibm.db2",
        "db2",
        "aws.redshift",
        "redshift",
        "cockroachdb",
        "clickhouse",
        "derby",
        "firebirdsql",
        "h2database",
        "h2",
        "hive",
        "hsqldb",
        "other_sql",
        "sap.hana",
        "hanadb",
        "spanner",
        "gcp.spanner",
        "teradata",
        "trino",
        "vertica",
        "duckdb",
        "snowflake",
    )
)

_GIVEN = "aws.xray.sql."
_FIELDS = ("url", "connection_string", "database_type", "database_version", "driver_version", "preparation")
"""Fields that a program says itself, as attributes that begin with ``_GIVEN`` (the bridge of aws-xray-sdk does)."""


def sql(rest: dict[str, Any]) -> dict[str, Any] | None:
    """Return the block, or None when the span is not an SQL statement. Takes what it uses out of ``rest``.

    ``sanitized_query`` is ``db.query.text``, from which whoever recorded it has removed the literals (OpenTelemetry
    semantic conventions, "Sanitization of db.query.text"). Passwords in URLs and connection strings are removed here.
    """
    given = {key: rest.pop(_GIVEN + key) for key in _FIELDS if _GIVEN + key in rest}
    system = first(rest, "db.system.name", "db.system")
    if not given and not (isinstance(system, str) and system in _SQL):
        return None
    block = _block(rest, system)
    if "url" in given or "connection_string" in given:
        block.pop("url", None)
    for key, value in given.items():
        block[key] = without_password(text(value)) if key in ("url", "connection_string") else text(value)
    return block


def _block(rest: dict[str, Any], system: Any) -> dict[str, Any]:
    take(rest, "db.system.name", "db.system")
    block: dict[str, Any] = {"database_type": text(system)} if system is not None else {}
    given = take(rest, "db.connection_string")
    namespace = first(rest, "db.namespace", "db.name")
    host = first(rest, "server.address", "net.peer.name")
    if given:
        block["connection_string"] = without_password(text(given))
    elif host is not None or namespace is not None:
        port = integer(take(rest, "server.port", "net.peer.port"))
        place = (text(host) if host is not None else "") + (f":{port}" if port is not None else "")
        block["url"] = f"{text(system or 'sql')}://{place}/{text(namespace) if namespace is not None else ''}"
        take(rest, "server.address", "net.peer.name")
        take(rest, "db.namespace", "db.name")
    query = take(rest, "db.query.text", "db.statement")
    if query is not None:
        block["sanitized_query"] = text(query)
    user = take(rest, "db.user")
    if user:
        block["user"] = text(user)[:MAX_STRING]
    if "db.stored_procedure.name" in rest or str(rest.get("db.operation.name", "")).upper() in {"CALL", "EXECUTE"}:
        block["preparation"] = "call"
    return block
