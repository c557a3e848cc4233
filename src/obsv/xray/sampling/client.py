"""The two calls of centralised sampling: `GetSamplingRules` and `SamplingTargets`, over HTTP.

The X-Ray daemon, the CloudWatch agent and the collector (`awsproxy`) take them on TCP 2000 and sign them; X-Ray itself
wants them signed. Used from the poller's thread only, which alone imports `http.client` and `json`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..signed import Signer

RULES = "/GetSamplingRules"
TARGETS = "/SamplingTargets"
TIMEOUT = 5.0
MAX_ANSWER = 8 << 20
MAX_PAGES = 100
MAX_DOCUMENTS = 25
"""Statistics in one request (X-Ray API reference, "GetSamplingTargets")."""

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
        self.signer: Signer | None = None
        host = self.endpoint.partition("://")[2].split(":")[0].split("/")[0]
        service, _, rest = host.partition(".")
        direct = service == "xray" and ".amazonaws.com" in rest
        if self.endpoint == AWS or direct:
            from ..signed import Signer

            self.signer = Signer("xray", rest.partition(".")[0] if direct else None)

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
        import json
        from http.client import HTTPConnection, HTTPException, HTTPSConnection
        from urllib.parse import urlsplit

        from ..signed import SigningError

        body = json.dumps(asked).encode()
        headers = {"Content-Type": "application/json"}
        try:
            base = self.endpoint
            if self.signer is not None:
                base = self.signer.endpoint() if base == AWS else base
                headers = self.signer.sign("POST", base + path, body, headers)
            parts = urlsplit(base + path)
            make = HTTPSConnection if parts.scheme == "https" else HTTPConnection
            connection = make(parts.hostname or "", parts.port, timeout=TIMEOUT)
        except (SigningError, ValueError) as error:
            raise AskingError(str(error)) from error
        try:
            connection.request("POST", parts.path, body, headers)
            response = connection.getresponse()
            text = response.read(MAX_ANSWER + 1)
        except (OSError, HTTPException) as error:
            raise AskingError(f"{base}: {getattr(error, 'strerror', None) or error or type(error).__name__}") from error
        finally:
            connection.close()
        if response.status != 200:
            said = text[:200].decode("utf-8", "replace").strip()
            raise AskingError(f"{base}{path}: HTTP {response.status} {said}".strip())
        try:
            answer = json.loads(text) if len(text) <= MAX_ANSWER else None
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise AskingError(f"{base}{path}: an answer that is no JSON object")
        return answer
