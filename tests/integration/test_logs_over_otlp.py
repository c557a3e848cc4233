"""Whatever a program logs with, a collector gets it: real programs, real requests, read by OpenTelemetry's classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from collectors import plain, plain_attributes
from programs import run, to

if TYPE_CHECKING:
    from collectors import Collector

WAYS = {
    "logging": "import logging\ndef fail(): logging.getLogger('shop').exception('failed', extra={'order': 7})\n",
    "structlog": (
        "import structlog\nstructlog.configure(logger_factory=structlog.ReturnLoggerFactory())\n"
        "def fail(): structlog.get_logger().exception('failed', order=7)\n"
    ),
    "loguru": "from loguru import logger\nlogger.remove()\ndef fail(): logger.bind(order=7).exception('failed')\n",
    "opentelemetry": (
        "import sys\nfrom opentelemetry import _logs\nfrom opentelemetry._logs import SeverityNumber\n"
        "def fail(): _logs.get_logger('shop').emit(body='failed', exception=sys.exception(), event_name='e',\n"
        "    severity_number=SeverityNumber.ERROR, severity_text='ERROR',\n"
        "    attributes={'order': 7, 'code.file.path': '<string>', 'code.line.number': 1,\n"
        "                'code.function.name': 'fail'})\n"
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_failure_arrives_with_all_that_is_known(way: str, otlp_collector: Collector) -> None:
    done = run(
        "import obsv\nobsv.init('shop')\n"
        + WAYS[way]
        + "with obsv.span('work') as span:\n"
        + "    try: {}['k']\n    except KeyError: fail()\n    print(span.trace_id, span.span_id)\nobsv.shutdown()\n",
        **to(otlp_collector, OBSV_LOGS="otlp", OBSV_METRICS="none", OBSV_TRACES="none", OBSV_PATCH="true"),
    )
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    requests = [request.message for request in otlp_collector.requests if request.signal == "logs"]
    found: list[Any] = [
        record
        for request in requests
        for resource in request.resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    ]
    [record] = found
    trace_id, span_id = done.stdout.split()
    assert (record.trace_id.hex(), record.span_id.hex()) == (trace_id, span_id)
    assert (plain(record.body), record.severity_number, record.severity_text) == ("failed", 17, "ERROR")
    assert record.event_name == ("e" if way == "opentelemetry" else "")
    attributes = plain_attributes(record.attributes)
    assert attributes.pop("exception.stacktrace").endswith("KeyError: 'k'\n")
    assert attributes.pop("code.line.number") > 0
    assert attributes == {
        "order": 7,
        "exception.type": "KeyError",
        "exception.message": "'k'",
        "code.file.path": "<string>",
        "code.function.name": "fail",
    }
