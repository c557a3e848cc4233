"""OpenTelemetry's propagators over obsv's headers, and those of other packages through obsv's patches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import baggage, propagate, trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, Context, set_value
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.trace import TracerProvider as SdkProvider

import obsv
from obsv.hotpath import faults, headers
from obsv.hotpath.span import Remote
from obsv.otel import propagators
from obsv.otel.propagators import GLOBAL, HeaderPropagator, Others, XRayPropagator, use_others
from obsv.testing import capture
from programs import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obsv.testing import Capture

VALID = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ROOT = "Root=1-5759e988-bd862e3fe1be46a994272793"
TRACE = 0x5759E988BD862E3FE1BE46A994272793


@pytest.fixture(autouse=True)
def _formats() -> Iterator[None]:
    before = headers.formats
    headers.set_formats(("tracecontext", "baggage", "xray"))
    faults.reset()
    yield
    headers.set_others(None)
    headers.set_formats(before)
    faults.reset()


@pytest.fixture
def seen() -> Iterator[Capture]:
    with capture(patch=False) as captured:
        yield captured


def injected(context: Context | None = None) -> dict[str, str]:
    carrier: dict[str, str] = {}
    GLOBAL.inject(carrier, context)
    return carrier


# ---------------------------------------------------------------------- X-Ray


@pytest.mark.parametrize(
    ("header", "sampled"),
    [(ROOT, None), (f"{ROOT};Sampled=?", None), (f"{ROOT};Sampled=1", True), (f"{ROOT};Sampled=0", False)],
)
def test_a_load_balancers_header_without_parent(seen: Capture, header: str, sampled: bool | None) -> None:
    context = XRayPropagator().extract({"X-Amzn-Trace-Id": header})
    with trace.get_tracer("t").start_as_current_span("work", context) as span:
        made = span.get_span_context()
        assert made.trace_id == TRACE
        assert span.is_recording() is (sampled is not False)  # nobody has decided: this service does
        assert span.parent_id is None  # type: ignore[attr-defined]


def test_a_tracer_of_the_sdk_goes_on_with_that_trace_too() -> None:
    context = XRayPropagator().extract({"X-Amzn-Trace-Id": f"{ROOT};Sampled=1"})
    span = SdkProvider(shutdown_on_exit=False).get_tracer("t").start_span("work", context)
    assert span.get_span_context().trace_id == TRACE


def test_xray_in_and_out_keeps_what_it_does_not_know(seen: Capture) -> None:
    header = f"{ROOT};Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a87bd80c:0"
    context = XRayPropagator().extract({"X-Amzn-Trace-Id": f"Self=1-1-1;{header}"})
    carrier: dict[str, str] = {}
    XRayPropagator().inject(carrier, context)
    assert carrier == {"X-Amzn-Trace-Id": header}
    assert XRayPropagator().fields == {"X-Amzn-Trace-Id"}


# ---------------------------------------------------------------------- the global one


def test_a_span_goes_out(seen: Capture) -> None:
    with obsv.span("work") as span:
        found = injected()
    assert found["traceparent"] == f"00-{span.trace_id}-{span.span_id}-03"
    assert found["X-Amzn-Trace-Id"].endswith(f"Parent={span.span_id};Sampled=1")


def test_a_trace_comes_in(seen: Capture) -> None:
    context = GLOBAL.extract({"traceparent": VALID, "tracestate": "a=1"}, Context({"mine": 1}))
    assert context["mine"] == 1
    found = trace.get_current_span(context).get_span_context()
    assert (found.is_remote, found.trace_state.to_header()) == (True, "a=1")
    assert injected(context)["traceparent"] == VALID


def test_several_headers_of_one_name() -> None:
    context = GLOBAL.extract({"traceparent": [VALID, VALID]})
    assert not trace.get_current_span(context).get_span_context().is_valid
    context = GLOBAL.extract({"traceparent": [VALID], "tracestate": ["a=1", "b=2"]})
    assert injected(context)["tracestate"] == "a=1,b=2"


def test_nothing_there_leaves_the_context_alone() -> None:
    before = Context({"mine": 1})
    assert GLOBAL.extract({}, before) is before
    assert GLOBAL.extract({"traceparent": "nonsense"}, before) is before
    assert injected(Context()) == {}


def test_baggage_without_a_span() -> None:
    assert injected(baggage.set_baggage("user", "Amélie B", Context())) == {"baggage": "user=Am%C3%A9lie%20B"}
    context = GLOBAL.extract({"baggage": "user=Am%C3%A9lie%20B;p=1, =x,bad key=1,n=1"})
    assert baggage.get_all(context) == {"user": "Amélie B", "n": "1"}


def test_properties_of_what_is_unchanged_stay() -> None:
    context = GLOBAL.extract({"baggage": "a=1;secret;ttl=5,b=2;x"})
    context = baggage.set_baggage("b", "3", baggage.set_baggage("c", "4", context))
    assert injected(context)["baggage"] == "a=1;secret;ttl=5,b=3,c=4"


def test_emptied_baggage_is_empty() -> None:
    context = GLOBAL.extract({"traceparent": VALID, "baggage": "user=7"})
    assert "baggage" not in injected(baggage.clear(context))


def test_a_carrier_that_raises_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OBSV_RAISE")

    class Broken:
        def get(self, carrier: Any, key: str) -> Any:
            raise RuntimeError("no")

        def set(self, carrier: Any, key: str, value: str) -> None:
            raise RuntimeError("no")

    before = Context()
    assert GLOBAL.extract({}, before, Broken()) is before  # type: ignore[arg-type]
    GLOBAL.inject({}, GLOBAL.extract({"traceparent": VALID}), Broken())  # type: ignore[arg-type]
    assert faults.counts == {"extracting the trace": 1, "injecting the trace": 1}


def test_chosen_formats_and_fields() -> None:
    assert GLOBAL.fields == {"traceparent", "tracestate", "baggage", "X-Amzn-Trace-Id"}
    only = HeaderPropagator(("tracecontext",))
    context = only.extract({"baggage": "a=1", "x-amzn-trace-id": ROOT})
    assert dict(context) == {}


# ---------------------------------------------------------------------- other packages


def test_b3_through_the_patches(seen: Capture) -> None:
    headers.set_formats(use_others(["b3"]))
    assert "b3" in headers.other_fields()
    found = headers.extract({"b3": "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1"}.get)
    assert found is not None
    assert (found.trace_hi, found.trace_lo, found.id64, found.flags) == (
        0x80F198EE56343BA8, 0x64FE8B2A57D3EFF7, 0xE457B5A2E4D86BD1, 1,
    )  # fmt: skip
    with obsv.span("work") as span:
        sent: dict[str, str] = {}
        headers.inject(sent)
    assert sent == {"b3": f"{span.trace_id}-{span.span_id}-1"}
    assert injected(GLOBAL.extract({"b3": "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1"})) == {
        "b3": "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1"
    }


def test_the_first_format_that_is_there_wins() -> None:
    loaded = use_others(["b3"])
    headers.set_formats(("tracecontext", *loaded, "baggage"))
    found = headers.extract({"b3": "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1", "baggage": "a=1"}.get)
    assert found is not None
    assert (found.trace_hi, found.base) == (0x80F198EE56343BA8, {headers.BASE_BAGGAGE: "a=1"})
    found = headers.extract({"b3": "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1", "traceparent": VALID}.get)
    assert found is not None
    assert found.trace_hi == 0x0AF7651916CD43DD


def test_a_propagator_that_raises_is_contained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("OBSV_RAISE")

    class Raises:
        fields = frozenset({"x-mine"})

        def extract(self, *args: Any, **kwargs: Any) -> Any:
            raise RuntimeError("no")

        inject = extract

    headers.set_others(Others({"mine": Raises()}))  # type: ignore[dict-item]
    headers.set_formats(("mine", "tracecontext"))
    for _ in range(3):
        found = headers.extract({"traceparent": VALID}.get)
        assert found is not None
        assert [name for name, _ in headers.outgoing(found)] == ["traceparent"]
    assert faults.counts == {"propagator mine": 6}
    assert capsys.readouterr().err.count("propagator mine failed") == 1


def test_one_that_cannot_be_loaded_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert use_others(["no-such-thing"]) == ()
    assert headers.other_fields() == ()
    assert (
        "the propagator no-such-thing is left out: LookupError: no installed package has it" in capsys.readouterr().err
    )


# ---------------------------------------------------------------------- opentelemetry.propagate


def test_it_becomes_the_global_one(seen: Capture) -> None:
    assert propagate.get_global_textmap() is GLOBAL


class Module:
    """What of ``opentelemetry.propagate`` is used."""

    def __init__(self, textmap: Any) -> None:
        self.textmap = textmap

    def get_global_textmap(self) -> Any:
        return self.textmap

    def set_global_textmap(self, textmap: Any) -> None:
        self.textmap = textmap


def test_one_that_the_program_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    for original in (None, CompositePropagator([])):
        monkeypatch.setattr(propagators, "_original", original)
        for mine in (XRayPropagator(), CompositePropagator([XRayPropagator()])):
            module: Any = Module(mine)
            propagators.adopt(module)
            assert module.textmap is mine


PROGRAM = """
import obsv
obsv.init("x", traces="memory", metrics="none", logs="none", patch=False)
from opentelemetry import propagate
with obsv.span("work"):
    carrier = {}
    propagate.inject(carrier)
