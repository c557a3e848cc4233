"""The Tracer of Powertools: the same program sends the same subsegments to the daemon, ids and times aside."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from typing import Any

import pytest

import obsv
from obsv.compat.powertools import Tracer
from obsv.testing import capture
from programs import run

HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
LAMBDA = {
    "LAMBDA_TASK_ROOT": "/var/task",
    "AWS_LAMBDA_FUNCTION_NAME": "checkout",
    "_X_AMZN_TRACE_ID": HEADER,
    "POWERTOOLS_SERVICE_NAME": "shop",
}

PROGRAM = """
import asyncio, contextlib, threading
from {package} import Tracer
tracer = Tracer(auto_patch=False)

@tracer.capture_method
def charge(order):
    tracer.put_annotation("order", order)
    tracer.put_annotation("paid", True)
    tracer.put_metadata("card", {{"kind": "visa", "tries": [1, 2]}})
    tracer.put_metadata("other", "text", namespace="mine")
    return {{"charged": order}}

@tracer.capture_method(capture_response=False)
def quiet(): return "secret"

@tracer.capture_method
def fails(): raise LookupError("nobody")

@tracer.capture_method(capture_error=False)
def fails_quietly(): raise LookupError("nobody")

@tracer.capture_method
async def wait():
    await asyncio.sleep(0)
    return charge(8)

@tracer.capture_method
def items():
    yield 1
    yield 2
    return 3

@tracer.capture_method
@contextlib.contextmanager
def open_it():
    yield "opened"

class Shop:
    @tracer.capture_method
    def close(self): return None

    @staticmethod
    @tracer.capture_method
    def static(): return 1

@tracer.capture_lambda_handler
def handler(event, context):
    charge(7)
    quiet()
    for call in (fails, fails_quietly):
        with contextlib.suppress(LookupError):
            call()
    asyncio.run(wait())
    list(items())
    with open_it() as value:
        charge(value)
    Shop().close()
    Shop.static()
    with tracer.provider.in_subsegment("## by hand") as subsegment:
        subsegment.put_annotation("hand", 1)
        subsegment.put_metadata("key", "value", "space")
    tracer.provider.begin_subsegment("## begun").put_annotation("begun", 1)
    entity = tracer.provider.get_trace_entity()
    def work():
        tracer.provider.set_trace_entity(entity)
        with tracer.provider.in_subsegment("## in a thread"):
            pass
        tracer.provider.clear_trace_entities()
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert tracer.provider.is_sampled() in (True, False)
    tracer.provider.end_subsegment()
    with tracer.provider.in_subsegment("orders.example", namespace="remote"):
        pass
    with tracer.provider.in_subsegment("dynamodb", namespace="aws"):
        pass
    return {{"statusCode": 200}}

@tracer.capture_lambda_handler(capture_response=False)
def failing(event, context):
    raise ValueError("the handler")

handler({{}}, None)
with contextlib.suppress(ValueError):
    failing({{}}, None)
print("done")
"""


class Daemon:
    """Listens as the X-Ray daemon does."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.2)
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"

    def documents(self) -> list[Any]:
        """What has come."""
        found = []
        with contextlib.suppress(TimeoutError):
            while True:
                header, _, document = self.socket.recv(65536).partition(b"\n")
                assert json.loads(header) == {"format": "json", "version": 1}
                found.append(json.loads(document))
        return found


@pytest.fixture
def daemon() -> Any:
    made = Daemon()
    yield made
    made.socket.close()


def flat(documents: list[Any]) -> list[Any]:
    """Every subsegment by itself: its name, those above it, and what is said about it."""
    above: dict[str, str] = {}
    found: list[Any] = []

    def visit(document: Any, parent: str) -> None:
        above[document["id"]] = parent
        found.append(document)
        for child in document.get("subsegments", ()):
            visit(child, document["id"])

    for document in documents:
        assert document["trace_id"] == "1-5759e988-bd862e3fe1be46a994272793"
        assert document["type"] == "subsegment"
        visit(document, document["parent_id"])
    names = {document["id"]: document["name"] for document in found}
    names["53995c3f42cd8ad8"] = "the function"
    return sorted(
        [
            (
                document["name"],
                names[above[document["id"]]],
                document.get("annotations", {}),
                said(document),
                document.get("namespace", "local"),
                document.get("fault", False),
                [(error["type"], error["message"]) for error in document.get("cause", {}).get("exceptions", ())]
                if isinstance(document.get("cause"), dict)
                else [],
            )
            for document in found
        ],
        key=str,
    )


