"""Which resource a call of AWS's SDK is about, as CloudFormation calls it (AWS Cloud Control, "Resource types")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Found = tuple[str | None, str | None, str | None]


def resource_of(attributes: Mapping[str, Any]) -> Found:
    """Return a resource's type, its identifier, and how CloudFormation identifies it; three times None for none.

    Example:
        >>> resource_of({"aws.s3.bucket": "cats"})
        ('AWS::S3::Bucket', 'cats', 'cats')
        >>> resource_of({"aws.sns.topic.arn": "arn:aws:sns:eu-west-1:123456789012:orders"})[1]
        'orders'
    """
    tables = attributes.get("aws.dynamodb.table_names")
    if isinstance(tables, (list, tuple)):
        if len(tables) == 1:
            name = escaped(str(tables[0]))
            return "AWS::DynamoDB::Table", name, name
        if tables:
            return None, None, None
    for key, kind, name_of, whole in _RESOURCES:
        value = attributes.get(key)
        if value:
            text = str(value)
            name = escaped(name_of(text))
            return kind, name, escaped(text) if whole else name
    return None, None, None


def escaped(text: str) -> str:
    """Return a part of an identifier in which ``|`` separates parts."""
    return text.replace("^", "^^").replace("|", "^|")


def _same(text: str) -> str:
    return text


def _behind_slash(text: str) -> str:
    return text.rpartition("/")[2]


def _behind_colon(text: str) -> str:
    return text.rpartition(":")[2]


_RESOURCES: tuple[tuple[str, str, Callable[[str], str], bool], ...] = (
    ("aws.dynamodb.table.arn", "AWS::DynamoDB::Table", _behind_slash, False),
    ("aws.kinesis.stream_name", "AWS::Kinesis::Stream", _same, False),
    ("aws.kinesis.stream.arn", "AWS::Kinesis::Stream", _behind_slash, False),
    ("aws.s3.bucket", "AWS::S3::Bucket", _same, False),
    ("aws.sqs.queue.url", "AWS::SQS::Queue", _behind_slash, True),
    ("aws.sqs.queue.name", "AWS::SQS::Queue", _same, False),
    ("aws.bedrock.agent.id", "AWS::Bedrock::Agent", _same, False),
    ("aws.bedrock.guardrail.id", "AWS::Bedrock::Guardrail", _same, False),
    ("aws.bedrock.knowledge_base.id", "AWS::Bedrock::KnowledgeBase", _same, False),
    ("gen_ai.request.model", "AWS::Bedrock::Model", _same, False),
    ("aws.secretsmanager.secret.arn", "AWS::SecretsManager::Secret", _behind_colon, True),
    ("aws.sns.topic.arn", "AWS::SNS::Topic", _behind_colon, True),
    ("aws.step_functions.state_machine.arn", "AWS::StepFunctions::StateMachine", _behind_colon, True),
    ("aws.step_functions.activity.arn", "AWS::StepFunctions::Activity", _behind_colon, True),
    ("aws.lambda.function.name", "AWS::Lambda::Function", _same, False),
    ("faas.invoked_name", "AWS::Lambda::Function", _same, False),
    ("aws.lambda.resource_mapping.id", "AWS::Lambda::EventSourceMapping", _same, False),
)
"""Attribute, type, what of the attribute is the identifier, and whether all of it is CloudFormation's."""
