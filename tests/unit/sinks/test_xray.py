"""The X-Ray sink where the system, the network or the daemon is not as it should be. The protocol's own rules are in
``conformance/test_xray_daemon_rules.py``."""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from aws_data import flatten, span
from collectors import XRayDaemon
from obsv.sinks import udp
from obsv.sinks.base import Retry, Sent, SinkError
from obsv.sinks.xray import Progress, XRaySink
from programs import run
from servers import free_port
from telemetry import Recorder
from xray_datagrams import SmallDatagrams, batch, new_sink

if TYPE_CHECKING:
    from obsv.hotpath.span import Span

LOOPBACK_ANSWERS = pytest.mark.skipif(
    "sys.platform != 'linux'", reason="other systems answer on loopback in their own time"
)

Connect = Callable[[str], XRaySink]


@pytest.fixture
def sink() -> Iterator[Connect]:
    """Makes sinks, and closes them."""
    made = []

    def connect(address: str) -> XRaySink:
        made.append(new_sink(address))
        return made[-1]

    yield connect
    for each in made:
        each.close()


def ids(datagrams: list[bytes]) -> list[str]:
    return [item["id"] for datagram in datagrams for item in flatten(json.loads(datagram[30:]))]


def large_trace() -> list[Span]:
    return [span(index, 1, filler="x" * 900) for index in range(2, 100)] + [span(1)]


# ---- datagrams that are too large


def test_a_system_with_small_datagrams_gets_smaller_documents(
    sink: Connect, xray_daemon: XRayDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "socket", SmallDatagrams)
    trace = large_trace()
    xray = sink(xray_daemon.address)
    assert isinstance(xray.send(batch(trace)), Sent)
    assert xray.limit <= 9_216
    assert isinstance(xray.send(batch([span(500, large=("x" * 20_000,))])), Sent)
    monkeypatch.undo()
    assert sorted(ids(xray_daemon.stop())) == sorted([*(item.span_id for item in trace), f"{500:016x}"])


def test_what_no_trimming_makes_smaller_is_counted_and_the_others_are_sent(
    sink: Connect, xray_daemon: XRayDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "socket", SmallDatagrams)
    xray = sink(xray_daemon.address)
    monkeypatch.setattr(xray, "_divide", lambda item: [item])
    waiting = batch([span(1)])
    large = {"id": f"{1:016x}", "filler": "x" * 20_000}
    waiting.encoded = Progress([json.dumps({"id": f"{1:016x}"}), json.dumps(large)])
    assert repr(xray.send(waiting)) == "Sent(rejected=1, reason='datagram too large for this system')"
    monkeypatch.undo()
    assert ids(xray_daemon.stop()) == [f"{1:016x}"]


def test_a_system_with_smaller_datagrams_than_any_span_has_counts_them(
    sink: Connect, xray_daemon: XRayDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "socket", SmallDatagrams)
    monkeypatch.setattr(SmallDatagrams, "most", 100)
    xray = sink(xray_daemon.address)
    result = xray.send(batch([span(1, filler="x" * 5_000)], [span(2)]))
    assert repr(result) == "Sent(rejected=2, reason='datagram too large for this system')"


# ---- a socket that is busy


class BusySocket(socket.socket):
    """A real socket without memory for a datagram, as often as it is told."""

    refusals = 0

    def send(self, data: Any, flags: int = 0) -> int:
        if type(self).refusals:
            type(self).refusals -= 1
            raise OSError(errno.ENOBUFS, "No buffer space available")
        return super().send(data, flags)


