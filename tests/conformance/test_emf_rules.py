"""Each rule of the embedded metric format, by name, for obsv's own metrics and for documents put together by hand.

The rules are those of the EMF specification (CloudWatch user guide), of the CloudWatch API reference where that is
stricter, and of the CloudWatch agent. Every line here is judged by AWS's schema as well.
"""

from __future__ import annotations

import itertools
import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_data import RESOURCE, T0, histogram, point, schema, text, values
from emf_judge import Judge
from meanwhile import meanwhile
from obsv.emf.counts import Counts
from obsv.emf.document import Document
from obsv.emf.shape import Shape
from obsv.emf.units import UNITS

if TYPE_CHECKING:
    from obsv.hotpath.records import MetricPoint


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge()


NOTHING: dict[str, int] = {}


class Written:
    """What was written, read again and judged; and what was refused and adapted on the way."""

    def __init__(self, judge: Judge, lines: list[str], counts: Counts) -> None:
        self.documents = [judge.check(line) for line in lines]
        self.refused = counts.refused
        self.changed = counts.changed

    def only(self) -> dict[str, Any]:
        [document] = self.documents
        return document

    def directives(self) -> list[dict[str, Any]]:
        return [directive for document in self.documents for directive in document["_aws"]["CloudWatchMetrics"]]


def of(judge: Judge, *points: MetricPoint, **options: Any) -> Written:
    counts = Counts()
    return Written(judge, list(Shape("shop", RESOURCE, **options).lines(points, counts)), counts)


def by_hand(judge: Judge, document: Document, **options: Any) -> Written:
    return Written(judge, document.lines(**options), document.counts)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


# ---------------------------------------------------------------------- the object


def test_one_json_object_and_nothing_before_or_after(judge: Judge) -> None:
    [line] = Shape("shop", RESOURCE).lines([point("counter")])
    assert line.startswith("{")
    assert line.endswith("}")
    assert "\n" not in line
    json.loads(line)


def test_timestamp_and_directives_are_required(judge: Judge) -> None:
    assert set(of(judge, point("counter")).only()["_aws"]) == {"Timestamp", "CloudWatchMetrics"}


def test_dimensions_are_always_sent(judge: Judge) -> None:
    document = Document("shop")
    document.add_metric("a", 1)
    assert by_hand(judge, document).directives()[0]["Dimensions"] == [[]]
    assert of(judge, point("counter"), dimensions={}).directives()[0]["Dimensions"] == [[]]


def test_targets_are_members_of_the_root(judge: Judge) -> None:
    document = of(judge, point("counter", "orders", value=7, route="/a")).only()
    assert document["orders"] == 7
    assert document["route"] == "/a"


# ---------------------------------------------------------------------- numbers of things


def test_at_most_100_metrics_in_a_directive(judge: Judge) -> None:
    written = of(judge, *[point("counter", f"m{index}") for index in range(101)])
    assert [len(directive["Metrics"]) for directive in written.directives()] == [100, 1]
    document = Document("shop")
    for index in range(250):
        document.add_metric(f"m{index}", index)
    written = by_hand(judge, document)
    assert [len(directive["Metrics"]) for directive in written.directives()] == [100, 100, 50]
    assert written.refused == NOTHING


def test_at_most_30_dimensions_in_a_set(judge: Judge) -> None:
    written = of(judge, point("counter", **{f"d{index:02}": "x" for index in range(40)}))
    assert len(written.directives()[0]["Dimensions"][0]) == 30
    assert written.only()["d39"] == "x"  # still to be searched for
    assert written.changed == {"dimensions over 30": 11}
    document = Document("shop")
    document.add_dimensions({f"d{index}": "x" for index in range(31)})
    document.add_metric("a", 1)
    written = by_hand(judge, document)
    assert len(written.directives()[0]["Dimensions"][0]) == 30
    assert written.only()["d30"] == "x"


