"""The OTLP sink against a real collector that accepts, refuses, hangs, answers garbage or is not there."""

from __future__ import annotations

import gzip
import shutil
import socket
import ssl
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from obsv.hotpath.metrics import Counter, Histogram
from obsv.settings import resolve
from obsv.sinks.base import Batch, Refused, Retry, Sent, SinkError
from obsv.sinks.otlp import OtlpSink
from servers import free_port, need
from telemetry import Recorder, log, points

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from collectors import Collector

RESOURCE = {"service.name": "shop"}


@pytest.fixture
def sink(otlp_collector: Collector) -> Iterator[Callable[..., OtlpSink]]:
    made: list[OtlpSink] = []

    def make(**options: Any) -> OtlpSink:
        settings = resolve({"config": {"otlp_endpoint": otlp_collector.endpoint, **options}})
        assert not settings.problems, settings.problems
        found = OtlpSink(settings)
        found.open(RESOURCE)
        made.append(found)
        return found

    yield make
    otlp_collector.released.set()
    for each in made:
        each.close()


def traces(spans: int = 1, count: int = 1, **attributes: Any) -> Batch:
    recorder = Recorder()
    return Batch("traces", [recorder.trace(children=spans - 1, **attributes) for _ in range(count)], RESOURCE)


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
def test_the_three_signals(sink: Any, otlp_collector: Collector, protocol: str) -> None:
    made = sink(otlp_protocol=protocol)

    def record(make: Any) -> None:
        make(Counter, "orders").add(2, shop="north")

    assert type(made.send(traces(3))) is Sent
    assert type(made.send(Batch("metrics", points(record), RESOURCE))) is Sent
    assert type(made.send(Batch("logs", [log("hello")], RESOURCE))) is Sent
    assert len(otlp_collector.spans()) == 3
    assert [metric.name for metric in otlp_collector.metrics()] == ["orders"]
    assert [record.body.string_value for record in otlp_collector.logs()] == ["hello"]
    for signal in ("traces", "metrics", "logs"):
        assert otlp_collector.resources(signal) == [RESOURCE]
    assert [request.path for request in otlp_collector.requests] == ["/v1/traces", "/v1/metrics", "/v1/logs"]
    kind = {"http/json": "application/json", "http/protobuf": "application/x-protobuf"}[protocol]
    assert otlp_collector.requests[0].headers["content-type"] == kind
    assert otlp_collector.requests[0].headers["user-agent"].startswith("OTel-OTLP-Exporter-Python-obsv/")


def test_a_connection_is_used_again(sink: Any, otlp_collector: Collector) -> None:
    made = sink()
    for _ in range(5):
        assert type(made.send(traces())) is Sent
    otlp_collector.answer(400)
    made.send(traces())
    made.send(traces())
    assert otlp_collector.connections == 1


def test_a_connection_with_an_endless_answer_is_not_used_again(sink: Any, otlp_collector: Collector) -> None:
    made = sink()
    otlp_collector.answer(400, body=b"x" * 1_000_000)
    assert type(made.send(traces())) is Refused
    assert type(made.send(traces())) is Sent
    assert otlp_collector.connections == 2


def test_a_connection_that_was_closed_meanwhile(sink: Any, otlp_collector: Collector) -> None:
    made = sink()
    assert type(made.send(traces())) is Sent
    otlp_collector.answer("drop")
    batch = traces()
    result = made.send(batch)
    assert type(result) is Retry
    assert result.reason in ("connection closed without an answer", "connection broken", "connection reset")
    assert type(made.send(batch)) is Sent


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_compression(sink: Any, otlp_collector: Collector, compression: str) -> None:
    sink(otlp_compression=compression).send(traces(50))
    [request] = otlp_collector.requests
    assert request.headers.get("content-encoding") == ("gzip" if compression == "gzip" else None)
    assert len(otlp_collector.spans()) == 50
    assert (len(request.raw) < len(request.body)) is (compression == "gzip")
    if compression == "gzip":
        assert gzip.decompress(request.raw) == request.body


