"""urllib3, 1.26 and 2: one client span for each request that a connection pool is asked for, its retries included.

requests and botocore stand on urllib3 and have a span for the same request; then this one keeps still. Redirects are
followed by the pool manager, outside of the pool: each has its own span.

What Sentry sends has none: its span processor would send that span too, and so on for ever.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from ..hotpath.http_client import answered, describe, set_connections, text
from ..hotpath.urllib3_client import VERSIONS, ending, sending, skipped
from . import _hook
from ._api import Patch

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._api import Span, Switch

patch = Patch("urllib3", requires="urllib3 >= 1.26", semconv="http/http-spans (client)")


def _answered(span: Span, response: Any, _told: None) -> None:
    answered(span, response.status, VERSIONS.get(getattr(response, "version", None)))
    resent = len(getattr(getattr(response, "retries", None), "history", None) or ())
    if resent:
        span.set_attribute("http.request.resend_count", resent)


@patch.client(
    "urllib3.connectionpool:HTTPConnectionPool.urlopen", quiet=skipped, wanted=("method", "url"), answer=_answered
)
def urlopen(span: Span, pool: Any, method: Any, url: Any) -> None:
    """Describe one request, or a request and its retries."""
    url = text(url)
    if "://" not in url:
        host = f"[{pool.host}]" if ":" in pool.host and not pool.host.startswith("[") else pool.host
        authority = host if pool.port is None else f"{host}:{pool.port}"
        url = f"{pool.scheme}://{authority}{url if url.startswith('/') else '/' + url}"
    describe(span, method, url)


# Made, because a description may not replace arguments, and there is nothing to time.


@patch.make("urllib3.connectionpool:HTTPConnectionPool._make_request")
def make_request(function: Callable[..., Any], switch: Switch) -> Callable[..., Any]:
    """Let each request on the wire carry the trace, and note where it went."""
    return wraps(function)(sending(function, switch))


@patch.make("urllib3.connection:HTTPConnection.endheaders")
def end_headers(function: Callable[..., Any], switch: Switch) -> Callable[..., Any]:
    """Write the headers that the patches above have left to the connection."""
    return wraps(function)(ending(function, switch))


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
