from __future__ import annotations

from aws_data import T0, span
from obsv.hotpath.span import Scope
from obsv.xray.fields import MAX_ANNOTATIONS, about, divide


def test_what_the_user_set_is_indexed_and_what_instrumentation_recorded_is_not() -> None:
    annotations, metadata = divide(
        {"order.id": 7, "vip": True, "total": 1.5, "http.route": "/a", "http.flavor": "1.1", "db.system.name": "redis"}
    )
    assert annotations == {"order_id": 7, "vip": True, "total": 1.5, "http_route": "/a"}
    assert metadata == {"http.flavor": "1.1", "db.system.name": "redis"}


def test_what_cannot_be_indexed_is_kept() -> None:
    odd = {
        "list": (1, 2),
        "none": None,
        "long": "x" * 1001,
        "nan": float("nan"),
        "huge": 2**64,
        "bytes": b"x",
        "...": 1,
        "AWS.secret": (1,),
    }
    annotations, metadata = divide(odd)
    assert annotations == {"AWS_secret": 1} or annotations == {}
    assert metadata == {
        "list": (1, 2),
        "none": None,
        "long": "x" * 1001,
        "nan": "nan",
        "huge": hex(2**64),
        "bytes": b"x",
        "...": 1,
        "_AWS.secret": (1,),
    }


def test_keys_that_become_the_same_are_both_kept() -> None:
    assert divide({"a.b": 1, "a_b": 2}) == ({"a_b": 1}, {"a_b": 2})


def test_fifty_annotations_are_indexed_and_the_rest_kept() -> None:
    annotations, metadata = divide({f"key{index}": index for index in range(60)})
    assert len(annotations) == MAX_ANNOTATIONS
    assert len(metadata) == 10


def test_more_can_be_indexed_by_name() -> None:
    annotations, metadata = divide({"http.flavor": "1.1", "aws.xray.annotations": ("http.flavor",)})
    assert annotations == {"http_flavor": "1.1"}
    assert metadata == {}


def test_what_xray_has_no_field_for() -> None:
    made = span(name="GET /", kind=3, scope=Scope("lib", "2"))
    made.add_event("retry", {"n": float("inf")}, T0)
    made.record_exception(ValueError())
    made.dropped_attributes = 3
    made.tracestate = "a=b"
    assert about(made, "shop") == {
        "name": "GET /",
        "kind": "producer",
        "scope": "lib",
        "scope_version": "2",
        "tracestate": "a=b",
        "events": [{"name": "retry", "time": T0 / 1e9, "attributes": {"n": "inf"}}],
        "dropped_attributes": 3,
    }
    assert about(span(name="work"), "work") == {}
