from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aws_data import RESOURCE, T0, flatten, resources, span, spans, trees
from obsv.hotpath.records import Link
from obsv.xray.segment import MAX_DOCUMENT, documents, resplit

if TYPE_CHECKING:
    from obsv.hotpath.span import Span


def write(*trace: Span, resource: dict[str, Any] = RESOURCE, limit: int = MAX_DOCUMENT) -> list[dict[str, Any]]:
    return [json.loads(text) for text in documents(list(trace), resource, limit)]


def ids(written: list[dict[str, Any]]) -> list[str]:
    return sorted(item["id"] for document in written for item in flatten(document))


def test_a_local_root_and_its_children_are_one_document() -> None:
    root = span(1, 0, "GET /", 1)
    child = span(2, 1, "load", start_ns=T0 + 5)
    early = span(3, 1, "check", start_ns=T0 + 1)
    grandchild = span(4, 2, "parse")
    [segment] = write(grandchild, child, early, root)
    assert segment["name"] == "shop"
    assert segment["id"] == "0000000000000001"
    assert segment["trace_id"] == "1-6a1867c0-123456789abcdef012345678"
    assert segment["start_time"] == pytest.approx(1_780_000_000.0)
    assert segment["end_time"] == pytest.approx(1_780_000_000.001)
    assert "type" not in segment
    assert "parent_id" not in segment
    assert [item["name"] for item in segment["subsegments"]] == ["check", "load"]
    assert [item["name"] for item in segment["subsegments"][1]["subsegments"]] == ["parse"]
    assert segment["metadata"]["span"] == {"name": "GET /", "kind": "server"}
    assert segment["metadata"]["resource"] == RESOURCE
    assert segment["service"] == {"version": "1.2.3"}


def test_a_parent_in_another_process_makes_a_segment_with_its_id() -> None:
    [segment] = write(span(1, 0xABC, "GET /", 1, remote=True))
    assert segment["parent_id"] == "0000000000000abc"
    assert "type" not in segment


def test_a_late_child_is_an_independent_subsegment() -> None:
    [late] = write(span(2, 1, "late"))
    assert late["type"] == "subsegment"
    assert late["parent_id"] == "0000000000000001"
    assert late["trace_id"] == "1-6a1867c0-123456789abcdef012345678"


def test_a_parent_of_another_trace_is_no_parent() -> None:
    other = span(2, 1, "other")
    other.trace_lo += 1
    assert len(write(span(1, 0), other)) == 2


def test_a_call_without_a_server_span_gets_a_segment_around_it() -> None:
    [segment] = write(
        span(
            1, 0, "GET", 2, http__request__method="GET", url__full="https://example.com/", server__address="example.com"
        )
    )
    [call] = segment["subsegments"]
    assert segment["name"] == "shop"
    assert segment["id"] not in ("0000000000000001", "0000000000000000")
    assert "http" not in segment
    assert call["id"] == "0000000000000001"
    assert call["name"] == "example.com"
    assert call["namespace"] == "remote"
    assert call["http"]["request"] == {"method": "GET", "url": "https://example.com/"}
    assert write(span(1, 0, "GET", 2))[0]["id"] == segment["id"], "the same each time"


def test_a_consumer_is_a_segment_as_a_server_is() -> None:
    [segment] = write(span(1, 9, "jobs process", 4, remote=True))
    assert segment["name"] == "shop"
    assert "subsegments" not in segment


@pytest.mark.parametrize(
    ("attributes", "kind", "name"),
    [
        ({"peer.service": "billing", "server.address": "10.0.0.1"}, 2, "billing"),
        ({"server.address": "api.example.com"}, 2, "api.example.com"),
        ({"db.system.name": "postgresql", "db.namespace": "shop", "server.address": "db.local"}, 2, "shop@db.local"),
        ({"db.system.name": "redis", "db.namespace": "0", "server.address": "cache"}, 2, "redis@cache"),
        ({"db.system.name": "sqlite", "db.namespace": "/data/shop.db"}, 2, "/data/shop.db"),
        ({"rpc.system": "aws-api", "rpc.service": "S3", "rpc.method": "PutObject"}, 2, "S3"),
        ({"rpc.system.name": "aws-api", "rpc.method": "DynamoDB/GetItem"}, 2, "DynamoDB"),
        ({"rpc.system": "aws-api"}, 2, "SQS"),
        ({"rpc.system": "grpc", "rpc.service": "shop.Orders", "server.address": "orders"}, 2, "shop.Orders"),
        ({"messaging.destination.name": "jobs"}, 3, "jobs"),
        ({"server.address": "me"}, 1, "SQS.SendMessage"),
        ({}, 0, "SQS.SendMessage"),
    ],
)
def test_subsegment_names(attributes: dict[str, Any], kind: int, name: str) -> None:
    child = span(2, 1, "SQS.SendMessage", kind)
    child.set_attributes(attributes)
    [document] = write(child)
    assert document["name"] == name


def test_the_aws_call_is_told_and_its_namespace_is_aws() -> None:
    child = span(
        2,
        1,
        "S3.PutObject",
        2,
        rpc__system="aws-api",
        rpc__service="S3",
        rpc__method="PutObject",
        aws__region="eu-west-1",
    )
    child.set_attribute("http.response.status_code", 200)
    [document] = write(child)
    assert document["namespace"] == "aws"
    assert document["aws"] == {"operation": "PutObject", "region": "eu-west-1"}
    assert document["http"] == {"response": {"status": 200}}


