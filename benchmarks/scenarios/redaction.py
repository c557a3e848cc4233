"""What it costs to look for secrets: in log lines, on the thread that logs, and in spans, on the sink's thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.measure import BATCH, loop, timed
from benchmarks.scenario import Less, Peer, Scenario

from ._setup import OBSV, start_obsv
from .spans import obsv_loop, roots

if TYPE_CHECKING:
    from benchmarks.measure import Loop
    from benchmarks.scenario import Measure

PLACE = 3.5
OFF, FOUND = "redact=none", "a secret in each"
_NONE = {"OBSV_REDACT": "none"}


def _lines(message: str) -> Measure:
    def measure(url: str, operations: int) -> dict[str, float]:
        start_obsv(url, traces="memory", logs="json")
        import obsv

        info = obsv.get_logger("bench").info

        def run(count: int) -> None:
            for number in range(count):
                info(message, order_id=number, customer="c-17", total=12.5, express=True)

        batches = max(1, operations // BATCH)
        with obsv.span("request"):
            run(100)
            took = sum(timed(run, BATCH) for _ in range(batches))
        return {"thread": took / batches / BATCH, "lines": batches * BATCH}

    return measure


def _spans_with_secrets(url: str) -> Loop:
    flush = start_obsv(url)
    import obsv

    def span(name: str) -> Any:
        return obsv.span(name, **{"url.full": "https://shop.example/pay?token=abc&page=2"})

    return roots(span), flush


_PLAIN = "order placed"
_SECRET = "paying by https://shop.example/pay?token=abc&page=2"

SCENARIOS = (
    Scenario(
        "redaction_log",
        "Log line, four fields, inside a span: looked through for secrets, or not",
        (
            Peer(OBSV, _lines(_PLAIN), "obsv"),
            Peer(OFF, _lines(_PLAIN), "obsv", _NONE),
            Peer(FOUND, _lines(_SECRET), "obsv"),
        ),
        50_000,
        (Less("thread", (OFF,), 0.8),),
    ),
    Scenario(
        "redaction_span",
        "Root span, five attributes, exported over OTLP: looked through for secrets, or not",
        (
            Peer(OBSV, loop(obsv_loop()), "obsv"),
            Peer(OFF, loop(obsv_loop()), "obsv", _NONE),
            Peer(FOUND, loop(_spans_with_secrets), "obsv"),
        ),
        100_000,
        (Less("thread", (OFF,), 0.9), Less("cpu", (OFF,), 0.6)),
    ),
)
