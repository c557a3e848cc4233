"""OTLP through the X-Ray daemon's socket: what happens where a datagram is not enough, or nobody takes it. The framing
is in ``conformance/test_xray_daemon_rules.py``."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aws_data import RESOURCE, span
from obsv.sinks.base import Sent
from servers import free_port, wait_until
from telemetry import Recorder
from xray_datagrams import SmallDatagrams, batch, new_sink, read, sampled, span_ids

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collectors import XRayDaemon
    from obsv.sinks.xray import XRaySink


@pytest.fixture
def sink(xray_daemon: XRayDaemon) -> Iterator[XRaySink]:
    made = new_sink(xray_daemon.address, "daemon_otlp")
    yield made
    made.close()


def test_each_local_trace_is_a_datagram_that_otlp_reads(sink: XRaySink, xray_daemon: XRayDaemon) -> None:
    recorder = Recorder()
    traces = [recorder.trace("GET /", 2, order=index) for index in range(3)]
    assert type(sink.send(batch(*traces))) is Sent
    wait_until(lambda: len(xray_daemon.datagrams) == 3, "three datagrams")
    for datagram, trace in zip(xray_daemon.datagrams, traces, strict=True):
        kind, request = read(datagram)
        assert kind == "T1S"
        assert sorted(span_ids(kind, request)) == sorted(each.span_id for each in trace)
        assert [a.key for a in request.resource_spans[0].resource.attributes] == list(RESOURCE)


def test_a_span_too_large_alone_goes_as_a_trimmed_document(sink: XRaySink, xray_daemon: XRayDaemon) -> None:
    trace = sampled(span(2, 1, text=("x" * 200_000,)), span(1))
    assert type(sink.send(batch(trace))) is Sent
    wait_until(lambda: len(xray_daemon.datagrams) == 2, "two datagrams")
    found = dict(map(read, xray_daemon.datagrams))
    assert span_ids("T1S", found["T1S"]) == [f"{1:016x}"]
    document = found["document"]
    assert (document["id"], document["type"]) == (f"{2:016x}", "subsegment")
    assert document["metadata"]["obsv"]["trimmed"] == {"metadata": 1}


def test_such_a_document_obeys_the_setting_of_annotations(xray_daemon: XRayDaemon) -> None:
    sink = new_sink(xray_daemon.address, "daemon_otlp", xray_annotations=["a"])
    assert type(sink.send(batch(sampled(span(1, text=("x" * 200_000,), a=1, b=2))))) is Sent
    sink.close()
    [(kind, document)] = map(read, xray_daemon.stop())
    assert (kind, document["annotations"]) == ("document", {"a": 1})


def test_a_system_with_small_datagrams_gets_smaller_ones(
    sink: XRaySink, xray_daemon: XRayDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "socket", SmallDatagrams)
    trace = sampled(*[span(index, 1, filler="x" * 900) for index in range(2, 100)], span(1))
    assert type(sink.send(batch(trace))) is Sent
    assert sink.limit <= 9_216
    assert repr(sink.send(batch(sampled(span(500, large=("x" * 20_000,)))))) == "Sent(rejected=0, reason=None)"
    monkeypatch.undo()
    found = [each for datagram in xray_daemon.stop() for each in span_ids(*read(datagram))]
    assert sorted(found) == sorted([*(each.span_id for each in trace), f"{500:016x}"])


@pytest.mark.skipif("sys.platform != 'linux'", reason="other systems answer on loopback in their own time")
def test_a_daemon_that_is_not_there_is_waited_for() -> None:
    port = free_port()
    made = new_sink(f"127.0.0.1:{port}", "daemon_otlp")
    waiting = batch(sampled(span(2, 1), span(1)), sampled(span(3)))
    assert repr(made.send(waiting)) == f"Retry('udp 127.0.0.1:{port}: nobody listens', after=None)"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as late:
        late.bind(("127.0.0.1", port))
        late.settimeout(10)
        assert type(made.send(waiting)) is Sent
        assert [read(late.recv(65_536))[0] for _ in range(2)] == ["T1S", "T1S"]
    made.close()


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 30_000), st.booleans()), min_size=1, max_size=12),
    st.sampled_from([2_000, 9_000, 65_477]),
)
def test_any_trace_fits_into_any_datagram_and_none_is_lost(sizes: list[tuple[int, bool]], limit: int) -> None:
    made = new_sink("127.0.0.1:2000", "daemon_otlp")
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


def test_an_empty_batch_sends_nothing(sink: XRaySink, xray_daemon: XRayDaemon) -> None:
    assert repr(sink.send(batch([]))) == "Sent(rejected=0, reason=None)"
    assert xray_daemon.datagrams == []