def test_headers_and_endpoints_of_a_signal(sink: Any, otlp_collector: Collector) -> None:
    made = sink(
        otlp_headers={"x-tenant": "one"},
        otlp_logs_headers={"x-tenant": "two"},
        otlp_logs_endpoint=f"{otlp_collector.endpoint}/custom/v1/logs",
    )
    made.send(traces())
    made.send(Batch("logs", [log("x")], RESOURCE))
    first, second = otlp_collector.requests
    assert (first.path, first.headers["x-tenant"]) == ("/v1/traces", "one")
    assert (second.path, second.headers["x-tenant"]) == ("/custom/v1/logs", "two")


def test_partial_success(sink: Any, otlp_collector: Collector) -> None:
    made = sink()
    otlp_collector.answer("partial", rejected=2, message="too old")
    result = made.send(traces(5))
    assert type(result) is Sent
    assert (result.rejected, result.reason) == (2, "partial success: too old")
    otlp_collector.answer("partial", rejected=0, message="careful")
    result = made.send(traces(5))
    assert (type(result), result.rejected, result.reason) == (Sent, 0, "partial success: careful")
    otlp_collector.answer("partial", rejected=99, message="all of it")
    result = made.send(traces(5))
    assert (type(result), result.reason) == (Refused, "partial success: all of it")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 302])
def test_what_is_refused(sink: Any, otlp_collector: Collector, status: int) -> None:
    otlp_collector.answer(status)
    result = sink().send(traces())
    assert (type(result), result.reason) == (Refused, f"http {status}")
    assert len(otlp_collector.requests) == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_may_be_sent_again(sink: Any, otlp_collector: Collector, status: int) -> None:
    made, batch = sink(), traces()
    otlp_collector.answer(status)
    result = made.send(batch)
    assert (type(result), result.reason, result.after) == (Retry, f"http {status}", None)
    encoded = batch.encoded
    assert type(made.send(batch)) is Sent
    assert batch.encoded is encoded
    assert otlp_collector.requests[0].body == otlp_collector.requests[1].body


@pytest.mark.parametrize(
    ("header", "after"), [("7", 7.0), ("0", 0.0), ("soon", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)]
)
def test_retry_after(sink: Any, otlp_collector: Collector, header: str, after: float | None) -> None:
    otlp_collector.answer(429, retry_after=header)
    assert sink().send(traces()).after == after


def test_the_reason_in_an_error_body(sink: Any, otlp_collector: Collector) -> None:
    from obsv.sinks.otlp_http import error_text

    body = b"\x08\x03\x12\x07bad\nday"  # google.rpc.Status: code 3, message
    assert error_text("application/x-protobuf", body) == ": bad day"
    assert error_text("application/x-protobuf", b"\xff\xff\xff") == ""
    assert error_text("text/plain", body) == ""


@pytest.mark.parametrize("kind", ["garbage", 200])
def test_an_answer_that_cannot_be_read_is_a_success(sink: Any, otlp_collector: Collector, kind: Any) -> None:
    otlp_collector.answer(kind, body=b"\xff" * 100)
    result = sink().send(traces())
    assert (type(result), result.rejected) == (Sent, 0)


def test_something_that_is_not_http(sink: Any, otlp_collector: Collector) -> None:
    otlp_collector.answer("not-http")
    assert type(sink().send(traces())) is Retry


def test_a_collector_that_hangs(sink: Any, otlp_collector: Collector) -> None:
    otlp_collector.answer("hang")
    result = sink(otlp_timeout=0.2).send(traces())
    assert (type(result), result.reason) == (Retry, "timeout")


def test_nobody_there(sink: Any) -> None:
    made = sink(otlp_endpoint=f"http://127.0.0.1:{free_port()}")
    result = made.send(traces())
    assert (type(result), result.reason) == (Retry, "connection refused")
    with pytest.raises(SinkError, match="nothing answers at 127"):
        made.probe()


