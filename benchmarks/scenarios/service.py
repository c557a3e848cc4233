"""A real service under load: throughput, latency and processor time under each one's start-up command, beside bare."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from operator import truediv
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from benchmarks.scenario import AtLeast, Less, Peer, Scenario

from ._setup import DDTRACE, OBSV, SDK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from benchmarks.scenario import Measure

PLACE = 8.5
WARM_UP = 200
TURN = 300
"""Requests, some two seconds."""


def _obsv(url: str) -> tuple[list[str], dict[str, str]]:
    variables = {"OBSV_TRACES": "otlp", "OBSV_METRICS": "otlp", "OBSV_LOGS": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": url}
    return ["obsv", "run"], variables


def _sdk(url: str) -> tuple[list[str], dict[str, str]]:
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_SERVICE_NAME": "bench",
    }
    return ["opentelemetry-instrument"], variables


def _ddtrace(url: str) -> tuple[list[str], dict[str, str]]:
    variables = {
        "DD_TRACE_AGENT_URL": url,
        "DD_SERVICE": "bench",
        "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
        "DD_REMOTE_CONFIGURATION_ENABLED": "false",
        "DD_TRACE_STARTUP_LOGS": "false",
    }
    return ["ddtrace-run"], variables


def _beside_bare(command: Callable[[str], tuple[list[str], dict[str, str]]]) -> Measure:
    """Measure a service under somebody's start-up command beside the same service without one; the two take turns."""

    def measure(url: str, operations: int) -> dict[str, float]:
        with _service(url) as (bare_port, bare), _service(url, *command(url)) as (port, process):
            ports = f"{bare_port},{port}"
            turns = max(1, operations // TURN)
            _load(ports, 1, min(WARM_UP, operations))
            before = _processor_time(bare), _processor_time(process)
            of_bare, told = _load(ports, turns, operations // turns)
            cpu_of_bare, cpu = _processor_time(bare) - before[0], _processor_time(process) - before[1]
        requests = operations // turns * turns
        return {
            "of bare": 100 * median(map(truediv, of_bare["seconds"], told["seconds"])),
            "requests a second": requests / sum(told["seconds"]),
            "p50": told["p50"] / 1_000,
            "p99": told["p99"] / 1_000,
            "bare p99": of_bare["p99"] / 1_000,
            "bare": cpu_of_bare * 1e9 / requests,
            "adds": (cpu - cpu_of_bare) * 1e9 / requests,
        }

    return measure


@contextmanager
def _service(
    url: str, start: Sequence[str] = (), variables: Mapping[str, str] = MappingProxyType({})
) -> Iterator[tuple[str, int]]:
    """Run the service for the length of the block; give its port and its process."""
    if start:
        start = [str(Path(sys.executable).parent / start[0]), *start[1:]]
    service = subprocess.Popen(
        [*start, sys.executable, "-m", "benchmarks.service", url],
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert service.stdout is not None
    try:
        port = service.stdout.readline().strip()
        if not port:
            raise SystemExit(f"the service did not start: {' '.join(start)}")
        yield port, service.pid
    finally:
        service.terminate()
        try:
            service.wait(10)
        except subprocess.TimeoutExpired:
            service.kill()
            service.wait()
        service.stdout.close()


def _load(ports: str, turns: int, requests: int) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "benchmarks.load", ports, str(turns), str(requests)]
    told: list[dict[str, Any]] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return told


def _processor_time(process: int) -> float:
    """Return the seconds of processor time that a process has taken, user and system."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


SCENARIOS = (
    Scenario(
        "service",
        "A FastAPI service under load, a query and two calls a request, beside the same one bare",
        (
            Peer(OBSV, _beside_bare(_obsv), "obsv"),
            Peer(SDK, _beside_bare(_sdk), "opentelemetry"),
            Peer(DDTRACE, _beside_bare(_ddtrace), "ddtrace"),
        ),
        1_200,
        (AtLeast("of bare", 97), Less("adds", (SDK,), 1), Less("adds", (DDTRACE,), 1)),
        few=100,
    ),
)
"""The first bar: throughput falls by less than 3 %."""
