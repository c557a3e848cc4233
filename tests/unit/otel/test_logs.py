"""OpenTelemetry's logs API over obsv: every parameter, the SDK's processors, and nothing that raises."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import _logs, trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import Logger as SdkLogger
from opentelemetry.sdk._logs import LoggerProvider as SdkLoggerProvider
from opentelemetry.sdk._logs import LogRecordLimits, LogRecordProcessor, ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk._logs.export import (
    BatchLogRecordProcessor,
    InMemoryLogRecordExporter,
    SimpleLogRecordProcessor,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

import obsv
from obsv.hotpath import faults
from obsv.logs import outlet
from obsv.otel import LoggerProvider
from obsv.testing import Capture, capture
from programs import FORKS, run

if TYPE_CHECKING:
    from collections.abc import Iterator

REMOTE = SpanContext(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, True, TraceFlags(1))


@pytest.fixture
def seen() -> Iterator[Capture]:
    faults.reset()
    with capture(patch=False) as captured:
        yield captured
    faults.reset()


@pytest.fixture
def provider(seen: Capture) -> Iterator[LoggerProvider]:
    made = LoggerProvider(shutdown_on_exit=False)
    yield made
    made.shutdown()


@pytest.fixture
def logger(provider: LoggerProvider) -> Any:
    return provider.get_logger("shop", "1.2", "https://schema", {"team": "pay"})


class Keeping(LogRecordProcessor):
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.records: list[ReadWriteLogRecord] = []
        self.ends: list[str] = []

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        self.records.append(log_record)

    def shutdown(self) -> None:
        self.ends.append("shutdown")

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        self.ends.append("flush")
        return True


class Failing(LogRecordProcessor):
    """Raises whatever is asked of it."""

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        raise RuntimeError("no")

    def shutdown(self) -> None:
        raise RuntimeError("no")

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        raise RuntimeError("no")


# ---------------------------------------------------------------------- what is emitted


def test_every_argument_arrives(seen: Capture, logger: Any) -> None:
    with obsv.span("work") as work:
        logger.emit(
            timestamp=5,
            observed_timestamp=7,
            severity_number=SeverityNumber.WARN2,
            severity_text="careful",
            body={"order": [1, b"x", None]},
            attributes={"a": 1, "b": ["x"], "": "no name"},
            event_name="order.placed",
        )
    [record] = seen.logs
    assert (record.time_ns, record.observed_ns, record.timed) == (5, 7, True)
    assert (record.severity, record.level, record.event_name) == (14, "careful", "order.placed")
    assert record.body == {"order": (1, b"x", None)}
    assert (record.fields, record.dropped) == ({"a": 1, "b": ("x",)}, 1)
    assert (record.trace_id, record.span_id, record.flags) == (work.trace_id, work.span_id, work.flags)
    scope = record.scope
    assert scope is not None
    assert (scope.name, scope.version, scope.schema_url, scope.attributes) == (
        "shop",
        "1.2",
        "https://schema",
        {"team": "pay"},
    )


def test_nothing_given_is_a_record_too(seen: Capture, logger: Any) -> None:
    logger.emit()
    [record] = seen.logs
    assert (record.body, record.severity, record.level, record.fields, record.timed) == (None, 0, "", None, False)
    assert record.observed_ns == record.time_ns > 1_600_000_000 * 10**9
    assert (record.trace_id, record.span_id) == (None, None)


@pytest.mark.parametrize("by", ["context", "current", "record"])
def test_the_span_of_a_context(by: str, seen: Capture, logger: Any) -> None:
    context = trace.set_span_in_context(NonRecordingSpan(REMOTE))
    with obsv.span("current"):
        if by == "context":
            logger.emit(body="x", context=context)
        elif by == "record":
            logger.emit(LogRecord(body="x", context=context))
    if by == "current":
        with trace.use_span(NonRecordingSpan(REMOTE)):
            logger.emit(body="x")
    [record] = seen.logs
    assert (record.trace_id, record.span_id) == (f"{REMOTE.trace_id:032x}", f"{REMOTE.span_id:016x}")
    assert record.flags == 1


def test_an_exception(seen: Capture, logger: Any) -> None:
    try:
        raise KeyError("k")
    except KeyError as error:
        logger.emit(body="failed", exception=error)
        logger.emit(LogRecord(body="failed", exception=error))
    for record in seen.logs:
        assert record.error is not None
        assert (record.error.type, record.error.message) == ("KeyError", "'k'")
        assert "in test_an_exception" in record.error.text()


def test_what_cannot_be_used_is_left_out(seen: Capture, logger: Any) -> None:
    class Bad:
        def __str__(self) -> str:
            raise RuntimeError

    odd: Any = Bad()
    logger.emit(timestamp="now", observed_timestamp=-1, severity_number=99, body=odd, attributes={"a": odd, odd: 1})
    logger.emit(body="x", attributes=[1], exception="no exception", context=5, event_name=odd, severity_text=odd)
    first, second = seen.logs
    note = "<Bad: its text cannot be read>"
    assert (first.timed, first.severity, first.body, first.fields) == (False, 0, note, {"a": note, note: 1})
    assert (second.body, second.fields, second.error, second.trace_id) == ("x", None, None, None)
    assert (second.event_name, second.level) == (note, note)


def test_limits(seen: Capture) -> None:
    provider = LoggerProvider(
        shutdown_on_exit=False,
        log_record_limits=LogRecordLimits(max_log_record_attributes=2, max_log_record_attribute_length=3),
    )
    provider.get_logger("shop").emit(attributes={"a": 1, "b": "long text", "c": ["long text"]})
    [record] = seen.logs
    assert (record.fields, record.dropped) == ({"b": "lon", "c": ("lon",)}, 1)


def test_limits_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "1")
    monkeypatch.setenv("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "2")
    with capture(patch=False) as seen:
        LoggerProvider(shutdown_on_exit=False).get_logger("shop").emit(attributes={"a": 1, "b": "text"})
    assert seen.logs[0].fields == {"b": "te"}
    alone = LoggerProvider(shutdown_on_exit=False)  # obsv is off
    assert (alone.limits().count, alone.limits().length) == (1, 2)


def test_lines_of_records_that_have_no_text(seen: Capture, logger: Any) -> None:
    from obsv.logs.jsonlines import JsonLines

    logger.emit(body={"a": [1]}, severity_number=SeverityNumber.FATAL, event_name="e")
    logger.emit(event_name="order.placed")
    lines = [JsonLines({}).line(record) for record in seen.logs]
    assert '"level":"CRITICAL","logger":"shop","message":{"a":[1]},"event.name":"e"' in lines[0]
    assert '"level":"NOTSET","logger":"shop","message":"order.placed","event.name":"order.placed"' in lines[1]


# ---------------------------------------------------------------------- the provider


def test_it_is_the_sdks_and_the_apis(provider: LoggerProvider, logger: Any) -> None:
    assert isinstance(provider, SdkLoggerProvider)
    assert isinstance(provider, _logs.LoggerProvider)
    assert isinstance(logger, SdkLogger)
    assert isinstance(logger, _logs.Logger)


def test_loggers_are_remembered_but_not_without_end(provider: LoggerProvider) -> None:
    assert provider.get_logger("a") is provider.get_logger("a")
    assert provider.get_logger("a") is not provider.get_logger("a", "1")
    for number in range(3000):
        provider.get_logger(str(number))
    assert len(provider._logger_cache) == 1000


def test_a_configurator_switches_loggers_off(seen: Capture, provider: LoggerProvider) -> None:
    class Config:
        def __init__(self, on: bool) -> None:
            self.is_enabled = on

    quiet, loud = provider.get_logger("quiet"), provider.get_logger("loud")
    provider._set_logger_configurator(logger_configurator=lambda scope: Config(scope.name != "quiet"))
    quiet.emit(body="x")
    loud.emit(body="y")
    assert (quiet.enabled(), loud.enabled()) == (False, True)
    assert [record.body for record in seen.logs] == ["y"]


def test_disabled_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert isinstance(LoggerProvider(shutdown_on_exit=False).get_logger("x"), _logs.NoOpLogger)


def test_without_obsv_and_processors_nobody_takes_records() -> None:
    logger = LoggerProvider(shutdown_on_exit=False).get_logger("x")
    assert logger.enabled() is False
    logger.emit(body="x")


# ---------------------------------------------------------------------- the SDK's processors


def test_a_processor_sees_records_of_loggers_that_exist(provider: LoggerProvider, logger: Any) -> None:
    keeping = Keeping()
    provider.add_log_record_processor(keeping)
    logger.emit(body="x", attributes={"a": 1}, severity_number=SeverityNumber.INFO)
    [record] = keeping.records
    assert isinstance(record, ReadWriteLogRecord)
    assert (record.log_record.body, dict(record.log_record.attributes or {})) == ("x", {"a": 1})
    assert record.instrumentation_scope is not None
    assert (record.instrumentation_scope.name, record.instrumentation_scope.version) == ("shop", "1.2")
    assert record.resource is provider.resource
    assert provider.resource.attributes["service.name"] == "test"


def test_what_a_processor_changes_is_what_leaves(seen: Capture, provider: LoggerProvider, logger: Any) -> None:
    class Masking(Keeping):
        def on_emit(self, log_record: ReadWriteLogRecord) -> None:
            log_record.log_record.body = "masked"
            log_record.log_record.attributes["card"] = "***"  # type: ignore[index]

    provider.add_log_record_processor(Masking())
    try:
        raise ValueError("x")
    except ValueError as error:
        logger.emit(body="1234", attributes={"card": "1234", "n": 1}, exception=error)
    [record] = seen.logs
    assert (record.body, record.fields) == ("masked", {"card": "***", "n": 1})
    assert record.error is not None
    assert (record.error.type, record.error.message) == ("ValueError", "x")


@pytest.mark.parametrize("kind", [SimpleLogRecordProcessor, BatchLogRecordProcessor])
def test_the_sdks_own_processors(kind: Any, provider: LoggerProvider, logger: Any) -> None:
    exporter = InMemoryLogRecordExporter()
    provider.add_log_record_processor(kind(exporter))
    with obsv.span("work") as work:
        logger.emit(body="x")
    assert provider.force_flush()
    [record] = exporter.get_finished_logs()
    assert isinstance(record, ReadableLogRecord)
    assert record.log_record.span_id == work.id64
    assert '"body": "x"' in record.to_json()


def test_a_processor_that_raises_is_told_and_contained(
    seen: Capture, provider: LoggerProvider, logger: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    keeping = Keeping()
    provider.add_log_record_processor(Failing())
    provider.add_log_record_processor(keeping)
    logger.emit(body="x")
    logger.emit(body="y")
    assert provider.force_flush() is False
    provider.shutdown()
    assert [record.log_record.body for record in keeping.records] == ["x", "y"]
    assert keeping.ends == ["flush", "shutdown"]
    assert [record.body for record in seen.logs] == ["x", "y"]
    told = capfd.readouterr().err
    assert told.count("a log record processor failed in on_emit: RuntimeError: no") == 1
    logger.emit(body="after the shutdown")


def test_records_made_inside_of_a_processor_come_after_it(seen: Capture, provider: LoggerProvider, logger: Any) -> None:
    inside = 0

    class Logging(Keeping):
        def on_emit(self, log_record: ReadWriteLogRecord) -> None:
            nonlocal inside
            assert inside == 0  # never called inside of itself
            inside += 1
            super().on_emit(log_record)
            logger.emit(body=f"about {log_record.log_record.body}")
            inside -= 1

    before = outlet.lost().get("logged while logging", 0)
    keeping = Logging()
    provider.add_log_record_processor(keeping)
    logger.emit(body="x")
    assert [record.log_record.body for record in keeping.records] == ["x", "about x"]
    assert [record.body for record in seen.logs] == ["x", "about x"]
    assert outlet.lost()["logged while logging"] == before + 1


def test_a_record_of_the_sdk_is_taken_as_it_is(seen: Capture, provider: LoggerProvider, logger: Any) -> None:
    logger.emit(ReadWriteLogRecord(LogRecord(body="x", attributes={"a": 1}), resource=Resource({})))
    keeping = Keeping()
    provider.add_log_record_processor(keeping)
    given = ReadWriteLogRecord(LogRecord(body="y"), resource=Resource({}))
    logger.emit(given)
    assert keeping.records[0] is given
    assert [(record.body, record.fields) for record in seen.logs] == [("x", {"a": 1}), ("y", None)]


# ---------------------------------------------------------------------- with handlers of the SDK's


def test_a_logging_handler_of_the_sdks_doubles_nothing() -> None:
    from opentelemetry.sdk._logs import LoggingHandler

    with capture(patch="logging") as seen:
        provider = LoggerProvider(shutdown_on_exit=False)
        keeping = Keeping()
        provider.add_log_record_processor(keeping)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            handler = LoggingHandler(logger_provider=provider)
        root = logging.getLogger()
        try:
            for place in (lambda: root.handlers.append(handler), lambda: root.handlers.insert(0, handler)):
                place()
                logging.getLogger("shop.orders").warning("late", extra={"n": 1})
                root.removeHandler(handler)
            alone = logging.getLogger("shop.alone")
            alone.propagate = False
            alone.addHandler(handler)
            alone.warning("by one way only")
        finally:
            root.removeHandler(handler)
            logging.getLogger("shop.alone").removeHandler(handler)
            logging.getLogger("shop.alone").propagate = True
        ours = [record for record in seen.logs if record.logger.startswith("shop")]
    assert [record.body for record in ours] == ["late", "late", "by one way only"]
    assert [record.fields for record in ours[:2]] == [{"n": 1}] * 2 or ours[1].fields is not None
    assert all(record.code is not None for record in ours)
    assert [record.log_record.body for record in keeping.records] == ["late", "late", "by one way only"]


# ---------------------------------------------------------------------- in programs


def test_init_installs_it_and_loads_no_sdk() -> None:
    done = run(
        """
        import sys, obsv
        obsv.init("shop", traces="none", metrics="none", logs="json")
        assert not [name for name in sys.modules if name.startswith("opentelemetry")]
        from opentelemetry import _logs
        logger = _logs.get_logger("lib", "1")
        with obsv.span("work"):
            logger.emit(body="hello", attributes={"n": 1})
        assert _logs.get_logger_provider().force_flush()
        assert not [name for name in sys.modules if name.startswith("opentelemetry.sdk")]
        from opentelemetry.sdk._logs import LoggerProvider
        assert isinstance(_logs.get_logger_provider(), LoggerProvider)
        """
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert '"logger":"lib","message":"hello"' in done.stdout
    assert '"n":1' in done.stdout


def test_a_provider_that_is_set_already_stays_and_is_told() -> None:
    done = run(
        """
        from opentelemetry import _logs
        from opentelemetry.sdk._logs import LoggerProvider
        theirs = LoggerProvider()
        _logs.set_logger_provider(theirs)
        import obsv
        obsv.init("shop", traces="none", metrics="none", logs="json")
        assert _logs.get_logger_provider() is theirs
        """
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("an OpenTelemetry logger provider is set already (opentelemetry.sdk._logs") == 1


def test_a_forked_child_has_a_resource_of_its_own() -> None:
    done = run(
        """
        import os
        from opentelemetry.sdk.resources import Resource
        from obsv.otel import LoggerProvider
        provider = LoggerProvider()
        logger = provider.get_logger("x")
        before = provider.resource
        if os.fork() == 0:
            logger.emit(body="in the child")
            os._exit(0 if logger.resource is provider.resource else 1)
        assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
        assert provider.resource is before
        """,
        **FORKS,  # the SDK asks its detectors in threads, which may not have ended yet
        OTEL_EXPERIMENTAL_RESOURCE_DETECTORS="process",
    )
    assert (done.returncode, done.stderr) == (0, "")
