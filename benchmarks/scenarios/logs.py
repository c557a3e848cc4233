"""Log lines: four fields, inside a span, JSON to a file with one write a line; and calls below the level."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any

from benchmarks.measure import BATCH, timed
from benchmarks.scenario import Less, Peer, Scenario

from ._setup import OBSV, POWERTOOLS, start_obsv

if TYPE_CHECKING:
    from collections.abc import Callable

PLACE = 3
STRUCTLOG, JSON_LOGGER, LOGURU = "structlog + orjson", "python-json-logger", "loguru"
STDLIB, THROUGH, WRITING = "logging, idle handler", "obsv through logging", "logging, only writes"

LINE = (
    b'{"timestamp":"2026-11-29T09:30:00.123Z","level":"INFO","logger":"bench","message":"order placed",'
    b'"service":"bench","trace_id":"6b036d2e90e77d39886631e40970b4a4","span_id":"0a5afbd6efad17ff",'
    b'"location":"/srv/shop/benchmarks/scenarios/logs.py:38",'
    b'"order_id":1234,"customer":"c-17","total":12.5,"express":true}\n'
)
"""A line as obsv writes it."""


def _keywords(info: Callable[..., object]) -> Callable[[int], None]:
    def run(count: int) -> None:
        for number in range(count):
            info("order placed", order_id=number, customer="c-17", total=12.5, express=True)

    return run


def _extra(info: Callable[..., object]) -> Callable[[int], None]:
    def run(count: int) -> None:
        for number in range(count):
            info("order placed", extra={"order_id": number, "customer": "c-17", "total": 12.5, "express": True})

    return run


def _lines(run: Callable[[int], None], operations: int, writes: bool = True) -> dict[str, float]:
    batches = max(1, operations // BATCH)
    run(100)
    took = sum(timed(run, BATCH) for _ in range(batches))
    return {"thread": took / batches / BATCH} | ({"lines": batches * BATCH} if writes else {})


def _obsv(url: str, operations: int) -> dict[str, float]:
    start_obsv(url, traces="memory", logs="json")
    import obsv

    with obsv.span("request"):
        return _lines(_keywords(obsv.get_logger("bench").info), operations)


def _through(url: str, operations: int) -> dict[str, float]:
    start_obsv(url, traces="memory", logs="json", patch="logging")
    import obsv

    logging.getLogger().setLevel(logging.INFO)
    with obsv.span("request"):
        return _lines(_extra(logging.getLogger("bench").info), operations)


def _powertools(url: str, operations: int) -> dict[str, float]:
    os.environ["_X_AMZN_TRACE_ID"] = "Root=1-6b036d2e-90e77d39886631e40970b4a4;Parent=0a5afbd6efad17ff;Sampled=1"
    from aws_lambda_powertools import Logger

    return _lines(_extra(Logger(service="bench").info), operations)


def _structlog(url: str, operations: int) -> dict[str, float]:
    """The lines carry the ids of a span of the SDK's, which goes nowhere."""
    log: Any = _structlogger()
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    with TracerProvider().get_tracer("bench").start_as_current_span("request"):
        assert trace.get_current_span().get_span_context().is_valid
        return _lines(_keywords(log.info), operations)


def _structlogger() -> Any:
    import orjson
    import structlog
    from opentelemetry.trace import format_span_id, format_trace_id, get_current_span

    def ids(logger: Any, method: str, event: Any) -> Any:
        context = get_current_span().get_span_context()
        event["trace_id"], event["span_id"] = format_trace_id(context.trace_id), format_span_id(context.span_id)
        return event

    structlog.configure(
        cache_logger_on_first_use=True,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            ids,
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        logger_factory=structlog.BytesLoggerFactory(),
    )
    return structlog.get_logger()


def _json_logger(url: str, operations: int) -> dict[str, float]:
    from pythonjsonlogger.json import JsonFormatter

    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    return _lines(_extra(_with(handler).info), operations)


def _with(handler: logging.Handler) -> logging.Logger:
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    return logging.getLogger("bench")


class Idle(logging.Handler):
    """Takes records and does nothing with them: what ``logging`` itself costs."""

    def emit(self, record: logging.LogRecord) -> None:
        """Do nothing."""


class Writing(logging.Handler):
    """Writes the same line whatever comes, with one ``write(2)``: what ``logging`` and the writing cost together."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write."""
        os.write(1, LINE)


def _stdlib(url: str, operations: int) -> dict[str, float]:
    return _lines(_extra(_with(Idle()).info), operations, writes=False)


def _stdlib_writing(url: str, operations: int) -> dict[str, float]:
    return _lines(_extra(_with(Writing()).info), operations)


def _loguru(url: str, operations: int) -> dict[str, float]:
    from loguru import logger

    logger.remove()
    logger.add(sys.stdout, serialize=True)
    return _lines(_keywords(logger.info), operations)


def _below(start: Callable[[str], Callable[..., object]]) -> Callable[[str, int], dict[str, float]]:
    def measure(url: str, operations: int) -> dict[str, float]:
        return _lines(_keywords(start(url)), operations, writes=False)

    return measure


def _below_extra(start: Callable[[str], Callable[..., object]]) -> Callable[[str, int], dict[str, float]]:
    def measure(url: str, operations: int) -> dict[str, float]:
        return _lines(_extra(start(url)), operations, writes=False)

    return measure


def _obsv_debug(url: str) -> Callable[..., object]:
    start_obsv(url, logs="json")
    import obsv

    return obsv.get_logger("bench").debug


def _powertools_debug(url: str) -> Callable[..., object]:
    from aws_lambda_powertools import Logger

    debug: Callable[..., object] = Logger(service="bench").debug
    return debug


def _structlog_debug(url: str) -> Callable[..., object]:
    debug: Callable[..., object] = _structlogger().bind().debug
    return debug


def _stdlib_debug(url: str) -> Callable[..., object]:
    return _with(Idle()).debug


def _loguru_debug(url: str) -> Callable[..., object]:
    from loguru import logger

    logger.remove()
    logger.add(sys.stdout, level="INFO", serialize=True)
    return logger.debug


SCENARIOS = (
    Scenario(
        "log_line",
        "Structured log line, four fields, inside a span, to a file",
        (
            Peer(OBSV, _obsv, "obsv"),
            Peer(THROUGH, _through, "obsv"),
            Peer(POWERTOOLS, _powertools, "aws"),
            Peer(STRUCTLOG, _structlog, "logs"),
            Peer(JSON_LOGGER, _json_logger, "logs"),
            Peer(LOGURU, _loguru, "logs"),
            Peer(STDLIB, _stdlib, "logs"),
            Peer(WRITING, _stdlib_writing, "logs"),
        ),
        20_000,
        (
            Less("thread", (POWERTOOLS,), 12),
            Less("thread", (STRUCTLOG,), 3),
            Less("thread", (JSON_LOGGER,), 2, THROUGH),
            Less("thread", (STDLIB,), 1 / 1.5, THROUGH),
        ),
    ),
    Scenario(
        "log_below_level",
        "Log call below the level, four fields",
        (
            Peer(OBSV, _below(_obsv_debug), "obsv"),
            Peer(POWERTOOLS, _below_extra(_powertools_debug), "aws"),
            Peer(STRUCTLOG, _below(_structlog_debug), "logs"),
            Peer(LOGURU, _below(_loguru_debug), "logs"),
            Peer("logging", _below_extra(_stdlib_debug), "logs"),
        ),
        100_000,
        (Less("thread", (POWERTOOLS, STRUCTLOG, LOGURU, "logging"), 1 / 1.3),),
    ),
)
