"""Application Signals as EMF: the agent's namespace, dimension sets and names, judged by AWS's schema."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_data import resources, schema, span
from obsv.application_signals.lines import events
from obsv.application_signals.measuring import Measurements
from obsv.hotpath.span import CLIENT, SERVER, Entry

NOW = 1_780_000_100_000_000_000
RESOURCE = {"service.name": "shop", "cloud.platform": "aws_lambda", "faas.name": "shop-prod"}


def document(line: str) -> dict[str, Any]:
    """A line that the schema takes, whose references lead somewhere."""
    from jsonschema import Draft7Validator

    found: dict[str, Any] = json.loads(line, parse_constant=lambda name: pytest.fail(name))
    errors = [error.message for error in Draft7Validator(schema("emf-schema.json")).iter_errors(found)]
    assert not errors, errors
    [directive] = found["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "ApplicationSignals"
    for names in directive["Dimensions"]:
        assert len(set(names)) == len(names) <= 30
        assert all(isinstance(found[name], str) and found[name].strip() and found[name].isascii() for name in names)
    for metric in directive["Metrics"]:
        value = found[metric["Name"]]
        if isinstance(value, dict):
            assert len(value["Values"]) == len(value["Counts"]) <= 100
        else:
            assert 0 < len(value) <= 100
    return found


def measured(count: int = 1, **attributes: Any) -> list[dict[str, Any]]:
    measurements, entry = Measurements("shop"), Entry()
    for index in range(count):
        made = span(1, name="GET /a", kind=SERVER, duration_ns=(index + 1) * 1_000_000)
        made.attributes = {"http.response.status_code": 500 if index % 4 == 0 else 200}
        made.entry = entry
        measurements.add([made])
    call = span(2, 1, kind=CLIENT)
    call.attributes, call.entry = attributes, entry
    if attributes:
        measurements.add([call])
    return [document(line) for line, _ in events(measurements.points(NOW), RESOURCE, "1.0")]


def test_service_metrics_have_the_agents_dimension_sets() -> None:
    [found] = measured()
    assert found["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [
        ["Environment", "Service", "Operation"],
        ["Environment", "Service"],
    ]
    assert found["_aws"]["Timestamp"] == NOW // 1_000_000
    del found["_aws"]
    assert found == {
        "Environment": "lambda:default",
        "Service": "shop",
        "Operation": "GET /a",
        "PlatformType": "AWS::Lambda",
        "Lambda.Function": "shop-prod",
        "Telemetry.SDK": "obsv,1.0,python,Manual",
        "Telemetry.Source": "LocalRootSpan",
        "Latency": [1.0],
        "Error": [0],
        "Fault": [1],
    }


def test_dependency_metrics_have_those_of_their_fields() -> None:
    _, found = measured(
        **{"rpc.system": "aws-api", "rpc.service": "S3", "rpc.method": "GetObject", "aws.s3.bucket": "cats"}
    )
    assert found["Telemetry.Source"] == "ClientSpan"
    assert (found["RemoteResourceType"], found["RemoteResourceIdentifier"]) == ("AWS::S3::Bucket", "cats")
    sets = found["_aws"]["CloudWatchMetrics"][0]["Dimensions"]
    assert ["Environment", "Service", "Operation", "RemoteService", "RemoteOperation"] in sets
    assert ["RemoteService", "RemoteResourceIdentifier", "RemoteResourceType"] in sets
    assert ["RemoteService"] in sets
    assert not any("RemoteEnvironment" in names for names in sets)
    _, plain = measured(**{"peer.service": "pay"})
    assert len(plain["_aws"]["CloudWatchMetrics"][0]["Dimensions"]) == 4
    _, function = measured(
        **{"rpc.system": "aws-api", "rpc.service": "Lambda", "rpc.method": "Invoke", "faas.invoked_name": "pay"}
    )
    assert function["RemoteEnvironment"] == "lambda:default"
    assert len(function["_aws"]["CloudWatchMetrics"][0]["Dimensions"]) == 7


def test_up_to_100_requests_are_plain_arrays_and_more_values_with_counts() -> None:
    [few] = measured(100)
    assert (len(few["Latency"]), sum(few["Fault"]), len(few["Error"])) == (100, 25, 100)
    many = measured(400)
    fault = many[0]["Fault"]
    assert fault == {"Values": [0, 1], "Counts": [300, 100], "Count": 400, "Sum": 100, "Max": 1, "Min": 0}
    assert many[0]["Error"] == {"Values": [0], "Counts": [400], "Count": 400, "Sum": 0, "Max": 0, "Min": 0}
    assert sum(line["Latency"]["Count"] for line in many if "Latency" in line) == 400


@given(st.text(max_size=2000), st.text(max_size=2000), resources)
def test_any_name_makes_a_line_that_cloudwatch_takes(operation: str, remote: str, resource: dict[str, Any]) -> None:
    measurements = Measurements("shop")
    made = span(1, name=operation, kind=CLIENT)
    made.attributes = {"peer.service": remote, "rpc.method": operation, "db.namespace": remote}
    measurements.add([made])
    for line, _ in events(measurements.points(NOW), resource, "1.0"):
        document(line)


def test_two_intervals_that_leave_together_are_lines_of_their_own() -> None:
    """So it is after stdout did not take the first of them at once."""
    measurements = Measurements("shop")
    waiting = []
    for interval in range(2):
        made = span(1, name="GET /a", kind=SERVER, duration_ns=(interval + 1) * 1_000_000)
        measurements.add([made])
        waiting += measurements.points(NOW + interval * 60_000_000_000)
    found = [(document(line), points) for line, points in events(waiting, RESOURCE, "1.0")]
    assert [(line["Latency"], points) for line, points in found] == [([1.0], 3), ([2.0], 3)]
    assert [line["_aws"]["Timestamp"] for line, _ in found] == [NOW // 1_000_000, NOW // 1_000_000 + 60_000]
