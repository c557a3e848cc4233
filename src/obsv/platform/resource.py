"""The resource: what OpenTelemetry calls the attributes of the process that all its telemetry carries.

Names are those of the OpenTelemetry semantic conventions 1.44 ("Resource").
"""

from __future__ import annotations

import os
import sys

from . import Platform, read_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..settings import Settings
    from ..settings_lists import AttributeValue

    Attributes = dict[str, AttributeValue]

_CLOUD_PLATFORM = {
    "lambda": "aws_lambda",
    "ecs": "aws_ecs",
    "eks": "aws_eks",
    "app_runner": "aws_app_runner",
    "ec2": "aws_ec2",
}

# machine names as the kernel says them, in the words of `host.arch`
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "i386": "x86", "i686": "x86"}


def resource_attributes(settings: Settings, platform: Platform | None = None) -> Attributes:
    """The resource of this process. Call it again in a forked child: the process id and the instance are new there.

    Settings win over what was found here: `service`, `version` and `environment` over everything, then `resource`.
    Only hints at hand are used; nothing is asked over the network.
    """
    platform = settings.detected if platform is None else platform
    result: Attributes = {
        "telemetry.sdk.name": "obsv",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.version": _version(),
        "service.instance.id": _uuid4(),
    }
    result.update(_process())
    result.update(_place(platform))
    if settings.resource_detectors:
        from ..otel.detectors import detected

        result.update(detected(settings.resource_detectors))
    result.update(settings.resource)
    result["service.name"] = settings.service
    if settings.version is not None:
        result["service.version"] = settings.version
    if settings.environment is not None:
        result["deployment.environment.name"] = settings.environment
    return result


def _version() -> str:
    import obsv

    version = getattr(obsv, "__version__", None)
    return version if isinstance(version, str) else "unknown"


def _uuid4() -> str:
    """A random UUID (RFC 9562, version 4) without importing uuid."""
    data = bytearray(os.urandom(16))
    data[6] = data[6] & 0x0F | 0x40
    data[8] = data[8] & 0x3F | 0x80
    text = data.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _process() -> Attributes:
    runtime = sys.version_info
    result: Attributes = {
        "process.pid": os.getpid(),
        "process.runtime.name": sys.implementation.name,
        "process.runtime.version": f"{runtime.major}.{runtime.minor}.{runtime.micro}",
    }
    if sys.executable:
        result["process.executable.name"] = os.path.basename(sys.executable)
    return result


def _place(platform: Platform) -> Attributes:
    """Cloud, function, container and host."""
    environ = platform.environ
    result: Attributes = {}
    if platform.on_aws:
        result["cloud.provider"] = "aws"
        result["cloud.platform"] = _CLOUD_PLATFORM[platform.name]
        region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
        if region:
            result["cloud.region"] = region
    if platform.name == "lambda":
        result.update(_function(environ))
        return result  # the host is AWS's business, and its name says nothing
    uname = os.uname()
    result["host.name"] = uname.nodename
    result["host.arch"] = _ARCHITECTURES.get(uname.machine, uname.machine)
    result["os.type"] = uname.sysname.lower()
    if platform.name == "ecs":
        launch = environ.get("AWS_EXECUTION_ENV", "").removeprefix("AWS_ECS_").lower()
        if launch in ("fargate", "ec2"):
            result["aws.ecs.launchtype"] = launch
    elif platform.name in ("eks", "kubernetes"):
        result.update(_pod(platform))
    elif platform.name == "ec2":
        instance = read_line(platform.root, "sys/class/dmi/id/board_asset_tag")  # on Nitro: the instance's id
        if instance and instance.startswith("i-"):
            result["host.id"] = instance
    return result


def _function(environ: Mapping[str, str]) -> Attributes:
    """Source: AWS Lambda, "Defined runtime environment variables"; semantic conventions, "FaaS" and "AWS Logs"."""
    result: Attributes = {}
    for key, variable in (
        ("faas.name", "AWS_LAMBDA_FUNCTION_NAME"),
        ("faas.version", "AWS_LAMBDA_FUNCTION_VERSION"),
        ("faas.instance", "AWS_LAMBDA_LOG_STREAM_NAME"),
    ):
        value = environ.get(variable)
        if value:
            result[key] = value
    memory = environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")  # MiB there, bytes in the conventions
    if memory.isascii() and memory.isdigit():
        result["faas.max_memory"] = int(memory) * 1024 * 1024
    for key, variable in (
        ("aws.log.group.names", "AWS_LAMBDA_LOG_GROUP_NAME"),
        ("aws.log.stream.names", "AWS_LAMBDA_LOG_STREAM_NAME"),
    ):
        value = environ.get(variable)
        if value:
            result[key] = (value,)
    return result


def _pod(platform: Platform) -> Attributes:
    result: Attributes = {}
    name = platform.environ.get("HOSTNAME")  # Kubernetes, "Pod hostname": the pod's name unless it says otherwise
    if name:
        result["k8s.pod.name"] = name
    namespace = read_line(platform.root, "var/run/secrets/kubernetes.io/serviceaccount/namespace")
    if namespace:
        result["k8s.namespace.name"] = namespace
    return result
