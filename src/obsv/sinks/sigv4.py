"""OTLP to AWS's own endpoints: requests signed with Signature Version 4, by botocore's signer and credentials.

    https://xray.<region>.amazonaws.com/v1/traces
    https://logs.<region>.amazonaws.com/v1/logs
    https://monitoring.<region>.amazonaws.com/v1/metrics

Sources: CloudWatch user guide, "OTLP endpoints" (names, headers, limits); IAM user guide, "Signature Version 4".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..aws_access import STALE, Access
from .aws import failure, troubles, verdict
from .base import Retry
from .otlp_http import Way, error_text

if TYPE_CHECKING:
    from http.client import HTTPMessage

    from ..settings import Settings
    from ..settings_otlp import OtlpTarget
    from .base import Result
    from .log_stream import LogStream

SERVICES = {"traces": "xray", "metrics": "monitoring", "logs": "logs"}
"""The service that takes a signal, as signatures name it."""

LIMITS = {"xray": (4_500_000, 10_000), "monitoring": (1_000_000, 1_000), "logs": (1_000_000, 10_000)}
"""Bytes (before compression) and records of a request that a service takes; X-Ray's 5 MB with some room."""

_ACTIONS = {"xray": "xray:PutSpans", "monitoring": "cloudwatch:PutMetricData", "logs": "logs:PutLogEvents"}
_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".api.amazonwebservices.com.cn")
_LOG_EVENT = 26  # bytes that CloudWatch Logs adds to each log record


def endpoint(url: str) -> tuple[str, str] | None:
    """Return service and region of an endpoint of AWS's for OTLP, None for any other URL.

    Names of VPC endpoints, of FIPS endpoints and of those for IPv6 count as well.

    Example:
        >>> endpoint("https://xray.eu-central-1.amazonaws.com/v1/traces")
        ('xray', 'eu-central-1')
    """
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
    except ValueError:  # brackets that are no IPv6 address
        return None
    domain = next((domain for domain in _DOMAINS if host.endswith(domain)), None)
    if parts.scheme != "https" or domain is None:
        return None
    labels = host.removesuffix(domain).split(".")
    if labels[-1] == "vpce" and labels[0].startswith("vpce-"):
        labels = labels[1:-1]
    if len(labels) != 2:
        return None
    service = labels[0].removesuffix("-fips")
    return (service, labels[1]) if service in LIMITS else None


def signing(target: OtlpTarget, mode: str) -> tuple[str, str] | None:
    """Return service and region (empty: botocore's) to sign for, None where requests are not signed.

    Args:
        target: Where a signal goes.
        mode: The setting ``otlp_sigv4``.
    """
    if mode == "never" or target.protocol == "grpc":  # AWS's endpoints speak HTTP only
        return None
    found = endpoint(target.url)
    if mode == "always":
        return found or (SERVICES[target.signal], "")
    return None if "authorization" in target.headers else found  # a bearer token signs in by itself


def too_large(service: str, body: int, records: int, resource: int) -> bool:
    """Tell whether a service would refuse a request.

    CloudWatch Logs counts each record as JSON, with the resource in it, and 26 bytes: about twice of what it has here.
    """
    if service == "logs":
        body = (body + records * (resource + _LOG_EVENT)) * 2
    most, count = LIMITS[service]
    return body > most or records > count


class SignedWay(Way):
    """The way to an endpoint of AWS's. Each request, also one that is sent again, gets a signature of its own."""

    def __init__(self, target: OtlpTarget, service: str, region: str, settings: Settings, access: Access) -> None:
        super().__init__(target)
        self.service = service
        self.action = _ACTIONS[service]
        self.access = access
        self.stream: LogStream | None = None
        self._region = region
        if service == "logs":
            self._name_stream(settings)

    def _name_stream(self, settings: Settings) -> None:
        from .cloudwatch_logs import stream_of

        self.stream = stream_of(settings)
        self.stream.access = self.access
        self.stream.group = self.headers.setdefault("x-aws-log-group", self.stream.group)
        self.stream.stream = self.headers.setdefault("x-aws-log-stream", self.stream.stream)

    def post(self, body: bytes) -> tuple[int, HTTPMessage, bytes] | Result:
        """Send a body; where AWS does not take the credentials, once more with those found anew."""
        try:
            answer = self.exchange(self.signed(body), body)
            if answer[0] < 400 or _code(answer) not in STALE:
                return answer
            self.access.renew()
            return self.exchange(self.signed(body), body)
        except troubles() as error:
            if isinstance(error, OSError):  # no answer: the network's, as at any other endpoint
                raise
            return failure(error, self.action, self.resource())

    def signed(self, body: bytes) -> dict[str, str]:
        """Return the headers of a request with this body, with its signature.

        Raises:
            NotInstalledError: botocore is not there. Errors of botocore's: there are no credentials, or no region.
        """
        region = self._region or self.access.region()
        return self.access.signed(self.service, region, "POST", self.url, body, self.headers)

    def unready(self) -> str:
        """Return why a request cannot be signed; empty when it can."""
        try:
            self.signed(b"")
        except troubles() as error:
            return failure(error, self.action, self.resource()).reason or type(error).__name__
        return ""

    def refused(self, status: int, headers: HTTPMessage, data: bytes) -> Result:
        """Say what an answer that is no success means."""
        code, message = _problem(headers, data)
        if code == "ResourceNotFoundException" and self.stream is not None:
            missing = Retry(
                f"there is no log group {self.stream.group!r} with a stream {self.stream.stream!r}", tell=True
            )
            if not self.stream.create:
                return missing
            return self.stream.make() or Retry("the log stream has just been made", after=0.2)
        return verdict(status, code, message, self.action, self.resource(), headers.get("retry-after"))

    def resource(self) -> str:
        """Return what IAM calls the resource of the action."""
        return "*" if self.stream is None else self.stream.arn(self.action)


def _code(answer: tuple[int, HTTPMessage, bytes]) -> str:
    return _problem(answer[1], answer[2])[0]


def _problem(headers: HTTPMessage, data: bytes) -> tuple[str, str]:
    """Read AWS's code and message: JSON as most services answer, XML, or OTLP's own ``Status``."""
    code = headers.get("x-amzn-errortype") or ""
    message = error_text(headers.get("content-type"), data)
    if data.lstrip()[:1] == b"{":
        import json

        try:
            found: Any = json.loads(data)
        except (ValueError, RecursionError):
            found = {}
        code = code or str(found.get("__type") or found.get("code") or found.get("Code") or "")
        message = str(found.get("message") or found.get("Message") or "")
    elif data.lstrip()[:1] == b"<":
        text = data.decode("utf-8", "replace")
        code = code or _element(text, "Code")
        message = _element(text, "Message")
    return code.partition(":")[0].rpartition("#")[2], message


def _element(text: str, name: str) -> str:
    return text.partition(f"<{name}>")[2].partition(f"</{name}>")[0]
