"""httpx, sync and async: one client span for each request on the wire.

``Client.send`` runs a loop of redirects inside a loop of authentication; ``_send_single_request`` is the innermost
step, one request through whatever transport the client has, the user's own included. So each redirect, and each round
of an authentication flow, has a span of its own with the status that it got, and the one sent after it is beside it
and not below. It is a private method that has kept its name and its arguments since httpx 0.14; contrib patches the
transports instead, and misses those of the user.

A span ends when the response's headers are there: ``client.stream()`` and ``response.read()`` read the body afterwards.
"""

from __future__ import annotations

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
    send_context(request.headers, request)

    def answered(response: Any) -> None:
        http_status(span, response.status_code)
        protocol = response.extensions.get("http_version")
        if protocol:
            span.set_attribute("network.protocol.version", protocol.decode("ascii", "replace").partition("/")[2])
        peer = _peer(response.extensions.get("network_stream"))
        if peer is not None:
            span.set_attribute("network.peer.address", peer[0])
            span.set_attribute("network.peer.port", peer[1])

    return answered


def _peer(stream: Any) -> tuple[str, int] | None:
    try:
        address = stream.get_extra_info("server_addr") if stream is not None else None
    except Exception:  # noqa: BLE001 - the other side may have closed the socket already
        return None
    if isinstance(address, tuple) and len(address) >= 2 and isinstance(address[0], str) and isinstance(address[1], int):
        return address[0], address[1]
    return None  # a Unix socket, or somebody's own transport
