"""Traces as X-Ray segment documents, over UDP to the X-Ray daemon, the CloudWatch agent or the collector.

The other transports of the sink stand in `xray_otlp` (OTLP through the daemon) and `xray_api` (documents to AWS).

UDP tells a sender nothing: a datagram that left this machine's socket counts as sent, whether or not anybody took it.
Only where nobody listens on this machine is that known; the documents then wait for the daemon as for any other
receiver.
"""

from __future__ import annotations

import errno

from .base import Retry, Sent, SinkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from obsv.settings import Settings

    from .base import Batch, Result, Sink
    from .udp import Sender

HEADER = b'{"format":"json","version":1}\n'
"""What goes before each document (X-Ray developer guide, "Sending segment documents to the daemon")."""

_LARGEST = 65_507 - len(HEADER)  # bytes of a document: the largest UDP datagram over IPv4, less its header
_SMALLEST = 2_000  # bytes of a document; every span can be trimmed to this


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

    Attributes:
        limit: Bytes of a document. It shrinks where the system's datagrams turn out to be smaller.
        annotations: The setting ``xray_annotations``.
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
        "obsv.sinks.udp",
        "obsv.xray.segment",
    )

    def __init__(self, settings: Settings) -> None:
        host, _, port = settings.xray_daemon_address.rpartition(":")
        self._address = host.removeprefix("[").removesuffix("]"), int(port)
        self._sender: Sender | None = None
        self.limit = _LARGEST
        self.annotations = settings.xray_annotations

    @property
    def sender(self) -> Sender:
        """What sends the datagrams, loaded with the first of them: init() stays fast."""
        if self._sender is None:
            from .udp import Sender

            self._sender = Sender(*self._address)
        return self._sender

    def open(self, resource: Mapping[str, Any]) -> None:
        """Open nothing yet: looking up a name may take long, and belongs to the first batch."""

    def send(self, batch: Batch) -> Result:
        """Send the documents of a batch that are not sent yet, one datagram each."""
        from .udp import TOO_LARGE, words

        if batch.encoded is None:
            batch.encoded = self._encode(batch)
        progress: Progress = batch.encoded
        waiting = progress.waiting
        while waiting:
            data = self._datagram(waiting[-1])
            try:
                self.sender.send(data)
            except OSError as error:
                if error.errno != errno.EMSGSIZE:
                    return Retry(f"{self.sender.place}: {words(error)}")
                if not self._shrink(waiting, len(data)):
                    progress.lost += self._spans(waiting.pop(), batch)
                    progress.reason = TOO_LARGE
            else:
                waiting.pop()
        return Sent(progress.lost, progress.reason)

    def close(self) -> None:
        """Close the socket; the next `send` opens another."""
        if self._sender is not None:
            self._sender.close()

    def probe(self) -> str:
        """Ask the system whether somebody listens, with an empty datagram.

        Raises:
            SinkError: The name is unknown, the network cannot be reached, or this machine answers that nobody listens.
        """
        from .udp import words

        try:
            return self.sender.probe()
        except OSError as error:
            raise SinkError(f"{self.sender.place}: {words(error)}") from error

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

    def _shrink(self, waiting: list[Any], size: int) -> bool:
        """Replace the next item, a datagram of ``size`` bytes, by smaller ones, and remember how large is too large
        here; False where nothing gets smaller."""
        document = size - len(HEADER)
        if document <= _SMALLEST:
            return False
        self.limit = max(_SMALLEST, min(self.limit, document) * 3 // 4)
        smaller = self._divide(waiting[-1])
        if any(len(self._datagram(each)) >= size for each in smaller):
            return False
        waiting[-1:] = reversed(smaller)
        return True


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
