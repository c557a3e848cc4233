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

from ..hotpath.httpx_client import describe_request, describe_response, set_writes_late, write_late, writing
from . import _hook
from ._api import Patch

if TYPE_CHECKING:
    from collections.abc import Callable

patch = Patch("httpx", requires="httpx >= 0.23", semconv="http/http-spans (client)")

patch.client(
    "httpx._client:Client._send_single_request",
    "httpx._client:AsyncClient._send_single_request",
    wanted=("request",),
    answer=describe_response,
)(describe_request)


# What h11 writes requests with stands in a table of functions, which it looks up for each connection and each request.

_own: Callable[[Any, Any], None] | None = None
_before: Callable[[Any, Any], None] | None = None


def _loaded(connection: Any) -> None:
    global _own, _before
    if not patch.applied or _own is not None:
        return
    writers, key = connection.WRITERS, _key()
    before = writers.get(key)
    if not callable(before) or not _known(connection, writers, key, before):
        return  # then the headers go the long way
    writers[key] = own = writing(before)
    _own, _before = own, before
    set_writes_late(True)


def _key() -> Any:
    from h11._state import CLIENT, IDLE

    return CLIENT, IDLE


def _known(connection: Any, writers: Any, key: Any, before: Any) -> bool:
    """Tell whether this version of h11 sends what is put before the end of what it has written."""

    def write(request: Any, write: Any) -> None:
        before(request, write)
        write_late(write, [b"probe: 1"])

    writers[key] = write
    try:
        wire = connection.Connection(connection.CLIENT)
        sent = wire.send(connection.Request(method="GET", target="/", headers=[("host", "probe")]))
        return bool(sent == b"GET / HTTP/1.1\r\nhost: probe\r\nprobe: 1\r\n\r\n")
    except Exception:  # noqa: BLE001 - a version that we do not know
        return False
    finally:
        writers[key] = before


@patch.setup
def _start() -> None:
    _hook.when_imported("h11._connection", _loaded)


@patch.teardown
def _stop() -> None:
    global _own, _before
    _hook.forget(_loaded)
    set_writes_late(False)
    if _own is not None:
        from h11._writers import WRITERS

        if WRITERS.get(_key()) is _own:
            WRITERS[_key()] = _before  # type: ignore[assignment]
        _own = _before = None
