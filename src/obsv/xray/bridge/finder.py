"""Answers ``import aws_xray_sdk...``: which module of the library is made of what.

Where the library is installed, modules that are not named here are its own files, which then work with this recorder.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.machinery import ModuleSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

ROOT = "aws_xray_sdk"
_HERE = "obsv.xray.bridge."

# Module of the library: our module, and the names to take from it. Several are separated by semicolons.
_CONTENTS = {
    "": "config: SDKConfig global_sdk_config __version__",
    "version": "config: VERSION",
    "sdk_config": "config: SDKConfig",
    "core": "recorder: xray_recorder AWSXRayRecorder AsyncAWSXRayRecorder; patcher: patch patch_all",
    "core.recorder": "recorder: AWSXRayRecorder; words: TRACING_NAME_KEY DAEMON_ADDR_KEY CONTEXT_MISSING_KEY",
    "core.async_recorder": "recorder: AsyncAWSXRayRecorder; "
    "managers: AsyncSegmentContextManager AsyncSubsegmentContextManager",
    "core.context": "context: Context MISSING_SEGMENT_MSG SUPPORTED_CONTEXT_MISSING CXT_MISSING_STRATEGY_KEY",
    "core.async_context": "context: AsyncContext TaskLocalStorage task_factory",
    "core.lambda_launcher": "context: LambdaContext check_in_lambda; "
    "words: LAMBDA_TRACE_HEADER_KEY LAMBDA_TASK_ROOT_KEY",
    "core.patcher": "patcher: patch patch_all SUPPORTED_MODULES NO_DOUBLE_PATCH _PATCHED_MODULES",
    "core.daemon_config": "stubs: DaemonConfig DEFAULT_DAEMON_ADDRESS",
    "core.emitters": "",
    "core.emitters.udp_emitter": "stubs: UDPEmitter PROTOCOL_HEADER PROTOCOL_DELIMITER DEFAULT_DAEMON_ADDRESS",
    "core.streaming": "",
    "core.streaming.default_streaming": "stubs: DefaultStreaming",
    "core.exceptions": "",
    "core.exceptions.exceptions": "errors: InvalidSamplingManifestError SegmentNotFoundException "
    "InvalidDaemonAddressException SegmentNameMissingException SubsegmentNameMissingException "
    "FacadeSegmentMutationException MissingPluginNames AlreadyEndedException",
    "core.models": "",
    "core.models.entity": "entity: Entity; words: ORIGIN_TRACE_HEADER_ATTR_KEY",
    "core.models.segment": "segments: Segment; managers: SegmentContextManager; words: ORIGIN_TRACE_HEADER_ATTR_KEY",
    "core.models.subsegment": "segments: Subsegment; managers: SubsegmentContextManager is_already_recording; "
    "words: SUBSEGMENT_RECORDING_ATTRIBUTE",
    "core.models.dummy_entities": "stand_ins: DummySegment DummySubsegment",
    "core.models.facade_segment": "stand_ins: FacadeSegment",
    "core.models.trace_header": "header: TraceHeader ROOT PARENT SAMPLE SELF HEADER_DELIMITER",
    "core.models.traceid": "header: TraceId",
    "core.models.throwable": "throwable: Throwable",
    "core.models.default_dynamic_naming": "words: DefaultDynamicNaming",
    "core.models.http": "words: URL METHOD USER_AGENT CLIENT_IP X_FORWARDED_FOR STATUS CONTENT_LENGTH XRAY_HEADER "
    "ALT_XRAY_HEADER request_keys response_keys",
    "core.plugins": "",
    "core.sampling": "",
    "core.sampling.sampler": "samplers: DefaultSampler LocalSampler",
    "core.sampling.local": "",
    "core.sampling.local.sampler": "samplers: LocalSampler",
    "core.utils": "",
    "core.utils.stacktrace": "words: get_stacktrace",
    "core.utils.search_pattern": "words: wildcard_match",
    "core.utils.conversion": "others: metadata_to_dict",
    "core.utils.compat": "words: annotation_value_types",
    "core.utils.sqs_message_helper": "words: SqsMessageHelper SQS_XRAY_HEADER",
    "ext": "",
    "ext.util": "header: inject_trace_header calculate_sampling_decision construct_xray_header calculate_segment_name "
    "prepare_response_header; words: to_snake_case strip_url get_hostname unwrap UNKNOWN_HOSTNAME",
    "ext.flask": "",
    "ext.flask.middleware": "flask: XRayMiddleware",
    "ext.django": "django: default_app_config",
    "ext.django.middleware": "django: XRayMiddleware",
    "ext.django.apps": "django: XRayConfig",
    "ext.aiohttp": "",
    "ext.aiohttp.middleware": "aiohttp: middleware",
    "ext.aiohttp.client": "aiohttp: aws_xray_trace_config REMOTE_NAMESPACE LOCAL_NAMESPACE",
    "ext.bottle": "",
    "ext.bottle.middleware": "bottle: XRayMiddleware",
    "ext.httplib": "others: add_ignored reset_ignored",
    "ext.httplib.patch": "others: add_ignored reset_ignored",
}

# Only where the library is not installed.
_WITHOUT = {
    "ext.sqlalchemy": "",
    "ext.sqlalchemy.query": "others: XRaySessionMaker",
    "ext.django.db": "django: patch_db",
    "ext.django.templates": "django: patch_template",
    "ext.flask_sqlalchemy": "",
    "ext.flask_sqlalchemy.query": "others: XRayFlaskSqlAlchemy",
    "ext.dbapi2": "others: XRayTracedConn",
}

# Libraries whose module has `patch()` and `unpatch()`.
_LIBRARIES = (
    "aiobotocore", "botocore", "pynamodb", "requests", "sqlite3", "mysql", "httplib", "pymongo", "pymysql", "psycopg2",
    "psycopg", "pg8000", "sqlalchemy_core", "httpx",
)  # fmt: skip


def find(name: str, wanted: bool) -> ModuleSpec | None:
    """Return the spec of one of the library's modules, None where it is to be looked for elsewhere.

    Args:
        name: ``aws_xray_sdk`` or below it.
        wanted: Whether the installed library is to be stood in for.
    """
    top = sys.modules.get(ROOT)
    if top is not None:
        if type(getattr(top, "__loader__", None)) is not Loader:
            return None  # the library itself has been imported: no half of it is replaced
        installed = bool(getattr(top, "__path__", ()))
    else:
        installed = bool(_installed())
        if installed and not wanted:
            return None
    short = name[len(ROOT) + 1 :]
    if _contents(short, installed) is None:
        return None
    package = _is_package(short)
    loader: Any = Loader(short, installed)
    spec = ModuleSpec(name, loader, is_package=package)
    if package:
        place = os.path.join(_installed() if top is None else next(iter(top.__path__), ""), *short.split("."))
        spec.submodule_search_locations = [place.rstrip(os.sep)] if installed else []
    return spec


def _installed() -> str:
    """Return the library's folder, empty where it is not installed."""
    for entry in sys.path:
        if isinstance(entry, str):
            place = os.path.join(entry or os.curdir, ROOT)
            if os.path.isfile(os.path.join(place, "__init__.py")):
                return os.path.abspath(place)
    return ""


