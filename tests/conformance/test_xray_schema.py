"""Segment documents against AWS's published schema (draft-04), and the rules that it does not state.

Where schema and service differ:

- ``name``: the schema lists the letters of an old Unicode; its ``java_pattern`` beside it and AWS's exporter for the
  collector take any letter, separator and number. So the schema's pattern judges names of the old letters only.
- The schema does not require ``end_time`` of a finished segment, nor ``type``, ``trace_id`` and ``parent_id`` of an
  independent subsegment, and of a subsegment's name it wants one character. The service wants all that.
- ``aws``, ``http`` and ``links`` may have members that the schema does not name; AWS's own SDKs send some (``id_2``).
- Sizes (64 KB a document, less in a datagram), the 50 annotations and the reserved ``AWS.`` prefix are in the developer
  guide only.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings

from aws_data import RESOURCE, flatten, resources, schema, span, spans, trees
from obsv.xray.segment import MAX_DOCUMENT, documents, resplit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obsv.hotpath.span import Span

HEX = re.compile(r"[0-9a-f]{16}")
TRACE_ID = re.compile(r"1-[0-9a-f]{8}-[0-9a-f]{24}")
SYMBOLS = "_.:/%&#=+-@"


class Judge:
    def __init__(self) -> None:
        from jsonschema import Draft4Validator

        self.schema = schema("xray-segmentdocument-schema-v1.0.0.json")
        self.name = re.compile(self.schema["properties"]["name"].pop("pattern"))
        self.segment = Draft4Validator(self.schema)
        self.subsegment = Draft4Validator(
            {**self.schema["definitions"]["subsegment"], "definitions": self.schema["definitions"]}
        )

    def check(self, document: dict[str, Any], limit: int = MAX_DOCUMENT) -> None:
        independent = "type" in document
        validator = self.subsegment if independent else self.segment
        # The validator recurses, and deep documents are not its subject: each level is checked alone.
        for item in flatten(document):
            nested = item.pop("subsegments", [])
            assert isinstance(nested, list)
            judge = validator if item is document else self.subsegment
            errors = [f"{list(error.absolute_path)}: {error.message}" for error in judge.iter_errors(item)]
            assert not errors, errors
            self.rules(item)
            item["subsegments"] = nested
        assert TRACE_ID.fullmatch(document["trace_id"])
        if independent:
            assert document["type"] == "subsegment"
            assert HEX.fullmatch(document["parent_id"])

    def rules(self, item: dict[str, Any]) -> None:
        name = item["name"]
        assert 1 <= len(name) <= 200
        assert all(unicodedata.category(c)[0] in "LZN" or c in SYMBOLS for c in name), name
        if unicodedata.ucd_3_2_0.category(name[0]) != "Cn" and all(
            unicodedata.ucd_3_2_0.category(c) != "Cn" for c in name
        ):
            assert self.name.fullmatch(name), name
        assert HEX.fullmatch(item["id"])
        assert item["start_time"] <= item["end_time"]
        assert len(item.get("annotations", {})) <= 50
        assert all(not key.startswith("AWS.") for space in item.get("metadata", {}).values() for key in space)
        assert item.get("namespace") in (None, "aws", "remote")
        identities = [exception["id"] for exception in item.get("cause", {}).get("exceptions", ())]
        assert len(set(identities)) == len(identities)
        for exception in item.get("cause", {}).get("exceptions", ()):
            assert exception.get("cause") is None or exception["cause"] in identities


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    return Judge()


def write(trace: list[Span], resource: dict[str, Any], limit: int = MAX_DOCUMENT) -> list[dict[str, Any]]:
    texts = documents(trace, resource, limit)
    assert all(len(text.encode("utf-8")) <= limit for text in texts)
    return [json.loads(text) for text in texts]


def test_the_schema_judges(judge: Judge) -> None:
    [document] = write([span()], RESOURCE)
    judge.check(document)
    for key, value in (("id", "x"), ("trace_id", "x"), ("annotations", {"a.b": 1}), ("user", "x" * 251), ("http", [])):
        with pytest.raises(AssertionError):
            judge.check({**document, key: value})


@given(odd=spans(), resource=resources)
@settings(max_examples=200)
def test_any_segment(judge: Judge, odd: Span, resource: dict[str, Any]) -> None:
    odd.parent64 = 0
    for document in write([odd], resource):
        judge.check(document)


@given(odd=spans(2, 1), resource=resources)
@settings(max_examples=200)
def test_any_subsegment(judge: Judge, odd: Span, resource: dict[str, Any]) -> None:
    odd.parent_remote = False
    [alone] = write([odd], resource)
    judge.check(alone)
    [nested] = write([odd, span(1, 0)], resource)
    judge.check(nested)


@given(odd=spans())
@settings(max_examples=50)
def test_any_trimmed_span(judge: Judge, odd: Span) -> None:
    for document in write([odd], {"service.name": "x" * 500, "filler": "y" * 3000}, 2_000):
        judge.check(document)


@given(trace=trees())
@settings(max_examples=50)
def test_any_tree(judge: Judge, trace: list[Span]) -> None:
    for document in write(trace, RESOURCE, 5_000):
        judge.check(document)
        for text in resplit(json.dumps(document), 2_000):
            judge.check(json.loads(text))


def test_a_deep_trace(judge: Judge) -> None:
    for document in write([span(index + 1, index) for index in range(3_000)], RESOURCE):
        judge.check(document)


def test_a_document_is_what_the_daemon_takes() -> None:
    # 65,507 is the payload of the largest IPv4 datagram: 65,535 less 20 bytes of IP and 8 of UDP header.
    assert MAX_DOCUMENT == 65_535 - 20 - 8 - len(b'{"format":"json","version":1}\n') == 65_477
