"""botocore and boto3, patched, against moto's server."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import wrapt
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError

import obsv
from obsv.hotpath.around import Switch
from obsv.hotpath.aws_client import answered, emitting
from obsv.hotpath.span import CLIENT, CONSUMER, ERROR, PRODUCER, Span, new_span
from obsv.patches import REGISTRY
from obsv.patches._aws_messages import with_context, with_trace_header_asked
from obsv.patches._sqs import Messages
from obsv.testing import Capture, capture
from servers import EchoServer, MotoServer, free_port
from telemetry import Recorder
from unpatched import ORDERS, functions, spans_in_new_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TARGETS = (
    "botocore.client:BaseClient._make_api_call",
    "botocore.client:BaseClient._emit_api_params",
    "botocore.endpoint:Endpoint.prepare_request",
)


@pytest.fixture
def seen(moto_server: MotoServer) -> Iterator[Capture]:
    with capture(patch=["botocore", "urllib3", "futures"]) as captured:
        yield captured


@pytest.fixture
def sqs(moto_server: MotoServer) -> Any:
    return moto_server.client("sqs")


@pytest.fixture
def queue(seen: Capture, sqs: Any) -> str:
    url: str = sqs.create_queue(QueueName="warehouse")["QueueUrl"]
    return url


def named(seen: Capture, name: str) -> list[Span]:
    return [span for span in seen.spans if span.name == name]


# -- calls ------------------------------------------------------------------------------------------------------------


def test_a_call_is_one_span(seen: Capture, moto_server: MotoServer) -> None:
    s3 = moto_server.client("s3")
    s3.create_bucket(Bucket="labels")
    with obsv.span("work"):
        result = s3.put_object(Bucket="labels", Key="1.txt", Body=b"a parcel")
    span = seen.span("S3.PutObject")
    assert (span.kind_value, span.status_value, span.parent_id) == (CLIENT, 0, seen.span("work").span_id)
    assert span.attributes == {
        "rpc.system": "aws-api",
        "rpc.service": "S3",
        "rpc.method": "PutObject",
        "cloud.region": "us-east-1",
        "server.address": "127.0.0.1",
        "server.port": moto_server.port,
        "aws.s3.bucket": "labels",
        "aws.s3.key": "1.txt",
        "http.response.status_code": 200,
        "aws.request_id": result["ResponseMetadata"]["RequestId"],
    }
    assert s3.get_object(Bucket="labels", Key="1.txt")["Body"].read() == b"a parcel"
    assert [span.name for span in seen.spans] == ["S3.CreateBucket", "S3.PutObject", "work", "S3.GetObject"]


def test_dynamodb_calls_name_their_tables(seen: Capture, moto_server: MotoServer) -> None:
    dynamodb = moto_server.client("dynamodb")
    key = {"AttributeName": "id", "KeyType": "HASH"}
    kind = {"AttributeName": "id", "AttributeType": "S"}
    for name in ("a", "b"):
        dynamodb.create_table(
            TableName=name, KeySchema=[key], AttributeDefinitions=[kind], BillingMode="PAY_PER_REQUEST"
        )
    item = {"id": {"S": "s3cret"}}
    dynamodb.put_item(TableName="a", Item=item)
    dynamodb.batch_get_item(RequestItems={"a": {"Keys": [item]}, "b": {"Keys": [item]}})
    dynamodb.transact_write_items(
        TransactItems=[{"Put": {"TableName": "a", "Item": item}}, {"Put": {"TableName": "b", "Item": item}}]
    )
    put, batch, transaction = (
        seen.span(f"DynamoDB.{name}").attributes for name in ("PutItem", "BatchGetItem", "TransactWriteItems")
    )
    assert put["aws.dynamodb.table_names"] == ("a",)
    assert (put["db.collection.name"], put["db.system.name"]) == ("a", "aws.dynamodb")
    assert batch["aws.dynamodb.table_names"] == transaction["aws.dynamodb.table_names"] == ("a", "b")
    assert "s3cret" not in str([put, batch, transaction])


def test_errors_of_a_service_are_recorded_and_raised(seen: Capture, moto_server: MotoServer) -> None:
    s3 = moto_server.client("s3")
    with pytest.raises(s3.exceptions.NoSuchBucket) as raised:
        s3.list_objects_v2(Bucket="nowhere")
    assert isinstance(raised.value, ClientError)
    [span] = seen.spans
    assert span.status_value == ERROR
    assert span.attributes["error.type"] == "NoSuchBucket"
    assert span.attributes["http.response.status_code"] == 404
    assert span.attributes["aws.request_id"] == raised.value.response["ResponseMetadata"]["RequestId"]


def test_errors_before_the_wire_are_recorded_and_raised(seen: Capture, sqs: Any) -> None:
    with pytest.raises(ParamValidationError):
        sqs.send_message(QueueUrl=7)
    once = Config(retries={"max_attempts": 0})
    nobody = boto3.client("sqs", endpoint_url=f"http://127.0.0.1:{free_port()}", config=once)
    with pytest.raises(EndpointConnectionError):
        nobody.list_queues()
    with pytest.raises(AttributeError):
        sqs.no_such_operation()
    failed = [("SQS.SendMessage", ERROR), ("SQS.ListQueues", ERROR)]
    assert [(span.name, span.status_value) for span in seen.spans] == failed


def test_retries_are_counted(seen: Capture, http_echo: EchoServer) -> None:
    config = Config(retries={"max_attempts": 1, "mode": "standard", "total_max_attempts": 2})
    s3 = boto3.client("s3", endpoint_url=f"{http_echo.url}/status/503", config=config)
    with pytest.raises(ClientError):
        s3.list_buckets()
    [span] = seen.spans
    assert span.attributes["http.request.resend_count"] == 1
    assert span.attributes["error.type"] == "503"
    assert len({request["headers"]["traceparent"] for request in http_echo.requests}) == 1


def test_the_service_hears_of_the_trace_and_the_signature_is_valid(seen: Capture, http_echo: EchoServer) -> None:
    sent: list[Any] = []
    client = boto3.client("sqs", endpoint_url=http_echo.url, region_name="eu-west-1")
    client.meta.events.register("before-send", lambda request, **_: sent.append(request))
    client.list_queues()
    [span] = [span for span in seen.spans if span.name == "SQS.ListQueues"]
    headers = {name: value.decode() if isinstance(value, bytes) else value for name, value in sent[0].headers.items()}
    heard = http_echo.requests[0]["headers"]
    assert heard["traceparent"].split("-")[2] == span.span_id
    assert span.span_id in heard["x-amzn-trace-id"]
    assert heard["x-amzn-trace-id"].count("Root=") == 1
    signed = headers.pop("Authorization")
    request = AWSRequest("POST", sent[0].url, headers, sent[0].body)
    request.context["timestamp"] = headers["X-Amz-Date"]
    auth = SigV4Auth(Credentials("testing", "testing"), "sqs", "eu-west-1")
    for name in list(request.headers):  # what urllib3 adds is not signed
        if name.lower() not in signed.partition("SignedHeaders=")[2].partition(",")[0].split(";"):
            del request.headers[name]
    signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    assert signed.endswith(signature)


def test_the_headers_are_written_with_and_without_urllib3s_patch(http_echo: EchoServer) -> None:
    with capture(patch=["botocore", "urllib3"]) as seen:
        client = boto3.client("sqs", endpoint_url=http_echo.url, region_name="eu-west-1")
        client.list_queues()
        obsv.unpatch("urllib3")
        client.list_queues()
    sent = [request["headers"] for request in http_echo.requests]
    assert [headers["traceparent"].split("-")[2] for headers in sent] == [span.span_id for span in seen.spans]
    assert [headers["x-amzn-trace-id"].count("Root=") for headers in sent] == [1, 1]


def test_a_header_of_another_trace_that_a_handler_wrote_stays(seen: Capture, http_echo: EchoServer) -> None:
    chosen = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    client = boto3.client("sqs", endpoint_url=http_echo.url, region_name="eu-west-1")

    def write(request: Any, **_: Any) -> None:
        request.headers["traceparent"] = chosen

    client.meta.events.register("before-sign", write)
    client.list_queues()
    assert http_echo.requests[0]["headers"]["traceparent"] == chosen
    assert "x-amzn-trace-id" not in http_echo.requests[0]["headers"]


class Answer(dict[str, Any]):
    """What somebody's handler or stub may answer with."""


