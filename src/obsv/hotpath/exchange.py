# cython: binding=False
"""One request to an HTTP server and its answer: the span, its attributes and the metric.

The rules are the stable semantic conventions for HTTP servers. What a gateway's protocol says of a request is read in
``connection`` (ASGI) and ``gateway`` (WSGI); names, attributes, redaction and the metric are here, once.

Loaded with the first patch of a server, and not before.
"""

from __future__ import annotations

import re

from .errors import type_name
from .headers import answer_xray
from .http_words import METHODS, PORTS
from .metrics import METER, Histogram, HistogramCell, Meter, instrument
from .secrets import redact_query
from .span import ERROR, SERVER, Scope, Span

if 0:  # seen by the compiler only
    import cython
else:
    from . import shim as cython

if cython.compiled:
    from cython.cimports.obsv.hotpath._native import monotonic_ns
    from cython.cimports.obsv.hotpath.span import new_span
else:
    from ._native_py import monotonic_ns
    from .span import new_span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .span import Remote

DURATION = "http.server.request.duration"

_MAX_CELLS = 1000  # series whose cells are kept at hand
_MAX_HOSTS = 256  # Host headers that are kept taken apart
_MAX_ADDRESS = 256  # characters; a host name has at most 253


class Exchange:
    """One request and its answer.

    Attributes:
        span: The server span; it has begun, but is current nowhere until the patch attaches it.
        begun: When it began, in nanoseconds of the monotonic clock.
        answer: The X-Ray header of the answer, where the request asks for it.
        method: The request's method or ``_OTHER``; None for a WebSocket, which is in no metric.
        original: The method as it was sent.
        word: What the span's name begins with: the method, ``HTTP`` for an unknown one, ``WS`` for a WebSocket.
        scheme: ``http``, ``https``, ``ws`` or ``wss``.
    """

    __slots__ = ("answer", "begun", "method", "original", "scheme", "span", "word")

    def __init__(self, scope: Scope, method: str | None, scheme: str) -> None:
        self._set_up(scope, method, scheme)

    def _set_up(self, scope: Scope, method: str | None, scheme: str) -> None:
        self.original = method
        if method is None:
            self.word = "WS"
        elif method in METHODS:
            self.word = method
        else:
            method = "_OTHER"
            self.word = "HTTP"
        self.method = method
        self.scheme = scheme
        self.span: Span = new_span(scope, self.word, SERVER)
        self.begun = 0
        self.answer: str | None = None

    def open(
        self,
        parent: Remote | None,
        path: str,
        query: str,
        server: tuple[str, int | None] | None,
        peer: str | None,
        forwarded: str | None,
        version: str | None,
        agent: str | None,
    ) -> None:
        """Begin the span.

        Args:
            parent: What the request's headers say (``extract``).
            path: Its decoded path, with the application's root.
            query: Its query string, as sent.
            server: Where it was sent: what its ``Host`` header says (``address``), or where it arrived.
            peer: Where it came from.
            forwarded: Its ``X-Forwarded-For`` header.
            version: ``"1.1"``, ``"2"``, …
            agent: Its ``User-Agent`` header.
        """
        span: Span = self.span
        asked = span.scope.outlet.sampler is not None
        if not asked:
            span.begin(parent)
        if span.recording:
            self._describe(path, query, server, peer, forwarded, version, agent)
        if asked:  # a sampler may want to see the path
            span.begin(parent)
        # The span has just read the same clock, where it is recorded.
        self.begun = span.start_ns - span.offset if span.recording and span.offset else monotonic_ns()
        if parent is not None:
            remote: Remote = parent
            if remote.asked and span.id64:
                self.answer = answer_xray(span)

    def _describe(
        self,
        path: str,
        query: str,
        server: tuple[str, int | None] | None,
        peer: str | None,
        forwarded: str | None,
        version: str | None,
        agent: str | None,
    ) -> None:
        span: Span = self.span
        method = self.method
        if method is None:
            span.set_attribute("network.protocol.name", "websocket")
        else:
            span.set_attribute("http.request.method", method)
            if method == "_OTHER":
                span.set_attribute("http.request.method_original", self.original)
        span.set_attribute("url.path", path)
        span.set_attribute("url.scheme", self.scheme)
        if query:
            span.set_attribute("url.query", redact_query(query))
        if server is not None and server[0]:
            span.set_attribute("server.address", server[0])
            if server[1]:
                span.set_attribute("server.port", server[1])
        if peer:
            span.set_attribute("network.peer.address", peer)
        client = forwarded.partition(",")[0].strip()[:_MAX_ADDRESS] if forwarded else peer
        if client:
            span.set_attribute("client.address", client)
        if version:
            span.set_attribute("network.protocol.version", version)
        if agent:
            span.set_attribute("user_agent.original", agent)

    def finish(
        self, status: int | None, route: str | None, error: BaseException | None = None, elapsed: float | None = None
    ) -> None:
        """End the span and record the metric.

        Args:
            status: The answer's status, None where there was none.
            route: The template that the framework chose, None where none fits: a path is no template, and never in a
                metric.
            error: What the application raised, if anything; what is no ``Exception`` (cancellation) is no failure.
            elapsed: Seconds from the beginning to the last byte of the answer; now when None.
        """
        span: Span = self.span
        failed = error if isinstance(error, Exception) else None
        kind: str | None = None
        if failed is not None:
            kind = type_name(failed)
        elif status is not None and status >= 500:
            kind = str(status)
        if span.recording:
            if route is not None:
                span.name = self.word + " " + route
                span.set_attribute("http.route", route)
            if status is not None:
                span.set_attribute("http.response.status_code", status)
            if kind is not None:
                if failed is not None:
                    span.fail(failed)
                span.set_attribute("error.type", kind)
                if span.status_value == 0:
                    span.status_value = ERROR
        elif kind is not None:
            span.status_value = ERROR
        meter: Meter = METER
        if self.method is not None and meter.enabled:  # before the span: who has seen the one can count on the other
            self._record(meter, route, status, kind, self.seconds() if elapsed is None else elapsed)
        span.end(None if elapsed is None else span.start_ns + int(elapsed * 1e9))

    def seconds(self) -> float:
        """Return how long it has taken until now."""
        elapsed: float = (monotonic_ns() - self.begun) / 1e9
        return elapsed

    def _record(self, meter: Meter, route: str | None, status: int | None, kind: str | None, elapsed: float) -> None:
        """Record a duration. A client cannot make series by inventing paths or methods: no part of the key is free."""
        if _histogram is None or meter.instruments.get(DURATION) is not _histogram:
            _first()
        key = (self.method, route, status, self.scheme, kind)
        cells = _cells
        cell: HistogramCell | None = cells.get(key)
        if cell is None:
            cell = _cell(key)
        cell.record(elapsed)


