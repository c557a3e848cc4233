"""What a Lambda context says about the function."""

from __future__ import annotations

from ..environment import lambda_context

_KEYS = (
    ("function_name", "function_name"),
    ("function_memory_size", "memory_limit_in_mb"),
    ("function_arn", "invoked_function_arn"),
    ("function_request_id", "aws_request_id"),
)


def about(context: object) -> dict[str, object]:
    """Return the keys that each line of an invocation carries; those that the context does not have are left out."""
    context = lambda_context(context)
    return {key: getattr(context, name) for key, name in _KEYS if getattr(context, name, None) is not None}
