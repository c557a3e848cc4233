"""Datagrams to an agent or daemon: no faster than they are read, to the address that a name has now.

UDP tells a sender nothing, so what left this machine's socket counts as sent. But where nobody listens on this machine,
the system says so to a connected socket, mostly at once: such a datagram was not sent, and is worth another try. What
comes back late, or from elsewhere, concerns a datagram that is gone: it is passed over.
"""

from __future__ import annotations

import errno
import os
import time  # its functions are looked up each time: gevent replaces them

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket  # at run time only when the first batch comes: init() stays fast

MAX_DATAGRAM = 65_507
"""Payload of the largest UDP datagram over IPv4. Some systems allow less (macOS 9,216): `Sender.send` says so."""

TOO_LARGE = "datagram too large for this system"

PATIENCE = 1.0
"""Seconds that a datagram waits for room in the socket."""

_RESOLVE_AGAIN = 60.0  # seconds: a container's name moves to another address, and UDP does not notice
_BURST = 64 * 1024  # bytes between two pauses
_PAUSE = 0.001  # seconds: Linux lets a socket hold some 200 KiB, and what comes faster than it is read is lost
_FIRST = 5  # milliseconds that the answer to a socket's first datagram may take; other systems than Linux do take some
_PROBE = 50  # the same where a person waits for it
_BUSY = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS, errno.ENOMEM})


class Sender:
    """Sends datagrams to ``host:port``. Nothing is opened or looked up before the first one.

    Attributes:
        place: Where to, for people: ``udp 127.0.0.1:2000``.
    """

    __slots__ = ("_asked", "_opened", "_since_pause", "_socket", "host", "place", "port")

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self.place = f"udp {host}:{port}"
        self._socket: socket.socket | None = None
        self._opened = 0.0
        self._asked = False
        self._since_pause = 0

    def send(self, data: bytes) -> None:
        """Send a datagram.

        Raises:
            OSError: It was not taken; `words` says why. With ``EMSGSIZE`` smaller ones can go on; otherwise the next
                call looks the name up again.
        """
        try:
            self._send(data)
        except OSError as error:
            if error.errno != errno.EMSGSIZE and error.errno not in _BUSY:
                self.close()
            raise

    def probe(self) -> str:
        """Ask the system whether somebody listens, with an empty datagram.

        Raises:
            OSError: The name is unknown, the network cannot be reached, or this machine answers that nobody listens.
        """
        self.close()
        try:
            made = self._open()
            made.send(b"")
            _check(made, _PROBE)
        finally:
            self.close()
        return f"{self.place} (no objection; UDP confirms nothing)"

    def close(self) -> None:
        """Close the socket; the next `send` opens another."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _send(self, data: bytes) -> None:
        made = self._open()
        if self._since_pause + len(data) > _BURST:
            time.sleep(_PAUSE)
            self._since_pause = 0
        self._since_pause += len(data)
        try:
            _check(made)
        except OSError:
            pass  # about an earlier one
        until = time.monotonic() + PATIENCE
        while True:
            try:
                made.send(data)
                break
            except OSError as error:
                # Not select(): a socket without memory for another datagram (ENOBUFS) counts as writable.
                if error.errno not in _BUSY or time.monotonic() >= until:
                    raise
            time.sleep(_PAUSE)
        first, self._asked = not self._asked, True
        _check(made, _FIRST if first else 0)

    def _open(self) -> socket.socket:
        import socket

        now = time.monotonic()
        if self._socket is not None and now - self._opened < _RESOLVE_AGAIN:
            return self._socket
        self.close()
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_DGRAM)
        # A name such as localhost has both kinds of address, and agents listen on IPv4 unless told otherwise.
        family, _, _, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
        made = socket.socket(family, socket.SOCK_DGRAM)
        try:
            made.setblocking(False)
            made.connect(address)
        except OSError:
            made.close()
            raise
        self._socket = made
        self._opened = now
        self._asked = False
        return made


def _check(made: socket.socket, milliseconds: int = 0) -> None:
    """Look whether an error has come back, or comes within so many milliseconds.

    Raises:
        OSError: It has.
    """
    import socket

    if milliseconds:
        import select

        poll = select.poll()  # not select(), which fails for descriptors above 1023
        poll.register(made, select.POLLIN)
        poll.poll(milliseconds)  # an error ends it; over a network none may come
    code = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def words(error: OSError) -> str:
    """Say what went wrong on a socket, in a few lower-case words."""
    if error.errno == errno.EMSGSIZE:
        return TOO_LARGE
    if error.errno == errno.ECONNREFUSED:
        return "nobody listens"
    if error.errno in _BUSY:
        return "socket buffer full"
    if type(error).__name__ == "gaierror":
        return "host name not found"
    return (error.strerror or type(error).__name__).lower()
