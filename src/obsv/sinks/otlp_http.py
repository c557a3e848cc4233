"""OTLP over HTTP, one request: how a body is posted to a target, and what the answers say.

Source: OpenTelemetry protocol specification, "OTLP/HTTP".
"""

from __future__ import annotations

from time import monotonic, time

from .base import Refused, Retry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from http.client import HTTPConnection, HTTPMessage
    from socket import socket
    from ssl import SSLContext
    from typing import Any

    from ..settings_otlp import OtlpTarget
    from .base import Result

RETRYABLE = frozenset({429, 502, 503, 504})
"""Answers after which the same request may succeed (OTLP/HTTP, "Failures")."""

_MAY_STAND = "%/:@!$&'()*+,;=~-._"
_MAX_ANSWER = 65_536  # bytes of an answer that are read: a partial success is a few hundred


class ConnectTimeoutError(TimeoutError):
    """There was no connection within the timeout."""


class Way:
    """The way to one target, kept open: a connection, and what all requests have in common.

    Attributes:
        headers: What each request carries.
        url: The target as it is sent: percent-encoded where it was not.
    """

    __slots__ = ("_changed", "_connection", "_path", "_target", "_tls", "headers", "url")

    def __init__(self, target: OtlpTarget) -> None:
        self._target = target
        self._connection: HTTPConnection | None = None
        self._tls: SSLContext | None = None
        self._changed: list[int] = []
        self.url, self._path = sendable(target.url)
        kind = "application/json" if target.protocol == "http/json" else "application/x-protobuf"
        self.headers = {"content-type": kind, "user-agent": user_agent(), **target.headers}
        if target.compression == "gzip":
            self.headers["content-encoding"] = "gzip"

    def post(self, body: bytes) -> tuple[int, HTTPMessage, bytes] | Result:
        """Post a body; return the answer's status, headers and body, or what it means that nothing could be posted.

        Raises:
            HTTPException: http.client's: the answer was none.
            OSError: There was none.
        """
        return self.exchange(self.headers, body)

    def exchange(self, headers: dict[str, str], body: bytes) -> tuple[int, HTTPMessage, bytes]:
        """Post a body with these headers, and read the answer."""
        from http.client import IncompleteRead

        connection = self._connected()
        whole = False
        try:
            try:
                connection.request("POST", self._path, body, headers)
                sent = True
            except (BrokenPipeError, ConnectionResetError):  # who does not want the whole body may have said why
                sent = False
            answer = connection.getresponse()
            data = answer.read(_MAX_ANSWER)
            # a connection can only be used again when its answer was read to the end
            end = answer.isclosed() or not answer.read(1)
            if end and answer.length:
                raise IncompleteRead(data, answer.length)
            whole = sent and end
        finally:
            if not whole:
                self.close()
        return answer.status, answer.headers, _decoded(data, answer.headers)

    def _connected(self) -> HTTPConnection:
        """Return the connection, made anew where the other side has closed it meanwhile."""
        connection = self._connection
        if connection is not None and (connection.sock is None or _readable(connection.sock)):
            self.close()
            connection = None
        left: float = self._target.timeout
        if connection is None:
            left += monotonic()
            connection = self._connect()
            left -= monotonic()
        connection.sock.settimeout(max(0.001, left))
        return connection

    def _connect(self) -> HTTPConnection:
        """Make a connection."""
        from http.client import HTTPConnection
        from urllib.parse import urlsplit

        parts = urlsplit(self.url)
        secure = parts.scheme == "https"
        usual = 443 if secure else 80
        host = (parts.hostname or "localhost").replace("%25", "%")  # the zone of an IPv6 address (RFC 6874)
        # http.client would take the end of an IPv6 address for a port where it is given none.
        connection = HTTPConnection(host, parts.port or usual, timeout=self._target.timeout)
        connection.default_port = usual
        context = self._context() if secure else None
        try:
            connection.connect()
            if context is not None:
                connection.sock = context.wrap_socket(connection.sock, server_hostname=host.rstrip("."))
        except TimeoutError as error:
            connection.close()
            raise ConnectTimeoutError(error) from None
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _context(self) -> SSLContext:
        """Return what TLS goes by.

        It is kept, because reading the system's certificates takes tens of milliseconds, and made anew when one of the
        target's files has changed: certificates that are valid for hours are replaced while the program runs.
        """
        from os import stat
        from ssl import create_default_context

        target = self._target
        files = (target.certificate, target.client_certificate, target.client_key)
        changed = [stat(file).st_mtime_ns for file in files if file]
        if self._tls is not None and changed == self._changed:
            return self._tls
        context = create_default_context(cafile=target.certificate or None)
        context.set_alpn_protocols(["http/1.1"])
        if target.client_certificate:
            # With a password, though a wrong one, OpenSSL does not ask for that of an encrypted key on the terminal.
            context.load_cert_chain(target.client_certificate, target.client_key or None, password="")
        self._tls, self._changed = context, changed
        return context

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except OSError:  # somebody has closed its descriptor
                pass

    def unready(self) -> str:
        """Return why nothing can be posted, wherever the target is; empty when it can."""
        return ""

    def refused(self, status: int, headers: HTTPMessage, data: bytes) -> Result:
        """Say what an answer that is no success means (OTLP/HTTP, "Failures")."""
        if status in RETRYABLE:
            return Retry(f"http {status}", retry_after(headers.get("retry-after")))
        return Refused(f"http {status}{error_text(headers.get('content-type'), data)}")


