"""Where this process runs, and what that means for defaults.

Detection looks at environment variables and at a few small files. It never asks the network, so it costs the start
of a program nothing and cannot hang.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

# Values of `cloud.platform` and the place each means (OpenTelemetry semantic conventions, "Cloud").
_CLOUD_PLATFORMS = {
    "aws_lambda": "lambda",
    "aws_ecs": "ecs",
    "aws_eks": "eks",
    "aws_app_runner": "app_runner",
    "aws_ec2": "ec2",
}

# EKS gives pods their AWS identity through files below these folders (IRSA and EKS Pod Identity).
_EKS_TOKEN_FOLDERS = ("/var/run/secrets/eks.amazonaws.com/", "/var/run/secrets/pods.eks.amazonaws.com/")


class Platform:
    """A place to run in. `name` is one of lambda, ecs, eks, app_runner, ec2, kubernetes, container, laptop."""

    __slots__ = ("environ", "name", "root")

    def __init__(self, name: str, environ: Mapping[str, str] | None = None, root: str = "/") -> None:
        self.name = name
        self.environ = os.environ if environ is None else environ
        self.root = root

    def __repr__(self) -> str:
        return f"<Platform {self.name}>"

    @property
    def on_aws(self) -> bool:
        """The platform is one of AWS's."""
        return self.name in ("lambda", "ecs", "eks", "app_runner", "ec2")

    def defaults(
        self,
        *,
        otlp: bool = False,
        otlp_signals: Collection[str] = (),
        xray: bool = False,
        terminal: bool = False,
    ) -> dict[str, object]:
        """Settings that this platform decides where nobody else did.

        `otlp` says that an endpoint for all signals is configured, `otlp_signals` names those with one of their own,
        `xray` that a daemon's address is, `terminal` that a person watches stderr.

        For people (laptop; an EC2 machine with a terminal): traces and logs on the console while somebody watches, all
        into the local store, and to OTLP as well when it is configured. For machines: logs as JSON and metrics as EMF
        on stdout, which CloudWatch reads without an agent. OTLP carries traces and metrics; logs only when they have an
        endpoint of their own, since stdout already has them.
        """
        sinks: dict[str, tuple[str, ...]] = {}
        if self.name == "laptop" or (self.name == "ec2" and terminal):
            watched = ("console", "local") if terminal else ("local",)
            sinks = {"traces": watched, "metrics": ("local",), "logs": watched}
            for signal in sinks:
                if otlp or signal in otlp_signals:
                    sinks[signal] += ("otlp",)
        else:
            to_otlp = [s for s in ("traces", "metrics", "logs") if s in otlp_signals or (otlp and s != "logs")]
            sinks = {"traces": (), "metrics": ("emf",), "logs": ("json",)}
            for signal in to_otlp:
                sinks[signal] += ("otlp",)
        if xray and "otlp" not in sinks["traces"]:
            sinks["traces"] += ("xray",)
        result: dict[str, object] = dict(sinks)
        function = self.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        if self.name == "lambda":
            result["runtime_metrics"] = False  # an environment serves one request at a time, and sleeps between them
            if function:
                result["service"] = function
        return result


def detect(environ: Mapping[str, str] | None = None, root: str = "/") -> Platform:
    """Where this process runs, from `environ` and files below `root` (for tests).

    The most special hint wins: Lambda, then what `cloud.platform` in OTEL_RESOURCE_ATTRIBUTES claims, ECS, EKS, any
    other Kubernetes, any other container, EC2, and else a laptop. App Runner leaves no hint of its own (its containers
    see little more than PORT), so it has to be told: OBSV_PLATFORM=app_runner, or cloud.platform=aws_app_runner.
    """
    environ = os.environ if environ is None else environ
    return Platform(_name(environ, root), environ, root)


def _name(environ: Mapping[str, str], root: str) -> str:
    execution = environ.get("AWS_EXECUTION_ENV", "")
    if environ.get("AWS_LAMBDA_FUNCTION_NAME") or execution.startswith("AWS_Lambda"):
        return "lambda"
    for item in environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","):
        key, _, value = item.partition("=")
        if key.strip() == "cloud.platform" and value.strip() in _CLOUD_PLATFORMS:
            return _CLOUD_PLATFORMS[value.strip()]
    if (
        environ.get("ECS_CONTAINER_METADATA_URI_V4")
        or environ.get("ECS_CONTAINER_METADATA_URI")
        or execution.startswith("AWS_ECS")
    ):
        return "ecs"
    if environ.get("KUBERNETES_SERVICE_HOST"):
        return "eks" if _is_eks(environ) else "kubernetes"
    for marker in (".dockerenv", "run/.containerenv"):  # Docker's and Podman's
        if os.path.exists(os.path.join(root, marker)):
            return "container"
    if read_line(root, "sys/class/dmi/id/sys_vendor") == "Amazon EC2":
        return "ec2"
    return "laptop"


def _is_eks(environ: Mapping[str, str]) -> bool:
    for name in ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
        if environ.get(name, "").startswith(_EKS_TOKEN_FOLDERS):
            return True
    return False


def read_line(root: str, path: str) -> str | None:
    """The first line of a small file below `root`, without blanks around it; None where it cannot be read."""
    try:
        with open(os.path.join(root, path), "rb") as file:
            return file.read(256).partition(b"\n")[0].decode("utf-8", "replace").strip() or None
    except OSError:
        return None
