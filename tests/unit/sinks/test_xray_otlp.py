"""OTLP through the X-Ray daemon's socket: framing, division below 64 KB, and what happens where that is not enough."""

from __future__ import annotations

import base64
import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb

from aws_data import RESOURCE, flatten, span
from obsv.settings import resolve
from obsv.sinks.base import Batch, Sent
from obsv.sinks.xray import create
from obsv.sinks.xray_otlp import XRayOtlpSink
from servers import wait_until
from telemetry import Recorder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collectors import XRayDaemon
    from obsv.hotpath.span import Span

HEADER = b'{"format":"json","version":1}\n'


def new_sink(address: str = "127.0.0.1:2000") -> XRayOtlpSink:
    options = {"xray_transport": "daemon_otlp", "xray_daemon_address": address}
    found = create(resolve({"config": options}))
    assert isinstance(found, XRayOtlpSink)
    found.open(RESOURCE)
    return found


@pytest.fixture
def sink(xray_daemon: XRayDaemon) -> Iterator[XRayOtlpSink]:
    made = new_sink(xray_daemon.address)
    yield made
    made.close()


def read(datagram: bytes) -> tuple[str, Any]:
    """The kind of a datagram and what is in it: an OTLP request, or a segment document."""
    assert datagram.startswith(HEADER)
    body = datagram[len(HEADER) :]
    if body.startswith(b"{"):
        return "document", json.loads(body)
    return body[:3].decode(), pb.ExportTraceServiceRequest.FromString(base64.b64decode(body[3:], validate=True))


def span_ids(kind: str, content: Any) -> list[str]:
    if kind == "document":
        return [part["id"] for part in flatten(content)]
    return [s.span_id.hex() for r in content.resource_spans for scope in r.scope_spans for s in scope.spans]


def batch(*traces: list[Span]) -> Batch:
    return Batch("traces", list(traces), RESOURCE)


def sampled(*spans: Span) -> list[Span]:
    for each in spans:
        each.flags |= 1
    return list(spans)


def test_the_framing_byte_for_byte(sink: XRayOtlpSink, xray_daemon: XRayDaemon) -> None:
    from obsv.hotpath.otlp import resource_bytes, traces

    trace = sampled(span(2, 1), span(1))
    assert repr(sink.send(batch(trace))) == "Sent(rejected=0, reason=None)"
    wait_until(lambda: xray_daemon.datagrams, "a datagram")
    expected = HEADER + b"T1S" + base64.b64encode(traces([trace], resource_bytes(RESOURCE)))
    assert xray_daemon.datagrams == [expected]


def test_each_local_trace_is_a_datagram_that_otlp_reads(sink: XRayOtlpSink, xray_daemon: XRayDaemon) -> None:
    recorder = Recorder()
    traces = [recorder.trace("GET /", 2, order=index) for index in range(3)]
    assert type(sink.send(batch(*traces))) is Sent
    wait_until(lambda: len(xray_daemon.datagrams) == 3, "three datagrams")
    for datagram, trace in zip(xray_daemon.datagrams, traces, strict=True):
        kind, request = read(datagram)
        assert kind == "T1S"
        assert sorted(span_ids(kind, request)) == sorted(each.span_id for each in trace)
        assert [a.key for a in request.resource_spans[0].resource.attributes] == list(RESOURCE)


def test_unsampled_spans_go_apart_as_t1u(sink: XRayOtlpSink, xray_daemon: XRayDaemon) -> None:
    trace = [*sampled(span(1)), span(2, 1), span(3, 1)]
    assert [each.flags & 1 for each in trace] == [1, 0, 0]
    sink.send(batch(trace))
    wait_until(lambda: len(xray_daemon.datagrams) == 2, "two datagrams")
    found = [(kind, len(span_ids(kind, content))) for kind, content in map(read, xray_daemon.datagrams)]
    assert found == [("T1S", 1), ("T1U", 2)]


