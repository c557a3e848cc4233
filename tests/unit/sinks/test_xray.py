from __future__ import annotations

import errno
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from aws_data import RESOURCE, flatten, span
from obsv.hotpath import faults
from obsv.sinks import xray as xray_module
from obsv.sinks.base import Batch, Retry, Sent, SinkError
from obsv.sinks.xray import HEADER, Progress, XRaySink
from telemetry import Recorder

if TYPE_CHECKING:
    from obsv.hotpath.span import Span

LOOPBACK_ANSWERS = pytest.mark.skipif(
    "sys.platform != 'linux'", reason="other systems answer on loopback in their own time"
)


class Daemon:
    """A UDP socket in the X-Ray daemon's place that keeps each datagram byte for byte."""

    def __init__(self, family: int, host: str) -> None:
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind((host, 0))
        self.port = self.socket.getsockname()[1]
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.datagrams: list[bytes] = []
        self.thread = threading.Thread(target=self.receive, daemon=True)
        self.thread.start()

    def receive(self) -> None:
        while (datagram := self.socket.recv(65_536)) != b"stop":
            self.datagrams.append(datagram)

    def stop(self) -> list[bytes]:
        """All datagrams, once what was sent before has arrived (loopback keeps the order)."""
        if self.thread.is_alive():
            with socket.socket(self.socket.family, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"stop", self.socket.getsockname())
            self.thread.join(10)
            self.socket.close()
        return self.datagrams


@pytest.fixture(params=["127.0.0.1", "::1"])
def daemon(request: pytest.FixtureRequest) -> Iterator[Daemon]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    try:
        made = Daemon(family, request.param)
    except OSError as error:
        pytest.skip(f"no {request.param} here: {error}")
    yield made
    made.stop()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(faults, "tell", lines.append)
    return lines


Connect = Callable[[str], XRaySink]


@pytest.fixture
def sink() -> Iterator[Connect]:
    """Makes sinks, and closes them."""
    made = []

    def connect(address: str) -> XRaySink:
        made.append(XRaySink(SimpleNamespace(xray_daemon_address=address, xray_annotations=("auto",))))  # type: ignore[arg-type]
        made[-1].open(RESOURCE)
        return made[-1]

    yield connect
    for each in made:
        each.close()


def batch(*traces: list[Span]) -> Batch:
    return Batch("traces", list(traces), RESOURCE)


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_header_is_the_daemons() -> None:
    assert HEADER == b'{"format":"json","version":1}\n'
    assert len(HEADER) == 30


def test_each_document_is_a_datagram_behind_the_header(sink: Connect, daemon: Daemon, told: list[str]) -> None:
    recorder = Recorder()
    traces = [recorder.trace("GET /", 2, order=index) for index in range(3)]
    xray = sink(daemon.address)
    assert isinstance(xray.send(batch(*traces)), Sent)
    xray.close()
    datagrams = daemon.stop()
    assert len(datagrams) == 3
    for datagram, trace in zip(datagrams, traces, strict=True):
        assert datagram.startswith(HEADER)
        document = json.loads(datagram[len(HEADER) :].decode("utf-8"))
        assert document["id"] == trace[-1].span_id
        assert len(document["subsegments"]) == 2
    assert told == []


def test_large_traces_are_split_below_a_datagram(sink: Connect, daemon: Daemon) -> None:
    trace = [span(index, 1, filler="x" * 900) for index in range(2, 400)] + [span(1)]
    assert isinstance(sink(daemon.address).send(batch(trace)), Sent)
    datagrams = daemon.stop()
    assert max(map(len, datagrams)) <= 65_507
    found = [item["id"] for datagram in datagrams for item in flatten(json.loads(datagram[30:]))]
    assert sorted(found) == sorted(item.span_id for item in trace)


