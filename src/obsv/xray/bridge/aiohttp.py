"""``aws_xray_sdk.ext.aiohttp``: the middleware of the server, and the trace configuration of the client."""

from __future__ import annotations

from typing import Any

from obsv.guard import guard

from . import segments, words
from .header import inject_trace_header
from .recorder import xray_recorder
from .request import Request, url_of

REMOTE_NAMESPACE, LOCAL_NAMESPACE = "remote", "local"


async def _middleware(request: Any, handler: Any) -> Any:
    """Make a request a segment."""
    made = _begin(request)
    if made is None:
        return await handler(request)
    try:
        response = await handler(request)
    except BaseException as error:
        if hasattr(error, "status") and hasattr(error, "headers"):  # an answer that is raised
            _answered(made, error)
        else:
            made.failed(error)
        raise
    else:
        _answered(made, response)
    finally:
        made.end()
    return response


@guard("middleware of aiohttp")
def _begin(request: Any) -> Request:
    headers = request.headers
    host = headers.get("host", "").partition(":")[0]
    url = url_of(lambda: request.url, request.path)
    made = Request(xray_recorder, headers, host, request.method, request.path)
    forwarded = headers.get("X-Forwarded-For")
    made.asked(url, request.method, headers.get("User-Agent"), forwarded, request.remote)
    return made


@guard("middleware of aiohttp")
def _answered(made: Request, response: Any) -> None:
    header = made.answered(response.status, response.headers.get("Content-Length"))
    if not getattr(response, "prepared", False):
        response.headers[words.XRAY_HEADER] = header


@guard("aws_xray_trace_config of aiohttp")
def _started(kept: Any, params: Any) -> None:
    made = xray_recorder.begin_subsegment(kept.name or words.get_hostname(str(params.url)), "remote")
    kept.subsegment = made
    made.put_http_meta(words.METHOD, params.method)
    made.put_http_meta(words.URL, words.strip_url(params.url.human_repr()))
    inject_trace_header(params.headers, made)


@guard("aws_xray_trace_config of aiohttp")
def _ended(kept: Any, params: Any) -> None:
    made = getattr(kept, "subsegment", None)
    if made is None:
        return
    error = getattr(params, "exception", None)
    if isinstance(error, Exception):
        made.add_exception(error, None)
        if isinstance(error, OSError):  # aiohttp's connection errors are; nobody was reached
            made.namespace = "local"
    elif error is None:
        made.put_http_meta(words.STATUS, params.response.status)
    segments.end(made)


def aws_xray_trace_config(name: str | None = None) -> Any:
    """Return an ``aiohttp.TraceConfig`` that makes each request of a client session a subsegment.

    Args:
        name: The name of the subsegments; the host's without one.
    """
    from types import SimpleNamespace

    import aiohttp

    async def started(session: Any, kept: Any, params: Any) -> None:
        _started(kept, params)

    async def ended(session: Any, kept: Any, params: Any) -> None:
        _ended(kept, params)

    def keep(trace_request_ctx: Any = None) -> SimpleNamespace:
        return SimpleNamespace(name=name, trace_request_ctx=trace_request_ctx)

    factory: Any = keep
    config = aiohttp.TraceConfig(trace_config_ctx_factory=factory)
    config.on_request_start.append(started)
    config.on_request_end.append(ended)
    config.on_request_exception.append(ended)
    return config


def __getattr__(name: str) -> Any:
    if name != "middleware":
        raise AttributeError(name)
    from aiohttp import web

    return web.middleware(_middleware)
