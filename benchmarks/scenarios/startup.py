"""A fresh process: what ``import obsv; obsv.init()`` adds to bare Python."""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.scenario import AtMost, Less, Peer, Scenario

from ._setup import OBSV, POWERTOOLS, SDK

if TYPE_CHECKING:
    from benchmarks.scenario import Measure

PLACE = 6
LAMBDA = "obsv in Lambda"
PROCESSES = 5

# The clock stops when the first byte comes; what is asked for afterwards costs nothing that is counted.
TELL = """
import sys
count = len(sys.modules)
import os
os.write(1, b".")
peak = [line for line in open("/proc/self/status") if line.startswith("VmHWM")] if os.path.exists("/proc/self") else []
print(count, int(peak[0].split()[1]) / 1024 if peak else 0, flush=True)
os._exit(0)
"""

PROGRAMS = {
    OBSV: "import obsv; obsv.init()",
    LAMBDA: "import obsv; obsv.init()",
    POWERTOOLS: "from aws_lambda_powertools import Logger, Metrics\n"
    "logger, metrics = Logger(service='bench'), Metrics(namespace='bench', service='bench')",
    SDK: "from opentelemetry import trace\n"
    "from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter\n"
    "from opentelemetry.sdk.trace import TracerProvider\n"
    "from opentelemetry.sdk.trace.export import BatchSpanProcessor\n"
    "provider = TracerProvider()\n"
    "provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))\n"
    "trace.set_tracer_provider(provider)\n",
}
IN_LAMBDA = {
    "AWS_LAMBDA_FUNCTION_NAME": "bench",
    "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
    "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11",
    "AWS_REGION": "eu-west-1",
    "AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129:2000",
    "LAMBDA_TASK_ROOT": "/var/task",
}


def _started(program: str) -> tuple[float, int, float]:
    """Start a program; return the milliseconds until it was ready, its modules and its memory at most in MB."""
    begin = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", program + TELL], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        took = time.perf_counter() - begin
        words = process.stdout.read().split()
    if len(words) != 2:
        raise SystemExit(f"the program failed: {program}")
    return took * 1_000, int(words[0]), float(words[1])


def _measure(name: str) -> Measure:
    def measure(url: str, operations: int) -> dict[str, float]:
        rounds = range(1 + operations)
        pairs = [(_started("pass\n"), _started(PROGRAMS[name] + "\n")) for _ in rounds][1:]  # the first warms caches
        added = [[after[place] - before[place] for before, after in pairs] for place in range(3)]
        return {measure: median(values) for measure, values in zip(("ms", "modules", "MB"), added, strict=True)}

    return measure


SCENARIOS = (
    Scenario(
        "startup",
        "Start of a fresh process, defaults, nothing to patch: beyond bare Python",
        (
            Peer(OBSV, _measure(OBSV), "obsv"),
            Peer(LAMBDA, _measure(LAMBDA), "obsv", IN_LAMBDA),
            Peer(SDK, _measure(SDK), "opentelemetry"),
            Peer(POWERTOOLS, _measure(POWERTOOLS), "aws"),
        ),
        PROCESSES,
        (
            AtMost("ms", 25),
            AtMost("modules", 60),
            Less("ms", (SDK,), 5),
            Less("ms", (POWERTOOLS,), 1),
            AtMost("ms", 25, LAMBDA),
            AtMost("modules", 60, LAMBDA),
        ),
        few=2,
    ),
)
