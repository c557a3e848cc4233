"""The trace in messages of SQS and SNS: how it is put in, and asked for, without changing what the user passed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._api import outgoing

if TYPE_CHECKING:
    from collections.abc import Container

    from ._api import Span

HEADER = "AWSTraceHeader"
"""SQS's system attribute; its value is that of an ``X-Amzn-Trace-Id`` header."""

TRACEPARENT = "traceparent"

_MAX_ATTRIBUTES = (
    10  # SQS developer guide, "Message attributes"; SNS with raw delivery to SQS discards messages with more
)


def with_context(service: str, parameters: dict[str, Any], span: Span) -> dict[str, Any]:
    """Return parameters whose message, or each of whose messages, carries the span; what is changed is copied."""
    carried = {name.lower(): value for name, value in outgoing(span)}
    if service == "SQS":
        name, key, value = "MessageSystemAttributes", HEADER, carried.get("x-amzn-trace-id")
    else:
        name, key, value = "MessageAttributes", TRACEPARENT, carried.get(TRACEPARENT)
    if value is None:
        return parameters  # these headers are switched off
    for entries in ("Entries", "PublishBatchRequestEntries"):
        messages = parameters.get(entries)
        if isinstance(messages, (list, tuple)):
            return {**parameters, entries: [_with(message, name, key, value) for message in messages]}
    changed: dict[str, Any] = _with(parameters, name, key, value)
    return changed


def _with(message: Any, name: str, key: str, value: str) -> Any:
    if not isinstance(message, dict):
        return message  # botocore says what is wrong with it
    attributes = message.get(name) or {}
    if not isinstance(attributes, dict) or key in attributes or len(attributes) >= _MAX_ATTRIBUTES:
        return message
    return {**message, name: {**attributes, key: {"DataType": "String", "StringValue": value}}}


def with_trace_header_asked(parameters: dict[str, Any], known: Container[str]) -> dict[str, Any]:
    """Return parameters of ``ReceiveMessage`` that ask for the trace header.

    Args:
        parameters: The user's. Where he uses the older ``AttributeNames``, it goes there: nobody says how SQS reads
        both. known: The parameters of this version of botocore; ``MessageSystemAttributeNames`` came in 1.34.
    """
    names = "MessageSystemAttributeNames"
    if names not in known or (parameters.get("AttributeNames") and not parameters.get(names)):
        names = "AttributeNames"
    wanted = parameters.get(names) or ()
    if not isinstance(wanted, (list, tuple)) or "All" in wanted or HEADER in wanted:
        return parameters
    return {**parameters, names: [*wanted, HEADER]}
