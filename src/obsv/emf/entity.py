"""The entity that telemetry belongs to: what CloudWatch's "Explore related" and Application Signals find a service by.

Members at the root of an EMF object tell it (EMF specification, "Entity information in EMF format"): ``Service`` and
``Environment``, or ``ResourceType`` and ``Identifier`` where no service is known, and members that say where it runs.
Names and fallbacks are those of the CloudWatch agent, so that what comes straight from here and what came through the
agent belongs together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import limits

if TYPE_CHECKING:
    from collections.abc import Mapping

PLATFORM_TYPES = {
    "aws_ec2": "AWS::EC2",
    "aws_ecs": "AWS::ECS",
    "aws_eks": "AWS::EKS",
    "aws_lambda": "AWS::Lambda",
}
"""``cloud.platform`` in CloudWatch's words."""

UNKNOWN_SERVICE = "UnknownService"
"""Stands for a service without a name in Application Signals."""

_MAX_ENTITY = 512  # characters of a value in the API's form

_WORKLOADS = (
    "k8s.deployment.name",
    "k8s.statefulset.name",
    "k8s.daemonset.name",
    "k8s.cronjob.name",
    "k8s.job.name",
)

_PLACES = {
    "AWS::Lambda": (("Lambda.Function", "faas.name"),),
    "AWS::ECS": (
        ("ECS.TaskDefinitionFamily", "aws.ecs.task.family"),
        ("ECS.TaskDefinitionRevision", "aws.ecs.task.revision"),
    ),
    "AWS::EC2": (("EC2.InstanceId", "host.id"), ("EC2.AutoScalingGroup", "ec2.tag.aws:autoscaling:groupName")),
    "AWS::EKS": (("K8s.Namespace", "k8s.namespace.name"), ("K8s.Pod", "k8s.pod.name"), ("K8s.Node", "k8s.node.name")),
}
_PLACES["K8s"] = _PLACES["AWS::EKS"]


def root_fields(resource: Mapping[str, Any]) -> dict[str, str]:
    """Return the root members that tell the entity of a process.

    Args:
        resource: Its resource attributes.

    Outside of AWS and Kubernetes there is no more than what somebody has said: the service and its environment.

    Example:
        >>> root_fields({"service.name": "shop", "cloud.platform": "aws_lambda", "faas.name": "f"})
        {'Service': 'shop', 'Environment': 'lambda:default', 'PlatformType': 'AWS::Lambda', 'Lambda.Function': 'f'}
    """
    fields: dict[str, str] = {}
    platform = platform_type(resource)
    service = service_name(resource)
    instance = _text(resource, "host.id")
    if service is not None:
        fields["Service"] = service
    elif platform == "AWS::EC2" and instance:
        fields["ResourceType"], fields["Identifier"] = "AWS::EC2::Instance", instance
    environment = environment_of(resource) if platform else _given_environment(resource)
    if environment and "Identifier" not in fields:
        fields["Environment"] = environment
    if platform:
        fields["PlatformType"] = platform
        fields.update(_place(resource, platform))
    return fields


def log_entity(resource: Mapping[str, Any]) -> dict[str, dict[str, str]] | None:
    """Return the entity of log events (CloudWatch Logs API reference, "Entity"); None where it is not known.

    A service counts with its environment only, as the service's key attributes want it.

    Example:
        >>> log_entity({"service.name": "shop", "deployment.environment.name": "prod"})
        {'keyAttributes': {'Type': 'Service', 'Name': 'shop', 'Environment': 'prod'}, 'attributes': {}}
    """
    fields = {name: limits.dimension_value(value)[:_MAX_ENTITY] for name, value in root_fields(resource).items()}
    service, environment = fields.pop("Service", None), fields.pop("Environment", None)
    kind, identifier = fields.pop("ResourceType", None), fields.pop("Identifier", None)
    if service and environment:
        keys = {"Type": "Service", "Name": service, "Environment": environment}
    elif kind and identifier:
        keys = {"Type": "AWS::Resource", "ResourceType": kind, "Identifier": identifier}
    else:
        return None
    return {"keyAttributes": keys, "attributes": fields}


