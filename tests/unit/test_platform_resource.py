"""The resource's attributes."""

from __future__ import annotations

import os
import sys
import uuid
from typing import TYPE_CHECKING

from opentelemetry.sdk.resources import Resource

from obsv.platform import Platform
from obsv.platform.resource import resource_attributes
from obsv.settings import resolve

if TYPE_CHECKING:
    from pathlib import Path

TOLD = {
    "service": "shop",
    "version": "1.2",
    "environment": "test",
    "resource": {"team": "a", "host.name": "mine", "service.name": "hidden", "service.instance.id": "me"},
}


def attributes(
    name: str, environ: dict[str, str], arguments: dict[str, object] | None = None, root: str = "/"
) -> dict[str, object]:
    return dict(resource_attributes(resolve(arguments, environ, platform=Platform(name, environ, root))))


def test_laptop() -> None:
    found = attributes("laptop", {})
    assert found["service.name"] == "unknown_service"
    assert "service.version" not in found
    assert "deployment.environment.name" not in found
    assert found["telemetry.sdk.name"] == "obsv"
    assert found["telemetry.sdk.language"] == "python"
    assert found["telemetry.sdk.version"]
    assert found["process.pid"] == os.getpid()
    assert found["process.runtime.name"] == sys.implementation.name
    assert str(found["process.runtime.version"]).startswith("3.")
    assert found["host.name"] == os.uname().nodename
    assert found["os.type"] in ("linux", "darwin")
    assert found["host.arch"] in ("amd64", "arm64", os.uname().machine)
    assert not [key for key in found if key.startswith(("cloud.", "aws.", "faas.", "k8s."))]


def test_settings_win() -> None:
    found = attributes("laptop", {}, dict(TOLD))
    assert found["service.name"] == "shop"
    assert found["service.version"] == "1.2"
    assert found["deployment.environment.name"] == "test"
    assert found["team"] == "a"
    assert found["host.name"] == "mine"
    assert found["service.instance.id"] == "me"


def test_instances_differ() -> None:
    settings = resolve({}, {}, platform=Platform("laptop", {}))
    first, second = (str(resource_attributes(settings)["service.instance.id"]) for _ in range(2))
    assert first != second
    assert uuid.UUID(first).version == 4
    assert uuid.UUID(first).variant == uuid.RFC_4122
    assert str(uuid.UUID(first)) == first


def test_lambda() -> None:
    environ = {
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[$LATEST]abc",
        "AWS_REGION": "eu-central-1",
    }
    found = attributes("lambda", environ)
    assert found["service.name"] == "f"
    assert found["cloud.provider"] == "aws"
    assert found["cloud.platform"] == "aws_lambda"
    assert found["cloud.region"] == "eu-central-1"
    assert found["faas.name"] == "f"
    assert found["faas.version"] == "$LATEST"
    assert found["faas.instance"] == "2026/01/01/[$LATEST]abc"
    assert found["faas.max_memory"] == 128 * 1024 * 1024
    assert found["aws.log.group.names"] == ("/aws/lambda/f",)
    assert found["aws.log.stream.names"] == ("2026/01/01/[$LATEST]abc",)
    assert "host.name" not in found
    assert "faas.max_memory" not in attributes("lambda", {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "much"})


def test_ecs() -> None:
    found = attributes("ecs", {"AWS_EXECUTION_ENV": "AWS_ECS_FARGATE", "AWS_DEFAULT_REGION": "us-west-2"})
    assert (found["cloud.platform"], found["cloud.region"], found["aws.ecs.launchtype"]) == (
        "aws_ecs",
        "us-west-2",
        "fargate",
    )
    assert attributes("ecs", {"AWS_EXECUTION_ENV": "AWS_ECS_EC2"})["aws.ecs.launchtype"] == "ec2"
    assert "aws.ecs.launchtype" not in attributes("ecs", {})


def test_pods(tmp_path: Path) -> None:
    path = tmp_path / "var/run/secrets/kubernetes.io/serviceaccount/namespace"
    path.parent.mkdir(parents=True)
    path.write_text("shop-prod")
    found = attributes("eks", {"HOSTNAME": "shop-5d9-x"}, root=str(tmp_path))
    assert found["cloud.platform"] == "aws_eks"
    assert (found["k8s.pod.name"], found["k8s.namespace.name"]) == ("shop-5d9-x", "shop-prod")
    found = attributes("kubernetes", {}, root=str(tmp_path / "nowhere"))
    assert not [key for key in found if key.startswith(("cloud.", "k8s."))]


def test_ec2(tmp_path: Path) -> None:
    path = tmp_path / "sys/class/dmi/id/board_asset_tag"
    path.parent.mkdir(parents=True)
    path.write_text("i-0123456789abcdef0\n")
    found = attributes("ec2", {}, root=str(tmp_path))
    assert (found["cloud.platform"], found["host.id"]) == ("aws_ec2", "i-0123456789abcdef0")
    path.write_text("[empty]\n")
    assert "host.id" not in attributes("ec2", {}, root=str(tmp_path))


def test_opentelemetry_takes_every_attribute_as_it_is() -> None:
    for name in ("lambda", "ecs", "eks", "app_runner", "ec2", "kubernetes", "container", "laptop"):
        environ = {"AWS_LAMBDA_LOG_GROUP_NAME": "g", "HOSTNAME": "h", "AWS_REGION": "r"}
        found = attributes(name, environ, dict(TOLD))
        assert dict(Resource(found).attributes) == found  # type: ignore[arg-type]
