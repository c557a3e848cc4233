"""Outgoing calls to a server on this machine: what a client span and its header add on the caller's thread."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from benchmarks.measure import adds
from benchmarks.scenario import Less, Peer, Scenario

from ._setup import DDTRACE, OBSV, SDK, start_ddtrace, start_obsv, start_sdk

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.measure import Run
    from benchmarks.scenario import Measure

PLACE = 5


def _httpx(url: str) -> Run:
    import httpx

    client = httpx.Client()

    def run(count: int) -> None:
        for _ in range(count):
            client.get(f"{url}/api")

    return run


def _requests(url: str) -> Run:
    import requests

    session = requests.Session()

    def run(count: int) -> None:
        for _ in range(count):
            session.get(f"{url}/api")

    return run


def _redis(url: str) -> Run:
    import redis

    client = redis.Redis(port=int(os.environ["BENCH_REDIS_PORT"]), protocol=2)

    def run(count: int) -> None:
        for _ in range(count):
            client.get("key")

    return run


def _sqlite3(url: str) -> Run:
    import sqlite3

    connection = sqlite3.connect(":memory:")
    cursor = connection.cursor()
    cursor.execute("create table orders (number integer primary key, total real)")
    cursor.execute("insert into orders values (7, 12.5)")

    def run(count: int) -> None:
        for _ in range(count):
            cursor.execute("select number, total from orders where number = ?", (7,)).fetchall()

    return run


def botocore_client(url: str) -> Any:
    """Make a client of S3 that asks a server at this URL."""
    import botocore.session

    return botocore.session.Session().create_client(
        "s3",
        region_name="eu-west-1",
        endpoint_url=url,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=botocore.config.Config(s3={"addressing_style": "path"}),
    )


def _botocore(url: str) -> Run:
    client = botocore_client(url)

    def run(count: int) -> None:
        for _ in range(count):
            client.head_object(Bucket="bucket", Key="key")

    return run


MAKE: dict[str, Callable[[str], Run]] = {
    "httpx": _httpx,
    "requests": _requests,
    "redis": _redis,
    "sqlite3": _sqlite3,
    "botocore": _botocore,
}


def _measure(client: str, instrument: Callable[[str, str], Callable[[], object]]) -> Measure:
    return adds(MAKE[client], lambda url: instrument(url, client))


def _obsv(url: str, client: str) -> Callable[[], object]:
    return start_obsv(url, metrics="otlp", patch=True)


def _sdk(url: str, client: str) -> Callable[[], object]:
    from importlib import import_module

    _, flush = start_sdk(url, metrics=True)
    name = {"httpx": "HTTPXClientInstrumentor", "sqlite3": "SQLite3Instrumentor"}.get(
        client, f"{client.title()}Instrumentor"
    )
    getattr(import_module(f"opentelemetry.instrumentation.{client}"), name)().instrument()
    return flush


def _ddtrace(url: str, client: str) -> Callable[[], object]:
    tracer = start_ddtrace(url)
    from ddtrace import patch

    patch(raise_errors=True, **{client: True})
    flush: Callable[[], Any] = tracer.flush
    return flush


INSTRUMENT: dict[str, Callable[[str, str], Callable[[], object]]] = {"obsv": _obsv, "opentelemetry": _sdk}
"""How clients are instrumented in an environment, for who counts."""


def _scenario(client: str) -> Scenario:
    return Scenario(
        f"client_{client}",
        f"Outgoing call through {client}: what a client span and its header add",
        (
            Peer(OBSV, _measure(client, _obsv), "obsv"),
            Peer(SDK, _measure(client, _sdk), "opentelemetry"),
            Peer(DDTRACE, _measure(client, _ddtrace), "ddtrace"),
        ),
        {"sqlite3": 20_000, "redis": 4_000, "botocore": 1_200}.get(client, 2_400),
        (Less("adds", (SDK,), 10), Less("adds", (SDK, DDTRACE), 1)),
        few=1_000 if client == "sqlite3" else 200,
    )


SCENARIOS = tuple(_scenario(client) for client in MAKE)
