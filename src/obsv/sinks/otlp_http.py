"""OTLP over HTTP, one request: how a body is posted to a target, and what the answers say.

Source: OpenTelemetry protocol specification, "OTLP/HTTP".
"""

from __future__ import annotations

from .base import Refused, Retry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..settings_otlp import OtlpTarget
    from .base import Result

RETRYABLE = frozenset({429, 502, 503, 504})
"""Answers after which the same request may succeed (OTLP/HTTP, "Failures")."""

_MAX_ANSWER = 65_536  # bytes of an answer that are read: a partial success is a few hundred


class Way:
    """What all requests to one target have in common, made once: that alone took a third of the time."""

    __slots__ = ("headers", "path", "pool", "retries", "timeout")

    def __init__(self, target: OtlpTarget) -> None:
        from urllib3 import PoolManager, Timeout
        from urllib3 import Retry as Retries
        from urllib3.util import parse_url

        options: dict[str, Any] = {}
        if target.certificate:
            options["ca_certs"] = target.certificate
        if target.client_certificate:
            options["cert_file"] = target.client_certificate
        if target.client_key:
            options["key_file"] = target.client_key
        self.pool = PoolManager(num_pools=1, maxsize=1, **options).connection_from_url(target.url)
        self.path = parse_url(target.url).request_uri
        kind = "application/json" if target.protocol == "http/json" else "application/x-protobuf"
        self.headers = {"content-type": kind, "user-agent": user_agent(), **target.headers}
        if target.compression == "gzip":
            self.headers["content-encoding"] = "gzip"
        self.retries = Retries(False, redirect=False)
        self.timeout = Timeout(target.timeout)

    def post(self, body: bytes) -> tuple[int, Mapping[str, str], bytes] | Result:
        """Post a body; return the answer's status, headers and body, or what it means that nothing could be posted.

        Raises:
            HTTPError: urllib3's: there was no answer.
            OSError: There was none.
        """
        return self.exchange(self.headers, body)

    def exchange(self, headers: dict[str, str], body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        """Post a body with these headers, and read the answer."""
        answer = self.pool.urlopen(
            "POST", self.path, body=body, headers=headers, timeout=self.timeout, retries=self.retries,
            redirect=False, preload_content=False,
        )  # fmt: skip
        try:
            data = answer.read(_MAX_ANSWER)
            # a connection can only be used again when its answer was read to the end
            if answer.length_remaining != 0 and answer.read(1):
                answer.close()
        finally:
            answer.release_conn()
        return answer.status, answer.headers, data

    def unready(self) -> str:
        """Return why nothing can be posted, wherever the target is; empty when it can."""
        return ""

    def refused(self, status: int, headers: Mapping[str, str], data: bytes) -> Result:
        """Say what an answer that is no success means (OTLP/HTTP, "Failures")."""
        if status in RETRYABLE:
            return Retry(f"http {status}", retry_after(headers.get("retry-after")))
        return Refused(f"http {status}{error_text(headers.get('content-type'), data)}")


def user_agent() -> str:
    """Return what a collector is told about who sends."""
    from .. import __version__

    return f"OTel-OTLP-Exporter-Python-obsv/{__version__}"


def describe(error: BaseException) -> str:
    """Say in a few words why there was no answer."""
    inner: Any = error
    while True:
        following = getattr(inner, "reason", None) or getattr(inner, "__cause__", None)
        if not isinstance(following, BaseException):
            break
        inner = following
    name = type(inner).__name__
    known = {
        "NewConnectionError": "connection refused",
        "ConnectTimeoutError": "connect timeout",
        "ReadTimeoutError": "read timeout",
        "TimeoutError": "timeout",
        "ProtocolError": "connection broken",
        "RemoteDisconnected": "connection closed without an answer",
        "ConnectionRefusedError": "connection refused",
        "ConnectionResetError": "connection reset",
        "NameResolutionError": "unknown host",
        "gaierror": "unknown host",
    }
    return known.get(name) or f"{name}: {str(inner)[:120]}"


def retry_after(text: str | None) -> float | None:
    """Read a ``Retry-After`` header: seconds or a date (RFC 9110, section 10.2.3); None where it is missing or
    malformed."""
    if not text:
        return None
    try:
        from urllib3.util.retry import Retry as Parser

        return float(Parser().parse_retry_after(text.strip()))
    except Exception:  # noqa: BLE001 - a malformed header is as good as none
        return None


def partial_success(data: bytes) -> tuple[int, str]:
    """Read how much was rejected and why from an ``Export…ServiceResponse``; ``(0, "")`` for garbage.

    All three messages have the same shape: field 1 holds the count as field 1 and the text as field 2.
    """
    try:
        inner = message_fields(data).get(1)
        if not isinstance(inner, bytes):
            return 0, ""
        fields = message_fields(inner)
        count, message = fields.get(1, 0), fields.get(2, b"")
        text = message.decode("utf-8", "replace") if isinstance(message, bytes) else ""
        return (count if isinstance(count, int) and count < 2**63 else 0), " ".join(text.split())
    except (IndexError, ValueError):
        return 0, ""


def error_text(content_type: str | None, data: bytes) -> str:
    """Read the message of a ``google.rpc.Status``, which OTLP/HTTP puts into the body of a failure."""
    if not content_type or "protobuf" not in content_type:
        return ""
    try:
        message = message_fields(data).get(2)
    except (IndexError, ValueError):
        return ""
    return f": {' '.join(message.decode('utf-8', 'replace').split())[:160]}" if isinstance(message, bytes) else ""


def message_fields(data: bytes) -> dict[int, int | bytes]:
    """Read a small protobuf message: its fields by number, of a repeated one the last.

    Raises:
        IndexError, ValueError: It is none.
    """
    found: dict[int, int | bytes] = {}
    position = 0
    while position < len(data):
        tag, position = varint(data, position)
        wire = tag & 7
        if wire == 0:
            found[tag >> 3], position = varint(data, position)
        elif wire == 2:
            length, position = varint(data, position)
            if position + length > len(data):
                raise ValueError(length)
            found[tag >> 3] = data[position : position + length]
            position += length
        else:
            position += {1: 8, 5: 4}[wire] if wire in (1, 5) else len(data)
    return found


def varint(data: bytes, position: int) -> tuple[int, int]:
    """Return the number at a position of a protobuf message, and the position behind it."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError(shift)
