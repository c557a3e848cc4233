"""Constants of aws-xray-sdk that programs import, and small functions beside them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

URL = "url"
METHOD = "method"
USER_AGENT = "user_agent"
CLIENT_IP = "client_ip"
X_FORWARDED_FOR = "x_forwarded_for"
STATUS = "status"
CONTENT_LENGTH = "content_length"
XRAY_HEADER = "X-Amzn-Trace-Id"
ALT_XRAY_HEADER = "HTTP_X_AMZN_TRACE_ID"
request_keys = (URL, METHOD, USER_AGENT, CLIENT_IP, X_FORWARDED_FOR)
response_keys = (STATUS, CONTENT_LENGTH)

ORIGIN_TRACE_HEADER_ATTR_KEY = "_origin_trace_header"
TRACING_NAME_KEY = "AWS_XRAY_TRACING_NAME"
DAEMON_ADDR_KEY = "AWS_XRAY_DAEMON_ADDRESS"
CONTEXT_MISSING_KEY = "AWS_XRAY_CONTEXT_MISSING"
LAMBDA_TRACE_HEADER_KEY = "_X_AMZN_TRACE_ID"
LAMBDA_TASK_ROOT_KEY = "LAMBDA_TASK_ROOT"
SUBSEGMENT_RECORDING_ATTRIBUTE = "_self___SUBSEGMENT_RECORDING_ATTRIBUTE__"

annotation_value_types = (int, float, bool, str)
UNKNOWN_HOSTNAME = "UNKNOWN HOST"


def get_stacktrace(limit: int | None = None) -> list[Any]:
    """Return the frames of the caller and of the exception that is being handled, as ``traceback.extract_stack`` does.

    Args:
        limit: The most frames: the last ones; negative: the first ones.
    """
    import sys
    import traceback

    if limit == 0:
        return []
    frames: list[Any] = list(traceback.extract_stack())[:-1]
    error = sys.exception()
    if error is not None:
        frames += traceback.extract_tb(error.__traceback__)
    if limit is None:
        return frames
    return frames[-limit:] if limit > 0 else frames[:-limit]


def wildcard_match(pattern: str | None, text: str | None, case_insensitive: bool = True) -> bool:
    """Match ``*`` (any characters) and ``?`` (one character) against the whole of a text."""
    if pattern is None or text is None:
        return False
    global _compiled
    if _compiled is None:
        from functools import lru_cache

        from ..sampling.patterns import compile_pattern

        _compiled = lru_cache(256)(compile_pattern)
    match = _compiled(pattern, case_insensitive)
    return match is None or match(text) is not None


_compiled: Any = None


def to_snake_case(name: str) -> str:
    """Write ``TableName`` as ``table_name``."""
    import re

    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z0-9])([A-Z])", r"\1_\2", name).lower()


def strip_url(url: Any) -> Any:
    """Return a URL without its query."""
    return url.partition("?")[0] if url else url


def get_hostname(url: str | None) -> str:
    """Return the host of a URL."""
    if url is None:
        return UNKNOWN_HOSTNAME
    from urllib.parse import urlparse

    try:
        return urlparse(url).hostname or UNKNOWN_HOSTNAME
    except ValueError:
        return UNKNOWN_HOSTNAME


def unwrap(obj: Any, attr: str) -> None:
    """Put back what a wrapper replaced."""
    inner = getattr(getattr(obj, attr, None), "__wrapped__", None)
    if inner is not None:
        setattr(obj, attr, inner)


SQS_XRAY_HEADER = "AWSTraceHeader"


class SqsMessageHelper:
    """What a message of SQS says about its trace."""

    @staticmethod
    def isSampled(sqs_message: Mapping[str, Any]) -> bool:  # noqa: N802 - the library's name
        """Tell whether the sender's trace is sampled."""
        return "Sampled=1" in (sqs_message.get("attributes") or {}).get(SQS_XRAY_HEADER, "")


class DefaultDynamicNaming:
    """Names a segment after the request's host where that matches a pattern."""

    def __init__(self, pattern: str, fallback: str | None) -> None:
        self._pattern = pattern
        self._fallback = fallback

    def get_name(self, host_name: str) -> str | None:
        """Return the host's name, or the fallback."""
        return host_name if wildcard_match(self._pattern, host_name) else self._fallback