def test_large_traces_are_split_below_64_kb(sink: XRayOtlpSink, xray_daemon: XRayDaemon) -> None:
    trace = sampled(*[span(index, 1, filler="x" * 900) for index in range(2, 400)], span(1))
    assert type(sink.send(batch(trace))) is Sent
    found: list[str] = []

    def arrived() -> bool:
        found[:] = [each for datagram in list(xray_daemon.datagrams) for each in span_ids(*read(datagram))]
        return len(found) == len(trace)

    wait_until(arrived, "all spans")
    assert sorted(found) == sorted(each.span_id for each in trace)
    assert max(map(len, xray_daemon.datagrams)) <= 65_507
    assert all(datagram.startswith(HEADER + b"T1S") for datagram in xray_daemon.datagrams)


def test_a_span_too_large_alone_goes_as_a_trimmed_document(sink: XRayOtlpSink, xray_daemon: XRayDaemon) -> None:
    trace = sampled(span(2, 1, text=("x" * 200_000,)), span(1))
    assert type(sink.send(batch(trace))) is Sent
    wait_until(lambda: len(xray_daemon.datagrams) == 2, "two datagrams")
    found = dict(map(read, xray_daemon.datagrams))
    assert span_ids("T1S", found["T1S"]) == [f"{1:016x}"]
    document = found["document"]
    assert (document["id"], document["type"]) == (f"{2:016x}", "subsegment")
    assert document["metadata"]["obsv"]["trimmed"] == {"metadata": 1}


class SmallDatagrams(socket.socket):
    """A real socket of a system with small datagrams, as macOS has."""

    most = 9_216

    def sendto(self, data: bytes, *rest: Any) -> int:  # type: ignore[override]
        self._check(data)
        return super().sendto(data, *rest)

    def send(self, data: bytes, *rest: Any) -> int:  # type: ignore[override]
        self._check(data)
        return super().send(data, *rest)

    def _check(self, data: bytes) -> None:
        import errno

        if len(data) > self.most:
            raise OSError(errno.EMSGSIZE, "Message too long")


def test_a_system_with_small_datagrams_gets_smaller_ones(
    sink: XRayOtlpSink, xray_daemon: XRayDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "socket", SmallDatagrams)
    trace = sampled(*[span(index, 1, filler="x" * 900) for index in range(2, 100)], span(1))
    assert type(sink.send(batch(trace))) is Sent
    assert sink.limit <= 9_216
    assert repr(sink.send(batch(sampled(span(500, large=("x" * 20_000,)))))) == "Sent(rejected=0, reason=None)"
    wanted = sorted([*(each.span_id for each in trace), f"{500:016x}"])

    def arrived() -> bool:
        return sorted([e for d in list(xray_daemon.datagrams) for e in span_ids(*read(d))]) == wanted

    wait_until(arrived, "all spans")


@pytest.mark.skipif("sys.platform != 'linux'", reason="other systems answer on loopback in their own time")
def test_a_daemon_that_is_not_there_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    from obsv.hotpath import faults

    told: list[str] = []
    monkeypatch.setattr(faults, "tell", told.append)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    made = new_sink(f"127.0.0.1:{port}")
    result = made.send(batch(sampled(span(2, 1), span(1)), sampled(span(3))))
    made.close()
    assert repr(result) == f"Sent(rejected=2, reason='nobody listens at udp 127.0.0.1:{port}')"
    assert len(told) == 1


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 30_000), st.booleans()), min_size=1, max_size=12),
    st.sampled_from([2_000, 9_000, 65_477]),
)
def test_any_trace_fits_into_any_datagram_and_none_is_lost(sizes: list[tuple[int, bool]], limit: int) -> None:
    made = new_sink()
    made.limit = limit
    trace = [span(index + 1, text="x" * size) for index, (size, _) in enumerate(sizes)]
    for each, (_, keep) in zip(trace, sizes, strict=True):
        each.flags = int(keep)
    found: list[str] = []
    for item in made._encode(batch(trace)).waiting:
        datagram = made._datagram(item)
        assert len(datagram) <= limit + 30
        found += span_ids(*read(datagram))
    assert sorted(found) == sorted(each.span_id for each in trace)


def test_an_empty_batch_sends_nothing(sink: XRayOtlpSink, xray_daemon: XRayDaemon) -> None:
    assert repr(sink.send(batch([]))) == "Sent(rejected=0, reason=None)"
    assert xray_daemon.datagrams == []
