"""The rules of tracing in Lambda, one test each (X-Ray developer guide, "AWS Lambda and AWS X-Ray"; awslambdaric's
``bootstrap.py``; what aws-xray-sdk does).

The service begins and ends the segment of an invocation and names it in ``_X_AMZN_TRACE_ID``; what the function sends
lies below. Most programs here speak aws-xray-sdk's API to obsv, in processes of their own, as a function's code does.
"""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from aws_data import RESOURCE, span
from obsv.hotpath.headers import invocation
from obsv.hotpath.span import current
from obsv.xray.segment import documents
from xray_programs import HEADER, LAMBDA, OBSV, Daemon, flat, ours, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOT, PARENT = "1-5759e988-bd862e3fe1be46a994272793", "53995c3f42cd8ad8"
SERVER = 1

FUNCTION = (
    OBSV
    + """
import os
from aws_xray_sdk.core import xray_recorder

def invoke(number, handler, sampled="1"):
    \"\"\"What awslambdaric does for each invocation.\"\"\"
    root = f"1-5759e98{number}-bd862e3fe1be46a994272793"
    os.environ["_X_AMZN_TRACE_ID"] = f"Root={root};Parent=53995c3f42cd8ad8;Sampled={sampled}"
    handler()

def end():
    del os.environ["_X_AMZN_TRACE_ID"]
"""
)
STARTING = {key: value for key, value in LAMBDA.items() if key != "_X_AMZN_TRACE_ID"}


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    made = Daemon()
    yield made
    made.socket.close()


def function(daemon: Daemon, tmp_path: Path, program: str) -> list[dict[str, Any]]:
    """Run a function's code, and return what arrived."""
    return ours(daemon, tmp_path, program, FUNCTION, **STARTING)


def trace_of(number: int) -> str:
    return f"1-5759e98{number}-bd862e3fe1be46a994272793"


def below(document: dict[str, Any]) -> tuple[str, str, str, str]:
    """A document's name, kind, and what it lies below."""
    return (document["name"], document.get("type", "segment"), document["trace_id"], document.get("parent_id", ""))


# ---- the service owns the segment


def test_the_service_owns_the_segment_and_only_subsegments_stream() -> None:
    resource = {**RESOURCE, "cloud.platform": "aws_lambda"}
    trace = [span(2, 3, "inner"), span(3, 7, "handler", SERVER, remote=True)]
    [document] = [json.loads(text) for text in documents(trace, resource)]
    assert (document["type"], document["parent_id"], document["name"]) == ("subsegment", f"{7:016x}", "handler")
    assert document["subsegments"][0]["name"] == "inner"
    [alone] = [json.loads(text) for text in documents([span(3, 0, "start", SERVER)], resource)]
    assert "type" not in alone  # outside of an invocation there is no other segment


def test_the_facade_has_the_services_ids_cannot_be_changed_and_is_never_sent(daemon: Daemon, tmp_path: Path) -> None:
    [document] = function(
        daemon,
        tmp_path,
        """
        def handler():
            facade = xray_recorder.current_segment()
            assert type(facade).__name__ == "FacadeSegment" and facade.sampled, facade
            assert (facade.id, facade.trace_id) == ("53995c3f42cd8ad8", "1-5759e981-bd862e3fe1be46a994272793")
            facade.put_annotation("a", 1)
            facade.put_metadata("a", 1)
            facade.put_http_meta("status", 500)
            facade.set_user("x")
            facade.add_exception(ValueError("x"), [])
            facade.close()
            xray_recorder.end_segment()
            assert not facade.ready_to_send()
            with xray_recorder.in_subsegment("work") as work:
                assert work.parent_segment.trace_id == facade.trace_id
                xray_recorder.current_segment().set_user("bob")
        invoke(1, handler)
        """,
    )
    assert below(document) == ("work", "subsegment", trace_of(1), PARENT)
    assert "annotations" not in document


