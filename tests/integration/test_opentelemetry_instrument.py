"""`opentelemetry-instrument` with obsv installed uses obsv, and the entry points lead to what they name."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import pytest

from programs import environment, run, to

if TYPE_CHECKING:
    from collectors import Collector

BIN = os.path.dirname(sys.executable)
INSTRUMENT = os.path.join(BIN, "opentelemetry-instrument")

CODE = """
import obsv, flask
from opentelemetry import trace
app = flask.Flask("x")
@app.get("/")
def index():
    with trace.get_tracer("mine").start_as_current_span("inside"):
        return "hi"
assert app.test_client().get("/").text == "hi"
print(obsv.status()["enabled"], type(trace.get_tracer_provider()).__module__)
"""


def instrument(collector: Collector, *before: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, INSTRUMENT, sys.executable, "-c", CODE],
        env=environment(**to(collector, OBSV_PATCH="true", **more)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


CHOSEN = {"OTEL_PYTHON_DISTRO": "obsv"}


def check(done: subprocess.CompletedProcess[str], collector: Collector) -> None:
    assert done.returncode == 0, done.stderr
    assert done.stdout == "True obsv.otel.provider\n"
    assert "obsv:" not in done.stderr
    assert "Traceback" not in done.stderr
    spans = {span.name: span for span in collector.spans()}
    assert sorted(spans) == ["GET /", "inside"]
    assert spans["inside"].parent_span_id == spans["GET /"].span_id


def test_it_starts_obsv(otlp_collector: Collector) -> None:
    check(instrument(otlp_collector, **CHOSEN), otlp_collector)


def test_under_obsv_run_it_starts_obsv_too(otlp_collector: Collector) -> None:
    done = instrument(otlp_collector, sys.executable, "-m", "obsv", "run", "--")
    check(done, otlp_collector)


def test_obsv_run_under_it(otlp_collector: Collector) -> None:
    done = subprocess.run(
        [INSTRUMENT, sys.executable, "-m", "obsv", "run", "--service", "inner", "--", sys.executable, "-c", CODE],
        env=environment(**to(otlp_collector, OBSV_PATCH="true", **CHOSEN)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    check(done, otlp_collector)
    assert {resource["service.name"] for resource in otlp_collector.resources()} == {"inner"}


def test_another_distribution_and_obsv_in_the_program(otlp_collector: Collector) -> None:
    """The parent is OpenTelemetry's own: it has set a provider and patched Flask before the program calls init()."""
    done = subprocess.run(
        [INSTRUMENT, sys.executable, "-c", "import obsv; obsv.init('x')\n" + CODE],
        env=environment(
            **to(otlp_collector, OBSV_PATCH="true", OBSV_TRACES="otlp"),
            OTEL_PYTHON_DISTRO="distro",
            OTEL_PYTHON_CONFIGURATOR="configurator",
            OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
            OTEL_TRACES_EXPORTER="none",
            OTEL_METRICS_EXPORTER="none",
            OTEL_LOGS_EXPORTER="none",
        ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "True opentelemetry.sdk.trace\n"
    assert done.stderr.count("has patched this program already: flask is left to it") == 1, done.stderr
    assert done.stderr.count("the tracer provider opentelemetry.sdk.trace.TracerProvider stays") == 1, done.stderr
    assert sorted(span.name for span in otlp_collector.spans()) == ["GET /", "inside"]


def test_a_program_without_it_imports_none_of_it() -> None:
    code = """
    import sys
    import obsv
    obsv.init("x")
    assert "obsv.otel.distro" not in sys.modules and "opentelemetry" not in sys.modules
    """
    assert run(code, OBSV_TRACES="none", OBSV_LOGS="none").returncode == 0


@pytest.mark.parametrize(
    "group",
    ["distro", "configurator", "context", "traces_sampler", "id_generator", "propagator"],
)
def test_entry_points_can_be_loaded(group: str) -> None:
    ours = [point for point in entry_points(group=f"opentelemetry_{group}") if point.value.startswith("obsv.")]
    assert ours
    for point in ours:
        assert callable(point.load())


def test_the_distribution_is_one() -> None:
    from opentelemetry.instrumentation.distro import BaseDistro

    from obsv.otel.distro import Distro

    assert issubclass(Distro, BaseDistro)


def test_the_context() -> None:
    code = """
    from opentelemetry import context
    from obsv.otel.entry import RuntimeContext
    assert type(context._RUNTIME_CONTEXT) is RuntimeContext
    token = context.attach(context.set_value("a", 1))
    assert context.get_value("a") == 1
    context.detach(token)
    assert context.get_value("a") is None
    """
    done = run(code, OTEL_PYTHON_CONTEXT="obsv")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["obsv", "xray"])
def test_id_generators_in_the_sdk(name: str) -> None:
    code = """
    import sys, time
    from opentelemetry.sdk._configuration import _import_id_generator
    from opentelemetry.sdk.trace import TracerProvider
    generator = _import_id_generator(sys.argv[1])
    assert type(generator).__module__ == "obsv.otel.ids"
    made = [TracerProvider(id_generator=generator).get_tracer("x").start_span("x") for _ in range(50)]
    contexts = [span.get_span_context() for span in made]
    assert all(context.is_valid for context in contexts)
    assert len({context.trace_id for context in contexts}) == len({context.span_id for context in contexts}) == 50
    seconds = {context.trace_id >> 96 for context in contexts}
    timed = all(abs(second - time.time()) < 60 for second in seconds)
    assert timed is (sys.argv[1] == "xray")
    assert {bool(context.trace_flags & 2) for context in contexts} <= {not timed, False}
    """
    done = run(code, name)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("context", ["contextvars_context", "obsv"])
def test_the_propagator_in_a_program_of_the_sdks(context: str) -> None:
    code = """
    from opentelemetry import baggage, propagate, trace
    from opentelemetry.sdk.trace import TracerProvider
    [propagator] = propagate.get_global_textmap()._propagators
    assert type(propagator).__module__ == "obsv.otel.propagators"
    tracer = TracerProvider().get_tracer("x")
    with tracer.start_as_current_span("x") as span:
        carrier = {}
        propagate.inject(carrier)
    made = span.get_span_context()
    trace_id = f"{made.trace_id:032x}"
    expected = f"Root=1-{trace_id[:8]}-{trace_id[8:]};Parent={made.span_id:016x};Sampled=1"
    assert carrier == {"X-Amzn-Trace-Id": expected}, carrier
    context = propagate.extract(carrier)
    child = tracer.start_span("child", context=context)
    assert child.parent.span_id == made.span_id and child.parent.is_remote
    propagate.inject(empty := {})
    assert empty == {}
    """
    done = run(code, OTEL_PROPAGATORS="xray", OTEL_PYTHON_CONTEXT=context)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_sampler_in_the_sdk() -> None:
    code = """
    from opentelemetry.sdk._configuration import _import_sampler
    assert "0.25" in _import_sampler("obsv").get_description()
    import os
    os.environ["OTEL_TRACES_SAMPLER_ARG"] = "0.5"
    assert "0.5" in _import_sampler("obsv").get_description()
    """
    done = run(code, OBSV_SAMPLE="0.25")
    assert (done.returncode, done.stderr) == (0, "")
