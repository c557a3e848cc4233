"""urllib3, 1.26 and 2: one client span for each request that a connection pool is asked for, its retries included.

requests and botocore stand on urllib3 and have a span for the same request; then this one keeps still. Redirects are
followed by the pool manager, outside of the pool: each has its own span.

What Sentry sends has none: its span processor would send that span too, and so on for ever.
"""

from __future__ import annotations

from threading import current_thread
from typing import TYPE_CHECKING, Any

from . import _hook
from ._api import CLIENT, PRODUCER, Patch, current_span, guard, inside_http_client, outgoing
from ._http_client import answered, below_client, connected, describe, set_connections, text, write_late, writes_late

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._api import Span

patch = Patch("urllib3", requires="urllib3 >= 1.26", semconv="http/http-spans (client)")

_VERSIONS: dict[Any, str] = {10: "1.0", 11: "1.1", 20: "2"}
WHERE = "patch urllib3"
_SENTRY = "sentry-sdk."  # how the names of its threads begin
_CONTEXT = frozenset(("traceparent", "x-amzn-trace-id"))


def covered(pool: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Tell whether a library above has a span for this request, or decided against one."""
    if below_client():
        return True
    span = current_span()
    if span.kind_value == PRODUCER and span.recording:
        return "rpc.method" in span.attributes  # botocore sending to SQS or SNS
    if span.kind_value in (CLIENT, PRODUCER) and span.id64 and not span.flags & 1:
        return True  # not sampled: there is nothing to tell, and the library above has written the headers
    return inside_http_client() or current_thread().name.startswith(_SENTRY)


@patch.client("urllib3.connectionpool:HTTPConnectionPool.urlopen", unless=covered)
def urlopen(span: Span, pool: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[[Any], None]:
    """Describe one request, or a request and its retries."""
    method = args[0] if args else kwargs["method"]
    url = text(args[1] if len(args) > 1 else kwargs["url"])
    if "://" not in url:
        host = f"[{pool.host}]" if ":" in pool.host and not pool.host.startswith("[") else pool.host
        authority = host if pool.port is None else f"{host}:{pool.port}"
        url = f"{pool.scheme}://{authority}{url if url.startswith('/') else '/' + url}"
    describe(span, method, url)

    def finish(response: Any) -> None:
        answered(span, response.status, _VERSIONS.get(getattr(response, "version", None)))
        resent = len(getattr(getattr(response, "retries", None), "history", None) or ())
        if resent:
            span.set_attribute("http.request.resend_count", resent)

    return finish


@patch.wrap("urllib3.connectionpool:HTTPConnectionPool._make_request")
def make_request(wrapped: Callable[..., Any], pool: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Give each request on the wire a copy of the headers that carries the trace.

    A wrapper, because a description sees ``urlopen`` only: there, headers may be a positional argument that it cannot
    replace, and changing the mapping itself would change the user's. Here they are a keyword in every version.
    """
    connection = args[0] if args else kwargs.get("conn")
    try:
        headers = kwargs.get("headers")
        if headers is not None and not (below_client(patch.scope) and writes_late(connection)):
            # Else the library above has written them, or the connection will.
            kwargs["headers"] = _with_context(headers)  # they are the wrapper's own: the caller's were taken apart
    except Exception:
        with guard(WHERE):
            raise
    result = wrapped(*args, **kwargs)
    try:
        connected(connection)
    except Exception:
        with guard(WHERE):
            raise
    return result


@patch.wrap("urllib3.connection:HTTPConnection.endheaders")
def end_headers(wrapped: Callable[..., Any], connection: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Write the headers that the patches above have left to the connection. A wrapper: there is nothing to time."""
    try:
        write_late(connection)
    except Exception:
        with guard(WHERE):
            raise
    return wrapped(*args, **kwargs)


def _loaded(module: Any) -> None:
    if patch.applied:
        set_connections(module.HTTPConnection)


@patch.setup
def _start() -> None:
    _hook.when_imported("urllib3.connection", _loaded)


@patch.teardown
def _stop() -> None:
    _hook.forget(_loaded)
    set_connections(None)


def _with_context(headers: Any) -> Any:
    span = current_span()
    if span.scope is not patch.scope and ("traceparent" in headers or "X-Amzn-Trace-Id" in headers):
        return headers  # as below, without a look at all of them
    pairs = outgoing(span)
    present = {text(name).lower(): value for name, value in headers.items()}
    taken = _CONTEXT.intersection(present)
    if taken and (span.scope is not patch.scope or any(not _same_trace(span, present[name]) for name in taken)):
        return headers  # written (and signed, maybe) by the library above, or by the user for another trace
    fresh = [(name, value) for name, value in pairs if name.lower() not in present or name.lower() in taken]
    if not fresh:
        return headers
    copy = headers.copy() if hasattr(headers, "copy") else dict(headers)
    for name in [name for name in copy if text(name).lower() in taken]:
        del copy[name]
    for name, value in fresh:
        copy[name] = value
    return copy


def _same_trace(span: Span, header: object) -> bool:
    trace = span.trace_id
    words = text(header)
    return trace in words or f"{trace[:8]}-{trace[8:]}" in words
