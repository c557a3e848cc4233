"""EMF to the CloudWatch agent: an agent that is a socket, checks the protocol byte for byte, and misbehaves.

Protocol (CloudWatch agent, "Embedded metric format"): over TCP each event is a JSON object and a newline, over UDP each
is a datagram of its own with a newline. Nothing is answered. `_aws.LogGroupName` and `_aws.LogStreamName` say where to.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import obsv
from aws_data import RESOURCE, point
from obsv.hotpath.metrics import METER
from obsv.settings import resolve
from obsv.sinks import emf_agent
from obsv.sinks import udp as udp_module
from obsv.sinks.base import Batch, Retry, Sent, SinkError
from obsv.sinks.emf import emf_sink
from obsv.sinks.emf_agent import EmfAgentSink
from programs import run

if TYPE_CHECKING:
    from collections.abc import Iterator


class TcpAgent:
    """Takes connections and keeps what each says until it closes, or until the agent resets it."""

    def __init__(self, port: int = 0) -> None:
        self.server = socket.create_server(("127.0.0.1", port))
        self.port = self.server.getsockname()[1]
        self.connections: list[bytes] = []
        self.open: list[socket.socket] = []
        self.readers: list[threading.Thread] = []
        self.reading = threading.Event()
        self.reading.set()
        self.breaking = threading.Event()
        self.accepting = threading.Thread(target=self._accept, daemon=True)
        self.accepting.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            self.open.append(connection)
            self.connections.append(b"")
            reader = threading.Thread(target=self._read, args=(connection, len(self.connections) - 1), daemon=True)
            self.readers.append(reader)
            reader.start()

    def _read(self, connection: socket.socket, index: int) -> None:
        connection.settimeout(0.01)
        while not self.breaking.is_set():
            if not self.reading.wait(0.01):
                continue
            try:
                data = connection.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                break
            if not data:
                break
            self.connections[index] += data
        connection.close()

    def break_connections(self) -> None:
        """Reset every connection, as an agent that is killed with data unread."""
        for connection in self.open:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.breaking.set()
        for reader in self.readers:
            reader.join(20)
        self.open.clear()
        self.readers.clear()
        self.breaking.clear()

    def wait(self, lines: int) -> list[bytes]:
        """Return all whole lines, once there are so many."""
        until = time.monotonic() + 20
        while time.monotonic() < until:
            found = [line for data in self.connections for line in data.split(b"\n")[:-1]]
            if len(found) >= lines:
                return found
            time.sleep(0.01)
        raise AssertionError((lines, self.connections))

    def close(self) -> None:
        self.server.shutdown(socket.SHUT_RDWR)
        self.accepting.join(20)
        self.server.close()
        self.breaking.set()
        for reader in self.readers:
            reader.join(20)


@pytest.fixture
def agent() -> Iterator[TcpAgent]:
    made = TcpAgent()
    yield made
    made.close()


@pytest.fixture
def udp() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(20)
        yield made


@contextmanager
def sink(endpoint: str, **config: Any) -> Iterator[EmfAgentSink]:
    settings = resolve(
        {"service": "shop", "config": {"emf_agent_endpoint": endpoint, "emf_destination": "agent", **config}},
        environ={},
    )
    assert settings.problems == ()
    made = emf_sink(settings)
    assert isinstance(made, EmfAgentSink)
    made.open(RESOURCE)
    yield made
    made.close()


def batch(count: int = 1, size: int = 0, first: int = 0) -> Batch:
    """A batch of lines: each point has dimensions of its own."""
    points = [point("counter", number=first + index, filler="x" * size) for index in range(count)]
    for item in points:
        item.time_ns = time.time_ns()
    return Batch("metrics", points, RESOURCE)


def numbers(lines: list[bytes]) -> list[str]:
    return [json.loads(line)["number"] for line in lines]


def unused() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


# ---------------------------------------------------------------------- TCP


def test_tcp_is_one_object_and_a_newline_for_each_event(agent: TcpAgent) -> None:
    with sink(f"tcp://127.0.0.1:{agent.port}") as emf:
        assert repr(emf.send(batch(3))) == "Sent(rejected=0, reason=None)"
        emf.send(batch(1, first=3))
        agent.wait(4)
    assert len(agent.connections) == 1
    [data] = agent.connections
    assert data.endswith(b"}\n")
    assert data.count(b"\n") == 4
    first, *others = data.split(b"\n")
    document = json.loads(first)
    milliseconds = document["_aws"]["Timestamp"]
    assert first == (
        b'{"_aws":{"Timestamp":%d,"LogGroupName":"shop","CloudWatchMetrics":[{"Namespace":"shop","Dimensions":'
        b'[["Service","filler","number"]],"Metrics":[{"Name":"metric","Unit":"Count"}]}]},"Service":"shop",'
        b'"filler":"(empty)","number":"0","service.version":"1.2.3","metric":1}' % milliseconds
    )
    assert numbers(others[:-1]) == ["1", "2", "3"]


def test_log_group_and_stream_route_the_event(agent: TcpAgent) -> None:
    with sink(f"tcp://127.0.0.1:{agent.port}", log_group="/aws/shop", log_stream="one") as emf:
        emf.send(batch())
    document = json.loads(agent.wait(1)[0])
    assert document["_aws"]["LogGroupName"] == "/aws/shop"
    assert document["_aws"]["LogStreamName"] == "one"


def test_an_agent_that_was_started_again_gets_what_follows(agent: TcpAgent) -> None:
    with sink(f"tcp://127.0.0.1:{agent.port}") as emf:
        emf.send(batch())
        agent.wait(1)
        agent.break_connections()
        assert isinstance(emf.send(batch(first=1)), Sent)
        assert numbers(agent.wait(2)) == ["0", "1"]
    assert len(agent.connections) == 2


def test_an_agent_that_closed_orderly_is_noticed_before_anything_is_sent(agent: TcpAgent) -> None:
    with sink(f"tcp://127.0.0.1:{agent.port}") as emf:
        emf.send(batch())
        agent.wait(1)
        agent.open[0].shutdown(socket.SHUT_WR)
        assert isinstance(emf.send(batch(first=1)), Sent)
        agent.wait(2)
    assert numbers(agent.connections[1].splitlines()) == ["1"]


def test_an_absent_agent_is_tried_again_until_it_is_there() -> None:
    port = unused()
    waiting = batch()
    with sink(f"tcp://127.0.0.1:{port}") as emf:
        for _ in range(2):
            assert repr(emf.send(waiting)) == f"Retry('tcp 127.0.0.1:{port}: nobody listens', after=None)"
        agent = TcpAgent(port)
        try:
            assert isinstance(emf.send(waiting), Sent)
            assert numbers(agent.wait(1)) == ["0"]
        finally:
            agent.close()


def test_an_agent_that_stops_reading_is_waited_for_and_no_line_is_torn(
    agent: TcpAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emf_agent, "PATIENCE", 0.05)
    agent.reading.clear()
    waiting = batch(5000, size=1000)  # 5 MB: more than the system's buffers hold
    with sink(f"tcp://127.0.0.1:{agent.port}") as emf:
        results = [emf.send(waiting) for _ in range(3)]
        assert [repr(result) for result in results] == [
            f"Retry('tcp 127.0.0.1:{agent.port}: not accepting data', after=None)"
        ] * 3
        agent.reading.set()
        until = time.monotonic() + 20
        while isinstance(emf.send(waiting), Retry):
            assert time.monotonic() < until
        assert numbers(agent.wait(5000)) == [str(index) for index in range(5000)]
    assert len(agent.connections) == 1


def test_a_batch_that_was_given_up_leaves_no_part_of_a_line_before_the_next(
    agent: TcpAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emf_agent, "PATIENCE", 0.05)
    agent.reading.clear()
    with sink(f"tcp://127.0.0.1:{agent.port}") as emf:
        while not emf.writer._at:  # type: ignore[union-attr]
            assert isinstance(emf.send(batch(5000, size=1000)), Retry)
        agent.reading.set()
        while not isinstance(emf.send(fresh := batch(1, first=9999)), Sent):
            assert fresh.encoded is not None
        agent.wait(1)
        until = time.monotonic() + 20
        while b'"number":"9999"' not in agent.connections[-1]:
            assert time.monotonic() < until
            time.sleep(0.01)
    for data in agent.connections:
        for line in data.split(b"\n")[:-1]:
            json.loads(line)  # whole


def test_a_connection_that_breaks_in_a_line_has_it_sent_whole_on_the_next(
    agent: TcpAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emf_agent, "PATIENCE", 0.05)
    agent.reading.clear()
    waiting = batch(5000, size=1000)
    with sink(f"tcp://127.0.0.1:{agent.port}") as emf:
        assert isinstance(emf.send(waiting), Retry)
        agent.break_connections()
        agent.reading.set()
        while isinstance(emf.send(waiting), Retry):
            pass
        until = time.monotonic() + 20
        while not agent.connections[-1].endswith(b"\n") or len(agent.connections) < 2:
            assert time.monotonic() < until
            time.sleep(0.01)
        agent.wait(1)
    seen = [number for data in agent.connections for number in numbers(data.split(b"\n")[:-1])]
    assert len(set(seen)) == len(seen)


def test_probe_over_tcp(agent: TcpAgent) -> None:
    with sink(f"tcp://127.0.0.1:{agent.port}") as emf:
        assert emf.probe() == f"tcp 127.0.0.1:{agent.port} takes connections"
    with sink(f"tcp://127.0.0.1:{unused()}") as emf, pytest.raises(SinkError, match="nobody listens"):
        emf.probe()


# ---------------------------------------------------------------------- UDP


def test_udp_is_a_datagram_with_a_newline_for_each_event(udp: socket.socket) -> None:
    with sink(f"udp://127.0.0.1:{udp.getsockname()[1]}") as emf:
        assert repr(emf.send(batch(3))) == "Sent(rejected=0, reason=None)"
        got = [udp.recv(70_000) for _ in range(3)]
    assert numbers(got) == ["0", "1", "2"]
    assert all(data.endswith(b"}\n") and data.count(b"\n") == 1 for data in got)


def test_udp_events_fit_into_a_datagram(udp: socket.socket) -> None:
    made = [point("counter", f"{index:03}" + "n" * 250) for index in range(300)]
    for item in made:
        item.time_ns = made[0].time_ns = time.time_ns()
    with sink(f"udp://127.0.0.1:{udp.getsockname()[1]}") as emf:
        assert isinstance(emf.send(Batch("metrics", made, RESOURCE)), Sent)
        seen: set[str] = set()
        while len(seen) < 300:
            data = udp.recv(70_000)
            assert len(data) <= 65_507
            seen |= {metric["Name"] for metric in json.loads(data)["_aws"]["CloudWatchMetrics"][0]["Metrics"]}


def test_many_datagrams_are_sent_with_pauses(udp: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(udp_module, "time", SimpleNamespace(sleep=pauses.append, monotonic=time.monotonic))
    with sink(f"udp://127.0.0.1:{udp.getsockname()[1]}") as emf:
        emf.send(batch(200, size=1000))
    assert len(pauses) >= 200 * 1000 // 65_536  # a pause every 64 KiB


class SmallDatagrams(socket.socket):
    """A system that takes no more than 9,216 bytes, as macOS does."""

    def send(self, data: Any, flags: int = 0) -> int:
        if len(data) > 9216:
            raise OSError(90, "Message too long")
        return super().send(data, flags)


def test_udp_events_are_split_where_the_system_takes_less(udp: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", SmallDatagrams)
    now = time.time_ns()
    made = [point("counter", f"{index:03}" + "n" * 250, time_ns=now) for index in range(100)]
    big = point("counter", "big", time_ns=now, **{f"d{index:02}": "x" * 1000 for index in range(20)})
    with sink(f"udp://127.0.0.1:{udp.getsockname()[1]}") as emf:
        waiting = Batch("metrics", [*made, big], RESOURCE)
        assert repr(emf.send(waiting)) == "Sent(rejected=1, reason='datagram too large for this system')"
        seen: list[str] = []
        while len(seen) < 100:
            document = json.loads(udp.recv(70_000))
            names = [metric["Name"] for metric in document["_aws"]["CloudWatchMetrics"][0]["Metrics"]]
            assert all(document[name] == 1 for name in names)
            assert document["Service"] == "shop"
            assert {name for name in document if name.endswith("n" * 9)} == set(names)
            seen += names
    assert sorted(seen) == sorted(item.name for item in made)
    assert waiting.encoded.rejected == 1


def test_udp_without_a_listener_on_this_machine_is_tried_again(udp: socket.socket) -> None:
    port = udp.getsockname()[1]
    udp.close()
    waiting = batch(3)
    with sink(f"udp://127.0.0.1:{port}") as emf:
        assert repr(emf.send(waiting)) == f"Retry('udp 127.0.0.1:{port}: nobody listens', after=None)"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as later:
            later.bind(("127.0.0.1", port))
            later.settimeout(20)
            assert isinstance(emf.send(waiting), Sent)
            assert numbers([later.recv(70_000) for _ in range(3)]) == ["0", "1", "2"]
        with pytest.raises(SinkError, match="nobody listens"):
            emf.probe()


def test_probe_over_udp(udp: socket.socket) -> None:
    with sink(f"udp://127.0.0.1:{udp.getsockname()[1]}") as emf:
        assert emf.probe().endswith("(no objection; UDP confirms nothing)")


# ---------------------------------------------------------------------- the whole way


@contextmanager
def running(**environ: str) -> Iterator[None]:
    METER.instruments.clear()
    with pytest.MonkeyPatch.context() as patching:
        for name, value in environ.items():
            patching.setenv(name, value)
        obsv.init("shop", traces="none", logs="none", metrics="emf", patch=False, config={"signals": False})
        try:
            yield
        finally:
            obsv.shutdown(0.1)
            METER.instruments.clear()
            METER.fine = False


def test_the_variables_of_aws_embedded_metrics_choose_the_agent(
    agent: TcpAgent, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(
        AWS_EMF_AGENT_ENDPOINT=f"tcp://127.0.0.1:{agent.port}",
        AWS_EMF_LOG_GROUP_NAME="group",
        AWS_EMF_NAMESPACE="Shop",
        AWS_EMF_SERVICE_TYPE="web",
    ):
        obsv.counter("orders").add(2, shop="north")
        assert obsv.flush()
        obsv.counter("orders").add(3, shop="north")
        assert obsv.flush()  # the second flush of the same series takes no short way to stdout
        documents = [json.loads(line) for line in agent.wait(2)]
    assert [document["orders"] for document in documents] == [2, 3]
    assert documents[0]["ServiceType"] == "web"
    assert documents[0]["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Shop"
    assert capsys.readouterr().out == ""


def test_a_stalled_agent_never_blocks_who_records(agent: TcpAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emf_agent, "PATIENCE", 600.0)  # the sink's thread hangs for as long as the test takes
    agent.reading.clear()
    with running(AWS_EMF_AGENT_ENDPOINT=f"tcp://127.0.0.1:{agent.port}", OBSV_MAX_SERIES="100000"):
        counter = obsv.counter("orders")
        for index in range(6000):
            counter.add(1, number=index, filler="x" * 1000)
        assert not obsv.flush(0.2)
        for index in range(6000):
            counter.add(1, number=index, filler="x" * 1000)
        assert not obsv.flush(0.2)
        assert obsv.status()["sinks"]["emf"]["metrics"]["waiting"] > 0
        agent.reading.set()
        assert obsv.flush(30.0)
        assert len(agent.wait(12_000)) == 12_000


def test_what_an_absent_agent_misses_is_counted() -> None:
    with running(AWS_EMF_AGENT_ENDPOINT=f"tcp://127.0.0.1:{unused()}"):
        obsv.counter("orders").add(2)
        assert not obsv.flush(0.5)
        status = obsv.status()["sinks"]["emf"]["metrics"]
        assert status["last_error"].endswith("nobody listens")
        assert status["waiting"] >= 1
    assert sum(obsv.status()["sinks"]["emf"]["metrics"]["dropped"].values()) >= 1


PROGRAM = """
import os, sys
import obsv
obsv.init("shop", traces="none", logs="none", metrics="emf", patch=False)
obsv.counter("orders").add(1, process="parent")
assert obsv.flush()
children = []
for number in range(2):
    child = os.fork()
    if child == 0:
        obsv.counter("orders").add(1, process=f"child {number}")
        sys.exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
