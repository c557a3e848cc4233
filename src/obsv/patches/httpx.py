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

from ._api import Patch
from ._http_client import answered, describe, into_list, send_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._api import Span

patch = Patch("httpx", requires="httpx >= 0.23", semconv="http/http-spans (client)")


@patch.client("httpx._client:Client._send_single_request", "httpx._client:AsyncClient._send_single_request")
def send(span: Span, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[[Any], None]:
    """Describe the sending of an ``httpx.Request``. Its headers are the library's own copy of what the user passed."""
    request = args[0] if args else kwargs["request"]
    describe(span, request.method, _text(request.url))
    send_context(request.headers, request, into_list)

    def finish(response: Any) -> None:
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

    return finish


def _text(url: Any) -> str:
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


_MAX_ORIGINS = 256
_MAX_HOST = 253
_origins: dict[tuple[str, str, int | None], str] = {}


def _text_and_keep(url: Any, origin: tuple[str, str, int | None], path: str) -> str:
    text = str(url)
    if text.endswith(path) and len(origin[1]) <= _MAX_HOST:
        if len(_origins) >= _MAX_ORIGINS:
            _origins.clear()
        _origins[origin] = text[: len(text) - len(path)]
    return text


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
