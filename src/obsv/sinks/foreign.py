"""Exporters that were written for the OpenTelemetry SDK, named by their entry point (``OTEL_TRACES_EXPORTER=zipkin``).

What is sent is converted to the SDK's objects in the sink's thread, and the SDK is imported there, when the first batch
has come: a program that does not name such an exporter has neither.
"""

from __future__ import annotations

from ..hotpath import faults
from .base import Refused, Sent, SinkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..settings import Settings
    from .base import Attributes, Batch, Result

_GROUPS = {signal: f"opentelemetry_{signal}_exporter" for signal in ("traces", "metrics", "logs")}


class ForeignSink:
    """Give batches to an SDK exporter.

    Args:
        name: The entry point's name.
        settings: What is in force.
    """

    signals = frozenset(_GROUPS)
    imports = ("importlib.metadata", "opentelemetry.sdk.trace.export", "obsv.otel.view")

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self._settings = settings
        self._exporters: dict[str, Any] = {}
        self._problems: dict[str, str] = {}
        self._totals: Any = None
        self._resource: dict[str, Any] = {}

    def open(self, resource: Attributes) -> None:
        """Remember whose telemetry it is. The exporter is made for the first batch of its signal."""
        self._resource = dict(resource)

    def send(self, batch: Batch) -> Result:
        """Convert the batch and export it. The exporter tries again by itself, where it does so at all."""
        signal = batch.signal
        if signal in self._problems:
            return Refused(self._problems[signal])
        exporter = self._exporters.get(signal)
        if exporter is None:
            try:
                exporter = self._exporters[signal] = self._make(signal)
            except Exception as error:  # noqa: BLE001 - a package of others
                text = str(error) if isinstance(error, SinkError) else f"{type(error).__name__}: {error}"
                self._problems[signal] = f"the exporter {self.name} cannot be made: {text}"[:300]
                return Refused(self._problems[signal])
        if batch.encoded is None:
            batch.encoded = self._converted(batch, exporter)
        try:
            result = exporter.export(batch.encoded)
        except Exception as error:  # noqa: BLE001 - an exporter of others
            faults.report(f"exporter {self.name}")
            return Refused(f"the exporter {self.name} raised {type(error).__name__}")
        # SpanExportResult, MetricExportResult and LogRecordExportResult all say it in these words.
        if getattr(result, "name", "SUCCESS") == "FAILURE":
            return Refused(f"the exporter {self.name} failed")
        return Sent()

    def _make(self, signal: str) -> Any:
        from ..entry_points import find

        found = find(_GROUPS[signal], self.name)
        if found is None:
            raise SinkError(f"no installed package has it for {signal}")
        kind = found.load()
        if signal == "metrics" and not hasattr(kind, "export"):
            # Prometheus and others that are asked instead of sending (SDK, `MetricReader`).
            raise SinkError("it is a metric reader; give it to a MeterProvider")
        return kind()

    def _converted(self, batch: Batch, exporter: Any) -> Any:
        if batch.signal == "traces":
            from ..otel.view import readable

            return [readable(span) for trace in batch.items for span in trace]
        if batch.signal == "logs":
            from ..otel.readable_logs import readable_log

            return [readable_log(record, self._resource) for record in batch.items]
        from ..otel.readable_metrics import metrics_data, wants_delta

        delta = wants_delta(exporter)
        points = batch.items
        if not delta:
            if self._totals is None:
                from .totals import Totals

                self._totals = Totals()
            points = self._totals.add(points)
        return metrics_data(points, self._resource, delta)

    def close(self) -> None:
        """Shut the exporters down."""
        for exporter in self._exporters.values():
            try:
                exporter.shutdown()
            except Exception:  # noqa: BLE001 - an exporter of others
                faults.report(f"exporter {self.name}")
        self._exporters.clear()
