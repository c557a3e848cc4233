"""What botocore does for each call, with what obsv adds to it, compiled: wrappers in Python would cost more than that.

Each function makes a replacement of one of botocore's methods, which calls the method with the same arguments, lets its
exceptions pass, and does no more than that while ``switch.active`` is false.
"""

from __future__ import annotations

from _functools import partial  # type: ignore[import-not-found]  # what functools has

from . import faults
from .aws_parameters import ANSWERS, PARAMETERS, set_other
from .http_client import origin
from .span import PRODUCER, Span

if 0:  # seen by the compiler only
    import cython
else:
    from . import shim as cython

if cython.compiled:
    from cython.cimports.obsv.hotpath.http_client import left_to_connection, send_context
    from cython.cimports.obsv.hotpath.passing import argument, pass_on, replacement
    from cython.cimports.obsv.hotpath.span import current_span
else:
    from .http_client import left_to_connection, send_context
    from .passing_plain import argument, pass_on, replacement
    from .span import current_span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .around import Switch

WHERE = "patch botocore"
_MAX_OPERATIONS = 1024  # of a client whose names are kept; DynamoDB has 60, EC2 700
_MAX_OPERATION = 128  # characters of one

SENDING = {
    ("SQS", "SendMessage"),
    ("SQS", "SendMessageBatch"),
    ("SNS", "Publish"),
    ("SNS", "PublishBatch"),
}


def emitting(
    function: Callable[..., Any], switch: Switch, changed: Callable[[Span, Any, Any], Any]
) -> Callable[..., Any]:
    """Return a ``BaseClient._emit_api_params`` that puts the trace into messages.

    Args:
        function: The method itself.
        switch: Whether this is in force, and the scope of botocore's spans: a call by somebody else is left alone.
        changed: Called with the span, the parameters and the operation's model for a call of SQS or SNS; returns the
            parameters to use.
    """
    return replacement(_emit, function, (switch, changed))  # type: ignore[no-any-return]


def _emit(made: Any, args: Any, count: Any, names: Any) -> Any:
    switch: Switch = made.told[0]
    parameters = pass_on(made.function, args, count, names)
    if switch.active:
        try:
            span = current_span()
            if span.scope is not switch.scope:
                return parameters
            name: str = span.name if type(span.name) is str else str(span.name)
            if name.startswith("SQS.") or name.startswith("SNS."):  # noqa: PIE810 - a tuple is dearer, compiled
                return made.told[1](span, parameters, argument(args, count, names, 2, "operation_model"))
        except Exception as error:  # noqa: BLE001 - never into user code
            faults.report(WHERE, error)
    return parameters


def preparing(function: Callable[..., Any], switch: Switch) -> Callable[..., Any]:
    """Return an ``Endpoint.prepare_request`` that puts the trace into the headers of each attempt.

    That is when it has been signed, unless the connection will: AWS takes headers that are not part of the signature,
    and signing them costs more than all the rest.
    """
    return replacement(_prepare, function, switch)  # type: ignore[no-any-return]


def _prepare(made: Any, args: Any, count: Any, names: Any) -> Any:
    switch: Switch = made.told
    request = pass_on(made.function, args, count, names)
    if switch.active:
        try:
            if current_span().scope is switch.scope and not left_to_connection(None):
                send_context(request.headers, None)
        except Exception as error:  # noqa: BLE001 - never into user code
            faults.report(WHERE, error)
    return request


def describing(receiving: Callable[[Span, Any], Callable[[Any], None]]) -> Callable[..., Any]:
    """Return the description of ``BaseClient._make_api_call``; :func:`describe_answer` goes with it.

    Args:
        receiving: Called with the span and the parameters when messages are received from SQS; what it returns is
            called with the result.
    """

    def call(span: Span, client: Any, operation: str, parameters: Any) -> tuple[Any, ...]:
        return _describe(span, client.meta, operation, parameters, receiving)

    return call


def _describe(
    span: Span,
    meta: Any,
    operation: str,
    parameters: Any,
    receiving: Callable[[Span, Any], Callable[[Any], None]],
) -> tuple[Any, ...]:
    said: tuple[Any, ...] = getattr(meta, "_obsv_said", None) or _say(meta)
    service, known = said[0], said[2]
    operations: dict[str, Any] = said[4]
    span.name, facts = operations.get(operation) or _say_operation(said, operation)
    then: Callable[[Any], None] | None = None
    if service == "SQS" or service == "SNS":
        if (service, operation) in SENDING:
            span.kind_value = PRODUCER
            then = partial(_sent, span) if span.recording else None
        elif operation == "ReceiveMessage":
            then = receiving(span, parameters)
    if span.recording:
        span.set_facts(facts)
        if isinstance(parameters, dict):
            given = _exact(parameters)
            if known is not None:
                _note(span, known, given)
            _set_parameters(span, service, operation, given)
    return said if then is None else (*said[:5], then)


def describe_answer(span: Span, result: Any, told: tuple[Any, ...] | None) -> None:
    """Set what a result says. ``told`` is what the description has returned: None where the call had none."""
    if told is None:
        return
    answers, then = told[3], told[5]
    try:
        if span.recording:
            answered(span, result)
    finally:
        if then is not None:
            then(result)
    if answers is not None and span.recording:
        _note(span, answers, _exact(result))


