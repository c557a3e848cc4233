"""Where telemetry goes in tests: an OTLP/HTTP collector and an X-Ray daemon, both real servers on free loopback ports.

The collector decodes what it gets with OpenTelemetry's own protobuf classes, so it is also the judge of the bytes.
"""

from __future__ import annotations

import base64
import contextvars
import gzip
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from servers import HOST, WebServer, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATHS = {"/v1/traces": "traces", "/v1/metrics": "metrics", "/v1/logs": "logs"}
PROTOBUF = "application/x-protobuf"


def _messages(signal: str) -> tuple[Any, Any, Any]:
    """The classes of the request, the answer and its partial success."""
    if signal == "traces":
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb

        return pb.ExportTraceServiceRequest, pb.ExportTraceServiceResponse, "rejected_spans"
    if signal == "metrics":
        from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as pb

        return pb.ExportMetricsServiceRequest, pb.ExportMetricsServiceResponse, "rejected_data_points"
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as pb

    return pb.ExportLogsServiceRequest, pb.ExportLogsServiceResponse, "rejected_log_records"


class Request:
    """One request as it came: ``signal``, ``path``, ``headers`` (lower-case names), ``raw`` body, ``body``
    decompressed, ``message`` (the decoded protobuf message) and the ``status`` that it was answered with (0: none)."""

    def __init__(self, path: str, headers: dict[str, str], raw: bytes) -> None:
        self.path = path
        self.signal = next((signal for end, signal in PATHS.items() if path.endswith(end)), "")
        self.headers = headers
        self.raw = raw
        self.body = gzip.decompress(raw) if headers.get("content-encoding") == "gzip" else raw
        self.message = self._read() if self.signal else None
        self.status = 0

    def _read(self) -> Any:
        kind = _messages(self.signal)[0]
        if self.headers.get("content-type") == "application/json":
            from google.protobuf.json_format import Parse

            return Parse(json.dumps(with_base64_ids(json.loads(self.body))), kind())
        return kind.FromString(self.body)


IDS = frozenset({"traceId", "spanId", "parentSpanId"})


def with_base64_ids(value: Any) -> Any:
    """OTLP's JSON as protobuf's own reader wants it: the only difference are the ids, which OTLP writes in hex."""
    if isinstance(value, list):
        return [with_base64_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64encode(bytes.fromhex(item)).decode() if key in IDS else with_base64_ids(item)
        for key, item in value.items()
    }


class Answer:
    """What to answer next; :meth:`Collector.answer` lists the kinds."""

    def __init__(self, kind: int | str, **details: Any) -> None:
        self.kind = kind
        self.details = details


