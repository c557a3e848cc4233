"""How OTLP over HTTP reaches its target: connections that end, TLS and its certificates, URLs, answers."""

from __future__ import annotations

import gzip
import os
import select
import socket
import ssl
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.settings import resolve
from obsv.sinks.base import Batch, Refused, Retry, Sent
from obsv.sinks.otlp import OtlpSink
from obsv.sinks.otlp_http import sendable
from telemetry import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OTLP = "OTEL_EXPORTER_OTLP_"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Peer:
    """Answers each request with the next of these bytes; after ``close`` of them it closes the connection."""

    def __init__(
        self, *answers: bytes, close: int = 1_000, context: ssl.SSLContext | None = None, host: str = ""
    ) -> None:
        self.answers = list(answers)
        self.close = close
        self.context = context
        self.heads: list[bytes] = []
        self.connections = 0
        self.closed = threading.Event()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.listening = socket.create_server((host or "127.0.0.1", 0), family=family)
        self.port = self.listening.getsockname()[1]
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                accepted, _ = self.listening.accept()
            except OSError:
                return
            self.connections += 1
            try:
                accepted.settimeout(10)
                with self.context.wrap_socket(accepted, server_side=True) if self.context else accepted as connection:
                    self._answer(connection)
            except OSError:
                pass  # the client has gone, or does not trust us
            self.closed.set()

    def _answer(self, connection: socket.socket) -> None:
        for _ in range(self.close):
            data = b""
            while b"\r\n\r\n" not in data:
                more = connection.recv(65_536)
                if not more:
                    return
                data += more
            head, _, body = data.partition(b"\r\n\r\n")
            self.heads.append(head)
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            while len(body) < length:
                body += connection.recv(65_536)
            connection.sendall(self.answers.pop(0) if self.answers else OK)

    def stop(self) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        self.thread.join(10)


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    made: list[Peer] = []

    def make(*answers: bytes, **more: Any) -> Peer:
        made.append(Peer(*answers, **more))
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.fixture
def sink() -> Iterator[Callable[..., OtlpSink]]:
    made: list[OtlpSink] = []

    def make(url: str, **variables: str) -> OtlpSink:
        settings = resolve({}, {f"{OTLP}ENDPOINT": url, f"{OTLP}TIMEOUT": "5", **variables})
        assert not settings.problems, settings.problems
        made.append(OtlpSink(settings))
        made[-1].open({})
        return made[-1]

    yield make
    for each in made:
        each.close()


def one() -> Batch:
    return Batch("traces", [Recorder().trace()], {})


def served(pems: Path, strict: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pems / "server.pem", pems / "server.key")
    if strict:
        context.load_verify_locations(pems / "client.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def test_a_connection_that_was_closed_between_two_batches_is_made_anew(
    peer: Callable[..., Peer], sink: Callable[..., OtlpSink]
) -> None:
    server = peer(close=1)
    made = sink(f"http://127.0.0.1:{server.port}")
    for number in range(1, 4):
        server.closed.clear()
        assert type(made.send(one())) is Sent
        assert server.closed.wait(10)
        assert server.connections == number


def test_a_connection_is_used_again_where_nothing_polls(
    peer: Callable[..., Peer], sink: Callable[..., OtlpSink], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(select, "poll")  # as eventlet does
    server = peer(close=2)
    made = sink(f"http://127.0.0.1:{server.port}")
    assert [type(made.send(one())) for _ in range(2)] == [Sent, Sent]
    assert server.closed.wait(10)
    assert type(made.send(one())) is Sent
    assert server.connections == 2


@pytest.mark.parametrize(
    ("answer", "connections"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n\x0a\x00\r\n0\r\n\r\n", 1),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 1),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 1),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 2),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 2),
    ],
)
def test_answers_of_every_shape(
    peer: Callable[..., Peer], sink: Callable[..., OtlpSink], answer: bytes, connections: int
) -> None:
    server = peer(answer)
    made = sink(f"http://127.0.0.1:{server.port}")
    assert type(made.send(one())) is Sent
    assert type(made.send(one())) is Sent
    assert server.connections == connections


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "connection broken"),
        (b"", "connection closed without an answer"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n", "HTTPException: got more than 100 headers"),
    ],
)
def test_answers_that_are_none(
    peer: Callable[..., Peer], sink: Callable[..., OtlpSink], answer: bytes, reason: str
) -> None:
    server = peer(answer, close=1)
    made, batch = sink(f"http://127.0.0.1:{server.port}"), one()
    result = made.send(batch)
    assert (type(result), result.reason) == (Retry, reason)
    assert type(made.send(batch)) is Sent


