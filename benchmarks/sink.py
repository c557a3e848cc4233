"""A collector, agent and web server in a process of its own: ``python -m benchmarks.sink`` prints two ports.

The first port speaks HTTP: it accepts every request and discards it, after counting the spans in it (OTLP, Datadog's
and Sentry's formats). They are counted when somebody asks (``GET /received``), not while they come; ``GET /bytes``
tells how long the requests with a body were. Below ``/all`` and ``/none`` it is an X-Ray daemon whose one sampling rule
keeps everything or nothing. The second port speaks as much of Redis' protocol as a client needs. The process ends when
its stdin is closed.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import zlib
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_bodies: list[tuple[bytes, dict[bytes, bytes], bytes]] = []
_sizes: list[int] = []

_RULES = b"""{"SamplingRuleRecords": [{"SamplingRule": {"RuleName": "Default", "Priority": 10000, "Version": 1,
"FixedRate": %d, "ReservoirSize": 0, "Host": "*", "HTTPMethod": "*", "URLPath": "*", "ServiceName": "*",
"ServiceType": "*", "ResourceARN": "*", "Attributes": {}}}]}"""


@contextmanager
def running_sink() -> Iterator[str]:
    """Run the sink for the length of the block and give its URL; Redis is at the same host, at the next line's port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.sink"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        web, redis = process.stdout.readline().split()
        os.environ["BENCH_REDIS_PORT"] = redis
        yield f"http://127.0.0.1:{web}"
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


def main() -> None:
    """Serve until stdin is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this one closes it
    ports = [_listen(_web), _listen(_redis)]
    print(*ports, flush=True)
    sys.stdin.read()
    os._exit(0)


def _listen(serve: Callable[[socket.socket], None]) -> int:
    server = socket.create_server(("127.0.0.1", 0), backlog=64)

    def accept() -> None:
        while True:
            connection, _ = server.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return int(server.getsockname()[1])


def _web(connection: socket.socket) -> None:
    """Read requests with a content length, or in chunks, and answer each."""
    with suppress(ConnectionError), connection, connection.makefile("rb") as stream:  # a contestant may just end
        while line := stream.readline():
            path = line.split(b" ")[1]
            size = len(line)
            headers: dict[bytes, bytes] = {}
            while (line := stream.readline()) not in (b"\r\n", b""):
                size += len(line)
                name, _, value = line.partition(b":")
                headers[name.lower()] = value.strip()
            if headers.get(b"expect"):
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            if headers.get(b"transfer-encoding") == b"chunked":
                body = _chunks(stream.readline, stream.read)
            else:
                body = stream.read(int(headers.get(b"content-length", 0)))
            if body:
                _bodies.append((path, headers, body))
                _sizes.append(size + 2 + len(body))
            connection.sendall(_answer(path))


def _chunks(readline: Callable[[], bytes], read: Callable[[int], bytes]) -> bytes:
    parts = []
    while size := int(readline() or b"0", 16):
        parts.append(read(size))
        readline()
    readline()
    return b"".join(parts)


def _answer(path: bytes) -> bytes:
    status, kind, body = b"200 OK", b"application/json", b'{"ok":true}'
    if path.startswith(b"/v1/"):
        kind, body = b"application/x-protobuf", b""
    elif path.startswith(b"/v0"):
        body = b"{}"
    elif path == b"/info":
        status = b"404 Not Found"
    elif path == b"/received":
        body = b"%d" % _count()
    elif path == b"/bytes":
        body = b"%d" % _size()
    elif path.endswith(b"/GetSamplingRules"):
        body = _RULES % (1 if path.startswith(b"/all") else 0)
    elif path.startswith(b"/bucket"):
        body = b""
    return b"HTTP/1.1 %b\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n%b" % (status, kind, len(body), body)


def _count() -> int:
    total = 0
    while _bodies:
        path, headers, body = _bodies.pop()
        if headers.get(b"content-encoding") == b"gzip":
            body = zlib.decompress(body, 31)
        if path == b"/v1/traces":
            total += otlp_spans(body)
        elif path.startswith(b"/v0"):
            total += int(headers.get(b"x-datadog-trace-count", 0))
        elif path.endswith(b"/envelope/"):
            total += body.count(b'"type":"transaction"')
    return total


def _size() -> int:
    total = 0
    while _sizes:
        total += _sizes.pop()
    return total


def otlp_spans(body: bytes) -> int:
    """Count the spans of an ``ExportTraceServiceRequest``: field 1, then 2, then 2."""
    return sum(
        sum(1 for _ in _fields(scope, 2)) for resource in _fields(memoryview(body), 1) for scope in _fields(resource, 2)
    )


def _fields(message: memoryview, wanted: int) -> Iterator[memoryview]:
    """Give the length-delimited fields of this number."""
    place, end = 0, len(message)
    while place < end:
        key, place = _varint(message, place)
        kind = key & 7
        if kind == 2:
            length, place = _varint(message, place)
            if key >> 3 == wanted:
                yield message[place : place + length]
            place += length
        elif kind == 0:
            _, place = _varint(message, place)
        else:
            place += 8 if kind == 1 else 4


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
        shift += 7


def _redis(connection: socket.socket) -> None:
    """Answer GET with a text and everything else with OK."""
    with connection, connection.makefile("rb") as stream:
        while line := stream.readline():
            words = [stream.read(int(stream.readline()[1:]) + 2)[:-2] for _ in range(int(line[1:]))]
            connection.sendall(b"$5\r\nvalue\r\n" if words and words[0].upper() == b"GET" else b"+OK\r\n")


if __name__ == "__main__":
    main()
