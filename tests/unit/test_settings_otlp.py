"""Where a signal goes over OTLP, beside what opentelemetry's own exporter makes of the same environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.platform import Platform
from obsv.settings import resolve

if TYPE_CHECKING:
    from obsv.settings_otlp import OtlpTarget


def target(signal: str, environ: dict[str, str] | None = None, **config: object) -> OtlpTarget:
    settings = resolve({"config": config} if config else {}, environ or {}, platform=Platform("laptop", {}))
    assert settings.problems == ()
    return settings.otlp(signal)


def test_defaults() -> None:
    found = target("traces")
    assert found.url == "http://localhost:4318/v1/traces"
    assert found.headers == {}
    assert found.compression == "none"
    assert found.timeout == 10.0
    assert (found.certificate, found.client_key, found.client_certificate) == (None, None, None)
    assert found.signal == "traces"


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, "http://c:4318/v1/logs"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/"}, "http://c:4318/v1/logs"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c/base"}, "https://c/base/v1/logs"),
        ({"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://c/as/it/is"}, "http://c/as/it/is"),
        ({"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://c/"}, "http://c/"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://b/x"}, "http://b/x"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://b"},
            "http://a/v1/logs",
        ),
        ({"OBSV_OTLP_ENDPOINT": "http://a", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://b"}, "http://a/v1/logs"),
        ({"OBSV_OTLP_ENDPOINT": "http://a", "OBSV_OTLP_LOGS_ENDPOINT": "http://b"}, "http://b"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "c:4318"}, "http://c:4318/v1/logs"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "c:4318", "OTEL_EXPORTER_OTLP_INSECURE": "false"}, "https://c:4318/v1/logs"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c/x?token=1"}, "http://c/x/v1/logs?token=1"),
    ],
)
def test_urls(environ: dict[str, str], url: str) -> None:
    assert target("logs", environ).url == url


def test_each_option_has_its_own_for_a_signal() -> None:
    environ = {
        "OTEL_EXPORTER_OTLP_HEADERS": "a=1",
        "OTEL_EXPORTER_OTLP_METRICS_HEADERS": "b=2",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION": "none",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "3",
        "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT": "4",
        "OTEL_EXPORTER_OTLP_CERTIFICATE": "ca",
        "OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE": "metrics-ca",
        "OTEL_EXPORTER_OTLP_CLIENT_KEY": "key",
        "OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY": "metrics-key",
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "cert",
        "OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE": "metrics-cert",
    }
    found = target("metrics", environ)
    assert (found.headers, found.compression, found.timeout) == ({"b": "2"}, "none", 4.0)
    assert (found.certificate, found.client_key, found.client_certificate) == (
        "metrics-ca",
        "metrics-key",
        "metrics-cert",
    )
    found = target("traces", environ)
    assert (found.headers, found.compression, found.timeout) == ({"a": "1"}, "gzip", 3.0)
    assert (found.certificate, found.client_key, found.client_certificate) == ("ca", "key", "cert")


def test_from_a_file() -> None:
    found = target("traces", otlp={"endpoint": "http://c", "traces": {"headers": {"X-A": "1"}}, "timeout": "500ms"})
    assert (found.url, found.headers, found.timeout) == ("http://c/v1/traces", {"x-a": "1"}, 0.5)


def test_unknown_signal() -> None:
    with pytest.raises(ValueError, match="'profiles' is none of traces, metrics, logs"):
        target("profiles")


def test_repr_hides_secrets() -> None:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://u:secret@c", "OTEL_EXPORTER_OTLP_HEADERS": "key=secret"}
    assert repr(target("logs", environ)) == "<OtlpTarget logs http://***@c/v1/logs headers=key=***>"


HOST = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=20)
PATH = st.text("abcdefghijklmnopqrstuvwxyz/", max_size=10).map(lambda p: f"/{p}".replace("//", "/"))
ENDPOINT = st.builds(
    lambda scheme, host, port, path: f"{scheme}://{host}:{port}{path}",
    st.sampled_from(["http", "https"]),
    HOST,
    st.integers(1, 65535),
    st.just("") | PATH.map(lambda p: p.rstrip("/")) | PATH.map(lambda p: p.rstrip("/") + "/"),
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT,
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": ENDPOINT,
            "OTEL_EXPORTER_OTLP_HEADERS": st.sampled_from(["a=1", "a=1,B=x%20y", "authorization=Bearer t"]),
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS": st.sampled_from(["c=1", "d=x%3Dy"]),
            "OTEL_EXPORTER_OTLP_TIMEOUT": st.sampled_from(["1", "2.5"]),
            "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": st.sampled_from(["3", "0.5"]),
            "OTEL_EXPORTER_OTLP_COMPRESSION": st.sampled_from(["gzip", "none"]),
            "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION": st.sampled_from(["gzip", "none"]),
        },
    )
)
def test_same_as_opentelemetrys_exporter(environ: dict[str, str]) -> None:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    with pytest.MonkeyPatch.context() as patch:
        for key, value in environ.items():
            patch.setenv(key, value)
        theirs = OTLPSpanExporter()
    try:
        ours = target("traces", environ)
        assert ours.url == theirs._endpoint
        assert ours.timeout == theirs._client._timeout
        assert ours.compression == theirs._compression.value
        own = ("content-type", "content-encoding", "user-agent")
        assert ours.headers == {k: v for k, v in theirs._client._headers.items() if k.lower() not in own}
    finally:
        theirs.shutdown()