def test_probe(sink: Any, otlp_collector: Collector) -> None:
    assert sink().probe() == f"connected to 127.0.0.1:{otlp_collector.port}"
    assert otlp_collector.requests == []


def test_probe_asks_for_the_signals_that_go_there(sink: Any, otlp_collector: Collector) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    only = {"otlp_metrics_endpoint": nobody, "otlp_logs_endpoint": nobody}
    made = sink(traces=["console", "otlp"], metrics=["emf"], logs=["json"], **only)
    assert made.probe() == f"connected to 127.0.0.1:{otlp_collector.port}"
    assert type(made.send(Batch("logs", [log("x")], RESOURCE))) is Retry  # one made by hand takes the others too
    for chosen in ({"metrics": ["otlp"]}, {"metrics": ["emf"]}):  # with none, any may be meant
        with pytest.raises(SinkError, match=r"^metrics.*: nothing answers at 127"):
            sink(**{"traces": [], "logs": ["json"], **chosen, **only}).probe()


def test_probe_counts_a_sink_object_as_its_name(sink: Any, otlp_collector: Collector) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    made = sink(traces=["console"], metrics=[], logs=[sink()], otlp_traces_endpoint=nobody)
    assert made.probe() == f"connected to 127.0.0.1:{otlp_collector.port}"


def test_probe_names_each_failure(sink: Any, otlp_collector: Collector) -> None:
    first, second = free_port(), free_port()
    made = sink(
        traces=["otlp"],
        metrics=["otlp"],
        logs=["otlp"],
        otlp_traces_endpoint=f"http://127.0.0.1:{first}/in",
        otlp_logs_endpoint=f"http://127.0.0.1:{second}/in",
    )
    with pytest.raises(SinkError) as caught:
        made.probe()
    refused = "Connection refused"
    assert str(caught.value) == (
        f"traces: nothing answers at 127.0.0.1:{first} (http://127.0.0.1:{first}/in): {refused}; "
        f"logs: nothing answers at 127.0.0.1:{second} (http://127.0.0.1:{second}/in): {refused}"
    )


# ---------------------------------------------------------------------- too large


def test_413_is_sent_in_halves(sink: Any, otlp_collector: Collector) -> None:
    otlp_collector.answer(413, times=2)
    result = sink().send(traces(1, 4))
    assert (type(result), result.rejected) == (Sent, 0)
    assert len(otlp_collector.spans()) == 4
    assert len({span.span_id for span in otlp_collector.spans()}) == 4


def test_one_trace_is_halved_too_and_one_span_is_lost(sink: Any, otlp_collector: Collector) -> None:
    otlp_collector.answer(413, times=3)
    result = sink().send(traces(4))  # 4 -> 2 -> 1: refused for good
    assert (type(result), result.rejected, result.reason) == (Sent, 1, "http 413")
    assert len(otlp_collector.spans()) == 3
    otlp_collector.answer(413)
    assert sink().send(Batch("logs", [log("x")], RESOURCE)).reason == "http 413"


def test_spans_that_went_alone_are_halved_too(sink: Any, otlp_collector: Collector) -> None:
    otlp_collector.answer(413, times=3)
    alone = [span for [span] in traces(1, 4).items]
    result = sink().send(Batch("traces", alone, RESOURCE))  # 4 -> 2 -> 1: refused for good
    assert (type(result), result.rejected, result.reason) == (Sent, 1, "http 413")
    assert len(otlp_collector.spans()) == 3


