"""Spans: root, through OpenTelemetry's API, child, with an exception, not sampled, interpreted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.measure import loop
from benchmarks.scenario import Less, Peer, Scenario

from ._setup import DDTRACE, INTERPRETED, OBSV, SDK, start_ddtrace, start_obsv, start_sdk

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.measure import Loop, Run

PLACE = 1
CHILDREN = 100
"""Children of one root: so its own cost hardly counts."""


def roots(span: Callable[[str], Any]) -> Run:
    def run(count: int) -> None:
        for number in range(count):
            with span("operation") as current:
                current.set_attribute("http.request.method", "GET")
                current.set_attribute("http.route", "/orders/{id}")
                current.set_attribute("http.response.status_code", 200)
                current.set_attribute("order.number", number)
                current.set_attribute("order.paid", True)

    return run


def tag_roots(span: Callable[[str], Any]) -> Run:
    def run(count: int) -> None:
        for number in range(count):
            with span("operation") as current:
                current.set_tag("http.request.method", "GET")
                current.set_tag("http.route", "/orders/{id}")
                current.set_tag("http.response.status_code", 200)
                current.set_tag("order.number", number)
                current.set_tag("order.paid", True)

    return run


def _children(span: Callable[[str], Any], make: Callable[[Callable[[str], Any]], Run]) -> Run:
    children = make(span)

    def run(count: int) -> None:
        for _ in range(count // CHILDREN):
            with span("root"):
                children(CHILDREN)

    return run


def _failing(span: Callable[[str], Any]) -> Run:
    def outer(number: int) -> None:
        inner(number)

    def inner(number: int) -> None:
        raise ValueError("order refused", number)

    def run(count: int) -> None:
        for number in range(count):
            try:
                with span("operation"):
                    outer(number)
            except ValueError:
                pass

    return run


def obsv_loop(make: Callable[..., Run] = roots, **arguments: Any) -> Callable[[str], Loop]:
    """Return what starts obsv with its defaults, but for these settings, and makes spans."""

    def start(url: str) -> Loop:
        flush = start_obsv(url, **arguments)
        import obsv

        return make(obsv.span), flush

    return start


def _obsv_api(url: str) -> Loop:
    flush = start_obsv(url)
    from opentelemetry import trace

    return roots(trace.get_tracer("bench").start_as_current_span), flush


def _sdk(make: Callable[..., Run] = roots) -> Callable[[str], Loop]:
    def start(url: str) -> Loop:
        provider, flush = start_sdk(url)
        return make(provider.get_tracer("bench").start_as_current_span), flush

    return start


def _sdk_unsampled(url: str) -> Loop:
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    provider, flush = start_sdk(url, sampler=ParentBased(TraceIdRatioBased(0.0)))
    return roots(provider.get_tracer("bench").start_as_current_span), flush


def _ddtrace(make: Callable[..., Run] = tag_roots) -> Callable[[str], Loop]:
    def start(url: str) -> Loop:
        tracer = start_ddtrace(url)
        return make(tracer.trace), tracer.flush

    return start


def _obsv_children(span: Callable[[str], Any]) -> Run:
    return _children(span, roots)


def _dd_children(span: Callable[[str], Any]) -> Run:
    return _children(span, tag_roots)


_SDK_ROOT = Peer(SDK, loop(_sdk()), "opentelemetry")

SCENARIOS = (
    Scenario(
        "span_root",
        "Root span, five attributes set one by one, exported over OTLP",
        (Peer(OBSV, loop(obsv_loop()), "obsv"), _SDK_ROOT, Peer(DDTRACE, loop(_ddtrace()), "ddtrace")),
        20_000,
        (Less("thread", (SDK,), 40), Less("cpu", (SDK,), 50), Less("thread", (DDTRACE,), 30)),
    ),
    Scenario(
        "span_api",
        "The same through OpenTelemetry's API",
        (Peer(OBSV, loop(_obsv_api), "obsv"), _SDK_ROOT),
        20_000,
        (Less("thread", (SDK,), 25), Less("cpu", (SDK,), 35)),
    ),
    Scenario(
        "span_child",
        "Child span inside a trace, five attributes",
        (
            Peer(OBSV, loop(obsv_loop(_obsv_children)), "obsv"),
            Peer(SDK, loop(_sdk(_obsv_children)), "opentelemetry"),
            Peer(DDTRACE, loop(_ddtrace(_dd_children), exports=False), "ddtrace"),
        ),
        20_000,
        (Less("thread", (SDK,), 40),),
    ),
    Scenario(
        "span_exception",
        "Root span that an exception leaves, three frames",
        (
            Peer(OBSV, loop(obsv_loop(_failing)), "obsv"),
            Peer(SDK, loop(_sdk(_failing)), "opentelemetry"),
            Peer(DDTRACE, loop(_ddtrace(_failing)), "ddtrace"),
        ),
        5_000,
        (Less("thread", (SDK,), 20),),
    ),
    Scenario(
        "span_unsampled",
        "Root span that is not sampled, five attributes",
        (
            Peer(OBSV, loop(obsv_loop(sample=0.0), exports=False), "obsv"),
            Peer(SDK, loop(_sdk_unsampled, exports=False), "opentelemetry"),
        ),
        20_000,
        (Less("thread", (SDK,), 15),),
    ),
    Scenario(
        "span_interpreted",
        "Root span as in span_root, obsv without its extension",
        (Peer(OBSV, loop(obsv_loop()), "obsv", INTERPRETED), _SDK_ROOT),
        20_000,
        (Less("thread", (SDK,), 12), Less("cpu", (SDK,), 10)),
    ),
)