def test_at_most_100_values_in_an_array(judge: Judge) -> None:
    document = Document("shop")
    document.add_metric("a", list(range(250)))
    written = by_hand(judge, document)
    assert [len(made["a"]) for made in written.documents] == [100, 100, 50]
    assert [value for made in written.documents for value in made["a"]] == list(range(250))
    assert len(of(judge, histogram(list(range(100)), keep=True)).only()["latency"]) == 100


def test_an_event_has_at_most_1048576_bytes_with_its_26(judge: Judge) -> None:
    document = Document("shop")
    document.set_property("é", "é" * 200_000)
    for index in range(100):
        document.add_metric(f"{index:03}" + "n" * 250, [1.23456789012345e-200] * 100)
    written = by_hand(judge, document)  # the judge measures
    assert sum(len(directive["Metrics"]) for directive in written.directives()) == 100
    lines = document.lines(max_bytes=100_000)
    assert len(lines) > 1
    assert max(len(line.encode()) for line in lines) <= 100_000


def test_what_is_too_large_for_any_event_is_refused_and_counted(judge: Judge) -> None:
    counts = Counts()
    assert list(Shape("shop", max_bytes=2048).lines([point("counter", a="x" * 1024, b="x" * 1024)], counts)) == []
    assert counts.refused == {"too large for an event": 1}
    document = Document("shop")
    document.set_property("p", "x" * 2_000_000)
    document.add_metric("a", 1)
    assert "p" not in by_hand(judge, document).only()
    assert document.counts.changed == {"property left out: too large": 1}


# ---------------------------------------------------------------------- names


def test_a_dimensions_name_has_1_to_250_characters(judge: Judge) -> None:
    written = of(judge, point("counter", **{"d" * 300: "x"}), dimensions={})
    assert written.directives()[0]["Dimensions"] == [["d" * 250]]
    assert of(judge, point("counter", **{"": "x"}), dimensions={}).directives()[0]["Dimensions"] == [[]]


def test_a_dimensions_value_has_1_to_1024_characters(judge: Judge) -> None:
    assert of(judge, point("counter", d="x" * 2000)).only()["d"] == "x" * 1024
    assert of(judge, point("counter", d="  ")).only()["d"] == "(empty)"


def test_a_metrics_name_has_1_to_255_characters(judge: Judge) -> None:
    assert of(judge, point("counter", "m" * 300)).directives()[0]["Metrics"][0]["Name"] == "m" * 255
    assert of(judge, point("counter", " ")).refused == {"metric without a name": 1}


def test_a_namespace_has_1_to_255_characters(judge: Judge) -> None:
    for namespace, written in (("n" * 300, "n" * 255), ("", "obsv"), ("::a b/c", "a b/c"), ("a*b", "a_b")):
        document = Document(namespace)
        document.add_metric("a", 1)
        assert by_hand(judge, document).directives()[0]["Namespace"] == written


def test_dimensions_are_ascii_without_control_characters(judge: Judge) -> None:
    document = of(judge, point("counter", né="ü\n")).only()
    assert document["n\\xe9"] == "\\xfc\\x0a"


def test_a_dimensions_name_begins_with_no_colon(judge: Judge) -> None:
    assert of(judge, point("counter", **{":d": "x"})).only()["_d"] == "x"


# ---------------------------------------------------------------------- values, units, resolution, time


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2.0**361, -(2.0**361), 10**400, "1", None])
def test_a_value_is_finite_and_within_2_to_the_360(judge: Judge, value: Any) -> None:
    assert of(judge, point("gauge", value=value)).refused == {"value is not a number within 2^360": 1}
    document = Document("shop")
    document.add_metric("a", [1, value, 2])
    assert by_hand(judge, document).only()["a"] == [1, 2]
    assert document.counts.refused == {"value is not a number within 2^360": 1}


def test_the_largest_values_are_taken(judge: Judge) -> None:
    for value in (2.0**360, -(2.0**360), 0, -0.0, 5e-324):
        assert of(judge, point("gauge", value=value)).only()["metric"] == value


