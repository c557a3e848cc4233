# cython: binding=False
"""Reads what WSGI (PEP 3333) says of a request, and sees it through an application of Werkzeug's kind.

The span ends when the application returns, or, where the body is streamed, when the body has.
"""

from __future__ import annotations

from . import faults
from .exchange import Exchange
from .headers import XRAY, correlation, extract, listen
from .http_words import METHODS
from .span import SERVER, Scope, Span

if 0:  # seen by the compiler only
    import cython
else:
    from . import shim as cython

if cython.compiled:
    from cython.cimports.obsv.hotpath._native import context_get
    from cython.cimports.obsv.hotpath.exchange import address
    from cython.cimports.obsv.hotpath.span import attach, current, detach
else:
    from ._native_py import context_get
    from .exchange import address
    from .span import attach, current, detach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .span import Remote

WHERE = "patch flask"

KEY = "obsv.call"
"""Key of the WSGI environment under which the running :class:`Call` stands for who sees the response."""

_PARENTS = {
    "traceparent": "HTTP_TRACEPARENT",
    "x-amzn-trace-id": "HTTP_X_AMZN_TRACE_ID",
    "baggage": "HTTP_BAGGAGE",
    "tracestate": "HTTP_TRACESTATE",
}
_more: tuple[str, ...] = ()  # keys of the headers of other propagators
_correlating: tuple[str, ...] = ()  # keys of the headers that name the request


def _read_too(names: tuple[str, ...]) -> None:
    """Look for the headers of other propagators too."""
    global _correlating, _more
    keys = {name: f"HTTP_{name.upper().replace('-', '_')}" for name in (*names, *correlation.headers)}
    _correlating = tuple([keys.pop(name) for name in correlation.headers])
    _PARENTS.update(keys)
    _more = tuple(keys.values())


listen(_read_too)

_versions = {"HTTP/1.1": "1.1", "HTTP/1.0": "1.0"}  # what is seen of them, a few


class Door:
    """Where the requests of a framework's applications come in.

    Args:
        scope: The instrumentation scope of their spans.
        excluded: Tells by its ``matches(path)`` which are let through unseen, if it has ``patterns``.
        version: Makes ``1.1`` of ``HTTP/1.1``.
        running: Returns the running request.
        streams: Called with a response and what the view returned: tells whether the body is made while it is sent.
        streaming: Called with a call and its streamed body: returns what ends the call when the body ends.

    Attributes:
        variable: The context variable that holds the context of the running request, where the framework has one:
            asked before ``running``.
    """

    __slots__ = ("excluded", "running", "scope", "streaming", "streams", "variable", "version")

    def __init__(
        self,
        scope: Scope,
        excluded: Any,
        version: Callable[[str | None], str | None],
        running: Callable[[], Any],
        streams: Callable[[Any, Any], bool],
        streaming: Callable[[Call, Any], Any],
    ) -> None:
        self.scope = scope
        self.excluded = excluded
        self.version = version
        self.running = running
        self.streams = streams
        self.streaming = streaming
        self.variable: Any = None

    def enter(self, environ: Any) -> Call | None:
        """Begin the span of a request and make it current; None where it gets none. Never raises."""
        try:
            return self._enter(environ, environ if type(environ) is dict else dict(environ))
        except Exception as error:  # noqa: BLE001 - ours, or an environment that is none: the application's to judge
            faults.report(WHERE, error)
            return None

    def see(self, response: Any, returned: Any) -> None:
        """Look at a response and at the rule that routing chose, while the request is running. Never raises."""
        try:
            request = self.request()
            call: Call | None = request.environ.get(KEY)
            if call is not None:
                call._see(response, request)
                call.streamed = type(response.response) is not list and self.streams(response, returned)
                if call.answer is not None:
                    response.headers.setdefault(XRAY, call.answer)
        except Exception as error:  # noqa: BLE001 - a bug of ours
            faults.report(WHERE, error)

    def fail(self, error: Exception) -> None:
        """Remember what made the answer of the running request a 500. Never raises."""
        try:
            call: Call | None = self.request().environ.get(KEY)
            if call is not None:
                call.error = error
        except Exception as problem:  # noqa: BLE001 - a bug of ours
            faults.report(WHERE, problem)

    def request(self) -> Any:
        """Return the running request."""
        context = None
        if self.variable is not None:
            context = context_get(self.variable) if cython.compiled else self.variable.get(None)
        return self.running() if context is None else context.request

    def _enter(self, given: Any, environ: dict[str, Any]) -> Call | None:
        state = current()
        if type(state) is Span:
            above: Span = state
            if above.kind_value == SERVER and not above.ended:
                return None
        root, path = environ.get("SCRIPT_NAME"), environ.get("PATH_INFO") or ""
        path = decoded(root + path if root else path)
        if self.excluded.patterns and self.excluded.matches(path):
            return None
        method = environ["REQUEST_METHOD"]
        if method not in METHODS and method.upper() in METHODS:
            method = method.upper()  # Werkzeug does not tell them apart either
        call: Call = Call.__new__(Call)
        call._set_up(self.scope, method, environ["wsgi.url_scheme"])
        call._hold(self)
        protocol = environ.get("SERVER_PROTOCOL")
        versions = _versions
        call.open(
            _parent(environ),
            path,
            environ.get("QUERY_STRING", ""),
            _server(environ, environ.get("HTTP_HOST"), call.scheme),
            environ.get("REMOTE_ADDR"),
            environ.get("HTTP_X_FORWARDED_FOR"),
            versions.get(protocol) or self.version(protocol),  # type: ignore[arg-type]
            environ.get("HTTP_USER_AGENT"),
        )
        given[KEY] = call
        for key in _correlating:
            if key in environ:
                call.named = environ[key]
                call.mark = correlation.begin(call.named)
                break
        if call.span.id64:
            call.token = attach(call.span)
        return call


