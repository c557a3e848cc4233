"""Measurements as EMF lines, as the CloudWatch agent's exporter writes them: namespace, dimension sets, names.

Source: amazon-cloudwatch-agent, ``awsemf_default_appsignals.yaml`` and its processor ``awsapplicationsignals``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obsv.emf import limits
from obsv.emf.counts import Counts
from obsv.emf.entity import environment_of, root_fields
from obsv.emf.histogram import targets
from obsv.hotpath.jsontext import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from obsv.hotpath.records import MetricPoint

NAMESPACE = "ApplicationSignals"

_FIELDS = {
    "aws.local.service": "Service",
    "aws.local.environment": "Environment",
    "aws.local.operation": "Operation",
    "aws.remote.service": "RemoteService",
    "aws.remote.operation": "RemoteOperation",
    "aws.remote.environment": "RemoteEnvironment",
    "aws.remote.resource.type": "RemoteResourceType",
    "aws.remote.resource.identifier": "RemoteResourceIdentifier",
    "aws.remote.resource.cfn.primary.identifier": "RemoteResourceCfnPrimaryIdentifier",
}
_SOURCES = {
    "SERVER": "ServerSpan",
    "LOCAL_ROOT": "LocalRootSpan",
    "CLIENT": "ClientSpan",
    "PRODUCER": "ProducerSpan",
    "CONSUMER": "ConsumerSpan",
}
_SERVICE_SETS = (("Environment", "Service", "Operation"), ("Environment", "Service"))
_HERE, _ASKED = ("Environment", "Service"), ("RemoteService", "RemoteOperation")
_RESOURCE, _THERE = ("RemoteResourceIdentifier", "RemoteResourceType"), ("RemoteEnvironment",)
_DEPENDENCY_SETS = (
    (*_HERE, "Operation", *_ASKED, *_THERE, *_RESOURCE),
    (*_HERE, "Operation", *_ASKED, *_THERE),
    (*_HERE, "Operation", *_ASKED, *_RESOURCE),
    (*_HERE, "Operation", *_ASKED),
    (*_HERE, "RemoteService", *_THERE),
    (*_HERE, "RemoteService"),
    (*_HERE, *_ASKED, *_THERE, *_RESOURCE),
    (*_HERE, *_ASKED, *_THERE),
    (*_HERE, *_ASKED, *_RESOURCE),
    (*_HERE, *_ASKED),
    (*_HERE, "RemoteService", *_RESOURCE),
    ("RemoteService", *_RESOURCE),
    ("RemoteService",),
)
_UNITS = {"Latency": ',"Unit":"Milliseconds"'}  # the agent gives the others none


def events(points: Iterable[MetricPoint], resource: Mapping[str, Any], version: str) -> list[tuple[str, int]]:
    """Return lines, and how many points begin in each.

    Args:
        points: From :meth:`obsv.application_signals.measuring.Measurements.points`.
        resource: Attributes of the resource.
        version: That of obsv.
    """
    common = {**root_fields(resource), "Environment": environment_of(resource)}
    common["Telemetry.SDK"] = f"obsv,{version},python,Manual"
    series: dict[tuple[int, int], list[MetricPoint]] = {}
    for point in points:
        series.setdefault((id(point.attributes), point.time_ns), []).append(point)
    made: list[tuple[str, int]] = []
    for group in series.values():
        made += _lines(group, common)
    return made


def _lines(group: list[MetricPoint], common: Mapping[str, str]) -> list[tuple[str, int]]:
    attributes = group[0].attributes
    fields = dict(common)
    for name, value in attributes.items():
        if name in _FIELDS:
            fields[_FIELDS[name]] = limits.dimension_value(str(value))
    kind = str(attributes["aws.span.kind"])
    fields["Telemetry.Source"] = _SOURCES[kind]
    wanted = _SERVICE_SETS if kind in ("SERVER", "LOCAL_ROOT") else _DEPENDENCY_SETS
    sets = [each for each in wanted if all([name in fields for name in each])]
    dimensions = ",".join(["[" + ",".join([quote(name) for name in each]) + "]" for each in sets])
    rest = "".join([f",{quote(name)}:{quote(value)}" for name, value in fields.items()])
    milliseconds = group[0].time_ns // 1_000_000

    def line(metrics: list[tuple[str, str]]) -> str:
        definitions = ",".join([f'{{"Name":"{name}"{_UNITS.get(name, "")}}}' for name, _ in metrics])
        values = "".join([f',"{name}":{value}' for name, value in metrics])
        return (
            f'{{"_aws":{{"Timestamp":{milliseconds},"CloudWatchMetrics":[{{"Namespace":"{NAMESPACE}",'
            f'"Dimensions":[{dimensions}],"Metrics":[{definitions}]}}]}}{rest}{values}}}'
        )

    first: list[tuple[str, str]] = []
    more: list[tuple[str, str]] = []
    for point in group:
        parts = targets(point, Counts()) if point.name == "Latency" else [_zeros_and_ones(point)]
        first += [(point.name, part) for part in parts[:1]]
        more += [(point.name, part) for part in parts[1:]]  # more than one object holds
    return [(line(first), len(group)), *[(line([part]), 0) for part in more]]


def _zeros_and_ones(point: MetricPoint) -> str:
    """Return a metric that is 1 for some requests and 0 for the others; its mid-points of buckets would not be 1."""
    ones = int(point.sum)
    zeros = point.count - ones
    if point.count <= limits.MAX_VALUES:
        return "[" + ",".join(["0"] * zeros + ["1"] * ones) + "]"
    pairs = [pair for pair in ((0, zeros), (1, ones)) if pair[1]]
    values, counts = (",".join([str(pair[at]) for pair in pairs]) for at in (0, 1))
    return (
        f'{{"Values":[{values}],"Counts":[{counts}],"Count":{point.count},"Sum":{ones},'
        f'"Max":{pairs[-1][0]},"Min":{pairs[0][0]}}}'
    )
