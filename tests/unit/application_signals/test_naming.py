"""What Application Signals calls operations and remote services: the rules of AWS's distribution."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_data import span
from obsv.application_signals.naming import Remote, operation_of, remote_of
from obsv.hotpath.span import CONSUMER, INTERNAL, SERVER

METHOD, PATH = "http.request.method", "url.path"


@pytest.mark.parametrize(
    ("name", "attributes", "operation"),
    [
        ("GET /orders/{id}", {METHOD: "GET", PATH: "/orders/7"}, "GET /orders/{id}"),
        ("GET", {METHOD: "GET", PATH: "/orders/7"}, "GET /orders"),
        ("GET", {"http.method": "GET", "http.target": "/a/b?c=1"}, "GET /a"),
        ("GET", {METHOD: "GET", "url.full": "http://shop/a/b"}, "GET /a"),
        ("POST", {METHOD: "POST", PATH: ""}, "UnknownOperation"),
        ("POST", {METHOD: "POST", PATH: "/"}, "POST /"),
        ("", {}, "UnknownOperation"),
        ("", {PATH: "/x/y"}, "/x"),
    ],
)
def test_a_server_spans_operation_is_its_name_or_method_and_first_part_of_the_path(
    name: str, attributes: dict[str, Any], operation: str
) -> None:
    assert operation_of(span(name=name, kind=SERVER), attributes, True) == operation


def test_a_local_root_that_is_no_server_is_an_internal_operation() -> None:
    assert operation_of(span(name="job", kind=INTERNAL), {}, True) == "InternalOperation"
    assert operation_of(span(name="job", kind=CONSUMER), {}, True) == "InternalOperation"


def test_in_lambda_the_local_root_is_the_functions_handler() -> None:
    assert operation_of(span(name="lambda", kind=SERVER), {}, True, "orders") == "orders/FunctionHandler"
    assert operation_of(span(name="GET /x", kind=SERVER), {}, False, "orders") == "GET /x"


AWS = {"rpc.system": "aws-api"}
CASES: list[tuple[dict[str, Any], Remote]] = [
    (
        {METHOD: "GET", "server.address": "pay", "server.port": 8000, "url.full": "http://pay:8000/v1/cards"},
        Remote("pay:8000", "GET /v1"),
    ),
    (
        {METHOD: "GET", "server.address": "pay", "server.port": 443, "url.full": "https://pay/v1/cards"},
        Remote("pay", "GET /v1"),
    ),
    ({"http.method": "GET", "http.url": "http://me:secret@pay:81/"}, Remote("pay:81", "GET /")),
    ({"peer.service": "cards", METHOD: "GET", "url.full": "http://10.0.0.1/x"}, Remote("cards", "GET /x")),
    (
        {"aws.remote.service": "me", "peer.service": "you", "url.full": "http://x/"},
        Remote("me", "UnknownRemoteOperation"),
    ),
    (
        {**AWS, "rpc.service": "S3", "rpc.method": "GetObject", "aws.s3.bucket": "cats"},
        Remote("AWS::S3", "GetObject", None, "AWS::S3::Bucket", "cats", "cats"),
    ),
    (
        {**AWS, "rpc.service": "DynamoDB", "rpc.method": "PutItem", "aws.dynamodb.table_names": ["a|b"]},
        Remote("AWS::DynamoDB", "PutItem", None, "AWS::DynamoDB::Table", "a^|b", "a^|b"),
    ),
    (
        {**AWS, "rpc.service": "DynamoDB", "rpc.method": "BatchGetItem", "aws.dynamodb.table_names": ["a", "b"]},
        Remote("AWS::DynamoDB", "BatchGetItem"),
    ),
    (
        {
            **AWS,
            "rpc.service": "SQS",
            "rpc.method": "SendMessage",
            "aws.sqs.queue.url": "https://sqs.eu-west-1.amazonaws.com/1/orders",
        },
        Remote(
            "AWS::SQS",
            "SendMessage",
            None,
            "AWS::SQS::Queue",
            "orders",
            "https://sqs.eu-west-1.amazonaws.com/1/orders",
        ),
    ),
    (
        {**AWS, "rpc.service": "Secrets Manager", "rpc.method": "GetSecretValue"},
        Remote("AWS::SecretsManager", "GetSecretValue"),
    ),
    (
        {**AWS, "rpc.service": "Lambda", "rpc.method": "Invoke", "faas.invoked_name": "pay"},
        Remote("pay", "Invoke", "lambda:default"),
    ),
    ({"rpc.service": "Greeter", "rpc.method": "Hello", "rpc.system": "grpc"}, Remote("Greeter", "Hello")),
    (
        {
            "db.system.name": "postgresql",
            "db.operation.name": "SELECT",
            "db.namespace": "shop",
            "server.address": "db",
            "server.port": 5432,
        },
        Remote("postgresql", "SELECT", None, "DB::Connection", "shop|db|5432", "shop|db|5432"),
    ),
    ({"db.system": "sqlite", "db.statement": " select 1"}, Remote("sqlite", "SELECT")),
    ({"db.system": "sqlite", "db.statement": "{}"}, Remote("sqlite", "UnknownRemoteOperation")),
    ({"messaging.system": "kafka", "messaging.operation.type": "send"}, Remote("kafka", "send")),
    ({"faas.invoked_name": "f", "faas.trigger": "http"}, Remote("f", "http")),
    ({"graphql.operation.type": "query"}, Remote("graphql", "query")),
    ({}, Remote("UnknownRemoteService", "UnknownRemoteOperation")),
    ({"url.full": "http://[::1"}, Remote("UnknownRemoteService", "/")),
]


@pytest.mark.parametrize(("attributes", "remote"), CASES)
def test_remote_service_operation_and_resource(attributes: dict[str, Any], remote: Remote) -> None:
    assert remote_of(attributes) == remote


KEYS = sorted({key for attributes, _ in CASES for key in attributes} | {"aws.sns.topic.arn", "faas.trigger"})
VALUES = st.one_of(st.text(), st.integers(), st.booleans(), st.lists(st.text()), st.none(), st.just("aws-api"))


@given(st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_any_attributes_give_texts(attributes: dict[str, Any]) -> None:
    remote = remote_of(attributes)
    assert remote.service
    assert remote.operation
    assert (remote.kind is None) == (remote.identifier is None)
    assert all(value is None or isinstance(value, str) for value in remote)
    assert operation_of(span(name="GET", kind=SERVER), attributes, True)
