"""The rules of the X-Ray daemon's protocol, one test each.

Sources: X-Ray developer guide, "Sending segment documents to the daemon"; AWS X-Ray SDK for Python, "Environment
variables"; AWS Distro for OpenTelemetry, "OTLPUdpSpanExporter". The daemon's TCP port, for sampling rules, is tried
in ``test_xray_sampling``.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from aws_data import RESOURCE, span
from collectors import XRayDaemon
from obsv.hotpath.otlp import resource_bytes, traces
from obsv.settings import resolve
from obsv.settings_parse import InvalidError
from obsv.settings_wire import DAEMON
from obsv.sinks.base import Sent
from obsv.sinks.xray import HEADER as OURS
from obsv.sinks.xray import Progress
from obsv.sinks.xray_api import MAX_DOCUMENTS
from telemetry import Recorder
from xray_datagrams import HEADER, batch, new_sink, read, sampled, span_ids

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=["127.0.0.1", "::1"])
def daemon(request: pytest.FixtureRequest) -> Iterator[XRayDaemon]:
    try:
        made = XRayDaemon(request.param)
    except OSError as error:
        pytest.skip(f"no {request.param} here: {error}")
    yield made
    made.stop()


# ---- framing


def test_the_header_is_a_line_of_30_bytes() -> None:
    assert OURS == b'{"format":"json","version":1}\n'
    assert len(OURS) == 30
    assert json.loads(OURS) == {"format": "json", "version": 1}


def test_one_document_a_datagram_behind_the_header(daemon: XRayDaemon) -> None:
    recorder = Recorder()
    made = [recorder.trace("GET /", 2, order=index) for index in range(3)]
    sink = new_sink(daemon.address)
    assert repr(sink.send(batch(*made))) == "Sent(rejected=0, reason=None)"
    sink.close()
    datagrams = daemon.stop()
    assert len(datagrams) == 3
    for datagram, trace in zip(datagrams, made, strict=True):
        kind, document = read(datagram)
        assert (kind, document["id"], len(document["subsegments"])) == ("document", trace[-1].span_id, 2)
        assert datagram.count(b"\n") == 1


# ---- sizes


def test_the_largest_document_has_65_477_bytes_and_passes(daemon: XRayDaemon) -> None:
    sink = new_sink(daemon.address)
    assert sink.limit == 65_477
    document = '"' + "x" * (65_477 - 2) + '"'
    waiting = batch([])
    waiting.encoded = Progress([document])
    assert isinstance(sink.send(waiting), Sent)
    sink.close()
    [datagram] = daemon.stop()
    assert datagram == HEADER + document.encode()
    assert len(datagram) == 65_507


@pytest.mark.parametrize("transport", ["daemon", "daemon_otlp"])
def test_a_large_trace_is_divided_and_no_span_is_lost(daemon: XRayDaemon, transport: str) -> None:
    trace = sampled(*[span(index, 1, filler="x" * 900) for index in range(2, 400)], span(1))
    sink = new_sink(daemon.address, transport)
    assert repr(sink.send(batch(trace))) == "Sent(rejected=0, reason=None)"
    sink.close()
    datagrams = daemon.stop()
    assert max(map(len, datagrams)) <= 65_507
    assert {read(datagram)[0] for datagram in datagrams} == {"document" if transport == "daemon" else "T1S"}
    found = [each for datagram in datagrams for each in span_ids(*read(datagram))]
    assert sorted(found) == sorted(each.span_id for each in trace)


def test_a_call_of_the_daemons_own_has_50_documents() -> None:
    assert MAX_DOCUMENTS == 50


# ---- OTLP in the daemon's socket


def test_sampled_spans_are_t1s_and_otlp_in_base64_byte_for_byte(daemon: XRayDaemon) -> None:
    trace = sampled(span(2, 1), span(1))
    sink = new_sink(daemon.address, "daemon_otlp")
    assert repr(sink.send(batch(trace))) == "Sent(rejected=0, reason=None)"
    sink.close()
    expected = HEADER + b"T1S" + base64.b64encode(traces([trace], resource_bytes(RESOURCE)))
    assert daemon.stop() == [expected]


def test_spans_that_are_recorded_and_not_sampled_go_apart_as_t1u(daemon: XRayDaemon) -> None:
    trace = [*sampled(span(1)), span(2, 1), span(3, 1)]
    assert [each.flags & 1 for each in trace] == [1, 0, 0]
    sink = new_sink(daemon.address, "daemon_otlp")
    sink.send(batch(trace))
    sink.close()
    found = [(kind, len(span_ids(kind, content))) for kind, content in map(read, daemon.stop())]
    assert found == [("T1S", 1), ("T1U", 2)]


# ---- addresses


def test_the_daemon_is_at_port_2000_of_this_machine() -> None:
    settings = resolve({}, environ={})
    assert (settings.xray_daemon_address, settings.xray_tcp_address) == ("127.0.0.1:2000", "127.0.0.1:2000")


@pytest.mark.parametrize(
    ("text", "udp", "tcp"),
    [
        ("10.0.0.1:3000", "10.0.0.1:3000", "10.0.0.1:3000"),
        ("[::1]:2000", "[::1]:2000", "[::1]:2000"),
        ("daemon", "daemon:2000", "daemon:2000"),
        ("udp:daemon:3000", "daemon:3000", "daemon:3000"),
        ("tcp:a:1 udp:b:2", "b:2", "a:1"),
        ("udp:b:2  tcp:a:1", "b:2", "a:1"),
    ],
)
def test_an_address_is_host_and_port_for_both_or_for_tcp_and_udp_apart(text: str, udp: str, tcp: str) -> None:
    settings = resolve({}, environ={"AWS_XRAY_DAEMON_ADDRESS": text})
    assert settings.problems == ()
    assert (settings.xray_daemon_address, settings.xray_tcp_address) == (udp, tcp)
    assert DAEMON.parse(text) == udp


@pytest.mark.parametrize(
    "text",
    ["", "a:b", ":2000", "tcp:a:1", "tcp:a:1 tcp:b:2", "a:1 b:2", "udp:a:1 udp:b:2 tcp:c:3", "h:70000", "h:", 5, None],
)
def test_any_other_address_is_refused_with_the_forms_that_are_allowed(text: object) -> None:
    with pytest.raises(InvalidError, match='host:port, or "tcp:host:port udp:host:port"'):
        DAEMON.parse(text)
