"""The ``aws`` blocks: of a segment (where it ran) and of a subsegment (which AWS call it was)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .names import first, integer, take, text

if TYPE_CHECKING:
    from collections.abc import Mapping

# cloud.platform to X-Ray's origin (X-Ray developer guide, "Segment documents", and AWS's exporter for the collector).
_ORIGINS = {
    "aws_ec2": "AWS::EC2::Instance",
    "aws_ecs": "AWS::ECS::Container",
    "aws_eks": "AWS::EKS::Container",
    "aws_elastic_beanstalk": "AWS::ElasticBeanstalk::Environment",
    "aws_app_runner": "AWS::AppRunner::Service",
    "aws_lambda": "AWS::Lambda::Function",
}
_LAUNCH_TYPES = {"ec2": "AWS::ECS::EC2", "fargate": "AWS::ECS::Fargate"}

_API = frozenset(("aws-api", "aws_api"))

# What is recorded of a call, and the attributes that it comes from. The field names are those of AWS's X-Ray SDKs.
_CALL_FIELDS = (
    ("region", ("aws.region", "cloud.region")),
    ("account_id", ("aws.account.id", "aws.account_id", "cloud.account.id")),
    ("request_id", ("aws.request_id", "aws.requestId")),
    ("id_2", ("aws.extended_request_id",)),
    ("queue_url", ("aws.queue_url", "aws.queue.url", "aws.sqs.queue.url", "aws.sqs.queue_url", "messaging.url")),
    ("table_name", ("aws.table_name", "aws.table.name")),
    ("bucket_name", ("aws.s3.bucket",)),
    ("key", ("aws.s3.key",)),
    ("topic_arn", ("aws.sns.topic.arn",)),
    ("stream_name", ("aws.kinesis.stream_name",)),
    ("function_name", ("aws.lambda.function.name", "faas.invoked_name")),
)


def is_call(attributes: Mapping[str, Any]) -> bool:
    """Tell whether a span is a call of an AWS service's API."""
    system = first(attributes, "rpc.system.name", "rpc.system")
    if isinstance(system, str):
        return system in _API
    return "aws.service" in attributes or "aws.operation" in attributes


def service(attributes: Mapping[str, Any]) -> str | None:
    """Return the name of the AWS service that a span calls, as X-Ray's console knows it (``S3``, ``DynamoDB``)."""
    found = first(attributes, "aws.service", "rpc.service")
    if found is None:
        # Newer conventions have one attribute, "S3/PutObject".
        name, _, operation = text(first(attributes, "rpc.method") or "").partition("/")
        found = name if operation else None
    if found is None:
        return None
    name = text(found)
    for prefix in ("AWS.SDK.", "AWS::", "Amazon "):
        name = name.removeprefix(prefix)
    return name or None


def call(rest: dict[str, Any]) -> dict[str, Any]:
    """Return the block of an AWS call. Takes what it uses out of ``rest``."""
    block: dict[str, Any] = {}
    operation = take(rest, "aws.operation", "rpc.method")
    take(rest, "rpc.system.name", "rpc.system")
    take(rest, "aws.service", "rpc.service")
    if operation:
        block["operation"] = text(operation).rpartition("/")[2]
    for field, keys in _CALL_FIELDS:
        value = take(rest, *keys)
        if value is not None and value != "":
            block[field] = text(value)
    tables = take(rest, "aws.dynamodb.table_names")
    if isinstance(tables, (tuple, list)) and len(tables) > 1:
        block["table_names"] = [text(table) for table in tables]
    elif tables:
        block["table_name"] = text(tables)
    retries = integer(take(rest, "aws.retries", "aws.xray.retries", "retry_attempts", "http.request.resend_count"))
    if retries is not None:
        block["retries"] = retries
    _counts(rest, block)
    for key in [key for key in rest if isinstance(key, str) and key.startswith("aws.")]:
        field = _field(key)
        if field and field not in block:
            block[field] = _structures(rest.pop(key)) if field in _STRUCTURES else _parameter(rest.pop(key))
    return block


def _counts(rest: dict[str, Any], block: dict[str, Any]) -> None:
    """What the conventions say of messages and of capacity in other words."""
    for field, key in (("message_id", "messaging.message.id"), ("message_count", "messaging.batch.message_count")):
        value = take(rest, key)
        if value is not None:
            block[field] = _parameter(value)
    read, write = take(rest, _CAPACITY + "read_capacity"), take(rest, _CAPACITY + "write_capacity")
    if read is not None or write is not None:
        block["provisioned_throughput"] = {
            "ReadCapacityUnits": _parameter(read),
            "WriteCapacityUnits": _parameter(write),
        }


_CAPACITY = "aws.dynamodb.provisioned_"

# Services whose parameters stand behind their name: "aws.sqs.delay_seconds". Without one, "aws.delay_seconds", they are
# in the form of AWS's X-Ray SDKs.
_SERVICES = frozenset(("dynamodb", "kinesis", "lambda", "s3", "sagemaker", "sns", "sqs"))

