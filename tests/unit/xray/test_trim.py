from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_data import RESOURCE, span, spans
from obsv.xray.segment import documents, resplit
from obsv.xray.trim import MIN_BYTES

if TYPE_CHECKING:
    from obsv.hotpath.span import Span


def one(made: Span, limit: int = 65_477) -> dict[str, Any]:
    [text] = documents([made], RESOURCE, limit)
    assert len(text.encode()) <= limit
    document: dict[str, Any] = json.loads(text)
    return document


def test_what_fits_is_not_touched() -> None:
    assert "obsv" not in one(span(list=tuple(range(1000))))["metadata"]


def test_metadata_goes_first_and_the_largest_of_it() -> None:
    document = one(span(small=(1, 2), large=("x" * 200_000,), vip=True, sql=("y" * 100,)))
    assert document["metadata"]["obsv"] == {"trimmed": {"metadata": 1}}
    assert document["metadata"]["default"] == {"small": [1, 2], "sql": ["y" * 100]}
    assert document["annotations"] == {"vip": True}


def test_long_statements_are_cut() -> None:
    document = one(span(2, 1, kind=2, db__system__name="sqlite", db__query__text="SELECT " + "x" * 100_000))
    assert document["sql"]["sanitized_query"].startswith("SELECT xxx")
    assert len(document["sql"]["sanitized_query"]) == 4001
    assert document["metadata"]["obsv"]["trimmed"] == {"strings": 1}


def test_stacks_are_cut_before_exceptions_go() -> None:
    made = span()

    def deep(levels: int) -> None:
        if levels:
            deep(levels - 1)
        raise ValueError("x" * 2000)

    for _ in range(20):
        try:
            deep(100)
        except ValueError as error:
            made.record_exception(error)
    document = one(made, 30_000)
    assert len(document["cause"]["exceptions"]) == 20
    assert document["metadata"]["obsv"]["trimmed"]["frames"] > 0
    assert document["metadata"]["obsv"]["trimmed"]["strings"] == 20
    assert all(exception["truncated"] > 90 for exception in document["cause"]["exceptions"])
    document = one(made, 5_000)
    assert len(document["cause"]["exceptions"]) == 1
    assert document["metadata"]["obsv"]["trimmed"]["exceptions"] == 19


def test_annotations_are_dropped_only_when_nothing_else_helps() -> None:
    document = one(span(**{f"key{index}": "x" * 900 for index in range(50)}), 10_000)
    kept = len(document["annotations"])
    assert 5 < kept < 11
    assert document["metadata"]["obsv"]["trimmed"]["annotations"] == 50 - kept


def test_counts_add_up_when_a_document_is_trimmed_again() -> None:
    [text] = documents([span(a=("x" * 70_000,), b=("y" * 30_000,))], {}, 40_000)
    assert json.loads(text)["metadata"]["obsv"]["trimmed"] == {"metadata": 1}
    [text] = resplit(text, 10_000)
    assert json.loads(text)["metadata"]["obsv"]["trimmed"] == {"metadata": 2}


@pytest.mark.parametrize("filler", ["x", "ü", "日", "\x01", '"', "\\", "😀"])
def test_any_span_fits_the_smallest_limit(filler: str) -> None:
    made = span(1, 0, filler * 500, 2, enduser__id=filler * 500, url__full="http://" + filler * 500)
    made.set_attributes({"http.request.method": "GET", "aws.service": filler * 500, "peer.service": filler * 5000})
    made.set_attributes({f"{filler * 100}{index}": filler * 5000 for index in range(60)})
    resource = {
        "service.name": filler * 1000,
        "service.version": filler * 5000,
        filler: filler * 5000,
        "cloud.platform": "aws_ecs",
    }
    for text in documents([made], resource, MIN_BYTES):
        assert len(text.encode()) <= MIN_BYTES
        assert json.loads(text)["metadata"]["obsv"]["trimmed"]


@given(spans(), st.integers(MIN_BYTES, 4_000))
def test_no_span_is_lost(made: Span, limit: int) -> None:
    texts = documents([made], {"service.name": "s" * 3000}, limit)
    assert all(len(text.encode()) <= limit for text in texts)
    assert sum(made.span_id in text for text in texts) >= 1
