"""Lines on their way to the CloudWatch agent: a bounded queue, and a thread that sends, retries and reconnects."""

from __future__ import annotations

import atexit
import os
from time import monotonic
from typing import TYPE_CHECKING, Any

from obsv.hotpath import faults
from obsv.pipeline import Collector, Lane
from obsv.pipeline.batch import Refused, Retry, Sent
from obsv.sinks.emf_agent import TcpWriter, UdpWriter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from obsv.pipeline.batch import Batch, Result

DEFAULT = "tcp://127.0.0.1:25888"
"""Where the agent listens (CloudWatch agent, "Embedded metric format")."""

AT_EXIT = 2.0
"""Seconds that the program's end waits for lines to leave."""


class Courier:
    """Sends lines to one endpoint.

    Attributes:
        limit: The longest line.
    """

    def __init__(self, endpoint: str) -> None:
        from obsv.runtime import settings_in_force

        scheme, host, port = place_of(endpoint)
        kind = UdpWriter if scheme == "udp" else TcpWriter
        self.limit: int = kind.limit
        self._lane = Lane(lambda: _AgentSink(kind(host, port)), ("logs",), settings_in_force(), {}, _Nothing(0.0))

    def send(self, lines: Sequence[str]) -> None:
        """Let lines wait for the thread; what does not fit is counted and told."""
        queue = self._lane.queue("logs")
        assert queue is not None
        for line in lines:
            before = queue.dropped
            queue.put(line, 1, len(line) + 64)
            if queue.dropped != before:
                faults.tell(f"metrics for the CloudWatch agent are lost: {queue.records} lines wait already")

    def flush(self, timeout: float) -> bool:
        """Send what waits; True when it left in time."""
        return self._lane.begin_flush(monotonic() + timeout).wait()

    def status(self) -> Any:
        """Return what was sent, waits and was lost."""
        return self._lane.status()["logs"]

    def close(self) -> None:
        """Send what waits, and end the thread."""
        self._lane.begin_close(monotonic() + AT_EXIT).wait()
        self._lane.end_close()

    def after_fork(self) -> None:
        """In a forked child: what waits is the parent's to send."""
        self._lane.after_fork()


class _Nothing(Collector):
    """There is nothing to collect for these lines."""

    def __init__(self, interval: float) -> None:
        super().__init__(interval)
        self.due = float("inf")

    def collect_if_due(self) -> None:
        """Do nothing."""


class _AgentSink:
    """Writes lines to a socket."""

    name = "compat.emf agent"
    signals = frozenset({"logs"})

    def __init__(self, writer: TcpWriter | UdpWriter) -> None:
        self.writer = writer

    def open(self, resource: Mapping[str, Any]) -> None:
        """Nothing to open."""

    def send(self, batch: Batch) -> Result:
        """Send the lines of a batch that are not sent yet."""
        lines: list[str] = list(batch.items) if batch.encoded is None else batch.encoded
        lost = 0
        while True:
            written = self.writer.write(lines)
            lines = lines[written.lines :]
            batch.encoded = lines
            if written.reason is None:
                return Sent(lost, "datagram too large for this system" if lost else None)
            if not self.writer.too_large:
                return Retry(written.reason) if written.again else Refused(written.reason)
            from obsv.emf.group import halves

            self.writer.too_large = False
            smaller = [half for half, _ in halves(lines[0], 1)]
            lost += not smaller
            lines = [*smaller, *lines[1:]]

    def close(self) -> None:
        """Close the socket."""
        self.writer.close()


def place_of(endpoint: str) -> tuple[str, str, int]:
    """Return scheme, host and port of an endpoint; those of the default, with one line, where it is none."""
    scheme, _, place = endpoint.partition("://")
    host, _, port = place.rstrip("/").rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if scheme in ("tcp", "udp") and host and port.isascii() and port.isdigit() and 0 < int(port) < 65536:
        return scheme, host, int(port)
    faults.tell(
        f"AWS_EMF_AGENT_ENDPOINT={endpoint!r} is no endpoint; allowed are tcp://host:port and udp://host:port; "
        f"{DEFAULT} is used"
    )
    return place_of(DEFAULT)


_couriers: dict[str, Courier] = {}


def courier(endpoint: str) -> Courier:
    """Return who sends to an endpoint."""
    endpoint = endpoint or DEFAULT
    found = _couriers.get(endpoint)
    if found is None:
        if not _couriers:
            atexit.register(_at_exit)
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=_in_child)
        found = _couriers.setdefault(endpoint, Courier(endpoint))
    return found


def flush(timeout: float = AT_EXIT) -> bool:
    """Send what waits now; True when it left in time."""
    return all([each.flush(timeout) for each in list(_couriers.values())])


def status() -> dict[str, Any]:
    """Return what became of the lines for each endpoint, for ``obsv.status()``."""
    return {f"{_AgentSink.name} {endpoint}": {"metrics": each.status()} for endpoint, each in _couriers.copy().items()}


def _at_exit() -> None:
    for each in list(_couriers.values()):
        each.close()


def _in_child() -> None:
    for each in list(_couriers.values()):
        each.after_fork()
