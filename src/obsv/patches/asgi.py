"""Starlette and FastAPI: a server span and a duration for each request, and a span for each WebSocket connection.

One span a request, also where applications are mounted in one another, and none for ``receive`` and ``send``. The
span ends when the last part of the body was sent. Background tasks run after that, inside the application's call:
what they do still belongs to the trace, below the request's span, but not to its duration, and attributes set on the
request's span then are lost. An answer of 500 is the exception: the framework raises what led to it right after
sending, so the span waits for it (its duration does not).
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from ._api import INTERNAL, Patch, attach, detach, extract, guard, listen, start_span
from ._asgi_routes import template
from ._http_server import Exchange, Excluded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ._api import Remote

WHERE = "patch asgi"

patch = Patch("asgi", requires="starlette >= 0.27", semconv="http/http-spans")
excluded = Excluded()
patch.setup(excluded.load)

MARK = "obsv"
"""Key in an ASGI scope that says: this request has its span. A mounted application finds it there or in a copy."""

_PARENTS: tuple[bytes, ...] = ()  # headers that name a parent
_WANTED: frozenset[bytes] = frozenset()  # headers that are read at all


@listen
def _read_too(names: tuple[str, ...]) -> None:
    """Look for the headers of other propagators too."""
    global _PARENTS, _WANTED
    others = [name.encode("latin-1", "replace") for name in names]
    _PARENTS = (b"traceparent", b"x-amzn-trace-id", b"baggage", *others)
    _WANTED = frozenset((*_PARENTS, b"tracestate", b"host", b"user-agent", b"x-forwarded-for"))


_GONE = frozenset(("ClientDisconnect", "WebSocketDisconnect"))  # Starlette's words for a client that went away


# A wrapper, not a description: the span ends before the call does, at the last body message.
@patch.wrap("starlette.applications:Starlette.__call__")
def application(wrapped: Any, app: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Awaitable[None]:
    """See one connection through. FastAPI's own ``__call__`` ends in this one."""
    call = _begin(app, *args, **kwargs)
    if call is None:
        passed: Awaitable[None] = wrapped(*args, **kwargs)
        return passed
    return call.run(wrapped)