obsv.counter("orders").add(2, process="parent")
"""


def test_the_end_of_a_program_and_of_its_children_sends_what_is_left(agent: TcpAgent) -> None:
    done = run(PROGRAM, AWS_EMF_AGENT_ENDPOINT=f"tcp://127.0.0.1:{agent.port}")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    seen = [(document["process"], document["orders"]) for document in map(json.loads, agent.wait(4))]
    assert sorted(seen) == [("child 0", 1), ("child 1", 1), ("parent", 1), ("parent", 2)]
    assert len(agent.connections) == 3  # nobody writes to another's


def test_an_absent_agent_holds_up_the_end_of_a_program_by_no_more_than_its_timeout() -> None:
    done = run(
        'import obsv\nobsv.init("x", traces="none", logs="none", metrics="emf")\n'
        'obsv.counter("a").add(1)\nprint("end")',
        AWS_EMF_AGENT_ENDPOINT=f"tcp://127.0.0.1:{unused()}",
        OBSV_SHUTDOWN_TIMEOUT="0.5",
    )
    assert (done.returncode, done.stdout) == (0, "end\n")
    assert "nobody listens" in done.stderr
    assert "Traceback" not in done.stderr


def test_metrics_of_high_resolution_leave_by_themselves_long_before_the_interval_is_over(agent: TcpAgent) -> None:
    with running(AWS_EMF_AGENT_ENDPOINT=f"tcp://127.0.0.1:{agent.port}", OBSV_METRIC_INTERVAL="1h"):
        obsv.counter("usual").add(1)
        obsv.gauge("fine", resolution=1).set(1)
        [first] = map(json.loads, agent.wait(1))
        obsv.gauge("fine").set(2)
        _, second = map(json.loads, agent.wait(2))
        assert obsv.flush()
        last = json.loads(agent.wait(3)[-1])
    assert first["_aws"]["CloudWatchMetrics"][0]["Metrics"] == [
        {"Name": "fine", "Unit": "None", "StorageResolution": 1}
    ]
    assert (first["fine"], second["fine"], last["usual"]) == (1, 2, 1)


class Talking(socket.socket):
    """A connection to somebody who is no agent, and always has something to say."""

    def recv(self, size: int, flags: int = 0) -> bytes:
        return b"x" * size


def test_somebody_who_talks_without_end_holds_nothing_up(agent: TcpAgent) -> None:
    with sink(f"tcp://127.0.0.1:{agent.port}") as emf:
        emf.send(batch())
        assert emf.writer._socket is not None
        emf.writer._socket = Talking(fileno=emf.writer._socket.detach())
        emf.writer._socket.setblocking(False)
        assert isinstance(emf.send(batch(first=1)), Sent)
        assert numbers(agent.wait(2)) == ["0", "1"]
