"""Traces as X-Ray segment documents, over UDP to the X-Ray daemon, the CloudWatch agent or the collector.

The other transports of the sink stand in `xray_otlp` (OTLP through the daemon) and `xray_api` (documents to AWS).

UDP tells a sender nothing. So a datagram that left this machine's socket counts as sent, whether or not anybody took
it. The socket is deliberately not connected: a daemon that restarts or starts late then costs nothing but the documents
meanwhile. Where nobody listens on this machine the system does say so, but to a connected socket only: the first
document goes out through one, and what the system says is told once on stderr; that document is known to be lost, and
is counted so. ``obsv doctor`` asks the same way.
"""

from __future__ import annotations

import errno
from time import monotonic, sleep

from obsv.hotpath import faults

from .base import Retry, Sent, SinkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket  # at run time only when the first batch comes: init() stays fast
    from collections.abc import Mapping
    from typing import Any

    from obsv.settings import Settings

    from .base import Batch, Result, Sink

HEADER = b'{"format":"json","version":1}\n'
"""What goes before each document (X-Ray developer guide, "Sending segment documents to the daemon")."""

MAX_DATAGRAM = 65_507
"""Payload of the largest UDP datagram over IPv4. Some systems allow less (macOS 9,216): `send` finds out."""

_SMALLEST = 2_000  # bytes of a document; every span can be trimmed to this
_RESOLVE_AGAIN = 60.0  # seconds: a container's name moves to another address, and UDP does not notice
_BURST = 64 * 1024  # bytes between two pauses
_PAUSE = 0.001  # seconds: Linux lets a socket hold some 200 KiB, and what comes faster than it is read is lost
_BUSY = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS, errno.ENOMEM})


def create(settings: Settings) -> Sink:
    """Make the sink ``xray`` with the transport that ``settings.xray_transport`` names."""
    if settings.xray_transport == "daemon_otlp":
        from .xray_otlp import XRayOtlpSink

        return XRayOtlpSink(settings)
    if settings.xray_transport == "api":
        from .xray_api import XRayApiSink

        return XRayApiSink(settings)
    return XRaySink(settings)


class Progress:
    """What is left of a batch: its documents, the next one last, how many spans were lost so far, and why."""

    __slots__ = ("lost", "reason", "waiting")

    def __init__(self, waiting: list[Any]) -> None:
        self.waiting = waiting
        self.lost = 0
        self.reason: str | None = None


