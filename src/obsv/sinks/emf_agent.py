"""EMF over a socket to the CloudWatch agent, which brings it to CloudWatch Logs (CloudWatch agent, "Embedded metric
format": it listens on TCP and UDP, port 25888).

The protocol is lines: each event ends with a newline, over UDP each is a datagram of its own. The agent answers
nothing. So what the system's socket took counts as sent. All of it happens in the sink's thread: whoever records a
metric never waits for the agent.
"""

from __future__ import annotations

import errno
from time import monotonic

from obsv.emf.limits import MAX_EVENT_BYTES

from .base import SinkError
from .emf import EmfSink
from .lines import Written
from .udp import MAX_DATAGRAM, TOO_LARGE, Sender, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket  # at run time only when the first batch comes: init() stays fast
    from collections.abc import Sequence
    from typing import Any

    from obsv.settings import Settings

    from .base import Batch, Result

CONNECT_TIMEOUT = 2.0
"""Seconds to wait for a connection."""

PATIENCE = 5.0
"""Seconds that one `write` waits, all in all, for an agent that does not read (TCP)."""

_MAX_READS = 64  # of what somebody says who is no agent: it may never end


class EmfAgentSink(EmfSink):
    """Sends metric points to ``settings.emf_agent_endpoint``, ``tcp://host:port`` or ``udp://host:port``."""

    imports = ("socket", "select", "obsv.emf.layout", "obsv.emf.shape")

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        scheme, _, place = settings.emf_agent_endpoint.partition("://")
        host, _, port = place.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        self.writer: UdpWriter | TcpWriter = (UdpWriter if scheme == "udp" else TcpWriter)(host, int(port))

    def options(self) -> dict[str, Any]:
        """Return the names that the agent reads, and the longest line: over UDP that of a datagram."""
        from obsv.settings_wire import as_log_group

        settings = self.settings
        return {
            "log_group": settings.log_group or as_log_group(settings.service),
            "log_stream": settings.log_stream,
            "max_bytes": min(settings.emf_event_bytes, self.writer.limit),
        }

    def send(self, batch: Batch) -> Result:
        """Send the points of a batch that are not sent yet. A datagram that is too large for this system is split."""
        from obsv.emf.group import halves

        while True:
            result = super().send(batch)
            if not self.writer.too_large:
                return result
            self.writer.too_large = False
            encoded = self.encode(batch)
            line, points, milliseconds = encoded.events[encoded.at]
            smaller = [(half, number, milliseconds) for half, number in halves(line, points)]
            encoded.events[encoded.at : encoded.at + 1] = smaller
            if not smaller:
                encoded.rejected += points
                encoded.reason = TOO_LARGE

    def close(self) -> None:
        """Close the socket; the next `send` opens another."""
        self.writer.close()

    def probe(self) -> str:
        """Try to reach the agent, sending nothing that it reads.

        Raises:
            SinkError: Nobody takes a connection there; over UDP: this machine answers that nobody listens.
        """
        try:
            return self.writer.probe()
        except OSError as error:
            raise SinkError(f"{self.writer.place}: {words(error)}") from error


class TcpWriter:
    """Writes lines to a TCP connection, which is made anew when it has broken.

    A line that went out in part is finished on the same connection, or sent whole on the next one: the agent drops what
    has no end.

    Attributes:
        limit: The longest line.
        too_large: Always False.
    """

    limit = MAX_EVENT_BYTES
    too_large = False

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self.place = f"tcp {host}:{port}"
        self._socket: socket.socket | None = None
        self._begun = b""  # the line that was sent last
        self._at = 0  # how much of it went out, 0 for all

    def write(self, lines: Sequence[str]) -> Written:
        """Write each of ``lines`` (without line ends), stop at the first that is not taken."""
        taken = 0
        deadline = monotonic() + PATIENCE
        try:
            fresh = self._connect()
            while taken < len(lines):
                try:
                    self._line(lines[taken].encode("utf-8", "backslashreplace") + b"\n", deadline)
                    taken += 1
                except ConnectionError:
                    self.close()
                    if fresh:
                        raise
                    fresh = self._connect()  # the agent was started again since
        except TimeoutError:
            if self._socket is None:
                return Written(taken, f"{self.place}: no answer", again=True)
            return Written(taken, f"{self.place}: not accepting data", again=True)
        except OSError as error:
            self.close()
            return Written(taken, f"{self.place}: {words(error)}", again=True)
        return Written(taken)

    def close(self) -> None:
        """Close the connection. What the system has taken is still sent."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._at = 0

    def probe(self) -> str:
        """Make a connection and close it again."""
        import socket

        socket.create_connection((self.host, self.port), CONNECT_TIMEOUT).close()
        return f"{self.place} takes connections"

    def _connect(self) -> bool:
        """Have a connection; True when it is a new one."""
        import socket

        if self._socket is not None:
            if not self._left():
                return False
            self.close()
        made = socket.create_connection((self.host, self.port), CONNECT_TIMEOUT)
        made.setblocking(False)
        self._socket = made
        return True

    def _left(self) -> bool:
        """Tell whether the agent has closed the connection: what is written to it then is lost without a word."""
        assert self._socket is not None
        try:
            for _ in range(_MAX_READS):  # the agent says nothing; whoever does is not listened to
                if not self._socket.recv(4096):
                    return True
        except BlockingIOError:
            return False
        except OSError:
            return True
        return False

    def _line(self, data: bytes, deadline: float) -> None:
        """Send a line, going on where it was left."""
        assert self._socket is not None
        if self._at and self._begun != data:  # the batch of what was begun has been given up
            self.close()
            self._connect()
        self._begun = data
        while self._at < len(data):
            try:
                self._at += self._socket.send(memoryview(data)[self._at :])
            except BlockingIOError:
                _wait(self._socket, deadline)
        self._at = 0


class UdpWriter:
    """Writes each line as a datagram.

    Attributes:
        limit: The longest line.
        too_large: Whether the line at which the last `write` stopped is too large for this system.
    """

    limit = MAX_DATAGRAM - 1

    def __init__(self, host: str, port: int) -> None:
        self.sender = Sender(host, port)
        self.place = self.sender.place
        self.too_large = False

    def write(self, lines: Sequence[str]) -> Written:
        """Write each of ``lines`` (without line ends), stop at the first that is not taken."""
        taken = 0
        try:
            for line in lines:
                self.sender.send(line.encode("utf-8", "backslashreplace") + b"\n")
                taken += 1
        except OSError as error:
            self.too_large = error.errno == errno.EMSGSIZE
            return Written(taken, f"{self.place}: {words(error)}", again=True)
        return Written(taken)

    def close(self) -> None:
        """Close the socket."""
        self.sender.close()

    def probe(self) -> str:
        """Ask the system whether somebody listens."""
        return self.sender.probe()


def _wait(waiting: socket.socket, deadline: float) -> None:
    """Wait until a socket has room.

    Raises:
        TimeoutError: The deadline is over.
    """
    import select

    left = deadline - monotonic()
    poll = select.poll()  # not select(), which fails for descriptors above 1023
    poll.register(waiting, select.POLLOUT)
    if left <= 0 or not poll.poll(left * 1000.0):
        raise TimeoutError
