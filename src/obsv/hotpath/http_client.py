# cython: binding=False
"""What every HTTP client's span says, and the headers that a request carries: the part of those patches that runs for
each request, compiled.

Rules: OpenTelemetry semantic conventions, "HTTP client span" (stable).
"""

from __future__ import annotations

from _weakref import ref

from . import headers as formats
from .http_words import METHODS, PORTS
from .secrets import REDACTED, redact_query
from .span import CLIENT, ERROR, PRODUCER, Span

if 0:  # seen by the compiler only
    import cython
else:
    from . import shim as cython

if cython.compiled:
    from cython.cimports.obsv.hotpath._native import (
        carries,
        class_has,
        class_same,
        head_line,
        tells,
        traceparent,
        xray,
    )
    from cython.cimports.obsv.hotpath.span import current_span
else:
    from ._native_py import carries, class_has, class_same, head_line, tells, traceparent, xray
    from .span import current_span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping
    from typing import Any

    from .span import Scope

    Pairs = list[tuple[str, str]]
    Fresh = Callable[[Any, Pairs], bool]

_MAX_URL = 4096  # characters; a longer one is a payload
_MAX_ORIGINS = 256  # hosts that are kept taken apart
_MAX_ORIGIN = 256  # characters of one; a host name has at most 253
_MAX_RECENT = 4  # of those, with a method, that are looked at first
_CONTEXT = frozenset(("traceparent", "tracestate", "x-amzn-trace-id"))
_KEYS = {name: (name.encode(), name.lower().encode()) for name in ("traceparent", "tracestate", "X-Amzn-Trace-Id")}


# ---------------------------------------------------------------------- what is known of a request


def describe(span: Span, method: object, url: str) -> None:
    """Name the span of an outgoing request and set what is known of it before it is sent."""
    verb = method if type(method) is str else text(method)
    if span.recording:
        for known, beginning, facts in _recent:
            if known == verb and url.startswith(beginning):
                span.name = known
                span.set_facts(facts)
                span.set_attribute("url.full", redact(url))
                return
    known = verb if verb in METHODS else verb.upper()
    if known in METHODS:
        span.name = known
        span.set_attribute("http.request.method", known)
        if known is not verb:
            span.set_attribute("http.request.method_original", verb)
    else:
        span.name = "HTTP"
        span.set_attribute("http.request.method", "_OTHER")
        span.set_attribute("http.request.method_original", verb)
    if not span.recording:
        return
    host, port = origin(url)
    if host:
        span.set_attribute("server.address", host)
    if port is not None:
        span.set_attribute("server.port", port)
    span.set_attribute("url.full", redact(url))
    if known is verb and known in METHODS and host:
        _remember(known, url, host, port)


_recent: list[tuple[str, str, tuple[Any, ...]]] = []  # methods, beginnings of URLs, and what is said of them


def _remember(method: str, url: str, host: str, port: int | None) -> None:
    """Keep what is said of requests with this method to this host: of a few, for they are looked through."""
    end = url.find("/", url.find("://") + 3)
    if 0 <= end <= _MAX_ORIGIN:
        facts: tuple[Any, ...] = ("http.request.method", method, "server.address", host)
        if port is not None:
            facts += ("server.port", port)
        _recent.insert(0, (method, url[: end + 1], facts))
        del _recent[_MAX_RECENT:]


def answered(span: Span, status: int, version: object) -> None:
    """Set what is known of the answer. ``version`` is that of the protocol, None where the library does not say it."""
    http_status(span, status)
    if version is not None:
        span.set_attribute("network.protocol.version", version)


def connected(span: Span, connection: Any) -> None:
    """Note the address behind the name, on the span of whichever library has sent a request on urllib3's connection.

    The connection remembers where its socket leads, without keeping the socket alive.
    """
    if (span.kind_value != CLIENT and span.kind_value != PRODUCER) or not span.recording:
        return
    sock = getattr(connection, "sock", None)
    if sock is None:
        return
    kept = getattr(connection, "_obsv_peer", None)
    if kept is not None and kept[0]() is sock:
        address = kept[1]
    else:
        try:
            address = sock.getpeername()
        except (AttributeError, OSError):  # closed by the other side already
            return
        try:
            connection._obsv_peer = (ref(sock), address)
        except (AttributeError, TypeError):  # somebody's own connection or socket
            pass
    if isinstance(address, tuple) and len(address) >= 2:
        span.set_attribute("network.peer.address", address[0])
        span.set_attribute("network.peer.port", address[1])


def http_status(span: Span, status: int) -> None:
    """Set a response's status on an HTTP span (semantic conventions, "HTTP spans": 5xx is an error, 4xx one for clients
    only)."""
    span.set_attribute("http.response.status_code", status)
    if status >= 500 or (status >= 400 and span.kind_value == CLIENT):
        span.set_attribute("error.type", str(status))
        if span.status_value == 0:
            span.status_value = ERROR