def test_a_body_over_the_limit_is_not_even_tried(
    sink: Any, otlp_collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("obsv.sinks.otlp.MAX_BODY", 20_000)
    result = sink().send(traces(1, 8, text="x" * 5000))
    assert type(result) is Sent
    assert len(otlp_collector.spans()) == 8
    assert all(len(request.body) <= 20_000 for request in otlp_collector.requests)
    assert all(request.status == 200 for request in otlp_collector.requests)


def test_a_retry_goes_on_where_the_last_try_stopped(sink: Any, otlp_collector: Collector) -> None:
    made, batch = sink(), traces(1, 4)
    otlp_collector.answer(413)
    otlp_collector.answer(400)  # the first half is refused
    otlp_collector.answer(503)  # the second one has to wait
    assert type(made.send(batch)) is Retry
    result = made.send(batch)
    assert (type(result), result.rejected, result.reason) == (Sent, 2, "http 400")
    assert len(otlp_collector.spans()) == 2


# ---------------------------------------------------------------------- metrics over time


def numbers(metric: Any) -> list[float]:
    found = metric.sum.data_points or metric.exponential_histogram.data_points
    return [getattr(point, "as_int", 0) or getattr(point, "count", 0) for point in found]


@pytest.mark.parametrize(("temporality", "code", "sums"), [("delta", 1, [2, 3]), ("cumulative", 2, [2, 5])])
def test_temporality(sink: Any, otlp_collector: Collector, temporality: str, code: int, sums: list[int]) -> None:
    made = sink(otlp_temporality=temporality)
    for number in sums if temporality == "delta" else (2, 3):

        def record(make: Any, number: int = number) -> None:
            make(Counter, "c").add(number, a="x")
            for value in range(number):
                make(Histogram, "h").record(value)

        assert type(made.send(Batch("metrics", points(record), RESOURCE))) is Sent
    found = otlp_collector.metrics()
    counters = [metric for metric in found if metric.name == "c"]
    histograms = [metric for metric in found if metric.name == "h"]
    assert [numbers(metric) for metric in counters] == [[number] for number in sums]
    assert [numbers(metric) for metric in histograms] == [[number] for number in sums]
    assert {metric.sum.aggregation_temporality for metric in counters} == {code}
    last = histograms[-1].exponential_histogram.data_points[0]
    assert (last.min, last.max) == (0, 2)
    assert last.zero_count == (1 if temporality == "delta" else 2)


def test_a_retried_batch_of_totals_is_counted_once(sink: Any, otlp_collector: Collector) -> None:
    made = sink(otlp_temporality="cumulative")
    batch = Batch("metrics", points(lambda make: make(Counter, "c").add(2)), RESOURCE)
    otlp_collector.answer(503)
    assert type(made.send(batch)) is Retry
    assert type(made.send(batch)) is Sent
    assert [numbers(metric) for metric in otlp_collector.metrics()] == [[2]]


# ---------------------------------------------------------------------- TLS


@pytest.fixture
def tls_collector(otlp_collector: Collector, tmp_path: Path) -> tuple[str, Path]:
    """The collector behind TLS with a certificate of its own making: its endpoint and the certificate."""
    need(shutil.which("openssl") is not None, "openssl is not installed")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    otlp_collector.socket = context.wrap_socket(otlp_collector.socket, server_side=True)
    return f"https://127.0.0.1:{otlp_collector.port}", certificate


def test_tls_with_a_certificate_of_ones_own(
    sink: Any, otlp_collector: Collector, tls_collector: tuple[str, Path]
) -> None:
    endpoint, certificate = tls_collector
    made = sink(otlp_endpoint=endpoint, otlp_certificate=str(certificate))
    assert type(made.send(traces())) is Sent
    assert len(otlp_collector.spans()) == 1


def test_tls_with_an_unknown_certificate(sink: Any, otlp_collector: Collector, tls_collector: tuple[str, Path]) -> None:
    result = sink(otlp_endpoint=tls_collector[0]).send(traces())
    assert type(result) is Retry
    assert "certificate verify failed" in result.reason.lower()
    assert otlp_collector.spans() == []


def test_a_server_that_only_listens(sink: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        result = sink(otlp_endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}", otlp_timeout=0.2).send(traces())
    assert (type(result), result.reason) == (Retry, "timeout")
