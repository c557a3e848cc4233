"""What the span of a request through httpx says, and how the request carries it, compiled: it runs for each request.

httpx, httpcore and h11 copy, check and look through each header several times: two more of them cost a call more than
all the rest that obsv does. Where the request is sure to go out through h11, they are written there, behind its own.
"""

from __future__ import annotations

from . import faults
from .http_client import answered, carried, context_written, describe, into_list, plain_ids, send_context
from .span import Span, current_span

if 0:  # seen by the compiler only
    import cython
else:
    from . import shim as cython

if cython.compiled:
    from cython.cimports.obsv.hotpath._native import carries
else:
    from ._native_py import carries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

SCOPE = "obsv.patches.httpx"
WHERE = "patch httpx"

_VERSIONS = {b"HTTP/1.0": "1.0", b"HTTP/1.1": "1.1", b"HTTP/2": "2"}
_SENT = "obsv.sent"  # among a request's extensions
_MAX_ORIGINS = 256
_MAX_HOST = 253

_origins: dict[tuple[str, str, int | None], str] = {}
_writes_late = False  # whether h11 writes requests by a function of ours


def describe_request(span: Span, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[[Any], None]:
    """Describe the sending of an ``httpx.Request``. Its headers are the library's own copy of what the user passed."""
    request = args[0] if args else kwargs["request"]
    describe(span, request.method, url_text(request.url))
    late = _left_to_writer(span, client, request.headers)
    if not late:
        _write(request)

    def finish(response: Any) -> None:
        if late:  # what has been sent stands in the request as well, for who looks
            _write(request)
        _answered(span, response)

    return finish


def _write(request: Any) -> None:
    """Write the current span into a request's headers, over what is there of the request that it redirects from.

    httpx makes a redirect of the headers and the extensions of the request before, so those tell what we wrote there.
    """
    extensions = request.extensions
    if _SENT in extensions and not hasattr(request, "_obsv_sent"):
        request._obsv_sent = extensions[_SENT]
    send_context(request.headers, request, into_list)
    sent = getattr(request, "_obsv_sent", None)
    if sent is not None:
        extensions[_SENT] = sent


def _answered(span: Span, response: Any) -> None:
    extensions = response.extensions
    protocol = extensions.get("http_version")
    version = (_VERSIONS.get(protocol) or _version(protocol)) if protocol else None
    answered(span, response.status_code, version)
    if not span.recording:
        return
    stream = extensions.get("network_stream")
    if stream is not None:
        peer = getattr(stream, "_obsv_peer", None) or _peer(stream)
        if peer is not None:
            span.set_attribute("network.peer.address", peer[0])
            span.set_attribute("network.peer.port", peer[1])


def url_text(url: Any) -> str:
    """Return what ``str(url)`` does. httpx joins it of its parts each time; all before the path recurs."""
    parts = getattr(url, "_uri_reference", None)
    if not isinstance(parts, tuple) or len(parts) != 7:  # older than httpx 0.24, or newer than we know
        return str(url)
    scheme, user, host, port, path, query, fragment = parts
    if user or query is not None or fragment is not None:
        return str(url)
    before = _origins.get((scheme, host, port))
    if before is None:
        return _text_and_keep(url, (scheme, host, port), path)
    return f"{before}{path}"


def _text_and_keep(url: Any, origin: tuple[str, str, int | None], path: str) -> str:
    text = str(url)
    if text.endswith(path) and len(origin[1]) <= _MAX_HOST:
        if len(_origins) >= _MAX_ORIGINS:
            _origins.clear()
        _origins[origin] = text[: len(text) - len(path)]
    return text


def _version(protocol: bytes) -> str:
    return protocol.decode("ascii", "replace").partition("/")[2]


def _peer(stream: Any) -> tuple[str, int] | None:
    """Return the address behind the name. The stream is the connection's, and remembers it."""
    try:
        address = stream.get_extra_info("server_addr")
    except Exception:  # noqa: BLE001 - the other side may have closed the socket already
        return None
    if isinstance(address, tuple) and len(address) >= 2 and isinstance(address[0], str) and isinstance(address[1], int):
        peer = address[0], address[1]
        try:
            stream._obsv_peer = peer
        except Exception:  # noqa: BLE001 - somebody's own transport, with slots
            pass
        return peer
    return None  # a Unix socket, or somebody's own transport


# ---------------------------------------------------------------------- headers that h11 writes


def writing(function: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """Return what h11 writes a request with: ``function``, and the headers that were left to it."""

    def write_request(request: Any, write: Any) -> None:
        function(request, write)
        try:
            _write_span(write)
        except Exception as error:  # noqa: BLE001 - never into user code
            faults.report(WHERE, error)

    return write_request


def set_writes_late(late: bool) -> None:
    """Say whether h11 writes requests by what :func:`writing` has returned."""
    global _writes_late
    _writes_late = late


def _write_span(write: Any) -> None:
    span = current_span()
    if span.scope.name == SCOPE and plain_ids(span):
        write_late(write, [f"{name}: {value}\r\n".encode("ascii") for name, value in carried(span)])


def write_late(write: Any, lines: list[bytes]) -> None:
    """Put header lines before the end of what h11 has written of a request, unless it has such headers already.

    Args:
        write: What h11 has given the writer: the ``append`` of the list of what it is about to send.
        lines: The lines, each with its end.
    """
    pieces = getattr(write, "__self__", None)
    if type(pieces) is not list or len(pieces) < 2 or pieces[-1] != b"\r\n" or pieces[0].startswith(b"CONNECT "):
        return
    for piece in pieces:
        if carries(piece):
            return
    pieces[-1:] = [*lines, b"\r\n"]


def _left_to_writer(span: Span, client: Any, headers: Any) -> bool:
    """Tell whether h11 will write the headers that carry the span.

    Only where nobody stands between: httpx's own transport without proxies, over HTTP/1.1, no function of either
    replaced (by somebody's tests, who look into the request).
    """
    if not _writes_late or not plain_ids(span):
        return False
    transport = getattr(client, "_transport", None)
    if transport is None or getattr(client, "_mounts", True):
        return False
    wire = getattr(client, "_obsv_wire", None)
    if wire is None or wire[0] is not transport:
        wire = _look(transport)
        client._obsv_wire = wire
    pool, name, handle, pool_handle = wire[1], wire[2], wire[3], wire[4]
    if pool is None or getattr(transport, "_pool", None) is not pool:
        return False
    if _function(transport, name) is not handle or _function(pool, name) is not pool_handle:
        return False
    return not context_written(headers)


def _function(owner: Any, name: str) -> Any:
    return getattr(getattr(owner, name, None), "__func__", None)


def _look(transport: Any) -> tuple[Any, ...]:
    """Return a transport, its pool, and the functions that a request goes through; no pool where that is not known."""
    pool = getattr(transport, "_pool", None)
    name = "handle_async_request" if hasattr(transport, "handle_async_request") else "handle_request"
    handle, pool_handle = _function(transport, name), _function(pool, name)
    known = (
        type(transport).__name__ in ("HTTPTransport", "AsyncHTTPTransport")
        and type(pool).__name__ in ("ConnectionPool", "AsyncConnectionPool")
        and _package(type(transport)) == _package(handle) == "httpx"
        and _package(type(pool)) == _package(pool_handle) == "httpcore"
        and getattr(pool, "_http1", None) is True
        and getattr(pool, "_http2", None) is False
    )
    return transport, pool if known else None, name, handle, pool_handle


def _package(thing: Any) -> str:
    """Return the package that defines a class or function; httpx and httpcore hide in which of their modules."""
    return str(getattr(thing, "__module__", "")).partition(".")[0]
