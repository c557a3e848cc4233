"""Tables of traces, routes, metrics and logs; what the console prints of a local trace."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from obsv import term
from obsv.render import live, tables
from obsv.render.look import Look, speaks_unicode
from obsv.store.rows import LogRow, Series, SpanRow, TraceSummary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

T0 = 1_780_000_000_000_000_000
MS = 1_000_000
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(autouse=True)
def _utc() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


def summary(name: str, **more: Any) -> TraceSummary:
    row = TraceSummary(TRACE, name, "shop", T0)
    row.duration_ns, row.spans, row.services = 12 * MS, 3, ("orders", "shop")
    for key, value in more.items():
        setattr(row, key, value)
    return row


def series(status: int | None, values: dict[int, int], **more: Any) -> Series:
    attributes = {"http.route": "/orders", "http.request.method": "GET", "http.response.status_code": status, **more}
    row = Series("shop", "http.server.request.duration", "histogram", "Seconds", attributes)
    row.buckets, row.count = values, sum(values.values())
    return row


def test_the_list_of_traces() -> None:
    rows = [
        summary("GET /", spans=1200),
        summary("POST /orders", errors=1, error="gateway.Declined: card declined, and much more to say about it"),
        summary("GET /items", complete=False, duration_ns=2_500_000_000),
    ]
    assert tables.traces(rows, Look(90)) == [
        "TIME      TRACE      TOOK  SPANS  SERVICES      NAME",
        "20:26:40  4bf92f35  12 ms  1,200  shop, orders  GET /",
        "20:26:40  4bf92f35  12 ms      3  shop, orders  POST /orders  ✖ gateway.Declined: card de…",
        "20:26:40  4bf92f35  2.5 s      3  shop, orders  GET /items (part)",
    ]


def test_routes_sum_up_status_codes() -> None:
    # Bucket -640 ends at 2**-9.98 s, about 0.98 ms; bucket 0 at 1.01 s.
    rows = [series(200, {-640: 98}), series(503, {0: 2}), series(404, {-640: 100}), series(None, {}, x=1)]
    [route] = tables.by_route(rows)
    assert (route.requests, route.errors, route.error_rate) == (200, 2, 0.01)
    assert tables.routes(rows, Look(90)) == [
        "SERVICE  ROUTE        REQUESTS  ERRORS     P50     P99   MAX",
        "shop     GET /orders       200    1.0%  982 µs  982 µs  0 ns",
    ]


def test_an_answer_that_never_came_is_an_error() -> None:
    row = series(None, {0: 1})
    row.attributes["error.type"] = "asyncio.CancelledError"
    assert tables.by_route([row])[0].errors == 1


def test_metrics_of_each_kind() -> None:
    counter = Series("shop", "orders", "counter", "Count", {"shop": "north"})
    counter.sum = 1234567
    gauge = Series("shop", "depth", "gauge", "None", {})
    gauge.last = -4.5
    assert tables.metrics([counter, gauge, series(200, {0: 4})], Look(100)) == [
        "SERVICE  METRIC                        VALUE                            ATTRIBUTES",
        "shop     orders                        1,234,567                        shop=north",
        "shop     depth                         -4.5",
        "shop     http.server.request.duration  n=4 p50=1.005 p99=1.005 Seconds  http.route=/orders http.req…",
    ]


def test_log_lines() -> None:
    row = LogRow(T0 + 7 * MS, 13, "WARNING", "stock\x1b[1m low", "shop.orders", "shop")
    row.fields, row.trace_id = {"sku": "A-1", "left": 2}, TRACE
    assert tables.logs([row], Look()) == ["20:26:40.007 WARN  shop  stock\\x1b[1m low  sku=A-1  left=2  trace=4bf92f35"]
    assert tables.logs([row], Look(color=True))[0] != tables.logs([row], Look())[0]
    assert term.strip(tables.logs([row], Look(color=True))[0]) == tables.logs([row], Look())[0]


def test_a_local_trace_on_the_console() -> None:
    root = SpanRow(TRACE, "01".zfill(16), "ff".zfill(16), "POST /orders", "orders", T0, T0 + 80 * MS)
    child = SpanRow(TRACE, "02".zfill(16), root.span_id, "SELECT", "orders", T0 + 10 * MS, T0 + 30 * MS)
    log = LogRow(T0 + 20 * MS, 9, "INFO", "found 3", "orders", "orders")
    log.span_id, log.trace_id = child.span_id, TRACE
    assert live.local_trace([child, root], [log], Look(70)) == [
        "20:26:40.000 orders · trace 4bf92f35",
        "POST /orders              ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━      80 ms",
        "└─ SELECT                     ━━━━━━━━╸                          20 ms",
        "      INFO  found 3                                             +20 ms",
    ]


def test_a_log_with_an_exception_shows_its_stack() -> None:
    log = LogRow(T0, 17, "ERROR", "failed", "shop", "shop")
    log.error = {
        "type": "ValueError",
        "message": "no\nstock",
        "stacktrace": "Traceback\n\tFile\nValueError: no stock\n",
    }
    assert live.loose_log(log, Look()) == [
        "20:26:40.000 ERROR failed  ValueError: no⏎stock",
        "  Traceback",
        "      File",
        "  ValueError: no stock",
    ]


class Ascii:
    encoding = "ascii"


class Odd:
    encoding = "no such encoding"


def test_what_a_stream_can_show() -> None:
    assert not speaks_unicode(Ascii())
    assert not speaks_unicode(Odd())
    assert speaks_unicode(object())
    assert not Look.of(Ascii()).unicode
