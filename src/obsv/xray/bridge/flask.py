"""``aws_xray_sdk.ext.flask.middleware``."""

from __future__ import annotations

from typing import Any

from obsv.guard import guard

from .request import Request, url_of
from .words import XRAY_HEADER

_WHERE = "XRayMiddleware of Flask"


class XRayMiddleware:
    """Makes each request of a Flask application a segment."""

    def __init__(self, app: Any, recorder: Any) -> None:
        self.app = app
        self._recorder = recorder
        _patch_render()
        app.before_request(self._before_request)
        app.after_request(self._after_request)
        app.teardown_request(self._teardown_request)

    @guard(_WHERE)
    def _before_request(self) -> None:
        from flask import g, request

        headers = request.headers
        url = url_of(lambda: request.base_url, request.path)
        host = url_of(lambda: request.host, "")
        made = Request(self._recorder, headers, host, request.method, request.path)
        g._obsv_xray = made
        forwarded = headers.get("X-Forwarded-For")
        made.asked(url, request.method, headers.get("User-Agent"), forwarded, request.remote_addr)

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


@guard(_WHERE)
def _patch_render() -> None:
    from flask import templating

    from .templates import capture_rendering

    capture_rendering(templating, "_render", _template_name)


def _template_name(*given: Any) -> Any:
    """Find the template: where among the arguments it stands differs between versions of Flask."""
    return next((each.name for each in given if hasattr(each, "render") and hasattr(each, "filename")), None)


XRayMiddleware.__module__ = "aws_xray_sdk.ext.flask.middleware"
