"""The servers that tests stand on do what they promise."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request

import pytest


def fetch(url: str, data: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_network_beyond_loopback_is_unreachable():
    with socket.socket() as outside, pytest.raises(OSError, match="loopback only"):
        outside.connect(("192.0.2.1", 80))
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("example.com", 80)


def test_redis(redis_server):
    assert redis_server.command("SET", "a", "1") == b"+OK\r\n"


def test_moto(moto_server):
    s3 = moto_server.client("s3")
    s3.create_bucket(Bucket="things")
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["things"]
    s3.close()


def test_moto_is_empty_again(moto_server):
    s3 = moto_server.client("s3")
    assert s3.list_buckets()["Buckets"] == []
    s3.close()


def test_echo(http_echo):
    status, body = fetch(http_echo.url + "/a?b=c", b"hello", Traceparent="00-x")
    assert status == 200
    assert json.loads(body)["headers"]["traceparent"] == "00-x"
    assert json.loads(body)["body"] == "hello"
    assert fetch(http_echo.url + "/status/503")[0] == 503
    assert json.loads(fetch(http_echo.url + "/redirect/x")[1])["path"] == "/x"
    assert len(http_echo.requests) == 4


def test_asgi(asgi_server):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    assert fetch(asgi_server(app, lifespan="off").url + "/there") == (201, b"/there")


def test_wsgi(wsgi_server):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["PATH_INFO"].encode()]

    first, second = wsgi_server(app), wsgi_server(app)
    assert fetch(first.url + "/one") == (200, b"/one")
    assert fetch(second.url + "/two") == (200, b"/two")


def test_collector_answers_as_told(otlp_collector):
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
        ExportTraceServiceRequest,
        ExportTraceServiceResponse,
    )

    message = ExportTraceServiceRequest()
    message.resource_spans.add().scope_spans.add().spans.add(name="work")
    body = message.SerializeToString()
    url = otlp_collector.endpoint + "/v1/traces"
    otlp_collector.answer(429, retry_after=1)
    otlp_collector.answer("partial", rejected=3, message="too old")
    otlp_collector.answer("garbage")
    otlp_collector.answer("drop")
    assert fetch(url, body)[0] == 429
    partial = ExportTraceServiceResponse.FromString(fetch(url, body)[1]).partial_success
    assert (partial.rejected_spans, partial.error_message) == (3, "too old")
    assert b"not a protobuf" in fetch(url, body)[1]
    with pytest.raises(OSError, match="closed connection"):
        fetch(url, body)
    assert fetch(url, body) == (200, b"")
    assert [request.status for request in otlp_collector.requests] == [429, 200, 200, 0, 200]
    assert [span.name for span in otlp_collector.spans()] == ["work"] * 3


def test_xray_daemon(xray_daemon):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(xray_daemon.HEADER + b'{"name": "shop"}', (xray_daemon.host, xray_daemon.port))
    assert xray_daemon.wait(1) == [{"name": "shop"}]
