"""Headers, URLs, addresses and namespaces; and that secrets in them stay hidden."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.settings_parse import NOTHING, InvalidError
from obsv.settings_wire import (
    AGENT,
    HEADERS,
    LOG_GROUP,
    LOG_STREAM,
    NAMESPACE,
    URL,
    as_log_group,
    as_namespace,
    mask_headers,
    mask_url,
)


def test_headers() -> None:
    text = "Api-Key=abc%20d, x=a=b,authorization=Bearer t,,empty="
    assert HEADERS.parse(text) == {"api-key": "abc d", "x": "a=b", "authorization": "Bearer t", "empty": ""}
    assert HEADERS.parse({"X-A": " 1 "}) == {"x-a": "1"}


@pytest.mark.parametrize("wrong", ["novalue", "a b=c", "=x", "k=%0d%0aevil: 1", "k=%E2%82%AC", "k%0ax=v", "k=\x00"])
def test_wrong_headers_are_left_out(wrong: str) -> None:
    with pytest.raises(InvalidError) as raised:
        HEADERS.parse(f"good=1,{wrong}")
    assert raised.value.usable == {"good": "1"}
    with pytest.raises(InvalidError) as raised:
        HEADERS.parse(wrong)
    assert raised.value.usable is NOTHING


@pytest.mark.parametrize("wrong", [{"a": 1}, {1: "a"}, {"a": None}, 5, None, ["a=b"], dict])
def test_headers_of_a_wrong_type(wrong: object) -> None:
    with pytest.raises(InvalidError):
        HEADERS.parse(wrong)


TOKEN = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_.", min_size=1)
LATIN = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"))


@given(st.dictionaries(TOKEN, LATIN))
def test_quoted_headers_come_back(headers: dict[str, str]) -> None:
    from urllib.parse import quote

    text = ",".join(f"{name}={quote(value, safe='')}" for name, value in headers.items())
    assert HEADERS.parse(text) == {name: value.strip() for name, value in headers.items()}


@given(st.dictionaries(TOKEN, LATIN))
def test_headers_agree_with_opentelemetry(headers: dict[str, str]) -> None:
    from urllib.parse import quote

    from opentelemetry.util.re import parse_env_headers

    text = ",".join(f"{name}={quote(value, safe='')}" for name, value in headers.items())
    assert HEADERS.parse(text) == dict(parse_env_headers(text, liberal=True))


@given(st.text())
def test_headers_never_carry_a_line_end(text: str) -> None:
    try:
        headers = HEADERS.parse(text)
    except InvalidError as error:
        headers = error.usable if isinstance(error.usable, dict) else {}
    for name, value in headers.items():
        assert "\n" not in name + value
        assert "\r" not in name + value


def test_header_values_are_masked() -> None:
    assert mask_headers({"a": "secret", "b": "x"}) == "a=***,b=***"
    assert mask_headers({}) == "none"
    assert mask_headers("a=secret") == "***"
    assert HEADERS.show({"a": "secret"}) == "a=***"
    assert HEADERS.show(None) == "none"


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:4318",
        "https://collector.example.com/base/",
        "http://[::1]:4318/v1/traces",
        "http://user:pass@host:1/x?key=value",
        "collector:4318",
        "localhost",
    ],
)
def test_urls(url: str) -> None:
    assert URL.parse(f" {url} ") == url


def test_the_scheme_is_in_lower_case() -> None:
    assert URL.parse("HTTP://Host") == "http://Host"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x",
        "http://",
        "http://:80",
        "http://h:99999",
        "http://h:0",
        "http://h:x",
        "http://h:",
        "a b",
        "http://[::1",
        "",
    ]
    + ["http://h\n", "http://a b/", "grpc://h:1", "http://[]:80", 5, None, "http://" + "x" * 3000],
)
def test_wrong_urls(url: object) -> None:
    if isinstance(url, str) and url.endswith("\n"):
        assert URL.parse(url) == "http://h"  # blanks around a value do not count
        return
    with pytest.raises(InvalidError, match="a URL such as"):
        URL.parse(url)


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("http://h:1/p", "http://h:1/p"),
        ("http://user:pass@h/p", "http://***@h/p"),
        ("http://u:p@ss@h", "http://***@h"),
        ("user:pass@h", "***@h"),
        ("http://h/p?api-key=secret", "http://h/p?***"),
    ],
)
def test_urls_are_masked(url: str, masked: str) -> None:
    assert mask_url(url) == masked
    assert URL.show(url) == masked


def test_masks_take_anything() -> None:
    assert mask_url(None) == "not set"
    assert mask_url(5) == "5"


def test_namespaces() -> None:
    assert NAMESPACE.parse(" Shop/Orders #1 ") == "Shop/Orders #1"
    for wrong in ("", "AWS/Lambda", ":x", "größe", "x" * 256, "a\tb", None, 5):
        with pytest.raises(InvalidError, match="a CloudWatch namespace"):
            NAMESPACE.parse(wrong)


@given(st.text())
def test_every_service_has_a_namespace(service: str) -> None:
    namespace = as_namespace(service)
    assert NAMESPACE.parse(namespace) == namespace


def test_a_plain_service_is_its_namespace() -> None:
    assert as_namespace("shop") == "shop"
    assert as_namespace("AWS/x") == "AWS_x"


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("tcp://127.0.0.1:25888", "tcp://127.0.0.1:25888"),
        ("UDP://agent:9/", "udp://agent:9"),
        ("agent:9", "tcp://agent:9"),
        (" udp://agent ", "udp://agent:25888"),
        ("tcp://[::1]:9", "tcp://[::1]:9"),
    ],
)
def test_agent_endpoints(text: str, endpoint: str) -> None:
    assert AGENT.parse(text) == endpoint


@pytest.mark.parametrize(
    "text", ["http://a:1", "tcp://", "tcp://a:0", "tcp://a:x", "tcp://a b:1", "tcp://a:1/path", "", 5]
)
def test_wrong_agent_endpoints(text: object) -> None:
    with pytest.raises(InvalidError):
        AGENT.parse(text)


def test_log_groups_and_streams() -> None:
    assert LOG_GROUP.parse(" /aws/shop#1 ") == "/aws/shop#1"
    assert LOG_STREAM.parse("a/[b] c") == "a/[b] c"
    for kind, wrong in (
        (LOG_GROUP, "a b"),
        (LOG_GROUP, ""),
        (LOG_GROUP, "a" * 513),
        (LOG_STREAM, "a:b"),
        (LOG_STREAM, 1),
    ):
        with pytest.raises(InvalidError):
            kind.parse(wrong)


@given(st.text(min_size=1, max_size=255))
def test_the_log_group_of_any_service_is_allowed(service: str) -> None:
    assert LOG_GROUP.parse(as_log_group(service))


def test_a_service_logs_into_the_group_of_its_name() -> None:
    assert [as_log_group(name) for name in ("shop", "a b", "aws/x", "x" * 600)] == ["shop", "a_b", "_aws/x", "x" * 512]
