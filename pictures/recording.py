"""Runs the page's program as a task on Fargate runs it, and returns what its servers and its stdout were given.

Orders come in rounds. After each round ``obsv.flush()`` does what a minute does on AWS: it tells the metrics.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import sysconfig
from contextlib import closing
from typing import TYPE_CHECKING, Any

import boto3

from . import page

if TYPE_CHECKING:
    from pathlib import Path

    Record = dict[str, Any]

_ORDERS = (("tea", "c-7"), ("coffee", "c-8"), ("tea", "c-9"), ("cocoa", "c-10"), ("tea", "c-11"))
_MORE = (0, 1, 3, 5, 4, 2, 3, 1, 0)

ROUNDS = [*[(*_ORDERS, *[("tea", "c-12")] * more) for more in _MORE], (*_ORDERS, ("tea", "c-13"))]
"""What is ordered in each round, and by whom. Of cocoa there is none, and the card of c-13 has expired."""

HOST = "ip-10-0-3-7.eu-central-1.compute.internal"
_PACKAGES = "/usr/local/lib/python3/site-packages"
_STOCK = {"tea": 1000, "coffee": 1000, "cocoa": 0}

_TRAFFIC = """
import http.client, json, socket, sys, threading
import uvicorn
import obsv
import orders

ended = threading.Semaphore(0)

async def app(scope, receive, send):
    try:
        await orders.app(scope, receive, send)
    finally:
        if scope["type"] == "http":
            ended.release()  # its span has ended too

listener = socket.create_server(("127.0.0.1", 0))
server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
serving = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
serving.start()
connection = http.client.HTTPConnection("127.0.0.1", listener.getsockname()[1], timeout=20)
for orders_of_round in json.loads(sys.argv[1]):
    for sku, customer in orders_of_round:
        headers = {"Host": "orders.example.com", "User-Agent": "shop/2.1"}
        connection.request("POST", f"/orders/{sku}?customer={customer}", headers=headers)
        connection.getresponse().read()
        assert ended.acquire(timeout=20)
    assert obsv.flush(20)
    print(flush=True)  # an empty line: the round is over
server.should_exit = True
serving.join()
"""

_WAITING = """
import asyncio, gc
import obsv

obsv.init("orders", traces="none", metrics="emf", logs="none", config={"metric_interval": "200ms"})
obsv.counter("orders.placed").add(1, sku="tea")

async def wait():
    for _ in range(6):
        gc.collect()
        await asyncio.sleep(0.2)

asyncio.run(wait())
"""


def record(aws: Any, daemon: Any, folder: Path) -> Record:
    """Run the program and return what has arrived.

    Args:
        aws: moto's server: ``url`` and ``port``. It stands in for DynamoDB.
        daemon: The X-Ray daemon of ``tests/collectors.py``.
        folder: Where the program runs.
    """
    table = {"AttributeName": "id"}
    region = page.environment()["AWS_REGION"]
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    boto3.client("dynamodb", endpoint_url=aws.url, region_name=region, **keys).create_table(
        TableName="orders",
        KeySchema=[{**table, "KeyType": "HASH"}],
        AttributeDefinitions=[{**table, "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    with closing(sqlite3.connect(folder / "stock.db")) as stock, stock:
        stock.execute("create table stock (sku text primary key, left_over integer)")
        stock.executemany("insert into stock values (?, ?)", _STOCK.items())
    (folder / "orders.py").write_text(page.program(), encoding="utf-8")
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "OBSV_PURE_PYTHON") if name in os.environ}
    environment = {**kept, **page.environment(), "AWS_EC2_METADATA_DISABLED": "true"}
    environment |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_ENDPOINT_URL": aws.url}
    environment["AWS_XRAY_DAEMON_ADDRESS"] = daemon.address
    before = len(daemon.datagrams)
    told = _run([_TRAFFIC, json.dumps(ROUNDS)], environment, folder)
    documents = daemon.wait(before + sum(map(len, ROUNDS)))[-len(ROUNDS[-1]) :]
    waited = _run([_WAITING], {**environment, "AWS_XRAY_DAEMON_ADDRESS": "", "OBSV_APPLICATION_SIGNALS": ""}, folder)
    found = {"documents": documents, **_sorted(told), "runtime": _parse(waited)}
    names = {os.uname().nodename: HOST, str(folder): "/app"}
    names |= dict.fromkeys([sysconfig.get_path("purelib"), str(page.ROOT / "src")], _PACKAGES)
    steady: Record = _steady(found, names, aws.port)
    return steady


def _run(command: list[str], environment: dict[str, str], folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode or done.stderr:
        raise RuntimeError(f"status {done.returncode}: {done.stderr}\n{done.stdout[-2000:]}")
    return done.stdout


def _parse(text: str) -> list[Record]:
    return [json.loads(line) for line in text.splitlines() if line]


def _sorted(told: str) -> Record:
    """Divide what the program wrote: metrics by round, and of the last round the log lines and Application Signals."""
    rounds = [_parse(text) for text in told.split("\n\n")]
    if not rounds[-1]:
        rounds.pop()
    metrics = [[line for line in each if _namespace(line) not in (None, "ApplicationSignals")] for each in rounds]
    last = rounds[-1]
    return {
        "metrics": metrics,
        "logs": [line for line in last if "_aws" not in line],
        "signals": [line for line in last if _namespace(line) == "ApplicationSignals"],
    }


def _namespace(line: Record) -> str | None:
    return line["_aws"]["CloudWatchMetrics"][0]["Namespace"] if "_aws" in line else None


def _steady(value: Any, names: dict[str, str], port: int) -> Any:
    """Replace what this machine is called, and moto by the service that it stands for."""
    if isinstance(value, dict):
        if value.get("server.port") == port:
            rest = {key: member for key, member in value.items() if key != "server.port"}
            value = {**rest, "server.address": "dynamodb.eu-central-1.amazonaws.com"}
        return {key: _steady(member, names, port) for key, member in value.items()}
    if isinstance(value, list):
        return [_steady(member, names, port) for member in value]
    if isinstance(value, str):
        for name, other in names.items():
            value = value.replace(name, other)
    return value


# ---- comparing

_OTHER_EACH_TIME = frozenset(
    {
        "id",
        "trace_id",
        "parent_id",
        "span_id",
        "xray_trace_id",
        "request_id",
        "order_id",
        "cause",
        "service.instance.id",
        "start_time",
        "end_time",
        "timestamp",
        "time",
        "Timestamp",
        "process.pid",
        "process.runtime.version",
        "runtime_version",
        "process.executable.name",
        "telemetry.sdk.version",
        "Telemetry.SDK",
        "host.arch",
    }
)


def blank(value: Any, key: str = "") -> Any:
    """Return a record without what is another each time: ids, times, durations, versions, other packages' frames."""
    if isinstance(value, dict):
        return {name: blank(member, name) for name, member in value.items()}
    if key in _OTHER_EACH_TIME or isinstance(value, float):
        return "…"
    if key in ("stack", "frames") and isinstance(value, list):
        return [blank(frame) for frame in value if str(frame.get("path") or frame.get("file")).endswith("orders.py")]
    if key == "stack":
        return "…"
    if isinstance(value, list):
        return [blank(member) for member in value]
    return value
