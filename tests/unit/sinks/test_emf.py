from __future__ import annotations

import io
import json
import sys
import time
from typing import Any

import pytest

from aws_data import RESOURCE, histogram, point
from obsv.hotpath import faults
from obsv.settings import resolve
from obsv.sinks.base import Batch, Refused, Retry, Sent, SinkError
from obsv.sinks.emf import EmfStdoutSink, Encoder, shape_of
from telemetry import Counter, Histogram, points


def sink(**settings: Any) -> EmfStdoutSink:
    made = EmfStdoutSink(resolve({"service": "shop", "config": "none", **settings}, environ={}))
    made.open(RESOURCE)
    return made


def batch(*items: Any) -> Batch:
    now = time.time_ns()  # of one interval: those of another millisecond stand in another object
    for item in items:
        item.time_ns = now
    return Batch("metrics", list(items), RESOURCE)


def test_points_are_lines_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    def record(make: Any) -> None:
        make(Counter, "orders").add(2, shop="north")
        make(Histogram, "latency", "Milliseconds").record(12.5, shop="north")

    result = sink().send(batch(*points(record)))
    assert isinstance(result, Sent)
    assert result.rejected == 0
    [line] = capsys.readouterr().out.splitlines()
    document = json.loads(line)
    assert document["orders"] == 2
    assert document["latency"] == [12.5]
    assert document["shop"] == "north"
    assert document["Service"] == "shop"