class Collector(ThreadingHTTPServer):
    """An OTLP/HTTP collector. Unless told otherwise with :meth:`answer`, it accepts everything."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__((HOST, 0), _Handler)
        self.host = HOST
        self.port = int(self.server_address[1])
        self.endpoint = f"http://{HOST}:{self.port}"
        self.requests: list[Request] = []
        self.errors: list[str] = []  # bodies that OpenTelemetry's classes could not read
        self.released = threading.Event()  # set: requests that hang go on
        self.connections = 0
        self._answers: list[Answer] = []
        self._always: Answer | None = None
        self._lock = threading.Lock()

    def answer(self, kind: int | str, times: int | None = 1, **details: Any) -> None:
        """Answers the next ``times`` requests (``None``: all from now on) in this way.

        * a status: ``answer(400)``, ``answer(429, retry_after=1)``, ``answer(503, body=b"...")``
        * ``"partial"``: 200 and a partial success, ``answer("partial", rejected=3, message="too old")``
        * ``"garbage"``: 200 and a body that is no protobuf message; ``"not-http"``: bytes that are no HTTP
        * ``"drop"``: the connection closes without an answer; ``"hang"``: no answer until ``released`` is set
        """
        with self._lock:
            if times is None:
                self._always = None if kind == 200 and not details else Answer(kind, **details)
            else:
                self._answers.extend(Answer(kind, **details) for _ in range(times))

    def next_answer(self) -> Answer:
        with self._lock:
            return self._answers.pop(0) if self._answers else self._always or Answer(200)

    def accepted(self, signal: str) -> list[Request]:
        """The requests of a signal that were answered with 200, oldest first."""
        return [request for request in list(self.requests) if request.signal == signal and request.status == 200]

    def spans(self) -> list[Any]:
        """Every accepted span, as OpenTelemetry's protobuf message."""
        messages = [request.message for request in self.accepted("traces")]
        return [s for m in messages for r in m.resource_spans for scope in r.scope_spans for s in scope.spans]

    def metrics(self) -> list[Any]:
        messages = [request.message for request in self.accepted("metrics")]
        return [x for m in messages for r in m.resource_metrics for scope in r.scope_metrics for x in scope.metrics]

    def logs(self) -> list[Any]:
        messages = [request.message for request in self.accepted("logs")]
        return [x for m in messages for r in m.resource_logs for scope in r.scope_logs for x in scope.log_records]

    def resources(self, signal: str = "traces") -> list[dict[str, Any]]:
        """The attributes of each resource that was accepted, as plain dictionaries."""
        field = {"traces": "resource_spans", "metrics": "resource_metrics", "logs": "resource_logs"}[signal]
        found = [r for request in self.accepted(signal) for r in getattr(request.message, field)]
        return [plain_attributes(r.resource.attributes) for r in found]

    def wait(self, check: Callable[[], Any], what: str = "the collector to get it", timeout: float = 20.0) -> Any:
        """Waits until ``check()`` is true, and returns its answer."""
        return wait_until(check, what, timeout)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that gives up is part of the tests


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Collector

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            request = Request(self.path, headers, raw)
        except Exception as error:  # whatever is wrong with the body, the test wants to see it
            self.server.errors.append(f"{self.path}: {type(error).__name__}: {error}")
            self._send(400, b"cannot be read")
            return
        answer = self.server.next_answer()
        request.status = (
            answer.kind if isinstance(answer.kind, int) else 200 if answer.kind in {"partial", "garbage"} else 0
        )
        self.server.requests.append(request)
        self._reply(request, answer)

    def _reply(self, request: Request, answer: Answer) -> None:
        details = answer.details
        if answer.kind == "drop":
            self.close_connection = True
        elif answer.kind == "hang":
            self.server.released.wait(60)
            self.close_connection = True
        elif answer.kind == "not-http":
            self.wfile.write(b"\x00\x01\x02 this is not HTTP\r\n\r\n")
            self.close_connection = True
        elif answer.kind == "garbage":
            self._send(200, details.get("body", b"\xff\xfe<html>not a protobuf message</html>"), PROTOBUF)
        elif answer.kind == "partial":
            _, kind, field = _messages(request.signal)
            message = kind()
            setattr(message.partial_success, field, details.get("rejected", 1))
            message.partial_success.error_message = details.get("message", "")
            self._send(200, message.SerializeToString(), PROTOBUF)
        else:
            assert isinstance(answer.kind, int)
            body = details.get("body", b"" if answer.kind == 200 else b"refused by the test")
            more = {"Retry-After": str(details["retry_after"])} if "retry_after" in details else {}
            self._send(answer.kind, body, PROTOBUF if answer.kind == 200 else "text/plain", more)

    def _send(self, status: int, body: bytes, kind: str = "text/plain", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def plain(value: Any) -> Any:
    """An OTLP ``AnyValue`` as a plain Python object."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return plain_attributes(value.kvlist_value.values)
    return getattr(value, kind)


def plain_attributes(attributes: Any) -> dict[str, Any]:
    """OTLP ``KeyValue`` messages as a plain dictionary."""
    return {attribute.key: plain(attribute.value) for attribute in attributes}


@pytest.fixture
def otlp_collector() -> Iterator[Collector]:
    """An OTLP/HTTP collector that keeps and decodes what it gets; ``endpoint`` is its address."""
    collector = Collector()
    web = WebServer(collector.port, lambda: collector.serve_forever(poll_interval=0.02), collector.shutdown)
    yield collector
    collector.released.set()
    web.stop()
    collector.server_close()
    assert not collector.errors, collector.errors


class XRayDaemon:
    """A UDP listener in the daemon's place: ``address`` is ``host:port``, ``datagrams`` what came, oldest first."""

    HEADER = b'{"format": "json", "version": 1}\n'  # X-Ray developer guide, "Sending segment documents to the daemon"

    def __init__(self, host: str = HOST) -> None:
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(self._family, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._socket.bind((host, 0))
        self.host = host
        self.port = int(self._socket.getsockname()[1])
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.datagrams: list[bytes] = []
        self._thread = threading.Thread(target=self._receive, name="test-xray-daemon", daemon=True)
        contextvars.Context().run(self._thread.start)

    def _receive(self) -> None:
        while True:
            datagram = self._socket.recv(65536)
            if datagram == b"stop":
                return
            self.datagrams.append(datagram)

    def documents(self) -> list[dict[str, Any]]:
        """The segment documents that came, each behind a header line that says JSON, version 1."""
        documents = []
        for datagram in list(self.datagrams):
            header, _, body = datagram.partition(b"\n")
            assert json.loads(header) == {"format": "json", "version": 1}, datagram[:80]
            documents.append(json.loads(body))
        return documents

    def wait(self, count: int = 1, timeout: float = 20.0) -> list[dict[str, Any]]:
        """Waits for that many documents, and returns all that came."""
        wait_until(lambda: len(self.datagrams) >= count, f"{count} X-Ray documents", timeout)
        return self.documents()

    def stop(self) -> list[bytes]:
        """All datagrams, once what was sent before has arrived (loopback keeps the order)."""
        if self._thread.is_alive():
            with socket.socket(self._family, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"stop", (self.host, self.port))
            self._thread.join(10)
            self._socket.close()
        return self.datagrams


@pytest.fixture
def xray_daemon() -> Iterator[XRayDaemon]:
    """A listener in the X-Ray daemon's place."""
    daemon = XRayDaemon()
    yield daemon
    daemon.stop()