def test_links_are_told() -> None:
    root = span(1, 0, kind=4)
    root.link_list = [Link(1, 2, 3, 1, None, {"a": 1})]
    [segment] = write(root)
    assert segment["links"] == [
        {"trace_id": "1-00000000-000000010000000000000002", "id": "0000000000000003", "attributes": {"a": 1}}
    ]


def test_the_user_and_the_origin_belong_to_the_segment() -> None:
    [segment] = write(span(1, 0, enduser__id="ann"), resource={**RESOURCE, "cloud.platform": "aws_ecs"})
    assert segment["user"] == "ann"
    assert segment["origin"] == "AWS::ECS::Container"


def test_an_end_before_the_start_is_moved_to_the_start() -> None:
    [segment] = write(span(1, 0, duration_ns=-5_000_000_000))
    assert segment["end_time"] == segment["start_time"]


def test_nothing_in_nothing_out() -> None:
    assert documents([], RESOURCE) == []


@pytest.mark.parametrize("size", [1_000, 5_000])
def test_deep_nesting_does_not_exhaust_the_stack(size: int) -> None:
    chain = [span(index + 1, index) for index in range(size)]
    written = [json.loads(text) for text in documents(chain[::-1], RESOURCE)]
    assert ids(written) == sorted(f"{index + 1:016x}" for index in range(size))


def test_a_hundred_thousand_spans_are_all_there() -> None:
    chain = [span(index + 1, index // 7) for index in range(100_000)]
    texts = documents(chain[::-1], RESOURCE)
    assert max(map(len, texts)) <= MAX_DOCUMENT
    assert sum(text.count('"start_time"') for text in texts) == 100_000


def test_children_that_do_not_fit_know_their_parent() -> None:
    trace = [span(1, 0), *[span(index, 1, filler="x" * 900) for index in range(2, 200)]]
    written = write(*trace)
    assert len(written) > 1
    assert all(document["parent_id"] == "0000000000000001" for document in written[1:])
    assert ids(written) == sorted(item.span_id for item in trace)


def test_the_largest_subtrees_leave_first() -> None:
    large = [span(10, 1, "large"), *[span(10 + index, 10, filler="x" * 900) for index in range(1, 60)]]
    small = [span(100 + index, 1, "small") for index in range(10)]
    written = write(span(1, 0), *large, *small, *[span(200 + index, 1, filler="x" * 900) for index in range(20)])
    assert [document["name"] for document in written] == ["shop", "large"]


@given(trees(), st.sampled_from([2_000, 3_000, 8_000, MAX_DOCUMENT]))
def test_ids_in_are_ids_out(trace: list[Span], limit: int) -> None:
    texts = documents(trace, RESOURCE, limit)
    assert all(len(text.encode()) <= limit for text in texts)
    written = [json.loads(text) for text in texts]
    known = {item.span_id for item in trace}
    # The segment that stands around a call which is a local root has an id of its own.
    made_up = sum(item["id"] not in known for document in written for item in flatten(document))
    assert len(ids(written)) == len(trace) + made_up
    assert made_up == sum(s.kind_value in (2, 3) and (not s.parent64 or s.parent_remote) for s in trace)
    assert {s.span_id for s in trace} <= set(ids(written))


@given(trees(), st.sampled_from([2_000, 2_500, 5_000]))
def test_a_document_is_divided_again_without_loss(trace: list[Span], limit: int) -> None:
    for text in documents(trace, RESOURCE):
        again = resplit(text, limit)
        assert all(len(part.encode()) <= limit for part in again)
        assert ids([json.loads(part) for part in again]) == ids([json.loads(text)])
        assert [json.loads(part)["trace_id"] for part in again] == [json.loads(text)["trace_id"]] * len(again)


@given(spans(), resources)
@settings(max_examples=200)
def test_odd_data_never_raises_and_is_json_in_utf8(odd: Span, resource: dict[str, Any]) -> None:
    for text in documents([odd], resource):
        document = json.loads(text.encode("utf-8"), parse_constant=lambda name: pytest.fail(name))
        assert document["id"]
        assert 1 <= len(document["name"]) <= 200


@given(trees())
def test_the_same_trace_gives_the_same_documents(trace: list[Span]) -> None:
    assert documents(trace, RESOURCE, 4_000) == documents(trace, RESOURCE, 4_000)


def test_an_error_of_ours_costs_details_and_no_span(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OBSV_RAISE", "0")
    root, child, broken = span(1, 0, "GET /"), span(3, 2), span(2, 1, "broken")
    broken.event_list = [object()]  # type: ignore[list-item]
    [segment] = write(child, broken, root)
    assert ids([segment]) == [f"{index:016x}" for index in (1, 2, 3)]
    root.event_list = [object()]  # type: ignore[list-item]
    [segment] = write(child, broken, root)
    assert segment["name"] == "shop"
    assert ids([segment]) == [f"{index:016x}" for index in (1, 2, 3)]
    assert "you have less telemetry" in capsys.readouterr().err