def said(document: Any) -> Any:
    """The metadata. Of an exception the original keeps its attributes, which for a plain one are none: a type only."""
    metadata = {
        key: dict(value) for key, value in document.get("metadata", {}).items() if key not in ("span", "resource")
    }
    for members in metadata.values():
        for key in members:
            if key.endswith(" error"):
                members[key] = "an error"
    return metadata


def test_the_same_subsegments(daemon: Daemon) -> None:
    sent = []
    for package in ("aws_lambda_powertools", "obsv.compat.powertools"):
        done = run(PROGRAM.format(package=package), AWS_XRAY_DAEMON_ADDRESS=daemon.address, **LAMBDA)
        assert done.stdout == "done\n", done.stderr
        sent.append(flat(daemon.documents()))
    theirs, mine = sent
    assert len(theirs) == 18
    assert mine == theirs


def test_nothing_is_sent_where_tracing_is_off(daemon: Daemon) -> None:
    for variable in ("POWERTOOLS_TRACE_DISABLED", "AWS_SAM_LOCAL", "AWS_CHALICE_CLI_MODE"):
        done = run(
            PROGRAM.format(package="obsv.compat.powertools"),
            AWS_XRAY_DAEMON_ADDRESS=daemon.address,
            **{**LAMBDA, variable: "true"},
        )
        if variable == "POWERTOOLS_TRACE_DISABLED":
            assert done.stdout == "done\n", done.stderr
        assert daemon.documents() == []


def test_an_unsampled_invocation_sends_nothing(daemon: Daemon) -> None:
    environment = {**LAMBDA, "_X_AMZN_TRACE_ID": HEADER.replace("Sampled=1", "Sampled=0")}
    done = run(PROGRAM.format(package="obsv.compat.powertools"), AWS_XRAY_DAEMON_ADDRESS=daemon.address, **environment)
    assert done.stdout == "done\n", done.stderr
    assert daemon.documents() == []


def test_the_tracer_starts_obsv_in_lambda_only_and_prints_nothing() -> None:
    code = (
        "from obsv.compat.powertools import Tracer\nTracer()\n"
        "from obsv import runtime\nprint(runtime.running() is not None)"
    )
    assert run(code).stdout == "False\n"
    assert run(code, AWS_XRAY_DAEMON_ADDRESS="127.0.0.1:9", **LAMBDA).stdout == "True\n"


# ---------------------------------------------------------------------- where the original is not right, or does less


@pytest.fixture(autouse=True)
def _first() -> Any:
    from obsv.compat.powertools.tracing import tracer

    tracer.Tracer._reset_config()
    tracer.cold_start.reset()
    yield
    tracer.Tracer._reset_config()


def test_outside_lambda_spans_go_where_obsv_sends_them() -> None:
    tracer = Tracer(service="shop")

    @tracer.capture_method
    def charge() -> int:
        return 7

    with capture() as seen:
        with obsv.span("request"):
            assert charge() == 7
        name = f"## {__name__}.test_outside_lambda_spans_go_where_obsv_sends_them.locals.charge"
        assert seen.span(name).parent_id == seen.span("request").span_id
    assert charge() == 7