# OpenTelemetry's words for DynamoDB (semantic conventions, "AWS DynamoDB") that are not the parameter's name.
_DYNAMODB = {
    "exclusive_start_table": "exclusive_start_table_name",
    "projection": "projection_expression",
    "scan_forward": "scan_index_forward",
}

# Parameters that are structures, recorded as JSON.
_STRUCTURES = frozenset(
    (
        "attribute_definitions",
        "consumed_capacity",
        "global_secondary_index_updates",
        "global_secondary_indexes",
        "item_collection_metrics",
        "local_secondary_indexes",
    )
)


def _field(key: str) -> str:
    """Return the member that a recorded parameter becomes, empty for what is none."""
    service, dot, name = key[4:].partition(".")
    if not dot:
        return service
    if service == "dynamodb":
        name = _DYNAMODB.get(name, name)
    return name if service in _SERVICES and "." not in name else ""


def _structures(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return [_structures(item) for item in value]
    if isinstance(value, str) and value.startswith("{"):
        import json

        try:
            return _parameter(json.loads(value))
        except (ValueError, RecursionError):  # cut by a limit
            return value
    return _parameter(value)


def _parameter(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return [_parameter(item) for item in value]
    if isinstance(value, dict):
        return {text(key): _parameter(item) for key, item in value.items()}
    if isinstance(value, float) and not abs(value) < float("inf"):
        return repr(value)
    if isinstance(value, int) and abs(value) >= 2**63:
        return hex(value)
    return value if value is None or isinstance(value, (str, int, float)) else text(value)


def origin(resource: Mapping[str, Any]) -> str | None:
    """Return X-Ray's word for what the service runs on, None outside AWS."""
    platform = resource.get("cloud.platform")
    if not isinstance(platform, str):
        return None
    if platform == "aws_ecs":
        launch = text(resource.get("aws.ecs.launchtype") or "").lower()
        return _LAUNCH_TYPES.get(launch, _ORIGINS[platform])
    return _ORIGINS.get(platform)


def arn(resource: Mapping[str, Any]) -> str | None:
    """Return the ARN of what the service runs in, None where it is not known."""
    found = first(resource, "cloud.resource_id", "aws.ecs.container.arn", "aws.ecs.task.arn")
    return text(found) if text(found).startswith("arn:") else None


def place(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``aws`` block of a segment: account, machine, container, cluster, log groups, and the writing SDK."""
    block: dict[str, Any] = {}
    _put(block, resource, account_id="cloud.account.id")
    platform = resource.get("cloud.platform")
    if platform == "aws_ec2" or (resource.get("host.id") and platform in (None, "aws_eks", "aws_ecs")):
        block["ec2"] = _part(
            resource,
            instance_id="host.id",
            availability_zone="cloud.availability_zone",
            instance_size="host.type",
            ami_id="host.image.id",
        )
    if platform == "aws_ecs":
        block["ecs"] = _part(
            resource,
            container="container.name" if resource.get("container.name") else "host.name",  # as AWS's X-Ray SDKs do
            container_id="container.id",
            container_arn="aws.ecs.container.arn",
            cluster_arn="aws.ecs.cluster.arn",
            task_arn="aws.ecs.task.arn",
            task_family="aws.ecs.task.family",
            launch_type="aws.ecs.launchtype",
        )
    if platform == "aws_eks" or resource.get("k8s.cluster.name"):
        block["eks"] = _part(resource, cluster_name="k8s.cluster.name", pod="k8s.pod.name", container_id="container.id")
    if platform == "aws_elastic_beanstalk":
        part = _part(resource, environment_name="service.namespace", version_label="service.version")
        deployment = integer(resource.get("service.instance.id"))
        if deployment is not None:
            part["deployment_id"] = deployment
        block["elastic_beanstalk"] = part
    block["cloudwatch_logs"] = _logs(resource)
    block = {key: value for key, value in block.items() if value}
    block["xray"] = {"sdk": "obsv for Python", "auto_instrumentation": True}
    distro = "telemetry.distro.version"
    _put(block["xray"], resource, sdk_version=distro if resource.get(distro) else "telemetry.sdk.version")
    return block


def _logs(resource: Mapping[str, Any]) -> list[dict[str, str]]:
    groups = {name: {"log_group": name} for name in _several(resource.get("aws.log.group.names"))}
    for arn in _several(resource.get("aws.log.group.arns")):
        name = arn.partition(":log-group:")[2].partition(":")[0]
        if name:
            groups[name] = {"log_group": name, "arn": arn}
    return list(groups.values())


def _several(value: Any) -> list[str]:
    """Return the texts of a list, or of what a variable of the environment has in its place."""
    items = value if isinstance(value, (tuple, list)) else text(value or "").split("&")
    return [text(item) for item in items if item]


def _part(resource: Mapping[str, Any], **fields: str) -> dict[str, Any]:
    part: dict[str, Any] = {}
    _put(part, resource, **fields)
    return part


def _put(block: dict[str, Any], resource: Mapping[str, Any], **fields: str) -> None:
    for field, key in fields.items():
        value = resource.get(key)
        if value is not None and value != "":
            block[field] = text(value)
