"""Puts obsv's providers in the place of the SDK's, in this process and in the programs that the SDK's tests start.

Whoever imports the SDK, or reloads a module of it, finds obsv's class under the SDK's name.
"""

from __future__ import annotations

import atexit
import os
import sys
from importlib.machinery import PathFinder
from typing import Any


def _bridge(module: Any) -> None:
    from obsv.otel import bridge

    bridge(module)


def _swap_traces(module: Any) -> None:
    from obsv.otel import TracerProvider

    module.TracerProvider = TracerProvider
    _count_spans()


def _count_spans() -> None:
    """Write at the end of this process how many spans began through obsv's providers, for the sum of the run."""
    from obsv.otel.processors import Listener

    if getattr(Listener, "counted", False) or "CONFORMANCE_SPANS" not in os.environ:
        return
    file, started, count = os.environ["CONFORMANCE_SPANS"], Listener.started, [0]

    def counted(self: Any, span: Any, parent: Any) -> None:
        count[0] += 1
        started(self, span, parent)

    def write() -> None:
        with open(file, "a") as sums:
            sums.write(f"{count[0]}\n")

    Listener.started = counted  # type: ignore[method-assign]
    Listener.counted = True  # type: ignore[attr-defined]
    atexit.register(write)


def _swap_metrics(module: Any) -> None:
    from obsv.otel import metrics

    metrics._register(module)  # before the SDK's own class, which obsv's keeps behind it, goes out of sight
    module.MeterProvider = metrics.MeterProvider


def _swap_logs(module: Any) -> None:
    from obsv.otel import LoggerProvider

    module.LoggerProvider = LoggerProvider


# One provider at a time: the tests of traces and logs read the SDK's metrics about itself from its meter provider.
SIGNALS = {
    "traces": {"opentelemetry.trace": _bridge, "opentelemetry.sdk.trace": _swap_traces},
    "metrics": {"opentelemetry.sdk.metrics": _swap_metrics},
    "logs": {"opentelemetry.trace": _bridge, "opentelemetry.sdk._logs": _swap_logs},
}
SWAPS = SIGNALS[os.environ.get("CONFORMANCE_SIGNALS", "traces")]


class Finder:
    """Finds the modules of the SDK that are swapped, and swaps after each execution."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
        swap = SWAPS.get(name)
        spec = PathFinder.find_spec(name, path, target) if swap is not None else None
        if spec is None or spec.loader is None or swap is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module: Any) -> None:
            execute(module)
            swap(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, Finder())
