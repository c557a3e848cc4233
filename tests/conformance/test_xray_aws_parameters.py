"""Which parameters of AWS's calls stand in a subsegment: those that aws-xray-sdk records, by its own list.

Its list (``aws_para_whitelist.json``) is read from the installed package. What is there in another form, or not at all,
is named here with the reason.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from aws_data import span
from obsv.hotpath.aws_client import describe_answer, describing
from obsv.hotpath.aws_parameters import PARAMETERS
from obsv.xray.segment import documents

CLIENT = 2
SERVICES = {
    "dynamodb": "DynamoDB", "lambda": "Lambda", "runtime.sagemaker": "SageMaker Runtime", "s3": "S3", "sns": "SNS",
    "sqs": "SQS",
}  # fmt: skip

# By the name of the parameter; any other is a text.
NUMBERS = (
    *("Count", "DelaySeconds", "Limit", "MaxNumberOfMessages", "ScannedCount", "Segment", "Status", "StatusCode"),
    *("TotalSegments", "VisibilityTimeout", "WaitTimeSeconds"),
)
LISTS = ("AttributeNames", "AttributesToGet", "MessageAttributeNames", "QueueUrls", "TableNames")
STRUCTURE = {"IndexName": "i", "Projection": {"ProjectionType": "ALL"}, "Size": 1.5}
VALUES: dict[str, Any] = {
    **dict.fromkeys(NUMBERS, 7),
    **{name: ["one", "two"] for name in LISTS},
    **{
        name: [STRUCTURE, STRUCTURE] for name in ("AttributeDefinitions", "Entries", "Failed", "Messages", "Successful")
    },
    **{
        name: [STRUCTURE] for name in ("GlobalSecondaryIndexUpdates", "GlobalSecondaryIndexes", "LocalSecondaryIndexes")
    },
    "Attributes": {"Policy": "secret", "DelaySeconds": "5"},
    "ConsistentRead": True,
    "ConsumedCapacity": [{"TableName": "t", "CapacityUnits": 1.5}],
    "ItemCollectionMetrics": STRUCTURE,
    "MessageAttributes": {"colour": {"StringValue": "secret"}, "size": {"StringValue": "secret"}},
    "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 6},
    "RequestItems": {"one": ["secret"], "two": ["secret"]},
    "ScanIndexForward": False,
}

# Fields that are there under another name, or that are another field's already.
ELSEWHERE = {
    "attributes": "attribute_names",  # names only: the values are policies and keys
    "bucket": "bucket_name",
    "item_collection_metrics": "",  # has keys of items
    "failed": "failed_count",  # entries can hold what the program sent
    "queue_urls": "queue_count",
    "status": "",  # HTTP's, in http.response.status
    "status_code": "",
}
NOT_OF_ANSWERS = {("sqs", "GetQueueAttributes", "Attributes")}  # the values are what the program asks for, not whom


def whitelist() -> dict[str, Any]:
    found = find_spec("aws_xray_sdk")
    if found is None or found.origin is None:
        pytest.skip("aws-xray-sdk is not installed")
    listed = json.loads((Path(found.origin).parent / "ext" / "resources" / "aws_para_whitelist.json").read_text())
    services: dict[str, Any] = listed["services"]
    return services


def snake(name: str) -> str:
    from re import sub

    return sub("([a-z0-9])([A-Z])", r"\1_\2", sub("(.)([A-Z][a-z]+)", r"\1_\2", name)).lower()


def expected(service: str, operation: str, rules: dict[str, Any]) -> dict[str, Any]:
    """What aws-xray-sdk records, in the form that it is to have here."""
    found: dict[str, Any] = {}
    for side in ("request", "response"):
        for name in rules.get(f"{side}_parameters", ()):
            if side == "request" or (service, operation, name) not in NOT_OF_ANSWERS:
                field = ELSEWHERE.get(snake(name), snake(name))
                value = VALUES.get(name, f"some {name}")
                counted = isinstance(value, list) and field.endswith("_count")
                found[field] = list(value) if name == "Attributes" else len(value) if counted else value
        for name, rule in rules.get(f"{side}_descriptors", {}).items():
            value = VALUES.get(name, f"some {name}")
            value = len(value) if rule.get("get_count") else list(value) if rule.get("get_keys") else value
            found[ELSEWHERE.get(rule["rename_to"], rule["rename_to"])] = value
    found.pop("", None)
    return found


def members(rules: dict[str, Any], side: str) -> dict[str, Any]:
    names = (*rules.get(f"{side}_parameters", ()), *rules.get(f"{side}_descriptors", ()))
    return {name: VALUES.get(name, f"some {name}") for name in names}


def recorded(service: str, operation: str, rules: dict[str, Any]) -> dict[str, Any]:
    """The block that a call with all these parameters gets."""
    given, answered = members(rules, "request"), members(rules, "response")
    meta = SimpleNamespace(
        service_model=SimpleNamespace(service_id=SERVICES[service]), region_name="eu-west-1", endpoint_url="http://aws"
    )
    made = span(2, 1, "call", CLIENT)
    count = len(answered.get("Messages", ()))

    def received(told: Any, _: Any) -> Any:
        return lambda result: told.set_attribute("messaging.batch.message_count", count)

    told = describing(received)(made, SimpleNamespace(meta=meta), operation, given)
    describe_answer(made, {**answered, "ResponseMetadata": {"HTTPStatusCode": 200, "RequestId": "R"}}, told)
    assert "secret" not in str(made.attributes)
    [document] = map(json.loads, documents([made, span(1)], {}))
    block: dict[str, Any] = document["subsegments"][0]["aws"]
    assert (block["operation"], block["region"], block["request_id"]) == (operation, "eu-west-1", "R")
    return block


CALLS = [(service, operation) for service, rules in whitelist().items() for operation in sorted(rules["operations"])]


@pytest.mark.parametrize(("service", "operation"), CALLS)
def test_what_aws_records_of_a_call_is_recorded(service: str, operation: str) -> None:
    rules = whitelist()[service]["operations"][operation]
    wanted = expected(service, operation, rules)
    block = recorded(service, operation, rules)
    assert {field: block.get(field) for field in wanted} == wanted


def test_a_call_without_such_parameters_gets_nothing_more() -> None:
    meta = SimpleNamespace(
        service_model=SimpleNamespace(service_id="DynamoDB"), region_name="eu-west-1", endpoint_url="http://aws"
    )
    made = span(2, 1, "call", CLIENT)
    describing(lambda *_: lambda _: None)(made, SimpleNamespace(meta=meta), "PutItem", {"TableName": "t"})
    assert {name for name in made.attributes if name.startswith("aws.")} == {"aws.dynamodb.table_names"}


@pytest.mark.parametrize("odd", [None, 7.5, b"x", object(), [object()], {1: 2}, [{"a": float("nan")}], "\ud800", []])
def test_whatever_stands_there_the_call_is_described(odd: Any) -> None:
    for service, names in PARAMETERS.items():
        meta = SimpleNamespace(service_model=SimpleNamespace(service_id=service), region_name=None, endpoint_url="")
        made = span(2, 1, "call", CLIENT)
        told = describing(lambda *_: lambda _: None)(
            made, SimpleNamespace(meta=meta), "Anything", dict.fromkeys(names, odd)
        )
        describe_answer(made, {"Failed": odd, "Attributes": odd, "ConsumedCapacity": odd, "QueueUrl": odd}, told)
        assert json.loads(documents([made], {})[0])
