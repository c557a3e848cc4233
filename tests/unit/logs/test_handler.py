from __future__ import annotations

import logging
import logging.config
import logging.handlers
import queue
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from obsv.hotpath import span as spans
from obsv.logs import correlation
from obsv.logs.handler import ObsvHandler, install, uninstall

if TYPE_CHECKING:
    from obsv.hotpath.records import LogRecord

log = logging.getLogger("shop.orders")


@pytest.fixture(autouse=True)
def root(fresh_root: logging.Logger) -> logging.Logger:
    return fresh_root


class Bad:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


# ------------------------------------------------------------------------------------------------ one record


@pytest.mark.parametrize(
    ("number", "level", "severity"),
    [
        (logging.DEBUG, "DEBUG", 5),
        (logging.INFO, "INFO", 9),
        (logging.WARNING, "WARNING", 13),
        (logging.ERROR, "ERROR", 17),
        (logging.CRITICAL, "CRITICAL", 21),
        (25, "Level 25", 12),
    ],
)
def test_levels(records: list[LogRecord], number: int, level: str, severity: int) -> None:
    install("DEBUG")
    log.log(number, "m")
    assert (records[0].level, records[0].severity) == (level, severity)


def test_what_a_record_carries(records: list[LogRecord]) -> None:
    install()
    log.info("order %d of %s", 7, "me", extra={"order": 7, "tags": ["a"], "level": "gold"})
    (record,) = records
    assert (record.body, record.logger) == ("order 7 of me", "shop.orders")
    assert record.fields == {"order": 7, "tags": ["a"], "level": "gold"}
    assert record.code is not None
    assert (Path(record.code[0]).name, record.code[2]) == ("test_handler.py", "test_what_a_record_carries")
    assert abs(record.time_ns - time.time_ns()) < 60_000_000_000


def test_no_fields_is_none(records: list[LogRecord]) -> None:
    install()
    correlation.install_record_factory("shop")
    log.info("m")
    assert records[0].fields is None


def test_attributes_for_formatters_are_no_fields(records: list[LogRecord], root: logging.Logger) -> None:
    formatted = logging.StreamHandler(open("/dev/null", "w"))  # noqa: SIM115 - closed below
    formatted.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    root.addHandler(formatted)
    root.setLevel(logging.INFO)
    correlation.install_record_factory("shop")
    install()
    log.info("m", extra={"color_message": "\x1b[1mm\x1b[0m", "mine": 1})
    formatted.stream.close()
    assert records[0].fields == {"mine": 1}


def test_records_of_a_subclass(records: list[LogRecord]) -> None:
    class Own(logging.LogRecord):
        def __init__(self, *args: object, **kwargs: object) -> None:
            self.early = 1
            super().__init__(*args, **kwargs)  # type: ignore[arg-type]
            self.late = 2

        def getMessage(self) -> str:
            return "own " + super().getMessage()

    logging.setLogRecordFactory(Own)
    install()
    log.info("m")
    assert records[0].body == "own m"
    assert records[0].fields == {"early": 1, "late": 2}


def test_exceptions(records: list[LogRecord]) -> None:
    install()
    try:
        raise ValueError("boom")
    except ValueError as error:
        caught = error
        log.exception("failed")
    log.error("again", exc_info=caught)
    log.error("nothing is handled", exc_info=True)
    errors = [record.error and (record.error.type, record.error.message) for record in records]
    assert errors == [("ValueError", "boom"), ("ValueError", "boom"), None]


def test_stack_info(records: list[LogRecord]) -> None:
    install()
    log.info("m", stack_info=True)
    assert records[0].fields is not None
    assert records[0].fields["stack_info"].startswith("Stack (most recent call last):")


@pytest.mark.parametrize(
    ("template", "args", "expected"),
    [
        ("%d items", ("many",), "%d items ('many')"),
        ("%s and %s", (1,), "%s and %s (1)"),
        ("none", (1, 2), "none (1, 2)"),
        ("%(a)s", ({"b": 1},), "%(a)s ({'b': 1})"),
        ("%s", (Bad(),), "%s (<Bad: its text cannot be read>)"),
        ("100 %", (), "100 %"),
        (7, (), "7"),
        (None, (), "None"),
    ],
)
def test_messages(records: list[LogRecord], template: object, args: tuple[object, ...], expected: str) -> None:
    install()
    log.info(template, *args)
    assert records[0].body == expected


