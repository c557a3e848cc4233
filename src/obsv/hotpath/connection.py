# cython: binding=False
"""Reads what ASGI says of a request or WebSocket connection, and sees it through an application.

The span ends when the last part of the body was sent, or when the application is left, whichever comes first. What is
awaited here is awaited in the patch: a coroutine made by compiled code is not what ``inspect`` expects.
"""

from __future__ import annotations

from . import faults
from .exchange import Exchange
from .headers import correlation, extract, listen
from .span import INTERNAL, Scope, start_span

if 0:  # seen by the compiler only
    import cython
else:
    from . import shim as cython

if cython.compiled:
    from cython.cimports.obsv.hotpath.exchange import address
    from cython.cimports.obsv.hotpath.span import attach, detach
else:
    from .exchange import address
    from .span import attach, detach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from .span import Remote

WHERE = "patch asgi"

MARK = "obsv"
"""Key in an ASGI scope that says: this request has its span. A mounted application finds it there or in a copy."""

_GONE = frozenset(("ClientDisconnect", "WebSocketDisconnect"))  # Starlette's words for a client that went away

_parents: tuple[bytes, ...] = ()  # headers that name a parent
_wanted: frozenset[bytes] = frozenset()  # headers that are read at all
_lengths = cython.declare(cython.ulonglong, 0)  # how long the names of those are, a bit each
_correlating: tuple[bytes, ...] = ()  # headers that name the request


def _read_too(names: tuple[str, ...]) -> None:
    """Look for the headers of other propagators too."""
    global _correlating, _lengths, _parents, _wanted
    others = [name.encode("latin-1", "replace") for name in names]
    _parents = (b"traceparent", b"x-amzn-trace-id", b"baggage", *others)
    _correlating = tuple([name.encode("latin-1", "replace") for name in correlation.headers])
    _wanted = frozenset((*_parents, *_correlating, b"tracestate", b"host", b"user-agent", b"x-forwarded-for"))
    lengths = 0
    for name in _wanted:
        lengths |= 1 << min(len(name), 63)
    _lengths = lengths


listen(_read_too)


class Door:
    """Where the connections of a framework's applications come in.

    Args:
        scope: The instrumentation scope of their spans.
        excluded: Tells by its ``matches(path)`` which are let through unseen, if it has ``patterns``.
        deliver: A coroutine function: awaits ``call.forward(message)``, then calls ``call.sent()``.
        template: Finds the template of a path where the scope does not say it: called with the application, the
            scope, the ``root_path`` from before routing and the status.
    """

    __slots__ = ("deliver", "excluded", "scope", "template")

    def __init__(
        self,
        scope: Scope,
        excluded: Any,
        deliver: Callable[[Call, Any], Awaitable[None]],
        template: Callable[[Any, Any, str, int | None], str | None],
    ) -> None:
        self.scope = scope
        self.excluded = excluded
        self.deliver = deliver
        self.template = template

    def enter(self, app: Any, scope: Any, send: Any) -> Call | None:
        """Begin the span of a connection and make it current; None where it gets none. Never raises."""
        try:
            return self._enter(app, scope, send)
        except Exception as error:  # noqa: BLE001 - ours, or a scope that is none: the application's to judge
            faults.report(WHERE, error)
            return None

    def _enter(self, app: Any, scope: Any, send: Any) -> Call | None:
        known = scope if type(scope) is dict else dict(scope)
        kind = known["type"]
        if (kind != "http" and kind != "websocket") or MARK in known:
            return None  # the server's lifespan, or an application mounted in another
        path = known["path"]
        if self.excluded.patterns and self.excluded.matches(path):
            return None
        headers = known["headers"]
        if type(headers) is not list:  # ASGI allows any iterable, and some can be read only once
            headers = scope["headers"] = list(headers)
        found = _read(headers)
        method = known["method"] if kind == "http" else None
        call: Call = Call.__new__(Call)
        call._set_up(self.scope, method, known.get("scheme") or ("http" if method else "ws"))
        call._hold(self, app, scope, known.get("root_path", ""), send)
        client, query = known.get("client"), known.get("query_string")
        call.open(
            _parent(found),
            path,
            _text(query) or "",
            _server(known, _text(found.get(b"host")), call.scheme),
            client[0] if client else None,
            _text(found.get(b"x-forwarded-for")),
            known.get("http_version"),
            _text(found.get(b"user-agent")),
        )
        scope[MARK] = True
        for name in _correlating:
            if name in found:
                call.mark = correlation.begin(_text(found[name]))
                break
        if call.span.id64:
            call.token = attach(call.span)
        return call


def _server(known: dict[str, Any], host: str | None, scheme: str) -> tuple[str, int | None] | None:
    """Return where a request was sent: what its ``Host`` header says, or where it arrived."""
    if host:
        told: tuple[str, int | None] | None = address(host, scheme)
        if told is not None:
            return told
    server = known.get("server")
    return (server[0], server[1]) if server else None