def test_a_segment_that_a_program_begins_is_a_subsegment_whatever_a_request_says(
    daemon: Daemon, tmp_path: Path
) -> None:
    [document] = function(
        daemon,
        tmp_path,
        """
        def handler():
            with xray_recorder.in_segment("request", traceid="1-11111111-222222222222222222222222", parent_id="3" * 16):
                pass
        invoke(1, handler)
        """,
    )
    assert below(document) == ("request", "subsegment", trace_of(1), PARENT)


def test_the_subsegments_of_the_library_stream_to_the_same_places(daemon: Daemon, tmp_path: Path) -> None:
    pytest.importorskip("aws_xray_sdk")
    program = """
        import os
        from aws_xray_sdk.core import xray_recorder
        facade = xray_recorder.current_segment()
        assert (facade.id, facade.trace_id) == ("53995c3f42cd8ad8", "1-5759e988-bd862e3fe1be46a994272793"), facade
        with xray_recorder.in_subsegment("## handler") as handler:
            handler.put_annotation("ColdStart", True)
            with xray_recorder.in_subsegment("inner"):
                pass
        xray_recorder.begin_subsegment("leaked")
        os.environ["_X_AMZN_TRACE_ID"] = os.environ["_X_AMZN_TRACE_ID"].replace("1-5759e988", "1-5759e989")
        with xray_recorder.in_subsegment("second"):
            pass
        """
    theirs, _ = run(daemon, tmp_path, program, **LAMBDA)
    ours, _ = run(daemon, tmp_path, OBSV + textwrap.dedent(program), **LAMBDA)
    seen = [{below(document) for document in sent if "trace_id" in document} for sent in (theirs, ours)]
    assert ("## handler", "subsegment", ROOT, PARENT) in seen[1]
    assert ("second", "subsegment", ROOT.replace("88-", "89-"), PARENT) in seen[1]
    assert seen[1] <= seen[0]


# ---- the variable is read anew for each invocation


def test_the_variable_is_read_anew_each_invocation(daemon: Daemon, tmp_path: Path) -> None:
    sent = function(
        daemon,
        tmp_path,
        """
        @xray_recorder.capture("rows")
        def rows():
            yield 1
        def handler():
            with xray_recorder.in_subsegment("work"):
                pass
            list(rows())
            facade = xray_recorder.get_trace_entity()
            xray_recorder.set_trace_entity(facade)
            with xray_recorder.in_subsegment("handed over"):
                pass
        for number in (1, 2, 3):
            invoke(number, handler)
            assert xray_recorder.current_segment().trace_id[9] == str(number)
        """,
    )
    assert sorted(map(below, sent)) == sorted(
        (name, "subsegment", trace_of(number), PARENT)
        for number in (1, 2, 3)
        for name in ("work", "rows", "handed over")
    )


def test_a_library_that_was_imported_before_obsv_began_follows_the_variable_too(daemon: Daemon, tmp_path: Path) -> None:
    pytest.importorskip("aws_xray_sdk")
    sent = ours(
        daemon,
        tmp_path,
        """
        @xray_recorder.capture("captured")
        def work():
            xray_recorder.put_annotation("n", 1)
        def handler():
            work()
            with xray_recorder.in_subsegment("block"):
                pass
        for number in (1, 2):
            invoke(number, handler)
            end()
        """,
        "from aws_xray_sdk.core import xray_recorder\n" + FUNCTION,
        **STARTING,
    )
    assert [below(each) for each in sent] == [
        (name, "subsegment", trace_of(number), PARENT) for number in (1, 2) for name in ("captured", "block")
    ]


def test_an_invocation_that_is_not_sampled_sends_nothing(daemon: Daemon, tmp_path: Path) -> None:
    sent = function(
        daemon,
        tmp_path,
        """
        def handler():
            assert not xray_recorder.is_sampled()
            with xray_recorder.in_subsegment("work") as work:
                assert not work.sampled
        invoke(1, handler, sampled="0")
        """,
    )
    assert sent == []


