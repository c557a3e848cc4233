"""CloudWatch Application Signals: takes finished spans, measures them, and sends the metrics.

It is no sink that one chooses for a signal: the setting ``application_signals`` makes it, with a lane of its own that
has two queues. ``spans`` holds what the request's thread puts there, and between the spans the moments at which metrics
are collected: numbers, in nanoseconds. At each of them what was measured goes into ``points``, and from there over OTLP
to the CloudWatch agent, or as EMF to stdout.
"""

from __future__ import annotations

from obsv.pipeline.batch import LATER

from .base import Retry, Sent
from .lines import LineWriter
from .otlp import OtlpSink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from obsv.application_signals.measuring import Measurements
    from obsv.hotpath.queue import BoundedQueue
    from obsv.settings import Settings
    from obsv.settings_otlp import OtlpTarget

    from .base import Batch, Result

DEFAULT_ENDPOINT = "http://localhost:4316/v1/metrics"
DEFAULT_GRPC_ENDPOINT = "http://localhost:4315"
_POINT_BYTES = 3000


class ApplicationSignalsSink:
    """Measures spans.

    Attributes:
        points_queue: Where the metrics wait to be sent; set by who makes the lane.
    """

    name = "application_signals"
    signals = frozenset({"spans", "points"})

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        as_emf = settings.application_signals == "emf" or (
            settings.application_signals == "on" and settings.platform == "lambda"
        )
        self._way: _Lines | _Agent = _Lines() if as_emf else _Agent(settings)
        self.imports = (
            "obsv.application_signals.measuring",
            "obsv.application_signals.lines",
            "obsv.emf.entity",
            *self._way.imports,
        )
        self.points_queue: BoundedQueue | None = None
        self._measurements: Measurements | None = None

    def open(self, resource: Mapping[str, Any]) -> None:
        """Begin to measure."""
        from obsv.application_signals.measuring import Measurements
        from obsv.emf import entity

        environment = resource.get("deployment.environment.name") or resource.get("deployment.environment")
        function = resource.get("faas.name") if resource.get("cloud.platform") == "aws_lambda" else None
        self._measurements = Measurements(
            entity.service_name(resource) or entity.UNKNOWN_SERVICE,
            None if environment is None else str(environment),
            None if function is None else str(function),
        )
        self._way.open(resource)

    def send(self, batch: Batch) -> Result:
        """Measure spans, or send what was measured."""
        return self._measure(batch) if batch.signal == "spans" else self._way.send(self._metrics(batch))

    def send_now(self, batch: Batch) -> Result:
        """Do what `send` does, or answer `LATER` where it might have to wait."""
        if batch.signal == "spans":
            return self._measure(batch)
        return self._way.send_now(self._metrics(batch)) if isinstance(self._way, _Lines) else LATER

    def _measure(self, batch: Batch) -> Result:
        measurements, queue = self._measurements, self.points_queue
        if measurements is None or queue is None:
            raise RuntimeError("application signals are not open")
        for item in batch.items:
            if type(item) is not int:
                measurements.add(item)
                continue
            for point in measurements.points(item):
                queue.put(point, 1, _POINT_BYTES)
        return Sent()

    def _metrics(self, batch: Batch) -> Batch:
        """Return the batch as one of metrics; after a retry the same one."""
        from .base import Batch

        if batch.encoded is None:
            batch.encoded = Batch("metrics", batch.items, batch.resource)
        inner: Batch = batch.encoded
        return inner

    def close(self) -> None:
        """Close the connections."""
        self._way.close()

    def after_fork(self) -> ApplicationSignalsSink:
        """Return what a forked child uses: what its parent has measured is the parent's to tell."""
        made = ApplicationSignalsSink(self._settings)
        made.points_queue = self.points_queue
        return made

    def probe(self) -> str:
        """Connect to the agent, or say what stdout is.

        Raises:
            SinkError: It does not answer.
        """
        return self._way.probe()


class _Agent(OtlpSink):
    """To the CloudWatch agent: deltas, as its exporter wants them, and never signed, whatever other OTLP is."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._temporality = "delta"

    def _wanted(self, settings: Settings) -> dict[str, OtlpTarget]:
        from ..settings_otlp import OtlpTarget

        grpc = settings.otlp("metrics").protocol == "grpc"
        url = settings.application_signals_endpoint or (DEFAULT_GRPC_ENDPOINT if grpc else DEFAULT_ENDPOINT)
        if "://" not in url:
            url = f"http://{url}"
        protocol = "grpc" if grpc else "http/protobuf"
        return {"metrics": OtlpTarget("metrics", url, {}, "none", settings.otlp_timeout, None, None, None, protocol)}

    def _sign(self, target: OtlpTarget) -> None:
        """Sign nothing: an agent takes no credentials."""


class _Lines:
    """To stdout, as EMF."""

    imports = ("select", "obsv.application_signals.lines")

    def __init__(self) -> None:
        self._writer = LineWriter(name="stdout")

    def open(self, resource: Mapping[str, Any]) -> None:
        """Nothing to open."""

    def send_now(self, batch: Batch) -> Result:
        """Write the lines, or answer `LATER` where it might have to wait for whoever reads stdout."""
        events = self._encode(batch)
        batch.encoded = []  # before they are written: who is interrupted in it must not write them twice
        if self._writer.write_now([line for line, _ in events]):
            return Sent()
        batch.encoded = events
        return LATER

    def send(self, batch: Batch) -> Result:
        """Write the lines that are not written yet."""
        events = self._encode(batch)
        written = self._writer.write([line for line, _ in events])
        del events[: written.lines]
        if written.reason is None:
            return Sent()
        if written.again:
            return Retry(written.reason)
        return Sent(sum([points for _, points in events]), written.reason)

    def _encode(self, batch: Batch) -> list[tuple[str, int]]:
        """Return the lines that are left to write, each with the number of points that begin in it."""
        if batch.encoded is None:
            from obsv import __version__
            from obsv.application_signals.lines import events

            batch.encoded = events(batch.items, batch.resource, __version__)
        left: list[tuple[str, int]] = batch.encoded
        return left

    def close(self) -> None:
        """Nothing to close: stdout is the program's."""

    def probe(self) -> str:
        """Say where the lines go."""
        return "writes to stdout"