def refused(span: Span, error: Exception) -> None:
    """Set what an answer says that botocore has turned into an exception."""
    answer = getattr(error, "response", None)
    if isinstance(answer, dict):
        answered(span, answer)


def answered(span: Span, parsed: Any) -> None:
    """Set what an answer says: status, ids, how often it was tried, and the error."""
    given = parsed.get("ResponseMetadata")
    if not given or not isinstance(given, dict):
        return
    answer = _exact(given)
    status = answer.get("HTTPStatusCode")
    if isinstance(status, int):
        span.set_attribute("http.response.status_code", status)
    value = answer.get("RequestId")
    if value:
        span.set_attribute("aws.request_id", str(value))
    value = answer.get("HostId")
    if value:
        span.set_attribute("aws.extended_request_id", str(value))
    value = answer.get("RetryAttempts")
    if value:
        span.set_attribute("http.request.resend_count", value)
    if isinstance(status, int) and status >= 300:
        error = parsed.get("Error") or {}
        span.set_attribute("error.type", str(error.get("Code") or status))


def _exact(given: Any) -> dict[str, Any]:
    """Return a dict as one that is read quickly: whoever answers for botocore may use a class of his own."""
    return given if type(given) is dict else dict(given)


def _say(meta: Any) -> tuple[Any, ...]:
    """Return what all calls of a client have in common; the client remembers it.

    That is the service, where it is, what is said of its parameters and of its answers, what of its operations, and
    nothing to be done with a result.
    """
    service = str(meta.service_model.service_id)
    host, port = origin(str(meta.endpoint_url))
    place: list[Any] = []
    for name, value in (("cloud.region", meta.region_name), ("server.address", host), ("server.port", port)):
        if value or value == 0:
            place += (name, value)
    said: tuple[Any, ...] = (service, place, PARAMETERS.get(service), ANSWERS.get(service), {}, None)
    meta._obsv_said = said
    return said


def _say_operation(said: tuple[Any, ...], operation: str) -> tuple[str, tuple[Any, ...]]:
    """Return what all calls of an operation have in common: the name of the span, and facts for it."""
    service, place, kept = said[0], said[1], said[4]
    facts = ("rpc.system", "aws-api", "rpc.service", service, "rpc.method", operation, *place)
    if len(kept) < _MAX_OPERATIONS and len(operation) <= _MAX_OPERATION:
        kept[operation] = f"{service}.{operation}", facts
    return f"{service}.{operation}", facts


def _note(span: Span, known: dict[str, str], given: dict[str, Any]) -> None:
    """Set those members that say what a call is about."""
    for name, value in given.items():
        attribute = known.get(name)
        if attribute is not None:
            kind = type(value)
            if kind is str or kind is int or kind is bool:
                span.set_attribute(attribute, value)
            else:
                set_other(span, name, attribute, value)


def _set_parameters(span: Span, service: str, operation: str, parameters: dict[str, Any]) -> None:
    if service == "SQS" or service == "SNS":
        place = str(parameters.get("QueueUrl") or parameters.get("TopicArn") or parameters.get("TargetArn") or "")
        verb = "send" if span.kind_value == PRODUCER else "receive" if operation == "ReceiveMessage" else ""
        if verb and place:
            span.set_attribute("messaging.system", f"aws_{service.lower()}")
            span.set_attribute("messaging.operation.type", verb)
            span.set_attribute("messaging.operation.name", operation)
            span.set_attribute("messaging.destination.name", place.rpartition("/" if service == "SQS" else ":")[2])
        entries = parameters.get("Entries") or parameters.get("PublishBatchRequestEntries")
        if verb == "send" and isinstance(entries, (list, tuple)):
            span.set_attribute("messaging.batch.message_count", len(entries))
    elif service == "DynamoDB":
        tables = _tables(parameters)
        span.set_attribute("db.system.name", "aws.dynamodb")
        span.set_attribute("db.operation.name", operation)
        if tables:
            span.set_attribute("aws.dynamodb.table_names", tables)
        if len(tables) == 1:
            span.set_attribute("db.collection.name", tables[0])


def _tables(parameters: dict[str, Any]) -> list[str]:
    """Return the tables of a DynamoDB call: ``TableName``, those of a batch, or those of a transaction."""
    if isinstance(parameters.get("TableName"), str):
        return [parameters["TableName"]]
    batch = parameters.get("RequestItems")
    if isinstance(batch, dict):
        return [str(name) for name in batch]
    tables: dict[str, None] = {}
    items = parameters.get("TransactItems")
    for item in items if isinstance(items, (list, tuple)) else ():
        for action in item.values():
            if isinstance(action, dict) and isinstance(action.get("TableName"), str):
                tables[action["TableName"]] = None
    return list(tables)


def _sent(span: Span, result: dict[str, Any]) -> None:
    if isinstance(result.get("MessageId"), str):
        span.set_attribute("messaging.message.id", result["MessageId"])
    failed = result.get("Failed")
    if failed:  # the call as a whole has succeeded
        span.set_attribute("error.type", str(failed[0].get("Code") or "Failed"))
        span.set_status("error", f"{len(failed)} of the messages were refused")