def test_an_answer_of_another_kind_of_dict_says_as_much(seen: Capture) -> None:
    client = boto3.client("sqs", region_name="eu-west-1")
    parsed = Answer(ResponseMetadata=Answer(HTTPStatusCode=200, RequestId="4F2A"), MessageId="7")
    http = type("Http", (), {"status_code": 200})()
    client.meta.events.register("before-call.sqs.SendMessage", lambda **_: (http, parsed))
    assert client.send_message(QueueUrl="https://sqs/1/queue", MessageBody="a")["MessageId"] == "7"
    attributes = seen.span("SQS.SendMessage").attributes
    assert attributes["http.response.status_code"] == 200
    assert (attributes["aws.request_id"], attributes["messaging.message.id"]) == ("4F2A", "7")


@pytest.mark.parametrize("metadata", [None, [], ["a"], "text", {}, {"HTTPStatusCode": "odd"}])
def test_answers_that_say_nothing_are_survived(metadata: Any) -> None:
    span = Recorder().start("a")
    answered(span, {"ResponseMetadata": metadata})
    assert span.attributes == {}


def test_a_wrapper_below_may_take_its_keywords_apart() -> None:
    scope = Recorder().scope
    calls: list[Any] = []

    def changed(span: Span, parameters: Any, model: Any) -> Any:
        calls.append((parameters, model))
        return parameters

    @wrapt.decorator  # its C code gives a wrapper the very dict that it was called with
    def consuming(function: Any, instance: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        return function(*args, **{name: kwargs.pop(name) for name in list(kwargs)})

    emit = emitting(consuming(lambda **kwargs: kwargs["api_params"]), Switch(scope), changed)
    with new_span(scope, "SQS.SendMessage", CLIENT):
        emit(api_params={"a": 1}, operation_model="model")
    assert calls == [({"a": 1}, "model")]


def test_presigned_urls_are_untouched(seen: Capture, moto_server: MotoServer) -> None:
    s3 = moto_server.client("s3")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "labels", "Key": "k"})
    assert "trace" not in url.lower()
    assert seen.spans == []


