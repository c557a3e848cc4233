"""Traces as OTLP through the X-Ray daemon's socket, which is how AWS's own distribution sends them from Lambda.

A datagram is the daemon's header line, ``T1S`` (sampled) or ``T1U`` (not sampled, recorded all the same), and an
``ExportTraceServiceRequest`` in base64. Each holds a local trace or a part of it. A span that is too large alone goes
as a segment document, which the same socket takes and which can be trimmed: so none is lost whole.

Source: AWS Distro for OpenTelemetry, "OTLPUdpSpanExporter".
"""

from __future__ import annotations

from .xray import HEADER, Progress, XRaySink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from obsv.hotpath.span import Span
    from obsv.settings import Settings

    from .base import Batch

SAMPLED = b"T1S"
"""Stands before spans that the head decision keeps."""

UNSAMPLED = b"T1U"
"""Stands before spans that were recorded without being sampled."""


class _Part:
    """Spans with their datagram."""

    __slots__ = ("datagram", "spans")

    def __init__(self, datagram: bytes, spans: Sequence[Span]) -> None:
        self.datagram = datagram
        self.spans = spans


class XRayOtlpSink(XRaySink):
    """Sends traces to ``settings.xray_daemon_address`` as OTLP."""

    imports = (*XRaySink.imports, "binascii", "obsv.hotpath.otlp")

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._attributes: Mapping[str, Any] = {}
        self._resource = b""

    def open(self, resource: Mapping[str, Any]) -> None:
        """Encode the resource once."""
        from obsv.hotpath.otlp import resource_bytes

        self._attributes = resource
        self._resource = resource_bytes(resource)

    def _encode(self, batch: Batch) -> Progress:
        made: list[_Part | str] = []
        for trace in batch.items:
            sampled = [span for span in trace if span.flags & 1]
            made.extend(self._parts(sampled))
            if len(sampled) < len(trace):
                made.extend(self._parts([span for span in trace if not span.flags & 1]))
        made.reverse()
        return Progress(made)

    def _parts(self, spans: Sequence[Span]) -> list[_Part | str]:
        """Return spans, all sampled or none, in datagrams within the limit."""
        from binascii import b2a_base64

        from obsv.hotpath.otlp import traces
        from obsv.xray.segment import documents

        made: list[_Part | str] = []
        todo = [spans] if spans else []
        while todo:
            part = todo.pop()
            kind = SAMPLED if part[0].flags & 1 else UNSAMPLED
            datagram = HEADER + kind + b2a_base64(traces([list(part)], self._resource), newline=False)
            if len(datagram) <= self.limit + len(HEADER):
                made.append(_Part(datagram, part))
            elif len(part) > 1:
                half = len(part) // 2
                todo += [part[half:], part[:half]]
            else:
                made.extend(documents(part, self._attributes, self.limit, self.annotations))
        return made

    def _datagram(self, item: Any) -> bytes:
        return item.datagram if isinstance(item, _Part) else super()._datagram(item)

    def _divide(self, item: Any) -> list[Any]:
        return self._parts(item.spans) if isinstance(item, _Part) else super()._divide(item)

    def _spans(self, item: Any, batch: Batch) -> int:
        return len(item.spans) if isinstance(item, _Part) else super()._spans(item, batch)
