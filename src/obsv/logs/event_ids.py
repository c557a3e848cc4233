"""Correlation ids in the events of Lambda functions: where each kind of event has one, and how it is read.

The nine paths have the names and values of ``aws_lambda_powertools.logging.correlation_paths``.
"""

from __future__ import annotations

from .context import begin_request, end_request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

API_GATEWAY_REST = "requestContext.requestId"
API_GATEWAY_HTTP = "requestContext.requestId"
APPSYNC_AUTHORIZER = "requestContext.requestId"
APPSYNC_RESOLVER = 'request.headers."x-amzn-trace-id"'
APPLICATION_LOAD_BALANCER = 'headers."x-amzn-trace-id"'
EVENT_BRIDGE = "id"
LAMBDA_FUNCTION_URL = "requestContext.requestId"
S3_OBJECT_LAMBDA = "xAmzRequestId"
VPC_LATTICE = 'headers."x-amzn-trace-id"'

ANY = (API_GATEWAY_REST, APPLICATION_LOAD_BALANCER, APPSYNC_RESOLVER, S3_OBJECT_LAMBDA, EVENT_BRIDGE)
"""Each kind of event has one of these, the first that it has is its own: for functions that take several kinds."""

_MAX_STEPS = 32


def find(event: Any, path: str | tuple[str, ...] = ANY) -> str | None:
    """Return what an event has at a path, as text; None where it has nothing, or something that is no single value.

    Args:
        event: What Lambda gave the handler.
        path: Names with dots between them, those with other signs than letters, digits and ``_`` in double quotes,
            ``[0]`` for an item of a list; the subset of JMESPath that leads to one value. Several are tried in order.
            Names that contain a dash are compared without regard to case, because they are those of HTTP headers.

    Example:
        >>> find({"headers": {"X-Amzn-Trace-Id": "Root=1-2-3"}}, APPLICATION_LOAD_BALANCER)
        'Root=1-2-3'
    """
    for each in (path,) if isinstance(path, str) else path:
        value = event
        for step in _steps(each):
            value = _go(value, step)
        if isinstance(value, (str, int, float)) and not isinstance(value, bool) and value != "":
            return str(value)
    return None


def _steps(path: str) -> list[str | int]:
    """Take a path apart; a malformed one leads nowhere."""
    import re

    steps: list[str | int] = []
    at = 0
    token = re.compile(r'\.?(?:"((?:[^"\\]|\\.)*)"|([A-Za-z_][A-Za-z0-9_-]*)|\[(-?[0-9]+)\])')
    while at < len(path) and len(steps) < _MAX_STEPS:
        match = token.match(path, at)
        if match is None:
            return [""]
        quoted, name, index = match.groups()
        steps.append(int(index) if index is not None else name if name is not None else quoted.replace("\\", ""))
        at = match.end()
    return steps


def _go(value: Any, step: str | int) -> Any:
    if isinstance(step, int):
        return value[step] if isinstance(value, list) and -len(value) <= step < len(value) else None
    if not isinstance(value, dict):
        return None
    if step in value or "-" not in step:
        return value.get(step)
    wanted = step.lower()
    return next((item for key, item in value.items() if isinstance(key, str) and key.lower() == wanted), None)


def correlated(path: str | tuple[str, ...] = ANY) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a Lambda handler: the log records of each invocation carry the id that its event has at a path.

    Args:
        path: One of the constants of this module, a path of your own, or several.

    Example:
        >>> @correlated(API_GATEWAY_HTTP)
        ... def handler(event, context): ...
    """

    def decorate(handler: Callable[..., Any]) -> Callable[..., Any]:
        from functools import wraps

        @wraps(handler)
        def handle(event: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                found = find(event, path)
            except Exception:  # noqa: BLE001 - an event of the user's own kind; the handler runs without an id
                found = None
            if found is None:
                return handler(event, *args, **kwargs)
            mark = begin_request(found)
            try:
                return handler(event, *args, **kwargs)
            finally:
                end_request(mark)

        return handle

    return decorate
