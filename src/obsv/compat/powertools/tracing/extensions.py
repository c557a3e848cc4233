"""Spans for the requests of an aiohttp client."""

from __future__ import annotations

from typing import Any

from obsv.guard import guard
from obsv.hotpath.headers import inject
from obsv.hotpath.span import CLIENT, SCOPE, attach, current, detach, start_span


def aiohttp_trace_config() -> Any:
    """Return a ``TraceConfig`` for ``aiohttp.ClientSession(trace_configs=[…])``: each request has a span.

    Example:
        >>> async with aiohttp.ClientSession(trace_configs=[aiohttp_trace_config()]) as session: ...
    """
    from aiohttp import TraceConfig

    async def started(session: Any, context: Any, params: Any) -> None:
        with guard("aiohttp_trace_config"):
            span = start_span(SCOPE, params.method, CLIENT, current())
            span.set_attribute("http.request.method", params.method)
            span.set_attribute("url.full", str(params.url.with_user(None)))
            span.set_attribute("server.address", params.url.host or "")
            context.span = span
            token = attach(span)
            try:
                inject(params.headers)
            finally:
                detach(token)

    async def ended(session: Any, context: Any, params: Any) -> None:
        with guard("aiohttp_trace_config"):
            context.span.set_attribute("http.response.status_code", params.response.status)
            if params.response.status >= 400:
                context.span.set_status("error")
            context.span.end()

    async def failed(session: Any, context: Any, params: Any) -> None:
        with guard("aiohttp_trace_config"):
            context.span.fail(params.exception)
            context.span.end()

    config = TraceConfig()
    config.on_request_start.append(started)
    config.on_request_end.append(ended)
    config.on_request_exception.append(failed)
    return config
