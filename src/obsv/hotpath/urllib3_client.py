"""What obsv adds to each request that goes through urllib3, compiled, and what it says of one of requests'.

requests and botocore stand on urllib3: for their requests this runs too, and does little.
"""

from __future__ import annotations

from threading import current_thread

from . import faults
from .headers import outgoing
from .http_client import into_store, text
from .span import CLIENT, PRODUCER, Scope, Span, suppressed

if 0:  # seen by the compiler only
    import cython
else:
    from . import shim as cython

if cython.compiled:
    from cython.cimports.obsv.hotpath.http_client import (
        answered,
        connected,
        describe,
        left_to_connection,
        of_client,
        send_context,
        write_late,
        writes_late,
    )
    from cython.cimports.obsv.hotpath.passing import argument, named, pass_on, pass_with, placed, replacement
    from cython.cimports.obsv.hotpath.span import current_span
else:
    from .http_client import (
        answered,
        connected,
        describe,
        left_to_connection,
        of_client,
        send_context,
        write_late,
        writes_late,
    )
    from .passing_plain import argument, named, pass_on, pass_with, placed, replacement
    from .span import current_span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .around import Switch

WHERE = "patch urllib3"
VERSIONS: dict[Any, str] = {10: "1.0", 11: "1.1", 20: "2"}
"""What urllib3's responses call a version of HTTP, and what OpenTelemetry does."""

_CONTEXT = frozenset(("traceparent", "x-amzn-trace-id"))
_SENTRY = "sentry-sdk."  # how the names of its threads begin


def skipped(pool: Any) -> bool:
    """Tell whether a request has no span of urllib3's own.

    A library above has one for it, or decided against one, or the request is none of the program's.
    """
    span = current_span()
    return of_client(span) or _covered(span) or suppressed() or current_thread().name.startswith(_SENTRY)


def _covered(span: Span) -> bool:
    if span.kind_value == CLIENT or span.kind_value == PRODUCER:
        if span.recording:
            if "rpc.method" in span.attributes or (
                span.kind_value == CLIENT and "http.request.method" in span.attributes
            ):
                return True
        elif span.id64 and not span.flags & 1:
            return True  # not sampled: there is nothing to tell, and the library above has written the headers
    return False


def sending(function: Callable[..., Any], switch: Switch) -> Callable[..., Any]:
    """Return a ``HTTPConnectionPool._make_request`` that sends a copy of the headers that carries the trace.

    A description sees ``urlopen`` only: there, headers may be a positional argument that it cannot replace, and
    changing the mapping itself would change the user's. Here they are a keyword in every version.

    Args:
        function: The method itself.
        switch: Whether this is in force, and the scope of urllib3's spans.
    """

    return replacement(_send, function, switch)  # type: ignore[no-any-return]


def _send(made: Any, args: Any, count: Any, names: Any) -> Any:
    switch: Switch = made.told
    if not switch.active:
        return pass_on(made.function, args, count, names)
    connection = argument(args, count, names, 1, "conn")
    span = headers = None
    try:
        span = current_span()
        headers = named(args, count, names, "headers")
        # Else the library above has written them, or the connection will.
        if headers is not None and not (of_client(span, switch.scope) and writes_late(connection)):
            headers = _with_context(span, headers, switch.scope)
    except Exception as error:  # noqa: BLE001 - never into user code
        faults.report(WHERE, error)
    if headers is None:
        result = pass_on(made.function, args, count, names)
    else:
        result = pass_with(made.function, args, count, names, "headers", headers)
    try:
        if span is not None:
            connected(span, connection)
    except Exception as error:  # noqa: BLE001 - never into user code
        faults.report(WHERE, error)
    return result


def ending(function: Callable[..., Any], switch: Switch) -> Callable[..., Any]:
    """Return a ``HTTPConnection.endheaders`` that writes the headers that were left to the connection."""

    return replacement(_end, function, switch)  # type: ignore[no-any-return]


def _end(made: Any, args: Any, count: Any, names: Any) -> Any:
    switch: Switch = made.told
    connection = placed(args, count, 0)
    if switch.active and connection is not None:
        try:
            write_late(connection)
        except Exception as error:  # noqa: BLE001 - never into user code
            faults.report(WHERE, error)
    return pass_on(made.function, args, count, names)


def describe_prepared(span: Span, adapter: Any, request: Any) -> None:
    """Describe the sending of requests' ``PreparedRequest``. Its headers are the library's own copy of what the user
    passed."""
    describe(span, request.method, text(request.url))
    headers = request.headers
    if not left_to_connection(headers):
        send_context(headers, request, into_store)


def describe_answer(span: Span, response: Any, _told: None) -> None:
    """Set what requests' ``Response`` says."""
    answered(span, response.status_code, VERSIONS.get(getattr(response.raw, "version", None)))


def _with_context(span: Span, headers: Any, scope: Scope) -> Any:
    if span.scope is not scope and ("traceparent" in headers or "X-Amzn-Trace-Id" in headers):
        return headers  # as below, without a look at all of them
    pairs = outgoing(span)
    present = {text(name).lower(): value for name, value in headers.items()}
    taken = _CONTEXT.intersection(present)
    if taken and (span.scope is not scope or any([not _same_trace(span, present[name]) for name in taken])):
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
