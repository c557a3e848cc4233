"""httpx, sync and async: one client span for each request on the wire.

``Client.send`` runs a loop of redirects inside a loop of authentication; ``_send_single_request`` is the innermost
step, one request through whatever transport the client has, the user's own included. So each redirect, and each round
of an authentication flow, has a span of its own with the status that it got, and the one sent after it is beside it
and not below. It is a private method that has kept its name and its arguments since httpx 0.14; contrib patches the
transports instead, and misses those of the user.

A span ends when the response's headers are there: ``client.stream()`` and ``response.read()`` read the body afterwards.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ._api import Patch, http_status
from ._http_client import describe, send_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._api import Span

patch = Patch("httpx", requires="httpx >= 0.23", semconv="http/http-spans (client)")


@patch.client("httpx._client:Client._send_single_request", "httpx._client:AsyncClient._send_single_request")
def send(span: Span, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[[Any], None]:
    """Describe the sending of an ``httpx.Request``. Its headers are the library's own copy of what the user passed."""
    request = args[0] if args else kwargs["request"]
    describe(span, request.method, str(request.url))
    send_context(request.headers, request, _write)

    def answered(response: Any) -> None:
        http_status(span, response.status_code)
        if not span.recording:
            return
        extensions = response.extensions
        protocol = extensions.get("http_version")
        if protocol:
            span.set_attribute("network.protocol.version", _VERSIONS.get(protocol) or _version(protocol))
        stream = extensions.get("network_stream")
        if stream is not None:
            peer = getattr(stream, "_obsv_peer", None) or _peer(stream)
            if peer is not None:
                span.set_attribute("network.peer.address", peer[0])
                span.set_attribute("network.peer.port", peer[1])

    return answered


def _write(headers: Any, pairs: list[tuple[str, str]]) -> bool:
    """Append to what ``httpx.Headers`` keeps; setting one by one, it looks through all of them for each."""
    kept = getattr(headers, "_list", None)
    if type(kept) is not list:
        return False
    there = {key for _name, key, _value in kept}
    more = []
    for name, value in pairs:
        known = _KEYS.get(name)
        if known is None or known[1] in there or not value.isascii():
            return False
        more.append((*known, value.encode("ascii")))
    kept.extend(more)
    return True


_KEYS = {name: (name.encode(), name.lower().encode()) for name in ("traceparent", "tracestate", "X-Amzn-Trace-Id")}
_VERSIONS = {b"HTTP/1.0": "1.0", b"HTTP/1.1": "1.1", b"HTTP/2": "2"}


def _version(protocol: bytes) -> str:
    return protocol.decode("ascii", "replace").partition("/")[2]


def _peer(stream: Any) -> tuple[str, int] | None:
    """Return the address behind the name. The stream is the connection's, and remembers it."""
    try:
        address = stream.get_extra_info("server_addr")
    except Exception:  # noqa: BLE001 - the other side may have closed the socket already
        return None
    peer = _checked(address)
    if peer is not None:
        with suppress(Exception):  # somebody's own transport, with slots
            stream._obsv_peer = peer
    return peer


def _checked(address: Any) -> tuple[str, int] | None:
    if isinstance(address, tuple) and len(address) >= 2 and isinstance(address[0], str) and isinstance(address[1], int):
        return address[0], address[1]
    return None  # a Unix socket, or somebody's own transport