def _contents(short: str, installed: bool) -> str | None:
    contents = _CONTENTS.get(short)
    if contents is None and not installed:
        contents = _WITHOUT.get(short)
    if contents is None and _library(short):
        contents = ""
    return contents


def _library(short: str) -> str:
    """Return which library a module patches."""
    parts = short.split(".")
    if parts[0] == "ext" and parts[-1] in (*_LIBRARIES, "patch") and len(parts) in (2, 3) and parts[1] in _LIBRARIES:
        return parts[1]
    return ""


def _is_package(short: str) -> bool:
    if not short or (short.count(".") == 1 and _library(short)):
        return True
    return any(other.startswith(short + ".") for other in (*_CONTENTS, *_WITHOUT)) or short == "core.plugins"


class Loader:
    """Makes a module of the library out of ours."""

    def __init__(self, short: str, installed: bool) -> None:
        self.short = short
        self.installed = installed

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to the import system."""

    def exec_module(self, module: ModuleType) -> None:
        """Fill it."""
        members = vars(module)
        for part in (_contents(self.short, self.installed) or "").split(";"):
            source, _, names = part.strip().partition(":")
            if source:
                ours = import_module(_HERE + source)
                for name in names.split():
                    members[name] = getattr(ours, name)
        library = _library(self.short)
        if library:
            from . import patcher

            members["patch"] = lambda: patcher.patch((library,))
            members["unpatch"] = lambda: None
        if not hasattr(module, "__path__"):
            return

        def below(name: str) -> Any:
            """Import a module below this one when it is first named, as the library has imported many by then."""
            whole = f"{self.short}.{name}" if self.short else name
            if _contents(whole, self.installed) is None:
                raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
            return import_module(f"{ROOT}.{whole}")

        members["__getattr__"] = below
