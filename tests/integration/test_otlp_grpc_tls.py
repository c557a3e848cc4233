"""OTLP over gRPC and TLS: certificates, clients that sign in, and credential providers, as the variables name them."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from grpc_collector import GrpcCollector
from obsv import entry_points
from obsv.settings import resolve
from obsv.sinks.base import Batch, Retry, Sent, SinkError
from obsv.sinks.otlp import OtlpSink
from telemetry import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

RESOURCE = {"service.name": "shop"}
OTLP = "OTEL_EXPORTER_OTLP_"


@pytest.fixture
def collector(pems: Path) -> Iterator[GrpcCollector]:
    pair = ((pems / "server.key").read_bytes(), (pems / "server.pem").read_bytes())
    made = GrpcCollector(grpc.ssl_server_credentials([pair]))
    yield made
    made.stop()


@pytest.fixture
def strict(pems: Path) -> Iterator[GrpcCollector]:
    """A collector that lets in who has the client's certificate."""
    pair = ((pems / "server.key").read_bytes(), (pems / "server.pem").read_bytes())
    made = GrpcCollector(grpc.ssl_server_credentials([pair], (pems / "client.pem").read_bytes(), True))
    yield made
    made.stop()


@pytest.fixture
def send() -> Iterator[Callable[..., Any]]:
    """Send one trace by what these variables say."""
    opened: list[OtlpSink] = []

    def one(**variables: str) -> Any:
        environ = {f"{OTLP}PROTOCOL": "grpc", f"{OTLP}TIMEOUT": "3", **variables}
        settings = resolve({}, environ)
        assert not settings.problems, settings.problems
        sink = OtlpSink(settings)
        opened.append(sink)
        sink.open(RESOURCE)
        return sink.send(Batch("traces", [Recorder().trace()], RESOURCE))

    yield one
    for each in opened:
        each.close()


@pytest.mark.parametrize("scheme", ["https://", ""])
@pytest.mark.parametrize("signal", ["", "TRACES_"])
def test_a_certificate_of_ones_own(send: Any, collector: GrpcCollector, pems: Path, scheme: str, signal: str) -> None:
    endpoint = f"{scheme}localhost:{collector.port}"  # without a scheme TLS is the default (OTLP exporter, "Insecure")
    result = send(**{f"{OTLP}ENDPOINT": endpoint, f"{OTLP}{signal}CERTIFICATE": str(pems / "server.pem")})
    assert type(result) is Sent, result
    assert len(collector.spans()) == 1


def test_an_unknown_certificate(send: Any, collector: GrpcCollector) -> None:
    result = send(**{f"{OTLP}ENDPOINT": f"https://localhost:{collector.port}"})
    assert type(result) is Retry
    assert collector.spans() == []


def test_insecure_is_for_endpoints_without_a_scheme(send: Any) -> None:
    plain = GrpcCollector()
    endpoint = f"localhost:{plain.port}"
    assert type(send(**{f"{OTLP}ENDPOINT": endpoint})) is Retry
    assert type(send(**{f"{OTLP}ENDPOINT": endpoint, f"{OTLP}INSECURE": "true"})) is Sent
    assert type(send(**{f"{OTLP}ENDPOINT": endpoint, f"{OTLP}TRACES_INSECURE": "true"})) is Sent
    plain.stop()


def test_a_client_that_signs_in(send: Any, strict: GrpcCollector, pems: Path) -> None:
    server = {f"{OTLP}ENDPOINT": f"https://localhost:{strict.port}", f"{OTLP}CERTIFICATE": str(pems / "server.pem")}
    client = {f"{OTLP}CLIENT_KEY": str(pems / "client.key"), f"{OTLP}CLIENT_CERTIFICATE": str(pems / "client.pem")}
    assert type(send(**server)) is Retry
    assert type(send(**server, **client)) is Sent
    assert len(strict.spans()) == 1


HALVES = [("client.key", None), (None, "client.pem"), ("client.key", "empty"), ("empty", "client.pem")]