def test_a_redirect_is_not_followed(peer: Callable[..., Peer], sink: Callable[..., OtlpSink]) -> None:
    server = peer(b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
    result = sink(f"http://127.0.0.1:{server.port}").send(one())
    assert (type(result), result.reason) == (Refused, "http 307")
    assert len(server.heads) == 1


def test_what_is_sent(peer: Callable[..., Peer], sink: Callable[..., OtlpSink]) -> None:
    server = peer()
    made = sink(f"http://127.0.0.1:{server.port}/in%20put", **{f"{OTLP}HEADERS": "x-tenant=one"})
    assert type(made.send(one())) is Sent
    line, *lines = server.heads[0].split(b"\r\n")
    assert line == b"POST /in%20put/v1/traces HTTP/1.1"
    names = sorted(each.partition(b":")[0].lower() for each in lines)
    assert names == [b"accept-encoding", b"content-length", b"content-type", b"host", b"user-agent", b"x-tenant"]


def test_ipv6(peer: Callable[..., Peer], sink: Callable[..., OtlpSink]) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        server = peer(host="::1")
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    assert type(sink(f"http://[::1]:{server.port}").send(one())) is Sent
    assert f"Host: [::1]:{server.port}".encode() in server.heads[0]


def test_a_certificate_of_ones_own(peer: Callable[..., Peer], sink: Callable[..., OtlpSink], pems: Path) -> None:
    server = peer(context=served(pems))
    made = sink(f"https://localhost:{server.port}", **{f"{OTLP}CERTIFICATE": str(pems / "server.pem")})
    for _ in range(3):
        assert type(made.send(one())) is Sent
    assert server.connections == 1


def test_a_server_that_is_not_trusted(peer: Callable[..., Peer], sink: Callable[..., OtlpSink], pems: Path) -> None:
    server = peer(context=served(pems))
    result = sink(f"https://localhost:{server.port}").send(one())
    assert type(result) is Retry
    assert result.reason.startswith("SSLCertVerificationError: ")
    assert server.heads == []


def test_a_server_of_another_name(peer: Callable[..., Peer], sink: Callable[..., OtlpSink], pems: Path) -> None:
    server = peer(context=served(pems))
    made = sink(f"https://ip6-localhost:{server.port}", **{f"{OTLP}CERTIFICATE": str(pems / "server.pem")})
    assert type(made.send(one())) is Retry
    assert server.heads == []


def test_a_handshake_that_fails_once(
    peer: Callable[..., Peer], sink: Callable[..., OtlpSink], pems: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = peer(context=served(pems))
    made, batch = sink(f"https://localhost:{server.port}", **{f"{OTLP}CERTIFICATE": str(pems / "server.pem")}), one()
    right = server.context
    server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # without a certificate nobody agrees on a cipher
    assert type(made.send(batch)) is Retry
    server.context = right
    assert type(made.send(batch)) is Sent


def test_certificates_that_are_replaced(
    peer: Callable[..., Peer], sink: Callable[..., OtlpSink], pems: Path, tmp_path: Path
) -> None:
    server = peer(context=served(pems), close=1)
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes((pems / "client.pem").read_bytes())
    made, batch = sink(f"https://localhost:{server.port}", **{f"{OTLP}CERTIFICATE": str(trusted)}), one()
    assert type(made.send(batch)) is Retry
    trusted.write_bytes((pems / "server.pem").read_bytes())
    os.utime(trusted, ns=(1, 1))
    assert type(made.send(batch)) is Sent


def test_a_name_with_a_dot_at_its_end(
    peer: Callable[..., Peer], sink: Callable[..., OtlpSink], pems: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up = socket.getaddrinfo  # which not on every machine knows localhost by this name
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *more: look_up(host.rstrip("."), *more))
    server = peer(context=served(pems))
    made = sink(f"https://localhost.:{server.port}", **{f"{OTLP}CERTIFICATE": str(pems / "server.pem")})
    assert type(made.send(one())) is Sent


def test_an_encrypted_key_asks_nobody(
    peer: Callable[..., Peer], sink: Callable[..., OtlpSink], pems: Path, tmp_path: Path
) -> None:
    server = peer(context=served(pems, strict=True))
    key = tmp_path / "encrypted.key"
    command = ["openssl", "ec", "-in", str(pems / "client.key"), "-aes256", "-passout", "pass:x", "-out", str(key)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    pair = {f"{OTLP}CLIENT_CERTIFICATE": str(pems / "client.pem"), f"{OTLP}CLIENT_KEY": str(key)}
    trusted = {f"{OTLP}CERTIFICATE": str(pems / "server.pem")}
    result = sink(f"https://localhost:{server.port}", **trusted, **pair).send(one())
    assert type(result) is Retry
    assert result.reason.startswith("SSLError: ")


def test_a_client_that_signs_in(peer: Callable[..., Peer], sink: Callable[..., OtlpSink], pems: Path) -> None:
    server = peer(context=served(pems, strict=True))
    url, trusted = f"https://localhost:{server.port}", {f"{OTLP}CERTIFICATE": str(pems / "server.pem")}
    pair = {f"{OTLP}CLIENT_CERTIFICATE": str(pems / "client.pem"), f"{OTLP}CLIENT_KEY": str(pems / "client.key")}
    assert type(sink(url, **trusted).send(one())) is Retry
    assert server.heads == []
    assert type(sink(url, **trusted, **pair).send(one())) is Sent


def test_a_file_that_is_no_certificate(peer: Callable[..., Peer], sink: Callable[..., OtlpSink], pems: Path) -> None:
    server = peer(context=served(pems))
    result = sink(f"https://localhost:{server.port}", **{f"{OTLP}CERTIFICATE": str(pems / "empty")}).send(one())
    assert type(result) is Retry
    assert server.connections == 0


def test_an_answer_before_the_whole_body_was_sent(sink: Callable[..., OtlpSink]) -> None:
    answer = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1_000)
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)
                time.sleep(0.2)  # the answer has arrived before what closes the way of the body

        thread = threading.Thread(target=serve)
        thread.start()
        batch = Batch("traces", [Recorder().trace(text="x" * 4_000_000)], {})
        result = sink(f"http://127.0.0.1:{listening.getsockname()[1]}").send(batch)
        thread.join(10)
    assert (type(result), result.reason) == (Refused, "http 401")


def test_an_answer_that_was_compressed(peer: Callable[..., Peer], sink: Callable[..., OtlpSink]) -> None:
    said = gzip.compress(b"\x0a\x0d\x08\x01\x12\x09too large")
    server = peer(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said))
    result = sink(f"http://127.0.0.1:{server.port}").send(Batch("traces", [Recorder().trace(children=1)], {}))
    assert (type(result), result.rejected, result.reason) == (Sent, 1, "partial success: too large")