# FastAPI makes server spans of its own as soon as OpenTelemetry has a tracer provider, and obsv sets one: every request
# would be there twice. Telemetry that goes to a provider of the program's own is the program's business and stays.
@patch.wrap("fastapi.telemetry._asgi:NativeTelemetry.enabled")
def native_telemetry(wrapped: Any, telemetry: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Switch FastAPI's own telemetry off where nobody but obsv would get it."""
    return False if _only_ours(telemetry) else wrapped(*args, **kwargs)


# Called where FastAPI's metrics or logs go to the program's own provider, and its spans to some provider too.
@patch.wrap("fastapi.telemetry._asgi:NativeTelemetry._get_tracer")
def native_tracer(wrapped: Any, telemetry: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Make FastAPI's own spans no-ops where obsv would get them."""
    tracer = wrapped(*args, **kwargs)
    return _silent(kwargs.get("provider")) or tracer


@guard(WHERE)
def _only_ours(telemetry: Any) -> bool:
    from opentelemetry import _logs, metrics, trace  # FastAPI has imported them

    config = telemetry.config
    for signal, given, in_force in (
        ("tracing", "tracer_provider", trace.get_tracer_provider),
        ("metrics", "meter_provider", metrics.get_meter_provider),
        ("logs", "logger_provider", _logs.get_logger_provider),
    ):
        if config[signal]:
            home = type(config[given] or in_force()).__module__
            # The API's own providers lead nowhere.
            if not home.startswith(("obsv.", "opentelemetry.")) or home.startswith("opentelemetry.sdk"):
                return False
    return True


@guard(WHERE)
def _silent(provider: Any) -> Any:
    from opentelemetry.trace import NoOpTracer

    return NoOpTracer() if type(provider).__module__.startswith("obsv.") else None


@guard(WHERE)
def _begin(app: Any, scope: Any, receive: Any, send: Any) -> Call | None:
    kind = scope["type"]
    if (kind != "http" and kind != "websocket") or MARK in scope:
        return None  # the server's lifespan, or an application mounted in another
    path = scope["path"]
    if excluded.patterns and excluded.matches(path):
        return None
    headers = scope["headers"]
    if type(headers) is not list:  # ASGI allows any iterable, and some can be read only once
        headers = scope["headers"] = list(headers)
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _WANTED:
            found[name] = found[name] + b"," + value if name in found else value
    parent = None
    for name in _PARENTS:
        if name in found:
            parent = _parent(found)
            break
    call = Call(app, scope, receive, send, kind)
    server, client = scope.get("server"), scope.get("client")
    version = scope.get("http_version")
    call.open(
        parent,
        path,
        scope["query_string"].decode("latin-1") if scope.get("query_string") else "",
        _text(found, b"host"),
        (server[0], server[1]) if server else None,
        client[0] if client else None,
        _text(found, b"x-forwarded-for"),
        version,
        _text(found, b"user-agent"),
    )
    scope[MARK] = True
    return call


def _parent(found: dict[bytes, bytes]) -> Remote | None:
    return extract(lambda name: _text(found, name.encode("latin-1")))


def _text(found: dict[bytes, bytes], name: bytes) -> str | None:
    value = found.get(name)
    return None if value is None else value.decode("latin-1")


class Call(Exchange):
    """One request or WebSocket connection on its way through an application.

    Attributes:
        status: What the application answered; 101 for a WebSocket that was accepted, 403 for one that was not.
        elapsed: Seconds until the last part of the body was sent, None before.
        done: True when the span has ended.
    """

    __slots__ = ("app", "done", "elapsed", "forward", "receive", "root", "scope", "status", "trailers")

    def __init__(self, app: Any, scope: Any, receive: Any, forward: Any, kind: str) -> None:
        method = None if kind == "websocket" else scope["method"]
        Exchange.__init__(self, patch.scope, method, scope.get("scheme") or ("http" if method else "ws"))
        self.app = app
        self.scope = scope
        self.root: str = scope.get("root_path", "")
        self.receive = receive
        self.forward: Callable[[Any], Awaitable[None]] = forward
        self.status: int | None = None
        self.elapsed: float | None = None
        self.done = False
        self.trailers = False

    async def run(self, wrapped: Any) -> None:
        """Call the application inside the span; its exceptions pass untouched."""
        token = attach(self.span) if self.span.id64 else None
        try:
            await wrapped(self.scope, self.receive, self.send)
        except BaseException as error:
            self.left(error)
            raise
        else:
            self.left(None)
        finally:
            if token is not None:
                detach(token)

    def send(self, message: Any) -> Awaitable[None]:
        """Stand for the server's ``send``; hands out the server's own awaitable but for the last message."""
        try:
            if self._is_last(message):
                return self._send_last(message)
        except Exception:  # an odd message is the server's to judge
            with guard(WHERE):
                raise
        return self.forward(message)

    def _is_last(self, message: Any) -> bool:
        kind = message["type"]
        if kind == "http.response.start":
            self.status = message["status"]
            self.trailers = message.get("trailers", False)
        elif kind == "http.response.body" or kind == "http.response.zerocopysend":
            return not message.get("more_body", False) and not self.trailers
        elif kind == "http.response.trailers":
            return not message.get("more_trailers", False)
        elif kind == "http.response.pathsend":
            return True
        elif kind == "websocket.accept":
            self.status = 101
        elif kind == "websocket.http.response.start":
            self.status = message["status"]
        elif kind == "websocket.close" and self.status is None:
            self.status = 403  # ASGI specification, "Close": refused before it was accepted
        return False

    async def _send_last(self, message: Any) -> None:
        await self.forward(message)
        self.sent()

    @guard(WHERE)
    def sent(self) -> None:
        """The last part of the body is out: the request is over, whatever the application still does."""
        if self.done or self.elapsed is not None:
            return
        self.elapsed = perf_counter() - self.begun
        if self.status is None or self.status < 500:
            self.done = True
            self.finish(self.status, self.route(), None, self.elapsed)

    @guard(WHERE)
    def left(self, error: BaseException | None) -> None:
        """The application has returned or raised."""
        self.scope.pop(MARK, None)
        if self.done:
            if isinstance(error, Exception) and type(error).__name__ not in _GONE:
                self._afterwards(error)
            return
        self.done = True
        if type(error).__name__ in _GONE:
            self.span.event("client disconnected")
            error = None
        elif error is None and self.elapsed is None and self.method is not None:
            self.span.event("response not completed")  # nearly always because the client went away
        elif isinstance(error, Exception) and self.status is None:
            self.status = 500 if self.method is not None else None  # what every server answers then
        self.finish(self.status, self.route(), error, self.elapsed)

    def _afterwards(self, error: Exception) -> None:
        """An exception after the answer, a background task's: it gets a span of its own, the request's has ended."""
        span = start_span(patch.scope, "background task", INTERNAL, self.span)
        span.fail(error)
        span.end()

    def route(self) -> str | None:
        """Return the template of the path."""
        return template(self.app, self.scope, self.root, self.status)