def text(value: object) -> str:
    """Return a method, URL or header as ``str``; libraries take bytes as well."""
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def origin(url: str) -> tuple[str, int | None]:
    """Return host and port of a URL; the scheme's default port where it names none.

    >>> origin("https://me:secret@[::1]/a"), origin("http://shop:8000")
    (('::1', 443), ('shop', 8000))
    """
    start = url.find("://")
    if start < 0:
        return "", None
    end = url.find("/", start + 3)
    key = url if end < 0 else url[:end]
    found: tuple[str, int | None] | None = _origins.get(key)
    if found is None:
        found = _split(url[:start], url[start + 3 :])
        if len(key) <= _MAX_ORIGIN:
            if len(_origins) >= _MAX_ORIGINS:
                _origins.clear()
            _origins[key] = found
    return found


_origins: dict[str, tuple[str, int | None]] = {}


def _split(scheme: str, rest: str) -> tuple[str, int | None]:
    for mark in "/?#":
        rest = rest.partition(mark)[0]
    host = rest.rpartition("@")[2]
    port = PORTS.get(scheme.lower())
    name, colon, digits = host.rpartition(":")
    if colon and "]" not in digits:
        host = name
        if digits.isdecimal() and digits.isascii() and len(digits) <= 5:
            port = int(digits)
    return host.removeprefix("[").removesuffix("]"), port


def redact(url: str) -> str:
    """Return a URL without the secrets in it (semantic conventions, ``url.full``).

    >>> redact("https://me:pw@bucket/key?sig=abc&page=2")
    'https://REDACTED:REDACTED@bucket/key?sig=REDACTED&page=2'
    """
    if len(url) > _MAX_URL:
        url = url[:_MAX_URL]
    if "?" not in url and "@" not in url:
        return url
    start = url.find("://")
    if start >= 0:
        start += 3
        end = min([at for at in [url.find(mark, start) for mark in "/?#"] if at >= 0], default=len(url))
        at = url.rfind("@", start, end)
        if at >= 0:
            masked = f"{REDACTED}:{REDACTED}" if ":" in url[start:at] else REDACTED
            url = url[:start] + masked + url[at:]
    before, mark, query = url.partition("?")
    if not mark:
        return url
    query, hash_mark, fragment = query.partition("#")
    return f"{before}?{redact_query(query)}{hash_mark}{fragment}"


# ---------------------------------------------------------------------- the headers that it carries

_order: tuple[bool, ...] = ()  # which headers to write here: false is traceparent, true X-Ray's
_others = False  # whether there are more to write


def _learn(names: tuple[str, ...]) -> None:
    global _order, _others
    _others = True  # until the order is there: other threads are sending
    _order = tuple([name == "xray" for name in dict.fromkeys(names) if name in ("tracecontext", "xray")])
    _others = not {"tracecontext", "xray", "baggage"}.issuperset(names)


formats.learn_formats(_learn)


def carried(span: Span) -> Pairs:
    """Return the headers that carry a span: what :func:`headers.outgoing` does, quick where there are only ids."""
    if not plain_ids(span):
        return formats.outgoing(span)
    pairs = []
    for xrays in _order:
        if xrays:
            pairs.append(("X-Amzn-Trace-Id", xray(span.trace_hi, span.trace_lo, span.id64, span.flags)))
        else:
            pairs.append(("traceparent", traceparent(span.trace_hi, span.trace_lo, span.id64, span.flags)))
    return pairs


def head_lines(span: Span) -> list[bytes]:
    """Return the headers that carry a span as lines of a request's head, without their ends. Only with
    :func:`plain_ids`."""
    return [head_line(xrays, span.trace_hi, span.trace_lo, span.id64, span.flags) for xrays in _order]


def send_context(headers: MutableMapping[str, Any], request: Any, fresh: Fresh | None = None) -> None:
    """Write the current span into the headers of a request that the library has made.

    A request may be sent again, and a redirect copies its headers: what we wrote then is replaced, and so is a header
    of the same trace, which a gateway has copied from the request it serves. Headers of another trace were set by
    somebody on purpose, who is in charge then.

    Args:
        headers: The request's own headers, not the mapping that the user passed.
        request: The library's request, which remembers what we wrote; None for one that is never sent twice.
        fresh: Writes all of the pairs at once where the headers have none of them, and tells whether it did: what
            nearly always is the case, and cheap for who knows how the library keeps its headers.
    """
    span = current_span()
    pairs = carried(span)
    if not pairs:
        return
    if (fresh is None or not fresh(headers, pairs)) and not _merge(headers, request, span, pairs):
        return
    if request is not None:
        request._obsv_sent = pairs


