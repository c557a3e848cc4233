"""Which parameters of a call to AWS, and which members of its answer, say what the call is about.

They are those that AWS's X-Ray SDKs record (``aws_para_whitelist.json`` of aws-xray-sdk), and some that the semantic
conventions name. Attributes have the conventions' names ("AWS SDK", "DynamoDB"); where there is none, it is
``aws.<service>.<parameter>``. Items, their keys, messages, bodies and the values of expressions are never recorded.

Tables are by the service's id. Only what a call is given is looked up in them, so a call pays for its own parameters.
"""

from __future__ import annotations

from .jsontext import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .span import Span

PARAMETERS: dict[str, dict[str, str]] = {
    "DynamoDB": {
        "AttributeDefinitions": "aws.dynamodb.attribute_definitions",
        "AttributesToGet": "aws.dynamodb.attributes_to_get",
        "ConsistentRead": "aws.dynamodb.consistent_read",
        "ExclusiveStartTableName": "aws.dynamodb.exclusive_start_table",
        "GlobalSecondaryIndexUpdates": "aws.dynamodb.global_secondary_index_updates",
        "GlobalSecondaryIndexes": "aws.dynamodb.global_secondary_indexes",
        "IndexName": "aws.dynamodb.index_name",
        "Limit": "aws.dynamodb.limit",
        "LocalSecondaryIndexes": "aws.dynamodb.local_secondary_indexes",
        "ProjectionExpression": "aws.dynamodb.projection",
        "ProvisionedThroughput": "aws.dynamodb.provisioned_",
        "ScanIndexForward": "aws.dynamodb.scan_forward",
        "Segment": "aws.dynamodb.segment",
        "Select": "aws.dynamodb.select",
        "TotalSegments": "aws.dynamodb.total_segments",
    },
    "Kinesis": {"StreamName": "aws.kinesis.stream_name"},
    "Lambda": {
        "FunctionName": "faas.invoked_name",
        "InvocationType": "aws.lambda.invocation_type",
        "LogType": "aws.lambda.log_type",
        "Qualifier": "aws.lambda.qualifier",
    },
    "S3": {
        "Bucket": "aws.s3.bucket",
        "CopySource": "aws.s3.copy_source",
        "Key": "aws.s3.key",
        "PartNumber": "aws.s3.part_number",
        "Prefix": "aws.s3.prefix",
        "UploadId": "aws.s3.upload_id",
        "VersionId": "aws.s3.version_id",
    },
    "SageMaker Runtime": {"EndpointName": "aws.sagemaker.endpoint_name"},
    "Secrets Manager": {"SecretId": "aws.secretsmanager.secret.arn"},
    "SFN": {
        "activityArn": "aws.step_functions.activity.arn",
        "stateMachineArn": "aws.step_functions.state_machine.arn",
    },
    "SNS": {"TopicArn": "aws.sns.topic.arn"},
    "SQS": {
        "AttributeNames": "aws.sqs.attribute_names",
        "Attributes": "aws.sqs.attribute_names",
        "DelaySeconds": "aws.sqs.delay_seconds",
        "Label": "aws.sqs.label",
        "MaxNumberOfMessages": "aws.sqs.max_number_of_messages",
        "MessageAttributeNames": "aws.sqs.message_attribute_names",
        "MessageAttributes": "aws.sqs.message_attribute_names",
        "QueueName": "aws.sqs.queue_name",
        "QueueNamePrefix": "aws.sqs.queue_name_prefix",
        "QueueOwnerAWSAccountId": "aws.sqs.queue_owner_aws_account_id",
        "QueueUrl": "aws.sqs.queue.url",
        "VisibilityTimeout": "aws.sqs.visibility_timeout",
        "WaitTimeSeconds": "aws.sqs.wait_time_seconds",
    },
}

ANSWERS: dict[str, dict[str, str]] = {
    "DynamoDB": {
        "ConsumedCapacity": "aws.dynamodb.consumed_capacity",
        "Count": "aws.dynamodb.count",
        "ScannedCount": "aws.dynamodb.scanned_count",
        "TableNames": "aws.dynamodb.table_count",
    },
    "Lambda": {"FunctionError": "aws.lambda.function_error"},
    "SQS": {
        "Failed": "aws.sqs.failed_count",
        "QueueUrl": "aws.sqs.queue.url",
        "QueueUrls": "aws.sqs.queue_count",
        "Successful": "aws.sqs.successful_count",
        "queueUrls": "aws.sqs.queue_count",
    },
}


def set_other(span: Span, name: str, attribute: str, value: Any) -> None:
    """Set what is no text and no whole number: a list, a structure, or something that botocore will refuse."""
    shape = _SHAPES.get(name)
    if shape is not None:
        shape(span, attribute, value)
    elif isinstance(value, (list, tuple)):
        span.set_attribute(attribute, [item if isinstance(item, (str, int)) else dumps(item) for item in value])
    elif isinstance(value, dict):
        span.set_attribute(attribute, dumps(value))
    elif isinstance(value, (str, int, float)):
        span.set_attribute(attribute, value)


def _names(span: Span, attribute: str, value: Any) -> None:
    """The names of attributes; what they are set to is the message's or the queue's business."""
    if isinstance(value, dict):
        span.set_attribute(attribute, list(value))


def _number(span: Span, attribute: str, value: Any) -> None:
    if isinstance(value, (list, tuple)):
        span.set_attribute(attribute, len(value))


def _source(span: Span, attribute: str, value: Any) -> None:
    """``bucket/key``, as the call's other form has it (semantic conventions, "AWS S3")."""
    if isinstance(value, dict):
        span.set_attribute(attribute, f"{value.get('Bucket')}/{value.get('Key')}")


def _throughput(span: Span, attribute: str, value: Any) -> None:
    """Two numbers (semantic conventions, "DynamoDB.CreateTable")."""
    if isinstance(value, dict):
        for kind, name in (("read", "ReadCapacityUnits"), ("write", "WriteCapacityUnits")):
            if isinstance(value.get(name), int):
                span.set_attribute(f"{attribute}{kind}_capacity", float(value[name]))


def _capacity(span: Span, attribute: str, value: Any) -> None:
    """A list, also of one (semantic conventions, ``aws.dynamodb.consumed_capacity``)."""
    each = value if isinstance(value, (list, tuple)) else [value]
    span.set_attribute(attribute, [dumps(item) for item in each])


_SHAPES: dict[str, Callable[[Span, str, Any], None]] = {
    "Attributes": _names,
    "ConsumedCapacity": _capacity,
    "CopySource": _source,
    "Failed": _number,
    "MessageAttributes": _names,
    "ProvisionedThroughput": _throughput,
    "QueueUrls": _number,
    "Successful": _number,
    "TableNames": _number,
    "queueUrls": _number,
}