def test_a_changed_root_resets_what_was_left_open(daemon: Daemon, tmp_path: Path) -> None:
    sent = function(
        daemon,
        tmp_path,
        """
        def leaves_open():
            xray_recorder.begin_subsegment("outer")
            xray_recorder.begin_subsegment("inner")
        def handler():
            assert xray_recorder.current_subsegment() is None
            assert xray_recorder.current_segment().trace_id == "1-5759e982-bd862e3fe1be46a994272793"
            xray_recorder.put_annotation("on", "nothing")
            xray_recorder.end_subsegment()
            with xray_recorder.in_subsegment("work") as work:
                with xray_recorder.in_subsegment("nested"):
                    pass
        invoke(1, leaves_open)
        invoke(2, handler)
        with obsv.span("by itself"):
            pass
        """,
    )
    work, alone = sent
    assert below(work) == ("work", "subsegment", trace_of(2), PARENT)
    assert [each["name"] for each in flat(work)] == ["work", "nested"]
    assert alone["trace_id"] != trace_of(1)


def test_a_thread_of_an_earlier_invocation_goes_on_below_the_present_one(daemon: Daemon, tmp_path: Path) -> None:
    sent = function(
        daemon,
        tmp_path,
        """
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(1)
        def work(entity):
            xray_recorder.set_trace_entity(entity)
            with xray_recorder.in_subsegment("work"):
                pass
            if entity.trace_id[9] == "2":
                xray_recorder.clear_trace_entities()
        def later():
            with xray_recorder.in_subsegment("later"):
                pass
        def handler():
            pool.submit(work, xray_recorder.get_trace_entity()).result()
        invoke(1, handler)
        invoke(2, lambda: pool.submit(later).result())
        invoke(2, handler)
        invoke(3, lambda: pool.submit(later).result())
        """,
    )
    assert [below(each)[::2] for each in sent] == [
        (name, trace_of(number)) for number, name in ((1, "work"), (2, "later"), (2, "work"), (3, "later"))
    ]


def test_subsegments_below_a_span_of_another_trace_stay_below_it(daemon: Daemon, tmp_path: Path) -> None:
    [document] = function(
        daemon,
        tmp_path,
        """
        from obsv.hotpath.span import Remote, attach, detach
        def handler():
            token = attach(Remote(7, 8, 9, 1))  # a message's sender
            with obsv.span("message"):
                with xray_recorder.in_subsegment("work"):
                    with xray_recorder.in_subsegment("nested"):
                        pass
            detach(token)
        invoke(1, handler)
        """,
    )
    assert [each["name"] for each in flat(document)] == ["message", "work", "nested"]


# ---- where there is no invocation


def test_while_a_function_starts_there_is_no_segment_and_nothing_fails(daemon: Daemon, tmp_path: Path) -> None:
    started, invoked = function(
        daemon,
        tmp_path,
        """
        assert xray_recorder.current_segment() is None and not xray_recorder.is_sampled()
        xray_recorder.put_annotation("a", 1)
        with xray_recorder.in_subsegment("start"):
            with xray_recorder.in_subsegment("load"):
                pass
        def handler():
            with xray_recorder.in_subsegment("work"):
                pass
        invoke(1, handler)
        """,
    )
    assert "parent_id" not in started
    assert [each["name"] for each in flat(started)][1:] == ["load"]
    assert below(invoked) == ("work", "subsegment", trace_of(1), PARENT)