def test_paginators_waiters_and_transfers_work(seen: Capture, moto_server: MotoServer, tmp_path: Any) -> None:
    s3 = moto_server.client("s3")
    s3.create_bucket(Bucket="labels")
    s3.get_waiter("bucket_exists").wait(Bucket="labels")
    (tmp_path / "file").write_bytes(b"x" * (9 << 20))
    with obsv.span("work"):
        s3.upload_file(str(tmp_path / "file"), "labels", "big")  # in parts, on worker threads
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="labels")
    assert [item["Key"] for page in pages for item in page["Contents"]] == ["big"]
    parts = named(seen, "S3.UploadPart")
    assert sorted(span.attributes["aws.s3.part_number"] for span in parts) == [1, 2]
    assert {span.trace_id for span in parts} == {seen.span("work").trace_id}


# -- sending ----------------------------------------------------------------------------------------------------------


def test_sending_is_a_producer_span_and_the_trace_goes_along(seen: Capture, sqs: Any, queue: str) -> None:
    with obsv.span("work"):
        result = sqs.send_message(QueueUrl=queue, MessageBody="s3cret")
    span = seen.span("SQS.SendMessage")
    assert span.kind_value == PRODUCER
    assert span.attributes["aws.sqs.queue.url"] == queue
    assert span.attributes["messaging.system"] == "aws_sqs"
    assert span.attributes["messaging.operation.type"] == "send"
    assert span.attributes["messaging.destination.name"] == "warehouse"
    assert span.attributes["messaging.message.id"] == result["MessageId"]
    assert "s3cret" not in str(span.attributes)
    obsv.unpatch("botocore")
    [message] = sqs.receive_message(QueueUrl=queue, MessageSystemAttributeNames=["AWSTraceHeader"])["Messages"]
    header = message["Attributes"]["AWSTraceHeader"]
    assert f"Parent={span.span_id}" in header
    assert header.startswith(f"Root=1-{span.trace_id[:8]}-{span.trace_id[8:]}")


def test_what_the_user_passes_is_not_changed(seen: Capture, sqs: Any, queue: str) -> None:
    attributes = {"a": {"DataType": "String", "StringValue": "1"}}
    entries = [
        {"Id": "1", "MessageBody": "a", "MessageAttributes": attributes},
        {"Id": "2", "MessageBody": "b", "MessageSystemAttributes": {}},
    ]
    before = copy.deepcopy(entries)
    result = sqs.send_message_batch(QueueUrl=queue, Entries=entries)
    assert len(result["Successful"]) == 2
    assert entries == before
    names = ["SenderId"]
    parameters = {"QueueUrl": queue, "MessageBody": "c"}
    sqs._make_api_call("SendMessage", parameters)
    assert parameters == {"QueueUrl": queue, "MessageBody": "c"}
    sqs.receive_message(QueueUrl=queue, AttributeNames=names)
    assert names == ["SenderId"]
    [span] = named(seen, "SQS.SendMessageBatch")
    assert span.attributes["messaging.batch.message_count"] == 2


