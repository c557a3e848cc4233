"""structlog, patched: its events leave through obsv too, once, and are rendered as before."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import structlog

import obsv
from obsv import patches
from obsv.testing import Capture, capture
from unpatched import ORDERS, functions

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGETS = ("structlog._base:BoundLoggerBase._process_event", "structlog._base:BoundLoggerBase._proxy_to_logger")


@pytest.fixture
def seen() -> Iterator[Capture]:
    structlog.reset_defaults()
    with capture(patch="structlog,logging") as captured:
        yield captured
    structlog.reset_defaults()


def printing(*processors: Any) -> io.StringIO:
    """Configures structlog to print JSON, and returns where to."""
    out = io.StringIO()
    structlog.configure(
        processors=[*processors, structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(out),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    return out


def on_logging(*last: Any) -> None:
    """Configures structlog to stand on `logging`, as its documentation says."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            *last,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


LAST = [
    [structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    [structlog.processors.JSONRenderer()],
    [structlog.stdlib.render_to_log_kwargs],
]


def test_an_event(seen: Capture) -> None:
    out = printing(structlog.processors.add_log_level, structlog.processors.TimeStamper())
    with obsv.span("work") as work:
        structlog.get_logger().bind(order=7).warning("late", days=[1, 2])
    structlog.get_logger().debug("below the level")
    [record] = seen.logs
    assert (record.body, record.level, record.severity, record.logger) == ("late", "WARNING", 13, __name__)
    assert record.fields == {"order": 7, "days": (1, 2)}
    assert (record.trace_id, record.span_id) == (work.trace_id, work.span_id)
    assert record.code is not None
    assert (record.code[0], record.code[2]) == (__file__, "test_an_event")
    rendered = json.loads(out.getvalue())
    assert rendered.pop("timestamp")
    assert rendered == {"order": 7, "days": [1, 2], "event": "late", "level": "warning"}


def test_an_exception(seen: Capture) -> None:
    out = printing(structlog.processors.format_exc_info)
    try:
        raise KeyError("k")
    except KeyError:
        structlog.get_logger().exception("failed")
    [record] = seen.logs
    assert record.error is not None
    assert (record.error.type, record.level, record.fields) == ("KeyError", "ERROR", None)
    assert "KeyError: 'k'" in json.loads(out.getvalue())["exception"]


def test_what_processors_mask_add_and_drop(seen: Capture) -> None:
    def mask(logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
        if event["event"] == "dropped":
            raise structlog.DropEvent
        return {**event, "password": "***"}

    printing(structlog.contextvars.merge_contextvars, mask)
    with structlog.contextvars.bound_contextvars(request="r-1"):
        structlog.get_logger().info("login", password="hunter2")
        structlog.get_logger().info("dropped")
    [record] = seen.logs
    assert record.fields == {"password": "***", "request": "r-1"}


def test_fields_that_are_named_like_those_of_processors_stay(seen: Capture) -> None:
    printing()
    structlog.get_logger().info("x", level="gold", timestamp=5)
    assert seen.logs[0].fields == {"level": "gold", "timestamp": 5}


@pytest.mark.parametrize("last", LAST)
def test_on_logging_it_leaves_once(last: Any, seen: Capture) -> None:
    on_logging(*last)
    logging.getLogger("shop.quiet").setLevel(logging.ERROR)
    try:
        with obsv.span("work") as work:
            structlog.get_logger("shop.orders").warning("late %s", "again", order=7)
            structlog.get_logger("shop.quiet").warning("below the level")
            logging.getLogger("shop.plain").warning("late again")
    finally:
        logging.getLogger("shop.quiet").setLevel(logging.NOTSET)
    event, plain = seen.logs
    assert (event.body, event.level, event.logger) == ("late again", "WARNING", "shop.orders")
    assert event.fields == {"order": 7}
    assert event.span_id == work.span_id
    assert event.code is not None
    assert event.code[0] == __file__
    assert (plain.body, plain.fields) == ("late again", None)


@pytest.mark.parametrize("last", LAST)
def test_an_exception_on_logging(last: Any, seen: Capture) -> None:
    on_logging(*last)
    try:
        raise KeyError("k")
    except KeyError:
        structlog.get_logger("shop").exception("failed")
    [record] = seen.logs
    assert record.error is not None
    assert (record.error.type, record.body) == ("KeyError", "failed")


async def test_awaited_methods(seen: Capture) -> None:
    printing()
    with obsv.span("work") as work:
        await structlog.get_logger().ainfo("hello", n=1)
        await asyncio.sleep(0)
    [record] = seen.logs
    assert (record.body, record.fields, record.span_id) == ("hello", {"n": 1}, work.span_id)
    assert record.code is not None
    assert record.code[2] == "test_awaited_methods"


def test_a_processor_that_raises_raises_as_before(seen: Capture) -> None:
    def bad(logger: Any, method: str, event: Any) -> Any:
        raise ZeroDivisionError

    printing(bad)
    with pytest.raises(ZeroDivisionError):
        structlog.get_logger().info("x")
    assert seen.logs == []


def test_unpatching_restores() -> None:
    before = functions(*TARGETS)
    with capture(patch="structlog") as seen:
        assert all(function is not before[target] for target, function in functions(*TARGETS).items())
        obsv.unpatch("structlog")
        assert functions(*TARGETS) == before
        structlog.get_logger().info("x")
    assert seen.logs == []
    assert functions(*TARGETS) == before


def test_capturing_may_be_switched_off() -> None:
    with capture(patch="structlog", config={"signals": False, "log_capture": False}) as seen:
        structlog.get_logger().info("x")
    assert seen.logs == []


def test_an_older_version_is_left_alone(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("obsv.patches._patch.Patch.version", lambda patch: "20.2.0")
    before = functions(*TARGETS)
    with capture(patch="structlog"):
        assert "version 20.2.0 is installed" in patches.REGISTRY["structlog"].state()
        assert functions(*TARGETS) == before


@pytest.mark.parametrize("order", ORDERS)
def test_the_order_of_imports_does_not_matter(order: str) -> None:
    init = "import obsv; obsv.init('shop', traces='none', metrics='none', logs='json')\n"
    imports = "import structlog\n"
    code = (imports + init if order == "library first" else init + imports) + (
        "import sys\nstructlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))\n"
        "with obsv.span('work'):\n    structlog.get_logger().info('hello')\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert (done.stdout.count("hello"), done.stderr.count("hello")) == (1, 1)
    assert '"trace_id":' in done.stdout