print(*sorted(carrier))
"""


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ("", "X-Amzn-Trace-Id traceparent"),
        ("tracecontext", "traceparent"),
        ("b3multi", "x-b3-sampled x-b3-spanid x-b3-traceid"),
        ("b3,tracecontext", "b3 traceparent"),
        ("none", ""),
    ],
)
def test_what_the_variable_says(names: str, found: str) -> None:
    done = run(PROGRAM, OTEL_PROPAGATORS=names)
    assert (done.stdout.strip(), done.stderr) == (found, "")


def test_an_unknown_name_gives_one_line_and_the_default() -> None:
    done = run(PROGRAM + "import os; print(os.environ['OTEL_PROPAGATORS'])", OTEL_PROPAGATORS="bogus")
    assert done.stdout.split() == ["X-Amzn-Trace-Id", "traceparent", "bogus"], done.stderr
    [line] = done.stderr.splitlines()
    assert line.startswith("obsv: OTEL_PROPAGATORS='bogus' (environment): there is no propagator 'bogus'")


BEFORE = """
from opentelemetry import propagate
{then}
import obsv
obsv.init("x", traces="memory", metrics="none", logs="none", patch=False)
print(type(propagate.get_global_textmap()).__name__)
obsv.shutdown()
obsv.init("x", traces="memory", metrics="none", logs="none", patch=False)
print(type(propagate.get_global_textmap()).__name__)
"""


@pytest.mark.parametrize(
    ("then", "found"),
    [
        ("", "HeaderPropagator"),
        ("from opentelemetry.propagators.composite import CompositePropagator\n"
         "propagate.set_global_textmap(CompositePropagator([]))", "CompositePropagator"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("names", ["", "b3,baggage"])
def test_what_was_there_before_init(then: str, found: str, names: str) -> None:
    done = run(BEFORE.format(then=then), OTEL_PROPAGATORS=names)
    assert done.stdout.split() == [found, found], done.stderr


def test_suppressed_instrumentation_does_not_stop_who_asks(seen: Capture) -> None:
    with obsv.span("work") as span:
        context = set_value(_SUPPRESS_INSTRUMENTATION_KEY, True)
        assert span.span_id in injected(context)["traceparent"]


def test_a_remote_without_ids_is_no_span() -> None:
    assert headers.outgoing(Remote(0, 0, 0, 0)) == []
