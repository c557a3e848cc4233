"""Logs and EMF metrics to CloudWatch Logs, against moto's server, and what programs see of its faults."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from aws_data import point
from obsv.settings import resolve
from obsv.sinks.base import Batch, Refused, Retry, Sent, SinkError
from obsv.sinks.cloudwatch_logs import CloudWatchLogsSink, stream_of
from obsv.sinks.emf import Encoder, shape_of
from programs import FORKS, only_our_lines, run
from telemetry import log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aws_server import AwsServer
    from servers import MotoServer

RESOURCE = {"service.name": "shop"}


def make_sinks() -> Iterator[Callable[..., CloudWatchLogsSink]]:
    made: list[CloudWatchLogsSink] = []

    def make(**options: Any) -> CloudWatchLogsSink:
        settings = resolve({"service": "shop", "config": {"log_stream": "one", **options}})
        assert not settings.problems, settings.problems
        found = CloudWatchLogsSink(settings)
        found.open(RESOURCE)
        made.append(found)
        return found

    yield make
    for each in made:
        each.close()


@pytest.fixture
def sink(moto_server: MotoServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., CloudWatchLogsSink]]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server.url)
    yield from make_sinks()


@pytest.fixture
def faulty(aws_server: AwsServer) -> Iterator[Callable[..., CloudWatchLogsSink]]:
    yield from make_sinks()


def stored(server: MotoServer, group: str = "shop", stream: str = "one") -> list[dict[str, Any]]:
    events = server.client("logs").get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)
    found: list[dict[str, Any]] = events["events"]
    return found


def test_logs_arrive_as_json_lines_in_a_group_that_is_made(sink: Any, moto_server: MotoServer) -> None:
    records = [log(f"message {index}", order=index) for index in range(3)]
    assert type(sink().send(Batch("logs", records, RESOURCE))) is Sent
    events = stored(moto_server)
    assert [event["timestamp"] for event in events] == [record.time_ns // 1_000_000 for record in records]
    lines = [json.loads(event["message"]) for event in events]
    assert [line["message"] for line in lines] == ["message 0", "message 1", "message 2"]
    assert [line["order"] for line in lines] == [0, 1, 2]
    assert {line["service"] for line in lines} == {"shop"}


def test_metrics_arrive_as_the_objects_of_the_sink_emf(sink: Any, moto_server: MotoServer) -> None:
    now = time.time_ns()
    batch = Batch("metrics", [point("counter", "orders", value=3, time_ns=now, shop="north")], RESOURCE)
    made = sink()
    assert type(made.send(batch)) is Sent
    [event] = stored(moto_server)
    [(expected, _, _)] = Encoder(shape_of(made._settings, RESOURCE)).encode(batch.items).events
    assert event["message"] == expected
    assert event["timestamp"] == json.loads(expected)["_aws"]["Timestamp"] == now // 1_000_000


def test_what_emf_cannot_express_is_counted(sink: Any, moto_server: MotoServer) -> None:
    now = time.time_ns()
    points = [point("gauge", "bad", value=float("nan"), time_ns=now), point("gauge", "good", value=1.0, time_ns=now)]
    result = sink().send(Batch("metrics", points, RESOURCE))
    assert (type(result), result.rejected) == (Sent, 1)
    assert result.reason == "value is not a number within 2^360"
    assert len(stored(moto_server)) == 1
    result = sink().send(Batch("metrics", points[:1], RESOURCE))
    assert (type(result), result.reason) == (Refused, "value is not a number within 2^360")


def test_the_events_tell_the_service_that_they_belong_to(faulty: Any, aws_server: AwsServer) -> None:
    made = faulty()
    made.open({"service.name": "shop", "deployment.environment.name": "prod"})
    now = time.time_ns()
    for batch in (
        Batch("logs", [log("x")], RESOURCE),
        Batch("metrics", [point("counter", time_ns=now)], RESOURCE),
    ):
        assert type(made.send(batch)) is Sent
    keys = {"Type": "Service", "Name": "shop", "Environment": "prod"}
    assert [request.json["entity"]["keyAttributes"] for request in aws_server.requests] == [keys, keys]


def test_without_an_environment_there_is_no_entity(faulty: Any, aws_server: AwsServer) -> None:
    assert type(faulty().send(Batch("logs", [log("x")], RESOURCE))) is Sent
    assert "entity" not in aws_server.requests[0].json


def test_an_entity_is_taken_by_the_server(sink: Any, moto_server: MotoServer) -> None:
    made = sink()
    made.open({"service.name": "shop", "deployment.environment.name": "prod"})
    assert type(made.send(Batch("logs", [log("x")], RESOURCE))) is Sent
    assert len(stored(moto_server)) == 1


@pytest.mark.parametrize("form", ["cloudwatch", "ecs"])
def test_what_was_shortened_is_counted(sink: Any, moto_server: MotoServer, form: str) -> None:
    result = sink(log_format=form).send(Batch("logs", [log("x" * 300_000), log("y"), log("z" * 300_000)], RESOURCE))
    assert (type(result), result.rejected, result.reason) == (Sent, 0, None)
    assert result.adapted == {"log lines were shortened to 262,144 bytes": 2}
    assert all(len(event["message"].encode()) <= 262_144 for event in stored(moto_server))


def test_what_was_adapted_of_metrics_is_counted(sink: Any, moto_server: MotoServer) -> None:
    points = [point("counter", "é", time_ns=time.time_ns()), point("counter", "b", "furlong", time_ns=time.time_ns())]
    result = sink().send(Batch("metrics", points, RESOURCE))
    assert (type(result), result.reason) == (Sent, None)
    assert result.adapted == {"metric name: odd characters or too long": 1, "unit unknown to CloudWatch": 1}
    assert len(stored(moto_server)) >= 1


def test_the_status_says_how_many_were_adapted(aws_server: AwsServer) -> None:
    then = "logging.getLogger('app').info('x' * 300_000)\n" + FAULT
    done = run(PROGRAM.format(then=then), OBSV_PATCH="logging")
    sent, status = json.loads(done.stdout)
    assert sent
    assert (status["logs"]["sent"], status["logs"]["dropped"]) == (6, {})
    assert status["logs"]["adapted"] == {"log lines were shortened to 262,144 bytes": 1}


def test_a_stream_in_a_group_that_is_there(sink: Any, moto_server: MotoServer) -> None:
    moto_server.client("logs").create_log_group(logGroupName="/shop/logs")
    assert type(sink(log_group="/shop/logs").send(Batch("logs", [log("x")], RESOURCE))) is Sent
    assert len(stored(moto_server, "/shop/logs")) == 1


@pytest.mark.parametrize(
    ("options", "environ", "group", "stream"),
    [
        ({"service": "shop"}, {}, "shop", "host/process"),
        ({"service": "aws/é shop"}, {}, "_aws/__shop", None),
        ({"config": {"log_group": "/a/b", "log_stream": "s"}}, {}, "/a/b", "s"),
        ({}, {"AWS_EMF_LOG_GROUP_NAME": "g", "AWS_EMF_LOG_STREAM_NAME": "t"}, "g", "t"),
        ({}, {"AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/29/[$LATEST]ab"}, None, "2026/11/29/[$LATEST]ab"),
    ],
)
def test_names_of_group_and_stream(
    options: dict[str, Any],
    environ: dict[str, str],
    group: str | None,
    stream: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    made = stream_of(resolve(options))
    assert group is None or made.group == group
    if stream == "host/process":
        stream = f"{os.uname().nodename}/{os.getpid()}"
    assert stream is None or made.stream == stream


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("log_group", "a b"),
        ("log_group", "aws/x"),
        ("log_group", "x" * 513),
        ("log_stream", "a:b"),
        ("log_stream", "*"),
    ],
)
def test_names_that_cloudwatch_does_not_take_are_told(name: str, value: str) -> None:
    settings = resolve({"config": {name: value}})
    [problem] = settings.problems
    assert name in str(problem)
    assert getattr(settings, name) is None


def test_probe(sink: Any, moto_server: MotoServer) -> None:
    made = sink()
    assert made.probe() == "log group 'shop' is not there yet; it is made with the first event"
    made.send(Batch("logs", [log("x")], RESOURCE))
    assert made.probe() == "log group 'shop' in us-east-1"


def test_probe_without_credentials(faulty: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(SinkError, match="no AWS credentials for logs:DescribeLogStreams on arn:aws:logs"):
        faulty().probe()


def test_probe_without_the_right_to_read(faulty: Any, aws_server: AwsServer) -> None:
    aws_server.error(400, "AccessDeniedException")
    assert "whether it takes events is not known" in faulty().probe()


def test_a_batch_is_encoded_once(faulty: Any, aws_server: AwsServer) -> None:
    aws_server.answer(500)
    made, batch = faulty(), Batch("logs", [log("x")], RESOURCE)
    assert type(made.send(batch)) is Retry
    encoded = batch.encoded
    assert type(made.send(batch)) is Sent
    assert batch.encoded is encoded


# -- programs

PROGRAM = """
import logging, sys
import obsv
obsv.init("shop", traces="none", metrics="cloudwatch_logs", logs="cloudwatch_logs",
          config={{"log_group": "shop", "log_stream": "one"}})
