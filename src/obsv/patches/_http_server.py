"""What the patches of HTTP servers share: the span and the metric of one request.

The rules are the stable semantic conventions for HTTP servers. A framework's patch says what it knows of a request,
and when it ended; names, attributes, redaction and the metric are here, once.
"""

from __future__ import annotations

import re
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ._api import ERROR, METER, SERVER, Histogram, Scope, Span, instrument, new_span, redact_query, settings, type_name
from ._http import METHODS, PORTS

if TYPE_CHECKING:
    from ._api import Remote

DURATION = "http.server.request.duration"

_MAX_CELLS = 1000  # series whose cells are kept at hand
_MAX_HOSTS = 256  # Host headers that are kept taken apart
_MAX_ADDRESS = 256  # characters; a host name has at most 253


class Exchange:
    """One request and its answer.

    Attributes:
        span: The server span; it has begun, but is current nowhere until the patch attaches it.
        begun: When it began, in seconds of ``perf_counter``.
        method: The request's method or ``_OTHER``; None for a WebSocket, which is in no metric.
        scheme: ``http``, ``https``, ``ws`` or ``wss``.
    """

    __slots__ = ("begun", "method", "original", "scheme", "span")

    def __init__(self, scope: Scope, method: str | None, scheme: str) -> None:
        self.original = method
        self.method = method if method is None or method in METHODS else "_OTHER"
        self.scheme = scheme
        self.span: Span = new_span(scope, self.word(), SERVER)
        self.begun = perf_counter()

    def word(self) -> str:
        """Return what the span's name begins with: the method, ``HTTP`` for an unknown one, ``WS`` for a WebSocket."""
        method = self.method
        return "WS" if method is None else "HTTP" if method == "_OTHER" else method

    def open(
        self,
        parent: Remote | None,
        path: str,
        query: str,
        host: str | None,
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
            host: Its ``Host`` header.
            server: Where it arrived, for requests without a usable ``Host``.
            peer: Where it came from.
            forwarded: Its ``X-Forwarded-For`` header.
            version: ``"1.1"``, ``"2"``, …
            agent: Its ``User-Agent`` header.
        """
        span = self.span
        asked = span.scope.outlet.sampler is not None
        if not asked:
            span.begin(parent)
        if span.recording:
            self._describe(path, query, host, server, peer, forwarded, version, agent)
        if asked:  # a sampler may want to see the path
            span.begin(parent)

    def _describe(
        self,
        path: str,
        query: str,
        host: str | None,
        server: tuple[str, int | None] | None,
        peer: str | None,
        forwarded: str | None,
        version: str | None,
        agent: str | None,
    ) -> None:
        put = self.span.set_attribute
        method = self.method
        if method is None:
            put("network.protocol.name", "websocket")
        else:
            put("http.request.method", method)
            if method == "_OTHER":
                put("http.request.method_original", self.original)
        put("url.path", path)
        put("url.scheme", self.scheme)
        if query:
            put("url.query", redact_query(query))
        address = _address(host, self.scheme) if host else None
        if address is None:
            address = server
        if address is not None and address[0]:
            put("server.address", address[0])
            if address[1]:
                put("server.port", address[1])
        if peer:
            put("network.peer.address", peer)
        client = forwarded.partition(",")[0].strip()[:_MAX_ADDRESS] if forwarded else peer
        if client:
            put("client.address", client)
        if version:
            put("network.protocol.version", version)
        if agent:
            put("user_agent.original", agent)

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
        span = self.span
        failed = error if isinstance(error, Exception) else None
        kind: str | None = None
        if failed is not None:
            kind = type_name(failed)
        elif status is not None and status >= 500:
            kind = str(status)
        if span.recording:
            if route is not None:
                span.name = f"{self.word()} {route}"
                span.set_attribute("http.route", route)
            if status is not None:
                span.set_attribute("http.response.status_code", status)
            if kind is not None:
                if failed is not None:
                    span.fail(failed)
                span.set_attribute("error.type", kind)
                if span.status_value == 0:
                    span.status_value = ERROR
        if self.method is not None and METER.enabled:  # before the span: who has seen the one can count on the other
            seconds = perf_counter() - self.begun if elapsed is None else elapsed
            _record(self.method, route, status, self.scheme, kind, seconds)
        span.end(None if elapsed is None else span.start_ns + int(elapsed * 1e9))


_cells: dict[Any, Any] = {}
_histogram: Histogram | None = None


def _record(method: str, route: str | None, status: int | None, scheme: str, kind: str | None, elapsed: float) -> None:
    """Record a duration. A client cannot make series by inventing paths or methods: no part of the key is free."""
    global _histogram
    histogram: Any = METER.instruments.get(DURATION)
    if histogram is None or histogram is not _histogram:  # the first one, or they were thrown away meanwhile
        histogram = _histogram = instrument(Histogram, DURATION, "Seconds", "Duration of HTTP server requests", _SCOPE)
        _cells.clear()
    key = (method, route, status, scheme, kind)
    cell = _cells.get(key)
    if cell is None:
        attributes: dict[str, Any] = {"http.request.method": method, "url.scheme": scheme}
        if route is not None:
            attributes["http.route"] = route
        if status is not None:
            attributes["http.response.status_code"] = status
        if kind is not None:
            attributes["error.type"] = kind
        if len(_cells) >= _MAX_CELLS:
            _cells.clear()
        cell = _cells[key] = histogram.cell(attributes)
    cell.record(elapsed)


_SCOPE = Scope("obsv.patches.http_server")

# ---------------------------------------------------------------------- addresses and queries

_hosts: dict[tuple[str, str], tuple[str, int | None] | None] = {}


def _address(host: str, scheme: str) -> tuple[str, int | None] | None:
    """Take a ``Host`` header apart, with the scheme's port where it names none; None when it is malformed."""
    key = (host, scheme)
    try:
        return _hosts[key]
    except KeyError:
        pass
    if len(host) > _MAX_ADDRESS:
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
    address, port = match.groups()
    return address.strip("[]").lower(), int(port) if port else PORTS.get(scheme)


# ---------------------------------------------------------------------- what is left out


class Excluded:
    """The ``excluded_urls`` setting: requests that get neither span nor metric. Compiled when a patch is applied."""

    __slots__ = ("patterns",)

    def __init__(self) -> None:
        self.patterns: tuple[re.Pattern[str], ...] = ()

    def load(self) -> None:
        """Read the setting; the expressions were checked when it was read."""
        self.patterns = tuple(re.compile(text) for text in settings().excluded_urls)

    def matches(self, path: str) -> bool:
        """Tell whether a pattern stands somewhere in the path."""
        return any(pattern.search(path) for pattern in self.patterns)


def version_number(protocol: str | None) -> str | None:
    """Return ``1.1`` of ``HTTP/1.1`` and ``2`` of ``HTTP/2.0`` (``network.protocol.version``)."""
    if not protocol:
        return None
    number = protocol.rpartition("/")[2]
    return {"2.0": "2", "3.0": "3"}.get(number, number)
