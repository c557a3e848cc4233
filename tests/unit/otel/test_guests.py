"""Processors and readers of the program's on obsv's own providers: flushed and shut down with obsv, and contained."""

from __future__ import annotations

import subprocess
import sys
import threading
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LogRecordProcessor
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricExporter, MetricExportResult
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader as Periodic
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import obsv
from obsv import runtime
from obsv.hotpath import faults
from obsv.otel import TracerProvider

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def ends() -> Iterator[None]:
    yield
    obsv.shutdown()


@pytest.fixture
def swallowing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("OBSV_RAISE")
    faults.reset()
    yield
    faults.reset()


def init() -> None:
    obsv.init("shop", traces="none", metrics="memory", logs="none", patch=False)


class Notes(SpanProcessor, LogRecordProcessor):
    """Notes what it is told; may raise or hang."""

    def __init__(self, notes: list[str], raises: bool = False, hangs: float = 0) -> None:
        self.notes, self.raises, self.hangs = notes, raises, hangs

    def on_emit(self, record: Any) -> None:
        pass

    def _note(self, what: str) -> None:
        self.notes.append(what)
        sleep(self.hangs)
        if self.raises:
            raise RuntimeError(what)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        self._note("flush")
        return True

    def shutdown(self) -> None:
        self._note("shutdown")


class Exporter(MetricExporter):
    def __init__(self, notes: list[str]) -> None:
        super().__init__()
        self.notes = notes

    def export(self, metrics_data: Any, timeout_millis: float = 0, **kwargs: Any) -> MetricExportResult:
        self.notes.append("export")
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 0) -> bool:
        return True

    def shutdown(self, timeout_millis: float = 0, **kwargs: Any) -> None:
        self.notes.append("shutdown")


def add(notes: Notes) -> None:
    provider: Any = trace.get_tracer_provider()
    provider.add_span_processor(notes)


def test_one_that_raises_does_not_keep_others_from_their_turn(
    swallowing: None, capsys: pytest.CaptureFixture[str]
) -> None:
    notes: list[str] = []
    init()
    own = TracerProvider(shutdown_on_exit=False)
    ours: Any = trace.get_tracer_provider()
    for provider in (own, ours):
        provider.add_span_processor(Notes(notes, raises=True))
        provider.add_span_processor(Notes(notes))
        assert provider.force_flush() is False
        provider.shutdown()
        assert notes == ["flush", "flush", "shutdown", "shutdown"]
        notes.clear()
    assert capsys.readouterr().err.count("shutdown of span processor Notes failed: RuntimeError") == 1


def test_span_processors_are_flushed_and_shut_down_with_obsv() -> None:
    init()
    exporter = InMemorySpanExporter()
    provider: Any = trace.get_tracer_provider()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    notes: list[str] = []
    add(Notes(notes))
    with obsv.span("work"):
        pass
    assert obsv.flush()
    assert [span.name for span in exporter.get_finished_spans()] == ["work"]
    assert obsv.shutdown()
    assert obsv.shutdown()
    assert notes == ["flush", "shutdown"]
    init()  # begins without any
    with obsv.span("again"):
        pass
    assert obsv.flush()
    assert notes == ["flush", "shutdown"]


def test_what_the_program_has_shut_down_is_not_shut_down_again() -> None:
    init()
    notes: list[str] = []
    add(Notes(notes))
    provider: Any = trace.get_tracer_provider()
    provider.shutdown()
    assert obsv.shutdown()
    assert notes == ["shutdown"]


def test_log_record_processors_and_metric_readers_too() -> None:
    init()
    notes: list[str] = []
    logs: Any = _logs.get_logger_provider()
    logs.add_log_record_processor(Notes(notes))
    exported: list[str] = []
    meters: Any = metrics.get_meter_provider()
    meters.add_metric_reader(Periodic(Exporter(exported), export_interval_millis=1e9))
    metrics.get_meter("m").create_counter("c").add(1)
    assert obsv.flush()
    assert (notes, exported) == (["flush"], ["export"])
    assert obsv.shutdown()
    assert notes == ["flush", "shutdown"]
    assert exported[-1] == "shutdown"
    init()
    reader = InMemoryMetricReader()
    meters.add_metric_reader(reader)
    metrics.get_meter("m").create_counter("d").add(1)
    assert reader.get_metrics_data() is not None
    meters.remove_metric_reader(reader)


def test_another_init_keeps_them() -> None:
    """As under `obsv run`, where the program's own `init()` comes second."""
    init()
    notes: list[str] = []
    add(Notes(notes))
    runtime.shutdown()
    init()
    assert obsv.flush()
    assert notes == ["flush", "flush"]


def test_one_that_hangs_keeps_nobody_waiting() -> None:
    init()
    notes: list[str] = []
    add(Notes(notes, hangs=2.0))
    begin = monotonic()
    assert obsv.flush(0.2) is False
    assert obsv.flush(0.2) is False  # it is at it still, and is not asked again
    assert obsv.shutdown(0.2) is False
    assert monotonic() - begin < 1.5
    assert notes == ["flush"]


def test_a_processor_that_flushes_obsv() -> None:
    init()

    class Again(Notes):
        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            self.notes.append("flush")
            obsv.flush(1.0)
            provider: Any = trace.get_tracer_provider()
            if len(self.notes) < 3:
                provider.force_flush(1000)
            return True

    notes: list[str] = []
    add(Again(notes))
    assert obsv.flush()
    assert notes == ["flush"] * 3
    assert threading.active_count() < 20


def test_what_is_queued_at_the_end_of_the_program_leaves() -> None:
    program = """
import obsv
obsv.init("shop", traces="none", metrics="none", logs="none", patch=False)
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
class Raises(SpanProcessor):
    def shutdown(self):
        raise RuntimeError("no")
provider = trace.get_tracer_provider()
provider.add_span_processor(Raises())
provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(formatter=lambda span: span.name)))
with obsv.span("last words"):
    pass
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env={"PATH": "/usr/bin"}
    )
    assert done.returncode == 0, done.stderr
    assert "last words" in done.stdout
    assert done.stderr.count("\n") == 1


def test_a_provider_whose_processors_are_gone_is_let_go_too() -> None:
    obsv.init("x", traces="none", metrics="none", logs="none", patch=False, config={"signals": False})
    provider: Any = trace.get_tracer_provider()
    provider.add_span_processor(BatchSpanProcessor(InMemorySpanExporter()))
    provider._active_span_processor = None
    assert obsv.shutdown()