def _read(headers: list[Any]) -> dict[bytes, bytes]:
    """Return the headers that say something to us, in one pass."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        length = len(name)
        # Their lengths leave most of the others out before anything is hashed.
        if (_lengths >> (length if length < 63 else 63)) & 1 and name in _wanted:
            found[name] = found[name] + b"," + value if name in found else value
    return found


def _parent(found: dict[bytes, bytes]) -> Remote | None:
    for name in _parents:
        if name in found:
            return extract(lambda name: _text(found.get(name.encode("latin-1"))))
    return None


def _text(value: bytes | None) -> str | None:
    if type(value) is bytes:
        data: bytes = value
        return data.decode("latin-1")
    return None if value is None else value.decode("latin-1")


class Call(Exchange):
    """One request or WebSocket connection on its way through an application.

    Attributes:
        forward: The server's ``send``.
        root: The scope's ``root_path`` before routing.
        status: What the application answered; 101 for a WebSocket that was accepted, 403 for one that was not.
        elapsed: Seconds until the last part of the body was sent, where the span still waits then.
        done: True when the span has ended.
    """

    __slots__ = ("app", "done", "door", "elapsed", "forward", "mark", "root", "scope", "status", "token", "trailers")

    def _hold(self, door: Door, app: Any, scope: Any, root: str, forward: Any) -> None:
        self.door = door
        self.app = app
        self.scope = scope
        self.root = root
        self.forward: Callable[[Any], Awaitable[None]] = forward
        self.status: int | None = None
        self.elapsed: float | None = None
        self.token: Any = None
        self.mark: Any = None
        self.done = False
        self.trailers = False

    def send(self, message: Any) -> Awaitable[None]:
        """Stand for the server's ``send``; hands out the server's own awaitable but for the last message."""
        try:
            kind = message["type"]
            if kind == "http.response.start":
                self.status = message["status"]
                self.trailers = message.get("trailers", False)
                if self.answer is not None:
                    message = self._answering(message)
            elif self._is_last(kind, message):
                return self.door.deliver(self, message)
        except Exception as error:  # noqa: BLE001 - an odd message is the server's to judge
            faults.report(WHERE, error)
        return self.forward(message)

    def _answering(self, message: Any) -> Any:
        """Return a response's start with the X-Ray header in it; the application may use its own message again."""
        headers = list(message.get("headers") or ())
        for pair in headers:
            if pair[0].lower() == b"x-amzn-trace-id":
                break
        else:
            headers.append((b"x-amzn-trace-id", self.answer.encode("ascii")))  # type: ignore[union-attr]
        self.answer = None
        return {**message, "headers": headers}

    def _is_last(self, kind: str, message: Any) -> bool:
        if kind == "http.response.body" or kind == "http.response.zerocopysend":
            return not message.get("more_body", False) and not self.trailers
        if kind == "http.response.trailers":
            return not message.get("more_trailers", False)
        if kind == "http.response.pathsend":
            return True
        if kind == "websocket.accept":
            self.status = 101
        elif kind == "websocket.http.response.start":
            self.status = message["status"]
        elif kind == "websocket.close" and self.status is None:
            self.status = 403  # ASGI specification, "Close": refused before it was accepted
        return False

    def sent(self) -> None:
        """The last part of the body is out: the request is over, whatever the application still does. Never raises."""
        if self.done or self.elapsed is not None:
            return
        try:
            if self.status is None or self.status < 500:
                self.done = True
                self.finish(self.status, self.route(), None, None)
            else:
                self.elapsed = self.seconds()
        except Exception as error:  # noqa: BLE001 - a bug of ours
            faults.report(WHERE, error)

    def left(self, error: BaseException | None) -> None:
        """The application has returned or raised: what was current before it is so again. Never raises."""
        try:
            if type(self.scope) is dict:
                known: dict[str, Any] = self.scope
                known.pop(MARK, None)
            else:
                self.scope.pop(MARK, None)
            if not self.done or error is not None:
                self._left(error)
        except Exception as problem:  # noqa: BLE001 - a bug of ours
            faults.report(WHERE, problem)
        finally:
            token, self.token = self.token, None
            if token is not None:
                detach(token)
            if self.mark is not None:
                correlation.end(self.mark)
                self.mark = None

    def _left(self, error: BaseException | None) -> None:
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
        span = start_span(self.door.scope, "background task", INTERNAL, self.span)
        span.fail(error)
        span.end()

    def route(self) -> str | None:
        """Return the template of the path."""
        scope = self.scope
        if type(scope) is dict:
            found = said(scope, self.root)
            if found is not None:
                return found
        return self.door.template(self.app, scope, self.root, self.status)


def said(scope: dict[str, Any], root: str) -> str | None:
    """Return the template that routing left in a scope, with the application's root before it; None when it does not
    say."""
    endpoint = scope.get("endpoint")
    if endpoint is None or scope.get("root_path", "") != root:
        return None
    route = scope.get("route")
    if route is None or getattr(route, "endpoint", None) is not endpoint:
        return None
    state = scope.get("fastapi")
    if type(state) is dict:  # it keeps the path of a router's route without its prefix, and the whole beside it
        more: dict[str, Any] = state
        context = more.get("effective_route_context")
        if context is not None and context.original_route is route:
            route = context
    path: str = route.path
    return root.rstrip("/") + path if root else path