def test_there_are_27_units(judge: Judge) -> None:
    definitions = schema("emf-schema.json")["properties"]["_aws"]["properties"]["CloudWatchMetrics"]["items"]
    unit = definitions["properties"]["Metrics"]["items"]["properties"]["Unit"]
    allowed = set(unit["pattern"].removeprefix("^(").removesuffix(")$").replace("\\/", "/").split("|"))
    assert allowed == UNITS
    assert len(UNITS) == 27
    written = of(judge, *[point("gauge", f"m{index}", unit) for index, unit in enumerate(sorted(UNITS))])
    assert {metric["Unit"] for metric in written.directives()[0]["Metrics"]} == UNITS


def test_another_unit_is_none_and_counted(judge: Judge) -> None:
    document = Document("shop")
    document.add_metric("a", 1, "Furlongs")
    assert by_hand(judge, document).directives()[0]["Metrics"] == [{"Name": "a", "Unit": "None"}]
    assert document.counts.changed == {"unit unknown to CloudWatch": 1}


def test_a_storage_resolution_is_1_or_60(judge: Judge) -> None:
    document = Document("shop")
    document.add_metric("fine", 1, resolution=1)
    document.add_metric("usual", 1, resolution=60)
    document.add_metric("between", 1, resolution=10)
    document.add_metric("wrong", 1, resolution=0)
    assert by_hand(judge, document).directives()[0]["Metrics"] == [
        {"Name": "fine", "Unit": "None", "StorageResolution": 1},
        {"Name": "usual", "Unit": "None"},
        {"Name": "between", "Unit": "None", "StorageResolution": 1},
        {"Name": "wrong", "Unit": "None"},
    ]
    assert document.counts.changed == {"storage resolution: neither 1 nor 60": 1}
    made = point("counter")
    made.resolution = 1
    assert of(judge, made).directives()[0]["Metrics"][0]["StorageResolution"] == 1


def test_a_timestamp_is_whole_milliseconds(judge: Judge) -> None:
    assert of(judge, point("counter")).only()["_aws"]["Timestamp"] == T0 // 1_000_000
    moment = datetime.now(UTC).replace(microsecond=123_000)
    for given_time in (moment, moment.timestamp() * 1000):
        document = Document("shop", timestamp=given_time)
        document.add_metric("a", 1)
        assert by_hand(judge, document).only()["_aws"]["Timestamp"] == int(moment.timestamp()) * 1000 + 123


def test_a_timestamp_is_at_most_14_days_old_and_2_hours_ahead() -> None:
    now = datetime.now(UTC)
    document = Document("shop")
    for good in (now - timedelta(days=13, hours=23), now + timedelta(hours=1, minutes=59)):
        assert document.set_timestamp(good)
        assert document.timestamp == round(good.timestamp() * 1000)
    for bad in (now - timedelta(days=15), now + timedelta(hours=3), 0, 2**80):
        assert not document.set_timestamp(bad)
    assert document.counts.changed == {"timestamp left out: over 14 days ago or 2 hours ahead": 4}
    assert document.timestamp == round(good.timestamp() * 1000)
    for wrong in ("yesterday", None, True, float("nan"), object()):
        assert not document.set_timestamp(wrong)


# ---------------------------------------------------------------------- several sets, names that meet


def test_several_dimension_sets(judge: Judge) -> None:
    document = Document("shop")
    document.add_dimensions({"Service": "checkout"})
    document.add_dimensions({"Service": "checkout", "Route": "/a"})
    document.add_dimensions({"Service": "checkout"})  # said before
    document.add_metric("a", 1)
    assert by_hand(judge, document).directives()[0]["Dimensions"] == [["Service"], ["Service", "Route"]]
    written = of(
        judge,
        point("counter", "a", route="/a", shop="north"),
        point("counter", "b", shop="north"),
        sets=[["Service"], ["Service", "route"]],
    )
    assert [directive["Dimensions"] for directive in written.directives()] == [
        [["Service", "route", "shop"], ["Service"], ["Service", "route"]],
        [["Service", "shop"], ["Service"]],
    ]


def test_sets_that_give_one_dimension_two_values_are_two_events(judge: Judge) -> None:
    document = Document("shop")
    document.add_dimensions({"Route": "/a"})
    document.add_dimensions({"Route": "/b"})
    document.add_metric("a", 1)
    assert [(made["Route"], made["a"]) for made in by_hand(judge, document).documents] == [("/a", 1), ("/b", 1)]


