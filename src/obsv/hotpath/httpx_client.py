"""What the span of a request through httpx says, and how the request carries it, compiled: it runs for each request.

httpx, httpcore and h11 copy, check and look through each header several times: two more of them cost a call more than
all the rest that obsv does. Where the request is sure to go out through h11, they are written there, behind its own.
"""

from __future__ import annotations

from . import faults
from .http_client import into_list as fresh
from .span import Span

if 0:  # seen by the compiler only
    import cython
else:
    from . import shim as cython

if cython.compiled:
    from cython.cimports.obsv.hotpath._native import carries
    from cython.cimports.obsv.hotpath.http_client import (
        answered,
        context_written,
        describe,
        head_lines,
        plain_ids,
        send_context,
    )
    from cython.cimports.obsv.hotpath.span import current_span
else:
    from ._native_py import carries
    from .http_client import (
        answered,
        context_written,
        describe,
        head_lines,
        plain_ids,
        send_context,
    )
    from .span import current_span

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

_MAX_NEAR = 4

_origins: dict[tuple[str, str, int | None], str] = {}
_near: list[tuple[str, str, int | None, str]] = []  # a few of those, the newest first: to hash their keys is dear
_writes_late = False  # whether h11 writes requests by a function of ours


def describe_request(span: Span, client: Any, request: Any) -> None:
    """Describe the sending of an ``httpx.Request``. Its headers are the library's own copy of what the user passed."""
    describe(span, request.method, url_text(request.url))
    if not _left_to_writer(span, client, request.headers):
        _write(request)


def _write(request: Any) -> None:
    """Write the current span into a request's headers, over what is there of the request that it redirects from.

    httpx makes a redirect of the headers and the extensions of the request before, so those tell what we wrote there.
    """
    extensions = request.extensions
    if _SENT in extensions and not hasattr(request, "_obsv_sent"):
        request._obsv_sent = extensions[_SENT]
    send_context(request.headers, request, fresh)
    sent = getattr(request, "_obsv_sent", None)
    if sent is not None:
        extensions[_SENT] = sent


def describe_response(span: Span, response: Any, _told: None) -> None:
    """Set what an ``httpx.Response`` says."""
    answered(span, response.status_code, None)
    if not span.recording:
        return
    found = response.extensions
    extensions: dict[str, Any] = found if type(found) is dict else dict(found)
    protocol = extensions.get("http_version")
    if protocol:
        version = "1.1" if protocol == b"HTTP/1.1" else _VERSIONS.get(protocol) or _version(protocol)
        span.set_attribute("network.protocol.version", version)
    stream = extensions.get("network_stream")
    if stream is not None:
        peer = getattr(stream, "_obsv_peer", None) or _peer(stream)
        if peer is not None:
            span.set_attribute("network.peer.address", peer[0])
            span.set_attribute("network.peer.port", peer[1])


def url_text(url: Any) -> str:
    """Return what ``str(url)`` does. httpx joins it of its parts each time; all before the path recurs."""
    found = getattr(url, "_uri_reference", None)
    if not isinstance(found, tuple) or len(found) != 7:  # older than httpx 0.24, or newer than we know
        return str(url)
    parts: tuple[Any, ...] = cython.cast(tuple, found)  # a named one, whose items are found slowly else
    if parts[1] or parts[5] is not None or parts[6] is not None:  # user, query, fragment
        return str(url)
    scheme, host, port, path = parts[0], parts[2], parts[3], parts[4]
    for near in _near:
        if near[1] == host and near[2] == port and near[0] == scheme:
            before: str | None = near[3]
            return f"{before}{path}"
    before = _origins.get((scheme, host, port))
    if before is None:
        text = str(url)
        if not text.endswith(path) or len(host) > _MAX_HOST:
            return text
        if len(_origins) >= _MAX_ORIGINS:
            _origins.clear()
        before = _origins[(scheme, host, port)] = text[: len(text) - len(path)]
    _near.insert(0, (scheme, host, port, before))
    del _near[_MAX_NEAR:]
    return f"{before}{path}"


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
        write_late(write, head_lines(span))


def write_late(write: Any, lines: list[bytes]) -> None:
    """Put header lines before the end of what h11 has written of a request, unless it has such headers already.

    Args:
        write: What h11 has given the writer: the ``append`` of the list of what it is about to send.
        lines: The lines, without their ends.
    """
    found = getattr(write, "__self__", None)
    if type(found) is not list or len(found) < 2:
        return
    pieces: list[bytes] = found
    first, last = pieces[0], pieces[-1]
    if last != b"\r\n" or first.startswith(b"CONNECT "):
        return
    for piece in pieces:
        if carries(piece):
            return
    pieces.pop()
    for line in lines:
        pieces.append(line)
        pieces.append(last)
    pieces.append(last)


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
