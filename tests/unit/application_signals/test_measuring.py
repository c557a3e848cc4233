"""Spans become histograms of latency, errors and faults, in bounded numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from aws_data import span
from obsv.application_signals import measuring
from obsv.application_signals.measuring import Measurements, outcome
from obsv.hotpath.span import CLIENT, CONSUMER, ERROR, SERVER, Entry, Span

if TYPE_CHECKING:
    from obsv.hotpath.records import MetricPoint

NOW = 1_780_000_100_000_000_000


def request(name: str = "GET /a", entry: Entry | None = None, status: int = 200, **more: Any) -> Span:
    made = span(1, name=name, kind=SERVER, **more)
    made.attributes = {"http.request.method": "GET", "http.response.status_code": status}
    made.entry = entry or Entry()
    return made


def call(entry: Entry | None, path: str = "/v1", host: str = "pay") -> Span:
    made = span(2, 1, name="GET", kind=CLIENT)
    made.attributes = {"http.request.method": "GET", "server.address": host, "url.full": f"http://{host}{path}"}
    made.entry = entry
    return made


def told(measurements: Measurements, now: int = NOW) -> dict[tuple[Any, ...], MetricPoint]:
    return {
        (point.name, point.attributes["aws.local.operation"], point.attributes.get("aws.remote.operation")): point
        for point in measurements.points(now)
    }


def test_latency_in_milliseconds_and_errors_and_faults_as_zeros_and_ones() -> None:
    measurements = Measurements("shop", "prod")
    measurements.add([request(status=code, duration_ns=2_000_000) for code in (200, 404, 500, 503)])
    points = told(measurements)
    latency, error, fault = (points[name, "GET /a", None] for name in ("Latency", "Error", "Fault"))
    assert (latency.count, latency.sum, latency.unit, latency.kind) == (4, 8.0, "Milliseconds", "histogram")
    assert (error.count, error.sum, fault.count, fault.sum) == (4, 1, 4, 2)
    assert latency.attributes == {
        "aws.local.service": "shop",
        "aws.local.environment": "prod",
        "aws.span.kind": "LOCAL_ROOT",
        "aws.local.operation": "GET /a",
    }
    assert told(measurements) == {}  # deltas


@pytest.mark.parametrize(
    ("status", "failed", "expected"),
    [(200, False, (0, 0)), (404, True, (1, 0)), (500, False, (0, 1)), (None, True, (0, 1)), (302, True, (0, 1))],
)
def test_4xx_is_an_error_and_5xx_or_a_failure_without_such_a_status_a_fault(
    status: int | None, failed: bool, expected: tuple[int, int]
) -> None:
    made = span(kind=SERVER)
    made.status_value = ERROR if failed else 0
    assert outcome(made, {"http.response.status_code": status}) == expected
    assert outcome(made, {"http.status_code": status}) == expected


def test_a_call_waits_for_the_name_of_the_operation_that_made_it() -> None:
    measurements, entry = Measurements("shop"), Entry()
    measurements.add([call(entry)])
    assert told(measurements) == {}
    measurements.add([request("GET /orders/{id}", entry)])
    assert ("Latency", "GET /orders/{id}", "GET /v1") in told(measurements)


def test_a_call_does_not_wait_for_ever() -> None:
    measurements = Measurements("shop")
    measurements.add([call(Entry())])
    assert told(measurements) == {}
    assert ("Latency", "UnknownOperation", "GET /v1") in told(measurements)


def test_so_many_calls_wait_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "MAX_WAITING", 3)
    measurements = Measurements("shop")
    measurements.add([call(Entry()) for _ in range(5)])
    assert told(measurements)["Latency", "UnknownOperation", "GET /v1"].count == 2


def test_a_client_span_without_parent_is_its_own_operation() -> None:
    measurements = Measurements("shop")
    made = call(Entry())
    made.parent64 = 0
    measurements.add([made])
    assert {key[1:] for key in told(measurements)} == {("InternalOperation", None), ("InternalOperation", "GET /v1")}


def test_the_metadata_service_is_no_dependency() -> None:
    measurements = Measurements("shop")
    entry = Entry()
    entry.operation = "GET /a"
    measurements.add([call(entry, host="169.254.169.254")])
    assert told(measurements) == {}


def test_receiving_messages_asks_somebody_and_processing_below_it_does_not() -> None:
    measurements, entry = Measurements("shop"), Entry()
    entry.operation = "GET /a"
    for word in ("receive", "process"):
        made = span(3, 1, kind=CONSUMER)
        made.attributes = {"messaging.system": "aws_sqs", "messaging.operation.type": word}
        made.entry = entry
        measurements.add([made])
    assert [key[2] for key in told(measurements)] == ["receive"] * 3


def test_over_the_limit_operations_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "MAX_SERIES", 10)
    measurements = Measurements("shop")
    measurements.add([request(f"GET /{index}") for index in range(50)])
    points = told(measurements)
    assert points["Latency", "AllOtherOperations", None].count == 40
    assert len(points) == 3 * 11
    entry = Entry()
    entry.operation = "GET /0"
    for index in range(50):
        measurements.add([call(entry, f"/{index}", f"host{index}")])
    points = told(measurements)
    assert sum(point.count for (name, *_), point in points.items() if name == "Latency") <= 50
    assert len(measurements._series) <= 2 * 10 + 1
    assert ("Latency", "AllOtherOperations", "AllOtherRemoteOperations") in points


def test_what_falls_silent_makes_room() -> None:
    measurements = Measurements("shop")
    measurements.add([request()])
    for _ in range(measuring.FORGOTTEN + 1):
        told(measurements)
    assert not measurements._series


def test_many_values_stay_within_one_percent() -> None:
    measurements = Measurements("shop")
    measurements.add([request(duration_ns=(index + 1) * 10_000) for index in range(10_000)])
    point = told(measurements)["Latency", "GET /a", None]
    assert point.count == 10_000
    from obsv.emf.histogram import representative

    seen = 0
    for index in sorted(point.buckets):
        seen += point.buckets[index]
        if seen >= 9_900:
            assert representative(index) == pytest.approx(99.0, rel=0.01)
            break