def test_the_largest_datagram_passes(sink: Connect, daemon: Daemon) -> None:
    xray = sink(daemon.address)
    document = '"' + "x" * (65_507 - 30 - 2) + '"'
    waiting = batch([])
    waiting.encoded = Progress([document])
    assert isinstance(xray.send(waiting), Sent)
    [datagram] = daemon.stop()
    assert datagram == HEADER + document.encode()
    assert len(datagram) == 65_507


class SmallDatagrams(socket.socket):
    """A real socket of a system with small datagrams, as macOS has."""

    most = 9_216

    def sendto(self, data: bytes, *rest: Any) -> int:  # type: ignore[override]
        if len(data) > self.most:
            raise OSError(errno.EMSGSIZE, "Message too long")
        return super().sendto(data, *rest)

    def send(self, data: bytes, *rest: Any) -> int:  # type: ignore[override]
        if len(data) > self.most:
            raise OSError(errno.EMSGSIZE, "Message too long")
        return super().send(data, *rest)


def test_a_system_with_small_datagrams_gets_smaller_documents(
    sink: Connect, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "socket", SmallDatagrams)
    trace = [span(index, 1, filler="x" * 900) for index in range(2, 100)] + [span(1)]
    xray = sink(daemon.address)
    assert isinstance(xray.send(batch(trace)), Sent)
    assert xray.limit <= 9_216
    assert isinstance(xray.send(batch([span(500, large=("x" * 20_000,))])), Sent)
    xray.close()
    datagrams = daemon.stop()
    found = [item["id"] for datagram in datagrams for item in flatten(json.loads(datagram[30:]))]
    assert sorted(found) == sorted([*(item.span_id for item in trace), f"{500:016x}"])


class BusySocket(socket.socket):
    """A real socket whose buffer is full every other time."""

    calls = 0

    def sendto(self, data: bytes, *rest: Any) -> int:  # type: ignore[override]
        type(self).calls += 1
        if type(self).calls % 2:
            raise OSError(errno.ENOBUFS, "No buffer space available")
        return super().sendto(data, *rest)


def test_a_full_buffer_is_tried_again_and_nothing_is_sent_twice(
    sink: Connect, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "socket", BusySocket)
    xray = sink(daemon.address)
    waiting = batch(*[[span(index)] for index in range(1, 6)])
    results = []
    while not isinstance(result := xray.send(waiting), Sent):
        assert isinstance(result, Retry)
        results.append(result)
        assert len(results) < 20
    assert results
    assert results[0].reason == "socket buffer full"
    monkeypatch.undo()
    assert [json.loads(datagram[30:])["id"] for datagram in daemon.stop()] == [f"{index:016x}" for index in range(1, 6)]


@LOOPBACK_ANSWERS
def test_nobody_listening_is_told_once_and_what_is_known_to_be_lost_is_counted(sink: Connect, told: list[str]) -> None:
    port = free_port()
    xray = sink(f"127.0.0.1:{port}")
    results = [xray.send(batch([span()])) for _ in range(3)]
    assert [(type(result), result.rejected) for result in results if isinstance(result, Sent)] == [
        (Sent, 1),
        (Sent, 0),
        (Sent, 0),
    ]
    assert [result.reason for result in results] == [f"nobody listens at udp 127.0.0.1:{port}", None, None]
    assert told == [f"xray: nobody listens at udp 127.0.0.1:{port}; traces sent there are lost until somebody does"]


@LOOPBACK_ANSWERS
@pytest.mark.parametrize("kind", [0, 3])
def test_all_spans_of_the_lost_document_are_counted(sink: Connect, told: list[str], kind: int) -> None:
    recorder = Recorder()
    first = recorder.trace("GET /", 2)
    first[-1].kind_value = kind  # a producer gets a segment of its own around it, which is no span
    result = sink(f"127.0.0.1:{free_port()}").send(batch(first, recorder.trace("GET /", 4)))
    assert isinstance(result, Sent)
    assert result.rejected == 3