def service_name(resource: Mapping[str, Any]) -> str | None:
    """Return the service's name; None where nobody gave it one (semantic conventions: ``unknown_service:python``)."""
    name = _text(resource, "service.name")
    return None if name is None or name.startswith("unknown_service") else name


def platform_type(resource: Mapping[str, Any]) -> str | None:
    """Return where it runs in CloudWatch's words; None where that is not AWS or Kubernetes."""
    known = PLATFORM_TYPES.get(str(resource.get("cloud.platform")))
    if known is None and ("k8s.pod.name" in resource or "k8s.namespace.name" in resource):
        return "K8s"
    return known


def environment_of(resource: Mapping[str, Any]) -> str:
    """Return the environment: what somebody has said, or as the agent's resolvers make it up.

    That is ``lambda:default``, ``ecs:<cluster>``, ``eks:<cluster>/<namespace>``, ``k8s:<cluster>/<namespace>``,
    ``ec2:<auto scaling group>``, and ``default`` for a part that is not known.
    """
    given = _given_environment(resource)
    if given:
        return given
    platform = platform_type(resource)
    if platform == "AWS::Lambda":
        return "lambda:default"
    if platform == "AWS::ECS":
        return f"ecs:{ecs_task(resource)[0] or 'default'}"
    if platform == "AWS::EC2":
        return f"ec2:{_text(resource, 'ec2.tag.aws:autoscaling:groupName') or 'default'}"
    if platform in ("AWS::EKS", "K8s"):
        namespace = _text(resource, "k8s.namespace.name")
        cluster = _cluster(resource)
        code = "eks" if platform == "AWS::EKS" else "k8s"
        return f"{code}:{cluster}/{namespace or 'default'}" if cluster else f"{code}:default"
    return "generic:default"


def ecs_task(resource: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return cluster and task id of an ECS task, from ``aws.ecs.cluster.arn`` and ``aws.ecs.task.arn``.

    The task's own ARN names the cluster too, but in its older form (Amazon ECS, "Amazon Resource Names and IDs").
    """
    arn = _text(resource, "aws.ecs.cluster.arn")
    cluster = arn.rpartition("/")[2] if arn else None
    path = (_text(resource, "aws.ecs.task.arn") or "").partition(":task/")[2].split("/")
    task = path[-1] or _text(resource, "aws.ecs.task.id")
    if not cluster and len(path) == 2:
        cluster = path[0]
    return cluster or None, task or None


def _place(resource: Mapping[str, Any], platform: str) -> dict[str, str]:
    found = {}
    if platform == "AWS::ECS":
        cluster, task = ecs_task(resource)
        found.update({"ECS.Cluster": cluster, "ECS.TaskId": task})
    elif platform in ("AWS::EKS", "K8s"):
        found["EKS.Cluster" if platform == "AWS::EKS" else "K8s.Cluster"] = _cluster(resource)
        found["K8s.Workload"] = next((name for key in _WORKLOADS if (name := _text(resource, key))), None)
    for field, key in _PLACES[platform]:
        found[field] = _text(resource, key)
    return {field: value for field, value in found.items() if value}


def _cluster(resource: Mapping[str, Any]) -> str | None:
    arn = _text(resource, "aws.eks.cluster.arn")
    return _text(resource, "k8s.cluster.name") or (arn.rpartition("/")[2] if arn else None)


def _given_environment(resource: Mapping[str, Any]) -> str | None:
    return _text(resource, "deployment.environment.name") or _text(resource, "deployment.environment")


def _text(resource: Mapping[str, Any], key: str) -> str | None:
    value = resource.get(key)
    return str(value) if value else None
