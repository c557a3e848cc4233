"""Starlette and FastAPI: a server span and a duration for each request, and a span for each WebSocket connection.

One span a request, also where applications are mounted in one another, and none for ``receive`` and ``send``. The
span ends when the last part of the body was sent. Background tasks run after that, inside the application's call:
what they do still belongs to the trace, below the request's span, but not to its duration, and attributes set on the
request's span then are lost. An answer of 500 is the exception: the framework raises what led to it right after
sending, so the span waits for it (its duration does not).
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from ..hotpath.connection import WHERE, Call, Door
from ._api import Patch, guard
from ._asgi_routes import template
from ._http_server import Excluded
from ._patch import ASGI, takes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ._api import Switch

patch = Patch("asgi", requires="starlette >= 0.27", semconv="http/http-spans")
excluded = Excluded()
patch.setup(excluded.load)


async def _deliver(call: Call, message: Any) -> None:
    """Send the last message of a response."""
    await call.forward(message)
    call.sent()


def _template(app: Any, scope: Any, root: str, status: int | None) -> str | None:
    return template(app, scope, root, status)


_door = Door(patch.scope, excluded, _deliver, _template)
_enter = _door.enter


def _application(function: Callable[..., Any], switch: Switch) -> Callable[..., Any] | None:
    if not takes(function, ASGI, coroutine=True):
        return None

    @wraps(function)
    async def calling(self: Any, scope: Any, receive: Any, send: Any) -> Any:
        call = _enter(self, scope, send) if switch.active else None
        if call is None:
            return await function(self, scope, receive, send)
        try:
            answer = await function(self, scope, receive, call.send)
        except BaseException as error:
            call.left(error)
            raise
        call.left(None)
        return answer

    return calling


# A wrapper, not a description: the span ends before the call does, at the last body message.
@patch.wrap("starlette.applications:Starlette.__call__", tailor=_application)
def application(wrapped: Any, app: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Awaitable[Any]:
    """See one connection through where other agents have wrapped Starlette before. FastAPI's own ``__call__`` ends in
    this one."""
    return _through(wrapped, app, *args, **kwargs)


async def _through(wrapped: Any, app: Any, scope: Any, receive: Any, send: Any) -> Any:
    call = _enter(app, scope, send)
    if call is None:
        return await wrapped(scope, receive, send)
    try:
        answer = await wrapped(scope, receive, call.send)
    except BaseException as error:
        call.left(error)
        raise
    call.left(None)
    return answer


# FastAPI makes server spans of its own as soon as OpenTelemetry has a tracer provider, and obsv sets one: every request
# would be there twice. Telemetry that goes to a provider of the program's own is the program's business and stays.
def _enabled(function: Callable[..., Any], switch: Switch) -> Callable[..., Any] | None:
    if not takes(function, ("self",)):
        return None

    @wraps(function)
    def calling(self: Any) -> Any:
        try:
            if switch.active and _only_ours(self):
                return False
        except Exception:
            with guard(WHERE):
                raise
        return function(self)

    return calling


@patch.wrap("fastapi.telemetry._asgi:NativeTelemetry.enabled", tailor=_enabled)
def native_telemetry(wrapped: Any, telemetry: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Switch FastAPI's own telemetry off where nobody but obsv would get it."""
    ours = False
    try:
        ours = _only_ours(telemetry)
    except Exception:
        with guard(WHERE):
            raise
    return False if ours else wrapped(*args, **kwargs)


# Called where FastAPI's metrics or logs go to the program's own provider, and its spans to some provider too.
@patch.wrap("fastapi.telemetry._asgi:NativeTelemetry._get_tracer")
def native_tracer(wrapped: Any, telemetry: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Make FastAPI's own spans no-ops where obsv would get them."""
    tracer = wrapped(*args, **kwargs)
    return _silent(kwargs.get("provider")) or tracer


_api: Any = None  # OpenTelemetry's modules, once FastAPI has asked for them
_leads_away: dict[type, bool] = {}  # by a provider's class: whether telemetry goes to somebody else than obsv
_MAX_PROVIDERS = 64


def _only_ours(telemetry: Any) -> bool:
    """Asked for each request, so it looks at the classes of the providers only."""
    global _api
    if _api is None:
        from opentelemetry import _logs, metrics, trace  # FastAPI has imported them

        _api = trace, metrics, _logs
    trace, metrics, logs = _api
    config = telemetry.config
    return not (
        (config["tracing"] and _away(type(config["tracer_provider"] or trace.get_tracer_provider())))
        or (config["metrics"] and _away(type(config["meter_provider"] or metrics.get_meter_provider())))
        or (config["logs"] and _away(type(config["logger_provider"] or logs.get_logger_provider())))
    )


def _away(provider: type) -> bool:
    known = _leads_away.get(provider)
    if known is None:
        home = provider.__module__
        # The API's own providers lead nowhere.
        known = not home.startswith(("obsv.", "opentelemetry.")) or home.startswith("opentelemetry.sdk")
        if len(_leads_away) < _MAX_PROVIDERS:
            _leads_away[provider] = known
    return known


@guard(WHERE)
def _silent(provider: Any) -> Any:
    from opentelemetry.trace import NoOpTracer

    return NoOpTracer() if type(provider).__module__.startswith("obsv.") else None
