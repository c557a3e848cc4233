"""``aws_xray_sdk.ext.bottle.middleware``."""

from __future__ import annotations

from functools import wraps
from typing import Any

from obsv.guard import guard

from .request import Request
from .words import XRAY_HEADER


class XRayMiddleware:
    """A plugin of Bottle that makes each request a segment."""

    name = "xray"
    api = 2

    def __init__(self, recorder: Any) -> None:
        self._recorder = recorder

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
                made.failed(error, getattr(error, "status_code", 500))
                made.end()
                raise
            self._end(made)
            return result

        return wrapper

    @guard("XRayMiddleware of Bottle")
    def _begin(self) -> Request:
        from bottle import request  # type: ignore[import-not-found]

        made = Request(self._recorder, request.headers, request.urlparts[1], request.method, request.path)
        forwarded = request.environ.get("HTTP_X_FORWARDED_FOR")
        agent = request.headers.get("User-Agent")
        made.asked(request.url, request.method, agent, forwarded, request.environ.get("REMOTE_ADDR"))
        return made

    @guard("XRayMiddleware of Bottle")
    def _end(self, made: Request) -> None:
        from bottle import response

        length = response.headers.get("Content-Length")
        response.set_header(XRAY_HEADER, made.answered(response.status_code, length))
        made.end()


XRayMiddleware.__module__ = "aws_xray_sdk.ext.bottle.middleware"