_cells: dict[Any, Any] = {}
_histogram: Histogram | None = None


def _first() -> None:
    """Make the histogram: for the first request, and after the instruments were thrown away."""
    global _histogram
    _histogram = instrument(Histogram, DURATION, "Seconds", "Duration of HTTP server requests", _SCOPE)
    _cells.clear()


def _cell(key: Any) -> Any:
    method, route, status, scheme, kind = key
    attributes: dict[str, Any] = {"http.request.method": method, "url.scheme": scheme}
    if route is not None:
        attributes["http.route"] = route
    if status is not None:
        attributes["http.response.status_code"] = status
    if kind is not None:
        attributes["error.type"] = kind
    if len(_cells) >= _MAX_CELLS:
        _cells.clear()
    histogram: Any = _histogram
    made = _cells[key] = histogram.cell(attributes)
    return made


_SCOPE = Scope("obsv.patches.http_server")

# ---------------------------------------------------------------------- addresses

_hosts: dict[tuple[str, str], tuple[str, int | None] | None] = {}


def address(host: str, scheme: str) -> tuple[str, int | None] | None:
    """Take a ``Host`` header apart, with the scheme's port where it names none; None when it is malformed."""
    key = (host, scheme)
    hosts = _hosts
    found = hosts.get(key)
    return found if found is not None else _take_apart(key)


def _take_apart(key: tuple[str, str]) -> tuple[str, int | None] | None:
    host, scheme = key
    if key in _hosts or len(host) > _MAX_ADDRESS:
        return None
    if len(_hosts) >= _MAX_HOSTS:
        _hosts.clear()
    found = _hosts[key] = _split(host, scheme)
    return found


_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/?#@\[\],]+)(?::([0-9]{1,5}))?")  # a comma: the header came twice


def _split(host: str, scheme: str) -> tuple[str, int | None] | None:
    match = _HOST.fullmatch(host)
    if match is None:
        return None
    name, port = match.groups()
    return name.strip("[]").lower(), int(port) if port else PORTS.get(scheme)
