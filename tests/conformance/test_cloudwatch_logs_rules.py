"""Each rule of CloudWatch Logs' ``PutLogEvents``, by name (CloudWatch Logs API reference, "PutLogEvents").

First for events that are put into calls, then for what the sink sends over the wire: log records, and metrics as EMF.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_data import point
from cloudwatch_rules import DAY, as_call, broken_rules
from obsv.hotpath.records import LogRecord
from obsv.settings import resolve
from obsv.sinks.base import Batch
from obsv.sinks.cloudwatch_logs import CloudWatchLogsSink, stream_of
from obsv.sinks.log_stream import MAX_BYTES, MAX_FUTURE, MAX_PAST, MAX_SPAN, MOVED, pack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aws_server import AwsServer

NOW = 1_780_000_000_000

# ---------------------------------------------------------------------- events into calls

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


def test_a_call_has_at_most_10_000_events() -> None:
    assert [len(call) for call in pack([(NOW, "x", 1)] * 25_000, NOW).calls] == [10_000, 10_000, 5_000]


def test_a_call_has_at_most_1_048_576_bytes_with_26_for_each_event() -> None:
    text = "x" * (MAX_BYTES // 4 - 26)
    assert [len(call) for call in pack([(NOW, text, 1)] * 8, NOW).calls] == [4, 4]
    assert [len(call) for call in pack([(NOW, text + "x", 1)] * 8, NOW).calls] == [3, 3, 2]


def test_bytes_are_those_of_utf_8() -> None:
    text = "é" * ((MAX_BYTES // 4 - 26) // 2)
    assert [len(call) for call in pack([(NOW, text, 1)] * 8, NOW).calls] == [4, 4]


@pytest.mark.parametrize("character", ["x", "é", "€", "𝄞", "\ud800"])
def test_an_event_of_more_than_1_mb_is_cut_with_a_note_and_stays_valid_utf_8(character: str) -> None:
    text = character * 1_200_000
    [[(_, kept, _)]] = pack([(NOW, text, 1)], NOW).calls
    size = len(kept.encode("utf-8"))
    assert MAX_BYTES - 26 - 4 <= size <= MAX_BYTES - 26
    whole = len(text.encode("utf-8", "backslashreplace"))
    assert kept.endswith(f"...[cut: {whole} bytes]")


def test_the_largest_event_is_not_cut() -> None:
    upload = pack([(NOW, "x" * (MAX_BYTES - 26), 1)], NOW)
    assert (upload.adapted, len(upload.calls[0][0][1])) == ({}, MAX_BYTES - 26)


def test_an_event_has_at_least_one_character() -> None:
    assert pack([(NOW, "", 1)], NOW).calls == [[(NOW, " ", 1)]]


def test_a_call_spans_at_most_24_hours() -> None:
    calls = pack([(NOW - DAY, "a", 1), (NOW, "b", 1), (NOW + 1, "c", 1)], NOW).calls
    assert [[text for _, text, _ in call] for call in calls] == [["a", "b"], ["c"]]
    assert MAX_SPAN == DAY


def test_events_are_chronological_and_those_of_one_time_keep_their_order() -> None:
    [call] = pack([(NOW, "c", 1), (NOW - 5, "a", 1), (NOW, "d", 1), (NOW - 1, "b", 1)], NOW).calls
    assert "".join(text for _, text, _ in call) == "abcd"


def test_an_event_of_more_than_14_days_is_put_at_the_bound() -> None:
    upload = pack([(NOW - 20 * DAY, "old", 1), (0, "older", 1)], NOW)
    assert upload.adapted == {MOVED: 2}
    assert all(NOW - MAX_PAST <= at < NOW - MAX_PAST + 3_600_000 for at, _, _ in upload.calls[0])


def test_an_event_more_than_2_hours_ahead_is_put_at_the_bound() -> None:
    """What a clock that jumps back leaves behind."""
    upload = pack([(NOW + 5 * 3_600_000, "before the jump", 1), (NOW, "after it", 1)], NOW)
    assert broken_rules(as_call(upload.calls[0]), NOW) == []
    assert [text for _, text, _ in upload.calls[0]] == ["after it", "before the jump"]
    assert upload.adapted == {MOVED: 1}
    assert upload.calls[0][1][0] <= NOW + MAX_FUTURE


def test_events_within_the_bounds_keep_their_time() -> None:
    at = [NOW - 13 * DAY, NOW - 5, NOW, NOW + 3_600_000]
    upload = pack([(each, "x", 1) for each in at], NOW)
    assert upload.adapted == {}
    assert [each for call in upload.calls for each, _, _ in call] == at


# ---------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("service", "group"),
    [
        ("shop", "shop"),
        ("a b:c*d?", "a_b_c_d_"),
        ("aws/shop", "_aws/shop"),  # groups that begin so are AWS's own
        ("é", "_"),
    ],
)
def test_a_group_has_only_the_allowed_characters(service: str, group: str) -> None:
    assert stream_of(resolve({"service": service}, {})).group == group


def test_a_stream_has_no_colon_and_no_asterisk_and_at_most_512_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/29/[$LATEST]a:b*" + "c" * 600)
    stream = stream_of(resolve({"service": "shop"}, {})).stream
    assert (stream[:24], len(stream)) == ("2026/11/29/[$LATEST]a-b-", 512)


# ---------------------------------------------------------------------- over the wire


@pytest.fixture
def sink(aws_server: AwsServer) -> Iterator[CloudWatchLogsSink]:
    made = CloudWatchLogsSink(resolve({"service": "shop", "config": {"log_stream": "one"}}))
    made.open({"service.name": "shop"})
    yield made
    made.close()


def put(server: AwsServer) -> list[list[dict[str, Any]]]:
    """The events of each call, which have to keep every rule."""
    calls = [request.json["logEvents"] for request in server.requests if request.operation == "PutLogEvents"]
    now = time.time_ns() // 1_000_000
    assert [broken_rules(call, now) for call in calls] == [[]] * len(calls)
    return calls


def record(body: str, time_ns: int) -> LogRecord:
    return LogRecord(time_ns, 9, "INFO", body, "shop", None)


def test_log_records_of_any_time_and_size_keep_every_rule(sink: CloudWatchLogsSink, aws_server: AwsServer) -> None:
    now = time.time_ns()
    hour = 3_600_000_000_000
    items = [record(f"{number}", now - number * hour) for number in range(-30, 400)]
    items += [record("x" * 400_000, now + number) for number in range(8)]
    items += [record("", 0), record("\ud800", 2**62)]
    result = sink.send(Batch("logs", items, {}))
    assert result.reason == "events with a time that CloudWatch Logs does not take were put at its bound"
    calls = put(aws_server)
    assert sum(map(len, calls)) == len(items)
    assert all(json.loads(event["message"])["service"] == "shop" for call in calls for event in call)


def test_more_records_than_a_call_takes_are_several_calls(sink: CloudWatchLogsSink, aws_server: AwsServer) -> None:
    now = time.time_ns()
    assert sink.send(Batch("logs", [record("m", now)] * 12_000, {})).reason is None
    calls = put(aws_server)
    assert len(calls) == 2
    assert sum(map(len, calls)) == 12_000


def test_metrics_keep_every_rule(sink: CloudWatchLogsSink, aws_server: AwsServer) -> None:
    now = time.time_ns()
    items = [point("counter", f"m{number}", time_ns=now, shop="x" * 1000, number=number) for number in range(3000)]
    assert sink.send(Batch("metrics", items, {"service.name": "shop"})).reason is None
    calls = put(aws_server)
    assert len(calls) > 1
    assert all("_aws" in json.loads(event["message"]) for call in calls for event in call)