def test_concurrent_tasks_have_spans_of_their_own() -> None:
    """AlreadyEndedException with aws-xray-sdk (its issue 164)."""
    tracer = Tracer(service="shop")

    @tracer.capture_method
    async def step(number: int) -> int:
        await asyncio.sleep(0)
        tracer.put_annotation("number", number)
        await asyncio.sleep(0)
        return number

    @tracer.capture_method
    async def all_steps() -> list[int]:
        return await asyncio.gather(*[step(number) for number in range(5)])

    with capture() as seen:
        assert asyncio.run(all_steps()) == [0, 1, 2, 3, 4]
        (parent,) = [span for span in seen.spans if span.name.endswith("all_steps")]
        steps = [span for span in seen.spans if span.name.endswith(".step")]
    assert sorted(span.attributes["number"] for span in steps) == [0, 1, 2, 3, 4]
    assert {span.parent_id for span in steps} == {parent.span_id}


def test_a_cold_start_is_that_of_the_first_invocation_although_it_fails() -> None:
    tracer = Tracer(service="shop")

    @tracer.capture_lambda_handler
    def handler(event: Any, context: Any) -> None:
        raise LookupError

    with capture() as seen:
        for _ in range(2):
            with pytest.raises(LookupError):
                handler({}, None)
        assert [span.attributes["ColdStart"] for span in seen.spans] == [True, False]


def test_async_handlers_are_waited_for() -> None:
    tracer = Tracer(service="shop")

    @tracer.capture_lambda_handler
    async def handler(event: Any, context: Any) -> int:
        await asyncio.sleep(0)
        return 7

    with capture() as seen:
        assert asyncio.run(handler({}, None)) == 7
        [span] = seen.spans
    assert span.attributes["aws.xray.metadata.shop"] == '{"handler response":7}'


def test_between_two_items_of_a_generator_the_callers_spans_are_not_its_children() -> None:
    tracer = Tracer(service="shop")

    @tracer.capture_method
    def items() -> Any:
        yield 1
        yield 2

    with capture() as seen:
        with obsv.span("request"):
            for number in items():
                with obsv.span(f"use {number}"):
                    pass
        request = seen.span("request").span_id
        assert seen.span("use 1").parent_id == seen.span("use 2").parent_id == request


def test_async_generators_and_async_context_managers() -> None:
    tracer = Tracer(service="shop")

    @tracer.capture_method
    async def items() -> Any:
        with obsv.span("inside"):
            yield 1

    @tracer.capture_method
    @contextlib.asynccontextmanager
    async def opened() -> Any:
        yield "it"

    async def drive() -> None:
        assert [item async for item in items()] == [1]
        async with opened() as value:
            assert value == "it"

    with capture() as seen:
        asyncio.run(drive())
        (outer,) = [span for span in seen.spans if span.name.endswith(".items")]
        assert seen.span("inside").parent_id == outer.span_id
        assert len([span for span in seen.spans if span.name.endswith(".opened")]) == 1


def test_a_captured_response_is_not_read() -> None:
    """Powertools' issue 238: capturing a response exhausted the body of an S3 object."""
    tracer = Tracer(service="shop")
    body = iter([b"chunk"])

    @tracer.capture_method
    def get() -> Any:
        return {"Body": body}

    with capture() as seen:
        assert list(get()["Body"]) == [b"chunk"]
        assert "list_iterator" in seen.spans[0].attributes["aws.xray.metadata.shop"]


class Broken:
    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


def test_whatever_is_said_nothing_raises() -> None:
    tracer = Tracer(service="shop")
    held: list[Any] = []
    held.append(held)
    with capture() as seen:
        with obsv.span("s"):
            for value in (Broken(), held, float("nan"), {"a": Broken()}, {Broken(): 1}, b"bytes", "x" * 200_000):
                tracer.put_annotation("key", value)
                tracer.put_metadata("key", value)
                tracer.put_metadata(value, value, namespace=value)  # type: ignore[arg-type]
            tracer.put_annotation("http.route", "/x")
        span = seen.span("s")
    assert span.attributes["aws.xray.annotations"] == ("key", "http.route")
    for key, text in span.attributes.items():
        if key.startswith("aws.xray.metadata."):
            json.loads(text)


