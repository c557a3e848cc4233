"""OTLP over HTTP with protobuf bodies (OpenTelemetry protocol specification, "OTLP/HTTP").

The bodies come from obsv's own encoder, the transport is urllib3: connections are kept, bodies may be compressed, and
nothing is imported before the first batch. A signal may choose JSON bodies or gRPC instead; both carry the same.
"""

from __future__ import annotations

from .base import Refused, Retry, Sent, SinkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..settings import Settings
    from ..settings_otlp import OtlpTarget
    from .base import Attributes, Batch, Result
    from .otlp_grpc import GrpcChannel

RETRYABLE = frozenset({429, 502, 503, 504})
"""Answers after which the same request may succeed (OTLP/HTTP, "Failures")."""

MAX_BODY = 4_500_000
"""Bytes of a request before compression; a larger one is sent in halves. AWS's endpoints take 5 MB."""

_TOO_LARGE = "http 413"
_TOO_LARGE_GRPC = "grpc message too large"
_MAX_ANSWER = 65_536  # bytes of an answer that are read: a partial success is a few hundred


class _Part:
    """A piece of a batch: its items and their encoded body."""

    __slots__ = ("body", "items", "records")

    def __init__(self, items: list[Any], records: int, body: bytes) -> None:
        self.items = items
        self.records = records
        self.body = body


class _Progress:
    """What of a batch is still to be sent, and what became of the rest: a retry goes on where the last try stopped."""

    __slots__ = ("parts", "reason", "rejected")

    def __init__(self, part: _Part) -> None:
        self.parts = [part]
        self.rejected = 0
        self.reason: str | None = None


class _Way:
    """What all requests to one target have in common, made once: that alone took a third of the time."""

    __slots__ = ("headers", "path", "pool", "retries", "timeout")

    def __init__(self, target: OtlpTarget) -> None:
        from urllib3 import PoolManager, Retry, Timeout
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
        self.headers = {"content-type": kind, "user-agent": _user_agent(), **target.headers}
        if target.compression == "gzip":
            self.headers["content-encoding"] = "gzip"
        self.retries = Retry(False, redirect=False)
        self.timeout = Timeout(target.timeout)


