"""The rules of PutLogEvents, and what becomes of each answer: against a server that checks every call by the rules."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.sinks.aws import partition
from obsv.sinks.base import Refused, Retry, Sent
from obsv.sinks.log_stream import MAX_BYTES, MAX_EVENTS, MAX_FUTURE, MAX_PAST, MAX_SPAN, MOVED, LogStream, pack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aws_server import AwsServer, Request

NOW = 1_780_000_000_000
DAY = 24 * 3_600_000


def broken_rules(events: list[Any], now_ms: int) -> list[str]:
    """The rules of PutLogEvents that a call breaks (CloudWatch Logs API reference, "PutLogEvents")."""
    times = [event["timestamp"] for event in events]
    texts = [event["message"].encode("utf-8") for event in events]
    rules = {
        "1 to 10,000 events": 1 <= len(events) <= 10_000,
        "1,048,576 bytes": sum(map(len, texts)) + 26 * len(events) <= 1_048_576,
        "at least one character": all(texts),
        "chronological": times == sorted(times),
        "24 hours": times[-1] - times[0] <= DAY,
        "14 days": times[0] >= now_ms - 14 * DAY,
        "2 hours ahead": times[-1] <= now_ms + 2 * 3_600_000,
    }
    return [rule for rule, kept in rules.items() if not kept]


def as_call(call: list[Any]) -> list[dict[str, Any]]:
    return [{"timestamp": at, "message": text} for at, text, _ in call]


texts = st.one_of(
    st.text(st.characters(exclude_categories=()), max_size=30),
    st.integers(0, 3).map(lambda n: "x" * (n * 400_000)),
    st.integers(1, 3).map(lambda n: "é" * (n * 300_000)),
)
times = st.one_of(
    st.integers(NOW - 20 * DAY, NOW + DAY),
    st.integers(NOW - 1000, NOW),
    st.integers(-(2**70), 2**70),
)


@given(st.lists(st.tuples(times, texts, st.integers(0, 5)), max_size=30))
def test_any_events_become_calls_that_keep_every_rule(events: list[tuple[int, str, int]]) -> None:
    upload = pack(events, NOW)
    for call in upload.calls:
        assert broken_rules(as_call(call), NOW) == []
    sent = [event for call in upload.calls for event in call]
    assert len(sent) == len(events)
    assert upload.records == sum(records for *_, records in events)
    assert Counter(records for *_, records in sent) == Counter(records for *_, records in events)


def test_10_000_events_a_call() -> None:
    assert [len(call) for call in pack([(NOW, "x", 1)] * 25_000, NOW).calls] == [10_000, 10_000, 5_000]


def test_1_048_576_bytes_a_call_with_26_for_each_event() -> None:
    text = "x" * (MAX_BYTES // 4 - 26)
    assert [len(call) for call in pack([(NOW, text, 1)] * 8, NOW).calls] == [4, 4]
    assert [len(call) for call in pack([(NOW, text + "x", 1)] * 8, NOW).calls] == [3, 3, 2]


def test_bytes_are_those_of_utf_8() -> None:
    text = "é" * ((MAX_BYTES // 4 - 26) // 2)
    assert [len(call) for call in pack([(NOW, text, 1)] * 8, NOW).calls] == [4, 4]


def test_24_hours_a_call() -> None:
    calls = pack([(NOW - DAY, "a", 1), (NOW, "b", 1), (NOW + 1, "c", 1)], NOW).calls
    assert [[text for _, text, _ in call] for call in calls] == [["a", "b"], ["c"]]
    assert MAX_SPAN == DAY


def test_events_are_put_in_order_of_time_and_equal_ones_keep_theirs() -> None:
    [call] = pack([(NOW, "c", 1), (NOW - 5, "a", 1), (NOW, "d", 1), (NOW - 1, "b", 1)], NOW).calls
    assert "".join(text for _, text, _ in call) == "abcd"


def test_a_clock_that_jumps_back_puts_events_of_the_future_at_the_bound() -> None:
    upload = pack([(NOW + 5 * 3_600_000, "before the jump", 1), (NOW, "after it", 1)], NOW)
    assert broken_rules(as_call(upload.calls[0]), NOW) == []
    assert [text for _, text, _ in upload.calls[0]] == ["after it", "before the jump"]
    assert upload.adapted == {MOVED: 1}
    assert upload.calls[0][1][0] <= NOW + MAX_FUTURE


def test_an_event_of_more_than_14_days_is_put_at_the_bound() -> None:
    upload = pack([(NOW - 20 * DAY, "old", 1), (0, "older", 1)], NOW)
    assert upload.adapted == {MOVED: 2}
    assert all(NOW - MAX_PAST <= at < NOW - MAX_PAST + 3_600_000 for at, _, _ in upload.calls[0])


@pytest.mark.parametrize("character", ["x", "é", "€", "𝄞", "\ud800"])
def test_an_event_over_1_mb_is_cut_with_a_note_and_stays_valid_utf_8(character: str) -> None:
    text = character * 1_200_000
    [[(_, kept, _)]] = pack([(NOW, text, 1)], NOW).calls
    size = len(kept.encode("utf-8"))
    assert MAX_BYTES - 26 - 4 <= size <= MAX_BYTES - 26
    whole = len(text.encode("utf-8", "backslashreplace"))
    assert kept.endswith(f"...[cut: {whole} bytes]")


def test_an_empty_event_has_a_blank() -> None:
    assert pack([(NOW, "", 1)], NOW).calls == [[(NOW, " ", 1)]]


def test_partitions() -> None:
    assert [partition(r) for r in ("eu-west-1", "cn-north-1", "us-gov-west-1")] == ["aws", "aws-cn", "aws-us-gov"]


# -- calls


class Group:
    """The log group on the server: what was put into it, and the rules that calls broke."""

    def __init__(self, server: AwsServer) -> None:
        self.server = server
        self.texts: list[str] = []
        self.broken: list[str] = []

    def operations(self) -> list[str]:
        return [request.operation for request in self.server.requests]

    def puts(self) -> list[Request]:
        return [request for request in self.server.requests if request.operation == "PutLogEvents"]


@pytest.fixture
def stream(aws_server: AwsServer) -> Iterator[LogStream]:
    made = LogStream("shop", "one")
    yield made
    made.access.close()


def events(count: int, records: int = 1) -> Any:
    import time

    now = int(time.time() * 1000)
    return pack([(now + index, f"event {index}", records) for index in range(count)])


def test_a_call_as_it_goes_over_the_wire(stream: LogStream, aws_server: AwsServer) -> None:
    upload = events(2)
    [(first, _, _), (second, _, _)] = upload.calls[0]
    assert repr(stream.send(upload)) == "Sent(rejected=0, reason=None)"
    [request] = aws_server.requests
    assert (request.operation, request.service, request.region) == ("PutLogEvents", "logs", "us-east-1")
    assert request.json == {
        "logGroupName": "shop",
        "logStreamName": "one",
        "logEvents": [{"timestamp": first, "message": "event 0"}, {"timestamp": second, "message": "event 1"}],
    }


def test_a_retry_sends_what_is_left_and_nothing_twice(stream: LogStream, aws_server: AwsServer) -> None:
    upload = events(MAX_EVENTS + 5)
    aws_server.answer(200)
    aws_server.answer(500)
    assert type(stream.send(upload)) is Retry
    assert type(stream.send(upload)) is Sent
    assert [len(request.json["logEvents"]) for request in aws_server.requests] == [MAX_EVENTS, 5, 5]


@pytest.mark.parametrize(
    ("info", "rejected", "why"),
    [
        ({"tooOldLogEventEndIndex": 2}, 2, "too old"),
        ({"expiredLogEventEndIndex": 3}, 3, "older than the log group keeps"),
        ({"tooNewLogEventStartIndex": 7}, 3, "too new"),
        ({"tooOldLogEventEndIndex": 1, "expiredLogEventEndIndex": 4, "tooNewLogEventStartIndex": 9}, 5, "too new"),
        ({"tooOldLogEventEndIndex": 99}, None, "too old"),
        ({"tooOldLogEventEndIndex": 0}, 0, None),
    ],
)
def test_rejected_log_events_are_counted(
    stream: LogStream, aws_server: AwsServer, info: Any, rejected: int | None, why: str | None
) -> None:
    aws_server.answer(200, {"rejectedLogEventsInfo": info})
    result = stream.send(events(10, records=2))
    reason = why and f"rejected by CloudWatch Logs: {why}"
    if rejected is None:
        assert (type(result), result.reason) == (Refused, reason)
    else:
        assert (type(result), result.rejected, result.reason) == (Sent, rejected * 2, reason)


def test_what_was_cut_is_told_and_counted(stream: LogStream, aws_server: AwsServer) -> None:
    import time

    now = int(time.time() * 1000)
    result = stream.send(pack([(now, "x" * 2_000_000, 1), (now, "y", 1), (now, "z" * 2_000_000, 1), (0, "old", 1)]))
    assert type(result) is Sent
    assert (result.rejected, result.reason) == (0, "events were cut to 1,048,550 bytes")
    assert result.adapted == {"events were cut to 1,048,550 bytes": 2, MOVED: 1}
    assert broken_rules(aws_server.requests[0].json["logEvents"], int(time.time() * 1000)) == []


def test_a_group_and_a_stream_are_made_once(stream: LogStream, aws_server: AwsServer) -> None:
    for _ in range(2):
        aws_server.error(400, "ResourceNotFoundException", "The specified log group does not exist.")
    assert type(stream.send(events(1))) is Sent
    assert type(stream.send(events(1))) is Sent
    assert [request.operation for request in aws_server.requests] == [
        "PutLogEvents",
        "CreateLogStream",
        "CreateLogGroup",
        "CreateLogStream",
        "PutLogEvents",
        "PutLogEvents",
    ]


def test_another_process_that_makes_the_stream_first_is_no_error(stream: LogStream, aws_server: AwsServer) -> None:
    aws_server.error(400, "ResourceNotFoundException")
    aws_server.error(400, "ResourceAlreadyExistsException")
    assert type(stream.send(events(1))) is Sent


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (
            ["AccessDeniedException"],
            "no right to logs:PutLogEvents on arn:aws:logs:us-east-1:*:log-group:shop:log-stream:one "
            "(AccessDeniedException: not for you)",
        ),
        (
            ["ResourceNotFoundException", "AccessDeniedException"],
            "no right to logs:CreateLogStream on arn:aws:logs:us-east-1:*:log-group:shop "
            "(AccessDeniedException: not for you)",
        ),
        (
            ["ResourceNotFoundException", "ResourceNotFoundException", "AccessDeniedException"],
            "no right to logs:CreateLogGroup on arn:aws:logs:us-east-1:*:log-group:shop "
            "(AccessDeniedException: not for you)",
        ),
    ],
)
def test_missing_rights_name_action_and_resource(
    stream: LogStream, aws_server: AwsServer, steps: list[str], expected: str
) -> None:
    for code in steps:
        aws_server.error(400, code, "not for you")
    upload = events(3)
    result = stream.send(upload)
    assert (type(result), result.tell, result.reason) == (Retry, True, expected)
    assert type(stream.send(upload)) is Sent


def test_a_stream_that_is_not_to_be_made_is_waited_for(aws_server: AwsServer) -> None:
    stream = LogStream("shop", "one", create=False)
    aws_server.error(400, "ResourceNotFoundException", "The specified log group does not exist.")
    upload = events(1)
    result = stream.send(upload)
    assert (type(result), result.tell) == (Retry, True)
    assert result.reason == "there is no log stream 'one' in the log group 'shop'"
    assert type(stream.send(upload)) is Sent


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "ThrottlingException", "throttled: logs:PutLogEvents (ThrottlingException)"),
        (503, "ServiceUnavailableException", "logs:PutLogEvents: http 503 ServiceUnavailableException"),
        (500, "InternalFailure", "logs:PutLogEvents: http 500 InternalFailure"),
    ],
)
def test_what_passes_is_tried_again(
    stream: LogStream, aws_server: AwsServer, status: int, code: str, expected: str
) -> None:
    aws_server.error(status, code, times=3)
    upload = events(1)
    for _ in range(3):
        result = stream.send(upload)
        assert (type(result), result.tell, result.reason) == (Retry, False, expected)
    assert type(stream.send(upload)) is Sent
    assert len(aws_server.requests) == 4


def test_one_event_that_is_not_taken_leaves_the_others(stream: LogStream, aws_server: AwsServer) -> None:
    taken: list[str] = []

    def answer(request: Request) -> tuple[int, Any, dict[str, str]]:
        messages = [event["message"] for event in request.json["logEvents"]]
        if "event 13" in messages:
            return 400, {"__type": "InvalidParameterException", "message": "bad"}, {}
        taken.extend(messages)
        return 200, {}, {}

    aws_server.next_answer = answer  # type: ignore[method-assign]
    result = stream.send(events(1000))
    assert repr(result) == "Sent(rejected=1, reason='logs:PutLogEvents: InvalidParameterException: bad')"
    assert taken == [f"event {index}" for index in range(1000) if index != 13]


def test_a_refusal_of_everything_ends(stream: LogStream, aws_server: AwsServer) -> None:
    aws_server.error(400, "InvalidParameterException", "bad", times=1_000_000)
    result = stream.send(events(5000))
    assert (type(result), result.reason) == (Refused, "logs:PutLogEvents: InvalidParameterException: bad")
    assert len(aws_server.requests) < 200


def test_expired_credentials_are_looked_up_again_once(
    stream: LogStream, aws_server: AwsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert type(stream.send(events(1))) is Sent
    aws_server.expired.add("testing")
    aws_server.secrets["NEW"] = ("new", "")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "NEW")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "new")
    assert type(stream.send(events(1))) is Sent
    assert [request.key for request in aws_server.requests] == ["testing", "testing", "NEW"]


def test_expired_credentials_without_new_ones_are_told(stream: LogStream, aws_server: AwsServer) -> None:
    aws_server.expired.add("testing")
    result = stream.send(events(1))
    assert (type(result), result.tell) == (Retry, True)
    assert result.reason == (
        "AWS does not take the credentials for logs:PutLogEvents on "
        "arn:aws:logs:us-east-1:*:log-group:shop:log-stream:one "
        "(ExpiredTokenException: The security token included in the request is expired)"
    )


def test_missing_credentials_name_action_and_resource(
    stream: LogStream, aws_server: AwsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    upload = events(1)
    result = stream.send(upload)
    assert (type(result), result.tell) == (Retry, True)
    arn = "arn:aws:logs:us-east-1:*:log-group:shop:log-stream:one"
    assert result.reason == f"no AWS credentials for logs:PutLogEvents on {arn}"
    assert aws_server.requests == []
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    assert type(stream.send(upload)) is Sent


def test_half_a_pair_of_credentials_is_told(
    stream: LogStream, aws_server: AwsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    result = stream.send(events(1))
    assert (type(result), result.tell) == (Retry, True)
    assert "PartialCredentialsError" in result.reason


def test_a_missing_region_is_told(stream: LogStream, aws_server: AwsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    result = stream.send(events(1))
    assert (type(result), result.reason) == (Retry, "no AWS region for logs:PutLogEvents (set AWS_REGION)")


def test_an_unknown_profile_is_told(stream: LogStream, aws_server: AwsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    result = stream.send(events(1))
    assert (type(result), result.tell) == (Retry, True)
    assert "ProfileNotFound: The config profile (nobody) could not be found" in result.reason


def test_a_profile_that_wants_a_code_of_a_device_asks_nobody(
    stream: LogStream, aws_server: AwsServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "config"
    file.write_text(
        "[profile base]\naws_access_key_id=testing\naws_secret_access_key=testing\n"
        "[profile shop]\nrole_arn=arn:aws:iam::1:role/shop\nsource_profile=base\n"
        "mfa_serial=arn:aws:iam::1:mfa/me\nregion=us-east-1\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    monkeypatch.setenv("AWS_PROFILE", "shop")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setattr("getpass.getpass", lambda *_: pytest.fail("somebody was asked"))
    result = stream.send(events(1))
    assert (type(result), result.tell) == (Retry, True)
    assert "RefreshWithMFAUnsupportedError" in result.reason


def test_nobody_there_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    result = LogStream("shop", "one").send(events(1))
    assert (type(result), result.reason) == (Retry, "logs:PutLogEvents: connection refused")


def test_garbage_is_no_failure_of_ours(stream: LogStream, aws_server: AwsServer) -> None:
    aws_server.answer(403, b"<html>captive portal</html>")
    aws_server.answer(500, b"\xff\xfe")
    upload = events(1)
    result = stream.send(upload)
    assert (type(result), result.tell) == (Retry, True)
    assert result.reason.startswith("no right to logs:PutLogEvents on arn:aws:logs:us-east-1:")
    assert type(stream.send(upload)) is Retry
    assert type(stream.send(upload)) is Sent


# -- the entity that events belong to

ENTITY = {
    "keyAttributes": {"Type": "Service", "Name": "shop", "Environment": "prod"},
    "attributes": {"PlatformType": "AWS::ECS", "ECS.Cluster": "c"},
}


def test_the_entity_goes_along_with_each_call(stream: LogStream, aws_server: AwsServer) -> None:
    stream.entity = ENTITY
    assert type(stream.send(events(MAX_EVENTS + 1))) is Sent
    assert [request.json["entity"] for request in aws_server.requests] == [ENTITY, ENTITY]


def test_an_entity_that_is_rejected_is_left_out_and_told_once(
    stream: LogStream, aws_server: AwsServer, capsys: pytest.CaptureFixture[str]
) -> None:
    stream.entity = ENTITY
    stream.group = "rejecting"
    aws_server.answer(200, {"rejectedEntityInfo": {"errorType": "UnsupportedLogGroupType"}})
    for _ in range(2):
        assert repr(stream.send(events(1))) == "Sent(rejected=0, reason=None)"
    assert ["entity" in request.json for request in aws_server.requests] == [True, False]
    assert capsys.readouterr().err.count("UnsupportedLogGroupType") == 1


def test_an_older_botocore_sends_without_the_entity(stream: LogStream, aws_server: AwsServer) -> None:
    stream.entity = ENTITY
    operation: Any = stream.access.client("logs").meta.service_model.operation_model("PutLogEvents")
    members = operation.input_shape.members  # cached with the model: that of this client only
    known = members.pop("entity")
    try:
        for _ in range(2):
            assert repr(stream.send(events(1))) == "Sent(rejected=0, reason=None)"
    finally:
        members["entity"] = known
    assert ["entity" in request.json for request in aws_server.requests] == [False, False]
    assert stream.entity is None
