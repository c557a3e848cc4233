"""The configuration: ``AWS_EMF_*``, read once, and what the program changes on it."""

from __future__ import annotations

import os


class Configuration:
    """What can be set. An empty text means: not set.

    Attributes:
        service_name: The dimension ``ServiceName``.
        service_type: The dimension ``ServiceType``.
        log_group_name: The dimension ``LogGroup``, and where the agent writes.
        log_stream_name: Where the agent writes.
        agent_endpoint: ``tcp://host:port`` or ``udp://host:port``.
        namespace: The CloudWatch namespace.
        environment: ``lambda`` or ``local`` (to stdout), ``ec2`` or ``default`` (to the agent); found out by itself.
        disable_metric_extraction: Write plain log lines, of which no metrics are made.
        default_flush_on_yield: Whether ``@metric_scope`` flushes at each item of a generator.
        ec2_metadata_endpoint: Kept; nothing is asked there.
        debug_logging_enabled: Kept; nothing is logged.
    """

    def __init__(
        self,
        debug_logging_enabled: bool = False,
        service_name: str = "",
        service_type: str = "",
        log_group_name: str = "",
        log_stream_name: str = "",
        agent_endpoint: str = "",
        ec2_metadata_endpoint: str | None = None,
        namespace: str | None = None,
        disable_metric_extraction: bool = False,
        environment: str | None = None,
    ) -> None:
        self.debug_logging_enabled = debug_logging_enabled
        self.service_name = service_name
        self.service_type = service_type
        self.log_group_name = log_group_name
        self.log_stream_name = log_stream_name
        self.agent_endpoint = agent_endpoint
        self.ec2_metadata_endpoint = ec2_metadata_endpoint
        self.namespace = namespace
        self.disable_metric_extraction = disable_metric_extraction
        self.environment = environment
        self.default_flush_on_yield = True


def from_environment() -> Configuration:
    """Read ``AWS_EMF_*``."""

    def text(name: str) -> str:
        return os.environ.get(f"AWS_EMF_{name}", "")

    return Configuration(
        text("ENABLE_DEBUG_LOGGING").lower() == "true",
        text("SERVICE_NAME"),
        text("SERVICE_TYPE"),
        text("LOG_GROUP_NAME"),
        text("LOG_STREAM_NAME"),
        text("AGENT_ENDPOINT"),
        text("EC2_METADATA_ENDPOINT"),
        text("NAMESPACE"),
        text("DISABLE_METRIC_EXTRACTION").lower() == "true",
        text("ENVIRONMENT"),
    )


config = from_environment()


def get_config() -> Configuration:
    """Return the configuration; what is changed on it counts from the next flush on.

    Example:
        >>> get_config().service_name = "shop"
    """
    return config
