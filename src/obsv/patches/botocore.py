"""botocore, and boto3 above it: one client span for each API call, ``S3.PutObject``, its retries included.

Sending to SQS or SNS makes a producer span, and the trace goes along in the message: in SQS's ``AWSTraceHeader``
system attribute, which counts against no limit, and in a message attribute for SNS, which has no system attributes.
How received messages come back says `_sqs.py`. Nothing that the user passed is changed: parameters are replaced by
copies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._api import PRODUCER, Patch, current_span, guard
from ._aws_messages import with_context, with_trace_header_asked
from ._http_client import left_to_connection, origin, send_context
from ._sqs import asked_for_trace_header, deliver

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._api import Span

patch = Patch("botocore", requires="botocore >= 1.29", semconv="cloud-providers/aws-sdk")

_SENDING = {
    ("SQS", "SendMessage"),
    ("SQS", "SendMessageBatch"),
    ("SNS", "Publish"),
    ("SNS", "PublishBatch"),
}

_MESSAGING = frozenset(("SQS", "SNS"))
WHERE = "patch botocore"

# Parameters that say what a call is about, by service, and the attributes that they become (semantic conventions,
# "AWS SDK").
_PARAMETERS: dict[str, tuple[tuple[str, str], ...]] = {
    "S3": (("Bucket", "aws.s3.bucket"), ("Key", "aws.s3.key"), ("CopySource", "aws.s3.copy_source"))
    + (("UploadId", "aws.s3.upload_id"), ("PartNumber", "aws.s3.part_number")),
    "SQS": (("QueueUrl", "aws.sqs.queue.url"),),
    "SNS": (("TopicArn", "aws.sns.topic.arn"),),
    "Lambda": (("FunctionName", "faas.invoked_name"),),
    "Kinesis": (("StreamName", "aws.kinesis.stream_name"),),
    "Secrets Manager": (("SecretId", "aws.secretsmanager.secret.arn"),),
    "SFN": (
        ("stateMachineArn", "aws.step_functions.state_machine.arn"),
        ("activityArn", "aws.step_functions.activity.arn"),
    ),
}


@patch.client("botocore.client:BaseClient._make_api_call")
def call(span: Span, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[[Any], None] | None:
    """Describe one call of an operation."""
    operation = args[0] if args else kwargs["operation_name"]
    parameters = args[1] if len(args) > 1 else kwargs["api_params"]
    meta = client.meta
    said = getattr(meta, "_obsv_said", None) or _say(meta)
    service, region, host, port = said
    span.name = f"{service}.{operation}"
    sending = (service, operation) in _SENDING
    if sending:
        span.kind_value = PRODUCER
    if span.recording:
        put = span.set_attribute
        put("rpc.system", "aws-api")
        put("rpc.service", service)
        put("rpc.method", operation)
        if region:
            put("cloud.region", region)
        if host:
            put("server.address", host)
        if port is not None:
            put("server.port", port)
        if isinstance(parameters, dict):
            _set_parameters(span, service, operation, parameters)
    if service == "SQS" and operation == "ReceiveMessage":
        return _receiving(span, parameters)
    return (lambda result: _sent(span, result)) if sending and span.recording else None


def _say(meta: Any) -> tuple[str, Any, str, int | None]:
    """Return what all calls of a client have in common; the client remembers it."""
    said = (str(meta.service_model.service_id), meta.region_name, *origin(str(meta.endpoint_url)))
    meta._obsv_said = said
    return said


def _set_parameters(span: Span, service: str, operation: str, parameters: dict[str, Any]) -> None:
    for name, attribute in _PARAMETERS.get(service, ()):
        value = parameters.get(name)
        if isinstance(value, (str, int)):
            span.set_attribute(attribute, value)
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


def _receiving(span: Span, parameters: Any) -> Callable[[Any], None]:
    asked = asked_for_trace_header(parameters)

    def received(result: dict[str, Any]) -> None:
        messages = result.get("Messages")
        span.set_attribute("messaging.batch.message_count", len(messages or ()))
        if messages:
            result["Messages"] = deliver(messages, str(parameters.get("QueueUrl") or ""), asked, patch.scope)

    return received


@patch.wrap("botocore.client:BaseClient._emit_api_params")
def prepare(wrapped: Callable[..., Any], client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Put the trace into messages that are sent, and ask for it in those that are received.

    A wrapper, because a description may not replace parameters. What comes back from the user's own event handlers is
    copied where it is changed.
    """
    parameters = wrapped(*args, **kwargs)
    span = current_span()
    if span.scope is not patch.scope:
        return parameters  # called by somebody else, or obsv is off
    try:
        model = kwargs["operation_model"] if "operation_model" in kwargs else args[1]
        service = str(model.service_model.service_id)
        if service not in _MESSAGING:
            return parameters
        if (service, model.name) in _SENDING:
            return with_context(service, parameters, span)
        if service == "SQS" and model.name == "ReceiveMessage":
            return with_trace_header_asked(parameters, model.input_shape.members)
    except Exception:
        with guard(WHERE):
            raise
    return parameters


@patch.wrap("botocore.client:BaseClient._make_request")
def exchange(wrapped: Callable[..., Any], client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Note what the answer says, an error's too. A wrapper, because a description of the call has no answer where
    botocore raises."""
    span = current_span()
    if span.scope is not patch.scope:
        return wrapped(*args, **kwargs)
    result = wrapped(*args, **kwargs)
    try:
        if span.recording:
            _answered(span, *result)
    except Exception:
        with guard(WHERE):
            raise
    return result


@patch.wrap("botocore.endpoint:Endpoint.prepare_request")
def prepared(wrapped: Callable[..., Any], endpoint: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Put the trace into the headers of each attempt when it has been signed, unless the connection will: AWS takes
    headers that are not part of the signature, and signing them costs more than all the rest.

    A wrapper, because a description of the call never sees the request.
    """
    request = wrapped(*args, **kwargs)
    try:
        if current_span().scope is patch.scope and not left_to_connection(request.headers):
            send_context(request.headers, None)
    except Exception:
        with guard(WHERE):
            raise
    return request


_IDS = (("RequestId", "aws.request_id"), ("HostId", "aws.extended_request_id"))


def _answered(span: Span, http: Any, parsed: Any) -> None:
    answer = parsed.get("ResponseMetadata") or {}
    status = answer.get("HTTPStatusCode", getattr(http, "status_code", None))
    if isinstance(status, int):
        span.set_attribute("http.response.status_code", status)
    for name, attribute in _IDS:
        value = answer.get(name)
        if value:
            span.set_attribute(attribute, str(value))
    if answer.get("RetryAttempts"):
        span.set_attribute("http.request.resend_count", answer["RetryAttempts"])
    if isinstance(status, int) and status >= 300:
        error = parsed.get("Error") or {}
        span.set_attribute("error.type", str(error.get("Code") or status))