@LOOPBACK_ANSWERS
def test_what_was_lost_is_still_known_after_a_retry(
    sink: Connect, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "socket", BusySocket)
    monkeypatch.setattr(BusySocket, "calls", 0)
    xray = sink(f"127.0.0.1:{free_port()}")
    waiting = batch([span(1)], [span(2)])
    assert isinstance(xray.send(waiting), Retry)
    result = xray.send(waiting)
    assert isinstance(result, Sent)
    assert result.rejected == 1


@LOOPBACK_ANSWERS
def test_a_document_too_large_to_ask_with_is_no_question(
    sink: Connect, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "socket", SmallDatagrams)
    xray = sink(f"127.0.0.1:{free_port()}")
    trace = [span(index, 1, filler="x" * 900) for index in range(2, 100)] + [span(1)]
    result = xray.send(batch(trace))
    assert isinstance(result, Sent)
    assert 0 < result.rejected < len(trace)
    assert len(told) == 1


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """More open descriptors than ``select`` can take."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1200:
        pytest.skip(f"this system allows {hard} descriptors only")
    if soft < 1200:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1200, hard))
    opened = [os.open(os.devnull, os.O_RDONLY)]
    try:
        while opened[-1] < 1024:
            opened.append(os.dup(opened[0]))
        yield
    finally:
        for each in opened:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@LOOPBACK_ANSWERS
def test_a_process_with_many_descriptors_asks_too(sink: Connect, told: list[str], many_descriptors: None) -> None:
    xray = sink(f"127.0.0.1:{free_port()}")
    assert isinstance(xray.send(batch([span()])), Sent)
    assert len(told) == 1
    with pytest.raises(SinkError, match="nobody listens"):
        xray.probe()


def test_a_question_that_cannot_be_asked_does_not_hold_up_traces(
    sink: Connect, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(*_: Any) -> bool:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(xray_module, "_ask", ask)
    xray = sink(daemon.address)
    waiting = batch([span(1)])
    assert isinstance(xray.send(waiting), Retry)
    assert isinstance(xray.send(waiting), Sent)
    assert len(daemon.stop()) == 1


def test_a_daemon_that_starts_late_is_found(sink: Connect, told: list[str]) -> None:
    port = free_port()
    xray = sink(f"127.0.0.1:{port}")
    xray.send(batch([span(1)]))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as late:
        late.bind(("127.0.0.1", port))
        late.settimeout(10)
        assert isinstance(xray.send(batch([span(2)])), Sent)
        assert json.loads(late.recv(65_536)[30:])["id"] == f"{2:016x}"


def test_an_unknown_host_is_tried_again(sink: Connect) -> None:
    result = sink("no-such-host.invalid:2000").send(batch([span()]))
    assert isinstance(result, Retry)
    assert result.reason == "no-such-host.invalid: host name not found"


def test_an_unreachable_network_is_tried_again_at_a_fresh_address(sink: Connect) -> None:
    xray = sink("203.0.113.1:2000")
    result = xray.send(batch([span()]))
    assert isinstance(result, Retry)
    assert xray._socket is None


def test_host_names_are_looked_up(sink: Connect, told: list[str]) -> None:
    daemon = Daemon(socket.AF_INET, "127.0.0.1")
    assert isinstance(sink(f"localhost:{daemon.port}").send(batch([span()])), Sent)
    assert len(daemon.stop()) == 1


def test_a_closed_sink_opens_again(sink: Connect, daemon: Daemon) -> None:
    xray = sink(daemon.address)
    xray.send(batch([span(1)]))
    xray.close()
    xray.close()
    assert isinstance(xray.send(batch([span(2)])), Sent)
    assert len(daemon.stop()) == 2


def test_probe(sink: Connect, daemon: Daemon) -> None:
    assert sink(daemon.address).probe().startswith("udp ")
    with pytest.raises(SinkError, match="host name not found"):
        sink("no-such-host.invalid:2000").probe()


@LOOPBACK_ANSWERS
def test_probe_knows_when_nobody_listens(sink: Connect) -> None:
    with pytest.raises(SinkError, match="nobody listens"):
        sink(f"127.0.0.1:{free_port()}").probe()
