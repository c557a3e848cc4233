from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_data import RESOURCE, T0, histogram, point, points, resources
from obsv.emf.counts import Counts
from obsv.emf.shape import Shape

if TYPE_CHECKING:
    from obsv.hotpath.records import MetricPoint


def read(*made: MetricPoint, counts: Counts | None = None, **options: Any) -> list[dict[str, Any]]:
    shape = Shape(**{"namespace": "shop", "resource": RESOURCE, **options})
    return [json.loads(line) for line in shape.lines(made, counts)]


def metrics(document: dict[str, Any]) -> list[dict[str, Any]]:
    [directive] = document["_aws"]["CloudWatchMetrics"]
    found: list[dict[str, Any]] = directive["Metrics"]
    return found


def test_points_of_the_same_dimensions_and_time_are_one_object() -> None:
    [document] = read(
        point("counter", "requests", "Count", 3, route="/a"),
        point("gauge", "depth", "None", 1.5, route="/a"),
        histogram([1.0, 2.0], "latency", keep=True, route="/a"),
    )
    assert document == {
        "_aws": {
            "Timestamp": T0 // 1_000_000,
            "CloudWatchMetrics": [
                {
                    "Namespace": "shop",
                    "Dimensions": [["Service", "route"]],
                    "Metrics": [
                        {"Name": "requests", "Unit": "Count"},
                        {"Name": "depth", "Unit": "None"},
                        {"Name": "latency", "Unit": "Milliseconds"},
                    ],
                }
            ],
        },
        "Service": "shop",
        "route": "/a",
        "service.version": "1.2.3",
        "requests": 3,
        "depth": 1.5,
        "latency": [1.0, 2.0],
    }


def test_other_dimensions_or_another_time_are_another_object() -> None:
    assert (
        len(read(point("counter", route="/a"), point("counter", route="/b"), point("counter", time_ns=T0 + 10**9))) == 3
    )


def test_the_order_of_dimensions_makes_no_difference() -> None:
    assert len(read(point("counter", "a", x=1, y=2), point("counter", "b", y=2, x=1))) == 1


def test_dimensions_are_always_sent() -> None:
    [document] = read(point("counter"), dimensions={}, resource={})
    assert document["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [[]]


def test_a_points_own_attribute_wins_over_a_default_dimension() -> None:
    [document] = read(point("counter", Service="billing"))
    assert document["Service"] == "billing"
    assert document["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["Service"]]


def test_dimension_values_become_text() -> None:
    [document] = read(point("counter", a=True, b=404, c=2.0, d=2.5, e=None))
    assert [document[name] for name in "abcde"] == ["true", "404", "2", "2.5", "None"]


def test_a_hundred_metrics_fit_into_an_object() -> None:
    documents = read(*[point("counter", f"metric{index}") for index in range(250)])
    assert [len(metrics(document)) for document in documents] == [100, 100, 50]


def test_one_name_with_two_units_is_two_objects() -> None:
    documents = read(point("gauge", "size", "Bytes"), point("gauge", "size", "Count"))
    assert [metrics(document) for document in documents] == [
        [{"Name": "size", "Unit": "Bytes"}],
        [{"Name": "size", "Unit": "Count"}],
    ]


def test_a_metric_named_like_a_dimension_is_renamed() -> None:
    counts = Counts()
    [document] = read(point("counter", "route", value=5, route="/a"), counts=counts)
    assert document["route"] == "/a"
    assert document["route_value"] == 5
    assert counts.changed == {"metric name: taken by a dimension": 1}


def test_the_reserved_name_is_not_used() -> None:
    [document] = read(point("counter", "_aws", value=5, _aws="x"))
    assert document["_aws_value"] == 5
    assert document["_aws_"] == "x"


def test_a_metric_named_like_a_property_takes_its_place() -> None:
    documents = read(point("counter", "service.version", value=5), *[point("counter", f"m{i}") for i in range(100)])
    assert [document["service.version"] for document in documents] == [5, "1.2.3"]


def test_thirty_dimensions_and_the_rest_as_properties() -> None:
    counts = Counts()
    [document] = read(point("counter", **{f"d{index:02}": index for index in range(40)}), counts=counts)
    [keys] = document["_aws"]["CloudWatchMetrics"][0]["Dimensions"]
    assert keys == ["Service", *[f"d{index:02}" for index in range(29)]]
    assert document["d39"] == "39"
    assert counts.changed == {"dimensions over 30": 11}


def test_what_cannot_be_expressed_is_refused_and_counted() -> None:
    counts = Counts()
    assert (
        read(point("gauge", value=float("nan")), point("counter", ""), point("gauge", value="x"), counts=counts) == []
    )
    assert counts.refused == {"value is not a number within 2^360": 2, "metric without a name": 1}


def test_an_unknown_unit_is_none_and_counted() -> None:
    counts = Counts()
    [document] = read(point("gauge", unit="furlongs"), counts=counts)
    assert metrics(document) == [{"Name": "metric", "Unit": "None"}]
    assert counts.changed == {"unit unknown to CloudWatch": 1}


def test_a_large_histogram_is_split_over_objects_beside_other_metrics() -> None:
    documents = read(histogram([1.02**index for index in range(1000)]), point("counter", "requests"))
    assert [[metric["Name"] for metric in metrics(document)] for document in documents][:2] == [
        ["latency", "requests"],
        ["latency"],
    ]
    assert sum(document["latency"]["Count"] for document in documents) == 1000


def test_an_empty_histogram_is_not_sent() -> None:
    counts = Counts()
    assert read(histogram([]), counts=counts) == []
    assert not counts.refused


def test_the_environment_is_told() -> None:
    [document] = read(point("counter"), resource={"service.name": "shop", "deployment.environment.name": "test"})
    assert document["Environment"] == "test"
    assert document["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["Service"]]


def test_an_event_is_never_larger_than_allowed() -> None:
    made = [
        histogram([1.0001**index for index in range(100)], f"{index}" + "n" * 250, keep=True) for index in range(100)
    ]
    for limit in (5_000, 20_000, 1_048_550):
        texts = list(Shape("shop", RESOURCE, max_bytes=limit).lines(made))
        assert max(map(len, texts)) <= limit
        assert sum(len(metrics(json.loads(text))) for text in texts) == 100


def test_what_does_not_fit_alone_is_refused_and_counted() -> None:
    counts = Counts()
    assert read(point("counter", route="/a" * 500), max_bytes=600, counts=counts) == []
    assert counts.refused == {"too large for an event": 1}


def test_many_names_take_linear_time() -> None:
    assert len(read(*[point("counter", f"metric{index}") for index in range(20_000)])) == 200


@given(st.lists(points(), max_size=12), resources, st.sampled_from([3_000, 1_048_550]))
def test_every_point_is_sent_or_counted(made: list[MetricPoint], resource: dict[str, Any], limit: int) -> None:
    counts = Counts()
    begun = sum(number for _, number, _ in Shape("shop", resource, max_bytes=limit).events(made, counts))
    empty = sum(item.kind == "histogram" and not item.count and bool(item.name.strip()) for item in made)
    assert begun + sum(counts.refused.values()) in range(len(made) - empty, len(made) + 1)


@pytest.mark.parametrize("namespace", ["shop", "", "::", "ü" * 300])
def test_any_namespace(namespace: str) -> None:
    [document] = read(point("counter"), namespace=namespace)
    assert 1 <= len(document["_aws"]["CloudWatchMetrics"][0]["Namespace"]) <= 255
