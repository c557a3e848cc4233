"""redis, patched, sync and async by the same description, against a real Redis server."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

import pytest
import redis
import redis.asyncio

import obsv
from obsv.hotpath.redis_client import say
from obsv.hotpath.span import CLIENT, ERROR
from obsv.patches import REGISTRY
from obsv.testing import Capture, capture
from servers import RedisServer, free_port
from unpatched import ORDERS, functions, spans_in_new_process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

TARGETS = (
    "redis.client:Redis.execute_command",
    "redis.client:Pipeline.execute",
    "redis.asyncio.client:Redis.execute_command",
    "redis.asyncio.client:Pipeline.execute",
    "redis.cluster:RedisCluster.execute_command",
    "redis.cluster:ClusterPipeline.execute",
    "redis.asyncio.cluster:RedisCluster.execute_command",
    "redis.asyncio.cluster:ClusterPipeline.execute",
)


@pytest.fixture
def seen() -> Iterator[Capture]:
    with capture(patch="redis") as captured:
        yield captured


@pytest.fixture
def client(seen: Capture, redis_server: RedisServer) -> Iterator[Any]:
    with redis.Redis(redis_server.host, redis_server.port) as made:
        yield made


@pytest.fixture
async def async_client(seen: Capture, redis_server: RedisServer) -> AsyncIterator[Any]:
    made: Any = redis.asyncio.Redis(host=redis_server.host, port=redis_server.port, db=1)
    async with made:
        yield made


def names(seen: Capture) -> list[str]:
    return [span.name for span in seen.spans]


def test_a_command_is_one_span(seen: Capture, client: Any, redis_server: RedisServer) -> None:
    assert client.set("key:s3cret", "s3cret", ex=10) is True
    assert client.get("key:s3cret") == b"s3cret"
    first, second = seen.spans
    assert (first.name, first.kind_value, first.status_value) == ("SET", CLIENT, 0)
    assert first.attributes == {
        "db.system.name": "redis",
        "db.namespace": "0",
        "db.operation.name": "SET",
        "db.query.text": "SET ? ? ? ?",
        "server.address": "127.0.0.1",
        "server.port": redis_server.port,
    }
    assert second.attributes["db.query.text"] == "GET ?"


async def test_an_async_command_is_one_span(seen: Capture, async_client: Any, redis_server: RedisServer) -> None:
    with obsv.span("work"):
        await asyncio.gather(async_client.set("a", 1), async_client.hset("h", mapping={"b": "s3cret"}))
        assert await async_client.get("a") == b"1"
    assert sorted(names(seen)) == ["GET", "HSET", "SET", "work"]
    span = seen.span("HSET")
    assert (span.kind_value, span.attributes["db.namespace"]) == (CLIENT, "1")
    assert span.attributes["db.query.text"] == "HSET ? ? ?"
    assert {span.parent_id for span in seen.spans if span.name != "work"} == {seen.span("work").span_id}


def test_a_pipeline_is_one_span(seen: Capture, client: Any) -> None:
    with client.pipeline(transaction=False) as pipe:
        assert pipe.set("a", 1).incr("a").get("a").execute() == [True, 2, b"2"]
    with client.pipeline() as pipe:
        pipe.incr("a").incr("a")
        assert pipe.execute() == [3, 4]
    with client.pipeline() as pipe:
        assert pipe.execute() == []
    first, second = seen.spans
    assert first.name == "PIPELINE"
    assert first.attributes["db.operation.batch.size"] == 3
    assert first.attributes["db.query.text"] == "SET ? ?\nINCRBY ? ?\nGET ?"
    assert second.name == second.attributes["db.operation.name"] == "MULTI INCRBY"


async def test_an_async_pipeline_is_one_span(seen: Capture, async_client: Any) -> None:
    async with async_client.pipeline(transaction=True) as pipe:
        assert await pipe.set("a", 1).get("a").execute() == [True, b"1"]
    [span] = seen.spans
    assert (span.name, span.attributes["db.operation.batch.size"]) == ("MULTI", 2)


def test_watching_works(seen: Capture, client: Any) -> None:
    def move(pipe: Any) -> None:
        value = int(pipe.get("a") or 0)
        pipe.multi()
        pipe.set("a", value + 1)

    assert client.transaction(move, "a") == [True]
    assert client.get("a") == b"1"
    assert names(seen) == ["MULTI SET", "GET"]


def test_scripts_pubsub_locks_and_scans_work(seen: Capture, client: Any) -> None:
    script = client.register_script("return redis.call('set', KEYS[1], ARGV[1])")
    assert script(keys=["a"], args=["s3cret"]) == b"OK"
    with client.lock("lock", timeout=5):
        pass
    assert list(client.scan_iter("a*")) == [b"a"]
    with client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe("channel")
        client.publish("channel", "s3cret")
    assert client.config_get("maxmemory")
    assert {"EVALSHA", "SCRIPT LOAD", "SET", "SCAN", "PUBLISH", "CONFIG GET"} <= set(names(seen))
    assert "s3cret" not in str([span.attributes for span in seen.spans])


def test_errors_are_recorded_and_raised(seen: Capture, client: Any) -> None:
    client.set("a", "text")
    with pytest.raises(redis.ResponseError, match="not an integer"):
        client.incr("a")
    assert seen.spans[1].status_value == ERROR
    with client.pipeline() as pipe, pytest.raises(redis.ResponseError):
        pipe.incr("a").execute()
    with client.pipeline() as pipe:
        assert isinstance(pipe.incr("a").execute(raise_on_error=False)[0], redis.ResponseError)
    assert [span.status_value for span in seen.spans] == [0, ERROR, ERROR, 0]


async def test_a_refused_connection_is_recorded_and_raised(seen: Capture) -> None:
    port = free_port()
    with redis.Redis(port=port) as client, pytest.raises(redis.ConnectionError):
        client.ping()
    async with redis.asyncio.Redis(port=port) as other:
        with pytest.raises(redis.ConnectionError):
            await other.ping()
    assert [(span.name, span.status_value) for span in seen.spans] == [("PING", ERROR)] * 2
    assert seen.spans[0].attributes["server.port"] == port


def test_a_url_without_a_host_and_a_socket_are_named(seen: Capture) -> None:
    with redis.Redis(unix_socket_path="/nowhere/redis.sock") as client, pytest.raises(redis.ConnectionError):
        client.ping()
    assert seen.spans[0].attributes["server.address"] == "/nowhere/redis.sock"


@pytest.mark.parametrize(
    ("arguments", "name", "text"),
    [
        (("get", "k"), "GET", "GET ?"),
        ((b"GET", b"k"), "GET", "GET ?"),
        (("CONFIG GET", "x"), "CONFIG GET", "CONFIG GET ?"),
        (("CLIENT", "SETINFO", "a", "b"), "CLIENT SETINFO", "CLIENT SETINFO ? ?"),
        (("ACL", "a:b"), "ACL", "ACL ?"),
        (("GET s3cret", "k"), "GET", "GET ?"),
        (("MSET", *range(40)), "MSET", "MSET" + " ?" * 16 + " …"),
        ((), "redis", ""),
        (("",), "redis", ""),
    ],
)
def test_commands_are_said_without_their_arguments(arguments: tuple[Any, ...], name: str, text: str) -> None:
    assert say(arguments) == (name, text)


def test_unpatching_restores_the_functions() -> None:
    before = functions(*TARGETS)
    signature = inspect.signature(redis.Redis.execute_command)
    with capture(patch="redis"):
        patched = functions(*TARGETS)
        assert all(patched[target] is not before[target] for target in TARGETS)
        assert inspect.signature(redis.Redis.execute_command) == signature
        assert inspect.iscoroutinefunction(redis.asyncio.Redis.execute_command)
        assert REGISTRY["redis"].state() == "patched"
        obsv.unpatch("redis")
        assert functions(*TARGETS) == before
    assert functions(*TARGETS) == before


@pytest.mark.parametrize("order", ORDERS)
def test_the_order_of_imports_does_not_matter(redis_server: RedisServer, order: str) -> None:
    code = "redis.Redis.from_url(sys.argv[1]).ping()"
    [span] = spans_in_new_process(order, "redis", code, redis_server.url)
    assert span["name"] == "PING"
