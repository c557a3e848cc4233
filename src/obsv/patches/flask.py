"""Flask: a server span and a duration for each request.

The span ends when the application returns, or, where the body is streamed, when the last part was taken or the server
closed the body. It is current while the view runs and while a streamed body is produced. A file that the server
itself sends (``send_file`` with ``wsgi.file_wrapper``) is handed over untouched, and its sending is not part of the
span.

A Flask application that runs inside another server's span (mounted in FastAPI) makes none: that span is the
request's.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from ..hotpath.gateway import Call, Door
from ..hotpath.headers import correlation
from ._api import Patch, attach, detach
from ._http_server import Excluded, version_number
from ._patch import takes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._api import Switch

patch = Patch("flask", requires="flask >= 2.2", semconv="http/http-spans")
excluded = Excluded()
_request: Any = None
_http_exception: Any = None


@patch.setup
def prepare() -> None:
    """Read the settings, and fetch Flask's way to the running request (Flask is there when this is called)."""
    global _http_exception, _request
    from flask import globals as here
    from werkzeug.exceptions import HTTPException

    _http_exception, _request = HTTPException, here.request
    # The variable behind the proxy, where there is one: asking the proxy takes several calls.
    _door.variable = getattr(here, "_cv_request", None)
    excluded.load()


def _running() -> Any:
    return _request._get_current_object()


def _streams(response: Any, returned: Any) -> bool:
    """Tell whether the server pulls the body out of the view's code."""
    if not response.is_streamed or response.direct_passthrough:
        return False
    # An HTTPException's page is at hand too; Werkzeug packs it so that it looks like a stream.
    return not isinstance(returned, _http_exception)


def _streaming(call: Call, body: Any) -> Any:
    return Body(call, body)


_door = Door(patch.scope, excluded, version_number, _running, _streams, _streaming)
_enter, _see = _door.enter, _door.see


def _application(function: Callable[..., Any], switch: Switch) -> Callable[..., Any] | None:
    if not takes(function, ("self", "environ", "start_response")):
        return None

    @wraps(function)
    def calling(self: Any, environ: Any, start_response: Any) -> Any:
        call = _enter(environ) if switch.active else None
        if call is None:
            return function(self, environ, start_response)
        try:
            body = function(self, environ, start_response)
        except BaseException as error:
            call.raised(error)
            raise
        return call.returned(body)

    return calling


# A wrapper, not a description: the span of a streamed body outlives the call.
@patch.wrap("flask.app:Flask.wsgi_app", tailor=_application)
def application(wrapped: Any, app: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """See one request through where other agents have wrapped Flask before."""
    return _through(wrapped, *args, **kwargs)


def _through(wrapped: Any, environ: Any, start_response: Any) -> Any:
    call = _enter(environ)
    if call is None:
        return wrapped(environ, start_response)
    try:
        body = wrapped(environ, start_response)
    except BaseException as error:
        call.raised(error)
        raise
    return call.returned(body)


def _finalize(function: Callable[..., Any], switch: Switch) -> Callable[..., Any] | None:
    if not takes(function, ("self", "rv", "from_error_handler")):
        return None

    @wraps(function)
    def calling(self: Any, rv: Any, from_error_handler: bool = False) -> Any:
        response = function(self, rv, from_error_handler)
        if switch.active:
            _see(response, rv)
        return response

    return calling


# A wrapper, not a description: there is no span to make, only something to see. Every answer comes through here, also
# those of error handlers, with the request's context still there.
@patch.wrap("flask.app:Flask.finalize_request", tailor=_finalize)
def finalize(wrapped: Any, app: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Look at the finished response and at the rule that routing chose."""
    response = wrapped(*args, **kwargs)
    _see(response, args[0] if args else None)
    return response


# Likewise. Called once with an exception that no handler of the application took.
@patch.wrap("flask.app:Flask.handle_exception")
def unhandled(wrapped: Any, app: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Remember what made the answer a 500."""
    for each in (*args, *kwargs.values()):
        if isinstance(each, Exception):
            _door.fail(each)
    return wrapped(*args, **kwargs)


class Body:
    """A streamed body, inside the span: each part is produced with the span current, as the view was run."""

    __slots__ = ("_body", "_call", "_elapsed", "_next")

    def __init__(self, call: Call, body: Any) -> None:
        self._call = call
        self._body = body
        self._elapsed = call.seconds()
        self._next = iter(body).__next__

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        token, mark = self._enter()
        try:
            part: bytes = self._next()
        except StopIteration:
            self._call.left(None)
            raise
        except BaseException as error:
            self._call.left(error)
            raise
        finally:
            self._leave(token, mark)
        return part

    def _enter(self) -> tuple[Any, Any]:
        call = self._call
        mark = None if call.named is None else correlation.begin(call.named)
        return attach(call.span) if call.span.id64 else None, mark

    def _leave(self, token: Any, mark: Any) -> None:
        if token is not None:
            detach(token)
        if mark is not None:
            correlation.end(mark)

    def close(self) -> None:
        """End the request; the server calls this when it has sent the body, or when the client went away."""
        token, mark = self._enter()
        try:
            self._body.close()
        except BaseException as error:
            self._call.left(error)
            raise
        finally:
            self._leave(token, mark)
            self._call.left(None)

    def __del__(self) -> None:
        # Never read nor closed, by a test that looks at the status only or by a careless server: it ended unnoticed.
        self._call.left(None, self._elapsed)
