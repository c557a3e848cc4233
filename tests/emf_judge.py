"""Judges one EMF line: by AWS's published schema, and by the rules that it does not state.

Where schema and service differ:

- The schema takes metric names and namespaces of up to 1,024 characters; the CloudWatch API ends at 255, and so do we.
- The schema says nothing of the root members that dimensions and metrics refer to, of 100 definitions and 100 values,
  of ASCII, of the range of numbers, nor of the size of an event. The specification's text and the API reference do.
- A metric target is a number or an array of numbers in the specification. The object with ``Values`` and ``Counts`` is
  what the collector's awsemf exporter and AWS's OpenTelemetry distribution send; the schema leaves it open.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from aws_data import schema
from obsv.emf.units import UNITS

OBJECT = ["Values", "Counts", "Count", "Sum", "Max", "Min"]


class Judge:
    def __init__(self) -> None:
        from jsonschema import Draft7Validator

        self.validator = Draft7Validator(schema("emf-schema.json"))

    def check(self, line: str, limit: int = 1_048_550) -> dict[str, Any]:
        assert "\n" not in line
        assert len(line.encode("utf-8", "backslashreplace")) <= limit
        document: dict[str, Any] = json.loads(
            line, parse_constant=lambda name: pytest.fail(name), object_pairs_hook=unique
        )
        errors = [f"{list(error.absolute_path)}: {error.message}" for error in self.validator.iter_errors(document)]
        assert not errors, errors
        assert type(document["_aws"]["Timestamp"]) is int
        for directive in document["_aws"]["CloudWatchMetrics"]:
            self.directive(directive, document)
        return document

    def directive(self, directive: dict[str, Any], document: dict[str, Any]) -> None:
        assert re.fullmatch(r"[a-zA-Z0-9._#/-][a-zA-Z0-9._#:/ -]{0,254}", directive["Namespace"])
        sets = directive["Dimensions"]
        assert len({frozenset(keys) for keys in sets}) == len(sets)
        for keys in sets:
            assert len(keys) <= 30
            assert len(set(keys)) == len(keys)
            for key in keys:
                assert printable(key, 250)
                assert not key.startswith(":")
                assert isinstance(document[key], str)
                assert printable(document[key], 1024)
        names = [metric["Name"] for metric in directive["Metrics"]]
        assert 1 <= len(names) <= 100
        assert len(set(names)) == len(names)
        assert not set(names) & {"_aws", *(key for keys in sets for key in keys)}
        for metric in directive["Metrics"]:
            assert printable(metric["Name"], 255)
            assert metric["Unit"] in UNITS
            assert metric.get("StorageResolution", 60) in (1, 60)
            self.target(document[metric["Name"]])

    def target(self, value: Any) -> None:
        if isinstance(value, dict):
            assert list(value) in (OBJECT, ["Count", "Sum", "Max", "Min"])
            if "Values" in value:
                assert 1 <= len(value["Values"]) == len(value["Counts"]) <= 100
                assert value["Count"] == sum(value["Counts"])
                assert all(count >= 1 for count in value["Counts"])
                assert len(set(value["Values"])) == len(value["Values"])
                numbers = [*value["Values"], *value["Counts"]]
            else:
                numbers = []
            numbers += [value[key] for key in ("Count", "Sum", "Max", "Min")]
        elif isinstance(value, list):
            assert 1 <= len(value) <= 100
            numbers = value
        else:
            numbers = [value]
        assert all(type(number) in (int, float) and -(2.0**360) <= number <= 2.0**360 for number in numbers)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len({key for key, _ in pairs}) == len(pairs), [key for key, _ in pairs]
    return dict(pairs)


def printable(text: str, most: int) -> bool:
    return text.isascii() and text.isprintable() and bool(text.strip()) and len(text) <= most