@pytest.mark.parametrize(("key", "certificate"), HALVES)
def test_half_of_a_client_is_refused(pems: Path, key: str | None, certificate: str | None) -> None:
    """gRPC's C core aborts the process: hence one of its own here."""
    program = (
        "from obsv.settings import resolve\n"
        "from obsv.sinks.base import Batch, SinkError\n"
        "from obsv.sinks.otlp import OtlpSink\n"
        "import sys\n"
        "sink = OtlpSink(resolve({}, {key: value for key, value in zip(sys.argv[1::2], sys.argv[2::2])}))\n"
        "try:\n"
        "    sink.open({})\n"
        "    sink.send(Batch('traces', [], {}))\n"
        "except SinkError as error:\n"
        "    print(error)\n"
    )
    arguments = [f"{OTLP}PROTOCOL", "grpc", f"{OTLP}ENDPOINT", "https://localhost:9", f"{OTLP}TIMEOUT", "1"]
    for variable, name in ((f"{OTLP}CLIENT_KEY", key), (f"{OTLP}CLIENT_CERTIFICATE", certificate)):
        arguments += [variable, str(pems / name)] if name else []
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "gRPC needs both" in done.stdout


def test_a_missing_file(send: Any, pems: Path) -> None:
    with pytest.raises(SinkError, match=r"cannot read .*nowhere\.pem"):
        send(**{f"{OTLP}ENDPOINT": "https://localhost:9", f"{OTLP}CERTIFICATE": str(pems / "nowhere.pem")})


def test_headers_of_bytes(send: Any, collector: GrpcCollector, pems: Path) -> None:
    result = send(**{
        f"{OTLP}ENDPOINT": f"https://localhost:{collector.port}", f"{OTLP}CERTIFICATE": str(pems / "server.pem"),
        f"{OTLP}HEADERS": "tenant-bin=north,api-key=k",
    })  # fmt: skip
    assert type(result) is Sent, result
    assert (collector.metadata["tenant-bin"], collector.metadata["api-key"]) == (b"north", "k")


# ---------------------------------------------------------------------- credential providers


class Point:
    """An entry point of an installed package."""

    def __init__(self, load: Any) -> None:
        self.load = load


@pytest.fixture
def provided(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Let the entry point ``mine`` of the group for credentials give this provider."""

    def install(provider: Any) -> None:
        def find(group: str, name: str) -> Any:
            return Point(lambda: provider) if (group, name) == (GROUP, "mine") else None

        monkeypatch.setattr(entry_points, "find", find)

    return install


GROUP = "opentelemetry_otlp_credential_provider"
PROVIDERS = ["CREDENTIAL_PROVIDER", "TRACES_CREDENTIAL_PROVIDER"]


@pytest.mark.parametrize("variable", PROVIDERS)
def test_a_credential_provider(send: Any, collector: GrpcCollector, pems: Path, provided: Any, variable: str) -> None:
    provided(lambda: grpc.ssl_channel_credentials((pems / "server.pem").read_bytes()))
    result = send(**{
        f"{OTLP}ENDPOINT": f"https://localhost:{collector.port}",
        f"OTEL_PYTHON_EXPORTER_OTLP_GRPC_{variable}": "mine",
    })  # fmt: skip
    assert type(result) is Sent, result


def fails() -> Any:
    raise RuntimeError("no vault")


@pytest.mark.parametrize(
    ("provider", "text"),
    [(fails, "mine: RuntimeError: no vault"), (lambda: 5, r"mine gives no grpc\.ChannelCredentials")],
)
def test_a_credential_provider_that_fails(send: Any, provided: Any, provider: Any, text: str) -> None:
    provided(provider)
    variable = "OTEL_PYTHON_EXPORTER_OTLP_GRPC_CREDENTIAL_PROVIDER"
    with pytest.raises(SinkError, match=text):
        send(**{f"{OTLP}ENDPOINT": "https://localhost:9", variable: "mine"})


def test_an_unknown_credential_provider() -> None:
    settings = resolve({}, {"OTEL_PYTHON_EXPORTER_OTLP_GRPC_CREDENTIAL_PROVIDER": "nobodys"})
    [problem] = settings.problems
    assert "nobodys" in str(problem)
    assert settings.otlp_grpc_credentials is None
