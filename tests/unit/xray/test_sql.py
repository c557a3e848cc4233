from __future__ import annotations

from typing import Any

from hypothesis import given

from aws_data import attributes
from obsv.xray.sql import sql


def test_a_statement() -> None:
    rest = {
        "db.system.name": "postgresql",
        "db.namespace": "shop",
        "db.query.text": "SELECT * FROM orders WHERE id = $1",
        "db.user": "app",
        "server.address": "db.local",
        "server.port": 5432,
        "db.collection.name": "orders",
    }
    assert sql(rest) == {
        "database_type": "postgresql",
        "url": "postgresql://db.local:5432/shop",
        "sanitized_query": "SELECT * FROM orders WHERE id = $1",
        "user": "app",
    }
    assert rest == {"db.collection.name": "orders"}


def test_a_connection_string_loses_its_password() -> None:
    block = sql({"db.system": "mysql", "db.connection_string": "mysql://me:secret@db/shop", "db.statement": "SELECT ?"})
    assert block == {"database_type": "mysql", "connection_string": "mysql://db/shop", "sanitized_query": "SELECT ?"}


def test_sqlite_has_no_host() -> None:
    block = sql({"db.system.name": "sqlite", "db.namespace": "shop.db"})
    assert block == {"database_type": "sqlite", "url": "sqlite:///shop.db"}


def test_a_procedure_call() -> None:
    block = sql({"db.system.name": "postgresql", "db.stored_procedure.name": "refill"})
    assert block == {"database_type": "postgresql", "preparation": "call"}


def test_other_databases_keep_their_attributes() -> None:
    rest = {"db.system.name": "redis", "db.query.text": "GET ?"}
    assert sql(rest) is None
    assert rest == {"db.system.name": "redis", "db.query.text": "GET ?"}


@given(attributes)
def test_any_attributes(anything: dict[str, Any]) -> None:
    block = sql({"db.system.name": "sqlite", **anything}) or {}
    assert all(isinstance(value, str) for value in block.values())
