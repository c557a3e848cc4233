"""What the tests of the X-Ray daemon's protocol share: sinks, batches, and what a datagram says."""

from __future__ import annotations

import base64
import errno
import json
import socket
from typing import TYPE_CHECKING, Any

from aws_data import RESOURCE, flatten
from obsv.settings import resolve
from obsv.sinks.base import Batch
from obsv.sinks.xray import XRaySink, create

if TYPE_CHECKING:
    from obsv.hotpath.span import Span

HEADER = b'{"format":"json","version":1}\n'


def new_sink(address: str, transport: str = "daemon", **options: Any) -> XRaySink:
    """A sink that sends to this address, opened."""
    settings = resolve({"config": {"xray_transport": transport, "xray_daemon_address": address, **options}}, environ={})
    assert settings.problems == ()
    made = create(settings)
    assert isinstance(made, XRaySink)
    made.open(RESOURCE)
    return made


def batch(*traces: list[Span]) -> Batch:
    return Batch("traces", list(traces), RESOURCE)


def sampled(*spans: Span) -> list[Span]:
    for each in spans:
        each.flags |= 1
    return list(spans)


def read(datagram: bytes) -> tuple[str, Any]:
    """The kind of a datagram and what is in it: an OTLP request, or a segment document."""
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb

    assert datagram.startswith(HEADER)
    body = datagram[len(HEADER) :]
    if body.startswith(b"{"):
        return "document", json.loads(body.decode("utf-8"))
    return body[:3].decode(), pb.ExportTraceServiceRequest.FromString(base64.b64decode(body[3:], validate=True))


def span_ids(kind: str, content: Any) -> list[str]:
    """The ids of all spans in what `read` returns."""
    if kind == "document":
        return [part["id"] for part in flatten(content)]
    return [s.span_id.hex() for r in content.resource_spans for scope in r.scope_spans for s in scope.spans]


class SmallDatagrams(socket.socket):
    """A real socket of a system with small datagrams, as macOS has."""

    most = 9_216

    def send(self, data: Any, flags: int = 0) -> int:
        if len(data) > self.most:
            raise OSError(errno.EMSGSIZE, "Message too long")
        return super().send(data, flags)
