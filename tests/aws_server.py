"""AWS's HTTP endpoints as a server on a loopback port: it checks each signature itself, and answers as it is told.

The check follows the description of Signature Version 4 (IAM user guide, "Create a signed AWS API request") with
nothing but ``hashlib`` and ``hmac``, so it is a second opinion on botocore's signer and on what is signed.
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

import pytest

from servers import HOST, WebServer

if TYPE_CHECKING:
    from collections.abc import Iterator

LOGS = "Logs_20140328."


class Request:
    """A request as it came: ``headers`` with lower-case names, ``raw`` and ``body`` (decompressed), the ``key`` it was
    signed with, the ``service`` and ``region`` that it was signed for, and the ``operation`` of CloudWatch Logs."""

    def __init__(self, method: str, path: str, headers: dict[str, str], raw: bytes) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.raw = raw
        self.body = gzip.decompress(raw) if headers.get("content-encoding") == "gzip" else raw
        self.key = self.service = self.region = ""
        self.operation = headers.get("x-amz-target", "").removeprefix(LOGS)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def check_signature(request: Request, secrets: dict[str, tuple[str, str]]) -> str:
    """Says what is wrong with a request's signature; nothing when it is right. Notes who signed, and for what."""
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    if scheme != "AWS4-HMAC-SHA256":
        return f"no signature: {scheme!r}"
    fields = dict(part.strip().split("=", 1) for part in rest.split(","))
    request.key, date, request.region, request.service, end = fields["Credential"].split("/")
    if request.key not in secrets:
        return ""  # the server answers that it does not know this key
    secret, token = secrets[request.key]
    if request.headers.get("x-amz-security-token", "") != token:
        return "another session token"
    names = fields["SignedHeaders"].split(";")
    for needed in ("host", "x-amz-date", "content-type", *(n for n in request.headers if n.startswith("x-aws-"))):
        if needed in request.headers and needed not in names:
            return f"the header {needed} is not signed"
    parts = urlsplit(request.path)
    query = sorted(pair.partition("=")[::2] for pair in parts.query.split("&") if pair)
    canonical = "\n".join(
        [
            request.method,
            quote(parts.path or "/", safe="/-_.~"),  # encoded once more than it is sent, for all but S3
            "&".join(f"{quote(unquote(k), safe='-_.~')}={quote(unquote(v), safe='-_.~')}" for k, v in query),
            *(f"{name}:{' '.join(request.headers[name].split())}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(request.raw).hexdigest(),
        ]
    )
    moment = request.headers["x-amz-date"]
    if not moment.startswith(date) or end != "aws4_request":
        return "another day or another end of the scope"
    scope = f"{date}/{request.region}/{request.service}/{end}"
    text = "\n".join(["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for piece in (date, request.region, request.service, end):
        key = hmac.new(key, piece.encode(), "sha256").digest()
    expected = hmac.new(key, text.encode(), "sha256").hexdigest()
    return "" if hmac.compare_digest(expected, fields["Signature"]) else f"another signature for:\n{canonical}"


class AwsServer(ThreadingHTTPServer):
    """Takes everything that is signed with a key it knows, unless told otherwise with :meth:`answer`.

    ``secrets``: access key to secret and session token. ``expired``: access keys whose time is over. A GET is answered
    like ECS's endpoint for the credentials of a task's role.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__((HOST, 0), _Handler)
        self.url = f"http://{HOST}:{self.server_address[1]}"
        self.requests: list[Request] = []
        self.secrets = {"testing": ("testing", "")}
        self.expired: set[str] = set()
        self.problems: list[str] = []
        self.role: list[dict[str, str]] = []  # what the container's credentials endpoint answers, the last one for ever
        self.role_asked = 0
        self._answers: list[tuple[int, Any, dict[str, str]]] = []

    def answer(self, status: int, body: Any = None, times: int = 1, **headers: str) -> None:
        """Answers the next requests with this status, and this body as JSON (or as bytes)."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._answers.extend([(status, body, named)] * times)

    def error(self, status: int, code: str, message: str = "", times: int = 1, **headers: str) -> None:
        """Answers the next requests with an error as AWS's JSON protocols write it."""
        self.answer(status, {"__type": f"com.amazonaws#{code}", "message": message}, times, **headers)

    def next_answer(self, request: Request) -> tuple[int, Any, dict[str, str]]:
        if request.key in self.expired:
            message = "The security token included in the request is expired"
            return 403, {"__type": "ExpiredTokenException", "message": message}, EXPIRED
        if request.key not in self.secrets:
            message = "The security token included in the request is invalid."
            return 403, {"__type": "UnrecognizedClientException", "message": message}, UNKNOWN
        return self._answers.pop(0) if self._answers else (200, {}, {})

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that gives up is part of the tests


EXPIRED = {"x-amzn-errortype": "ExpiredTokenException:http://internal.amazon.com/coral/com.amazon.coral.service/"}
UNKNOWN = {"x-amzn-errortype": "UnrecognizedClientException"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: AwsServer

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        request = Request("POST", self.path, {name.lower(): value for name, value in self.headers.items()}, raw)
        problem = check_signature(request, self.server.secrets)
        if problem:
            self.server.problems.append(problem)
        self.server.requests.append(request)
        status, body, headers = self.server.next_answer(request)
        otlp = status == 200 and request.path.startswith("/v1/")
        data = b"" if otlp and not body else body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-protobuf" if otlp else "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        self.server.role_asked += 1
        role = self.server.role
        data = json.dumps(role.pop(0) if len(role) > 1 else role[0]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def aws_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsServer]:
    """A server in AWS's place, which botocore finds by its own variables."""
    server = AwsServer()
    web = WebServer(server.server_address[1], lambda: server.serve_forever(poll_interval=0.02), server.shutdown)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    yield server
    web.stop()
    server.server_close()
    assert not server.problems, server.problems