def test_static_and_class_methods_in_either_order_of_decorators() -> None:
    tracer = Tracer(service="shop")

    class Shop:
        @tracer.capture_method
        @staticmethod
        def static(value: int) -> int:
            return value

        @tracer.capture_method
        @classmethod
        def of_class(cls, value: int) -> Any:
            return cls, value

    with capture() as seen:
        assert Shop().static(7) == 7
        assert Shop().of_class(8) == (Shop, 8)
        assert len(seen.spans) == 2


def test_ctrl_c_passes_through() -> None:
    tracer = Tracer(service="shop")

    @tracer.capture_lambda_handler
    @tracer.capture_method
    def handler(event: Any, context: Any) -> None:
        raise KeyboardInterrupt

    with capture() as seen:
        with pytest.raises(KeyboardInterrupt):
            handler({}, None)
        assert len(seen.spans) == 2


def test_outside_of_a_span_nothing_happens() -> None:
    tracer = Tracer(service="shop")
    tracer.put_annotation("a", 1)
    tracer.put_metadata("a", 1)
    with capture() as seen:
        tracer.put_annotation("a", 1)
        assert seen.spans == []


def test_the_provider_has_no_more_than_the_recorder() -> None:
    provider = Tracer(service="shop").provider
    assert callable(provider.begin_segment)
    for name in ("no_such_call", "_private", "__deepcopy__"):
        assert not hasattr(provider, name)


def test_a_provider_of_ones_own_is_asked_for_subsegments() -> None:
    told: list[Any] = []

    class Subsegment:
        def put_annotation(self, key: str, value: Any) -> None:
            told.append((key, value))

        def put_metadata(self, key: str, value: Any, namespace: str) -> None:
            told.append((key, value, namespace))

    class Mine:
        @contextlib.contextmanager
        def in_subsegment(self, name: str) -> Any:
            told.append(name)
            yield Subsegment()

        @contextlib.asynccontextmanager
        async def in_subsegment_async(self, name: str) -> Any:
            told.append(name)
            yield Subsegment()

        def put_annotation(self, key: str, value: Any) -> None:
            told.append((key, value))

    tracer = Tracer(service="shop", provider=Mine(), auto_patch=False)

    @tracer.capture_method
    async def step() -> int:
        tracer.put_annotation("a", 1)
        return 7

    @tracer.capture_lambda_handler
    def handler(event: Any, context: Any) -> int:
        return asyncio.run(step())

    assert handler({}, None) == 7
    name = f"{__name__}.test_a_provider_of_ones_own_is_asked_for_subsegments.locals.step"
    assert told == [
        "## handler", ("ColdStart", True), ("Service", "shop"), f"## {name}", ("a", 1),
        (f"{name} response", 7, "shop"), ("handler response", 7, "shop"),
    ]  # fmt: skip


def test_unknown_libraries_and_ignore_endpoint_give_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    tracer = Tracer(service="shop", auto_patch=False)
    tracer.patch(["mysql"])
    tracer.ignore_endpoint(hostname="example.org")
    err = capsys.readouterr().err
    assert "no patch for mysql" in err
    assert "ignore_endpoint" in err


def test_aiohttp_requests_have_spans_and_carry_the_trace() -> None:
    import aiohttp
    from aiohttp import web

    from obsv.compat.powertools.tracing import aiohttp_trace_config

    headers: list[Any] = []

    async def answer(request: Any) -> Any:
        headers.append(request.headers.get("traceparent"))
        return web.Response(status=404)

    async def drive() -> None:
        app = web.Application()
        app.router.add_get("/x", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        with obsv.span("request"):
            async with aiohttp.ClientSession(trace_configs=[aiohttp_trace_config()]) as session:
                async with session.get(f"http://127.0.0.1:{port}/x") as response:
                    assert response.status == 404
                with pytest.raises(aiohttp.ClientError):
                    await session.get("http://127.0.0.1:9/")
        await runner.cleanup()

    with capture() as seen:
        asyncio.run(drive())
        first, second = [span for span in seen.spans if span.name == "GET"]
    assert first.attributes["http.response.status_code"] == 404
    assert first.parent_id == second.parent_id
    assert headers[0].split("-")[2] == first.span_id
    assert second.status_value == 2
