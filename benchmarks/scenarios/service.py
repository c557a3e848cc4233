"""A real service under load: throughput, latency and processor time, bare and under each one's start-up command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.scenario import Less, Peer, Scenario

from ._setup import DDTRACE, OBSV, SDK

if TYPE_CHECKING:
    from collections.abc import Callable

PLACE = 8.5
BARE = "bare"
WARM_UP = 500


def _bare(url: str) -> tuple[list[str], dict[str, str]]:
    return [], {}


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


def _under_load(
    command: Callable[[str], tuple[list[str], dict[str, str]]],
) -> Callable[[str, int], dict[str, float]]:
    def measure(url: str, operations: int) -> dict[str, float]:
        start, variables = command(url)
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
            _load(port, WARM_UP)
            before = _processor_time(service.pid)
            told = _load(port, operations)
            cpu = _processor_time(service.pid) - before
        finally:
            service.terminate()
            try:
                service.wait(10)
            except subprocess.TimeoutExpired:
                service.kill()
                service.wait()
            service.stdout.close()
        return {
            "requests a second": operations / told["seconds"],
            "a request": told["seconds"] / operations * 1e6,
            "p50": told["p50"] / 1_000,
            "p99": told["p99"] / 1_000,
            "cpu": cpu * 1e9 / operations,
        }

    return measure


def _load(port: str, requests: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.load", port, str(requests)]
    told: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return told


def _processor_time(process: int) -> float:
    """Return the seconds of processor time that a process has taken, user and system."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


SCENARIOS = (
    Scenario(
        "service",
        "A FastAPI service under load: a query and two calls a request",
        (
            Peer(BARE, _under_load(_bare), "obsv"),
            Peer(OBSV, _under_load(_obsv), "obsv"),
            Peer(SDK, _under_load(_sdk), "opentelemetry"),
            Peer(DDTRACE, _under_load(_ddtrace), "ddtrace"),
        ),
        5_000,
        (Less("a request", (BARE,), 0.97), Less("cpu", (SDK,), 1), Less("cpu", (DDTRACE,), 1)),
        few=500,
    ),
)
"""The first bar: throughput falls by less than 3 %."""