@pytest.mark.parametrize("host", ["a..b", "x" * 64])
def test_a_host_that_can_be_none(sink: Callable[..., OtlpSink], host: str) -> None:
    assert type(sink(f"http://{host}:4318").send(one())) is Retry


def test_an_ipv6_address_without_a_port(sink: Callable[..., OtlpSink], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def refuse(address: Any, *_: Any, **__: Any) -> None:
        asked.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", refuse)
    assert sink("http://[fd00::1]").send(one()).reason == "connection refused"
    assert sink("https://[2001:db8::abc]").send(one()).reason == "connection refused"
    assert asked == [("fd00::1", 80), ("2001:db8::abc", 443)]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\\"), max_size=30))
def test_any_path_may_be_sent(path: str) -> None:
    url, sent = sendable(f"http://shop:4318/{path}")
    assert url == f"http://shop:4318{sent}"
    assert sent.isascii()
    assert sent.isprintable()
    assert " " not in sent
    assert sendable(url) == (url, sent)


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("", "/"),
        ("/v1/traces", "/v1/traces"),
        ("/a%2fb c", "/a%2Fb%20c"),
        ("/100%", "/100%25"),
        ("/é?x=ü&y=1", "/%C3%A9?x=%C3%BC&y=1"),
    ],
)
def test_paths(path: str, sent: str) -> None:
    assert sendable(f"https://shop{path}") == (f"https://shop{sent}", sent)
