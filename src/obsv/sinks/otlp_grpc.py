"""OTLP over gRPC (OpenTelemetry protocol specification, "OTLP/gRPC"), for the signals whose protocol is ``grpc``.

The requests are the very bytes that go over HTTP: gRPC carries them as they are, so nothing is encoded a second time
and no protobuf classes are needed, only ``grpcio`` (``pip install obsv[otlp]``).
"""

from __future__ import annotations

from .base import Refused, Retry, Sent, SinkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..settings_otlp import OtlpTarget
    from .base import Result

_METHODS = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}

TOO_LARGE = "grpc message too large"


class GrpcChannel:
    """One signal's way to its collector.

    Args:
        target: Where it is.
        retry_codes: Names of the status codes after which the same request is sent again.
        user_agent: What stands in front of gRPC's own user agent.

    Raises:
        SinkError: ``grpcio`` is not installed, or the credentials cannot be had.
    """

    def __init__(self, target: OtlpTarget, retry_codes: tuple[str, ...], user_agent: str) -> None:
        try:
            import grpc
        except ImportError:
            raise SinkError("OTLP over gRPC needs grpcio: pip install 'obsv[otlp]'") from None
        self._grpc = grpc
        self._target = target
        self._retry_codes = frozenset(retry_codes)
        # gRPC, "Requests": what ends with -bin has bytes for a value.
        headers = target.headers.items()
        self._metadata = tuple([(key, text.encode() if key.endswith("-bin") else text) for key, text in headers])
        scheme, _, rest = target.url.partition("://")
        place = rest.partition("/")[0].rpartition("@")[2]
        options = [("grpc.primary_user_agent", user_agent)]
        credentials = _credentials(grpc, target) if scheme == "https" or target.credentials else None
        if credentials is None:
            self._channel = grpc.insecure_channel(place, options)
        else:
            self._channel = grpc.secure_channel(place, credentials, options)
        self._call = self._channel.unary_unary(
            _METHODS[target.signal], request_serializer=_same, response_deserializer=_same
        )

    def post(self, body: bytes, records: int, partial_success: Callable[[bytes], tuple[int, str]]) -> Result:
        """Send one request and wait for the answer."""
        grpc = self._grpc
        compression = grpc.Compression.Gzip if self._target.compression == "gzip" else grpc.Compression.NoCompression
        try:
            answer = self._call(body, timeout=self._target.timeout, metadata=self._metadata, compression=compression)
        except grpc.RpcError as error:
            return self._failure(error)
        rejected, message = partial_success(answer)
        if rejected or message:
            return Sent(min(rejected, records), f"partial success: {message or 'no reason given'}"[:200])
        return Sent()

    def _failure(self, error: Any) -> Result:
        code = str(getattr(error.code(), "name", error.code()))
        details = " ".join(str(error.details() or "").split())[:160]
        reason = f"grpc {code}: {details}" if details else f"grpc {code}"
        after = retry_info(error.trailing_metadata())
        if code in self._retry_codes or (code == "RESOURCE_EXHAUSTED" and after is not None):
            return Retry(reason, after)
        if code == "RESOURCE_EXHAUSTED" and "larger than max" in details:
            return Refused(TOO_LARGE)
        return Refused(reason)

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()


def _same(data: bytes) -> bytes:
    return data


def _credentials(grpc: Any, target: OtlpTarget) -> Any:
    if target.credentials:
        from ..entry_points import find

        try:
            found = find("opentelemetry_otlp_credential_provider", target.credentials)
            if found is None:
                raise LookupError("no installed package has it")
            made = found.load()()
        except Exception as error:  # a package of others
            raise SinkError(f"credential provider {target.credentials}: {type(error).__name__}: {error}") from error
        if not isinstance(made, grpc.ChannelCredentials):
            raise SinkError(f"credential provider {target.credentials} gives no grpc.ChannelCredentials")
        return made
    try:
        root, key, chain = _file(target.certificate), _file(target.client_key), _file(target.client_certificate)
    except OSError as error:
        raise SinkError(f"cannot read {error.filename}: {error.strerror}") from error
    if bool(key) != bool(chain):  # gRPC's C core would end the whole process
        there, missing = ("key", "certificate") if key else ("certificate", "key")
        raise SinkError(f"there is a client {there} and no client {missing} (or an empty file): gRPC needs both")
    return grpc.ssl_channel_credentials(root, key, chain)


def _file(path: str | None) -> bytes | None:
    if path is None:
        return None
    with open(path, "rb") as file:
        return file.read()


def retry_info(metadata: Any) -> float | None:
    """Return the seconds after which the server wants to be asked again, None where it does not say.

    Rule: OTLP/gRPC, "Failures": a ``google.rpc.RetryInfo``, whose field 1 is a ``Duration`` (1: seconds, 2: nanos).
    """
    from .otlp_http import message_fields

    for key, value in metadata or ():
        if key != "google.rpc.retryinfo-bin" or not isinstance(value, bytes):
            continue
        try:
            inner = message_fields(value).get(1, b"")
            duration = message_fields(inner) if isinstance(inner, bytes) else {}
            seconds, nanos = duration.get(1, 0), duration.get(2, 0)
        except (IndexError, ValueError, KeyError):
            return None
        if isinstance(seconds, int) and isinstance(nanos, int) and seconds < 1 << 40 and nanos < 1 << 40:
            return seconds + nanos / 1e9
    return None
