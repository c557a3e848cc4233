"""PutTraceSegments: calls, what X-Ray does not process, and faults, against a server that checks signatures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from aws_data import RESOURCE, flatten, span
from obsv.settings import resolve
from obsv.sinks.base import Batch, Refused, Retry, Sent, SinkError
from obsv.sinks.xray import create
from obsv.sinks.xray_api import XRayApiSink
from obsv.xray.segment import documents
from programs import run
from telemetry import Recorder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aws_server import AwsServer, Request
    from servers import MotoServer


@pytest.fixture
def sink(aws_server: AwsServer) -> Iterator[XRayApiSink]:
    made = create(resolve({"config": {"xray_transport": "api"}}))
    assert isinstance(made, XRayApiSink)
    made.open(RESOURCE)
    yield made
    made.close()


def batch(count: int = 1, children: int = 0) -> Batch:
    recorder = Recorder()
    return Batch("traces", [recorder.trace("GET /", children, order=index) for index in range(count)], RESOURCE)


def sent(server: AwsServer) -> list[list[Any]]:
    """The documents of each call."""
    return [[json.loads(text) for text in request.json["TraceSegmentDocuments"]] for request in server.requests]


def test_a_call_as_it_goes_over_the_wire(sink: XRayApiSink, aws_server: AwsServer) -> None:
    made = batch(2, children=1)
    assert repr(sink.send(made)) == "Sent(rejected=0, reason=None)"
    [request] = aws_server.requests
    assert (request.path, request.service, request.region) == ("/TraceSegments", "xray", "us-east-1")
    expected = [text for trace in made.items for text in documents(trace, RESOURCE)]
    assert sorted(request.json["TraceSegmentDocuments"]) == sorted(expected)


def test_the_setting_of_annotations_counts(aws_server: AwsServer) -> None:
    sink = create(resolve({"config": {"xray_transport": "api", "xray_annotations": ["a"]}}))
    assert type(sink.send(Batch("traces", [[span(1, a=1, b=2)]], RESOURCE))) is Sent
    sink.close()
    [[document]] = sent(aws_server)
    assert document["annotations"] == {"a": 1}


def test_50_documents_a_call(sink: XRayApiSink, aws_server: AwsServer) -> None:
    made = batch(120)
    assert type(sink.send(made)) is Sent
    assert [len(call) for call in sent(aws_server)] == [50, 50, 20]
    ids = [document["id"] for call in sent(aws_server) for document in call]
    assert sorted(ids) == sorted(trace[-1].span_id for trace in made.items)


def test_documents_of_at_most_64_kb(sink: XRayApiSink, aws_server: AwsServer) -> None:
    trace = [span(index, 1, filler="x" * 900) for index in range(2, 400)] + [span(1)]
    assert type(sink.send(Batch("traces", [trace], RESOURCE))) is Sent
    texts = [text for request in aws_server.requests for text in request.json["TraceSegmentDocuments"]]
    assert max(len(text.encode()) for text in texts) <= 64_000 + 1_536
    found = [part["id"] for text in texts for part in flatten(json.loads(text))]
    assert sorted(found) == sorted(each.span_id for each in trace)


def test_segments_that_are_not_processed_are_sent_again_or_counted(sink: XRayApiSink, aws_server: AwsServer) -> None:
    made = batch(4, children=2)
    ids = [trace[-1].span_id for trace in made.items]
    failed = [
        {"Id": ids[0], "ErrorCode": "ThrottledException", "Message": "slow down"},
        {"Id": ids[1], "ErrorCode": "MissingField", "Message": "what is it"},
        {"ErrorCode": "ParseError"},
    ]
    aws_server.answer(200, {"UnprocessedTraceSegments": failed})
    first = sink.send(made)
    reason = "xray:PutTraceSegments: segments not processed: ThrottledException"
    assert (type(first), first.reason) == (Retry, reason)
    result = sink.send(made)
    assert (type(result), result.rejected) == (Sent, 4)  # a trace of three spans, and one that X-Ray does not name
    assert result.reason == "xray:PutTraceSegments: segments not processed: ParseError"
    assert [[document["id"] for document in call] for call in sent(aws_server)][1] == [ids[0]]


def test_a_retry_sends_what_is_left_and_nothing_twice(sink: XRayApiSink, aws_server: AwsServer) -> None:
    made = batch(120)
    aws_server.answer(200)
    aws_server.answer(500)
    assert type(sink.send(made)) is Retry
    assert type(sink.send(made)) is Sent
    calls = sent(aws_server)
    assert [len(call) for call in calls] == [50, 50, 50, 20]
    assert calls[1] == calls[2]


def test_throttling_and_a_sequence_of_5xx(sink: XRayApiSink, aws_server: AwsServer) -> None:
    made = batch()
    aws_server.error(429, "ThrottledException")
    for status in (500, 502, 503):
        aws_server.answer(status, b"<html>bad gateway</html>")
    assert sink.send(made).reason == "throttled: xray:PutTraceSegments (ThrottledException)"
    for status in (500, 502, 503):
        result = sink.send(made)
        assert (type(result), result.tell) == (Retry, False)
        assert result.reason == f"xray:PutTraceSegments: http {status}"
    assert type(sink.send(made)) is Sent


def test_missing_rights_name_action_and_resource(sink: XRayApiSink, aws_server: AwsServer) -> None:
    aws_server.error(403, "AccessDeniedException", "User: arn:aws:iam::1:user/x is not authorized")
    made = batch()
    result = sink.send(made)
    assert (type(result), result.tell) == (Retry, True)
    assert result.reason == (
        "no right to xray:PutTraceSegments on * (AccessDeniedException: User: arn:aws:iam::1:user/x is not authorized)"
    )
    assert type(sink.send(made)) is Sent


def test_missing_credentials_name_the_action(
    sink: XRayApiSink, aws_server: AwsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    result = sink.send(batch())
    assert (type(result), result.tell) == (Retry, True)
    assert result.reason == "no AWS credentials for xray:PutTraceSegments on *"
    with pytest.raises(SinkError, match="no AWS credentials for xray:PutTraceSegments"):
        sink.probe()


def test_expired_credentials_are_looked_up_again_once(
    sink: XRayApiSink, aws_server: AwsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert type(sink.send(batch())) is Sent
    aws_server.expired.add("testing")
    aws_server.secrets["NEW"] = ("new", "")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "NEW")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "new")
    assert type(sink.send(batch())) is Sent
    assert [request.key for request in aws_server.requests] == ["testing", "testing", "NEW"]


def test_one_document_that_is_not_read_leaves_the_others(sink: XRayApiSink, aws_server: AwsServer) -> None:
    made = batch(60)
    bad = made.items[13][-1].span_id
    taken: list[str] = []

    def answer(request: Request) -> tuple[int, Any, dict[str, str]]:
        ids = [json.loads(text)["id"] for text in request.json["TraceSegmentDocuments"]]
        if bad in ids:
            return 400, {"__type": "InvalidRequestException", "message": "bad"}, {}
        taken.extend(ids)
        return 200, {}, {}

    aws_server.next_answer = answer  # type: ignore[method-assign]
    result = sink.send(made)
    assert repr(result) == "Sent(rejected=1, reason='xray:PutTraceSegments: InvalidRequestException: bad')"
    assert sorted([*taken, bad]) == sorted(trace[-1].span_id for trace in made.items)


def test_a_refusal_of_everything_ends(sink: XRayApiSink, aws_server: AwsServer) -> None:
    aws_server.error(400, "InvalidRequestException", "bad", times=10_000)
    result = sink.send(batch(500, children=1))
    assert (type(result), result.reason) == (Refused, "xray:PutTraceSegments: InvalidRequestException: bad")
    assert len(aws_server.requests) <= 40


def test_probe(sink: XRayApiSink) -> None:
    assert sink.probe() == "X-Ray in us-east-1; whether it takes segments is not known"


def test_motos_xray_reads_the_segments(moto_server: MotoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server.url)
    made = create(resolve({"config": {"xray_transport": "api"}}))
    wanted = batch(3, children=2)
    assert repr(made.send(wanted)) == "Sent(rejected=0, reason=None)"
    made.close()
    ids = [f"1-{trace[-1].trace_id[:8]}-{trace[-1].trace_id[8:]}" for trace in wanted.items]
    found = moto_server.client("xray").batch_get_traces(TraceIds=ids)["Traces"]
    assert sorted(trace["Id"] for trace in found) == sorted(ids)
    for trace in found:
        [segment] = trace["Segments"]
        assert len(flatten(json.loads(segment["Document"]))) == 3


PROGRAM = """
import json, sys
import obsv
obsv.init("shop", traces="xray", metrics="none", logs="none", config={"xray_transport": "api"})
before = [name for name in sys.modules if name.partition(".")[0] in ("boto3", "botocore")]
with obsv.span("checkout") as span, obsv.span("charge"):
    pass
print(json.dumps([before, obsv.flush(), obsv.status()["sinks"]["xray"]["traces"], span.trace_id]))
"""


@pytest.mark.parametrize("patch", ["false", "botocore"])
def test_a_program(aws_server: AwsServer, patch: str) -> None:
    """Its own calls make no spans, and its trace ids begin with the time, as with the daemon."""
    import time

    done = run(PROGRAM, OBSV_PATCH=patch)
    assert (done.returncode, done.stderr) == (0, "")
    before, flushed, status, trace_id = json.loads(done.stdout)
    assert before == []
    assert flushed
    assert (status["sent"], status["dropped"]) == (2, {})
    [[document]] = sent(aws_server)
    assert document["trace_id"] == f"1-{trace_id[:8]}-{trace_id[8:]}"
    assert abs(int(trace_id[:8], 16) - time.time()) < 300
    assert [part["name"] for part in flatten(document)] == ["shop", "charge"]
