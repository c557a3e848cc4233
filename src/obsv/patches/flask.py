"""Flask: a server span and a duration for each request.

The span ends when the application returns, or, where the body is streamed, when the last part was taken or the server
closed the body. It is current while the view runs and while a streamed body is produced. A file that the server
itself sends (``send_file`` with ``wsgi.file_wrapper``) is handed over untouched, and its sending is not part of the
span.

A Flask application that runs inside another server's span (mounted in FastAPI) makes none: that span is the
request's.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from ._api import SERVER, Patch, Span, attach, current, detach, extract, guard, listen
from ._http import METHODS
from ._http_server import Exchange, Excluded, version_number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._api import Remote

WHERE = "patch flask"

patch = Patch("flask", requires="flask >= 2.2", semconv="http/http-spans")
excluded = Excluded()
_request: Any = None
_http_exception: Any = None


@patch.setup
def prepare() -> None:
    """Read the settings, and fetch Flask's way to the running request (Flask is there when this is called)."""
    global _http_exception, _request
    from flask.globals import request
    from werkzeug.exceptions import HTTPException

    _http_exception, _request = HTTPException, request
    excluded.load()


KEY = "obsv.call"
"""Key of the WSGI environment under which the running :class:`Call` stands for the two hooks below."""

_PARENTS = {
    "traceparent": "HTTP_TRACEPARENT",
    "x-amzn-trace-id": "HTTP_X_AMZN_TRACE_ID",
    "baggage": "HTTP_BAGGAGE",
    "tracestate": "HTTP_TRACESTATE",
}
_MORE: tuple[str, ...] = ()  # keys of the headers of other propagators


@listen
def _read_too(names: tuple[str, ...]) -> None:
    """Look for the headers of other propagators too."""
    global _MORE
    keys = {name: f"HTTP_{name.upper().replace('-', '_')}" for name in names}
    _PARENTS.update(keys)
    _MORE = tuple(keys.values())


