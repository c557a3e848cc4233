"""What obsv does by default in each place, asked of obsv itself: the tables by place of docs/on-aws.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from obsv.emf.entity import root_fields
from obsv.emf.limits import namespace
from obsv.platform import Platform, detect
from obsv.platform.resource import resource_attributes
from obsv.settings import Settings, resolve
from obsv.sinks.application_signals import ApplicationSignalsSink

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVICE = "orders"
_NOWHERE = "/nonexistent"


class Place(NamedTuple):
    """Somewhere to run.

    Attributes:
        given: Variables that are there.
        chosen: Variables that you set.
        log: Where stdout arrives.
        collector: Where metrics arrive that go over OTLP.
        platform: What is found out from files, where no variable tells it.
    """

    given: Mapping[str, str]
    chosen: Mapping[str, str]
    log: str
    collector: str = "where the collector sends them"
    platform: str = ""


_TASK = {"ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2/v4/1", "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE"}
_POD = {
    "KUBERNETES_SERVICE_HOST": "10.100.0.1",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/token",
}
_NAME = {"OTEL_SERVICE_NAME": SERVICE}
_DRIVER = "the log group of the log driver"

PLACES = {
    "lambda": Place(
        {"AWS_LAMBDA_FUNCTION_NAME": SERVICE, "AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129:2000"},
        {},
        f"the function's log group, `/aws/lambda/{SERVICE}`",
    ),
    "ecs agent": Place(_TASK, {**_NAME, "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000"}, _DRIVER),
    "ecs collector": Place(_TASK, {**_NAME, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}, _DRIVER),
    "eks": Place(
        _POD,
        {
            **_NAME,
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://cloudwatch-agent.amazon-cloudwatch:4318",
            "OTEL_AWS_APPLICATION_SIGNALS_EXPORTER_ENDPOINT": "http://cloudwatch-agent.amazon-cloudwatch:4316/v1/metrics",
            "OBSV_METRICS": "otlp",
        },
        "Fluent Bit's log group, `/aws/containerinsights/…/application`",
        "CloudWatch Metrics, for PromQL",
    ),
    "app runner": Place(
        {},
        {
            **_NAME,
            "OBSV_PLATFORM": "app_runner",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://localhost:4318/v1/traces",
        },
        "the service's log group, `/aws/apprunner/…/application`",
    ),
    "ec2": Place(
        {},
        {**_NAME, "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000"},
        "the log group that the agent puts the journal into",
        platform="ec2",
    ),
    "laptop": Place({}, _NAME, "", platform="laptop"),
}
"""By the name of the block on the page."""


def settings_of(place: Place, **arguments: object) -> Settings:
    """Return the settings that are in force there, with these arguments of ``init``."""
    environ = {**place.given, **place.chosen}
    found = Platform(place.platform, environ, _NOWHERE) if place.platform else detect(environ, _NOWHERE)
    settings = resolve(arguments, environ, directory=_NOWHERE, platform=found, terminal=False)
    assert not settings.problems, settings.problems
    return settings


def sinks(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Return the sinks of each signal."""
    chosen = {"traces": settings.traces, "metrics": settings.metrics, "logs": settings.logs}
    return {signal: tuple([str(name) for name in names]) for signal, names in chosen.items()}


def table(name: str) -> str:
    """Return the table of a place."""
    place = PLACES[name]
    settings = settings_of(place)
    rows = [
        (signal, *_arrives(signal, sink, settings, place))
        for signal, found in sinks(settings).items()
        for sink in found or ("none",)
    ]
    asked = settings_of(place, config={"application_signals": "on"})
    rows.append(("Application Signals, with `application_signals=on`", *_signals(asked, place)))
    if place.log:
        rows.append(_runtime(settings))
    if "emf" in settings.metrics:
        rows.append(("entity", "in each line of EMF", f"`{_entity(settings)}`"))
    lines = ["| signal | arrives in | by way of |", "|---|---|---|", *[f"| {' | '.join(row)} |" for row in rows]]
    said = ", ".join([f"`{key}={value}`" for key, value in place.chosen.items() if key != "OTEL_SERVICE_NAME"])
    given = ", ".join([f"`{key}`" for key in place.given])
    head = f"Found by {given}. " if given else ""
    return f"{head}You set {said or 'nothing'}.\n\n" + "\n".join(lines)


def _arrives(signal: str, sink: str, settings: Settings, place: Place) -> tuple[str, str]:
    """Return where a signal arrives by a sink, and by which way."""
    if sink == "xray":
        return "X-Ray: traces, trace map", f"`xray`: segment documents over UDP to `{settings.xray_daemon_address}`"
    if sink == "otlp":
        where = "X-Ray: traces, trace map" if signal == "traces" else place.collector
        return where, f"`otlp`: OTLP to `{settings.otlp(signal).url}`"
    if sink == "emf":
        space = namespace(settings.namespace or settings.service)
        return (
            f"CloudWatch Metrics, namespace `{space}`",
            f"`emf`: lines on {settings.emf_destination}, and so in {place.log}",
        )
    if sink == "json":
        return place.log, "`json`: lines on stdout"
    if sink == "local":
        return f"`{settings.local_path}`, for `obsv show`", "`local`: SQLite"
    assert sink == "none", sink
    return "nowhere", "nothing says where to"


def _signals(settings: Settings, place: Place) -> tuple[str, str]:
    agent = getattr(ApplicationSignalsSink(settings)._way, "_targets", None)
    if agent is None:
        return "Application Signals", "EMF on stdout"
    return "Application Signals", f"OTLP to the agent, `{agent['metrics'].url}`"


def _runtime(settings: Settings) -> tuple[str, str, str]:
    if settings.runtime_metrics:
        return "runtime metrics", "as metrics", "as metrics"
    return "runtime metrics", "nowhere", "off; `runtime_metrics=true`"


def _entity(settings: Settings) -> str:
    """Return the members that tell the entity, without those that every pod and host has another value of."""
    found = root_fields(resource_attributes(settings))
    return ", ".join([f"{key}={value}" for key, value in found.items() if key not in ("K8s.Pod", "EC2.InstanceId")])
