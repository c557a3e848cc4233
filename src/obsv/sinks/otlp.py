"""OTLP over HTTP with protobuf bodies (OpenTelemetry protocol specification, "OTLP/HTTP").

The bodies come from obsv's own encoder, the transport is http.client: connections are kept, bodies may be compressed,
and nothing is imported before the first batch. A signal may choose JSON bodies or gRPC instead; both carry the same.
"""

from __future__ import annotations

from ..pipeline.batch import count
from .base import Refused, Retry, Sent, SinkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..aws_access import Access
    from ..settings import Settings
    from ..settings_otlp import OtlpTarget
    from .base import Attributes, Batch, Result
    from .otlp_grpc import GrpcChannel
    from .otlp_http import Way

MAX_BODY = 4_500_000
"""Bytes of a request before compression; a larger one is sent in halves. AWS's endpoints take 5 MB."""

GZIP_LEVEL = 1
"""A body of ours shrinks to about a fifth at once; higher levels take up to five times as long for one percent."""

_TOO_LARGE = "http 413"
_TOO_LARGE_GRPC = "grpc message too large"
_MAX_HALVES = 64  # requests of a batch that are divided after AWS refused them; one bad record takes 11 of them


class _Part:
    """A piece of a batch: its items and their encoded body."""

    __slots__ = ("body", "items", "records")

    def __init__(self, items: list[Any], records: int, body: bytes) -> None:
        self.items = items
        self.records = records
        self.body = body


class _Progress:
    """What of a batch is still to be sent, and what became of the rest: a retry goes on where the last try stopped."""

    __slots__ = ("halves", "parts", "reason", "rejected")

    def __init__(self, part: _Part) -> None:
        self.parts = [part]
        self.halves = 0
        self.rejected = 0
        self.reason: str | None = None


