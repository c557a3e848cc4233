"""Where are we, by hints alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from obsv.platform import Platform, detect, read_line

if TYPE_CHECKING:
    from pathlib import Path

IRSA = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"
POD_IDENTITY = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token"


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({}, "laptop"),
        ({"AWS_LAMBDA_FUNCTION_NAME": "f"}, "lambda"),
        ({"AWS_EXECUTION_ENV": "AWS_Lambda_python3.12"}, "lambda"),
        ({"AWS_EXECUTION_ENV": "AWS_ECS_FARGATE"}, "ecs"),
        ({"AWS_EXECUTION_ENV": "AWS_ECS_EC2"}, "ecs"),
        ({"AWS_EXECUTION_ENV": "CloudShell"}, "laptop"),
        ({"ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2/v4/x"}, "ecs"),
        ({"ECS_CONTAINER_METADATA_URI": "http://169.254.170.2/v3/x"}, "ecs"),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "kubernetes"),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "AWS_WEB_IDENTITY_TOKEN_FILE": IRSA}, "eks"),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": POD_IDENTITY}, "eks"),
        ({"AWS_WEB_IDENTITY_TOKEN_FILE": IRSA}, "laptop"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "a=b, cloud.platform=aws_app_runner"}, "app_runner"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "cloud.platform=aws_eks", "KUBERNETES_SERVICE_HOST": "x"}, "eks"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "cloud.platform=azure_vm,,="}, "laptop"),
    ],
)
def test_environment(environ: dict[str, str], name: str, tmp_path: Path) -> None:
    platform = detect(environ, str(tmp_path))
    assert platform.name == name
    assert repr(platform) == f"<Platform {name}>"
    assert platform.on_aws is (name not in ("laptop", "kubernetes", "container"))


@pytest.mark.parametrize("marker", [".dockerenv", "run/.containerenv"])
def test_container(marker: str, tmp_path: Path) -> None:
    path = tmp_path / marker
    path.parent.mkdir(exist_ok=True)
    path.touch()
    assert detect({}, str(tmp_path)).name == "container"
    assert detect({"AWS_LAMBDA_FUNCTION_NAME": "f"}, str(tmp_path)).name == "lambda"


def test_ec2(tmp_path: Path) -> None:
    path = tmp_path / "sys/class/dmi/id/sys_vendor"
    path.parent.mkdir(parents=True)
    path.write_text("LENOVO\n")
    assert detect({}, str(tmp_path)).name == "laptop"
    path.write_text("Amazon EC2\n")
    assert detect({}, str(tmp_path)).name == "ec2"


def test_this_machine_is_somewhere() -> None:
    assert detect().name in ("lambda", "ecs", "eks", "app_runner", "ec2", "kubernetes", "container", "laptop")


def test_read_line(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b" one \xff\ntwo")
    assert read_line(str(tmp_path), "x") == "one \ufffd"
    (tmp_path / "empty").write_bytes(b"\n")
    assert read_line(str(tmp_path), "empty") is None
    assert read_line(str(tmp_path), "missing") is None


PEOPLE = {"traces": ("console", "local"), "metrics": ("local",), "logs": ("console", "local")}
MACHINES = {"traces": (), "metrics": ("emf",), "logs": ("json",)}


@pytest.mark.parametrize("name", ["lambda", "ecs", "eks", "app_runner", "kubernetes", "container"])
@pytest.mark.parametrize("terminal", [True, False])
def test_machines(name: str, terminal: bool) -> None:
    assert Platform(name, {}).defaults(terminal=terminal) == MACHINES | (
        {"runtime_metrics": False} if name == "lambda" else {}
    )


def test_people() -> None:
    laptop = Platform("laptop", {})
    quiet = {"traces": ("local",), "metrics": ("local",), "logs": ("local",)}
    assert laptop.defaults(terminal=True) == PEOPLE
    assert laptop.defaults() == quiet
    assert laptop.defaults(otlp=True) == dict.fromkeys(quiet, ("local", "otlp"))
    assert laptop.defaults(otlp_signals=["metrics"]) == {**quiet, "metrics": ("local", "otlp")}
    assert laptop.defaults(xray=True) == {**quiet, "traces": ("local", "xray")}


def test_an_ec2_machine_with_somebody_at_it_is_a_laptop() -> None:
    assert Platform("ec2", {}).defaults(terminal=True) == PEOPLE
    assert Platform("ec2", {}).defaults(terminal=False) == MACHINES


def test_one_way_for_traces() -> None:
    ecs = Platform("ecs", {})
    assert ecs.defaults(xray=True)["traces"] == ("xray",)
    assert ecs.defaults(otlp=True, xray=True)["traces"] == ("otlp",)


def test_the_function_names_the_service() -> None:
    assert Platform("lambda", {"AWS_LAMBDA_FUNCTION_NAME": "f"}).defaults()["service"] == "f"
    assert "service" not in Platform("lambda", {}).defaults()
