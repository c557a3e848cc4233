"""Where Powertools' Logger is not right: what it does, and that obsv's does better.

Each test first shows the defect with the original, so that it falls when the original is mended.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from typing import Any

import pytest

import obsv
from obsv.testing import capture
from sides import Side, lines, original, ours, written


def logger(side: Side, **options: Any) -> Any:
    return side.module("logging").Logger(service=side.service, **options)


def config(side: Side, **options: Any) -> Any:
    return side.module("logging.buffer").LoggerBufferConfig(**options)


def messages(found: list[Any]) -> list[Any]:
    return [line["message"] for line in found]


def test_buffered_records_survive_without_a_trace_id() -> None:
    def scenario(side: Side) -> None:
        log = logger(side, buffer_config=config(side))
        log.debug("kept")
        log.error("failed")

    assert messages(lines(original(scenario)[0])) == ["failed"]
    assert messages(ours(scenario)) == ["kept", "failed"]


def test_buffers_of_two_threads_are_apart() -> None:
    def scenario(side: Side) -> None:
        log = logger(side, buffer_config=config(side))
        log.debug("of the first")
        thread = threading.Thread(target=lambda: (log.debug("of the second"), log.error("second fails")))
        thread.start()
        thread.join()

    assert messages(ours(scenario)) == ["of the second", "second fails"]


def test_append_context_keys_restores_the_outer_value() -> None:
    def scenario(side: Side) -> None:
        log = logger(side)
        log.append_keys(user="outer")
        with log.append_context_keys(user="inner"):
            with log.append_context_keys(user="innermost"):
                pass
            log.info("inside")
        log.info("after")

    assert [line.get("user") for line in lines(original(scenario)[0])] == [None, None]
    assert [line.get("user") for line in ours(scenario)] == ["inner", "outer"]


def test_append_context_keys_of_two_tasks_do_not_mix() -> None:
    def scenario(side: Side) -> None:
        log = logger(side)

        async def task(name: str) -> None:
            with log.append_context_keys(user=name):
                await asyncio.sleep(0)
                log.info(name)

        async def both() -> None:
            await asyncio.gather(task("a"), task("b"))

        asyncio.run(both())

    assert any(line.get("user") != line["message"] for line in lines(original(scenario)[0]))
    assert [line["user"] for line in ours(scenario)] == ["a", "b"]


def test_keys_appended_inside_a_block_win_there_and_end_with_it() -> None:
    def scenario(side: Side) -> None:
        log = logger(side)
        log.append_keys(user="outer")
        with log.append_context_keys(user="block"):
            log.append_keys(user="appended", other=1)
            log.info("inside")
            log.remove_keys(["user"])
            log.info("removed")
        log.info("after")

    assert [line.get("user") for line in ours(scenario)] == ["appended", None, None]


def test_a_childs_removal_of_context_keys_does_not_reach_its_parent() -> None:
    def scenario(side: Side) -> None:
        log = logger(side)
        log.thread_safe_append_keys(request=1)

        async def child() -> None:
            log.thread_safe_remove_keys(["request"])

        async def parent() -> None:
            log.thread_safe_append_keys(request=2)
            await asyncio.create_task(child())
            log.info("parent")

        asyncio.run(parent())
        log.thread_safe_clear_keys()

    assert "request" not in lines(original(scenario)[0])[0]
    assert ours(scenario)[0]["request"] == 2


@pytest.mark.parametrize("value", [float("nan"), float("inf")], ids=str)
def test_nan_is_no_invalid_json(value: float) -> None:
    def scenario(side: Side) -> None:
        logger(side).info("m", value=value)

    with pytest.raises(ValueError, match="is no JSON"):
        lines(original(scenario)[0])
    assert ours(scenario)[0]["value"] is None


@pytest.mark.parametrize("message", ["null", None], ids=repr)
def test_a_message_that_is_null_is_not_lost(message: Any) -> None:
    def scenario(side: Side) -> None:
        logger(side).info(message)

    assert "message" not in lines(original(scenario)[0])[0]
    assert ours(scenario)[0]["message"] == str(message)


def test_a_field_named_like_an_attribute_of_records_does_not_raise() -> None:
    def scenario(side: Side) -> None:
        logger(side).info("m", name="bob", message="x", args=1)

    assert isinstance(original(scenario)[1].raised, KeyError)
    assert {"name_": "bob", "message_": "x", "args_": 1}.items() <= ours(scenario)[0].items()


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


@pytest.mark.parametrize(
    "break_it",
    [
        lambda log: log.info("m", value=Broken()),
        lambda log: log.info("%s %s", "too few"),
        lambda log: log.info(Broken()),
        lambda log: log.append_keys(location="100% (sure)") or log.info("m"),
        lambda log: log.append_keys(location="%(nothing)s") or log.info("m"),
        lambda log: log.append_keys(process=7) or log.info("m"),
        lambda log: log.info({("a", "tuple"): 1}),
        lambda log: log.info("m", value=itself()),
    ],
    ids=[
        "a value's __str__",
        "format",
        "message",
        "percent",
        "an unknown name",
        "a key that is no text",
        "a key",
        "itself",
    ],
)
def test_a_line_is_written_whatever_is_logged(break_it: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def scenario(side: Side) -> None:
        log = logger(side)
        logging.getLogger(side.service).propagate = False  # pytest's own handler raises what it meets
        break_it(log)

    assert original(scenario)[0] == ""  # the traceback goes to stderr, the line nowhere
    assert "Traceback" in capsys.readouterr().err
    assert len(ours(scenario)) == 1


def itself() -> list[Any]:
    held: list[Any] = []
    held.append(held)
    return held


def test_half_a_surrogate_pair_is_written() -> None:
    log = logger(Side(ours=True))
    line = log.handlers[0].format(logging.LogRecord("n", 20, "p", 1, "\ud83d", (), None))
    assert line.encode("utf-8")
    assert json.loads(line)["message"] == "\ud83d"


def test_an_unknown_level_in_the_environment_does_not_end_the_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", "verbose")
    monkeypatch.setenv("POWERTOOLS_LOGGER_LOG_EVENT", "maybe")

    def scenario(side: Side) -> None:
        log = logger(side)
        log.inject_lambda_context(lambda event, context: log.info("m"))({}, side.context)

    assert isinstance(original(scenario)[1].raised, ValueError)
    assert messages(ours(scenario)) == ["m"]
    err = capsys.readouterr().err
    assert "POWERTOOLS_LOG_LEVEL='verbose'" in err
    assert "POWERTOOLS_LOGGER_LOG_EVENT='maybe'" in err


def test_levels_between_the_standard_ones() -> None:
    def scenario(side: Side) -> None:
        logger(side, level=15).log(15, "m")

    assert isinstance(original(scenario)[1].raised, ValueError)
    assert messages(ours(scenario)) == ["m"]


def test_lambdas_level_with_a_level_in_lower_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_LOG_LEVEL", "INFO")

    def scenario(side: Side) -> None:
        logger(side, level="debug").info("m")

    assert isinstance(original(scenario)[1].raised, TypeError)
    text, side = written(scenario, ours=True)
    assert messages(lines(text)) == ["m"]
    assert "does not match AWS Lambda Advanced Logging Controls" in side.warned[0]


def test_lambdas_trace_level_lets_everything_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_LOG_LEVEL", "TRACE")

    def scenario(side: Side) -> None:
        logger(side).info("m")

    assert original(scenario)[0] == ""  # NOTSET: the root logger's WARNING counts
    assert messages(ours(scenario)) == ["m"]


def test_a_correlation_path_that_cannot_be_read_fails_no_invocation(capsys: pytest.CaptureFixture[str]) -> None:
    def scenario(side: Side) -> None:
        log = logger(side)
        log.inject_lambda_context(lambda event, context: log.info("m"), correlation_id_path="headers.x-id[")(
            {"headers": {"x-id": "7"}}, side.context
        )

    assert original(scenario)[1].raised is not None
    assert messages(ours(scenario)) == ["m"]
    assert "headers.x-id[" in capsys.readouterr().err


def test_a_context_without_everything_fails_no_invocation() -> None:
    def scenario(side: Side) -> None:
        log = logger(side)
        log.inject_lambda_context(lambda event, context: log.info("m"))({}, None)

    assert isinstance(original(scenario)[1].raised, AttributeError)
    assert ours(scenario)[0]["cold_start"] is True


def test_a_cold_start_is_one_whatever_becomes_of_the_first_invocation() -> None:
    def scenario(side: Side) -> None:
        log = logger(side)

        @log.inject_lambda_context
        def handler(event: Any, context: Any) -> None:
            log.info("m")
            raise LookupError

        for _ in range(2):
            with pytest.raises(LookupError):
                handler({}, side.context)

    assert [line["cold_start"] for line in ours(scenario)] == [True, False]


def test_async_handlers_buffer_until_they_are_done() -> None:
    def scenario(side: Side) -> None:
        log = logger(side, buffer_config=config(side))

        @log.inject_lambda_context(flush_buffer_on_uncaught_error=True)
        async def handler(event: Any, context: Any) -> None:
            log.debug("kept")
            await asyncio.sleep(0)
            raise LookupError

        with pytest.raises(LookupError):
            asyncio.run(handler({}, side.context))

    assert messages(lines(original(scenario)[0])) == []
    assert messages(ours(scenario)) == ["kept"]


def test_only_the_services_own_loggers_are_kept_from_the_root_logger(monkeypatch: pytest.MonkeyPatch) -> None:
    def scenario(side: Side) -> None:
        handler = logging.StreamHandler(__import__("sys").stdout)
        handler.setFormatter(logging.Formatter('{"root": "%(message)s"}'))
        logging.root.addHandler(handler)
        try:
            logger(side).info("m")
            logging.getLogger(f"my{side.service}").error("another")
        finally:
            logging.root.removeHandler(handler)

    assert not [line for line in lines(original(scenario)[0]) if "root" in line]
    assert [line for line in ours(scenario) if "root" in line] == [{"root": "another"}]


def test_the_size_of_a_buffer_is_bounded_and_a_larger_record_is_written_at_once() -> None:
    def scenario(side: Side) -> None:
        log = logger(side, buffer_config=config(side, max_bytes=2_000))
        for number in range(100):
            log.debug(f"record {number}")
        log.debug("x" * 3_000)
        log.flush_buffer()

    text, side = written(scenario, ours=True)
    found = messages(lines(text))
    assert found[0] == "x" * 3_000
    assert found[-1] == "record 99"
    assert len(found) < 12
    assert {warning.split(":")[0] for warning in side.warned} == {"PowertoolsUserWarning"}
    assert len(side.warned) == 2


def test_a_buffered_record_has_its_own_time_place_and_keys() -> None:
    def scenario(side: Side) -> None:
        log = logger(side, buffer_config=config(side))
        with log.append_context_keys(step="first"):
            log.debug("kept", stack_info=True)
        log.flush_buffer()

    line = ours(scenario)[0]
    assert line["step"] == "first"
    assert line["location"].startswith("scenario:")
    assert line["stack_info"].splitlines()[-2].endswith("in scenario")


def test_a_child_of_a_module_below_another_finds_its_parent() -> None:
    def scenario(side: Side) -> None:
        logging.getLogger(f"{side.service}.package")
        child = f"{side.service}.package.module"
        parent = logger(side)
        made: dict[str, Any] = {}
        exec(  # the child is named like the module that makes it
            "child = Logger(service=service, child=True)\nchild.append_keys(a=1)\nchild.info('m')",
            {"__name__": "package.module", "Logger": side.module("logging").Logger, "service": side.service},
            made,
        )
        assert made["child"].name == child
        parent.info("n")

    assert type(original(scenario)[1].raised).__name__ == "OrphanedChildLoggerError"
    assert [line["a"] for line in ours(scenario)] == [1, 1]


def test_lines_go_to_the_stdout_of_the_moment(capsys: pytest.CaptureFixture[str]) -> None:
    side = Side(ours=True)
    log = logger(side)
    log.info("captured")
    assert json.loads(capsys.readouterr().out)["message"] == "captured"


def test_a_closed_stdout_is_told_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import io

    closed = io.StringIO()
    closed.close()
    log = logger(Side(ours=True), stream=closed)
    log.info("lost")
    log.info("lost too")
    assert capsys.readouterr().err.count("could not be written") == 1


def test_beside_obsv_a_line_is_written_once_and_reaches_the_other_sinks(capsys: pytest.CaptureFixture[str]) -> None:
    log = logger(Side(ours=True))
    with capture() as seen:
        log.append_keys(order=7)
        with obsv.span("checkout") as span:
            log.info("paid", amount=3)
        [record] = [record for record in seen.logs if record.message == "paid"]
    assert record.fields == {"order": 7, "amount": 3}
    assert record.id64 == span.id64
    line = json.loads(capsys.readouterr().out)
    assert line["xray_trace_id"] == f"1-{span.trace_id[:8]}-{span.trace_id[8:]}"

    obsv.init("shop", logs="json", traces="none", metrics="none")
    log.info("once")
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_an_uncaught_exception_is_logged() -> None:
    from programs import run

    done = run(
        "from obsv.compat.powertools import Logger\n"
        "Logger(service='shop', log_uncaught_exceptions=True)\nraise LookupError('nobody')"
    )
    line = json.loads(done.stdout)
    assert line["exception_name"] == "LookupError"
    assert line["message"] == "nobody"
    assert done.returncode == 1


def test_the_import_is_light() -> None:
    from programs import run

    done = run(
        "import sys\nfrom obsv.compat.powertools import Logger, Metrics, Tracer\n"
        "Logger(service='x').info('m'); Metrics(namespace='n', service='s').add_metric('m', 'Count', 1)\n"
        "print([name for name in ('boto3', 'botocore', 'jmespath', 'asyncio', 'inspect', 'random', 'aws_xray_sdk', "
        "'aws_lambda_powertools', 'opentelemetry') if name in sys.modules])"
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_secrets_are_masked_where_obsv_runs(capsys: pytest.CaptureFixture[str]) -> None:
    def scenario(side: Side) -> None:
        log = logger(side, token="abc")
        log.info("password=hunter2", extra={"api_key": "k"}, order=[{"password": "hunter2", "n": 1}])

    [line] = ours(scenario)
    assert (line["token"], line["message"], line["order"]) == (
        "abc",
        "password=hunter2",
        [{"password": "hunter2", "n": 1}],
    )
    obsv.init("shop", traces="none", metrics="none", logs="none", patch=False)
    [line] = ours(scenario)
    assert "hunter2" not in json.dumps(line)
    assert (line["token"], line["api_key"], line["order"]) == (
        "REDACTED",
        "REDACTED",
        [{"password": "REDACTED", "n": 1}],
    )
    obsv.shutdown()
    obsv.init("shop", traces="none", metrics="none", logs="none", patch=False, config={"redact": False})
    assert ours(scenario)[0]["token"] == "abc"


def test_a_serializer_may_return_bytes() -> None:
    """As the one of orjson does, which Powertools' documentation gives to its Logger; the line is lost there."""

    def scenario(side: Side) -> None:
        logger(side, json_serializer=lambda log: json.dumps({**log, "ours": "é"}).encode()).info("m")

    assert original(scenario)[0] == ""
    assert ours(scenario)[0]["ours"] == "é"