def test_the_variable_is_deleted_between_invocations(daemon: Daemon, tmp_path: Path) -> None:
    first, between, second = function(
        daemon,
        tmp_path,
        """
        def handler():
            with xray_recorder.in_subsegment("work"):
                pass
            xray_recorder.begin_subsegment("left open")
        invoke(1, handler)
        end()
        assert xray_recorder.current_segment() is None and xray_recorder.current_subsegment() is None
        with xray_recorder.in_subsegment("between"):
            with xray_recorder.in_subsegment("nested"):
                pass
        invoke(2, handler)
        """,
    )
    assert below(first) == ("work", "subsegment", trace_of(1), PARENT)
    assert "parent_id" not in between
    assert between["trace_id"] not in (trace_of(1), trace_of(2))
    assert [each["name"] for each in flat(between)][1:] == ["nested"]
    assert below(second) == ("work", "subsegment", trace_of(2), PARENT)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (None, None),
        ("", None),
        ("nonsense", None),
        (f"Parent={PARENT};Sampled=1", None),
        (f"Root={ROOT[:-1]};Parent={PARENT};Sampled=1", None),
        (f"Root={ROOT};Parent={PARENT};Sampled=1", (PARENT, True, True)),
        (f"Root={ROOT};Parent={PARENT};Sampled=0", (PARENT, False, True)),
        (f"Sampled=1; Parent={PARENT} ;Root={ROOT};", (PARENT, True, True)),
        (f"Root={ROOT};Sampled=1", ("0" * 16, True, True)),
        (f"Root={ROOT};Parent={PARENT}", (PARENT, False, False)),
        (f"Root={ROOT};Parent={PARENT};Sampled=?", (PARENT, False, False)),
    ],
)
def test_missing_parts(header: str | None, found: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a Root there is no invocation; without a Parent only its trace is known, without Sampled obsv decides.

    aws-xray-sdk drops everything in each of the three cases, as if the function were still starting.
    """
    monkeypatch.delenv("_X_AMZN_TRACE_ID", raising=False)
    if header is not None:
        monkeypatch.setenv("_X_AMZN_TRACE_ID", header)
    given = invocation()
    if found is None:
        assert given is None
    else:
        assert given is not None
        assert (given.trace_hi, given.trace_lo) == (0x5759E988BD862E3F, 0xE1BE46A994272793)
        assert (f"{given.id64:016x}", bool(given.flags & 1), given.decided) == found


def test_what_else_the_variable_says_travels_along(daemon: Daemon, tmp_path: Path) -> None:
    program = """
        import os
        os.environ["_X_AMZN_TRACE_ID"] = HEADER
        from obsv.hotpath.headers import inject
        from obsv.compat.powertools import Tracer
        for block in (xray_recorder.in_subsegment("a"), Tracer(auto_patch=False).provider.in_subsegment("b")):
            with block:
                carrier = {}
                inject(carrier)
                assert "Lineage=a87bd80c:1|68fd508a:5" in carrier["X-Amzn-Trace-Id"], carrier
        """
    ours(daemon, tmp_path, f"HEADER = {HEADER!r}\n" + textwrap.dedent(program), FUNCTION, **STARTING)


# ---- processes


def test_workers_that_were_started_before_the_handler_was_loaded_survive_the_fork(
    daemon: Daemon, tmp_path: Path
) -> None:
    """Lambda Managed Instances: N workers of ``multiprocessing`` are started, each loads the handler and serves."""
    sent = function(
        daemon,
        tmp_path,
        """
        import multiprocessing

        def worker(number):
            def handler():
                with xray_recorder.in_subsegment(f"worker {number}") as made:
                    made.put_annotation("pid", os.getpid())
            invoke(number, handler)
            invoke(number + 3, handler)

        with xray_recorder.in_subsegment("start"):
            pass
        context = multiprocessing.get_context("fork")
        workers = [context.Process(target=worker, args=(number,)) for number in (1, 2, 3)]
        for each in workers: each.start()
        for each in workers: each.join()
        assert [each.exitcode for each in workers] == [0, 0, 0]
        """,
    )
    served = [each for each in sent if each.get("type") == "subsegment"]
    assert sorted(map(below, served)) == sorted(
        (f"worker {number}", "subsegment", trace_of(number + more), PARENT) for number in (1, 2, 3) for more in (0, 3)
    )
    assert len({each["annotations"]["pid"] for each in served}) == 3
    assert len({each["id"] for each in sent}) == len(sent) == 7


def test_powertools_tracer_leaves_nothing_current_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    from obsv.compat.powertools import Tracer
    from obsv.testing import capture

    with capture() as seen:
        provider = Tracer(auto_patch=False).provider
        for number in (1, 2):
            monkeypatch.setenv("_X_AMZN_TRACE_ID", f"Root={trace_of(number)};Parent={PARENT};Sampled=1")
            with provider.in_subsegment("## handler"):
                pass
            assert current() is None
        assert [f"{each.trace_hi:016x}"[:8] for each in seen.spans] == ["5759e981", "5759e982"]
        assert {each.parent_id for each in seen.spans} == {PARENT}
