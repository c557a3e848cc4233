"""Real servers on free loopback ports, for tests: Redis, moto (AWS), uvicorn, Werkzeug and a small HTTP echo.

Each pytest-xdist worker has its own. Servers that are programs run as child processes under a keeper that ends them
when the test process goes away for whatever reason; those that run the test's own application run in a thread.
"""

from __future__ import annotations

import contextvars
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOST = "127.0.0.1"

# Runs the command given as arguments until standard input closes, which the kernel sees to even when pytest is killed.
KEEPER = """
import subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
try:
    sys.stdin.buffer.read()
finally:
    child.terminate()
    try:
        child.wait(5)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
"""


def need(condition: bool, reason: str) -> None:
    """Skips the test with the reason, or fails it under ``OBSV_CI=1``: there, a missing server is a failure."""
    if condition:
        return
    if os.environ.get("OBSV_CI") == "1":
        pytest.fail(f"{reason}; in CI it has to be there", pytrace=False)
    pytest.skip(reason)


def need_program(name: str) -> str:
    """The path of a program that a test needs; skips or fails the test without it."""
    path = shutil.which(name)
    need(path is not None, f"{name} is not installed")
    assert path is not None
    return path


def free_port() -> int:
    """A port that was free a moment ago; for programs that cannot bind port 0 and report it."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def wait_until(check: Callable[[], Any], what: str, timeout: float = 20.0) -> Any:
    """The first true answer of ``check``, asked again and again; fails the test after ``timeout`` seconds."""
    end = time.monotonic() + timeout
    while True:
        answer = check()
        if answer:
            return answer
        if time.monotonic() > end:
            pytest.fail(f"waited {timeout:g} s for {what}", pytrace=True)
        time.sleep(0.01)


def accepts(port: int) -> bool:
    """Whether something listens on the loopback port."""
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False


class Kept:
    """A program that lives as long as this object is not stopped and this process lives."""

    def __init__(self, command: list[str], cwd: Path) -> None:
        self.log = cwd / "output.txt"
        with self.log.open("wb") as log:
            self._keeper = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", KEEPER, *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                start_new_session=True,  # Ctrl-C on a terminal is pytest's, which then stops us in order
            )

    def ended(self) -> bool:
        return self._keeper.poll() is not None

    def stop(self) -> None:
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        self._keeper.wait(10)


# -- Redis ------------------------------------------------------------------------------------------------------------


class RedisServer:
    """A real redis-server without persistence: ``host``, ``port``, ``url``."""

    def __init__(self, port: int) -> None:
        self.host = HOST
        self.port = port
        self.url = f"redis://{HOST}:{port}/0"

    def command(self, *words: str) -> bytes:
        """Sends one command over a bare socket, which nothing of obsv's sees; returns the raw answer."""
        parts = [f"*{len(words)}\r\n"] + [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
        with socket.create_connection((self.host, self.port), timeout=5) as connection:
            connection.sendall("".join(parts).encode())
            return connection.recv(65536)


def _start_redis(program: str, folder: Path) -> tuple[Kept, RedisServer | None]:
    """Starts redis-server on a port that was free; no server when another process was faster to take it."""
    port = free_port()
    options = ["--port", str(port), "--bind", HOST, "--save", "", "--appendonly", "no", "--daemonize", "no"]
    kept = Kept([program, *options, "--dir", str(folder)], folder)

    def taken() -> bool:
        return "in use" in kept.log.read_text(errors="replace")

    wait_until(lambda: taken() or accepts(port), "redis-server")
    return kept, None if taken() else RedisServer(port)


@pytest.fixture(scope="session")
def _redis_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    program = need_program("redis-server")
    for _attempt in range(5):
        kept, server = _start_redis(program, tmp_path_factory.mktemp("redis"))
        try:
            if server is not None:
                yield server
                return
        finally:
            kept.stop()
    pytest.fail("redis-server found no free port")


@pytest.fixture
def redis_server(_redis_process: RedisServer) -> RedisServer:
    """An empty Redis."""
    _redis_process.command("FLUSHALL")
    return _redis_process


# -- moto -------------------------------------------------------------------------------------------------------------

MOTO = """
import sys, pathlib
from moto.moto_server.threaded_moto_server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
part = pathlib.Path(sys.argv[1] + ".part")
part.write_text(str(server.get_host_and_port()[1]))
part.rename(sys.argv[1])
server._thread.join()
"""


class MotoServer:
    """moto's stand-in for AWS over HTTP: ``url`` is the endpoint of every service."""

    def __init__(self, port: int) -> None:
        self.host = HOST
        self.port = port
        self.url = f"http://{HOST}:{port}"

    def client(self, service: str, **options: Any) -> Any:
        """A new boto3 client of this server."""
        import boto3

        return boto3.client(service, endpoint_url=self.url, region_name="us-east-1", **options)

    def reset(self) -> None:
        request = urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")
        with urllib.request.urlopen(request, timeout=20) as answer:
            answer.read()


@pytest.fixture(scope="session")
def _moto_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoServer]:
    need(_importable("moto") and _importable("flask_cors"), "moto[server] is not installed")
    folder = tmp_path_factory.mktemp("moto")
    port_file = folder / "port"
    kept = Kept([sys.executable, "-W", "ignore", "-c", MOTO, str(port_file)], folder)
    try:
        wait_until(lambda: port_file.exists() or kept.ended(), "moto's server", timeout=60)
        yield MotoServer(int(port_file.read_text()))
    finally:
        kept.stop()


