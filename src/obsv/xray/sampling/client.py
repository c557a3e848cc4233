"""The two calls of centralised sampling: `GetSamplingRules` and `SamplingTargets`, over HTTP.

The X-Ray daemon, the CloudWatch agent and the collector (`awsproxy`) take them on TCP 2000 and sign them; X-Ray itself
wants them signed. Used from the poller's thread only, which alone imports `http.client`, `json` and botocore: no child
is forked meanwhile.
"""

from __future__ import annotations

import os
from typing import Any

from obsv.aws_access import MODULES, STALE, Access
from obsv.pipeline import gate

RULES = "/GetSamplingRules"
TARGETS = "/SamplingTargets"
TIMEOUT = 5.0
MAX_ANSWER = 8 << 20
MAX_PAGES = 100
MAX_DOCUMENTS = 25
"""Statistics in one request (X-Ray API reference, "GetSamplingTargets")."""

_ACTIONS = {RULES: "xray:GetSamplingRules", TARGETS: "xray:GetSamplingTargets"}

AWS = "aws"
"""The endpoint that stands for X-Ray itself, in the region at hand."""


class AskingError(Exception):
    """There was no answer that can be used."""


class Client:
    """Asks one endpoint.

    Args:
        endpoint: `http://host:port` of a daemon, agent or collector, or `https://xray.<region>.amazonaws.com` or `aws`
            for X-Ray itself, to which requests are signed.
    """

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint.rstrip("/")
        self.access: Access | None = None
        self.imports: tuple[str, ...] = ("json", "http.client", "urllib.parse", "encodings.idna")
        host = self.endpoint.partition("://")[2].split(":")[0].split("/")[0]
        service, _, rest = host.partition(".")
        direct = service == "xray" and ".amazonaws.com" in rest
        self.region = rest.partition(".")[0] if direct else ""
        if self.endpoint == AWS or direct:
            self.access = Access()
            self.imports += MODULES

    def rules(self) -> list[Any]:
        """Return all `SamplingRuleRecords`, page by page.

        Raises:
            AskingError: Nobody answers, or not with rules.
        """
        records: list[Any] = []
        token: str | None = None
        for _ in range(MAX_PAGES):
            answer = self._post(RULES, {"NextToken": token} if token else {})
            page = answer.get("SamplingRuleRecords")
            if not isinstance(page, list):
                raise AskingError("an answer without SamplingRuleRecords")
            records += page
            token = answer.get("NextToken")
            if not token or not isinstance(token, str):
                break
        return records

    def targets(self, statistics: list[dict[str, Any]], boosts: list[dict[str, Any]]) -> dict[str, Any]:
        """Report up to 25 `SamplingStatisticsDocuments` and as many `SamplingBoostStatisticsDocuments`.

        Raises:
            AskingError: Nobody answers, or not with targets.
        """
        asked: dict[str, Any] = {"SamplingStatisticsDocuments": statistics}
        if boosts:
            asked["SamplingBoostStatisticsDocuments"] = boosts
        return self._post(TARGETS, asked)

    def _post(self, path: str, asked: dict[str, Any]) -> dict[str, Any]:
        gate.load(self.imports)
        import json
        from http.client import HTTPConnection, HTTPException, HTTPSConnection
        from urllib.parse import urlsplit

        body = json.dumps(asked).encode()
        headers = {"Content-Type": "application/json"}
        try:
            base = self.endpoint
            if self.access is not None:
                base, headers = self._signed(self.access, path, body, headers)
            parts = urlsplit(base + path)
            make, usual = (HTTPSConnection, 443) if parts.scheme == "https" else (HTTPConnection, 80)
            # Given no port, it would take the end of an IPv6 address for one.
            connection = make(parts.hostname or "", parts.port or usual, timeout=TIMEOUT)
        except ValueError as error:
            raise AskingError(str(error)) from error
        try:
            connection.request("POST", parts.path, body, headers)
            response = connection.getresponse()
            text = response.read(MAX_ANSWER + 1)
        except (OSError, HTTPException, ValueError) as error:  # the last one: a host that can be none
            said = str(getattr(error, "strerror", None) or error or type(error).__name__)
            raise AskingError(f"{base}: {_line(said)}") from error
        finally:
            connection.close()
        if response.status != 200:
            if self.access is not None and (response.getheader("x-amzn-errortype") or "").partition(":")[0] in STALE:
                self.access.renew()
            said = text[:200].decode("utf-8", "replace")
            raise AskingError(f"{base}{path}: HTTP {response.status} {_line(said)}".strip())
        try:
            answer = json.loads(text) if len(text) <= MAX_ANSWER else None
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise AskingError(f"{base}{path}: an answer that is no JSON object")
        return answer

    def _signed(self, access: Access, path: str, body: bytes, headers: dict[str, str]) -> tuple[str, dict[str, str]]:
        try:
            region = self.region or access.region()
            base = endpoint_of(region) if self.endpoint == AWS else self.endpoint
            return base, access.signed("xray", region, "POST", base + path, body, headers)
        except Exception as error:  # expired, no such profile, a broken provider: whatever botocore says
            access.renew()
            kind = type(error).__name__
            raise AskingError(
                f"{_REASONS.get(kind) or f'{kind}: {_line(str(error))}'}, for {_ACTIONS[path]}"
            ) from error


def _line(text: str) -> str:
    return " ".join(text.split())[:200]


_REASONS = {
    "NoCredentialsError": "no AWS credentials",
    "NoRegionError": "no region: set AWS_REGION",
    "NotInstalledError": "botocore is not installed (pip install obsv[aws])",
}


def endpoint_of(region: str) -> str:
    """Return X-Ray's URL, without a path."""
    for name in ("AWS_ENDPOINT_URL_XRAY", "AWS_ENDPOINT_URL"):
        if os.environ.get(name):
            return os.environ[name].rstrip("/")
    return f"https://xray.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"