def test_default_dimensions(judge: Judge) -> None:
    document = of(
        judge, point("counter", Team="b"), dimensions={"Service": "shop", "Team": "a", "Stage": "test"}
    ).only()
    assert (document["Service"], document["Stage"], document["Team"]) == ("shop", "test", "b")


def test_a_metric_named_as_a_dimension_keeps_both(judge: Judge) -> None:
    document = of(judge, point("counter", "route", value=5, route="/a")).only()
    assert (document["route"], document["route_value"]) == ("/a", 5)
    made = Document("shop")
    made.add_dimensions({"route": "/a"})
    made.add_metric("route", 5)
    document = by_hand(judge, made).only()
    assert (document["route"], document["route_value"]) == ("/a", 5)
    assert made.counts.changed == {"metric name: taken by a dimension": 1}


def test_one_name_with_two_units_is_two_events(judge: Judge) -> None:
    document = Document("shop")
    document.add_metric("size", 1, "Bytes")
    document.add_metric("size", 2, "Count")
    document.add_metric("size", 3, "Bytes")
    written = by_hand(judge, document)
    assert [(made["size"], directive["Metrics"][0]["Unit"]) for made, directive in zip(
        written.documents, written.directives(), strict=True
    )] == [([1, 3], "Bytes"), (2, "Count")]  # fmt: skip


def test_metadata_stands_beside_the_metrics(judge: Judge) -> None:
    document = Document("shop")
    document.set_property("request", {"id": 7, "tags": ["a"], "when": datetime(2026, 1, 1, tzinfo=UTC)})
    document.set_property("a", "gives way")
    document.add_dimensions({"Service": "x"})
    document.set_property("Service", "gives way")
    document.add_metric("a", 1)
    made = by_hand(judge, document).only()
    assert made["request"] == {"id": 7, "tags": ["a"], "when": "2026-01-01T00:00:00+00:00"}
    assert (made["a"], made["Service"]) == (1, "x")
    assert document.counts.changed == {
        "property left out: taken by a metric": 1,
        "property left out: taken by a dimension": 1,
    }


def test_log_group_and_stream_are_the_agents(judge: Judge) -> None:
    document = Document("shop", log_group="/shop", log_stream="a")
    document.add_metric("a", 1)
    made = by_hand(judge, document).only()["_aws"]
    assert (made["LogGroupName"], made["LogStreamName"]) == ("/shop", "a")


def test_without_extraction_there_is_no_aws_member() -> None:
    document = Document("shop")
    document.add_dimensions({"Service": "x"})
    document.add_metric("a", 1)
    assert document.lines(extract=False) == ['{"Service":"x","a":1}']
    [line] = Shape("shop", extract=False).lines([point("counter", route="/a")])
    assert line == '{"route":"/a","metric":1}'


def test_what_is_no_mapping_gives_no_dimensions(judge: Judge) -> None:
    document = Document("shop")
    wrong: Any
    for wrong in (None, 5, "ab", [("a", 1)]):
        document.add_dimensions(wrong)
    document.add_metric("a", 1)
    assert by_hand(judge, document).directives()[0]["Dimensions"] == [[]]
    assert document.counts.changed == {"dimensions left out: no mapping": 4}


def test_properties_alone_are_an_event_without_metrics(judge: Judge) -> None:
    document = Document("shop")
    assert document.lines() == []
    document.set_property("a", 1)
    made = by_hand(judge, document).only()
    assert (made["_aws"]["CloudWatchMetrics"], made["a"]) == ([], 1)
    assert document.lines(max_bytes=20) == []


# ---------------------------------------------------------------------- any document

