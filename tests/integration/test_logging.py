"""The standard library's logging, patched: records carry the ids of the span, and leave through obsv."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import obsv
from obsv.testing import Capture, capture
from unpatched import ORDERS

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger("shop.orders")


@pytest.fixture
def seen() -> Iterator[Capture]:
    with capture(patch="logging") as captured:
        yield captured


def test_records_leave_with_the_ids_of_the_span(seen: Capture) -> None:
    with obsv.span("work") as work:
        log.warning("order %s is late", 7, extra={"order_id": 7})
    log.warning("outside")
    first, second = [record for record in seen.logs if record.logger == "shop.orders"]
    assert (first.body, first.level, first.fields) == ("order 7 is late", "WARNING", {"order_id": 7})
    assert (first.trace_hi, first.trace_lo, first.id64) == (work.trace_hi, work.trace_lo, work.id64)
    assert second.id64 == 0


def test_formatters_of_the_program_see_the_ids(seen: Capture) -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(logging.Formatter("%(otelTraceID)s %(otelSpanID)s %(otelServiceName)s %(message)s"))
    log.addHandler(handler)
    try:
        with obsv.span("work") as work:
            log.error("x")
        log.error("y")
    finally:
        log.removeHandler(handler)
    assert out.getvalue() == f"{work.trace_id} {work.span_id} test x\n0 0 test y\n"


def test_extra_may_have_any_name_that_it_had_before(seen: Capture) -> None:
    log.error("x", extra={"trace_id": "mine", "span_id": "mine", "service": "mine"})
    [record] = [record for record in seen.logs if record.logger == "shop.orders"]
    assert record.fields == {"trace_id": "mine", "span_id": "mine", "service": "mine"}


def test_capturing_may_be_switched_off() -> None:
    with capture(patch="logging", config={"signals": False, "log_capture": False}) as seen:
        handlers = list(logging.getLogger().handlers)
        log.error("x")
        assert [type(handler).__module__ for handler in handlers if "obsv" in type(handler).__module__] == []
        record = logging.getLogRecordFactory()("n", 20, "p", 1, "m", (), None)
        assert record.otelSpanID == "0"  # type: ignore[attr-defined]
    assert [record for record in seen.logs if record.logger == "shop.orders"] == []


def test_without_a_sink_for_logs_the_programs_logging_is_left_alone() -> None:
    before = (logging.getLogger().level, list(logging.getLogger().handlers))
    with capture(patch="logging", logs="none"):
        assert (logging.getLogger().level, list(logging.getLogger().handlers)) == before


def test_unpatching_restores_the_factory_and_the_root_logger() -> None:
    factory, root = logging.getLogRecordFactory(), logging.getLogger()
    before = (root.level, list(root.handlers))
    with capture(patch="logging"):
        assert logging.getLogRecordFactory() is not factory
        obsv.unpatch("logging")
        assert logging.getLogRecordFactory() is factory
        assert (root.level, list(root.handlers)) == before
    assert logging.getLogRecordFactory() is factory


@pytest.mark.parametrize("order", ORDERS)
def test_the_order_of_imports_does_not_matter(order: str) -> None:
    init = "import obsv; obsv.init('shop', traces='none', metrics='none', logs='json')\n"
    imports = "import logging\n"
    code = (imports + init if order == "library first" else init + imports) + (
        "with obsv.span('work') as span:\n    logging.getLogger('a').info('hello')\nobsv.flush()\nobsv.shutdown()\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, env=os.environ
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("hello") == 1


def test_a_configured_terminal_handler_does_not_double_lines() -> None:
    code = (
        "import logging, sys\nlogging.basicConfig(level='INFO', stream=sys.stdout)\n"
        "import obsv; obsv.init('shop', traces='none', metrics='none', logs='json')\n"
        "logging.info('hello')\nobsv.shutdown()\nlogging.info('after')\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, env=os.environ
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (done.stdout.count("hello"), done.stdout.count("INFO:root:after")) == (1, 1)


NAMES = ("otelTraceID", "otelSpanID", "otelTraceSampled", "otelServiceName")


@pytest.mark.parametrize("name", NAMES)
def test_extra_may_name_what_obsv_adds(name: str, seen: Capture, caplog: pytest.LogCaptureFixture) -> None:
    with obsv.span("work") as work, caplog.at_level("INFO"):
        log.error("x", extra={name: "mine", "n": 1})
        made = log.makeRecord("n", 20, "p", 1, "m", (), None, extra={name: "mine"})
    [record] = [record for record in seen.logs if record.logger == "shop.orders"]
    assert record.fields == {"n": 1}
    assert record.span_id == work.span_id
    shown = caplog.records[-1]
    assert getattr(shown, name) == getattr(made, name) == "mine"
    others = {other: hasattr(shown, other) for other in NAMES}
    assert all(others.values()), others


def test_a_logger_class_with_a_check_of_its_own_works_too(seen: Capture) -> None:
    class Own(logging.Logger):
        def makeRecord(self, name, level, fn, lno, msg, args, exc_info, func=None, extra=None, sinfo=None):  # type: ignore[no-untyped-def]
            record = logging.getLogRecordFactory()(name, level, fn, lno, msg, args, exc_info, func, sinfo)
            for key in extra or ():
                if key in record.__dict__:
                    raise KeyError(key)
            record.__dict__.update(extra or {})
            return record

    own = Own("own")
    record = own.makeRecord("own", 20, "f", 1, "m", (), None, extra={"otelTraceID": "mine"})
    assert record.otelTraceID == "mine"  # type: ignore[attr-defined]
    plain = own.makeRecord("own", 20, "f", 1, "m", (), None)
    assert plain.otelTraceID == "0"  # type: ignore[attr-defined]


def test_a_bad_extra_is_refused_as_ever(seen: Capture) -> None:
    with pytest.raises(KeyError):
        log.error("x", extra={"message": 1, "otelTraceID": 1})
