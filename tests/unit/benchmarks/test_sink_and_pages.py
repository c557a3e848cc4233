"""The sink that counts what it gets, the command line, and the pages that are made from results."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from benchmarks import readme, store
from benchmarks.harness import Result
from benchmarks.scenarios import load
from benchmarks.sink import otlp_spans, running_sink

ROOT = Path(__file__).parents[3]
ABOUT = {"python": "CPython 3.11.7", "machine": "Linux", "cpus": "2", "date": "2026-01-02", "versions": "b 2, a 1"}


def spans(count: int) -> bytes:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for number in range(count):
        scope.spans.add(name=f"span {number}", start_time_unix_nano=5, end_time_unix_nano=300)
    return request.SerializeToString()


@pytest.mark.parametrize("count", [0, 1, 300])
def test_spans_are_counted(count: int) -> None:
    assert otlp_spans(spans(count)) == count


def test_the_sink_counts_what_came_since_it_was_last_asked() -> None:
    with running_sink() as url:
        for path, headers, body in [
            ("/v1/traces", {}, spans(3)),
            ("/v0.5/traces", {"X-Datadog-Trace-Count": "4"}, b"x"),
            ("/api/1/envelope/", {}, b'{"type":"transaction"}'),
            ("/v1/metrics", {}, b"x"),
        ]:
            urllib.request.urlopen(urllib.request.Request(url + path, body, headers)).close()
        asked = [urllib.request.urlopen(f"{url}/received") for _ in range(2)]
        assert [each.read() for each in asked] == [b"8", b"0"]
        for each in asked:
            each.close()


def test_the_sink_tells_how_long_requests_were_and_which_sampling_rule_there_is() -> None:
    def ask(path: str, body: bytes | None = None) -> bytes:
        with urllib.request.urlopen(urllib.request.Request(url + path, body)) as answer:
            told: bytes = answer.read()
        return told

    with running_sink() as url:
        ask("/v1/traces", spans(3))
        told = int(ask("/bytes"))
        assert len(spans(3)) < told < len(spans(3)) + 400
        assert ask("/bytes") == b"0"
        rates = []
        for path in ("/all", "/none"):
            (record,) = json.loads(ask(f"{path}/GetSamplingRules", b"{}"))["SamplingRuleRecords"]
            rates.append(record["SamplingRule"]["FixedRate"])
        assert rates == [1, 0]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nonsense"], "no scenario nonsense; there are: "),
        (["span_root", "--rounds", "0"], "--rounds needs a number from 1"),
    ],
)
def test_wrong_arguments_get_one_clear_line(arguments: list[str], told: str) -> None:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_block_is_made_from_the_results_and_only_the_block(tmp_path: Path) -> None:
    scenario = load("span_root")
    values = {peer.name: {"thread": [100.0], "cpu": [100.0]} for peer in scenario.peers}
    values["opentelemetry-sdk"]["thread"] = [4_200.0]
    store.save(Result(scenario, values), tmp_path, ABOUT)
    end = "<!-- /bench -->\n"
    page = f"before\n<!-- bench: all -->\nold\n{end}between\n<!-- bench: span_root -->\n{end}after\n"
    made = readme.filled(page, tmp_path)
    assert "old" not in made
    assert made.startswith("before\n")
    assert made.endswith("after\n")
    assert "\nbetween\n" in made
    assert "| 40 times less thread than opentelemetry-sdk | 42.0 times less | met |" in made
    assert "**missed**" in made
    assert "2026-01-02, CPython 3.11.7, Linux, 2 CPUs. a 1, b 2." in made
    assert readme.filled(made, tmp_path) == made
    assert readme.UNMEASURED in readme.filled(page, tmp_path / "empty")


@pytest.mark.parametrize("page", readme.FILES, ids=lambda page: page.name)
def test_pages_match_the_kept_results(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert readme.filled(text) == text, "run `make bench-readme`"


def test_every_scenario_has_its_place_in_the_docs() -> None:
    from benchmarks.scenarios import names

    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert [name for name in names() if f"<!-- bench: {name} -->" not in text] == []
