"""Where the program runs, which decides about default dimensions and where lines go. Nobody is asked over a network."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from obsv.hotpath import faults
from obsv.platform import detect

from .. import stdout
from .config import get_config
from .serializer import serialize

if TYPE_CHECKING:
    from .logger.metrics_context import MetricsContext


class StdoutSink:
    """Writes lines to stdout."""

    def accept(self, context: MetricsContext) -> None:
        """Write a context."""
        stdout.write(serialize(context))


class AgentSink:
    """Sends lines to the CloudWatch agent, in a thread of its own."""

    def accept(self, context: MetricsContext) -> None:
        """Send a context."""
        from . import agent

        config = get_config()
        context.meta["LogGroupName"] = config.log_group_name or f"{config.service_name or 'Unknown'}-metrics"
        if config.log_stream_name:
            context.meta["LogStreamName"] = config.log_stream_name
        courier = agent.courier(config.agent_endpoint)
        courier.send(serialize(context, courier.limit))


class Environment:
    """Anywhere: ``default``, ``ec2`` and ``local`` differ in their type and in where lines go."""

    def __init__(self, type: str, sink: Any) -> None:
        self._type = type
        self._sink = sink

    def get_name(self) -> str:
        """Return the dimension ``ServiceName``."""
        return get_config().service_name or "Unknown"

    def get_type(self) -> str:
        """Return the dimension ``ServiceType``."""
        return self._type or get_config().service_type or "Unknown"

    def get_log_group_name(self) -> str:
        """Return the dimension ``LogGroup``."""
        return get_config().log_group_name or f"{self.get_name()}-metrics"

    def configure_context(self, context: MetricsContext) -> None:
        """Add what is known of this place."""

    def get_sink(self) -> Any:
        """Return where lines go."""
        return self._sink


class LambdaEnvironment(Environment):
    """A Lambda function."""

    def get_name(self) -> str:
        """Return the function's name."""
        return os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "")

    get_log_group_name = get_name

    def configure_context(self, context: MetricsContext) -> None:
        """Add what is known of the function and of this invocation."""
        for key, variable in _LAMBDA:
            context.set_property(key, os.environ.get(variable, ""))
        header = os.environ.get("_X_AMZN_TRACE_ID", "")
        if "Sampled=1" in header:
            context.set_property("traceId", header)
        else:
            context.properties.pop("traceId", None)  # of an invocation before


_LAMBDA = (
    ("executionEnvironment", "AWS_EXECUTION_ENV"),
    ("memorySize", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
    ("functionVersion", "AWS_LAMBDA_FUNCTION_VERSION"),
    ("logStreamId", "AWS_LAMBDA_LOG_STREAM_NAME"),
)

_ENVIRONMENTS = {
    "default": Environment("", AgentSink()),
    "ec2": Environment("AWS::EC2::Instance", AgentSink()),
    "lambda": LambdaEnvironment("AWS::Lambda::Function", StdoutSink()),
    "local": Environment("", StdoutSink()),
}

_found: Environment | None = None


def resolve() -> Environment:
    """Return where this is: what the configuration says, or what is found out, once."""
    global _found
    wanted = (get_config().environment or "").lower()
    if wanted in _ENVIRONMENTS:
        return _ENVIRONMENTS[wanted]
    if wanted:
        faults.tell(
            f"AWS_EMF_ENVIRONMENT={wanted!r} is unknown; allowed are {', '.join(_ENVIRONMENTS)}; it is found out"
        )
    if _found is None:
        name = detect().name
        _found = _ENVIRONMENTS.get(name) or _ENVIRONMENTS["default"]
    return _found