def test_a_full_buffer_is_waited_for(sink: Connect, xray_daemon: XRayDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", BusySocket)
    monkeypatch.setattr(BusySocket, "refusals", 3)
    xray = sink(xray_daemon.address)
    assert isinstance(xray.send(batch(*[[span(index)] for index in range(1, 6)])), Sent)
    monkeypatch.undo()
    assert ids(xray_daemon.stop()) == [f"{index:016x}" for index in range(1, 6)]


def test_a_buffer_that_stays_full_is_tried_again_and_nothing_is_sent_twice(
    sink: Connect, xray_daemon: XRayDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(udp, "PATIENCE", 0.0)
    monkeypatch.setattr(socket, "socket", BusySocket)
    xray = sink(xray_daemon.address)
    waiting = batch([span(1)], [span(2)])
    monkeypatch.setattr(BusySocket, "refusals", 1)
    result = xray.send(waiting)
    assert repr(result) == f"Retry('udp {xray_daemon.address}: socket buffer full', after=None)"
    assert isinstance(xray.send(waiting), Sent)
    monkeypatch.undo()
    assert ids(xray_daemon.stop()) == [f"{1:016x}", f"{2:016x}"]


# ---- a daemon that is not there


@LOOPBACK_ANSWERS
def test_documents_wait_for_a_daemon_that_is_not_there(sink: Connect) -> None:
    port = free_port()
    xray = sink(f"127.0.0.1:{port}")
    waiting = batch([span(1)], [span(2)])
    for _ in range(3):
        assert repr(xray.send(waiting)) == f"Retry('udp 127.0.0.1:{port}: nobody listens', after=None)"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as late:
        late.bind(("127.0.0.1", port))
        late.settimeout(10)
        assert isinstance(xray.send(waiting), Sent)
        assert ids([late.recv(65_536), late.recv(65_536)]) == [f"{1:016x}", f"{2:016x}"]


@LOOPBACK_ANSWERS
def test_a_daemon_that_is_started_again_misses_nothing(sink: Connect) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as first:
        first.bind(("127.0.0.1", 0))
        port = first.getsockname()[1]
        xray = sink(f"127.0.0.1:{port}")
        assert isinstance(xray.send(batch([span(1)])), Sent)
    waiting = batch([span(2)])
    assert isinstance(xray.send(waiting), Retry)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as second:
        second.bind(("127.0.0.1", port))
        second.settimeout(10)
        assert isinstance(xray.send(waiting), Sent)
        assert ids([second.recv(65_536)]) == [f"{2:016x}"]


PROGRAM = """
import json
import obsv
obsv.init("shop", traces="xray", metrics="none", logs="none")
with obsv.span("checkout"), obsv.span("charge"):
    pass
flushed = obsv.flush(1.0)
waiting = obsv.status()["sinks"]["xray"]["traces"]
obsv.shutdown(0.5)
print(json.dumps([flushed, waiting, obsv.status()["sinks"]["xray"]["traces"]]))
"""


@LOOPBACK_ANSWERS
def test_a_program_without_its_daemon_is_told_and_counts_what_is_lost() -> None:
    place = f"127.0.0.1:{free_port()}"
    done = run(PROGRAM, AWS_XRAY_DAEMON_ADDRESS=place)
    assert done.returncode == 0, done.stderr
    flushed, waiting, after = json.loads(done.stdout)
    assert not flushed
    assert (waiting["waiting"], waiting["sent"]) == (2, 0)
    assert waiting["last_error"] == f"udp {place}: nobody listens"
    assert sum(after["dropped"].values()) == 2
    assert f"the xray sink cannot send traces: udp {place}: nobody listens; it goes on trying" in done.stderr
    assert "Traceback" not in done.stderr


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
def test_a_process_with_many_descriptors_asks_too(sink: Connect, many_descriptors: None) -> None:
    xray = sink(f"127.0.0.1:{free_port()}")
    assert isinstance(xray.send(batch([span()])), Retry)
    with pytest.raises(SinkError, match="nobody listens"):
        xray.probe()


def test_a_process_without_a_descriptor_left_tries_again(
    sink: Connect, xray_daemon: XRayDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_descriptor(*_: Any) -> Any:
        raise OSError(errno.EMFILE, "Too many open files")

    xray = sink(xray_daemon.address)
    waiting = batch([span(1)])
    with monkeypatch.context() as patching:
        patching.setattr(socket, "socket", no_descriptor)
        assert repr(xray.send(waiting)) == f"Retry('udp {xray_daemon.address}: too many open files', after=None)"
    assert isinstance(xray.send(waiting), Sent)
    assert len(xray_daemon.stop()) == 1


# ---- names and addresses


def test_an_unknown_host_is_tried_again(sink: Connect) -> None:
    result = sink("no-such-host.invalid:2000").send(batch([span()]))
    assert isinstance(result, Retry)
    assert result.reason == "udp no-such-host.invalid:2000: host name not found"


def test_an_unreachable_network_is_tried_again_at_a_fresh_address(sink: Connect) -> None:
    xray = sink("203.0.113.1:2000")
    result = xray.send(batch([span()]))
    assert isinstance(result, Retry)
    assert xray.sender._socket is None


def test_host_names_are_looked_up(sink: Connect, xray_daemon: XRayDaemon) -> None:
    assert isinstance(sink(f"localhost:{xray_daemon.port}").send(batch([span()])), Sent)
    assert len(xray_daemon.stop()) == 1


def test_a_name_is_looked_up_again_each_minute(
    sink: Connect, xray_daemon: XRayDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = XRayDaemon()
    xray = sink(f"daemon.test:{xray_daemon.port}")
    port = xray_daemon.port
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, socket.SOCK_DGRAM, 0, "", ("127.0.0.1", port))]
    )
    clock = 1_000.0
    monkeypatch.setattr(udp, "time", SimpleNamespace(sleep=time.sleep, monotonic=lambda: clock))
    xray.send(batch([span(1)]))
    port = moved.port
    clock += 59
    xray.send(batch([span(2)]))
    clock += 1
    xray.send(batch([span(3)]))
    assert ids(xray_daemon.stop()) == [f"{1:016x}", f"{2:016x}"]
    assert ids(moved.stop()) == [f"{3:016x}"]


def test_a_closed_sink_opens_again(sink: Connect, xray_daemon: XRayDaemon) -> None:
    xray = sink(xray_daemon.address)
    xray.send(batch([span(1)]))
    xray.close()
    xray.close()
    assert isinstance(xray.send(batch([span(2)])), Sent)
    assert len(xray_daemon.stop()) == 2


def test_many_datagrams_are_sent_with_pauses(
    sink: Connect, xray_daemon: XRayDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(udp, "time", SimpleNamespace(sleep=pauses.append, monotonic=time.monotonic))
    sink(xray_daemon.address).send(batch(*[[span(index, filler="x" * 1_000)] for index in range(1, 201)]))
    assert len(pauses) >= 200 * 1_000 // 65_536  # a pause every 64 KiB


def test_all_spans_of_a_document_are_counted_and_a_segment_that_was_made_for_one_is_none() -> None:
    from obsv.sinks.xray import count_spans
    from obsv.xray.segment import documents

    trace = Recorder().trace("GET /", 2)
    trace[-1].kind_value = 3  # a producer gets a segment of its own around it, which is no span
    [document] = documents(trace, {})
    assert len(flatten(json.loads(document))) == 4
    assert count_spans(document, batch(trace)) == 3


def test_probe(sink: Connect, xray_daemon: XRayDaemon) -> None:
    assert sink(xray_daemon.address).probe() == f"udp {xray_daemon.address} (no objection; UDP confirms nothing)"
    with pytest.raises(SinkError, match="host name not found"):
        sink("no-such-host.invalid:2000").probe()


@LOOPBACK_ANSWERS
def test_probe_knows_when_nobody_listens(sink: Connect) -> None:
    with pytest.raises(SinkError, match="nobody listens"):
        sink(f"127.0.0.1:{free_port()}").probe()
