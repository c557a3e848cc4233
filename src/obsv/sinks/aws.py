"""What the sinks that reach AWS have in common: what AWS's answers mean for a batch."""

from __future__ import annotations

from ..aws_access import MODULES, STALE, NotInstalledError, code_of
from .base import Refused, Retry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import Result

IMPORTS = ("obsv.sinks.otlp_http", *MODULES)
"""Modules that a sink of AWS's loads before its first batch."""

_THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "AuthFailure", "NotAuthorized", "UnauthorizedOperation"})
_CLOCK = frozenset({"RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed"})
_PASSES = frozenset({"InternalFailure", "InternalServerError", "OperationAbortedException", "ServiceUnavailable"})
_MAX_MESSAGE = 300  # characters of AWS's own words


def troubles() -> tuple[type[Exception], ...]:
    """Return what a call may raise because of AWS, the network or the configuration. Anything else is a bug."""
    try:
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError
    except ImportError:
        return (NotInstalledError,)
    # The last one: an answer that is no text, of whoever stands between here and AWS.
    return (BotoCoreError, ClientError, ResponseParserError, OSError, NotInstalledError, UnicodeDecodeError)


def failure(error: Exception, action: str, resource: str) -> Result:
    """Say what an exception means for the batch whose call raised it.

    Args:
        error: One of `troubles`.
        action: What was tried, as IAM calls it: ``"logs:PutLogEvents"``.
        resource: On what: an ARN, or ``"*"``.
    """
    if isinstance(error, NotInstalledError):
        return Refused(str(error))
    code = code_of(error)
    response = getattr(error, "response", None)
    if isinstance(response, dict) and "Error" in response:
        answer = response.get("ResponseMetadata") or {}
        headers = answer.get("HTTPHeaders") or {}
        message = str(response["Error"].get("Message") or "")
        return verdict(answer.get("HTTPStatusCode") or 0, code, message, action, resource, headers.get("retry-after"))
    return _unanswered(error, action, resource)


def _unanswered(error: Exception, action: str, resource: str) -> Result:
    from botocore.exceptions import BotoCoreError, ConnectionError, HTTPClientError, ParamValidationError

    from .otlp_http import describe

    if isinstance(error, ParamValidationError):
        return Refused(f"{action}: {_words(error)}")
    if isinstance(error, (ConnectionError, HTTPClientError)) or not isinstance(error, BotoCoreError):
        inner = (getattr(error, "kwargs", None) or {}).get("error")
        return Retry(f"{action}: {describe(inner if isinstance(inner, BaseException) else error)}")
    kind = type(error).__name__
    if kind == "NoRegionError":
        return Retry(f"no AWS region for {action} (set AWS_REGION)", tell=True)
    if kind == "NoCredentialsError":
        return Retry(f"no AWS credentials for {action} on {resource}", tell=True)
    return Retry(f"AWS is not configured for {action} on {resource} ({kind}: {_words(error)})", tell=True)


def verdict(status: int, code: str, message: str, action: str, resource: str, after: str | None = None) -> Result:
    """Say what an answer of AWS's that is no success means for the batch.

    Args:
        status: HTTP's.
        code: AWS's: ``"AccessDeniedException"``; may be empty.
        message: AWS's words.
        action: What was tried, as IAM calls it.
        resource: On what.
        after: The header ``Retry-After``, if there was one.
    """
    from .otlp_http import retry_after

    message = " ".join(message.split())[:_MAX_MESSAGE]
    name = code or f"http {status}"
    if code in _THROTTLED or status == 429:
        return Retry(f"throttled: {action} ({name})", retry_after(after))
    if status >= 500 or code in _PASSES:
        return Retry(f"{action}: http {status}{f' {code}' if code else ''}", retry_after(after))
    if code in _CLOCK or message.startswith("Signature expired") or "Signature not yet current" in message:
        return Retry(f"AWS says that this machine's clock is wrong: {action} ({name})", tell=True)
    if code in STALE:
        return Retry(f"AWS does not take the credentials for {action} on {resource} ({name}: {message})", tell=True)
    if status in (401, 403) or code in _DENIED:
        said = f": {message}" if message else ""
        return Retry(f"no right to {action} on {resource} ({name}{said})", tell=True)
    return Refused(f"{action}: {name}{f': {message}' if message else ''}")


def partition(region: str) -> str:
    """Return the partition of a region, as ARNs name it.

    Example:
        >>> partition("cn-north-1")
        'aws-cn'
    """
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:_MAX_MESSAGE]
