"""mlflow: its decorator and its spans; told to share OpenTelemetry's provider, which its docs call unified tracing."""

from __future__ import annotations

import os

import mlflow
from mlflow.entities.trace_location import MlflowExperimentLocation
from opentelemetry import trace

from conformance.tools import start


def set_up() -> None:
    """As mlflow's docs say, with the loopback server as tracking server."""
    os.environ["MLFLOW_USE_DEFAULT_TRACER_PROVIDER"] = "false"
    os.environ["MLFLOW_TRACKING_URI"] = start.TOOL_URL  # set_tracking_uri() would throw the global provider away
    mlflow.tracing.set_destination(MlflowExperimentLocation(experiment_id="1"))


@mlflow.trace
def answer(question: str) -> str:
    """A traced function with a span of mlflow's and one of OpenTelemetry's inside."""
    with mlflow.start_span("look up", span_type="RETRIEVER") as span:
        span.set_inputs({"question": question})
        with trace.get_tracer("shop.search").start_as_current_span("search") as search:
            search.set_attribute("hits", 3)
        span.set_outputs(["one", "two", "three"])
    return "three of them"


def use() -> None:
    """One trace, and what mlflow knows of it afterwards."""
    assert answer("how many?") == "three of them"
    assert mlflow.get_last_active_trace_id()
    mlflow.flush_trace_async_logging()


start.run(set_up, use)