numbers = st.one_of(st.floats(), st.integers(), values)
names = st.one_of(st.sampled_from(["a", "Service", "_aws", "Timestamp", "route"]), text)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    document = Document(draw(text))
    for dimensions in draw(st.lists(st.dictionaries(names, values, max_size=35), max_size=3)):
        document.add_dimensions(dimensions)
    for name, value in draw(st.dictionaries(names, values, max_size=4)).items():
        document.set_property(name, value)
    unit = st.one_of(st.none(), st.sampled_from(["Count", "ms", "x"]))
    for name, given_values, word, resolution in draw(
        st.lists(st.tuples(names, st.lists(numbers, max_size=120) | numbers, unit, st.sampled_from([1, 60, 5, None])))
    ):
        document.add_metric(name, given_values, word, resolution)
    if draw(st.booleans()):
        document.set_timestamp(now_ms() - draw(st.integers(0, 10**9)))
    return document


@given(documents(), st.booleans(), st.sampled_from([3000, 1_048_550]))
def test_any_document(judge: Judge, document: Document, arrays: bool, limit: int) -> None:
    for line in document.lines(max_bytes=limit, arrays=arrays):
        judge.check(line, limit)
    for line in document.lines(extract=False):
        assert "_aws" not in json.loads(line)


@given(documents())
def test_every_value_of_a_document_is_written_once_for_each_set_or_counted(document: Document) -> None:
    given_values = sum(len(held) for held in document.metrics.values())
    before = sum(document.counts.refused.values())
    lines = [json.loads(line) for line in document.lines()]
    unnamed = sum(len(held) for (name, _, _), held in document.metrics.items() if not name.strip(" "))
    sets = max(1, len(document.dimensions))
    written = 0
    for line in lines:
        for directive in line["_aws"]["CloudWatchMetrics"]:
            for metric in directive["Metrics"]:
                value = line[metric["Name"]]
                written += len(directive["Dimensions"]) * (len(value) if isinstance(value, list) else 1)
    assert written == sets * (given_values - unnamed)
    assert bool(unnamed) == (sum(document.counts.refused.values()) > before)


class Unruly(str):
    """Raises whatever is asked of it."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    def isascii(self) -> bool:
        raise RuntimeError


class UnrulyList(list[int]):
    def __iter__(self) -> Any:
        raise RuntimeError


@pytest.mark.parametrize(
    "wrong", [b"\xff", 5, object(), [], Unruly("x"), UnrulyList([1])], ids=lambda w: type(w).__name__
)
def test_arguments_of_any_type_make_a_line(judge: Judge, wrong: Any) -> None:
    document = Document(wrong, log_group=wrong, log_stream=wrong, timestamp=wrong)
    document.add_metric("m", wrong)
    document.add_metric("m", [wrong, 1])
    document.add_metric("m", 1, wrong, wrong)
    document.add_dimensions({"d": wrong})
    document.set_property("p", wrong)
    for line in document.lines():
        judge.check(line)


def test_a_line_can_be_printed_whatever_a_property_says() -> None:
    document = Document("shop")
    document.set_property("half \ud800", "é \udfff")
    document.add_metric("a", 1)
    [line] = document.lines()
    line.encode()
    assert json.loads(line)["half \ud800"] == "é \udfff"


def test_a_document_may_be_changed_at_any_moment_of_its_writing(judge: Judge) -> None:
    document, number = Document("shop"), itertools.count()

    def change() -> None:
        document.set_property(f"p{next(number)}", 1)
        document.add_metric(f"m{next(number)}", 1)

    for _ in range(50):
        change()
    with meanwhile(change):
        found = document.lines()
    assert sum([len(json.loads(line)["_aws"]["CloudWatchMetrics"][0]["Metrics"]) for line in found]) >= 50
    for line in found:
        judge.check(line)


def test_a_document_may_be_changed_while_it_is_written() -> None:
    import threading

    document, stop = Document("shop"), threading.Event()

    def change() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            document.set_property(f"p{number % 500}", number)
            document.add_dimensions({f"d{number % 7}": number})
            document.add_metric(f"m{number % 500}", number)

    changing = threading.Thread(target=change)
    changing.start()
    try:
        for _ in range(100):
            for line in document.lines():
                json.loads(line)
            document.clear_dimensions()
            document.metrics.clear()
    finally:
        stop.set()
        changing.join()
