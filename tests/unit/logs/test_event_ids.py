"""Correlation ids in Lambda events: Powertools' paths, and what jmespath itself finds at them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jmespath
import pytest
from aws_lambda_powertools.logging import correlation_paths as powertools
from hypothesis import given
from hypothesis import strategies as st

import obsv
from obsv.logs import event_ids
from obsv.logs.event_ids import correlated, find

if TYPE_CHECKING:
    from obsv.hotpath.records import LogRecord

log = obsv.get_logger("test")

PATHS = [name for name in vars(powertools) if name.isupper()]

EVENTS: dict[str, Any] = {
    "API_GATEWAY_REST": {"requestContext": {"requestId": "r-1"}, "headers": {"Host": "x"}},
    "API_GATEWAY_HTTP": {"version": "2.0", "requestContext": {"requestId": "r-2"}},
    "APPSYNC_AUTHORIZER": {"authorizationToken": "t", "requestContext": {"requestId": "r-3"}},
    "APPSYNC_RESOLVER": {"request": {"headers": {"x-amzn-trace-id": "Root=1-a-b"}}},
    "APPLICATION_LOAD_BALANCER": {
        "requestContext": {"elb": {"targetGroupArn": "arn"}},
        "headers": {"x-amzn-trace-id": "Root=1-c-d"},
    },
    "EVENT_BRIDGE": {"version": "0", "id": "e-1", "detail-type": "x", "detail": {}},
    "LAMBDA_FUNCTION_URL": {"version": "2.0", "requestContext": {"requestId": "r-4"}},
    "S3_OBJECT_LAMBDA": {"xAmzRequestId": "s-1", "getObjectContext": {}},
    "VPC_LATTICE": {"headers": {"x-amzn-trace-id": "Root=1-e-f"}},
}


def test_all_nine_paths_of_powertools_are_there() -> None:
    assert len(PATHS) == 9
    assert {name: getattr(event_ids, name) for name in PATHS} == {name: getattr(powertools, name) for name in PATHS}


@pytest.mark.parametrize("name", PATHS)
def test_each_path_finds_what_jmespath_finds(name: str) -> None:
    path, event = getattr(event_ids, name), EVENTS[name]
    assert find(event, path) == jmespath.search(path, event) is not None
    assert find(event) == find(event, path)


keys = st.sampled_from(["a", "b", "headers", "x-id"])
trees = st.recursive(
    st.none() | st.text(min_size=1, max_size=3) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
steps = st.lists(st.sampled_from(["a", "b", "headers", '"x-id"', "[0]", "[-1]", "[2]"]), min_size=1, max_size=4)


@given(trees, steps)
def test_paths_lead_where_jmespath_leads(event: Any, path: list[str]) -> None:
    if path[0].startswith("["):
        path = ["a", *path]
    text = path[0] + "".join([step if step.startswith("[") else f".{step}" for step in path[1:]])
    found = jmespath.search(text, event)
    expected = str(found) if isinstance(found, (str, int)) and not isinstance(found, bool) else None
    assert find(event, text) == expected


@given(st.text(max_size=30), trees)
def test_no_path_and_no_event_raises(path: str, event: Any) -> None:
    find(event, path)


def test_names_of_headers_are_found_in_any_case() -> None:
    assert find({"headers": {"X-Amzn-Trace-Id": "Root=1"}}, event_ids.VPC_LATTICE) == "Root=1"


def test_a_handlers_records_carry_the_id(records: list[LogRecord]) -> None:
    @correlated(event_ids.EVENT_BRIDGE)
    def handler(event: Any, context: Any) -> str:
        log.info("in")
        return "done"

    assert handler({"id": "e-1"}, None) == "done"
    assert handler({}, None) == "done"
    assert handler(None, None) == "done"
    log.info("out")
    ids = [(record.fields or {}).get("correlation_id") for record in records]
    assert ids == ["e-1", None, None, None]
