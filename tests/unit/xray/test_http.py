from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from aws_data import attributes
from obsv.xray.http import http


def test_a_client_request() -> None:
    rest = {
        "http.request.method": "GET",
        "url.full": "https://me:pw@example.com/a?b=c",
        "server.address": "example.com",
        "server.port": 443,
        "http.response.status_code": 200,
        "http.response.body.size": 17,
        "http.route": "/a",
    }
    assert http(rest) == {
        "request": {"method": "GET", "url": "https://example.com/a?b=c"},
        "response": {"status": 200, "content_length": 17},
    }
    assert rest == {"http.route": "/a"}


@pytest.mark.parametrize(
    ("parts", "url"),
    [
        ({"url.scheme": "https", "server.address": "shop", "server.port": 443, "url.path": "/a"}, "https://shop/a"),
        ({"url.scheme": "http", "server.address": "shop", "server.port": 8080, "url.path": "/a"}, "http://shop:8080/a"),
        ({"url.scheme": "http", "server.address": "::1", "server.port": 80, "url.path": "/"}, "http://[::1]/"),
        ({"server.address": "shop", "url.path": "/a", "url.query": "b=c"}, "http://shop/a?b=c"),
        ({"url.path": "/a", "url.query": "b=c"}, "/a?b=c"),
        ({"http.scheme": "http", "http.host": "shop:8080", "http.target": "/a?b"}, "http://shop:8080/a?b"),
        ({"http.url": "http://u:p@shop/"}, "http://shop/"),
    ],
)
def test_server_urls_are_put_together(parts: dict[str, Any], url: str) -> None:
    rest = {"http.request.method": "GET", **parts}
    block = http(rest)
    assert block is not None
    assert block["request"]["url"] == url
    assert rest == {}


def test_the_client_behind_a_proxy() -> None:
    block = http({"http.request.method": "GET", "client.address": "203.0.113.9", "network.peer.address": "10.0.0.1"})
    assert block is not None
    assert block["request"] == {"method": "GET", "client_ip": "203.0.113.9", "x_forwarded_for": True}
    block = http({"http.request.method": "GET", "client.address": "10.0.0.1", "network.peer.address": "10.0.0.1"})
    assert block is not None
    assert "x_forwarded_for" not in block["request"]


def test_long_strings_are_cut_and_stay_whole_in_the_metadata() -> None:
    url = "https://example.com/" + "x" * 400
    rest = {"http.request.method": "GET", "url.full": url, "user_agent.original": "u" * 300}
    block = http(rest)
    assert block is not None
    assert len(block["request"]["url"]) == len(block["request"]["user_agent"]) == 250
    assert rest == {"url.full": url, "user_agent.original": "u" * 300}


def test_a_span_without_http_keeps_its_attributes() -> None:
    rest = {"server.address": "db", "server.port": 5432}
    assert http(rest) is None
    assert rest == {"server.address": "db", "server.port": 5432}


def test_header_values_are_lists() -> None:
    block = http({"http.response.status_code": "204", "http.response.header.content-length": ("12",)})
    assert block == {"response": {"status": 204, "content_length": 12}}


@given(attributes)
def test_any_attributes(anything: dict[str, Any]) -> None:
    block = http(dict(anything)) or {}
    assert all(isinstance(value, (str, bool)) for value in block.get("request", {}).values())
    assert all(isinstance(value, int) for value in block.get("response", {}).values())
