"""OTLP to AWS's endpoints: a server that checks the signature of each request with code of its own."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import _messages
from obsv.hotpath.metrics import Counter
from obsv.settings import resolve
from obsv.sinks.base import Batch, Refused, Retry, Sent, SinkError
from obsv.sinks.otlp import OtlpSink
from obsv.sinks.sigv4 import LIMITS, _problem, endpoint, too_large
from programs import run
from telemetry import Recorder, log, points

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from aws_server import AwsServer

RESOURCE = {"service.name": "shop"}


@pytest.fixture
def sink(aws_server: AwsServer) -> Iterator[Callable[..., OtlpSink]]:
    made: list[OtlpSink] = []

    def make(**options: Any) -> OtlpSink:
        settings = resolve(
            {"service": "shop", "config": {"otlp_endpoint": aws_server.url, "otlp_sigv4": "always", **options}}
        )
        assert not settings.problems, settings.problems
        found = OtlpSink(settings)
        found.open(RESOURCE)
        made.append(found)
        return found

    yield make
    for each in made:
        each.close()


def traces(spans: int = 1, count: int = 1) -> Batch:
    recorder = Recorder()
    return Batch("traces", [recorder.trace(children=spans - 1) for _ in range(count)], RESOURCE)


def metrics(count: int = 1) -> Batch:
    def record(make: Any) -> None:
        for index in range(count):
            make(Counter, "orders").add(1, shop=index)

    return Batch("metrics", points(record), RESOURCE)


# -- where


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://xray.us-east-1.amazonaws.com/v1/traces", ("xray", "us-east-1")),
        ("https://xray.us-east-1.amazonaws.com:443/v1/traces", ("xray", "us-east-1")),
        ("https://XRAY.us-east-1.amazonaws.com/v1/traces", ("xray", "us-east-1")),
        ("https://logs.us-gov-west-1.amazonaws.com/v1/logs", ("logs", "us-gov-west-1")),
        ("https://monitoring.eu-central-1.amazonaws.com/v1/metrics", ("monitoring", "eu-central-1")),
        ("https://xray.cn-north-1.amazonaws.com.cn/v1/traces", ("xray", "cn-north-1")),
        ("https://logs-fips.us-east-1.amazonaws.com/v1/logs", ("logs", "us-east-1")),
        ("https://logs.us-east-1.api.aws/v1/logs", ("logs", "us-east-1")),
        ("https://vpce-0a1-b2c.xray.us-east-1.vpce.amazonaws.com/v1/traces", ("xray", "us-east-1")),
        ("http://xray.us-east-1.amazonaws.com/v1/traces", None),  # credentials of AWS's go over TLS only
        ("https://xray.us-east-1.amazonaws.com.example.org/v1/traces", None),
        ("https://example.org/xray.us-east-1.amazonaws.com", None),
        ("https://xray.amazonaws.com/v1/traces", None),
        ("https://s3.us-east-1.amazonaws.com/v1/traces", None),
        ("https://x.elb.eu-central-1.amazonaws.com/v1/traces", None),
        ("https://amazonaws.com", None),
        ("http://localhost:4318/v1/traces", None),
        ("https://[::1", None),
    ],
)
def test_which_endpoints_are_awss(url: str, expected: tuple[str, str] | None) -> None:
    assert endpoint(url) == expected


@given(st.text(max_size=80))
def test_any_text_is_read_as_an_endpoint_or_not(text: str) -> None:
    for url in (text, f"https://{text}", f"https://{text}.amazonaws.com/v1/traces"):
        found = endpoint(url)
        assert found is None or found[0] in LIMITS


@pytest.mark.parametrize(
    ("mode", "headers", "signed"),
    [("auto", {}, True), ("never", {}, False), ("auto", {"authorization": "Bearer ACWL1"}, False)],
)
def test_awss_own_endpoints_are_signed_by_themselves(mode: str, headers: dict[str, str], signed: bool) -> None:
    options = {
        "otlp_endpoint": "https://xray.eu-central-1.amazonaws.com",
        "otlp_sigv4": mode,
        "otlp_headers": headers,
    }
    made = OtlpSink(resolve({"traces": "otlp", "metrics": "none", "logs": "none", "config": options}))
    assert made._signed == ({"traces": ("xray", "eu-central-1")} if signed else {})
    assert ("botocore.auth" in made.imports) is signed


@pytest.mark.parametrize("url", ["http://localhost:4318", "https://collector.example.com"])
def test_any_other_endpoint_is_not_signed(url: str) -> None:
    assert OtlpSink(resolve({"config": {"otlp_endpoint": url}}))._signed == {}


def test_grpc_is_not_signed() -> None:
    options = {"otlp_endpoint": "https://xray.us-east-1.amazonaws.com", "otlp_protocol": "grpc"}
    assert OtlpSink(resolve({"config": options}))._signed == {}


# -- what


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_the_signature_covers_the_body_as_sent(
    sink: Any, aws_server: AwsServer, protocol: str, compression: str
) -> None:
    made = sink(otlp_protocol=protocol, otlp_compression=compression)
    assert type(made.send(traces(20))) is Sent
    [request] = aws_server.requests
    assert (request.service, request.region, request.key) == ("xray", "us-east-1", "testing")
    assert request.path == "/v1/traces"
    assert (request.raw != request.body) is (compression == "gzip")
    if protocol == "http/protobuf":
        message = _messages("traces")[0].FromString(request.body)
        assert len(message.resource_spans[0].scope_spans[0].spans) == 20


def test_each_signal_is_signed_for_its_service(sink: Any, aws_server: AwsServer) -> None:
    made = sink(otlp_temporality="delta")
    for batch in (traces(), metrics(), Batch("logs", [log("hello")], RESOURCE)):
        assert type(made.send(batch)) is Sent
    found = [(request.path, request.service) for request in aws_server.requests]
    assert found == [("/v1/traces", "xray"), ("/v1/metrics", "monitoring"), ("/v1/logs", "logs")]


CUMULATIVE, DELTA = 2, 1


@pytest.mark.parametrize(
    ("options", "temporality", "values"), [({}, CUMULATIVE, [1, 2]), ({"otlp_temporality": "delta"}, DELTA, [1, 1])]
)
def test_metrics_are_cumulative_as_promql_wants_them_unless_said_otherwise(
    sink: Any, aws_server: AwsServer, options: dict[str, str], temporality: int, values: list[int]
) -> None:
    """CloudWatch user guide, "Send metrics using OpenTelemetry": a counter is queried with ``rate()``."""
    made = sink(**options)
    for _ in range(2):
        assert type(made.send(metrics())) is Sent
    assert {request.service for request in aws_server.requests} == {"monitoring"}
    kind = _messages("metrics")[0]
    sums = [
        metric.sum
        for request in aws_server.requests
        for resource in kind.FromString(request.body).resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    ]
    assert {each.aggregation_temporality for each in sums} == {temporality}
    assert [point.as_int for each in sums for point in each.data_points] == values


def test_logs_name_their_group_and_stream(sink: Any, aws_server: AwsServer) -> None:
    sink().send(Batch("logs", [log("x")], RESOURCE))
    sink(log_group="/shop/logs", log_stream="one").send(Batch("logs", [log("x")], RESOURCE))
    given = {"x-aws-log-group": "mine", "x-aws-log-stream": "two"}
    sink(log_group="/shop/logs", otlp_logs_headers=given).send(Batch("logs", [log("x")], RESOURCE))
    named = [(r.headers["x-aws-log-group"], r.headers["x-aws-log-stream"]) for r in aws_server.requests]
    assert named == [("shop", f"{os.uname().nodename}/{os.getpid()}"), ("/shop/logs", "one"), ("mine", "two")]


def test_a_session_token_goes_along(sink: Any, aws_server: AwsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ASIA1")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "to+ken/==")
    aws_server.secrets = {"ASIA1": ("testing", "to+ken/==")}
    assert type(sink().send(traces())) is Sent


def test_a_path_and_a_query_are_signed(sink: Any, aws_server: AwsServer) -> None:
    made = sink(otlp_traces_endpoint=f"{aws_server.url}/a%20b/é%2fc/v1/traces?x=1&a=b%20c&é=%c3%a9")
    assert type(made.send(traces())) is Sent


def test_a_metrics_request_has_1000_points(sink: Any, aws_server: AwsServer) -> None:
    batch = metrics(1_500)
    assert type(sink(otlp_temporality="delta").send(batch)) is Sent
    kind = _messages("metrics")[0]
    counts = [
        sum(
            len(metric.sum.data_points)
            for resource in kind.FromString(request.body).resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        )
        for request in aws_server.requests
    ]
    assert max(counts) <= 1_000
    assert sum(counts) == 1_500


def test_limits_of_the_services() -> None:
    assert not too_large("xray", 4_500_000, 10_000, 100)
    assert too_large("xray", 4_500_001, 1, 100)
    assert too_large("xray", 100, 10_001, 100)
    assert too_large("monitoring", 100, 1_001, 100)
    assert too_large("logs", 500_001, 2, 100)
    assert too_large("logs", 100_000, 2_000, 400)  # the resource counts with each record


# -- credentials


def test_credentials_that_expired_are_looked_up_again_once(
    sink: Any, aws_server: AwsServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    file.write_text("[default]\naws_access_key_id=OLD\naws_secret_access_key=s1\naws_session_token=t1\n")
    aws_server.secrets = {"OLD": ("s1", "t1"), "NEW": ("s2", "t2")}
    made = sink()
    assert type(made.send(traces())) is Sent
    aws_server.expired.add("OLD")
    file.write_text("[default]\naws_access_key_id=NEW\naws_secret_access_key=s2\naws_session_token=t2\n")
    assert type(made.send(traces())) is Sent
    assert type(made.send(traces())) is Sent
    assert [request.key for request in aws_server.requests] == ["OLD", "OLD", "NEW", "NEW"]


@pytest.fixture
def role(aws_server: AwsServer, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], dict[str, str]]:
    """A task's role: makes credentials that end in so many minutes."""
    from datetime import UTC, datetime, timedelta

    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{aws_server.url}/role")

    def make(key: str, minutes: int) -> dict[str, str]:
        end = (datetime.now(UTC) + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
        aws_server.secrets[key] = (f"s{key}", f"t{key}")
        return {"AccessKeyId": key, "SecretAccessKey": f"s{key}", "Token": f"t{key}", "Expiration": end}

    return make


def test_the_credentials_of_a_role_are_kept(sink: Any, aws_server: AwsServer, role: Any) -> None:
    aws_server.role = [role("ONE", 60), role("TWO", 60)]
    made = sink()
    for _ in range(3):
        assert type(made.send(traces())) is Sent
    assert [request.key for request in aws_server.requests] == ["ONE", "ONE", "ONE"]
    assert aws_server.role_asked == 1


def test_the_credentials_of_a_role_are_refreshed_before_they_end(sink: Any, aws_server: AwsServer, role: Any) -> None:
    aws_server.role = [role("ONE", 5), role("TWO", 60)]
    made = sink()
    for _ in range(3):
        assert type(made.send(traces())) is Sent
    keys = [request.key for request in aws_server.requests]
    assert keys[-1] == "TWO"
    assert aws_server.role_asked == 2


def test_a_clock_that_was_set_back_hides_the_end_of_credentials_for_one_request(
    sink: Any, aws_server: AwsServer, role: Any
) -> None:
    aws_server.role = [role("ONE", 60), role("TWO", 60)]
    made = sink()
    assert type(made.send(traces())) is Sent
    aws_server.expired.add("ONE")
    assert type(made.send(traces())) is Sent
    assert [request.key for request in aws_server.requests] == ["ONE", "ONE", "TWO"]


def test_credentials_that_stay_expired_are_told_and_tried_again(sink: Any, aws_server: AwsServer) -> None:
    aws_server.expired.add("testing")
    result = sink().send(traces())
    assert (type(result), result.tell) == (Retry, True)
    assert result.reason == (
        "AWS does not take the credentials for xray:PutSpans on * "
        "(ExpiredTokenException: The security token included in the request is expired)"
    )
    assert len(aws_server.requests) == 2


def test_a_retry_is_signed_anew(sink: Any, aws_server: AwsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.credentials import Credentials

    aws_server.secrets["SECOND"] = ("other", "")
    aws_server.answer(503)
    made, batch = sink(), traces()
    assert type(made.send(batch)) is Retry
    made._access._credentials = Credentials("SECOND", "other")
    assert type(made.send(batch)) is Sent
    assert [request.key for request in aws_server.requests] == ["testing", "SECOND"]
    assert aws_server.requests[0].raw == aws_server.requests[1].raw


def test_missing_credentials_name_the_action(sink: Any, aws_server: AwsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    made, batch = sink(), traces()
    result = made.send(batch)
    assert (type(result), result.tell, result.reason) == (Retry, True, "no AWS credentials for xray:PutSpans on *")
    assert aws_server.requests == []
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    assert type(made.send(batch)) is Sent


def test_a_missing_region_is_told(sink: Any, aws_server: AwsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    result = sink().send(traces())
    assert (type(result), result.tell) == (Retry, True)
    assert result.reason == "no AWS region for xray:PutSpans (set AWS_REGION)"


@pytest.mark.parametrize(
    ("signal", "expected"),
    [
        ("traces", "no right to xray:PutSpans on * (AccessDeniedException: not for you)"),
        (
            "logs",
            "no right to logs:PutLogEvents on arn:aws:logs:us-east-1:*:log-group:shop:log-stream:one "
            "(AccessDeniedException: not for you)",
        ),
        ("metrics", "no right to cloudwatch:PutMetricData on * (AccessDeniedException: not for you)"),
    ],
)
def test_missing_rights_name_action_and_resource(sink: Any, aws_server: AwsServer, signal: str, expected: str) -> None:
    aws_server.error(403, "AccessDeniedException", "not for you")
    batch = {"traces": traces, "metrics": metrics, "logs": lambda: Batch("logs", [log("x")], RESOURCE)}[signal]()
    result = sink(log_stream="one").send(batch)
    assert (type(result), result.tell, result.reason) == (Retry, True, expected)


@pytest.mark.parametrize(
    "body",
    [
        b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>",
        b'{"Code":"AccessDenied","Message":"no"}',
        b'{"__type":"a.b#AccessDenied","message":"no"}',
    ],
)
def test_every_way_in_which_aws_writes_an_error(sink: Any, aws_server: AwsServer, body: bytes) -> None:
    aws_server.answer(403, body)
    result = sink().send(traces())
    assert (type(result), result.reason) == (Retry, "no right to xray:PutSpans on * (AccessDenied: no)")


@given(
    st.one_of(st.binary(), st.text().map(str.encode), st.just(b'{"a":' * 20_000)), st.sampled_from(["", "<", "{", " {"])
)
def test_any_body_of_an_error_is_read(body: bytes, start: str) -> None:
    for kind in ("application/x-protobuf", "application/json"):
        code, message = _problem({"content-type": kind}, start.encode() + body)
        assert isinstance(code, str)
        assert isinstance(message, str)


@given(
    st.recursive(
        st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_any_json_of_an_error_is_read(value: Any) -> None:
    for name in ("__type", "code", "Code", "message", "Message"):
        code, message = _problem({}, json.dumps({name: value}).encode())
        assert isinstance(code, str)
        assert isinstance(message, str)


def test_a_wrong_clock_is_told_without_its_time(sink: Any, aws_server: AwsServer) -> None:
    message = "Signature expired: 20260101T000000Z is now earlier than 20261129T061909Z (20261129T062409Z - 5 min.)"
    aws_server.error(403, "InvalidSignatureException", message)
    result = sink().send(traces())
    assert (type(result), result.tell) == (Retry, True)
    assert result.reason == "AWS says that this machine's clock is wrong: xray:PutSpans (InvalidSignatureException)"


def test_the_probe_says_when_there_are_no_credentials(
    sink: Any, aws_server: AwsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = sink()
    assert made.probe().startswith("connected to 127.0.0.1:")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(SinkError, match=r"traces: no AWS credentials for xray:PutSpans on \*; metrics: no AWS "):
        sink().probe()
    assert aws_server.requests == []


# -- faults


def test_throttling_and_a_sequence_of_5xx(sink: Any, aws_server: AwsServer) -> None:
    made, batch = sink(), traces(3)
    aws_server.error(429, "ThrottlingException", retry_after="7")
    aws_server.error(400, "ThrottlingException")
    for status in (500, 502, 503):
        aws_server.answer(status)
    first = made.send(batch)
    assert (type(first), first.reason, first.after) == (Retry, "throttled: xray:PutSpans (ThrottlingException)", 7.0)
    assert made.send(batch).reason == "throttled: xray:PutSpans (ThrottlingException)"
    for status in (500, 502, 503):
        result = made.send(batch)
        assert (type(result), result.reason) == (Retry, f"xray:PutSpans: http {status}")
    assert type(made.send(batch)) is Sent


def test_nobody_there_is_tried_again(sink: Any, aws_server: AwsServer) -> None:
    made = sink(otlp_endpoint="http://127.0.0.1:9")
    result = made.send(traces())
    assert (type(result), result.reason) == (Retry, "connection refused")


def test_one_record_that_aws_does_not_take_leaves_the_others(sink: Any, aws_server: AwsServer) -> None:
    bad = "bad"

    class Picky:
        def __call__(self, request: Any) -> Any:
            if bad.encode() in request.body:
                return 400, {"__type": "ValidationException", "message": "span too large"}, {}
            return 200, {}, {}

    aws_server.next_answer = Picky()  # type: ignore[method-assign]
    recorder = Recorder()
    batch = Batch("traces", [recorder.trace(bad if i == 13 else "good") for i in range(50)], RESOURCE)
    result = sink().send(batch)
    assert (type(result), result.rejected) == (Sent, 1)
    assert result.reason == "xray:PutSpans: ValidationException: span too large"


def test_a_refusal_of_everything_ends(sink: Any, aws_server: AwsServer) -> None:
    aws_server.error(400, "ValidationException", "no", times=10_000)
    result = sink().send(traces(count=500))
    assert (type(result), result.reason) == (Refused, "xray:PutSpans: ValidationException: no")
    assert len(aws_server.requests) <= 200


def test_a_missing_log_stream_is_made(sink: Any, aws_server: AwsServer) -> None:
    made, batch = sink(log_stream="one"), Batch("logs", [log("x")], RESOURCE)
    aws_server.error(400, "ResourceNotFoundException", "The specified log group does not exist.")
    aws_server.error(400, "ResourceNotFoundException", "The specified log group does not exist.")
    assert type(made.send(batch)) is Retry
    assert type(made.send(batch)) is Sent
    assert [r.operation or r.path for r in aws_server.requests] == [
        "/v1/logs",
        "CreateLogStream",
        "CreateLogGroup",
        "CreateLogStream",
        "/v1/logs",
    ]


def test_a_missing_log_stream_that_is_not_to_be_made_is_told(sink: Any, aws_server: AwsServer) -> None:
    aws_server.error(400, "ResourceNotFoundException", "The specified log group does not exist.")
    result = sink(log_stream="one", log_create=False).send(Batch("logs", [log("x")], RESOURCE))
    assert (type(result), result.tell) == (Retry, True)
    assert result.reason == "there is no log group 'shop' with a stream 'one'"
    assert len(aws_server.requests) == 1


# -- the whole

PROGRAM = """
import json, sys
import obsv
obsv.init("shop", traces="otlp", metrics="none", logs="none")
before = sorted(name for name in sys.modules if name.partition(".")[0] in ("boto3", "botocore", "urllib3"))
with obsv.span("checkout"):
    pass
sent = obsv.flush()
status = obsv.status()["sinks"]["otlp"]["traces"]
print(json.dumps([before, "botocore.auth" in sys.modules, sent, status]))
"""


def _program(url: str, **more: str) -> tuple[Any, str]:
    done = run(
        PROGRAM,
        OBSV_OTLP_ENDPOINT=url,
        OBSV_OTLP_SIGV4="always",
        OBSV_SHUTDOWN_TIMEOUT="1",
        OBSV_PATCH="false",
        AWS_EC2_METADATA_DISABLED="true",
        **more,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_botocore_is_loaded_with_the_first_batch_and_not_before(aws_server: AwsServer) -> None:
    (before, after, sent, status), stderr = _program(
        aws_server.url, AWS_ACCESS_KEY_ID="testing", AWS_SECRET_ACCESS_KEY="testing", AWS_REGION="us-east-1"
    )
    assert before == []
    assert after
    assert sent
    assert status["sent"] == 1
    assert stderr == ""
    assert len(aws_server.requests) == 1


def test_missing_credentials_are_one_line(aws_server: AwsServer) -> None:
    (_, _, sent, status), stderr = _program(
        aws_server.url,
        AWS_REGION="us-east-1",
        AWS_ACCESS_KEY_ID="",
        AWS_SECRET_ACCESS_KEY="",
    )
    assert not sent
    assert status["last_error"] == "no AWS credentials for xray:PutSpans on *"
    lines = stderr.splitlines()
    assert lines[0] == (
        "obsv: the otlp sink cannot send traces: no AWS credentials for xray:PutSpans on *; it goes on trying"
    )
    assert [line for line in lines[1:] if "credentials" in line] == []
