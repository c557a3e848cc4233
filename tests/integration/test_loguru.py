"""loguru, patched: its records leave through obsv too, and its own sinks print as before."""

from __future__ import annotations

import copy
import io
import logging
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from loguru import logger

import obsv
from obsv import patches
from obsv.testing import Capture, capture
from unpatched import ORDERS

if TYPE_CHECKING:
    from collections.abc import Iterator


def handlers() -> dict[int, Any]:
    return dict(logger._core.handlers)  # type: ignore[attr-defined]


@pytest.fixture
def seen() -> Iterator[Capture]:
    before = handlers()
    with capture(patch="loguru,logging") as captured:
        yield captured
    logger._core.handlers = before  # type: ignore[attr-defined]


def test_a_record(seen: Capture) -> None:
    with obsv.span("work") as work:
        logger.bind(order=7).info("paid {}", 12, currency="EUR")
    [record] = seen.logs
    assert (record.body, record.level, record.severity, record.logger) == ("paid 12", "INFO", 9, __name__)
    assert record.fields == {"order": 7, "currency": "EUR"}
    assert (record.trace_id, record.span_id) == (work.trace_id, work.span_id)
    assert record.code is not None
    assert (record.code[0], record.code[2]) == (__file__, "test_a_record")


def test_an_exception_and_levels_of_loguru(seen: Capture) -> None:
    try:
        raise KeyError("k")
    except KeyError:
        logger.exception("failed")
    logger.success("done")
    logger.trace("below the level")
    failed, done = seen.logs
    assert failed.error is not None
    assert (failed.error.type, failed.severity) == ("KeyError", 17)
    assert (done.level, done.severity) == ("SUCCESS", 12)


@pytest.mark.parametrize("how", ["remove", "configure", "each"])
def test_taking_all_sinks_off_does_not_end_it(how: str, seen: Capture) -> None:
    out = io.StringIO()
    if how == "remove":
        logger.remove()
        logger.add(out, format="{message}")
    elif how == "configure":
        logger.configure(handlers=[{"sink": out, "format": "{message}"}])
    else:
        for number in handlers():
            logger.remove(number)
        logger.add(out, format="{message}")
    logger.info("x")
    assert [record.body for record in seen.logs] == ["x"]
    assert out.getvalue() == "x\n"


def test_the_programs_sinks_see_what_they_saw(seen: Capture) -> None:
    out = io.StringIO()
    mine = logger.add(out, format="{level} {message} {extra}", level="WARNING")
    logger.info("quiet")
    logger.bind(a=1).warning("loud")
    logger.remove(mine)
    with pytest.raises(ValueError, match="There is no existing handler"):
        logger.remove(mine)
    assert out.getvalue() == "WARNING loud {'a': 1}\n"
    assert [record.body for record in seen.logs] == ["quiet", "loud"]


def test_unpatching_leaves_loguru_as_it_was() -> None:
    function, before = type(logger).remove, handlers()
    with capture(patch="loguru") as seen:
        assert len(handlers()) == len(before) + 1
        obsv.unpatch("loguru")
        assert handlers() == before
        assert type(logger).remove is function
        logger.info("x")
        obsv.patch("loguru")
        logger.info("y")
    assert [record.body for record in seen.logs] == ["y"]
    assert handlers() == before


def test_without_a_sink_for_logs_and_without_capturing_nothing_is_added() -> None:
    before = handlers()
    with capture(patch="loguru", logs="none"):
        assert handlers() == before
    with capture(patch="loguru", config={"signals": False, "log_capture": False}):
        assert handlers() == before


def test_from_logging_to_loguru_it_leaves_once(seen: Capture) -> None:
    class Intercept(logging.Handler):
        """The recipe of loguru's documentation."""

        def emit(self, record: logging.LogRecord) -> None:
            logger.opt(depth=6, exception=record.exc_info).log(record.levelname, record.getMessage())

    root, intercept = logging.getLogger(), Intercept()
    try:
        for place in (root.handlers.append, lambda handler: root.handlers.insert(0, handler)):
            place(intercept)
            logging.getLogger("shop").warning("by both ways")
            root.removeHandler(intercept)
        alone = logging.getLogger("shop.alone")
        alone.propagate = False
        alone.addHandler(intercept)
        alone.warning("by loguru only")
    finally:
        root.removeHandler(intercept)
        logging.getLogger("shop.alone").removeHandler(intercept)
        logging.getLogger("shop.alone").propagate = True
    assert [record.body for record in seen.logs] == ["by both ways", "by both ways", "by loguru only"]


def test_from_loguru_to_logging_it_leaves_once(seen: Capture) -> None:
    class Propagate(logging.Handler):
        """The recipe of loguru's documentation."""

        def emit(self, record: logging.LogRecord) -> None:
            logging.getLogger(record.name).handle(record)

    mine = logger.add(Propagate(), format="{message}")
    logger.warning("x")
    logger.remove(mine)
    other = logger.add(lambda message: logging.getLogger("pool").warning("connecting"), format="{message}")
    logger.warning("y")
    logger.remove(other)
    assert sorted(record.body for record in seen.logs) == ["connecting", "x", "y"]


def test_the_logger_can_still_be_copied_and_pickled(seen: Capture) -> None:
    logger.remove()
    other = copy.deepcopy(logger)
    assert pickle.loads(pickle.dumps(logger)) is not None
    other.remove()
    other.info("nobody listens to the copy")
    assert seen.logs == []


def test_an_older_version_is_left_alone(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    import loguru

    monkeypatch.setattr(loguru, "__version__", "0.5.3")
    before = handlers()
    with capture(patch="loguru"):
        assert "version 0.5.3 is installed" in patches.REGISTRY["loguru"].state()
        assert handlers() == before


@pytest.mark.parametrize("order", ORDERS)
def test_the_order_of_imports_does_not_matter(order: str) -> None:
    init = "import obsv; obsv.init('shop', traces='none', metrics='none', logs='json')\n"
    imports = "from loguru import logger\n"
    code = (imports + init if order == "library first" else init + imports) + (
        "with obsv.span('work'):\n    logger.info('hello')\nobsv.shutdown()\nlogger.info('after')\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("hello") == 1
    assert '"trace_id":' in done.stdout
    assert done.stderr.count("hello") == 1
    assert (done.stdout.count("after"), done.stderr.count("after")) == (0, 1)
