"""aws-embedded-metrics: the same scenarios write the same EMF; where the original is not right, obsv does better."""

from __future__ import annotations

import asyncio
import datetime
import itertools
import json
import socket
import threading
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_data import schema
from meanwhile import meanwhile
from programs import run
from sides import Side, both, lines, original, ours, same, written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FUNCTION = {
    "AWS_LAMBDA_FUNCTION_NAME": "checkout",
    "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    "AWS_LAMBDA_FUNCTION_VERSION": "7",
    "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
    "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
}


@pytest.fixture(autouse=True)
def _as_a_lambda_function(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Both sides write to stdout, and both forget what a test has configured."""
    for name, value in FUNCTION.items():
        monkeypatch.setenv(name, value)
    configurations = [Side(ours).emf("config").get_config() for ours in (False, True)]
    before = [dict(vars(each)) for each in configurations]
    yield
    for each, kept in zip(configurations, before, strict=True):
        vars(each).update(kept)
    from aws_embedded_metrics.environment.environment_detector import EnvironmentCache

    EnvironmentCache.environment = None


def create(side: Side) -> Any:
    return side.emf("logger.metrics_logger_factory").create_metrics_logger()


def fine(side: Side) -> Any:
    return side.emf("storage_resolution").StorageResolution.HIGH


def simple(side: Side) -> None:
    m = create(side)
    m.put_metric("latency", 12.5, "Milliseconds").put_metric("latency", 13, "Milliseconds")
    m.put_metric("one", 1)
    m.put_metric("fine", 1, "Count", fine(side))
    m.set_property("request", {"id": 7, "tags": ["a"]})
    m.put_dimensions({"shop": "north"})
    m.put_dimensions({"shop": "south"})
    m.put_dimensions({"shop": "south", "till": "7"})
    m.flush_sync()
    m.put_metric("after", 1, "Count")
    m.flush_sync()


def dimensions(side: Side) -> None:
    m = create(side)
    m.set_dimensions({"a": "1"}, {"b": "2"})
    m.put_metric("m", 1).flush_sync()
    m.put_metric("m", 1).flush_sync()
    m.set_dimensions({"a": "1"}, use_default=True)
    m.put_metric("m", 1).flush_sync()
    m.put_dimensions({"gone": "x"}).reset_dimensions(use_default=True)
    m.put_metric("m", 1).flush_sync()
    m.reset_dimensions(use_default=False)
    m.put_metric("m", 1).flush_sync()
    m.flush_preserve_dimensions = True
    m.put_dimensions({"kept": "x"}).put_metric("m", 1).flush_sync()
    m.put_metric("m", 1).flush_sync()
    m.put_dimensions(None).put_metric("m", 1).flush_sync()


def many(side: Side) -> None:
    m = create(side)
    for number in range(230):
        m.put_metric(f"m{number}", number, "Count")
    m.flush_sync()
    for number in range(230):
        m.put_metric("values", number, "Count")
    m.flush_sync()


def named(side: Side) -> None:
    config = side.emf("config").get_config()
    config.service_name, config.service_type, config.namespace = "shop", "Container", "From/Config"
    m = create(side)
    m.put_metric("m", 1).flush_sync()
    m.set_namespace("Mine").put_metric("m", 1)
    other = m.new()
    other.put_metric("n", 2).flush_sync()
    m.flush_sync()


def plain_lines(side: Side) -> None:
    side.emf("config").get_config().disable_metric_extraction = True
    create(side).put_metric("m", 1).set_property("p", 2).flush_sync()


def stack_traces(side: Side) -> None:
    m = create(side)
    try:
        raise json.JSONDecodeError("bad", "doc", 0)
    except ValueError:
        m.add_stack_trace("error", {"order": 7})
    try:
        raise LookupError("builtin")
    except LookupError as error:
        m.add_stack_trace("given", exc_info=(type(error), error, error.__traceback__))
    m.add_stack_trace("none", "details")
    m.put_metric("m", 1).flush_sync()


def scopes(side: Side) -> None:
    metric_scope = side.emf().metric_scope

    @metric_scope
    def function(order: int, *, metrics: Any) -> int:
        metrics.put_metric("plain", order)
        return order

    assert function(3) == 3

    @metric_scope
    async def coroutine(metrics: Any) -> str:
        metrics.put_metric("coroutine", 1)
        await asyncio.sleep(0)
        metrics.put_metric("coroutine", 2)
        return "done"

    assert asyncio.run(coroutine()) == "done"

    @metric_scope
    def generator(metrics: Any) -> Any:
        for number in range(3):
            metrics.put_metric("generator", number)
            yield number

    assert list(generator()) == [0, 1, 2]

    @metric_scope(flush_on_yield=False)
    async def items(metrics: Any) -> Any:
        for number in range(3):
            metrics.put_metric("items", number)
            yield number

    async def all_items() -> list[int]:
        return [item async for item in items()]

    assert asyncio.run(all_items()) == [0, 1, 2]

    @metric_scope
    def fails(metrics: Any) -> None:
        metrics.put_metric("failed", 1)
        raise LookupError

    with pytest.raises(LookupError):
        fails()

    class Shop:
        @metric_scope
        def order(self, metrics: Any) -> None:
            metrics.put_metric("method", 1)

    Shop().order()


SCENARIOS = [simple, dimensions, many, named, plain_lines, stack_traces, scopes]


def compared(found: list[Any]) -> list[Any]:
    """Lines with metrics, and ``Dimensions`` as the schema wants them.

    The original writes a line also where nothing was measured, and ``[]`` (the schema: at least one) for no dimensions.
    """
    kept = []
    for line in found:
        directives = line["_aws"]["CloudWatchMetrics"] if "_aws" in line else None
        if directives is None or (directives and directives[0]["Metrics"]):
            kept.append(line)
        if directives and directives[0]["Dimensions"] == []:
            directives[0]["Dimensions"] = [[]]
    return kept


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_the_same_lines(scenario: Callable[[Side], None]) -> None:
    theirs, mine = both(scenario)
    assert compared(mine)
    if scenario is many:  # spread over lines in another way: what arrives is the same
        assert arriving(mine) == arriving(theirs)
    else:
        assert compared(mine) == compared(theirs)


def arriving(found: list[Any]) -> dict[str, list[float]]:
    values: dict[str, list[float]] = {}
    for line in found:
        for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
            value = line[metric["Name"]]
            assert len(line["_aws"]["CloudWatchMetrics"][0]["Metrics"]) <= 100
            values.setdefault(metric["Name"], []).extend(value if isinstance(value, list) else [value])
    return values


@pytest.mark.parametrize(
    "call",
    [
        lambda side, m: m.put_metric("", 1),
        lambda side, m: m.put_metric("m" * 300, 1),
        lambda side, m: m.put_metric("m", float("nan")),
        lambda side, m: m.put_metric("m", 1, "Furlongs"),
        lambda side, m: m.put_metric("m", 1, "Count", 7),
        lambda side, m: [m.put_metric("m", 1), m.put_metric("m", 1, "None", fine(side))],
        lambda side, m: m.put_dimensions({"a": " "}),
        lambda side, m: m.put_dimensions({":a": "b"}),
        lambda side, m: m.put_dimensions({"a": "ä"}),
        lambda side, m: m.put_dimensions({"a" * 251: "b"}),
        lambda side, m: m.put_dimensions({"a": "b" * 1025}),
        lambda side, m: m.set_dimensions({str(number): "x" for number in range(31)}),
        lambda side, m: m.set_namespace("a b"),
        lambda side, m: m.set_namespace(""),
        lambda side, m: m.set_namespace("n" * 300),
        lambda side, m: m.set_timestamp(datetime.datetime.now() - datetime.timedelta(days=15)),
        lambda side, m: m.set_timestamp(datetime.datetime.now() + datetime.timedelta(hours=3)),
        lambda side, m: m.set_timestamp(None),
    ],
)  # fmt: skip
def test_the_same_errors(call: Any) -> None:
    theirs, mine = [written(lambda side: call(side, create(side)), ours)[1].raised for ours in (False, True)]
    assert theirs is not None
    assert type(mine).__name__ == type(theirs).__name__
    assert type(mine).__module__ == "obsv.compat.emf.exceptions"


def test_the_same_timestamp() -> None:
    moment = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)

    def scenario(side: Side) -> None:
        create(side).set_timestamp(moment).put_metric("m", 1).flush_sync()

    for ours_ in (False, True):
        [line] = written(scenario, ours_)[0].splitlines()
        assert json.loads(line)["_aws"]["Timestamp"] == round(moment.timestamp() * 1000)


@pytest.mark.parametrize("environment", ["local", "LAMBDA"])
def test_the_same_in_other_environments(environment: str) -> None:
    def scenario(side: Side) -> None:
        config = side.emf("config").get_config()
        config.environment, config.service_name = environment, "shop"
        create(side).put_metric("m", 1).flush_sync()

    from aws_embedded_metrics.environment.environment_detector import EnvironmentCache

    EnvironmentCache.environment = None
    same(scenario)


PROGRAM = """
from {package} import metric_scope
from {package}.config import get_config
from {package}.logger.metrics_logger_factory import create_metrics_logger
get_config().environment = "default"
m = create_metrics_logger()
m.put_dimensions({{"shop": "north"}}).put_metric("m", 1, "Count").set_property("p", 1)
m.flush_sync()
m.put_metric("m", 2, "Count")
m.flush_sync()
"""


@pytest.mark.parametrize("scheme", ["tcp", "udp"])
def test_the_agent_gets_the_same(scheme: str) -> None:
    received = []
    for package in ("aws_embedded_metrics", "obsv.compat.emf"):
        with Agent(scheme) as agent:
            done = run(
                PROGRAM.format(package=package),
                AWS_EMF_AGENT_ENDPOINT=f"{scheme}://127.0.0.1:{agent.port}",
                AWS_EMF_SERVICE_NAME="shop",
                AWS_EMF_LOG_GROUP_NAME="group",
                AWS_EMF_LOG_STREAM_NAME="stream",
            )
            assert done.returncode == 0, done.stderr
            received.append(agent.lines(2))
    assert received[1] == received[0]
    assert received[0][0]["_aws"]["LogStreamName"] == "stream"


class Agent:
    """Listens as the CloudWatch agent does."""

    def __init__(self, scheme: str) -> None:
        self.tcp = scheme == "tcp"
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM if self.tcp else socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(20)
        if self.tcp:
            self.socket.listen()
        self.port = self.socket.getsockname()[1]

    def __enter__(self) -> Agent:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def lines(self, number: int) -> list[Any]:
        """The first lines that come."""
        if not self.tcp:
            return lines("".join([self.socket.recv(65536).decode() for _ in range(number)]))
        connection, _ = self.socket.accept()
        with connection, connection.makefile() as file:
            return lines("".join([file.readline() for _ in range(number)]))


# ---------------------------------------------------------------------- where the original is not right


def test_a_property_of_any_type_never_raises_into_the_callers_code() -> None:
    def scenario(side: Side) -> None:
        @side.emf().metric_scope
        def function(metrics: Any) -> str:
            metrics.set_property("object", object)
            metrics.set_property("nan", float("nan"))
            metrics.put_metric("m", 1)
            return "done"

        assert function() == "done"

    assert isinstance(original(scenario)[1].raised, TypeError)
    [line] = ours(scenario)
    assert (line["object"], line["nan"]) == ("<class 'object'>", None)


def test_a_unit_may_be_a_member_of_unit() -> None:
    def scenario(side: Side) -> None:
        create(side).put_metric("m", 1, side.emf("unit").Unit.SECONDS).flush_sync()

    assert isinstance(original(scenario)[1].raised, TypeError)
    assert ours(scenario)[0]["_aws"]["CloudWatchMetrics"][0]["Metrics"] == [{"Name": "m", "Unit": "Seconds"}]


def test_one_name_with_two_units_keeps_both() -> None:
    def scenario(side: Side) -> None:
        create(side).put_metric("m", 1, "Seconds").put_metric("m", 500, "Milliseconds").flush_sync()

    def told(found: list[Any]) -> list[Any]:
        return [(line["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Unit"], line["m"]) for line in found]

    assert told(lines(original(scenario)[0])) == [("Seconds", [1, 500])]
    assert told(ours(scenario)) == [("Seconds", 1), ("Milliseconds", 500)]


@pytest.mark.parametrize("put", ["metric", "property"])
def test_what_is_named_like_a_dimension_leaves_it_whole(put: str) -> None:
    def scenario(side: Side) -> None:
        m = create(side).put_dimensions({"shop": "north"}).put_metric("m", 1)
        if put == "metric":
            m.put_metric("shop", 7)
        else:
            m.set_property("shop", 7)
        m.flush_sync()

    assert lines(original(scenario)[0])[0]["shop"] == 7
    assert ours(scenario)[0]["shop"] == "north"


def test_sets_with_different_values_of_a_dimension_go_into_two_lines() -> None:
    def scenario(side: Side) -> None:
        m = create(side)
        m.set_dimensions({"shop": "north"}, {"shop": "south", "till": "1"})
        m.put_metric("m", 1).flush_sync()

    assert [line["shop"] for line in lines(original(scenario)[0])] == ["south"]
    assert [line["shop"] for line in ours(scenario)] == ["north", "south"]


def test_more_than_thirty_dimensions_with_the_default_ones_do_not_raise() -> None:
    def scenario(side: Side) -> None:
        create(side).put_dimensions({f"d{n}": "x" for n in range(29)}).put_metric("m", 1).flush_sync()

    assert type(original(scenario)[1].raised).__name__ == "DimensionSetExceededError"
    [line] = ours(scenario)
    assert len(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"][0]) == 30
    assert {"d27", "d28"} <= line.keys()


def test_dimension_values_may_be_numbers() -> None:
    def scenario(side: Side) -> None:
        create(side).put_dimensions({"status": 200, "zero": 0}).put_metric("m", 1).flush_sync()

    assert isinstance(original(scenario)[1].raised, AttributeError)
    assert ours(scenario)[0]["status"] == "200"
    assert ours(scenario)[0]["zero"] == "0"


def test_a_line_that_would_be_too_large_is_several() -> None:
    def scenario(side: Side) -> None:
        m = create(side).set_property("large", "x" * 2_000_000)
        m.put_metric("m", 1).flush_sync()

    assert len(original(scenario)[0]) > 1_048_576
    text, _ = written(scenario, ours=True)
    assert len(text) < 1_048_576
    assert json.loads(text)["m"] == 1


def test_a_generator_gets_what_is_sent_and_returns_what_it_returns() -> None:
    def scenario(side: Side) -> None:
        @side.emf().metric_scope
        def generator(metrics: Any) -> Any:
            metrics.put_metric("m", 1)
            sent = yield "first"
            try:
                yield sent
            except LookupError:
                yield "thrown"
            return "returned"

        running = generator()
        found = [next(running), running.send("sent"), running.throw(LookupError())]
        with pytest.raises(StopIteration) as stop:
            next(running)
        assert [*found, stop.value.value] == ["first", "sent", "thrown", "returned"]

    assert original(scenario)[1].raised is not None
    assert len(ours(scenario)) == 1


def test_an_async_generator_gets_what_is_sent() -> None:
    def scenario(side: Side) -> None:
        @side.emf().metric_scope
        async def generator(metrics: Any) -> Any:
            metrics.put_metric("m", 1)
            sent = yield "first"
            try:
                yield sent
            except LookupError:
                yield "thrown"

        async def drive() -> list[Any]:
            running = generator()
            return [await anext(running), await running.asend("sent"), await running.athrow(LookupError())]

        assert asyncio.run(drive()) == ["first", "sent", "thrown"]

    assert original(scenario)[1].raised is not None
    assert len(ours(scenario)) == 1


def test_a_flush_with_nothing_new_writes_nothing() -> None:
    def scenario(side: Side) -> None:
        m = create(side)
        m.flush_sync()
        m.set_property("only", "a property")
        m.flush_sync()
        m.flush_sync()

    assert len(lines(original(scenario)[0])) == 3
    [line] = ours(scenario)
    assert line["only"] == "a property"


def test_preserved_dimensions_stay_as_they_were_set() -> None:
    def scenario(side: Side) -> None:
        m = create(side)
        m.flush_preserve_dimensions = True
        m.set_dimensions({"a": "1"})
        m.put_metric("m", 1).flush_sync()
        m.put_metric("m", 1).flush_sync()

    def told(found: list[Any]) -> list[Any]:
        return [line["_aws"]["CloudWatchMetrics"][0]["Dimensions"][0] for line in found]

    assert told(lines(original(scenario)[0])) == [["a"], ["LogGroup", "ServiceName", "ServiceType", "a"]]
    assert told(ours(scenario)) == [["a"], ["a"]]


def test_a_flush_never_waits_for_the_agent() -> None:
    """A connection that nobody accepts or reads: the original's flush would hang in it (its socket has no timeout)."""
    with Agent("tcp") as agent:
        done = run(
            "import threading\n"
            "from obsv.compat.emf import create_metrics_logger, get_config\n"
            "get_config().environment = 'default'\n"
            "m = create_metrics_logger()\n"
            "for number in range(300):\n"
            "    m.put_metric('m', number).set_property('p', 'x' * 100_000).flush_sync()\n"
            "print('done', flush=True)\n",
            AWS_EMF_AGENT_ENDPOINT=f"tcp://127.0.0.1:{agent.port}",
        )
    assert done.stdout == "done\n"
    assert done.returncode == 0
    assert "lost" in done.stderr


def test_an_agent_that_comes_late_gets_what_waits() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    from obsv.compat.emf import agent as agents

    courier = agents.Courier(f"tcp://127.0.0.1:{port}")
    courier.send(['{"n":1}', '{"n":2}'])
    courier.flush(0.2)
    received: list[str] = []

    def listen() -> None:
        with socket.create_server(("127.0.0.1", port)) as server:
            server.settimeout(30)
            connection, _ = server.accept()
            with connection, connection.makefile() as file:
                received.extend(file.readline() for _ in range(2))

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join(30)
    courier.close()
    assert received == ['{"n":1}\n', '{"n":2}\n']


@pytest.mark.parametrize("endpoint", ["nonsense", "tcp://", "tcp://host", "http://127.0.0.1:1", "udp://h:99999"])
def test_a_wrong_endpoint_gives_one_line(endpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    from obsv.compat.emf.agent import place_of

    assert place_of(endpoint) == ("tcp", "127.0.0.1", 25888)
    assert f"AWS_EMF_AGENT_ENDPOINT={endpoint!r}" in capsys.readouterr().err
    assert place_of("udp://[::1]:7") == ("udp", "::1", 7)


def test_an_environment_of_ones_own() -> None:
    accepted = []

    class Mine:
        get_name = get_type = get_log_group_name = lambda self: "mine"

        def configure_context(self, context: Any) -> None:
            context.set_property("p", 1)

        def get_sink(self) -> Any:
            return self

        def accept(self, context: Any) -> None:
            accepted.append((context.get_dimensions(), context.properties, list(context.metrics)))

    async def resolve() -> Mine:
        return Mine()

    for ours_ in (False, True):
        logger = Side(ours_).emf("logger.metrics_logger").MetricsLogger(resolve)
        from aws_embedded_metrics.environment.environment_detector import EnvironmentCache

        EnvironmentCache.environment = None
        logger.put_metric("m", 1).flush_sync()
        asyncio.run(logger.put_metric("n", 1).flush())
    assert accepted[:2] == accepted[2:]
    assert len(accepted) == 4


def test_the_import_is_light() -> None:
    done = run(
        "import sys\nfrom obsv.compat.emf import create_metrics_logger\n"
        "create_metrics_logger().put_metric('m', 1).flush_sync()\n"
        "print([name for name in ('aiohttp', 'asyncio', 'inspect', 'json', 'boto3', 'aws_embedded_metrics') "
        "if name in sys.modules])",
        AWS_LAMBDA_FUNCTION_NAME="f",
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


# ---------------------------------------------------------------------- programs at random

PLAIN = st.text("abcXYZ019_.-", min_size=1, max_size=6)
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(-(2.0**300), 2.0**300)
SETS = st.dictionaries(PLAIN.map("d{}".format), PLAIN, max_size=3)
STEPS = st.lists(
    st.one_of(
        # Names by kind: where two kinds share one the original is not right, which the tests above say.
        st.tuples(st.just("put_metric"), st.tuples(PLAIN.map("m{}".format), NUMBERS, st.just("Count"))),
        st.tuples(st.just("set_property"), st.tuples(PLAIN.map("p{}".format), st.none() | PLAIN | st.lists(NUMBERS))),
        st.tuples(st.just("put_dimensions"), st.tuples(SETS)),
        st.tuples(st.just("reset_dimensions"), st.tuples(st.booleans())),
        st.tuples(st.just("set_namespace"), st.tuples(PLAIN)),
        st.tuples(st.just("flush_sync"), st.just(())),
    ),
    max_size=15,
)


@given(STEPS)
def test_the_same_lines_of_any_program(steps: list[tuple[str, Any]]) -> None:
    def scenario(side: Side) -> None:
        m = create(side)
        known: dict[str, str] = {}
        for name, arguments in steps:
            if name == "put_dimensions":
                # One value for a dimension, as above.
                arguments = ({key: known.setdefault(key, value) for key, value in arguments[0].items()},)
            getattr(m, name)(*arguments)
        m.flush_sync()

    theirs, mine = both(scenario)
    assert compared(mine) == compared(theirs)


NAUGHTY = st.text(max_size=5) | st.sampled_from(["_aws", "LogGroup", "a"])


@given(
    st.lists(
        st.one_of(
            st.tuples(
                st.just("put_metric"),
                st.tuples(NAUGHTY, st.floats() | NUMBERS, st.sampled_from(["Count", "Seconds"])),
            ),
            st.tuples(st.just("set_property"), st.tuples(NAUGHTY, st.floats() | NAUGHTY)),
            st.tuples(
                st.just("put_dimensions"),
                st.tuples(st.dictionaries(NAUGHTY, NAUGHTY | st.integers(), max_size=3)),
            ),
            st.tuples(st.just("flush_sync"), st.just(())),
        ),
        max_size=12,
    )
)  # fmt: skip
def test_every_line_of_any_program_is_valid_emf(steps: list[tuple[str, Any]]) -> None:
    def scenario(side: Side) -> None:
        exceptions = side.emf("exceptions")
        m = create(side)
        for name, arguments in steps:
            try:
                getattr(m, name)(*arguments)
            except (exceptions.InvalidMetricError, exceptions.InvalidDimensionError):
                pass
        m.put_metric("last", 1).flush_sync()

    text, side = written(scenario, ours=True)
    assert side.raised is None
    for line in text.split("\n")[:-1]:
        found = json.loads(line)
        if found["_aws"]["CloudWatchMetrics"]:
            jsonschema.Draft7Validator(schema("emf-schema.json")).validate(found)


def test_a_logger_that_other_threads_use_is_flushed_whole() -> None:
    """The original's context is a plain object as well; here a flush copies it before it is read."""

    def scenario(side: Side) -> None:
        m = create(side)
        stop = threading.Event()

        def measure() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                m.put_metric(f"m{number % 90}", 1).set_property(f"p{number % 90}", number)

        thread = threading.Thread(target=measure)
        thread.start()
        try:
            for _ in range(200):
                m.flush_sync()
        finally:
            stop.set()
            thread.join()

    assert ours(scenario)


def test_a_logger_that_is_used_at_any_moment_of_a_flush_is_flushed_whole() -> None:
    def scenario(side: Side) -> None:
        m, number = create(side), itertools.count()

        def measure() -> None:
            m.put_metric(f"m{next(number)}", 1).set_property(f"p{next(number)}", 1)

        for _ in range(40):
            measure()
        with meanwhile(measure):
            m.flush_sync()

    assert sum([len(line["_aws"]["CloudWatchMetrics"][0]["Metrics"]) for line in ours(scenario)]) >= 40


def test_a_partial_gets_its_metrics() -> None:
    import functools

    def scenario(side: Side) -> None:
        def order(shop: str, metrics: Any) -> str:
            metrics.put_metric("m", 1).put_dimensions({"shop": shop})
            return shop

        async def later(shop: str, metrics: Any) -> str:
            return order(shop, metrics)

        metric_scope = side.emf().metric_scope
        assert metric_scope(functools.partial(order, "north"))() == "north"
        assert asyncio.run(metric_scope(functools.partial(later, "south"))()) == "south"

    assert len(same(scenario)) == 2


@pytest.mark.parametrize("wrong", [5, "ab", [("a", "b")], object()], ids=lambda w: type(w).__name__)
def test_dimensions_that_are_none_are_the_documented_error(wrong: Any) -> None:
    side = Side(ours=True)
    for call in (create(side).put_dimensions, create(side).set_dimensions):
        with pytest.raises(side.emf("exceptions").InvalidDimensionError, match="must be a dict"):
            call(wrong)


@pytest.mark.parametrize("wrong", [[], {}, 5, object()], ids=lambda w: type(w).__name__)
def test_a_unit_or_resolution_of_another_type_is_the_documented_error(wrong: Any) -> None:
    side = Side(ours=True)
    for call in (
        lambda m: m.put_metric("a", 1, wrong),
        lambda m: m.put_metric("a", 1, "None", wrong),
    ):
        with pytest.raises(side.emf("exceptions").InvalidMetricError):
            call(create(side))


def test_details_that_are_neither_true_nor_false() -> None:
    class Array:
        def __bool__(self) -> bool:
            raise ValueError("ambiguous")

    def scenario(side: Side) -> None:
        create(side).add_stack_trace("error", Array()).put_metric("m", 1).flush_sync()

    [line] = ours(scenario)
    assert "Array" in line["error"]["details"]


def test_what_waits_for_the_agent_and_what_was_lost_is_in_the_status() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        endpoint = f"tcp://127.0.0.1:{nobody.getsockname()[1]}"
    program = """
    import json
    import obsv
    from obsv.compat.emf import create_metrics_logger
    from obsv.compat.emf.agent import flush
    m = create_metrics_logger()
    for number in range(3):
        m.put_metric("m", number).flush_sync()
    flush(0.2)
    print(json.dumps(obsv.status()["sinks"]))
    """
    done = run(program, AWS_EMF_ENVIRONMENT="default", AWS_EMF_AGENT_ENDPOINT=endpoint)
    found = json.loads(done.stdout)[f"compat.emf agent {endpoint}"]["metrics"]
    assert (found["sent"], found["waiting"], found["dropped"]) == (0, 3, {})
    assert found["last_error"].endswith("nobody listens")
