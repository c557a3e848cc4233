from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from aws_data import attributes, resources
from obsv.xray.aws import call, is_call, origin, place, service


def test_a_call() -> None:
    rest = {
        "rpc.system": "aws-api",
        "rpc.service": "SQS",
        "rpc.method": "SendMessage",
        "cloud.region": "eu-west-1",
        "aws.request_id": "r-1",
        "aws.extended_request_id": "x-1",
        "aws.sqs.queue.url": "https://sqs/q",
        "http.request.resend_count": 2,
        "messaging.system": "aws_sqs",
    }
    assert is_call(rest)
    assert call(rest) == {
        "operation": "SendMessage",
        "region": "eu-west-1",
        "request_id": "r-1",
        "id_2": "x-1",
        "queue_url": "https://sqs/q",
        "retries": 2,
    }
    assert rest == {"messaging.system": "aws_sqs"}


def test_one_table_or_several() -> None:
    assert call({"aws.dynamodb.table_names": ("orders",)}) == {"table_name": "orders"}
    assert call({"aws.dynamodb.table_names": ("a", "b")}) == {"table_names": ["a", "b"]}


@pytest.mark.parametrize(
    ("recorded", "name"),
    [
        ({"rpc.service": "S3"}, "S3"),
        ({"rpc.service": "AWS.SDK.S3"}, "S3"),
        ({"aws.service": "AWS::DynamoDB"}, "DynamoDB"),
        ({"rpc.method": "Lambda/Invoke"}, "Lambda"),
        ({"rpc.method": "Invoke"}, None),
        ({}, None),
    ],
)
def test_service_names(recorded: dict[str, Any], name: str | None) -> None:
    assert service(recorded) == name


def test_grpc_is_no_aws_call() -> None:
    assert not is_call({"rpc.system": "grpc", "aws.service": "x"})
    assert is_call({"aws.service": "S3"})
    assert not is_call({"rpc.system": ("a", "b")})


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ({"cloud.platform": "aws_ecs", "aws.ecs.launchtype": "fargate"}, "AWS::ECS::Fargate"),
        ({"cloud.platform": "aws_ecs", "aws.ecs.launchtype": "EC2"}, "AWS::ECS::EC2"),
        ({"cloud.platform": "aws_ecs"}, "AWS::ECS::Container"),
        ({"cloud.platform": "aws_eks"}, "AWS::EKS::Container"),
        ({"cloud.platform": "aws_ec2"}, "AWS::EC2::Instance"),
        ({"cloud.platform": "aws_app_runner"}, "AWS::AppRunner::Service"),
        ({"cloud.platform": "aws_elastic_beanstalk"}, "AWS::ElasticBeanstalk::Environment"),
        ({"cloud.platform": "gcp_compute_engine"}, None),
        ({}, None),
    ],
)
def test_origins(resource: dict[str, Any], expected: str | None) -> None:
    assert origin(resource) == expected


def test_where_a_segment_ran() -> None:
    xray = {"sdk": "obsv for Python", "auto_instrumentation": True}
    assert place({}) == {"xray": xray}
    assert place({"cloud.account.id": "1", "cloud.platform": "aws_ec2", "host.id": "i-1"}) == {
        "account_id": "1",
        "ec2": {"instance_id": "i-1"},
        "xray": xray,
    }
    assert place({"cloud.platform": "aws_ecs", "container.id": "c", "aws.ecs.task.arn": "t"})["ecs"] == {
        "container_id": "c",
        "task_arn": "t",
    }
    assert place({"cloud.platform": "aws_eks", "k8s.cluster.name": "c", "k8s.pod.name": "p"})["eks"] == {
        "cluster_name": "c",
        "pod": "p",
    }
    assert place({"cloud.platform": "aws_elastic_beanstalk", "service.instance.id": "32"})["elastic_beanstalk"] == {
        "deployment_id": 32
    }
    assert place({"aws.log.group.names": "a&b"})["cloudwatch_logs"] == [{"log_group": "a"}, {"log_group": "b"}]
    assert place({"telemetry.distro.version": "1.0", "telemetry.sdk.version": "2.0"})["xray"]["sdk_version"] == "1.0"
    assert place({"telemetry.sdk.version": "2.0"})["xray"]["sdk_version"] == "2.0"


@given(attributes, resources)
def test_any_data(recorded: dict[str, Any], resource: dict[str, Any]) -> None:
    is_call(recorded)
    service(recorded)
    call(dict(recorded))
    origin(resource)
    place(resource)