class XRaySink:
    """Sends traces to ``settings.xray_daemon_address``, ``host:port`` or ``[v6]:port``.

    Host names are looked up when the first batch comes, again after a failure, and once a minute.
    """

    name = "xray"
    signals = frozenset({"traces"})
    imports: tuple[str, ...] = (
        "socket",
        "select",
        "json",
        "re",
        "traceback",
        "linecache",
        "obsv.xray.segment",
    )

    def __init__(self, settings: Settings) -> None:
        host, _, port = settings.xray_daemon_address.rpartition(":")
        self.host = host.removeprefix("[").removesuffix("]")
        self.port = int(port)
        self.limit = MAX_DATAGRAM - len(HEADER)
        self.annotations = settings.xray_annotations
        self._socket: socket.socket | None = None
        self._address: Any = None
        self._resolved_at = 0.0
        self._since_pause = 0
        self._asked = False

    def open(self, resource: Mapping[str, Any]) -> None:
        """Open nothing yet: looking up a name may take long, and belongs to the first batch."""

    def send(self, batch: Batch) -> Result:
        """Send the documents of a batch that are not sent yet, one datagram each."""
        if batch.encoded is None:
            batch.encoded = self._encode(batch)
        progress: Progress = batch.encoded
        waiting = progress.waiting
        try:
            self._connect()
        except OSError as error:
            return Retry(f"{self.host}: {_words(error)}")
        while waiting:
            data = self._datagram(waiting[-1])
            try:
                arrives = self._send(data)
            except OSError as error:
                if error.errno == errno.EMSGSIZE:
                    if not self._shrink(waiting, len(data) - len(HEADER)):
                        progress.lost += self._spans(waiting.pop(), batch)
                        progress.reason = "datagram too large for this system"
                    continue
                if error.errno in _BUSY:
                    return Retry("socket buffer full", after=0.05)
                self.close()
                return Retry(_words(error))
            item = waiting.pop()
            if not arrives:
                progress.lost += self._spans(item, batch)
                progress.reason = f"nobody listens at udp {self.host}:{self.port}"
        return Sent(progress.lost, progress.reason)

    def close(self) -> None:
        """Close the socket; the next `send` opens another."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._address = None

    def probe(self) -> str:
        """Ask the system whether somebody listens, with an empty datagram.

        Raises:
            SinkError: The name is unknown, the network cannot be reached, or this machine answers that nobody listens.
        """
        try:
            listening = _ask(*self._resolve(), b"")
        except OSError as error:
            raise SinkError(f"udp {self.host}:{self.port}: {_words(error)}") from error
        if not listening:
            raise SinkError(f"udp {self.host}:{self.port}: nobody listens")
        return f"udp {self.host}:{self.port} (no objection; UDP confirms nothing)"

    def _encode(self, batch: Batch) -> Progress:
        from obsv.xray.segment import documents

        made: list[str] = []
        for trace in batch.items:
            made.extend(documents(trace, batch.resource, self.limit, self.annotations))
        made.reverse()
        return Progress(made)

    def _datagram(self, item: Any) -> bytes:
        """Return what goes over the wire for one of the items that `_encode` made."""
        return HEADER + bytes(item.encode("utf-8", "replace"))

    def _divide(self, item: Any) -> list[Any]:
        """Make smaller items of one that turned out too large, each within the limit."""
        from obsv.xray.segment import resplit

        return list(resplit(item, self.limit))

    def _spans(self, item: Any, batch: Batch) -> int:
        """Return how many of the batch's spans an item holds."""
        return count_spans(item, batch)

    def _connect(self) -> None:
        """Have an address and a socket for it."""
        import socket

        now = monotonic()
        if self._socket is not None and now - self._resolved_at < _RESOLVE_AGAIN:
            return
        family, address = self._resolve()
        if self._socket is None or self._socket.family != family:
            self.close()
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
        self._address = address
        self._resolved_at = now

    def _resolve(self) -> tuple[int, Any]:
        import socket

        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_DGRAM)
        # A name such as localhost has both kinds of address, and the daemon listens on IPv4 unless told otherwise.
        found.sort(key=lambda entry: entry[0] != socket.AF_INET)
        return found[0][0], found[0][4]

    def _send(self, data: bytes) -> bool:
        """Send a datagram; False when it is known that nobody got it."""
        assert self._socket is not None
        if self._since_pause + len(data) > _BURST:
            sleep(_PAUSE)
            self._since_pause = 0
        listening = True
        if self._asked:
            self._socket.sendto(data, self._address)
        else:
            self._asked = True  # before: a question that fails (no descriptor is left) must not hold up every batch
            try:
                listening = _ask(self._socket.family, self._address, data)
            except OSError as error:
                self._asked = error.errno != errno.EMSGSIZE  # then the smaller one that follows asks
                raise
            if not listening:
                place = f"udp {self.host}:{self.port}"
                faults.tell(f"xray: nobody listens at {place}; traces sent there are lost until somebody does")
        self._since_pause += len(data)
        return listening

    def _shrink(self, waiting: list[Any], size: int) -> bool:
        """Replace the next item by smaller ones, and remember how large is too large here."""
        if size <= _SMALLEST:
            return False
        self.limit = max(_SMALLEST, min(self.limit, size) * 3 // 4)
        waiting.extend(reversed(self._divide(waiting.pop())))
        return True


def _ask(family: int, address: Any, data: bytes) -> bool:
    """Send a datagram through a connected socket; False when this machine answers that nobody listens."""
    import select
    import socket

    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.setblocking(False)
        asking.connect(address)
        asking.send(data)
        poll = select.poll()  # not select(), which fails for descriptors above 1023
        poll.register(asking, select.POLLIN)
        poll.poll(50)  # ms; an error ends it; over a network none may come
        return asking.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != errno.ECONNREFUSED


def count_spans(document: str, batch: Batch) -> int:
    """How many of the batch's spans a document holds; a segment that was made for a span is none."""
    import json

    spans = {span.span_id for trace in batch.items for span in trace}
    found = 0
    todo = [json.loads(document)]
    while todo:
        segment = todo.pop()
        found += segment["id"] in spans
        todo.extend(segment.get("subsegments", ()))
    return found


def _words(error: OSError) -> str:
    if type(error).__name__ == "gaierror":
        return "host name not found"
    return (error.strerror or type(error).__name__).lower()