def _merge(headers: MutableMapping[str, Any], request: Any, span: Span, pairs: Pairs) -> bool:
    """Write the pairs beside and over what is there; tell whether we may."""
    if type(headers) is dict:  # somebody's own, in which "Traceparent" is another name
        spelled = {text(name).lower(): name for name in headers}
        pairs = [(spelled.get(name.lower(), name), value) for name, value in pairs]
    trace = span.trace_id
    marks = (trace, f"{trace[:8]}-{trace[8:]}")
    written = [text(value) for _name, value in getattr(request, "_obsv_sent", ())]
    for name, _value in pairs:
        present = headers.get(name) if name.lower() in _CONTEXT else None
        if present is not None and name != "tracestate":
            words = text(present)
            if words not in written and marks[0] not in words and marks[1] not in words:
                return False
    for name, value in pairs:
        if name.lower() in _CONTEXT or name not in headers or text(headers[name]) in written:
            headers[name] = value
    return True


def into_store(headers: Any, pairs: Pairs) -> bool:
    """Write into what requests' ``CaseInsensitiveDict`` keeps; asked what it has not, it raises and catches."""
    kept = getattr(headers, "_store", None)
    if not isinstance(kept, dict):
        return False
    more = {}
    for pair in pairs:
        key = pair[0].lower()
        if key in kept:
            return False
        more[key] = pair
    kept.update(more)
    return True


def into_list(headers: Any, pairs: Pairs) -> bool:
    """Append to what ``httpx.Headers`` keeps; setting one by one, it looks through all of them for each."""
    if context_written(headers):
        return False
    more = []
    for name, value in pairs:
        known = _KEYS.get(name)
        if known is None or type(value) is not str:
            return False
        word: str = value
        try:
            more.append((known[0], known[1], word.encode("ascii")))
        except UnicodeEncodeError:
            return False
    kept: list[Any] = headers._list
    kept.extend(more)
    return True


def context_written(headers: Any) -> bool:
    """Tell whether ``httpx.Headers`` have any that carry a trace, or keep them in another way than we know."""
    kept = getattr(headers, "_list", None)
    if type(kept) is not list:
        return True
    for item in kept:  # noqa: SIM110 - a generator would cost more than the loop
        if tells(item[1]):
            return True
    return False


# ---------------------------------------------------------------------- written by the connection

_connections: Any = None  # urllib3's class of connections, while its ``endheaders`` is ours


def set_connections(kind: Any) -> None:
    """Say that the connections of this class call :func:`write_late`; None: none do."""
    global _connections
    _connections = kind


def plain_ids(span: Span) -> bool:
    """Tell whether nothing but ids has to be carried, in formats of our own."""
    return not (_others or span.base or span.tracestate or not span.id64 or not (span.trace_hi or span.trace_lo))


def left_to_connection(headers: Any) -> bool:
    """Tell whether the connection below will write the headers that carry the current span.

    requests, botocore and urllib3 look at each header a dozen times on its way to the connection's buffer; these two go
    straight there. Not where the request brings some of its own, or where there is more to tell than ids.

    Args:
        headers: The ``CaseInsensitiveDict`` of requests; None where headers of one's own are to stay whatever they say.
    """
    if _connections is None or not class_has(_connections, "endheaders") or not plain_ids(current_span()):
        return False
    if headers is None:
        return True
    kept = getattr(headers, "_store", None)
    if not isinstance(kept, dict):
        return False
    names: dict[str, Any] = cython.cast(dict, kept)  # an ordered one, whose order does not matter and costs
    for name in names:  # noqa: SIM110 - a generator would cost more than the loop
        if tells(name):
            return False
    return True


def writes_late(connection: Any) -> bool:
    """Tell whether a connection calls :func:`write_late`, and not somebody's own that goes another way."""
    return _connections is not None and class_same(type(connection), _connections, "endheaders")


def write_late(connection: Any) -> None:
    """Write the headers that carry the current span into what a connection is about to send, unless it has some."""
    span = current_span()
    if span.scope.name not in _LATE or not plain_ids(span):
        return
    lines = connection._buffer
    for line in lines:
        if type(line) is bytes and carries(line):
            return
    lines += head_lines(span)


_LATE = frozenset(("obsv.patches.botocore", "obsv.patches.requests"))


# ---------------------------------------------------------------------- one span for one request

_CLIENTS = frozenset([f"obsv.patches.{name}" for name in ("botocore", "httpx", "requests", "urllib3")])


def of_client(span: Span, besides: Scope | None = None) -> bool:
    """Tell whether a span is that of an HTTP or AWS client that obsv has patched, of another scope than ``besides``."""
    return (
        span.recording
        and (span.kind_value == CLIENT or span.kind_value == PRODUCER)
        and span.scope is not besides
        and span.scope.name in _CLIENTS
    )