def test_sns_carries_the_trace_in_an_attribute(seen: Capture, moto_server: MotoServer, sqs: Any, queue: str) -> None:
    sns = moto_server.client("sns")
    topic = sns.create_topic(Name="parcels")["TopicArn"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    mine: dict[str, Any] = {}
    sns.publish(TopicArn=topic, Message="m", MessageAttributes=mine)
    assert mine == {}
    [span] = named(seen, "SNS.Publish")
    assert (span.kind_value, span.attributes["messaging.destination.name"]) == (PRODUCER, "parcels")
    for message in sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["All"])["Messages"]:
        assert obsv.current_span().parent_id == span.span_id
        assert message["MessageAttributes"]["traceparent"]["StringValue"].split("-")[2] == span.span_id


def test_attributes_of_messages_have_a_limit_and_an_owner() -> None:
    span = Recorder().start("x")
    value = {"DataType": "String", "StringValue": "1"}
    full = {"Message": "m", "MessageAttributes": {str(n): value for n in range(10)}}
    assert with_context("SNS", full, span) is full
    nine = {"Message": "m", "MessageAttributes": {str(n): value for n in range(9)}}
    assert len(with_context("SNS", nine, span)["MessageAttributes"]) == 10
    assert len(nine["MessageAttributes"]) == 9
    mine = {"MessageSystemAttributes": {"AWSTraceHeader": value}}
    assert with_context("SQS", mine, span) is mine
    odd: dict[str, Any] = {"Entries": [7], "MessageAttributes": "no mapping"}
    assert with_context("SNS", odd, span)["Entries"] == [7]


def test_the_trace_header_is_asked_for_where_the_user_asks() -> None:
    new, old = {"MessageSystemAttributeNames", "AttributeNames"}, {"AttributeNames"}
    names = "MessageSystemAttributeNames"
    assert with_trace_header_asked({}, new) == {names: ["AWSTraceHeader"]}
    assert with_trace_header_asked({}, old) == {"AttributeNames": ["AWSTraceHeader"]}
    assert with_trace_header_asked({"AttributeNames": ["a"]}, new) == {"AttributeNames": ["a", "AWSTraceHeader"]}
    for present in ({names: ["All"]}, {"AttributeNames": ["AWSTraceHeader"]}, {names: "no list"}):
        assert with_trace_header_asked(present, new) is present


# -- receiving --------------------------------------------------------------------------------------------------------


@pytest.fixture
def received(seen: Capture, sqs: Any, queue: str) -> Callable[..., Any]:
    """Sends three messages, each in a trace of its own, and receives them."""

    def receive(**options: Any) -> Any:
        for number in range(3):
            with obsv.span(f"sending {number}"):
                sqs.send_message(QueueUrl=queue, MessageBody=str(number))
        return sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, **options)

    return receive


def test_the_loops_body_is_part_of_the_messages_trace(seen: Capture, received: Callable[..., Any], queue: str) -> None:
    before = obsv.current_span()
    for message in received()["Messages"]:
        with obsv.span(f"working {message['Body']}"):
            pass
    assert obsv.current_span() is before
    sends = named(seen, "SQS.SendMessage")
    processes = named(seen, "process warehouse")
    assert len(processes) == 3
    for number in range(3):
        working = seen.span(f"working {number}")
        [process] = [span for span in processes if span.span_id == working.parent_id]
        assert process.kind_value == CONSUMER
        assert process.parent_remote
        assert process.trace_id == seen.span(f"sending {number}").trace_id
        assert process.parent_id in {span.span_id for span in sends}
        assert process.attributes["aws.sqs.queue.url"] == queue
        assert process.attributes["messaging.operation.type"] == "process"
    assert seen.span("SQS.ReceiveMessage").attributes["messaging.batch.message_count"] == 3


@pytest.mark.parametrize("end", ["break", "return", "raise", "continue"])
def test_every_way_out_of_the_loop_ends_the_span(seen: Capture, received: Callable[..., Any], end: str) -> None:
    messages = received()["Messages"]

    def work() -> None:
        for _message in messages:
            if end == "break":
                break
            if end == "return":
                return
            if end == "raise":
                raise LookupError
            continue

    with obsv.span("outer") as outer:
        try:
            work()
        except LookupError as error:
            assert obsv.current_span() is outer
            del error
        assert obsv.current_span() is outer
    assert len(named(seen, "process warehouse")) == (3 if end == "continue" else 1)


