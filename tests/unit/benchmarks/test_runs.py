"""Scenarios that need no peer, run for a moment as the harness runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from benchmarks.scenarios import load
from benchmarks.sink import running_sink

from programs import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
THREAD, CPU = {"thread"}, {"thread", "cpu"}
COLD = {"after a call", "in a loop"}
CHOICE = {"cpu", "bytes", "p99.9", "worst", "over 100", "over 200", "over 500", "over 1000", "over 2000"}


@pytest.fixture(scope="module")
def sink() -> Iterator[str]:
    with running_sink() as url:
        yield url


@pytest.mark.parametrize(
    ("scenario", "peer", "operations", "measures"),
    [
        ("sampling_sampled", "keep on", 2_000, CPU),
        ("sampling_sampled", "X-Ray's rules", 2_000, CPU),
        ("sampling_unsampled", "keep on", 2_000, CPU),
        ("sampling_unsampled", "X-Ray's rules", 2_000, CPU),
        ("redaction_log", "obsv", 2_000, THREAD),
        ("redaction_log", "redact=none", 2_000, THREAD),
        ("redaction_log", "a secret in each", 2_000, THREAD),
        ("redaction_span", "a secret in each", 2_000, CPU),
        ("log_line", "logging, only writes", 2_000, THREAD),
        ("cold", "an empty function", 3, COLD),
        ("cold", "zlib.crc32 of 3 bytes", 3, COLD),
        ("cold", "obsv: a span", 3, COLD),
        ("cold", "obsv: the span of a call", 3, COLD),
        ("cold", "obsv: the same twice", 3, COLD),
        ("choice_batch", "256", 1_000, CHOICE),
        ("choice_slice", "32", 1_000, CHOICE),
        ("choice_gzip", "level 9", 1_000, CHOICE),
    ],
)
def test_it_runs(scenario: str, peer: str, operations: int, measures: set[str], sink: str) -> None:
    found = next(each for each in load(scenario).peers if each.name == peer)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.worker", scenario, peer, sink, str(operations)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(**found.variables),
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)) == measures
