"""OpenTelemetry's metrics at a real collector: a program with obsv sends what it sends with the SDK's OTLP exporter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from otlp_data import pairs
from programs import run

if TYPE_CHECKING:
    from collectors import Collector

PROGRAM = """
from opentelemetry import metrics
from opentelemetry.metrics import Observation
{setup}
meter = metrics.get_meter("shop", "1.2", schema_url="https://schema", attributes={{"team": "a"}})
level = meter.create_up_down_counter("Level", unit="{{request}}", description="now")
counter = meter.create_counter("orders", unit="Bytes")
plain = meter.create_histogram("plain", unit="ms")
advised = meter.create_histogram("advised", explicit_bucket_boundaries_advisory=[1, 2])
gauge = meter.create_gauge("gauge")
state = [10]
said = lambda options: [Observation(state[0], {{"cpu": 0}}), Observation(state[0] / 4, {{"cpu": True}})]
meter.create_observable_counter("oc", [said])
meter.create_observable_up_down_counter("ol", [said])
meter.create_observable_gauge("og", [said])
for step in (3, 4):
    counter.add(step, {{"a": "x", "n": (1, 2)}})
    counter.add(step + 0.5)
    level.add(step - 5)
    plain.record(step * 30)
    advised.record(step - 2)
    gauge.set(step)
    state[0] *= 2
    assert metrics.get_meter_provider().force_flush(10_000)
"""

OBSV = 'import obsv\nobsv.init("x", traces="none", metrics="otlp", logs="none", patch=False)'
SDK = """
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
metrics.set_meter_provider(MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())]))
"""


def told(collector: Collector, setup: str, **settings: str) -> list[Any]:
    """What arrived from the program's two flushes, without times."""
    before = len(collector.metrics())
    done = run(
        PROGRAM.format(setup=setup),
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint,
        OTEL_METRIC_EXPORT_INTERVAL="60000",
        **settings,
    )
    assert done.returncode == 0, done.stderr
    found = []
    for metric in collector.metrics()[before:][:16]:  # eight instruments, twice; the SDK sends a third time at exit
        kind = metric.WhichOneof("data")
        data = getattr(metric, kind)
        about = (metric.name, metric.unit, metric.description, kind)
        more = [getattr(data, name, None) for name in ("aggregation_temporality", "is_monotonic")]
        found.append((*about, *more, sorted(map(point, data.data_points), key=repr)))
    return sorted(found, key=repr)


def point(found: Any) -> Any:
    attributes = pairs(found.attributes)
    if hasattr(found, "explicit_bounds"):
        bounds, counts = list(found.explicit_bounds), list(found.bucket_counts)
        return attributes, found.count, found.sum, found.min, found.max, bounds, counts
    if hasattr(found, "scale"):
        return attributes, found.count, found.sum, found.min, found.max, found.zero_count
    return attributes, getattr(found, found.WhichOneof("value"))


@pytest.mark.parametrize("temporality", ["cumulative", "delta", "lowmemory"])
@pytest.mark.parametrize("histogram", ["explicit_bucket_histogram", "base2_exponential_bucket_histogram"])
def test_the_same_arrives(otlp_collector: Collector, temporality: str, histogram: str) -> None:
    settings = {
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": temporality,
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": histogram,
    }
    ours, theirs = told(otlp_collector, OBSV, **settings), told(otlp_collector, SDK, **settings)
    assert len(ours) == len(theirs) == 16
    assert ours == theirs