class OtlpSink:
    """Send traces, metrics and logs to a collector, each to its own URL."""

    name = "otlp"
    signals = frozenset({"traces", "metrics", "logs"})
    imports: tuple[str, ...] = (
        "obsv.hotpath.otlp",
        "obsv.hotpath.otlp_metrics",
        "obsv.sinks.totals",
        "obsv.sinks.otlp_http",
        "http.client",
        "urllib.parse",
        "re",
        "select",
        "encodings.idna",
        "ssl",
        "zlib",
        "traceback",
        "linecache",
    )

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._targets = self._wanted(settings)
        self._temporality = settings.otlp_temporality
        self._ways: dict[str, Way] = {}
        self._signed: dict[str, tuple[str, str]] = {}
        self._access: Access | None = None
        self._resource = b""
        self._totals: Any = None
        self._channels: dict[str, GrpcChannel] = {}
        if any(target.protocol == "grpc" for target in self._targets.values()):
            self.imports = (*self.imports, "obsv.sinks.otlp_grpc", "grpc")
        for target in self._targets.values():
            self._sign(target)

    def _wanted(self, settings: Settings) -> dict[str, OtlpTarget]:
        """Return where each signal that comes here goes."""
        everything = {"traces": settings.traces, "metrics": settings.metrics, "logs": settings.logs}
        wanted = [
            signal
            for signal, chosen in everything.items()
            if any((each if isinstance(each, str) else getattr(each, "name", None)) == self.name for each in chosen)
        ]
        # With none of them this sink was made by hand, and any may come.
        return {signal: settings.otlp(signal) for signal in wanted or everything}

    def _sign(self, target: OtlpTarget) -> None:
        """Find out whether requests to a target are signed for AWS."""
        mode = self._settings.otlp_sigv4
        if mode == "always" or ".amazonaws.com" in target.url or ".api." in target.url:
            from .aws import IMPORTS
            from .sigv4 import signing

            found = signing(target, mode)
            if found is not None:
                self._signed[target.signal] = found
                self.imports = (*self.imports, *IMPORTS)

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
                if self._may_pass_in_halves(batch.signal, progress, result) and self._halve(batch.signal, parts):
                    continue
                progress.rejected, progress.reason = progress.rejected + part.records, result.reason
            elif type(result) is Sent and result.reason:
                progress.rejected, progress.reason = progress.rejected + result.rejected, result.reason
            parts.pop(0)
        if progress.reason and progress.rejected >= batch.records:  # totals that are told again are no records
            return Refused(progress.reason)
        return Sent(progress.rejected, progress.reason)

    def _may_pass_in_halves(self, signal: str, progress: _Progress, result: Refused) -> bool:
        if result.reason.startswith((_TOO_LARGE, _TOO_LARGE_GRPC)):
            return True
        # AWS refuses a request as a whole for one record that it does not take.
        progress.halves += signal in self._signed
        return 0 < progress.halves <= _MAX_HALVES

    def _items(self, batch: Batch) -> list[Any]:
        if batch.signal == "metrics" and self._temporality != "delta":
            if self._totals is None:
                from ..hotpath.otlp_metrics import PREFERENCES
                from .totals import Totals

                self._totals = Totals(PREFERENCES[self._temporality])
            points: list[Any] = self._totals.add(batch.items)
            return points
        return batch.entries

    def _part(self, signal: str, items: list[Any], spans: int | None = None) -> _Part:
        if signal == "traces":
            from ..hotpath.otlp import traces

            return _Part(items, count(items) if spans is None else spans, traces(items, self._resource))
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
        size = len(part.body) * 3 if target.protocol == "http/json" else len(part.body)
        if signal in self._signed:
            from .sigv4 import too_large

            return too_large(self._signed[signal][0], size, part.records, len(self._resource))
        return size > (4_000_000 if target.protocol == "grpc" else MAX_BODY)

    def _target(self, signal: str) -> OtlpTarget:
        target = self._targets.get(signal)
        if target is None:
            target = self._targets[signal] = self._settings.otlp(signal)
            self._sign(target)
        return target

    def _halve(self, signal: str, parts: list[_Part]) -> bool:
        """Replace the first part by its two halves; False when it is a single record already."""
        items = parts[0].items
        if len(items) == 1 and signal == "traces":
            trace = items[0]
            if count(items) < 2:
                return False
            halves = [[trace[: len(trace) // 2]], [trace[len(trace) // 2 :]]]
        elif len(items) < 2:
            return False
        else:
            halves = [items[: len(items) // 2], items[len(items) // 2 :]]
        parts[0:1] = [self._part(signal, half) for half in halves]
        return True

    def _post(self, signal: str, part: _Part) -> Result:
        from .otlp_http import describe, partial_success

        target = self._target(signal)
        if target.protocol == "grpc":
            return self._channel(target).post(part.body, part.records, partial_success)
        from http.client import HTTPException

        body, read_answer = part.body, partial_success
        if target.protocol == "http/json":
            from . import otlp_json

            body, read_answer = otlp_json.request_json(signal, body), otlp_json.partial_success
        if target.compression == "gzip":
            body = _gzip(body)
        way = self._way(target)
        try:
            answer = way.post(body)
        except (HTTPException, OSError, ValueError) as error:  # ValueError: a host that can be none
            return Retry(describe(error))
        if not isinstance(answer, tuple):
            return answer
        status, headers, data = answer
        if 200 <= status < 300:
            rejected, message = read_answer(data)
            if rejected or message:
                return Sent(min(rejected, part.records), f"partial success: {message or 'no reason given'}"[:200])
            return Sent()
        return way.refused(status, headers, data)

    def _way(self, target: OtlpTarget) -> Way:
        way = self._ways.get(target.signal)
        if way is None:
            found = self._signed.get(target.signal)
            if found is None:
                from .otlp_http import Way

                way = Way(target)
            else:
                from ..aws_access import Access
                from .sigv4 import SignedWay

                self._access = self._access or Access()
                way = SignedWay(target, *found, self._settings, self._access)
            self._ways[target.signal] = way
        return way

    def _channel(self, target: OtlpTarget) -> GrpcChannel:
        channel = self._channels.get(target.signal)
        if channel is None:
            from .otlp_grpc import GrpcChannel
            from .otlp_http import user_agent

            codes = self._settings.otlp_grpc_retry_codes
            channel = self._channels[target.signal] = GrpcChannel(target, codes, user_agent())
        return channel

    def probe(self) -> str:
        """Connect to the collector of each signal that goes over OTLP, without sending anything.

        Raises:
            SinkError: One or more do not answer, or there are no credentials to sign with; the text names each, with
                its signals.
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
        for signal in self._signed:
            reason = self._way(self._target(signal)).unready()
            if reason:
                signals.setdefault(reason, []).append(signal)
                failures[reason] = reason
        if failures:
            raise SinkError("; ".join(f"{', '.join(signals[place])}: {why}" for place, why in failures.items()))
        return f"connected to {', '.join(reached)}"

    def close(self) -> None:
        """Close the connections."""
        for way in self._ways.values():
            way.close()
        self._ways.clear()
        for channel in self._channels.values():
            channel.close()
        self._channels.clear()
        if self._access is not None:
            self._access.close()


def _gzip(body: bytes) -> bytes:
    import zlib

    compressor = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, 31)
    return compressor.compress(body) + compressor.flush()
