"""Names, attributes, redaction and the metric of HTTP requests, as all server patches share them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.hotpath import exchange as server
from obsv.hotpath import metrics
from obsv.hotpath.exchange import Exchange, address
from obsv.hotpath.secrets import redact_query as redacted
from obsv.patches._http_server import Excluded, version_number
from telemetry import Recorder


@pytest.mark.parametrize(
    ("host", "scheme", "expected"),
    [
        ("Example.org", "https", ("example.org", 443)),
        ("example.org:8080", "http", ("example.org", 8080)),
        ("[::1]:8000", "http", ("::1", 8000)),
        ("[2001:DB8::1]", "ws", ("2001:db8::1", 80)),
        ("example.org", "gopher", ("example.org", None)),
        ("bücher.example", "http", ("bücher.example", 80)),
        ("user:secret@example.org", "http", None),
        ("example.org:port", "http", None),
        ("a.example,b.example", "http", None),
        ("x" * 300, "http", None),
        ("", "http", None),
        ("::1", "http", None),
    ],
)
def test_host_headers(host: str, scheme: str, expected: tuple[str, int | None] | None) -> None:
    assert address(host, scheme) == expected
    assert address(host, scheme) == expected  # from the cache


@given(st.text(), st.sampled_from(["http", "https", "x"]))
def test_no_host_header_raises_or_is_kept_for_ever(host: str, scheme: str) -> None:
    found = address(host, scheme)
    assert found is None or (found[0] and "@" not in found[0])
    assert len(server._hosts) <= server._MAX_HOSTS


KEYS = (
    "AWSAccessKeyId",
    "Signature",
    "sig",
    "X-Goog-Signature",
    "X-Amz-Signature",
    "X-Amz-Credential",
    "X-Amz-Security-Token",
)


@pytest.mark.parametrize("key", KEYS)
def test_credentials_are_redacted(key: str) -> None:
    assert redacted(f"{key}=abc%2Fdef&a=1") == f"{key}=REDACTED&a=1"
    assert redacted(f"a=1&{key}=abc&{key}=def") == f"a=1&{key}=REDACTED&{key}=REDACTED"
    assert redacted(f"a=1&{key}") == f"a=1&{key}"
    assert redacted(f"my{key}=kept") == f"my{key}=kept"


@given(st.lists(st.tuples(st.sampled_from([*KEYS, "a", "b"]), st.text("xyz0%=;", max_size=8)), max_size=6))
def test_only_credentials_are_redacted(pairs: list[tuple[str, str]]) -> None:
    expected = [(key, "REDACTED" if key in KEYS else value) for key, value in pairs]
    assert redacted("&".join(f"{k}={v}" for k, v in pairs)) == "&".join(f"{k}={v}" for k, v in expected)


def test_versions() -> None:
    assert [version_number(text) for text in ("HTTP/1.1", "HTTP/2.0", "2", "HTTP/3.0", "", None)] == [
        "1.1",
        "2",
        "2",
        "3",
        None,
        None,
    ]


def exchange(recorder: Recorder, method: str | None, **more: Any) -> Exchange:
    made = Exchange(recorder.scope, method, more.pop("scheme", "http"))
    known: dict[str, Any] = dict.fromkeys(("server", "peer", "forwarded", "version", "agent"))
    made.open(None, more.pop("path", "/"), more.pop("query", ""), **{**known, **more})
    return made


@pytest.mark.parametrize(
    ("method", "route", "name"),
    [
        ("GET", "/a", "GET /a"),
        ("GET", None, "GET"),
        ("QUERY", "/a", "QUERY /a"),
        ("BREW", "/a", "HTTP /a"),
        ("BREW", None, "HTTP"),
        ("_OTHER", None, "HTTP"),
        (None, "/a", "WS /a"),
        (None, None, "WS"),
    ],
)
def test_names(method: str | None, route: str | None, name: str) -> None:
    recorder = Recorder()
    exchange(recorder, method).finish(200, route)
    [[span]] = recorder.traces()
    assert span.name == name


def test_error_type_is_the_exception_or_the_status() -> None:
    recorder = Recorder()
    for status, error in ((500, ValueError("x")), (503, None), (404, None), (None, KeyboardInterrupt())):
        exchange(recorder, "GET").finish(status, "/a", error)
    found = [spans[0] for spans in recorder.traces()]
    assert [span.attributes.get("error.type") for span in found] == ["ValueError", "503", None, None]
    assert [span.status_value for span in found] == [2, 2, 0, 0]


def test_elapsed_time_is_the_spans_duration() -> None:
    recorder = Recorder()
    exchange(recorder, "GET").finish(200, None, None, 0.25)
    [[span]] = recorder.traces()
    assert span.end_ns - span.start_ns == 250_000_000


def test_a_sampler_sees_what_is_asked_for() -> None:
    recorder = Recorder()
    seen: list[dict[str, Any]] = []

    def sampler(span: Any, context: Any) -> bool:
        seen.append(dict(span.attributes))
        return False

    recorder.scope.outlet.sampler = sampler
    recorder.scope.outlet.sample_all = False
    exchange(recorder, "GET", path="/health").finish(200, "/health")
    assert seen == [{"http.request.method": "GET", "url.path": "/health", "url.scheme": "http"}]
    assert recorder.traces() == []


def test_cells_at_hand_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics.METER, "enabled", True)
    monkeypatch.setattr(server, "_MAX_CELLS", 50)
    recorder = Recorder()
    for status in range(200):
        exchange(recorder, "GET").finish(status, "/a")
        assert len(server._cells) <= 50


def test_excluded_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBSV_EXCLUDED_URLS", "^/health,(?i)metrics$")
    from obsv import patches

    monkeypatch.setattr(patches, "_settings", None)
    excluded = Excluded()
    assert not excluded.matches("/health")
    excluded.load()
    paths = ("/health/live", "/a/METRICS", "/a/health", "/metrics/x")
    assert [excluded.matches(path) for path in paths] == [True, True, False, False]
