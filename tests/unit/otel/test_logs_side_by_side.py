"""The same calls to obsv's logger provider and to the SDK's give the same exported records, times aside."""

from __future__ import annotations

import warnings
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.sdk._logs import LoggerProvider as SdkLoggerProvider
from opentelemetry.sdk._logs import LogRecordLimits
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from obsv.hotpath import otlp
from obsv.logs import outlet
from obsv.otel import LoggerProvider


class Named:
    """No type of OpenTelemetry's, with a text of its own: one letter, because the SDK does not cut such texts."""

    def __str__(self) -> str:
        return "n"


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"), max_size=8)
    | st.binary(max_size=4)
    | st.builds(Named)
    | st.builds(object)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["", "k", "l"]), inner, max_size=3),
    max_leaves=6,
)
bodies = st.recursive(
    st.text(st.characters(codec="utf-8"), max_size=8) | st.integers(-9, 9) | st.booleans() | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["k", "l"]), inner, max_size=3),
    max_leaves=5,
)
keys = st.sampled_from(["a", "b", "c", "", "exception.type", "code.file.path", "event.name"]) | st.integers(0, 2)
contexts = st.builds(
    lambda trace, span, flags: set_span_in_context(NonRecordingSpan(SpanContext(trace, span, True, TraceFlags(flags)))),
    st.integers(0, 2**128 - 1),
    st.integers(0, 2**64 - 1),
    st.integers(0, 255),
)
moments = st.integers(0, 2**63)
arguments = st.fixed_dictionaries(
    {"observed_timestamp": moments},
    optional={
        "timestamp": st.none() | moments,
        "context": contexts,
        "severity_number": st.none() | st.sampled_from(SeverityNumber),
        "severity_text": st.none() | st.text(st.characters(codec="utf-8"), max_size=5),
        "body": st.none() | bodies,
        "attributes": st.none() | st.dictionaries(keys, values, max_size=5),
        "event_name": st.none() | st.sampled_from(["placed", "e"]),
    },
)
limits = st.builds(
    lambda count, length: LogRecordLimits(
        max_log_record_attributes=LogRecordLimits.UNSET if count is None else count,
        max_log_record_attribute_length=LogRecordLimits.UNSET if length is None else length,
    ),
    st.none() | st.integers(0, 4),
    st.none() | st.integers(1, 6),
)
scopes = st.tuples(
    st.sampled_from(["", "shop"]),
    st.none() | st.just("1"),
    st.none() | st.just("https://s"),
    st.none() | st.dictionaries(st.sampled_from(["x", "y"]), st.integers(0, 3), max_size=2),
)


def emit(provider: Any, scope: Any, call: dict[str, Any], as_record: bool) -> None:
    logger = provider.get_logger(*scope)
    if as_record:
        logger.emit(LogRecord(**call))
    else:
        logger.emit(**call)


@given(limits, scopes, arguments, st.booleans())
def test_a_processor_is_given_the_same(found: Any, scope: Any, call: dict[str, Any], as_record: bool) -> None:
    exported = []
    for make in (SdkLoggerProvider, LoggerProvider):
        provider: Any = make(resource=Resource({"r": 1}), shutdown_on_exit=False, log_record_limits=found)
        exporter = InMemoryLogRecordExporter()
        provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            emit(provider, scope, call, as_record)
        [record] = exporter.get_finished_logs()
        exported.append((record.to_json(), record.instrumentation_scope, record.dropped_attributes))
    assert exported[0] == exported[1]


@given(limits, scopes, arguments, st.booleans())
def test_our_bytes_say_the_same(found: Any, scope: Any, call: dict[str, Any], as_record: bool) -> None:
    sdk = SdkLoggerProvider(resource=Resource({}), shutdown_on_exit=False, log_record_limits=found)
    exporter = InMemoryLogRecordExporter()
    sdk.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        emit(sdk, scope, call, as_record)
    [theirs] = encode_logs(exporter.get_finished_logs()).resource_logs
    kept: list[Any] = []
    outlet.install(immediate=[kept.append])
    try:
        emit(LoggerProvider(shutdown_on_exit=False, log_record_limits=found), scope, call, as_record)
    finally:
        outlet.remove()
    [ours] = ExportLogsServiceRequest.FromString(otlp.logs(kept, otlp.resource_bytes({}))).resource_logs
    assert ours.scope_logs == theirs.scope_logs


def test_an_exception_is_written_the_same_way() -> None:
    kept: list[Any] = []
    outlet.install(immediate=[kept.append])
    sdk = SdkLoggerProvider(resource=Resource({}), shutdown_on_exit=False)
    exporter = InMemoryLogRecordExporter()
    sdk.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    try:
        try:
            raise LookupError("nothing")
        except LookupError as error:
            for provider in (sdk, LoggerProvider(shutdown_on_exit=False)):
                provider.get_logger("x").emit(body="b", exception=error, attributes={"exception.message": "mine"})
    finally:
        outlet.remove()
    [record] = exporter.get_finished_logs()
    assert otlp.log_attributes(kept[0]) == dict(record.log_record.attributes or {})