def _server(environ: dict[str, Any], host: str | None, scheme: str) -> tuple[str, int | None]:
    """Return where a request was sent: what its ``Host`` header says, or where it arrived."""
    if host:
        said: tuple[str, int | None] | None = address(host, scheme)
        if said is not None:
            return said
    port = str(environ.get("SERVER_PORT", ""))  # PEP 3333 says a text; some gateways give a number
    return environ.get("SERVER_NAME", ""), int(port) if port.isdecimal() else None


def _parent(environ: dict[str, Any]) -> Remote | None:
    if "HTTP_TRACEPARENT" not in environ and "HTTP_X_AMZN_TRACE_ID" not in environ and "HTTP_BAGGAGE" not in environ:
        for key in _more:
            if key in environ:
                break
        else:
            return None
    return _extracted(environ)


def _extracted(environ: dict[str, Any]) -> Remote | None:
    return extract(lambda name: environ.get(_PARENTS.get(name)))  # type: ignore[arg-type]


def decoded(path: str) -> str:
    """Undo PEP 3333's habit of carrying bytes as Latin-1 text."""
    return path if path.isascii() else path.encode("latin-1", "replace").decode("utf-8", "replace")


class Call(Exchange):
    """One request on its way through an application.

    Attributes:
        status: What was answered.
        route: The rule that matched, below the application's root.
        error: The exception behind a 500.
        streamed: True when the body is produced while the server sends it.
        done: True when the span has ended.
        named: What a header names the request, for its log records.
    """

    __slots__ = ("done", "door", "error", "mark", "named", "route", "status", "streamed", "token")

    def _hold(self, door: Door) -> None:
        self.door = door
        self.status: int | None = None
        self.route: str | None = None
        self.error: BaseException | None = None
        self.token: Any = None
        self.mark: Any = None
        self.named: str | None = None
        self.streamed = False
        self.done = False

    def _see(self, response: Any, request: Any) -> None:
        self.status = response.status_code
        rule = request.url_rule
        if rule is not None:
            root = request.environ.get("SCRIPT_NAME", "")
            self.route = decoded(root) + rule.rule if root else rule.rule

    def returned(self, body: Any) -> Any:
        """The application has returned its body: give back what the server is to be given. Never raises."""
        self._detach()
        try:
            if self.streamed and hasattr(body, "close"):
                return self.door.streaming(self, body)
        except Exception as error:  # noqa: BLE001 - a bug of ours
            faults.report(WHERE, error)
            return body
        self._end(None, None)
        return body

    def raised(self, error: BaseException) -> None:
        """The application has raised. Never raises itself."""
        self._end(error, None)
        self._detach()

    def left(self, error: BaseException | None, elapsed: float | None = None) -> None:
        """The streamed body has ended or raised: after so many seconds, or now. Never raises."""
        self._end(error, elapsed)

    def _end(self, error: BaseException | None, elapsed: float | None) -> None:
        if self.done:
            return
        self.done = True
        try:
            if error is None:
                error = self.error
            self.error = None
            if self.status is None and isinstance(error, Exception):
                self.status = 500  # what every server answers then
            self.finish(self.status, self.route, error, elapsed)
        except Exception as problem:  # noqa: BLE001 - a bug of ours
            faults.report(WHERE, problem)

    def _detach(self) -> None:
        token, self.token = self.token, None
        if token is not None:
            detach(token)
        if self.mark is not None:
            correlation.end(self.mark)
            self.mark = None