def test_without_a_namespace_the_service_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    sink().send(batch(point("counter")))
    assert json.loads(capsys.readouterr().out)["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "shop"


def test_what_cloudwatch_would_refuse_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    result = sink().send(batch(point("gauge", value=float("nan")), point("gauge")))
    assert isinstance(result, Sent)
    assert (result.rejected, result.reason) == (1, "value is not a number within 2^360")
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_what_was_adapted_is_told_once(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(faults, "tell", told.append)
    emf = sink()
    for _ in range(2):
        emf.send(batch(point("gauge", unit="furlongs")))
    assert told == ["emf: unit unknown to CloudWatch (adapted to what CloudWatch accepts)"]


def test_a_closed_stdout_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    result = sink().send(batch(point("gauge")))
    assert isinstance(result, Refused)
    assert result.reason == "stdout: closed"
    with pytest.raises(SinkError, match="closed"):
        sink().probe()


class Gate(io.StringIO):
    """A stream that takes ``room`` lines and then blocks, or breaks."""

    def __init__(self, room: int, error: OSError) -> None:
        super().__init__()
        self.room, self.error = room, error

    def write(self, text: str) -> int:
        if self.room == 0:
            raise self.error
        self.room -= 1
        return super().write(text)


def test_a_blocked_stdout_is_tried_again_and_nothing_is_written_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(2, BlockingIOError(11, "again"))
    monkeypatch.setattr(sys, "stdout", gate)
    emf, waiting = sink(), batch(*[point("counter", f"m{index}") for index in range(500)])
    assert isinstance(emf.send(waiting), Retry)
    assert isinstance(emf.send(waiting), Retry)
    gate.room = 100
    assert isinstance(emf.send(waiting), Sent)
    names = [
        metric["Name"]
        for line in gate.getvalue().splitlines()
        for metric in json.loads(line)["_aws"]["CloudWatchMetrics"][0]["Metrics"]
    ]
    assert names == [f"m{index}" for index in range(500)]


def test_a_stdout_that_breaks_after_a_retry_loses_only_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(2, BlockingIOError(11, "again"))
    monkeypatch.setattr(sys, "stdout", gate)
    emf, waiting = sink(), batch(*[point("counter", f"m{index}") for index in range(500)])
    assert isinstance(emf.send(waiting), Retry)
    gate.error = BrokenPipeError(32, "broken")
    result = emf.send(waiting)
    assert isinstance(result, Sent)
    assert (result.rejected, result.reason) == (300, "stdout: reader gone")


def test_nothing_to_write(capsys: pytest.CaptureFixture[str]) -> None:
    assert isinstance(sink().send(batch()), Sent)
    assert capsys.readouterr().out == ""


def test_probe_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert sink().probe() == "writes to stdout (not a terminal)"
    assert capsys.readouterr().out == ""


def test_importing_the_sinks_loads_nothing_heavy() -> None:
    import subprocess

    code = (
        "import sys; before = set(sys.modules); import obsv.sinks.emf, obsv.sinks.xray;"
        "heavy = {'json', 're', 'socket', 'select', 'enum', 'typing', 'obsv.emf', 'obsv.xray'};"
        "print(sorted((set(sys.modules) - before) & heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


def sent(capsys: pytest.CaptureFixture[str], emf: EmfStdoutSink, *items: Any) -> dict[str, Any]:
    assert isinstance(emf.send(batch(*items)), Sent)
    [line] = capsys.readouterr().out.splitlines()
    document: dict[str, Any] = json.loads(line)
    return document


def test_default_dimensions_and_further_sets(capsys: pytest.CaptureFixture[str]) -> None:
    config = {"metric_dimensions": "Stage=test,Service=", "metric_dimension_sets": "Stage;route,Stage;nothing"}
    document = sent(capsys, sink(config=config), point("counter", route="/a"))
    assert document["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["Stage", "route"], ["Stage"]]
    assert document["Stage"] == "test"
    assert document["Service"] == "shop"  # no dimension, but the entity


def test_the_kind_of_the_service_is_a_property(capsys: pytest.CaptureFixture[str]) -> None:
    assert sent(capsys, sink(config={"emf_service_type": "web"}), point("counter"))["ServiceType"] == "web"


def test_without_extraction_lines_are_plain_logs(capsys: pytest.CaptureFixture[str]) -> None:
    document = sent(capsys, sink(config={"emf_extraction": False}), point("counter", "orders"))
    assert "_aws" not in document
    assert document["orders"] == 1


def test_histograms_as_arrays(capsys: pytest.CaptureFixture[str]) -> None:
    sink(config={"emf_histograms": "arrays"}).send(batch(histogram([5.0] * 150)))
    lines = [json.loads(line)["latency"] for line in capsys.readouterr().out.splitlines()]
    assert lines == [[5.0] * 100, [5.0] * 50]


def test_the_longest_line_is_a_setting(capsys: pytest.CaptureFixture[str]) -> None:
    sink(config={"emf_event_bytes": 4096}).send(batch(*[point("counter", f"{n}" + "n" * 250) for n in range(90)]))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 4096
    assert sum(len(json.loads(line)["_aws"]["CloudWatchMetrics"][0]["Metrics"]) for line in lines) == 90


def test_points_that_cloudwatch_would_not_take_any_more_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    waiting = batch(point("counter", "old"), point("counter", "new"), point("counter", "next"))
    waiting.items[0].time_ns -= 15 * 86_400 * 10**9
    waiting.items[2].time_ns += 3 * 3_600 * 10**9  # the clock has jumped back since
    assert repr(sink().send(waiting)) == "Sent(rejected=2, reason='older than 14 days or over 2 hours ahead')"
    [line] = capsys.readouterr().out.splitlines()
    assert "new" in json.loads(line)


def test_what_is_refused_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    faults.reset()
    emf = sink()
    for _ in range(2):
        emf.send(batch(point("gauge", value=float("nan"))))
    assert capsys.readouterr().err == "obsv: emf: value is not a number within 2^360 (left out)\n"


def test_an_encoder_gives_lines_with_their_times() -> None:
    """What a sink needs that brings EMF to CloudWatch by `PutLogEvents`."""
    settings = resolve({"service": "shop", "config": "none"}, environ={})
    waiting = batch(point("counter", "a"))
    encoded = Encoder(shape_of(settings, waiting.resource)).encode(waiting.items)
    [(line, points, milliseconds)] = encoded.events
    assert points == 1
    assert json.loads(line)["_aws"]["Timestamp"] == milliseconds == waiting.items[0].time_ns // 1_000_000


def test_what_was_adapted_is_counted_each_time(capsys: pytest.CaptureFixture[str]) -> None:
    emf = sink()
    for _ in range(2):
        result = emf.send(batch(point("gauge", unit="furlongs"), point("gauge", "b", unit="miles")))
        assert isinstance(result, Sent)
        assert (result.rejected, result.reason, result.adapted) == (0, None, {"unit unknown to CloudWatch": 2})
    result = emf.send(batch(point("gauge")))
    assert isinstance(result, Sent)
    assert not result.adapted
