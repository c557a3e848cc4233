"""``aws_xray_sdk.ext.flask.middleware``."""

from __future__ import annotations

from typing import Any

from obsv.guard import guard

from .request import Request
from .words import XRAY_HEADER

_WHERE = "XRayMiddleware of Flask"


class XRayMiddleware:
    """Makes each request of a Flask application a segment."""

    def __init__(self, app: Any, recorder: Any) -> None:
        self.app = app
        self._recorder = recorder
        app.before_request(self._before_request)
        app.after_request(self._after_request)
        app.teardown_request(self._teardown_request)

    @guard(_WHERE)
    def _before_request(self) -> None:
        from flask import g, request

        made = Request(self._recorder, request.headers, request.host, request.method, request.path)
        g._obsv_xray = made
        forwarded = request.headers.get("X-Forwarded-For")
        made.asked(request.base_url, request.method, request.headers.get("User-Agent"), forwarded, request.remote_addr)

    def _after_request(self, response: Any) -> Any:
        self._answered(response)
        return response

    @guard(_WHERE)
    def _answered(self, response: Any) -> None:
        from flask import g

        made = g.get("_obsv_xray")
        if made is not None:
            length = response.headers.get("Content-Length")
            response.headers[XRAY_HEADER] = made.answered(response.status_code, length)

    @guard(_WHERE)
    def _teardown_request(self, exception: BaseException | None) -> None:
        from flask import g

        made = g.pop("_obsv_xray", None)
        if made is not None:
            if exception is not None:
                made.failed(exception)
            made.end()


XRayMiddleware.__module__ = "aws_xray_sdk.ext.flask.middleware"