def test_a_message_without_text(records: list[LogRecord]) -> None:
    install()
    log.info(Bad())
    log.info(Bad(), 1)
    assert "Bad" in records[0].body
    assert "Bad" in records[1].body


def test_filters_of_the_handler(records: list[LogRecord]) -> None:
    added = install()
    added.addFilter(lambda record: "secret" not in record.getMessage())
    log.info("secret")
    log.info("open")
    assert [record.body for record in records] == ["open"]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="a filter may return a record since Python 3.12")
def test_a_filter_that_returns_another_record(records: list[LogRecord]) -> None:
    def masked(record: logging.LogRecord) -> Any:
        return logging.makeLogRecord({**record.__dict__, "msg": "masked"})

    added = install()
    added.addFilter(masked)
    log.info("secret")
    assert records[0].body == "masked"


# ------------------------------------------------------------------------------------------------ ids


def test_ids_of_the_current_span(records: list[LogRecord], tracing: None) -> None:
    install()
    with spans.span("s") as span:
        log.info("in")
    log.info("out")
    assert (records[0].trace_id, records[0].span_id) == (span.trace_id, span.span_id)
    assert records[1].trace_id is None


def test_ids_through_a_queue_listener(records: list[LogRecord], tracing: None, root: logging.Logger) -> None:
    correlation.install_record_factory("shop")
    waiting: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    listener = logging.handlers.QueueListener(waiting, ObsvHandler())
    sender = logging.handlers.QueueHandler(waiting)
    root.addHandler(sender)
    root.setLevel(logging.INFO)
    listener.start()
    try:
        with spans.span("s") as span:
            log.info("m %d", 1, extra={"a": 1})
        try:
            raise ValueError("boom")
        except ValueError:
            log.exception("failed")
    finally:
        listener.stop()
    assert (records[0].trace_id, records[0].span_id, records[0].flags & 1) == (span.trace_id, span.span_id, 1)
    assert records[0].body == "m 1"
    assert records[0].fields == {"a": 1}
    assert records[1].trace_id is None
    assert "ValueError: boom" in f"{records[1].fields} {records[1].body}"


def test_a_record_that_is_hardly_one(records: list[LogRecord]) -> None:
    ObsvHandler().handle(logging.makeLogRecord({"msg": "m", "name": 7, "levelname": ["x"], "pathname": None}))
    assert (records[0].body, records[0].logger, records[0].level, records[0].severity) == ("m", "7", "['x']", 9)
    assert records[0].code is None


def test_strange_attributes_are_no_ids(records: list[LogRecord]) -> None:
    record = logging.makeLogRecord({"msg": "m", "otelTraceID": "zebra", "otelSpanID": 5, "thread": 1})
    ObsvHandler().handle(record)
    assert records[0].trace_id is None


# ------------------------------------------------------------------------------------------------ threads of ours


@pytest.mark.parametrize(
    ("name", "kept"),
    [("obsv", 0), ("obsv.sinks.otlp", 0), ("urllib3.connectionpool", 0), ("urllib3", 0), ("obsvious", 1), ("shop", 1)],
)
def test_what_our_own_threads_log_is_dropped(records: list[LogRecord], name: str, kept: int) -> None:
    install("DEBUG")
    token = spans.attach(spans.SUPPRESSED)
    try:
        logging.getLogger(name).debug("Starting new HTTP connection")
    finally:
        spans.detach(token)
    assert len(records) == kept
    logging.getLogger(name).debug("in the program's own thread")
    assert len(records) == kept + 1


# ------------------------------------------------------------------------------------------------ installation


def test_an_unconfigured_root_gets_the_level_and_gives_it_back(root: logging.Logger) -> None:
    install("INFO")
    assert (len(root.handlers), root.level) == (1, logging.INFO)
    uninstall()
    assert (root.handlers, root.level) == ([], logging.WARNING)


@pytest.mark.parametrize("level", [logging.NOTSET, logging.DEBUG, logging.ERROR])
def test_a_root_level_of_the_programs_stays(root: logging.Logger, level: int) -> None:
    root.setLevel(level)
    install("INFO")
    assert root.level == level
    uninstall()
    assert root.level == level


def test_a_level_set_meanwhile_stays(root: logging.Logger) -> None:
    install("INFO")
    root.setLevel(logging.ERROR)
    uninstall()
    assert root.level == logging.ERROR


