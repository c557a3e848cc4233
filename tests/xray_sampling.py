"""X-Ray's sampling API on a loopback port, as a daemon, an agent or a collector offers it on TCP 2000."""

from __future__ import annotations

import contextvars
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class SamplingService(ThreadingHTTPServer):
    """Answers with ``pages`` of rules and with ``targets``; ``asked`` is what came: path, headers and document.

    ``status`` other than 200 is an answer without a document, ``raw`` one that is sent as it is.
    """

    daemon_threads = True

    def __init__(self, *rules: dict[str, Any]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages: list[list[dict[str, Any]]] = [[record(**rule) for rule in rules]]
        self.targets: list[dict[str, Any]] = []
        self.modified = 0.0
        self.status = 200
        self.raw: bytes | None = None
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        contextvars.Context().run(self._thread.start)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def at(self, path: str) -> list[dict[str, Any]]:
        """The documents that came to this path."""
        return [document for where, _, document in list(self.asked) if where == path]

    def stop(self) -> None:
        self.shutdown()
        self._thread.join(5)
        self.server_close()

    def __enter__(self) -> SamplingService:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def record(**rule: Any) -> dict[str, Any]:
    """A SamplingRuleRecord; what is not said matches everything."""
    anything = dict.fromkeys(("Host", "HTTPMethod", "URLPath", "ServiceName", "ServiceType", "ResourceARN"), "*")
    numbers = {"Priority": 10_000, "FixedRate": 0.0, "ReservoirSize": 0, "Version": 1}
    return {"ModifiedAt": 1.0, "SamplingRule": {"RuleName": "Default", **anything, **numbers, "Attributes": {}, **rule}}


class _Handler(BaseHTTPRequestHandler):
    server: SamplingService

    def do_POST(self) -> None:
        service = self.server
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        service.asked.append((self.path, dict(self.headers.items()), document))
        if service.status != 200:
            self._answer(service.status, b'{"message": "no"}')
        elif service.raw is not None:
            self._answer(200, service.raw)
        elif self.path == "/GetSamplingRules":
            index = int(document.get("NextToken") or 0)
            more = str(index + 1) if index + 1 < len(service.pages) else None
            self._send({"SamplingRuleRecords": service.pages[index], "NextToken": more})
        elif self.path == "/SamplingTargets":
            self._send(
                {
                    "SamplingTargetDocuments": service.targets,
                    "LastRuleModification": service.modified,
                    "UnprocessedStatistics": [],
                }
            )
        else:
            self._answer(404, b"")

    def _send(self, document: dict[str, Any]) -> None:
        self._answer(200, json.dumps(document).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass
