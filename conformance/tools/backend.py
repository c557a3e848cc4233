"""Both ends of the wire, played by one HTTP server on the loopback: obsv's collector and the tools' own backends.

What a program sends below ``/obsv`` is obsv's; everything else is the tool's.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import threading
import zlib
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

OBSV = "/obsv"
TOOL = "/tool"

COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "small-1",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "three of them"}},
    ],
    "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8},
}
"""What a model answers (OpenAI API, "The chat completion object")."""


@dataclass
class Span:
    """A span as it came over the wire, with the name of its parent where that came too."""

    name: str
    attributes: dict[str, Any]
    trace_id: str
    span_id: str
    parent_id: str
    parent: str | None = None
    status: int = 0
    events: list[str] = field(default_factory=list)


@dataclass
class Arrived:
    """What a program has sent, taken from the server at the program's end.

    Attributes:
        obsv: Spans at obsv's exporter.
        tool: Spans at the tool's own backend.
        paths: What was asked of the tool's backend.
        events: Error events and the like, which are no spans: the items of Sentry's envelopes.
    """

    obsv: list[Span]
    tool: list[Span]
    paths: list[str]
    events: list[dict[str, Any]]


class Backend(ThreadingHTTPServer):
    """Accepts everything and keeps it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port = int(self.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.requests: list[tuple[str, bytes]] = []

    def take(self) -> Arrived:
        """Return what came since the last time."""
        requests, self.requests = self.requests, []
        at_obsv = [body for path, body in requests if path.startswith(OBSV) and path.endswith("/traces")]
        theirs = [(path, body) for path, body in requests if not path.startswith(OBSV)]
        return Arrived(
            _spans(at_obsv),
            _spans([body for path, body in theirs if path.rstrip("/").endswith("v1/traces")]),
            [path for path, _ in theirs],
            [item for path, body in theirs if path.endswith("/envelope/") for item in _envelope(body)],
        )


@contextlib.contextmanager
def running() -> Iterator[Backend]:
    """Serve in a thread for the length of a block."""
    with Backend() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Backend

    def do_GET(self) -> None:
        """Answer the questions that tools ask about their server."""
        self.server.requests.append((self.path, b""))
        if self.path.endswith("/version"):  # mlflow
            self._answer(b"3.9.0", "text/plain")
        else:
            self._answer(b'{"project_name": "shop", "project_url": "http://127.0.0.1/shop"}')

    def do_POST(self) -> None:
        """Take telemetry; be a model where one is asked."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        encoding = self.headers.get("Content-Encoding", "")
        body = gzip.decompress(body) if encoding == "gzip" else zlib.decompress(body) if encoding == "deflate" else body
        self.server.requests.append((self.path, body))
        if self.path.rstrip("/").endswith("v1/traces"):
            self._answer(ExportTraceServiceResponse().SerializeToString(), "application/x-protobuf")
        elif self.path.endswith("/chat/completions"):
            self._answer(json.dumps(COMPLETION).encode())
        elif self.path.endswith("/mlflow/traces"):
            self._answer(body)  # what was written
        else:
            self._answer(b"{}")

    def _answer(self, body: bytes, kind: str = "application/json") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def _spans(bodies: list[bytes]) -> list[Span]:
    found = [
        Span(
            span.name,
            {pair.key: _plain(pair.value) for pair in span.attributes},
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            None,
            span.status.code,
            [event.name for event in span.events],
        )
        for body in bodies
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    names = {span.span_id: span.name for span in found}
    for span in found:
        span.parent = names.get(span.parent_id, "elsewhere") if span.parent_id else None
    return found


def _plain(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: _plain(pair.value) for pair in value.kvlist_value.values}
    return None if kind is None else getattr(value, kind)


def _envelope(body: bytes) -> list[dict[str, Any]]:
    """Read the items of a Sentry envelope: a line each for the header, and pairs of lines."""
    lines = [line for line in body.split(b"\n") if line]
    return [json.loads(line) for line in lines[2::2]]