assert not [name for name in sys.modules if name.partition(".")[0] in ("boto3", "botocore")]
logging.getLogger("app").setLevel("DEBUG")
logging.getLogger("botocore").setLevel("WARNING")  # it tells where it found credentials
for index in range(5):
    logging.getLogger("app").info("message %d", index)
obsv.counter("orders").add(2)
{then}
"""


def test_a_program_sends_logs_and_metrics(moto_server: MotoServer) -> None:
    done = run(
        PROGRAM.format(then="assert obsv.shutdown()"), AWS_ENDPOINT_URL=moto_server.url, OBSV_PATCH="logging,botocore"
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = [json.loads(event["message"]) for event in stored(moto_server)]
    assert [line["message"] for line in lines if "message" in line] == [f"message {index}" for index in range(5)]
    [metrics] = [line for line in lines if "orders" in line]
    assert metrics["orders"] == 2


def test_a_forked_child_has_a_stream_of_its_own(moto_server: MotoServer) -> None:
    program = """
    import os, sys
    import obsv
    obsv.init("shop", traces="none", metrics="none", logs="cloudwatch_logs")
    logger = obsv.get_logger("app")
    logger.info("parent")
    assert obsv.flush()
    child = os.fork()
    logger.info("child" if child == 0 else "parent again")
    assert obsv.flush()
    if child == 0:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    """
    done = run(program, AWS_ENDPOINT_URL=moto_server.url, **FORKS)
    assert done.returncode == 0, done.stderr
    streams = moto_server.client("logs").describe_log_streams(logGroupName="shop")["logStreams"]
    found = sorted(
        [json.loads(event["message"])["message"] for event in stored(moto_server, stream=each["logStreamName"])]
        for each in streams
    )
    assert found == [["child"], ["parent", "parent again"]]


FAULT = """
import json
print(json.dumps([obsv.flush(), obsv.status()["sinks"]["cloudwatch_logs"]]))
"""


@pytest.mark.parametrize("code", ["AccessDeniedException", "ExpiredTokenException"])
def test_a_fault_is_one_line_and_nothing_is_lost_that_the_queue_holds(aws_server: AwsServer, code: str) -> None:
    aws_server.error(400, code, "not for you", times=1_000)
    done = run(PROGRAM.format(then=FAULT), OBSV_PATCH="logging", OBSV_SHUTDOWN_TIMEOUT="0.5")
    assert done.returncode == 0, done.stderr
    sent, status = json.loads(done.stdout)
    assert not sent
    assert status["logs"]["waiting"] == 5
    assert status["logs"]["dropped"] == {}
    assert "logs:PutLogEvents on arn:aws:logs:us-east-1:*:log-group:shop:log-stream:one" in status["logs"]["last_error"]
    assert only_our_lines(done.stderr)
    told = [line for line in done.stderr.splitlines() if "cannot send logs" in line]
    assert len(told) == 1
    assert code in told[0]


def test_an_outage_that_ends_loses_nothing(aws_server: AwsServer) -> None:
    for status in (500, 503, 429, 500):
        aws_server.answer(status)
    then = "import time\nend = time.monotonic() + 30\nwhile not obsv.flush() and time.monotonic() < end: pass\n" + FAULT
    done = run(PROGRAM.format(then=then), OBSV_PATCH="logging")
    sent, status = json.loads(done.stdout)
    assert sent
    assert (status["logs"]["sent"], status["logs"]["dropped"]) == (5, {})
    assert status["logs"]["retries"] + status["metrics"]["retries"] == 4
    messages = [
        json.loads(event["message"]).get("message")
        for request in aws_server.requests
        for event in request.json["logEvents"]
    ]
    assert {f"message {index}" for index in range(5)} <= set(messages)


def test_without_botocore_a_line_says_what_to_install(aws_server: AwsServer) -> None:
    code = "import sys\nsys.modules['botocore'] = None\n" + PROGRAM.format(then=FAULT).replace("assert not", "0 and")
    done = run(code, OBSV_PATCH="logging")
    assert done.returncode == 0, done.stderr
    _, status = json.loads(done.stdout)
    assert status["logs"]["dropped"] == {"botocore is not installed (pip install obsv[aws])": 5}
    assert "botocore is not installed (pip install obsv[aws])" in done.stderr


def test_the_request_never_waits_for_aws(aws_server: AwsServer) -> None:
    """What logs is done at once, whatever the service does: the sink has a thread and a queue."""
    aws_server.answer(500, times=1_000)
    settings = {"OBSV_PATCH": "logging", "OBSV_QUEUE_RECORDS": "10", "OBSV_SHUTDOWN_TIMEOUT": "0.2"}
    then = "for _ in range(1000): logging.getLogger('app').info('more')\n" + FAULT
    done = run(PROGRAM.format(then=then), **settings)
    _, status = json.loads(done.stdout)
    assert status["logs"]["dropped"]["queue full"] > 900
    assert status["logs"]["waiting"] + status["logs"]["dropped"]["queue full"] == 1005
