"""X-Ray's sampling API on a loopback port, as a daemon, an agent or a collector offers it on TCP 2000; rules in this
process."""

from __future__ import annotations

import contextvars
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from obsv.xray.sampling.reservoir import RuleState
from obsv.xray.sampling.rules import Rule
from obsv.xray.sampling.ruleset import RuleSet
from obsv.xray.sampling.sampler import Decider

RULES, TARGETS = "/GetSamplingRules", "/SamplingTargets"
ALL = {"RuleName": "Default", "FixedRate": 1.0}
SERVICE = {"service.name": "shop"}
SHOP: dict[str, str | None] = {"name": "shop", "type": "AWS::ECS::Container", "arn": "arn:aws:ecs:eu-west-1:1:task/7"}
LAST = (1 << 64) - 1  # the lower half of a trace id that no rate below 1 keeps
AHEAD = -1_000.0  # X-Ray's 1000 is our 0

DOCUMENTS = Path(__file__).parent / "conformance" / "xray_sampling_documents"


class SamplingService(ThreadingHTTPServer):
    """Answers with ``pages`` of rules and with ``targets``; ``asked`` is what came: path, headers and document.

    ``status`` other than 200 is an answer without a document, of the kind ``error`` where that is set; ``raw`` is one
    that is sent as it is.
    """

    daemon_threads = True

    def __init__(self, *rules: dict[str, Any]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages: list[list[dict[str, Any]]] = [[record(**rule) for rule in rules]]
        self.targets: list[dict[str, Any]] = []
        self.modified = 0.0
        self.status = 200
        self.error = ""
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
        if status != 200 and self.server.error:
            self.send_header("x-amzn-errortype", self.server.error)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


# ---------------------------------------------------------------------- rules at work


def document(name: str) -> Any:
    """One of AWS's own samples."""
    return json.loads((DOCUMENTS / name).read_text())


def rule(name: str = "r", **fields: Any) -> Rule:
    return Rule({"RuleName": name, "Version": 1, **fields})


def found(rules: list[Rule], attributes: dict[str, Any], service: dict[str, str | None] = SHOP) -> str | None:
    """The name of the rule that a request matches."""
    rules.sort(key=lambda each: (each.priority, each.name))
    state = RuleSet(rules, service).find(attributes)
    return None if state is None else state.rule.name


def state_of(rate: float = 0.0, size: int = 0, **fields: Any) -> RuleState:
    return RuleState(Rule({"RuleName": "r", "FixedRate": rate, "ReservoirSize": size, **fields}))


def kept(rule: RuleState, requests: int, now: float, trace_lo: int = LAST) -> int:
    return sum([rule.decide(trace_lo, now) > 0 for _ in range(requests)])


def decider_at(service: SamplingService) -> Decider:
    """A decider whose poller does what the test tells it to."""
    decider = Decider(SERVICE, service.url)
    decider.poller.started = True
    decider.poller.read_rules(time.monotonic())
    return decider


def report(decider: Decider) -> None:
    """Let its poller report all that was counted, due or not."""
    assert decider.rules is not None
    for state in decider.rules.states:
        state.due = 0.0
    decider.poller.report(time.monotonic())