def test_twice_is_once(root: logging.Logger) -> None:
    assert install() is install()
    assert len(root.handlers) == 1
    uninstall()
    uninstall()
    assert root.handlers == []


@pytest.mark.parametrize("stream", ["stdout", "stderr", "__stderr__"])
def test_handlers_on_the_terminal_are_set_aside(
    root: logging.Logger, records: list[LogRecord], capfd: pytest.CaptureFixture[str], stream: str
) -> None:
    plain = logging.StreamHandler(getattr(sys, stream))
    root.addHandler(plain)
    root.setLevel(logging.INFO)
    install("DEBUG")
    log.info("once")
    log.debug("below the program's level")
    assert len(root.handlers) == 1
    assert [record.body for record in records] == ["once"]
    uninstall()
    assert root.handlers == [plain]
    assert root.level == logging.INFO
    out, err = capfd.readouterr()
    assert out + err == ""


def test_the_level_of_a_handler_set_aside_counts(root: logging.Logger, records: list[LogRecord]) -> None:
    plain = logging.StreamHandler()
    plain.setLevel(logging.ERROR)
    root.addHandler(plain)
    install("DEBUG")
    log.warning("no")
    log.error("yes")
    assert [record.body for record in records] == ["yes"]


def test_handlers_stay_where_our_lines_go_elsewhere(root: logging.Logger) -> None:
    plain = logging.StreamHandler()
    root.addHandler(plain)
    install(replaces_streams=False)
    assert plain in root.handlers
    uninstall()
    assert root.handlers == [plain]


def test_other_handlers_stay(root: logging.Logger, tmp_path: Path) -> None:
    class Coloured(logging.StreamHandler):  # type: ignore[type-arg]
        pass

    with open(tmp_path / "other", "w") as other:
        handlers: list[logging.Handler] = [
            logging.FileHandler(tmp_path / "log"),
            Coloured(),
            logging.NullHandler(),
            logging.StreamHandler(other),
        ]
        for added in handlers:
            root.addHandler(added)
        install()
        assert root.handlers[:4] == handlers
        assert type(root.handlers[4]) is ObsvHandler
        uninstall()
        assert root.handlers == handlers
        handlers[0].close()


def test_basic_config_afterwards_does_nothing(root: logging.Logger, records: list[LogRecord]) -> None:
    install()
    logging.basicConfig(level=logging.DEBUG, format="%(message)s")
    log.info("m")
    assert len(root.handlers) == len(records) == 1


def test_basic_config_by_force_wins(root: logging.Logger, records: list[LogRecord]) -> None:
    before = logging.StreamHandler()
    root.addHandler(before)
    install()
    with open("/dev/null", "w") as null:
        logging.basicConfig(force=True, stream=null, level=logging.INFO)
        log.info("theirs")
        assert records == []
        (theirs,) = root.handlers
        uninstall()
        assert root.handlers == [theirs]  # and what had been set aside does not come back
        install()
        log.info("ours again")
        assert len(records) == 1


def test_dict_config_with_a_root_wins(root: logging.Logger, records: list[LogRecord]) -> None:
    install()
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"null": {"class": "logging.NullHandler"}},
            "root": {"handlers": ["null"], "level": "INFO"},
        }
    )
    log.info("theirs")
    assert records == []
    assert [type(kept) for kept in root.handlers] == [logging.NullHandler]
    uninstall()
    assert [type(kept) for kept in root.handlers] == [logging.NullHandler]
    assert root.level == logging.WARNING or root.level == logging.INFO


def test_dict_config_without_a_root_leaves_our_handler_working(records: list[LogRecord]) -> None:
    install()
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
    log.info("m")
    assert len(records) == 1


def test_logging_shutdown_leaves_our_handler_working(records: list[LogRecord]) -> None:
    added = install()
    logging.shutdown([lambda: added])
    log.info("m")
    assert len(records) == 1


def test_the_handler_takes_no_lock(records: list[LogRecord]) -> None:
    added = install()
    assert added.lock is not None
    added.acquire()
    try:
        thread = threading.Thread(target=log.info, args=("m",))
        thread.start()
        thread.join(30)
    finally:
        added.release()
    assert len(records) == 1


def test_a_handler_that_logs_while_it_writes_ends(records: list[LogRecord]) -> None:
    class Chatty:
        def __str__(self) -> str:
            log.info("from within")
            return "chatty"

    install()
    log.info("%s", Chatty())
    assert [record.body for record in records] == ["from within", "chatty"]
