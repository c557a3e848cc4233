"""``aws_xray_sdk.ext.bottle.middleware``."""

from __future__ import annotations

from functools import wraps
from typing import Any

from obsv.guard import guard

from .request import Request
from .words import XRAY_HEADER

_WHERE = "XRayMiddleware of Bottle"


class XRayMiddleware:
    """A plugin of Bottle that makes each request a segment."""

    name = "xray"
    api = 2

    def __init__(self, recorder: Any) -> None:
        self._recorder = recorder
        _patch_render()

    def apply(self, callback: Any, route: Any) -> Any:
        """Return a callback in a segment; Bottle calls this."""

        @wraps(callback)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            made = self._begin()
            if made is None:
                return callback(*args, **kwargs)
            try:
                result = callback(*args, **kwargs)
            except BaseException as error:
                status = getattr(error, "status_code", 500)
                if status < 500:  # an answer that is raised: `redirect()`, `abort(404)`
                    self._answered(made, error)
                else:
                    made.failed(error, status)
                raise
            else:
                self._answered(made, result)
                return result
            finally:
                made.end()

        return wrapper

    @guard(_WHERE)
    def _begin(self) -> Request:
        from bottle import request  # type: ignore[import-not-found]

        environ, headers = request.environ, request.headers
        host = request.urlparts[1]
        url = request.url
        made = Request(self._recorder, headers, host, request.method, request.path)
        forwarded = environ.get("HTTP_X_FORWARDED_FOR")
        made.asked(url, request.method, headers.get("User-Agent"), forwarded, environ.get("REMOTE_ADDR"))
        return made

    @guard(_WHERE)
    def _answered(self, made: Request, given: Any) -> None:
        from bottle import HTTPResponse, response

        answer = given if isinstance(given, HTTPResponse) else response
        answer.set_header(XRAY_HEADER, made.answered(answer.status_code, answer.headers.get("Content-Length")))


@guard(_WHERE)
def _patch_render() -> None:
    from bottle import SimpleTemplate

    from .templates import capture_rendering

    capture_rendering(SimpleTemplate, "render", lambda template, *_: template.filename)


XRayMiddleware.__module__ = "aws_xray_sdk.ext.bottle.middleware"
