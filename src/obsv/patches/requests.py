"""requests: one client span for each request on the wire, so each redirect and each answer to a challenge has its own.

The adapter is where a request leaves, whoever sends it. ``Session.send`` calls itself for redirects inside itself,
which would put the second request under the first. A span ends when the response's headers are there; the body is
read later, by whoever wants it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._api import Patch
from ._http_client import answered, describe, into_store, left_to_connection, send_context, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._api import Span

patch = Patch("requests", requires="requests >= 2.25", semconv="http/http-spans (client)")

_VERSIONS: dict[Any, str] = {10: "1.0", 11: "1.1", 20: "2"}


@patch.client("requests.adapters:HTTPAdapter.send")
def send(span: Span, adapter: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[[Any], None]:
    """Describe the sending of a ``PreparedRequest``. Its headers are the library's own copy of what the user passed."""
    request = args[0] if args else kwargs["request"]
    describe(span, request.method, text(request.url))
    if not left_to_connection(request.headers):
        send_context(request.headers, request, into_store)

    def finish(response: Any) -> None:
        answered(span, response.status_code, _VERSIONS.get(getattr(response.raw, "version", None)))

    return finish
