"""botocore, and boto3 above it: one client span for each API call, ``S3.PutObject``, its retries included.

Sending to SQS or SNS makes a producer span, and the trace goes along in the message: in SQS's ``AWSTraceHeader``
system attribute, which counts against no limit, and in a message attribute for SNS, which has no system attributes.
How received messages come back says `_sqs.py`. Nothing that the user passed is changed: parameters are replaced by
copies.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from ..hotpath.aws_client import SENDING, describe_answer, describing, emitting, preparing, refused
from ._api import Patch
from ._aws_messages import with_context, with_trace_header_asked
from ._sqs import asked_for_trace_header, deliver

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._api import Span, Switch

patch = Patch("botocore", requires="botocore >= 1.29", semconv="cloud-providers/aws-sdk")


def _receiving(span: Span, parameters: Any) -> Callable[[Any], None]:
    asked = asked_for_trace_header(parameters)

    def received(result: dict[str, Any]) -> None:
        messages = result.get("Messages")
        span.set_attribute("messaging.batch.message_count", len(messages or ()))
        if messages:
            result["Messages"] = deliver(messages, str(parameters.get("QueueUrl") or ""), asked, patch.scope)

    return received


patch.client(
    "botocore.client:BaseClient._make_api_call",
    failed=refused,
    wanted=("operation_name", "api_params"),
    answer=describe_answer,
)(describing(_receiving))


def _changed(span: Span, parameters: Any, model: Any) -> Any:
    """Put the trace into messages that are sent, and ask for it in those that are received.

    What comes back from the user's own event handlers is copied where it is changed.
    """
    service = str(model.service_model.service_id)
    if (service, model.name) in SENDING:
        return with_context(service, parameters, span)
    if service == "SQS" and model.name == "ReceiveMessage":
        return with_trace_header_asked(parameters, model.input_shape.members)
    return parameters


# Made, because a description may not replace parameters, and has no request.


@patch.make("botocore.client:BaseClient._emit_api_params")
def emit_parameters(function: Callable[..., Any], switch: Switch) -> Callable[..., Any]:
    """Let messages carry the trace."""
    return wraps(function)(emitting(function, switch, _changed))


@patch.make("botocore.endpoint:Endpoint.prepare_request")
def prepare_request(function: Callable[..., Any], switch: Switch) -> Callable[..., Any]:
    """Let the request carry the trace."""
    return wraps(function)(preparing(function, switch))
