"""What the patches of HTTP clients share: a request's attributes, redaction of its URL, headers that carry the trace.

Rules: OpenTelemetry semantic conventions, "HTTP client span" (stable).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..hotpath.http_words import METHODS, PORTS
from ._api import REDACTED, current_span, outgoing, redact_query

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from ._api import Span

    Fresh = Callable[[Any, list[tuple[str, str]]], bool]

_MAX_URL = 4096  # characters; a longer one is a payload
_MAX_ORIGINS = 256  # hosts that are kept taken apart
_MAX_ORIGIN = 256  # characters of one; a host name has at most 253
_CONTEXT = frozenset(("traceparent", "tracestate", "x-amzn-trace-id"))


def describe(span: Span, method: object, url: str) -> None:
    """Name the span of an outgoing request and set what is known of it before it is sent."""
    put = span.set_attribute
    verb = method if type(method) is str else text(method)
    known = verb if verb in METHODS else verb.upper()
    if known in METHODS:
        span.name = known
        put("http.request.method", known)
        if known != verb:
            put("http.request.method_original", verb)
    else:
        span.name = "HTTP"
        put("http.request.method", "_OTHER")
        put("http.request.method_original", verb)
    if not span.recording:
        return
    host, port = origin(url)
    if host:
        put("server.address", host)
    if port is not None:
        put("server.port", port)
    put("url.full", redact(url))


def text(value: object) -> str:
    """Return a method, URL or header as ``str``; libraries take bytes as well."""
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def origin(url: str) -> tuple[str, int | None]:
    """Return host and port of a URL; the scheme's default port where it names none.

    >>> origin("https://me:secret@[::1]/a"), origin("http://shop:8000")
    (('::1', 443), ('shop', 8000))
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return "", None
    key = (scheme, rest[: rest.find("/")] if "/" in rest else rest)
    found = _origins.get(key)
    if found is None:
        found = _split(scheme, rest)
        if len(key[0]) + len(key[1]) <= _MAX_ORIGIN:
            if len(_origins) >= _MAX_ORIGINS:
                _origins.clear()
            _origins[key] = found
    return found


_origins: dict[tuple[str, str], tuple[str, int | None]] = {}


def _split(scheme: str, rest: str) -> tuple[str, int | None]:
    for mark in "/?#":
        rest = rest.partition(mark)[0]
    host = rest.rpartition("@")[2]
    port: int | None = PORTS.get(scheme.lower())
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
    url = url[:_MAX_URL]
    if "?" not in url and "@" not in url:
        return url
    start = url.find("://")
    if start >= 0:
        start += 3
        end = min([at for at in (url.find(mark, start) for mark in "/?#") if at >= 0], default=len(url))
        at = url.rfind("@", start, end)
        if at >= 0:
            masked = f"{REDACTED}:{REDACTED}" if ":" in url[start:at] else REDACTED
            url = url[:start] + masked + url[at:]
    before, mark, query = url.partition("?")
    if not mark:
        return url
    query, hash_mark, fragment = query.partition("#")
    return f"{before}?{redact_query(query)}{hash_mark}{fragment}"


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
    pairs = outgoing(span)
    if not pairs:
        return
    if (fresh is None or not fresh(headers, pairs)) and not _merge(headers, request, span, pairs):
        return
    if request is not None:
        request._obsv_sent = [value for _name, value in pairs]


def _merge(headers: MutableMapping[str, Any], request: Any, span: Span, pairs: list[tuple[str, str]]) -> bool:
    """Write the pairs beside and over what is there; tell whether we may."""
    trace = span.trace_id
    marks = (trace, f"{trace[:8]}-{trace[8:]}")
    written = getattr(request, "_obsv_sent", ())
    for name, _value in pairs:
        present = headers.get(name) if name.lower() in _CONTEXT else None
        if present is not None and name != "tracestate":
            words = text(present)
            if words not in written and not any(mark in words for mark in marks):
                return False
    for name, value in pairs:
        if name.lower() in _CONTEXT or name not in headers or text(headers[name]) in written:
            headers[name] = value
    return True
