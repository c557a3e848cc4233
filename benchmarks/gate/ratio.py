"""Root spans of obsv against those of OpenTelemetry's SDK, in one process and in turns: prints how many times less.

Both export to something that discards. The time is the processor time of the calling thread, and the result the median
of the turns, so it moves little even on a busy machine; the bar is far below what is measured.
"""

from __future__ import annotations

import time
from statistics import median

from . import program

TURNS, SPANS = 15, 400


def main() -> None:
    """Take turns, and print the ratio."""
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    import obsv

    got = 0

    class Nowhere(SpanExporter):
        def export(self, spans: object) -> SpanExportResult:
            nonlocal got
            got += len(spans)  # type: ignore[arg-type]
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Nowhere()))
    theirs = provider.get_tracer("gate").start_as_current_span
    program.start()
    ratios = []
    for turn in range(TURNS + 1):
        begin = time.thread_time_ns()
        program.roots(SPANS)
        between = time.thread_time_ns()
        for number in range(SPANS):
            with theirs("operation") as current:
                assert isinstance(current, ReadableSpan)
                current.set_attribute("http.request.method", "GET")
                current.set_attribute("http.route", "/orders/{id}")
                current.set_attribute("http.response.status_code", 200)
                current.set_attribute("order.number", number)
                current.set_attribute("order.paid", True)
        end = time.thread_time_ns()
        if turn:  # the first is a warm-up
            ratios.append((end - between) / max(1, between - begin))
        obsv.flush(30)
        provider.force_flush()
    if got < SPANS * (TURNS + 1):
        raise SystemExit(f"the SDK exported {got} of {SPANS * (TURNS + 1)} spans: no fair comparison")
    print(median(ratios))


if __name__ == "__main__":
    main()