@pytest.fixture
def moto_server(_moto_process: MotoServer) -> MotoServer:
    """moto's server with no buckets, no queues, nothing."""
    _moto_process.reset()
    return _moto_process


def _importable(name: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(name) is not None


# -- the test's own application on a real server -----------------------------------------------------------------------


class WebServer:
    """A server in a thread: ``url`` without a trailing slash, ``host``, ``port``, ``stop()``."""

    def __init__(self, port: int, serve: Callable[[], None], end: Callable[[], None]) -> None:
        self.host = HOST
        self.port = port
        self.url = f"http://{HOST}:{port}"
        self._end = end
        self._thread = threading.Thread(target=serve, name="test-server", daemon=True)
        # In an empty context: the patch of threading would hand the test's current span to every request.
        contextvars.Context().run(self._thread.start)

    def stop(self) -> None:
        if self._thread.is_alive():
            self._end()
            self._thread.join(15)
        assert not self._thread.is_alive(), "the test's server did not stop"


@pytest.fixture
def asgi_server() -> Iterator[Callable[..., WebServer]]:
    """``asgi_server(app, **uvicorn_options)`` starts a real uvicorn and returns the :class:`WebServer`."""
    import uvicorn

    started: list[WebServer] = []
    sockets: list[socket.socket] = []

    def start(app: Any, **options: Any) -> WebServer:
        listener = socket.create_server((HOST, 0), backlog=128)
        sockets.append(listener)
        options = {"log_level": "warning", "lifespan": "auto", "ws": "none", "timeout_graceful_shutdown": 3, **options}
        server = uvicorn.Server(uvicorn.Config(app, **options))

        def end() -> None:
            server.should_exit = True

        web = WebServer(listener.getsockname()[1], lambda: server.run(sockets=[listener]), end)
        started.append(web)
        wait_until(lambda: server.started or not web._thread.is_alive(), "uvicorn")
        assert server.started, "uvicorn did not start"
        return web

    yield start
    for web in started:
        web.stop()
    for listener in sockets:
        listener.close()


@pytest.fixture
def wsgi_server() -> Iterator[Callable[..., WebServer]]:
    """``wsgi_server(app)`` starts a real Werkzeug server, a thread a request, and returns the :class:`WebServer`."""
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, type: str, message: str, *args: Any) -> None:
            pass

    started: list[tuple[WebServer, Any]] = []

    def start(app: Any, *, threaded: bool = True) -> WebServer:
        server = make_server(HOST, 0, app, threaded=threaded, request_handler=Quiet)
        server.daemon_threads = True  # a keep-alive connection must not hold the end up
        server.block_on_close = False
        web = WebServer(server.server_port, lambda: server.serve_forever(poll_interval=0.02), server.shutdown)
        started.append((web, server))
        return web

    yield start
    for web, server in started:
        web.stop()
        server.server_close()


# -- echo -------------------------------------------------------------------------------------------------------------


class Echo(BaseHTTPRequestHandler):
    """Answers with what it got, as JSON: method, path, headers (lower-case names) and body.

    ``/status/503`` answers with that status, ``/redirect/PATH`` with 302 to ``/PATH``, ``/drop`` closes the
    connection without an answer, ``/slow?seconds=0.2`` waits first, ``/chunked?parts=3`` answers in chunks.
    """

    protocol_version = "HTTP/1.1"
    server: EchoServer

    def body(self) -> bytes:
        """The whole body: an answer to a request that was not read to its end breaks the connection."""
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers
            pass
        return b"".join(parts)

    def answer(self) -> None:
        body = self.body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = {"method": self.command, "path": self.path, "headers": headers, "body": body.decode("utf-8", "replace")}
        self.server.requests.append(seen)
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        words = parts.path.strip("/").split("/")
        if words[0] == "drop":
            self.close_connection = True
            return
        if words[0] == "slow":
            time.sleep(float(query.get("seconds", "0.1")))
        status = int(words[1]) if words[0] == "status" else 302 if words[0] == "redirect" else 200
        text = json.dumps(seen).encode()
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/" + "/".join(words[1:]))
        self.send_header("Content-Type", "application/json")
        if words[0] == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for _part in range(int(query.get("parts", "3"))):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
            self.wfile.write(b"0\r\n\r\n")
            return
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD" and status not in {204, 304}:
            self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = answer

    def log_message(self, format: str, *args: Any) -> None:
        pass


class EchoServer(ThreadingHTTPServer):
    """``url``, ``host``, ``port``, and ``requests``: what was asked, oldest first."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__((HOST, 0), Echo)
        self.requests: list[dict[str, Any]] = []
        self.host = HOST
        self.port = int(self.server_address[1])
        self.url = f"http://{HOST}:{self.port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that went away is part of the tests


@pytest.fixture
def http_echo() -> Iterator[EchoServer]:
    """A server that answers with what it was asked; see :class:`Echo` for its paths."""
    server = EchoServer()
    web = WebServer(server.port, lambda: server.serve_forever(poll_interval=0.02), server.shutdown)
    yield server
    web.stop()
    server.server_close()


@pytest.fixture(scope="session")
def pems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with certificate and key of a server for localhost, and of a client."""
    need(shutil.which("openssl") is not None, "openssl is not installed")
    folder = tmp_path_factory.mktemp("pems")
    for who in ("server", "client"):
        command = [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-keyout", str(folder / f"{who}.key"), "-out", str(folder / f"{who}.pem"),
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    (folder / "empty").touch()
    return folder
