"""``aws_xray_sdk.ext.django``: the middleware and the application, set up by ``XRAY_RECORDER`` of Django's settings."""

from __future__ import annotations

import os
from typing import Any

from obsv.guard import guard

from .current import in_lambda
from .recorder import xray_recorder
from .request import Request, url_of
from .words import XRAY_HEADER

default_app_config = "aws_xray_sdk.ext.django.apps.XRayConfig"


class XRayMiddleware:
    """Makes each request of a Django application a segment."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        """See one request through."""
        made = self._begin(request)
        if made is None:
            return self.get_response(request)
        try:
            response = self.get_response(request)
        except BaseException as error:
            made.failed(error)
            made.end()
            raise
        self._end(made, response)
        return response

    @guard("XRayMiddleware of Django")
    def _begin(self, request: Any) -> Request:
        meta = request.META
        url = url_of(request.build_absolute_uri, request.path)
        forwarded = meta.get("HTTP_X_FORWARDED_FOR")
        made = Request(xray_recorder, meta, meta.get("HTTP_HOST"), request.method, request.path, annotate=_annotates())
        made.asked(url, request.method, meta.get("HTTP_USER_AGENT"), forwarded, meta.get("REMOTE_ADDR"))
        request._obsv_xray = made
        return made

    @guard("XRayMiddleware of Django")
    def _end(self, made: Request, response: Any) -> None:
        length = response["content-length"] if response.has_header("content-length") else None
        response[XRAY_HEADER] = made.answered(response.status_code, length)
        made.end()

    @guard("XRayMiddleware of Django")
    def process_exception(self, request: Any, exception: BaseException) -> None:
        """Note what a view has raised; Django calls this."""
        made = getattr(request, "_obsv_xray", None)
        if made is not None:
            made.failed(exception)


XRayMiddleware.__module__ = "aws_xray_sdk.ext.django.middleware"


def _said() -> Any:
    """Return what Django's settings say about the recorder."""
    from django.conf import settings  # type: ignore[import-not-found]

    return getattr(settings, "XRAY_RECORDER", None) or {}


def _annotates() -> bool:
    """Tell whether URL, method and so on are annotations too: subsegments, which Lambda has, are not found by them."""
    wanted = _said().get("URLS_AS_ANNOTATION") or "LAMBDA"
    return bool(wanted == "ALL" or (wanted == "LAMBDA" and in_lambda()))


def _template_name(template: Any, context: Any = None, *_: Any) -> Any:
    return template.name or getattr(context, "template_name", None)


def patch_template() -> None:
    """Make each rendering of a template a subsegment."""
    from django.template import Template  # type: ignore[import-not-found]

    from .templates import capture_rendering

    capture_rendering(Template, "render", _template_name)


def patch_db() -> None:
    """Do nothing: obsv's patches of the databases' drivers see what Django's ORM asks."""


def __getattr__(name: str) -> Any:
    if name != "XRayConfig":
        raise AttributeError(name)
    from django.apps import AppConfig  # type: ignore[import-not-found]

    class XRayConfig(AppConfig):  # type: ignore[misc]
        """Sets the recorder up."""

        name = "aws_xray_sdk.ext.django"
        path = os.path.dirname(__file__)  # Django wants a place, and the library may not be there

        @guard("XRayConfig of Django")
        def ready(self) -> None:
            """Take over what the settings say; Django calls this."""
            from .patcher import patch

            said = _said()
            xray_recorder.configure(
                service=said.get("AWS_XRAY_TRACING_NAME"),
                sampling=said.get("SAMPLING", True),
                sampling_rules=said.get("SAMPLING_RULES"),
                sampler=said.get("SAMPLER"),
                dynamic_naming=said.get("DYNAMIC_NAMING"),
                max_trace_back=said.get("MAX_TRACE_BACK"),
            )
            if said.get("PATCH_MODULES"):
                patch(said["PATCH_MODULES"], ignore_module_patterns=said.get("IGNORE_MODULE_PATTERNS"))
            if said.get("AUTO_INSTRUMENT", True):
                patch_template()

    XRayConfig.__module__ = "aws_xray_sdk.ext.django.apps"
    globals()[name] = XRayConfig
    return XRayConfig
