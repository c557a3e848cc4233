"""The entity in the root of EMF lines."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_data import point
from obsv.emf.counts import Counts
from obsv.emf.entity import ecs_task, environment_of, log_entity, root_fields
from obsv.emf.shape import Shape


def lines(points: list[Any], namespace: str, resource: dict[str, Any]) -> list[str]:
    return list(Shape(namespace, resource).lines(points, Counts()))


TASK = "arn:aws:ecs:eu-west-1:123456789012:task/blue/0123abcd"

CASES: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({}, {}),
    ({"service.name": "shop"}, {"Service": "shop"}),
    (
        {"service.name": "shop", "deployment.environment.name": "prod"},
        {"Service": "shop", "Environment": "prod"},
    ),
    (
        {"service.name": "shop", "cloud.platform": "aws_lambda", "faas.name": "shop-prod"},
        {
            "Service": "shop",
            "Environment": "lambda:default",
            "PlatformType": "AWS::Lambda",
            "Lambda.Function": "shop-prod",
        },
    ),
    (
        {"service.name": "shop", "cloud.platform": "aws_ecs", "aws.ecs.task.arn": TASK, "aws.ecs.task.family": "web"},
        {
            "Service": "shop",
            "Environment": "ecs:blue",
            "PlatformType": "AWS::ECS",
            "ECS.Cluster": "blue",
            "ECS.TaskId": "0123abcd",
            "ECS.TaskDefinitionFamily": "web",
        },
    ),
    (
        {
            "service.name": "shop",
            "cloud.platform": "aws_eks",
            "k8s.cluster.name": "green",
            "k8s.namespace.name": "web",
            "k8s.deployment.name": "shop",
            "k8s.pod.name": "shop-1",
        },
        {
            "Service": "shop",
            "Environment": "eks:green/web",
            "PlatformType": "AWS::EKS",
            "EKS.Cluster": "green",
            "K8s.Workload": "shop",
            "K8s.Namespace": "web",
            "K8s.Pod": "shop-1",
        },
    ),
    (
        {"service.name": "shop", "k8s.pod.name": "shop-1", "k8s.cluster.name": "own"},
        {
            "Service": "shop",
            "Environment": "k8s:own/default",
            "PlatformType": "K8s",
            "K8s.Cluster": "own",
            "K8s.Pod": "shop-1",
        },
    ),
    (
        {"service.name": "shop", "cloud.platform": "aws_ec2", "host.id": "i-1"},
        {"Service": "shop", "Environment": "ec2:default", "PlatformType": "AWS::EC2", "EC2.InstanceId": "i-1"},
    ),
    (
        {"service.name": "unknown_service:python", "cloud.platform": "aws_ec2", "host.id": "i-1"},
        {
            "ResourceType": "AWS::EC2::Instance",
            "Identifier": "i-1",
            "PlatformType": "AWS::EC2",
            "EC2.InstanceId": "i-1",
        },
    ),
]


@pytest.mark.parametrize(("resource", "fields"), CASES)
def test_entity_information_in_emf_format(resource: dict[str, Any], fields: dict[str, str]) -> None:
    assert root_fields(resource) == fields
    [line] = lines([point("counter", "orders")], namespace="shop", resource=resource)
    document = json.loads(line)
    assert {name: document[name] for name in fields} == fields


def test_what_somebody_has_said_goes_before_the_fallback() -> None:
    said = {"cloud.platform": "aws_ecs", "aws.ecs.task.arn": TASK, "deployment.environment": "prod"}
    assert environment_of(said) == "prod"
    assert environment_of({}) == "generic:default"
    assert environment_of({"cloud.platform": "aws_ec2", "ec2.tag.aws:autoscaling:groupName": "web"}) == "ec2:web"


def test_both_forms_of_a_task_arn() -> None:
    old = "arn:aws:ecs:eu-west-1:123456789012:task/0123abcd"
    assert ecs_task({"aws.ecs.task.arn": TASK}) == ("blue", "0123abcd")
    assert ecs_task({"aws.ecs.task.arn": old}) == (None, "0123abcd")
    assert ecs_task({"aws.ecs.task.arn": old, "aws.ecs.cluster.arn": "arn:aws:ecs:x:1:cluster/red"})[0] == "red"


def test_a_dimension_of_the_same_name_goes_before_the_entity() -> None:
    resource = {"service.name": "shop", "cloud.platform": "aws_lambda", "faas.name": "f"}
    [line] = lines([point("counter", "orders", Environment="mine")], namespace="shop", resource=resource)
    assert json.loads(line)["Environment"] == "mine"


@given(
    st.dictionaries(
        st.sampled_from(sorted({key for resource, _ in CASES for key in resource})),
        st.one_of(
            st.text(), st.integers(), st.none(), st.sampled_from(["aws_ecs", "aws_eks", "aws_ec2", "aws_lambda"])
        ),
    )
)
def test_any_resource_gives_texts(resource: dict[str, Any]) -> None:
    assert all(isinstance(value, str) and value for value in root_fields(resource).values())
    for line in lines([point("counter", "orders")], namespace="shop", resource=resource):
        json.loads(line)


@pytest.mark.parametrize(
    ("resource", "keys", "attributes"),
    [
        (
            {"service.name": "shop", "deployment.environment.name": "prod"},
            {"Type": "Service", "Name": "shop", "Environment": "prod"},
            {},
        ),
        (
            {"service.name": "shop", "cloud.platform": "aws_lambda", "faas.name": "f"},
            {"Type": "Service", "Name": "shop", "Environment": "lambda:default"},
            {"PlatformType": "AWS::Lambda", "Lambda.Function": "f"},
        ),
        (
            {"service.name": "unknown_service:python", "cloud.platform": "aws_ec2", "host.id": "i-1"},
            {"Type": "AWS::Resource", "ResourceType": "AWS::EC2::Instance", "Identifier": "i-1"},
            {"PlatformType": "AWS::EC2", "EC2.InstanceId": "i-1"},
        ),
    ],
)
def test_the_entity_of_log_events(resource: dict[str, Any], keys: dict[str, str], attributes: dict[str, str]) -> None:
    assert log_entity(resource) == {"keyAttributes": keys, "attributes": attributes}


@pytest.mark.parametrize(
    "resource",
    [{}, {"service.name": "shop"}, {"deployment.environment.name": "prod"}, {"cloud.platform": "aws_lambda"}],
)
def test_an_entity_needs_a_service_and_its_environment(resource: dict[str, Any]) -> None:
    assert log_entity(resource) is None


NAMES = ["service.name", "deployment.environment.name", "faas.name", "host.id", "k8s.cluster.name", "k8s.pod.name"]


@given(
    st.dictionaries(st.sampled_from(NAMES), st.text(max_size=600), max_size=6),
    st.sampled_from([None, "aws_lambda", "aws_ecs", "aws_ec2", "aws_eks"]),
)
def test_any_entity_has_the_shape_that_the_api_wants(resource: dict[str, Any], platform: str | None) -> None:
    """CloudWatch Logs API reference, "Entity"."""
    if platform is not None:
        resource["cloud.platform"] = platform
    entity = log_entity(resource)
    if entity is None:
        return
    assert 2 <= len(entity["keyAttributes"]) <= 4
    assert len(entity["attributes"]) <= 10
    for pairs in entity.values():
        assert all(1 <= len(value) <= 512 and value.isascii() for value in pairs.values())