class OtlpSink:
    """Send traces, metrics and logs to a collector, each to its own URL."""

    name = "otlp"
    signals = frozenset({"traces", "metrics", "logs"})
    imports: tuple[str, ...] = (
        "obsv.hotpath.otlp",
        "obsv.hotpath.otlp_metrics",
        "obsv.sinks.totals",
        "urllib3",
        "urllib3.exceptions",
        "urllib3.util.retry",
        "urllib3.connection",
        "http.client",
        "ssl",
        "zlib",
        "traceback",
        "linecache",
    )

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        everything = {"traces": settings.traces, "metrics": settings.metrics, "logs": settings.logs}
        wanted = [
            signal
            for signal, chosen in everything.items()
            if any((each if isinstance(each, str) else getattr(each, "name", None)) == self.name for each in chosen)
        ]
        # With none of them this sink was made by hand, and any may come.
        self._targets = {signal: settings.otlp(signal) for signal in wanted or everything}
        self._temporality = settings.otlp_temporality
        self._ways: dict[str, _Way] = {}
        self._resource = b""
        self._totals: Any = None
        self._channels: dict[str, GrpcChannel] = {}
        if any(target.protocol == "grpc" for target in self._targets.values()):
            self.imports = (*self.imports, "obsv.sinks.otlp_grpc", "grpc")

    def open(self, resource: Attributes) -> None:
        """Encode the resource once."""
        from ..hotpath.otlp import resource_bytes

        self._resource = resource_bytes(resource)

    def send(self, batch: Batch) -> Result:
        """Post the batch, in several requests where it is too large for one."""
        if batch.encoded is None:
            batch.encoded = _Progress(self._part(batch.signal, self._items(batch), batch.records))
        progress: _Progress = batch.encoded
        parts = progress.parts
        while parts:
            part = parts[0]
            result = Refused(_TOO_LARGE) if self._too_large(batch.signal, part) else self._post(batch.signal, part)
            if type(result) is Retry:
                return result
            if type(result) is Refused:
                if result.reason.startswith((_TOO_LARGE, _TOO_LARGE_GRPC)) and self._halve(batch.signal, parts):
                    continue
                progress.rejected, progress.reason = progress.rejected + part.records, result.reason
            elif type(result) is Sent and result.reason:
                progress.rejected, progress.reason = progress.rejected + result.rejected, result.reason
            parts.pop(0)
        if progress.reason and progress.rejected >= batch.records:  # totals that are told again are no records
            return Refused(progress.reason)
        return Sent(progress.rejected, progress.reason)

    def _items(self, batch: Batch) -> list[Any]:
        if batch.signal == "metrics" and self._temporality != "delta":
            if self._totals is None:
                from ..hotpath.otlp_metrics import PREFERENCES
                from .totals import Totals

                self._totals = Totals(PREFERENCES[self._temporality])
            points: list[Any] = self._totals.add(batch.items)
            return points
        return batch.items

    def _part(self, signal: str, items: list[Any], spans: int | None = None) -> _Part:
        if signal == "traces":
            from ..hotpath.otlp import traces

            return _Part(items, sum(map(len, items)) if spans is None else spans, traces(items, self._resource))
        if signal == "logs":
            from ..hotpath.otlp import logs

            return _Part(items, len(items), logs(items, self._resource))
        from ..hotpath.otlp_metrics import PREFERENCES, metrics

        return _Part(items, len(items), metrics(items, self._resource, PREFERENCES[self._temporality]))

    def _too_large(self, signal: str, part: _Part) -> bool:
        if part.records < 2:
            return False
        target = self._target(signal)
        # gRPC's servers take 4 MiB; JSON is about three times as long as what it is made of
        most = {"grpc": 4_000_000, "http/json": MAX_BODY // 3}.get(target.protocol, MAX_BODY)
        return len(part.body) > most

    def _target(self, signal: str) -> OtlpTarget:
        target = self._targets.get(signal)
        if target is None:
            target = self._targets[signal] = self._settings.otlp(signal)
        return target

    def _halve(self, signal: str, parts: list[_Part]) -> bool:
        """Replace the first part by its two halves; False when it is a single record already."""
        items = parts[0].items
        if len(items) == 1 and signal == "traces":
            trace = items[0]
            if len(trace) < 2:
                return False
            halves = [[trace[: len(trace) // 2]], [trace[len(trace) // 2 :]]]
        elif len(items) < 2:
            return False
        else:
            halves = [items[: len(items) // 2], items[len(items) // 2 :]]
        parts[0:1] = [self._part(signal, half) for half in halves]
        return True

    def _post(self, signal: str, part: _Part) -> Result:
        target = self._target(signal)
        if target.protocol == "grpc":
            return self._channel(target).post(part.body, part.records, partial_success)
        from urllib3.exceptions import HTTPError

        body, read_answer = part.body, partial_success
        if target.protocol == "http/json":
            from . import otlp_json

            body, read_answer = otlp_json.request_json(signal, body), otlp_json.partial_success
        if target.compression == "gzip":
            body = _gzip(body)
        way = self._ways.get(target.signal)
        if way is None:
            way = self._ways[target.signal] = _Way(target)
        try:
            answer = way.pool.urlopen(
                "POST", way.path, body=body, headers=way.headers, timeout=way.timeout, retries=way.retries,
                redirect=False, preload_content=False,
            )  # fmt: skip
            try:
                data = answer.read(_MAX_ANSWER)
                if answer.length_remaining != 0 and answer.read(
                    1
                ):  # a connection can only be used again when its answer was read to the end
                    answer.close()
            finally:
                answer.release_conn()
        except (HTTPError, OSError) as error:
            return Retry(describe(error))
        if 200 <= answer.status < 300:
            rejected, message = read_answer(data)
            if rejected or message:
                return Sent(min(rejected, part.records), f"partial success: {message or 'no reason given'}"[:200])
            return Sent()
        reason = f"http {answer.status}"
        if answer.status in RETRYABLE:
            return Retry(reason, retry_after(answer.headers.get("retry-after")))
        return Refused(f"{reason}{_error_text(answer.headers.get('content-type'), data)}")

    def _channel(self, target: OtlpTarget) -> GrpcChannel:
        channel = self._channels.get(target.signal)
        if channel is None:
            from .otlp_grpc import GrpcChannel

            codes = self._settings.otlp_grpc_retry_codes
            channel = self._channels[target.signal] = GrpcChannel(target, codes, _user_agent())
        return channel

    def probe(self) -> str:
        """Connect to the collector of each signal that goes over OTLP, without sending anything.

        Raises:
            SinkError: One or more do not answer; the text names each, with its signals.
        """
        import socket
        from urllib.parse import urlsplit

        reached: list[str] = []
        failures: dict[str, str] = {}
        signals: dict[str, list[str]] = {}
        for target in self._targets.values():
            parts = urlsplit(target.url)
            host, port = parts.hostname or "localhost", parts.port or (443 if parts.scheme == "https" else 80)
            place = f"{host}:{port}"
            signals.setdefault(place, []).append(target.signal)
            if len(signals[place]) > 1:
                continue
            try:
                socket.create_connection((host, port), timeout=min(target.timeout, 3.0)).close()
            except OSError as error:
                failures[place] = f"nothing answers at {place} ({target.url}): {error.strerror or error}"
            else:
                reached.append(place)
        if failures:
            raise SinkError("; ".join(f"{', '.join(signals[place])}: {why}" for place, why in failures.items()))
        return f"connected to {', '.join(reached)}"

    def close(self) -> None:
        """Close the connections."""
        for way in self._ways.values():
            way.pool.close()
        self._ways.clear()
        for channel in self._channels.values():
            channel.close()
        self._channels.clear()


def _user_agent() -> str:
    from .. import __version__

    return f"OTel-OTLP-Exporter-Python-obsv/{__version__}"


def _gzip(body: bytes) -> bytes:
    import zlib

    # Level 1: a body of ours shrinks to about a seventh at once; higher levels take several times as long for a few
    # percent.
    compressor = zlib.compressobj(1, zlib.DEFLATED, 31)
    return compressor.compress(body) + compressor.flush()


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


def _error_text(content_type: str | None, data: bytes) -> str:
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
    read: Callable[[bytes, int], tuple[int, int]] = _varint
    while position < len(data):
        tag, position = read(data, position)
        wire = tag & 7
        if wire == 0:
            found[tag >> 3], position = read(data, position)
        elif wire == 2:
            length, position = read(data, position)
            if position + length > len(data):
                raise ValueError(length)
            found[tag >> 3] = data[position : position + length]
            position += length
        else:
            position += {1: 8, 5: 4}[wire] if wire in (1, 5) else len(data)
    return found


def _varint(data: bytes, position: int) -> tuple[int, int]:
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