def test_pools_take_the_messages_trace_along(seen: Capture, received: Callable[..., Any]) -> None:
    def pack(message: dict[str, Any]) -> str:
        with obsv.span("pack") as span:
            return f"{message['Body']} {span.trace_id}"

    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(pack, message) for message in received()["Messages"]]
        traces = {future.result() for future in waiting}
    assert traces == {f"{number} {seen.span(f'sending {number}').trace_id}" for number in range(3)}


def test_it_is_a_list_in_every_other_respect(seen: Capture, received: Callable[..., Any]) -> None:
    result = received()
    messages = result["Messages"]
    plain = [messages[0], messages[1], messages[2]]
    assert type(messages) is Messages
    assert isinstance(messages, list)
    assert messages == plain
    assert plain == messages
    assert len(messages) == 3
    assert messages[1] is plain[1]
    assert messages[-1] in messages
    assert json.dumps(messages) == json.dumps(plain)
    assert json.dumps(result, default=str, indent=2).count('"Body"') == 3
    assert repr(messages) == repr(plain)
    for made in (
        messages[1:],
        copy.copy(messages),
        copy.deepcopy(messages),
        pickle.loads(pickle.dumps(messages)),
        messages + [],
        messages * 1,
    ):
        assert type(made) is list
        assert made in (plain, plain[1:])
    assert [*reversed(messages)] == plain[::-1]
    assert messages.index(plain[2]) == 2
    assert list(messages) == plain  # this one does iterate
    messages.append({})
    assert messages.pop() == {}
    assert len(named(seen, "process warehouse")) == 3
    for message in messages:
        messages.remove(message)
    assert messages == [plain[1]]


def test_the_trace_header_is_seen_by_those_only_who_ask(seen: Capture, received: Callable[..., Any], sqs: Any) -> None:
    assert [message.get("Attributes") for message in received(VisibilityTimeout=0)["Messages"][:]] == [None] * 3
    for message in received(AttributeNames=["SentTimestamp"], VisibilityTimeout=0)["Messages"][:]:
        assert set(message["Attributes"]) == {"SentTimestamp"}
    for message in received(MessageSystemAttributeNames=["AWSTraceHeader"], VisibilityTimeout=0)["Messages"][:]:
        assert set(message["Attributes"]) == {"AWSTraceHeader"}


def test_messages_without_a_trace_belong_to_the_one_around(seen: Capture, sqs: Any, queue: str) -> None:
    obsv.unpatch("botocore")
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    obsv.patch("botocore")
    with obsv.span("outer"):
        for _message in sqs.receive_message(QueueUrl=queue)["Messages"]:
            assert obsv.current_span().name == "process warehouse"
        assert "Messages" not in sqs.receive_message(QueueUrl=queue)
    assert seen.span("process warehouse").parent_id == seen.span("outer").span_id


def test_resources_take_messages_apart_without_spans(
    seen: Capture, moto_server: MotoServer, sqs: Any, queue: str
) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    resource = boto3.resource("sqs", endpoint_url=moto_server.url, region_name="us-east-1")
    [message] = resource.Queue(queue).receive_messages()
    assert message.body == "x"
    assert named(seen, "process warehouse") == []


def test_messages_outlive_the_patch(seen: Capture, received: Callable[..., Any]) -> None:
    messages = received()["Messages"]
    obsv.shutdown()
    assert sorted(message["Body"] for message in messages) == ["0", "1", "2"]


# -- the patch itself -------------------------------------------------------------------------------------------------


def test_unpatching_restores_the_functions() -> None:
    import botocore.client

    before = functions(*TARGETS)
    signature = inspect.signature(botocore.client.BaseClient._make_api_call)
    with capture(patch="botocore"):
        patched = functions(*TARGETS)
        assert all(patched[target] is not before[target] for target in TARGETS)
        assert inspect.signature(botocore.client.BaseClient._make_api_call) == signature
        assert REGISTRY["botocore"].state() == "patched"
        obsv.unpatch("botocore")
        assert functions(*TARGETS) == before
    assert functions(*TARGETS) == before


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("library", ["boto3", "botocore.session"])
def test_the_order_of_imports_does_not_matter(moto_server: MotoServer, order: str, library: str) -> None:
    maker = "boto3.client" if library == "boto3" else "botocore.session.get_session().create_client"
    code = f"{maker}('sqs', endpoint_url=sys.argv[1], region_name='us-east-1').create_queue(QueueName='q')"
    [span] = spans_in_new_process(order, library, code, moto_server.url)
    assert span["name"] == "SQS.CreateQueue"