def sendable(url: str) -> tuple[str, str]:
    """Return a URL, and its part behind the host, as they may be sent: percent-encoded where they have to be.

    Source: RFC 3986, sections 2.1 and 6.2.2.1.
    """
    import re
    from urllib.parse import quote, urlsplit

    parts = urlsplit(url)
    path = quote(parts.path or "/", _MAY_STAND)
    if parts.query:
        path += f"?{quote(parts.query, _MAY_STAND + '?')}"
    path = re.sub("%([0-9A-Fa-f]{2})?", lambda found: found[0].upper() if found[1] else "%25", path)
    return f"{parts.scheme}://{parts.netloc}{path}", path


def _decoded(data: bytes, headers: HTTPMessage) -> bytes:
    """Return a body as it was before a proxy compressed it, which nobody had asked it for; a bounded part of it."""
    if (headers.get("content-encoding") or "").strip().lower() != "gzip":
        return data
    import zlib

    try:
        return zlib.decompressobj(31).decompress(data, _MAX_ANSWER)
    except zlib.error:
        return data


def _readable(connection: socket) -> bool:
    """Tell whether there is something to read where nothing was asked: mostly that the other side has closed."""
    import select

    if not hasattr(select, "poll"):  # eventlet takes it away
        return bool(select.select([connection], [], [], 0)[0])
    poll = select.poll()  # not select(), which fails for descriptors above 1023
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


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
    known = {  # some are urllib3's, which botocore sends by
        "NewConnectionError": "connection refused",
        "ConnectTimeoutError": "connect timeout",
        "ReadTimeoutError": "read timeout",
        "TimeoutError": "timeout",
        "ProtocolError": "connection broken",
        "IncompleteRead": "connection broken",
        "RemoteDisconnected": "connection closed without an answer",
        "ConnectionRefusedError": "connection refused",
        "ConnectionResetError": "connection reset",
        "BrokenPipeError": "connection broken",
        "NameResolutionError": "unknown host",
        "gaierror": "unknown host",
    }
    return known.get(name) or f"{name}: {str(inner)[:120]}"


def retry_after(text: str | None) -> float | None:
    """Read a ``Retry-After`` header: seconds or a date (RFC 9110, section 10.2.3); None where it is missing or
    malformed."""
    if not text:
        return None
    from datetime import UTC
    from email.utils import parsedate_to_datetime

    text = text.strip()
    try:
        if text.isascii() and text.isdigit():
            return min(float(text), 1e9)
        date = parsedate_to_datetime(text)
        return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - time())
    except (ValueError, OverflowError):  # a malformed header is as good as none
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