# A wrapper, not a description: the span of a streamed body outlives the call.
@patch.wrap("flask.app:Flask.wsgi_app")
def application(wrapped: Any, app: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """See one request through."""
    call = _begin(*args, **kwargs)
    if call is None:
        return wrapped(*args, **kwargs)
    token = attach(call.span) if call.span.id64 else None
    try:
        body = wrapped(*args, **kwargs)
    except BaseException as error:
        call.left(error)
        raise
    finally:
        if token is not None:
            detach(token)
    return _returned(call, body) or body


# A wrapper, not a description: there is no span to make, only something to see. Every answer comes through here, also
# those of error handlers, with the request's context still there.
@patch.wrap("flask.app:Flask.finalize_request")
def finalize(wrapped: Any, app: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Look at the finished response and at the rule that routing chose."""
    response = wrapped(*args, **kwargs)
    _see(response, args)
    return response


# Likewise. Called once with an exception that no handler of the application took.
@patch.wrap("flask.app:Flask.handle_exception")
def unhandled(wrapped: Any, app: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Remember what made the answer a 500."""
    _failed(*args, **kwargs)
    return wrapped(*args, **kwargs)


@guard(WHERE)
def _begin(environ: Any, start_response: Any) -> Call | None:
    state = current()
    if type(state) is Span and state.kind_value == SERVER and not state.ended:
        return None
    path = _decoded(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""))
    if excluded.patterns and excluded.matches(path):
        return None
    method = environ["REQUEST_METHOD"]
    if method not in METHODS and method.upper() in METHODS:
        method = method.upper()  # Werkzeug does not tell them apart either
    call = Call(method, environ["wsgi.url_scheme"])
    port = str(environ.get("SERVER_PORT", ""))  # PEP 3333 says a text; some gateways give a number
    call.open(
        _parent(environ),
        path,
        environ.get("QUERY_STRING", ""),
        environ.get("HTTP_HOST"),
        (environ.get("SERVER_NAME", ""), int(port) if port.isdecimal() else None),
        environ.get("REMOTE_ADDR"),
        environ.get("HTTP_X_FORWARDED_FOR"),
        version_number(environ.get("SERVER_PROTOCOL")),
        environ.get("HTTP_USER_AGENT"),
    )
    environ[KEY] = call
    return call


def _parent(environ: Any) -> Remote | None:
    if "HTTP_TRACEPARENT" not in environ and "HTTP_X_AMZN_TRACE_ID" not in environ and "HTTP_BAGGAGE" not in environ:
        for key in _MORE:
            if key in environ:
                break
        else:
            return None
    return extract(lambda name: environ.get(_PARENTS.get(name)))


def _decoded(path: str) -> str:
    """Undo PEP 3333's habit of carrying bytes as Latin-1 text."""
    return path if path.isascii() else path.encode("latin-1", "replace").decode("utf-8", "replace")


def _running() -> tuple[Any, Call | None]:
    found = _request._get_current_object()  # the proxy looks it up again for each attribute
    return found, found.environ.get(KEY)


@guard(WHERE)
def _see(response: Any, args: tuple[Any, ...]) -> None:
    request, call = _running()
    if call is not None:
        call.status = response.status_code
        rule = request.url_rule
        if rule is not None:
            call.route = _decoded(request.environ.get("SCRIPT_NAME", "")) + rule.rule
        # An HTTPException's page is at hand too; Werkzeug packs it so that it looks like a stream.
        page = isinstance(args[0] if args else None, _http_exception)
        call.streamed = response.is_streamed and not response.direct_passthrough and not page


@guard(WHERE)
def _failed(error: Exception) -> None:
    _, call = _running()
    if call is not None:
        call.error = error


@guard(WHERE)
def _returned(call: Call, body: Any) -> Any:
    """Return what is to be given to the server instead of ``body``, None for the body itself."""
    if call.streamed and hasattr(body, "close"):
        return Body(call, body)
    call.left(None)
    return None


class Call(Exchange):
    """One request on its way through an application.

    Attributes:
        status: What was answered.
        route: The rule that matched, below the application's root.
        error: The exception behind a 500.
        streamed: True when the body is produced while the server sends it.
        done: True when the span has ended.
    """

    __slots__ = ("done", "error", "route", "status", "streamed")

    def __init__(self, method: str, scheme: str) -> None:
        Exchange.__init__(self, patch.scope, method, scheme)
        self.status: int | None = None
        self.route: str | None = None
        self.error: BaseException | None = None
        self.streamed = False
        self.done = False

    @guard(WHERE)
    def left(self, error: BaseException | None, elapsed: float | None = None) -> None:
        """The application, or its streamed body, has ended or raised: after so many seconds, or now."""
        if self.done:
            return
        self.done = True
        error, self.error = error or self.error, None
        if self.status is None and isinstance(error, Exception):
            self.status = 500  # what every server answers then
        self.finish(self.status, self.route, error, elapsed)


class Body:
    """A streamed body, inside the span: each part is produced with the span current, as the view was run."""

    __slots__ = ("_body", "_call", "_elapsed", "_next")

    def __init__(self, call: Call, body: Any) -> None:
        self._call = call
        self._body = body
        self._elapsed = perf_counter() - call.begun
        self._next = iter(body).__next__

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        token = attach(self._call.span) if self._call.span.id64 else None
        try:
            part: bytes = self._next()
        except StopIteration:
            self._call.left(None)
            raise
        except BaseException as error:
            self._call.left(error)
            raise
        finally:
            if token is not None:
                detach(token)
        return part

    def close(self) -> None:
        """End the request; the server calls this when it has sent the body, or when the client went away."""
        token = attach(self._call.span) if self._call.span.id64 else None
        try:
            self._body.close()
        except BaseException as error:
            self._call.left(error)
            raise
        finally:
            if token is not None:
                detach(token)
            self._call.left(None)

    def __del__(self) -> None:
        # Never read nor closed, by a test that looks at the status only or by a careless server: it ended unnoticed.
        self._call.left(None, self._elapsed)
