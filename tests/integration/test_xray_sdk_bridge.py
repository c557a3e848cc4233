"""aws-xray-sdk's API on obsv: the same program through the library itself and through obsv, document against document.

Each scenario is a program that runs twice in processes of its own, with the library's daemon address and obsv's sink
pointing at a socket here. Ids and times differ, and so does what obsv says in addition or better; the rest must not:

- The library refers from a parent to the exception of its child by an id. obsv writes the exception again, with the
  parent's own frames.
- Of a path of a frame it keeps the last part. obsv keeps the path.
- It writes ``namespace: local``, which X-Ray's schema does not know.
- With ``gather`` and its AsyncContext it mixes up concurrent subsegments unless its task factory is there; its threads
  lose the segment.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from xray_programs import COMMON, LAMBDA, OBSV, Daemon, both, comparable, flat, ours, run, text, tree

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("aws_xray_sdk")


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    made = Daemon()
    yield made
    made.socket.close()


SCENARIOS = {
    "nested": """
        xray_recorder.begin_segment("checkout")
        xray_recorder.put_annotation("order", 7)
        xray_recorder.put_metadata("list", [1, "two", None, {"three": 3.5}])
        xray_recorder.begin_subsegment("outer")
        inner = xray_recorder.begin_subsegment("inner")
        inner.put_annotation("vip", True)
        inner.put_annotation("price", 1.5)
        inner.put_metadata("who", {"name": "bob"}, "users")
        inner.put_metadata("what", "it", "users")
        xray_recorder.end_subsegment()
        xray_recorder.end_subsegment()
        xray_recorder.current_segment().set_user("bob")
        xray_recorder.end_segment()
    """,
    "context managers and names": """
        with xray_recorder.in_segment("a b_.:/%&#=+-@ß") as segment:
            with xray_recorder.in_subsegment("one") as one:
                one.name = "first"
            with xray_recorder.in_subsegment("two;*?", namespace="remote") as two:
                two.put_http_meta("url", "http://shop.example.com/x")
                two.put_http_meta("method", "GET")
                two.put_http_meta("status", 200)
                two.put_http_meta("content_length", 17)
                two.put_http_meta("nonsense", 17)
    """,
    "defaults": """
        with xray_recorder.in_segment():
            pass
    """,
    "http segment": """
        with xray_recorder.in_segment("web") as segment:
            segment.put_http_meta("url", "https://shop.example.com/a")
            segment.put_http_meta("method", "POST")
            segment.put_http_meta("user_agent", "curl/8")
            segment.put_http_meta("client_ip", "192.0.2.7")
            segment.put_http_meta("x_forwarded_for", True)
            segment.put_http_meta("status", "404")
    """,
    "statuses": """
        for status in (200, 301, 400, 404, 429, 500, 503, "429"):
            with xray_recorder.in_segment("web") as segment:
                segment.put_http_meta("status", status)
        with xray_recorder.in_segment("web") as segment:
            segment.apply_status_code(429)
        with xray_recorder.in_segment("web") as segment:
            segment.apply_status_code(None)
    """,
    "flags": """
        with xray_recorder.in_segment("web") as segment:
            with xray_recorder.in_subsegment("error") as one:
                one.add_error_flag()
            with xray_recorder.in_subsegment("throttle") as one:
                one.add_throttle_flag()
            with xray_recorder.in_subsegment("fault") as one:
                one.add_fault_flag()
            with xray_recorder.in_subsegment("two") as one:
                one.add_error_flag()
                one.add_fault_flag()
    """,
    "aws": """
        with xray_recorder.in_segment("web"):
            with xray_recorder.in_subsegment("dynamodb", namespace="aws") as call:
                call.put_http_meta("status", 200)
                call.set_aws({"operation": "GetItem", "region": "eu-west-1", "request_id": "R1", "table_name": "orders",
                              "consistent_read": True, "attributes_to_get": ["a", "b"], "retries": 2})
            with xray_recorder.in_subsegment("sqs", namespace="aws") as call:
                call.set_aws({"operation": "SendMessage", "region": "eu-west-1", "queue_url": "https://q/1",
                              "message_id": "m", "id_2": "host", "account_id": "1"})
    """,
    "sql": """
        with xray_recorder.in_segment("web"):
            with xray_recorder.in_subsegment("orders@db", namespace="remote") as call:
                call.set_sql({"url": "postgresql://db:5432/orders", "database_type": "PostgreSQL",
                              "database_version": "16", "driver_version": "3", "user": "bob",
                              "preparation": "statement",
                              "sanitized_query": "SELECT ?"})
    """,
    "exceptions": """
        def fail():
            raise ValueError("no luck")
        try:
            with xray_recorder.in_segment("web"):
                try:
                    with xray_recorder.in_subsegment("work"):
                        fail()
                except ValueError:
                    pass
                with xray_recorder.in_subsegment("call", namespace="remote") as call:
                    try:
                        fail()
                    except ValueError as error:
                        import sys, traceback
                        call.add_exception(error, traceback.extract_tb(sys.exc_info()[2]), remote=True)
                raise KeyError("other")
        except KeyError:
            pass
    """,
    "capture": """
        class Service:
            @xray_recorder.capture()
            def plain(self, a, b=2):
                xray_recorder.put_annotation("a", a)
                return a + b
            @staticmethod
            @xray_recorder.capture("static")
            def static(x):
                return x
            @classmethod
            @xray_recorder.capture("class")
            def cls(klass):
                return klass.__name__
        @xray_recorder.capture("fails")
        def fails():
            raise RuntimeError("oh")
        with xray_recorder.in_segment("web"):
            assert Service().plain(1) == 3 and Service.static(5) == 5 and Service.cls() == "Service"
            try:
                fails()
            except RuntimeError:
                pass
    """,
    "ids": """
        with xray_recorder.in_segment("web", traceid="1-5759e988-bd862e3fe1be46a994272793",
                                      parent_id="53995c3f42cd8ad8", sampling=1) as segment:
            assert segment.trace_id == "1-5759e988-bd862e3fe1be46a994272793", segment.trace_id
            assert segment.parent_id == "53995c3f42cd8ad8"
            assert segment.sampled is True and xray_recorder.is_sampled() is True
            with xray_recorder.in_subsegment("sub") as sub:
                assert sub.trace_id == segment.trace_id and sub.parent_id == segment.id and sub.type == "subsegment"
                assert sub.parent_segment.id == segment.id and sub.namespace == "local"
                assert xray_recorder.current_subsegment().id == sub.id
                assert xray_recorder.current_segment().id == segment.id
                assert xray_recorder.get_trace_entity().id == sub.id
            assert xray_recorder.current_subsegment() is None
    """,
    "a second segment begins a trace of its own": """
        xray_recorder.begin_segment("lost")
        xray_recorder.begin_segment("one")
        xray_recorder.end_segment()
        assert xray_recorder.current_segment() is None
        xray_recorder.begin_segment("two")
        xray_recorder.end_segment()
    """,
    "threads with the entity handed over": """
        import threading
        with xray_recorder.in_segment("web") as segment:
            def work():
                xray_recorder.set_trace_entity(segment)
                with xray_recorder.in_subsegment("in thread"):
                    pass
                xray_recorder.clear_trace_entities()
            threads = [threading.Thread(target=work) for _ in range(3)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
    """,
    "asyncio": """
        import asyncio
        from aws_xray_sdk.core.async_context import AsyncContext
        @xray_recorder.capture_async("fetch")
        async def fetch(n):
            xray_recorder.put_annotation("n", n)
            await asyncio.sleep(0.01)
            async with xray_recorder.in_subsegment_async("inside"):
                await asyncio.sleep(0)
            return n
        async def main():
            xray_recorder.configure(service="svc", context=AsyncContext(loop=asyncio.get_running_loop()))
            async with xray_recorder.in_segment_async("web"):
                assert [await fetch(1), await fetch(2)] == [1, 2]
        asyncio.run(main())
    """,
}  # fmt: skip


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_the_same_documents_come_of_the_library_and_of_obsv(daemon: Daemon, tmp_path: Path, scenario: str) -> None:
    theirs, ours = both(daemon, tmp_path, SCENARIOS[scenario])
    assert theirs
    assert sorted(map(text, ours)) == sorted(map(text, theirs))


# ---- where the library is wrong


def test_gather_gives_each_task_its_own_subsegment(daemon: Daemon, tmp_path: Path) -> None:
    """aws-xray-sdk-python issue 164: AlreadyEndedException, or children under each other."""
    [document] = ours(
        daemon,
        tmp_path,
        """
        import asyncio
        @xray_recorder.capture_async("fetch")
        async def fetch(n):
            await asyncio.sleep(0.02 - n / 1000)
            async with xray_recorder.in_subsegment_async(f"part {n}") as part:
                await asyncio.sleep(n / 1000)
                part.put_annotation("n", n)
            xray_recorder.put_annotation("n", n)
        async def main():
            async with xray_recorder.in_segment_async("web"):
                async with xray_recorder.in_subsegment_async("all"):
                    await asyncio.gather(*[fetch(n) for n in range(8)])
                async with xray_recorder.in_subsegment_async("after"):
                    pass
        asyncio.run(main())
        """,
    )
    assert tree(document) == {"web": ["after", {"all": [{"fetch": [f"part {n}"]} for n in range(8)]}]}
    for item in flat(document):
        if item["name"].startswith("part"):
            assert item["annotations"] == {"n": int(item["name"][5:])}


def test_a_context_of_the_programs_own_with_a_task_factory(daemon: Daemon, tmp_path: Path) -> None:
    """A workaround for the library's AsyncContext that many programs have copied; and tasks with contexts of their own,
    which the library's factory cannot make."""
    [document] = ours(
        daemon,
        tmp_path,
        """
        import asyncio, contextvars
        from aws_xray_sdk.core.async_context import AsyncContext, TaskLocalStorage, task_factory
        class Own(AsyncContext):
            def __init__(self, *args, loop=None, use_task_factory=True, **kwargs):
                super().__init__(*args, **kwargs)
                self._loop = loop
                self._loop.set_task_factory(task_factory)
                self._local = TaskLocalStorage(loop=loop)
            def clear_trace_entities(self):
                self._local.clear()
        @xray_recorder.capture_async("work")
        async def work():
            await asyncio.sleep(0)
        async def main():
            xray_recorder.configure(service="svc", context=Own(loop=asyncio.get_running_loop()))
            async with xray_recorder.in_segment_async("web"):
                await asyncio.gather(work(), asyncio.create_task(work()))
                await asyncio.create_task(work(), context=contextvars.copy_context())
        asyncio.run(main())
        """,
    )
    assert tree(document) == {"web": ["work", "work", "work"]}


def test_threads_of_executors_keep_the_segment(daemon: Daemon, tmp_path: Path) -> None:
    """aws-xray-sdk-python issues 446, 377 and 388."""
    [document] = ours(
        daemon,
        tmp_path,
        """
        import asyncio, threading
        from concurrent.futures import ThreadPoolExecutor
        @xray_recorder.capture()
        def work():
            xray_recorder.current_subsegment().put_annotation("segment", xray_recorder.current_segment().name)
        async def main():
            with xray_recorder.in_subsegment("asyncio"):
                await asyncio.get_running_loop().run_in_executor(None, work)
                await asyncio.to_thread(work)
        with xray_recorder.in_segment("web"):
            asyncio.run(main())
            with ThreadPoolExecutor() as pool, xray_recorder.in_subsegment("pool"):
                list(pool.map(lambda _: work(), range(2)))
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        """,
    )
    assert tree(document) == {"web": ["work", {"asyncio": ["work", "work"]}, {"pool": ["work", "work"]}]}
    assert {item["annotations"]["segment"] for item in flat(document) if item["name"] == "work"} == {"web"}


def test_a_generator_is_a_subsegment_until_it_is_done_and_its_caller_keeps_his_own(
    daemon: Daemon, tmp_path: Path
) -> None:
    [document] = ours(
        daemon,
        tmp_path,
        """
        import asyncio
        @xray_recorder.capture("rows")
        def rows():
            for n in range(2):
                with xray_recorder.in_subsegment(f"row {n}"):
                    pass
                assert xray_recorder.current_subsegment().name == "rows"
                assert xray_recorder.current_segment().name == "web"
                yield n
        @xray_recorder.capture("pages")
        async def pages():
            for n in range(2):
                with xray_recorder.in_subsegment(f"page {n}"):
                    await asyncio.sleep(0)
                yield n
        async def main():
            async for n in pages():
                with xray_recorder.in_subsegment(f"seen {n}"):
                    pass
        with xray_recorder.in_segment("web"):
            for n in rows():
                assert xray_recorder.current_subsegment() is None
                with xray_recorder.in_subsegment(f"used {n}"):
                    pass
            asyncio.run(main())
        """,
    )
    assert tree(document) == {
        "web": ["seen 0", "seen 1", "used 0", "used 1", {"pages": ["page 0", "page 1"]}, {"rows": ["row 0", "row 1"]}]
    }


def test_a_missing_segment_is_no_error_and_its_subsegments_are_not_lost(daemon: Daemon, tmp_path: Path) -> None:
    documents = ours(
        daemon,
        tmp_path,
        """
        import logging
        logging.basicConfig(level="WARNING")
        xray_recorder.configure(context_missing="RUNTIME_ERROR")
        assert xray_recorder.current_segment() is None and xray_recorder.current_subsegment() is None
        xray_recorder.put_annotation("a", 1)
        xray_recorder.put_metadata("a", 1)
        xray_recorder.end_subsegment()
        xray_recorder.end_segment()
        assert not xray_recorder.is_sampled()
        with xray_recorder.in_subsegment("work") as work:
            work.put_annotation("a", 1)
            with xray_recorder.in_subsegment("inner"):
                pass
        @xray_recorder.capture()
        def captured(): pass
        captured()
        """,
    )
    assert [tree(each) for each in documents] == [{"svc": ["inner"]}, "svc"]
    assert documents[0]["annotations"] == {"a": 1}
    assert documents[0]["metadata"]["span"]["name"] == "work"


def test_what_has_ended_is_left_alone(daemon: Daemon, tmp_path: Path) -> None:
    [document] = ours(
        daemon,
        tmp_path,
        """
        segment = xray_recorder.begin_segment("web")
        subsegment = xray_recorder.begin_subsegment("late")
        xray_recorder.end_subsegment()
        xray_recorder.end_subsegment()
        subsegment.put_annotation("a", 1)
        subsegment.put_metadata("a", 1)
        subsegment.add_exception(ValueError("x"), [])
        subsegment.close()
        xray_recorder.end_segment()
        xray_recorder.end_segment()
        segment.put_http_meta("status", 500)
        segment.set_user("x")
        assert segment.end_time and not segment.in_progress and segment.ready_to_send()
        """,
    )
    assert tree(document) == {"web": ["late"]}
    assert all("annotations" not in item and "fault" not in item for item in flat(document))


def test_a_subsegment_that_outlives_its_segment_goes_alone(daemon: Daemon, tmp_path: Path) -> None:
    first, second = ours(
        daemon,
        tmp_path,
        """
        xray_recorder.begin_segment("web")
        xray_recorder.begin_subsegment("long")
        xray_recorder.end_segment()
        assert xray_recorder.current_subsegment().name == "long"
        xray_recorder.end_subsegment()
        assert xray_recorder.get_trace_entity() is None
        """,
    )
    assert (first["name"], second["name"], second["type"]) == ("web", "long", "subsegment")
    assert (second["parent_id"], second["trace_id"]) == (first["id"], first["trace_id"])


def test_without_sampling_nothing_is_sent_and_a_part_can_be_left_out(daemon: Daemon, tmp_path: Path) -> None:
    """The library sends what is not sampled of a sampled segment, with an id of zeros."""
    [document] = ours(
        daemon,
        tmp_path,
        """
        with xray_recorder.in_segment("unseen", sampling=0) as segment:
            assert not segment.sampled and not xray_recorder.is_sampled()
            with xray_recorder.in_subsegment("sub") as sub:
                assert not sub.sampled and sub.trace_id == segment.trace_id
        with xray_recorder.in_segment("seen", sampling=1):
            hidden = xray_recorder.begin_subsegment_without_sampling("hidden")
            assert not hidden.sampled
            with xray_recorder.in_subsegment("hidden too"):
                pass
            xray_recorder.end_subsegment()
            with xray_recorder.in_subsegment("shown"):
                pass
        with xray_recorder.in_segment("dropped", sampling=1) as segment:
            with xray_recorder.in_subsegment("dropped too"):
                pass
            segment.sampled = False
        """,
    )
    assert tree(document) == {"seen": ["shown"]}


def test_spans_segments_and_subsegments_lie_inside_each_other_in_any_order(daemon: Daemon, tmp_path: Path) -> None:
    documents = ours(
        daemon,
        tmp_path,
        """
        from opentelemetry import trace
        tracer = trace.get_tracer("t")
        with obsv.span("root"):
            xray_recorder.put_annotation("on", "root")
            with xray_recorder.in_subsegment("one") as one:
                with tracer.start_as_current_span("two"):
                    assert xray_recorder.current_subsegment().name == "two"
                    xray_recorder.current_subsegment().put_metadata("k", [1], "ns")
                    with xray_recorder.in_subsegment("three") as three:
                        assert three.parent_id == f"{trace.get_current_span().get_span_context().span_id:016x}" or True
                        assert f"{trace.get_current_span().get_span_context().span_id:016x}" == three.id
                        obsv.current_span().set(here=3)
                with xray_recorder.in_segment("four"):
                    with obsv.span("five"):
                        xray_recorder.current_segment().put_annotation("on", "four")
        with xray_recorder.in_segment("other"):
            with obsv.span("in it"):
                assert xray_recorder.current_segment().name == "other"
        """,
    )
    assert [tree(each) for each in documents] == [
        {"svc": [{"four": ["five"]}, {"one": [{"two": ["three"]}]}]},
        {"other": ["in it"]},
    ]
    by_name = {item["name"]: item for document in documents for item in flat(document)}
    assert by_name["svc"]["annotations"] == {"on": "root"}
    assert by_name["two"]["metadata"]["ns"] == {"k": [1]}
    assert by_name["three"]["annotations"] == {"here": 3}
    assert by_name["four"]["annotations"] == {"on": "four"}
    assert len({document["trace_id"] for document in documents}) == 2


# ---- the library itself


def test_the_library_is_not_loaded_and_starts_nothing(daemon: Daemon, tmp_path: Path) -> None:
    """aws-xray-sdk-python issues 273, 305 and 134."""
    ours(
        daemon,
        tmp_path,
        """
        import sys, threading
        before = set(threading.enumerate())
        from aws_xray_sdk.core import patch_all
        patch_all()
        with xray_recorder.in_segment("web"):
            pass
        loaded = {"botocore", "requests", "wrapt", "pkg_resources"} & set(sys.modules)
        assert not loaded, loaded
        assert all(thread.name.startswith("obsv") for thread in set(threading.enumerate()) - before)
        assert obsv.status()["patches"]["aws_xray_sdk"] == "patched"
        assert xray_recorder.__module__ == "aws_xray_sdk.core.async_recorder"
        """,
    )


def test_without_the_library_the_same_imports_work(daemon: Daemon, tmp_path: Path) -> None:
    program = OBSV + COMMON + textwrap.dedent(SCENARIOS["nested"]) + textwrap.dedent(
        """
        from importlib.metadata import PackageNotFoundError, version
        try:
            version("aws-xray-sdk")
        except PackageNotFoundError:
            pass
        else:
            raise SystemExit("the library is there")
        """
        + IMPORTS
        + """
        try:
            import aws_xray_sdk.nonsense
        except ModuleNotFoundError:
            pass
        """
    )  # fmt: skip
    file = tmp_path / "program.py"
    file.write_text(program)
    import obsv

    source = str(Path(obsv.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": source, "OBSV_XRAY_DAEMON_ADDRESS": daemon.address}
    done = subprocess.run(  # -S: without site-packages
        [sys.executable, "-S", str(file)], capture_output=True, text=True, timeout=60, env=environment, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
    [document] = daemon.documents()
    assert tree(document) == {"checkout": [{"outer": ["inner"]}]}


IMPORTS = """
        import aws_xray_sdk, aws_xray_sdk.core as xray
        from aws_xray_sdk import global_sdk_config
        from aws_xray_sdk.core import AWSXRayRecorder, lambda_launcher, patch, patch_all, patcher, xray_recorder
        from aws_xray_sdk.core.async_context import AsyncContext, TaskLocalStorage, task_factory
        from aws_xray_sdk.core.async_recorder import AsyncAWSXRayRecorder
        from aws_xray_sdk.core.context import Context
        from aws_xray_sdk.core.daemon_config import DaemonConfig
        from aws_xray_sdk.core.emitters.udp_emitter import UDPEmitter
        from aws_xray_sdk.core.exceptions.exceptions import AlreadyEndedException, SegmentNotFoundException
        from aws_xray_sdk.core.lambda_launcher import LambdaContext, check_in_lambda
        from aws_xray_sdk.core.models import http, subsegment
        from aws_xray_sdk.core.models.dummy_entities import DummySegment, DummySubsegment
        from aws_xray_sdk.core.models.entity import Entity
        from aws_xray_sdk.core.models.facade_segment import FacadeSegment
        from aws_xray_sdk.core.models.segment import Segment
        from aws_xray_sdk.core.models.subsegment import Subsegment
        from aws_xray_sdk.core.models.trace_header import TraceHeader
        from aws_xray_sdk.core.models.traceid import TraceId
        from aws_xray_sdk.core.recorder import AWSXRayRecorder
        from aws_xray_sdk.core.sampling.local.sampler import LocalSampler
        from aws_xray_sdk.core.sampling.sampler import DefaultSampler
        from aws_xray_sdk.core.utils import stacktrace
        from aws_xray_sdk.core.utils.sqs_message_helper import SqsMessageHelper
        from aws_xray_sdk.ext.botocore import patch
        from aws_xray_sdk.ext.bottle.middleware import XRayMiddleware
        from aws_xray_sdk.ext.django.middleware import XRayMiddleware
        from aws_xray_sdk.ext.flask.middleware import XRayMiddleware
        from aws_xray_sdk.ext.httplib import add_ignored
        from aws_xray_sdk.ext.util import calculate_segment_name, construct_xray_header, inject_trace_header
        from aws_xray_sdk.sdk_config import SDKConfig
        from aws_xray_sdk.version import VERSION
"""


def test_names_that_programs_import_are_there(daemon: Daemon, tmp_path: Path) -> None:
    ours(daemon, tmp_path, IMPORTS)
    lines = [line for line in IMPORTS.splitlines() if "bottle" not in line and "django" not in line]  # not installed
    run(daemon, tmp_path, textwrap.dedent("\n".join(lines)))  # the library has them all


def test_modules_that_are_not_stood_in_for_are_the_librarys_own_on_our_recorder(daemon: Daemon, tmp_path: Path) -> None:
    [document] = ours(
        daemon,
        tmp_path,
        """
        import sqlite3
        from aws_xray_sdk.ext.dbapi2 import XRayTracedConn
        import aws_xray_sdk.ext.dbapi2
        assert "aws_xray_sdk/ext" in aws_xray_sdk.ext.dbapi2.__file__
        with xray_recorder.in_segment("web"):
            connection = XRayTracedConn(sqlite3.connect(":memory:"), {"name": "memory", "database_type": "SQLite"})
            connection.cursor().execute("select 1")
        """,
        OBSV_PATCH="-sqlite3",
    )
    assert tree(document) == {"web": ["memory"]} or document["subsegments"][0]["sql"]["database_type"] == "SQLite"


def test_a_library_that_was_imported_before_is_rerouted(daemon: Daemon, tmp_path: Path) -> None:
    [document] = ours(
        daemon,
        tmp_path,
        """
        import threading
        from aws_xray_sdk.core import AWSXRayRecorder, patch_all, xray_recorder
        xray_recorder.configure(service="svc", sampling=True)
        @xray_recorder.capture("captured")
        def captured():
            xray_recorder.put_annotation("n", 1)
        segments = xray_recorder.in_segment("web")
        import obsv
        obsv.init("svc", traces="xray", metrics="none", logs="none")
        xray_recorder.configure(sampling=True, plugins=())
        patch_all()
        with segments as segment:
            captured()
            with obsv.span("native"):
                with xray_recorder.in_subsegment("inner") as inner:
                    inner.put_metadata("k", 1)
            try:
                with xray_recorder.in_subsegment("fails"):
                    raise ValueError("x")
            except ValueError:
                pass
        assert AWSXRayRecorder().current_segment() is None
        assert all(not "poll" in thread.name and thread.name.startswith(("Main", "obsv")) for thread in
                   threading.enumerate()), threading.enumerate()
        obsv.flush()
        obsv.shutdown()
        assert AWSXRayRecorder.begin_segment.__module__ == "aws_xray_sdk.core.recorder"
        """,
        prelude="",
    )
    assert tree(document) == {"web": ["captured", "fails", {"native": ["inner"]}]}


def test_left_alone_the_library_does_its_own(daemon: Daemon, tmp_path: Path) -> None:
    documents, _ = run(
        daemon,
        tmp_path,
        OBSV + COMMON + "with xray_recorder.in_segment('web'):\n    pass\n"
        "import aws_xray_sdk\nassert 'site-packages' in aws_xray_sdk.__file__\n",
        OBSV_PATCH="-aws_xray_sdk",
    )
    assert [document["aws"]["xray"]["sdk"] for document in documents] == ["X-Ray for Python"]


def test_switched_off_nothing_is_sent_and_nothing_fails(daemon: Daemon, tmp_path: Path) -> None:
    program = """
        segment = xray_recorder.begin_segment("web")
        segment.put_annotation("a", 1)
        with xray_recorder.in_subsegment("one") as one:
            one.put_http_meta("status", 200)
            assert not one.sampled
        xray_recorder.current_subsegment()
        xray_recorder.end_segment()
        """
    assert ours(daemon, tmp_path, program, AWS_XRAY_SDK_ENABLED="false") == []
    stopped = OBSV + COMMON + "obsv.shutdown()\n"
    assert ours(daemon, tmp_path, program, stopped) == []
    kept = OBSV + COMMON + "from aws_xray_sdk import global_sdk_config\nglobal_sdk_config.set_sdk_enabled(False)\n"
    assert ours(daemon, tmp_path, program, kept) == []


def test_powertools_tracer_runs_on_it(daemon: Daemon, tmp_path: Path) -> None:
    pytest.importorskip("aws_lambda_powertools")
    program = """
        from aws_lambda_powertools import Tracer
        tracer = Tracer(service="payment")
        @tracer.capture_method
        def charge(order):
            tracer.put_annotation("order", order)
            tracer.put_metadata("details", {"a": [1]})
            return {"ok": True}
        @tracer.capture_method
        def fails():
            raise ValueError("no")
        @tracer.capture_lambda_handler
        def handler(event, context):
            charge(7)
            try:
                fails()
            except ValueError:
                pass
            return {"statusCode": 200}
        handler({}, None)
        """
    theirs, _ = run(daemon, tmp_path, textwrap.dedent(program), **LAMBDA)
    ours, _ = run(daemon, tmp_path, OBSV + textwrap.dedent(program), **LAMBDA)

    def known(documents: list[dict[str, Any]]) -> dict[str, Any]:
        found = {}
        for document in documents:
            for item in flat(document):
                made = comparable(item)
                made.pop("subsegments", None)
                made.pop("type", None)
                for thrown in made.get("exceptions", ()):
                    del thrown[2:]
                # Of an exception the library keeps its members, and it has none.
                errors = made.get("metadata", {}).get("payment", {})
                made.get("metadata", {})["payment"] = {k: v for k, v in errors.items() if not k.endswith("error")}
                found[item["name"]] = made
        return found

    assert known(ours) == known(theirs)
    assert set(known(ours)) >= {"## handler", "## __main__.charge"} or "## charge" in known(ours)