def test_a_buffered_record_of_a_copied_logger_has_its_own_place_and_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793")

    def scenario(side: Side) -> None:
        log = logger(side, buffer_config=config(side))
        library = logging.getLogger(f"{side.service}library")
        side.module("logging.utils").copy_config_to_registered_loggers(
            source_logger=log, include={library.name}, include_buffering=True, log_level="DEBUG"
        )
        library.debug("kept")
        library.info("at once")
        log.error("fails")

    theirs, mine = lines(original(scenario)[0]), ours(scenario)
    assert messages(theirs) == messages(mine) == ["at once", "kept", "fails"]
    assert theirs[1]["location"].startswith("handle:")
    assert mine[1]["location"].startswith("scenario:")
    assert (theirs[1]["name"], mine[1]["name"]) == ("the service", "the servicelibrary")


def test_microseconds_of_a_timestamp_are_those_of_the_record() -> None:
    record = logging.LogRecord("x", 20, "p", 1, "m", (), None)
    record.created, record.msecs = 1_700_000_000.1239, 123.9
    options: Any = {"datefmt": "%H:%M:%S.%f", "use_datetime_directive": True, "utc": True}
    theirs, mine = [
        Side(is_ours).module("logging.formatter").LambdaPowertoolsFormatter(**options).formatTime(record)
        for is_ours in (False, True)
    ]
    assert (theirs, mine) == ("22:13:20.247800", "22:13:20.123900")
