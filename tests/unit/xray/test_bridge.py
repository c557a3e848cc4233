"""The parts of the bridge of aws-xray-sdk one by one; ``integration/test_xray_sdk_bridge`` is about all of it."""

from __future__ import annotations

import gc
import os
import sys
import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_data import values
from obsv.hotpath.jsontext import dumps
from obsv.testing import capture
from obsv.xray.bridge import current as here
from obsv.xray.bridge import recorder as bridge
from obsv.xray.bridge.config import SDKConfig
from obsv.xray.bridge.header import TraceHeader
from obsv.xray.bridge.said import MAX_DEPTH, plain
from obsv.xray.bridge.samplers import LocalSampler
from obsv.xray.bridge.words import to_snake_case, wildcard_match

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from obsv.testing import Capture


@pytest.fixture
def seen() -> Iterator[Capture]:
    with capture() as made:
        yield made


@pytest.fixture
def recorder() -> bridge.AsyncAWSXRayRecorder:
    made = bridge.AsyncAWSXRayRecorder()
    made.configure(service="svc", sampling=False)
    return made


class Thing:
    def __init__(self) -> None:
        self.a = 1
        self._hidden = 2
        self.again = self


class Hostile:
    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        raise RuntimeError

    def __str__(self) -> str:
        raise RuntimeError


def test_objects_become_their_public_members() -> None:
    assert plain({"x": Thing(), 1: (2, {3})}) == {"x": {"a": 1, "again": "…"}, "1": [2, [3]]}
    assert plain(Decimal("1.5")) == "1.5"
    assert plain(ValueError("no")) == "no"
    assert plain(Hostile()) == "<Hostile>"


def test_an_iterator_is_not_used_up() -> None:
    items = iter([1, 2])
    plain(items)
    assert list(items) == [1, 2]


@given(st.recursive(values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)))
def test_anything_becomes_json(value: Any) -> None:
    dumps(plain(value))


def test_depth_is_bounded() -> None:
    deep: Any = "x"
    for _ in range(1000):
        deep = [deep]
    assert dumps(plain(deep)).count("[") == MAX_DEPTH


@given(st.text(), st.one_of(values, st.builds(Hostile)), st.text())
def test_nothing_that_is_said_raises(key: str, value: Any, space: str) -> None:
    with capture():
        recorder = bridge.AsyncAWSXRayRecorder()
        with recorder.in_segment("web", sampling=1) as segment:
            for each in (segment, recorder):
                each.put_metadata(key, value, space)
            with recorder.in_subsegment(key) as sub:
                sub.put_http_meta(key, value)
                sub.put_http_meta("status", key)
                sub.set_aws({key: value}) if type(value) is not Hostile else None
                sub.set_sql({key: key})
                sub.add_exception(key, value)
                sub.name = key
                sub.namespace = key
                sub.close(key)


def test_what_is_never_ended_is_not_kept(seen: Capture, recorder: bridge.AsyncAWSXRayRecorder) -> None:
    gc.collect()
    others = len(here._records)  # of spans that an earlier test's sink still has
    for _ in range(100):
        recorder.begin_segment("lost")
    assert len(here._records) == others + 1
    recorder.clear_trace_entities()
    assert len(here._records) == others


def test_metadata_that_holds_its_own_entity_is_not_kept(recorder: bridge.AsyncAWSXRayRecorder) -> None:
    gc.collect()
    others = len(here._records)

    @recorder.capture()
    def rows() -> Iterator[int]:
        recorder.put_metadata("me", recorder.current_subsegment())
        yield 1

    def work() -> None:
        with capture():
            for _ in range(10):
                with recorder.in_segment("web") as segment:
                    segment.put_metadata("me", segment)
                    with recorder.in_subsegment("sub") as subsegment:
                        subsegment.put_metadata("both", [segment, subsegment])
                    list(rows())
                    segment.put_metadata("more", 1)
                assert segment.metadata["default"].keys() == {"me", "more"}

    work()
    with capture():  # the sink of the one before is let go
        pass
    gc.collect()
    assert len(here._records) <= others


def test_capture_leaves_classes_and_values_alone_and_takes_what_reads_a_property(
    seen: Capture, recorder: bridge.AsyncAWSXRayRecorder, capsys: pytest.CaptureFixture[str]
) -> None:
    @recorder.capture("made")
    class Base:
        @recorder.capture("read")
        @property
        def value(self) -> int:
            return 7

    class Below(Base):
        pass

    assert (Below().value, recorder.capture("seven")(7)) == (7, 7)
    assert [span.name for span in seen.spans] == ["read"]
    assert capsys.readouterr().err.count("xray_recorder.capture on ") == 2


def test_a_thread_with_an_entity_handed_over(seen: Capture, recorder: bridge.AsyncAWSXRayRecorder) -> None:
    segment = recorder.begin_segment("web")
    found: list[Any] = []

    def work() -> None:
        recorder.set_trace_entity(segment)
        with recorder.in_subsegment("inside"):
            found.append(recorder.current_segment())
        recorder.clear_trace_entities()
        found.append(recorder.get_trace_entity())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    recorder.end_segment()
    assert found == [segment, None]
    assert seen.span("inside").parent64 == seen.span("web").id64


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_segment_begun_before_a_fork_is_the_parents(seen: Capture, recorder: bridge.AsyncAWSXRayRecorder) -> None:
    with recorder.in_segment("web") as segment:
        child = os.fork()
        if not child:
            try:
                with recorder.in_subsegment("child") as inner:
                    same = inner.trace_id == segment.trace_id
                recorder.end_segment()
                os._exit(0 if same else 1)
            finally:
                os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
    assert [span.name for span in seen.spans] == ["web"]


def test_local_rules_decide_by_host_method_and_path() -> None:
    rule = {"host": "shop.*", "http_method": "*", "url_path": "/ping", "fixed_target": 0, "rate": 0}
    sampler = LocalSampler({"version": 2, "rules": [rule], "default": {"fixed_target": 0, "rate": 1}})
    request = {"host": "shop.example.com", "method": "GET", "path": "/ping"}
    assert [sampler.should_trace(request), sampler.should_trace({**request, "path": "/x"})] == [0, 1]
    assert sampler.should_trace() == 0  # what is not known matches


def test_a_reservoir_is_so_many_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [10.0]
    monkeypatch.setattr("obsv.xray.bridge.samplers.monotonic", lambda: now[0])
    sampler = LocalSampler({"version": 1, "default": {"fixed_target": 2, "rate": 0}})
    assert [sampler.should_trace() for _ in range(4)] == [1, 1, 0, 0]
    now[0] += 1
    assert sampler.should_trace() == 1


@pytest.mark.parametrize("rules", [{"version": 3}, {"version": 2}, "/no/such/file", [1], {"version": 1, "default": {}}])
def test_rules_that_cannot_be_read_are_told(rules: Any, capsys: pytest.CaptureFixture[str]) -> None:
    LocalSampler(rules)
    assert "X-Ray sampling rules are left out" in capsys.readouterr().err


def test_rules_that_are_a_number_close_no_file_and_a_long_path_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    read, write = os.pipe()
    LocalSampler(read)
    LocalSampler(True)
    LocalSampler("x" * 100_000)
    os.write(write, b"still open")
    assert os.read(read, 20) == b"still open"
    os.close(read)
    os.close(write)
    assert len(capsys.readouterr().err) < 1000


def test_a_sampler_of_the_programs_is_asked(seen: Capture, recorder: bridge.AsyncAWSXRayRecorder) -> None:
    class Never:
        def should_trace(self, request: Any) -> bool:
            return request != {"service": "hidden"}

    recorder.configure(sampler=Never(), sampling=True)
    for name in ("hidden", "shown"):
        with recorder.in_segment(name):
            pass
    assert [span.name for span in seen.spans] == ["shown"]


@pytest.mark.parametrize(
    ("pattern", "text", "same"),
    [("*", "", True), ("a*c", "aBBc", True), ("a?c", "abc", True), ("a?c", "ac", False), ("A.C", "a.c", True),
     ("", "", True), ("a", "ab", False), ("*" * 50 + "b", "a" * 100, False), (None, "a", False)],
)  # fmt: skip
def test_wildcards(pattern: str | None, text: str, same: bool) -> None:
    assert wildcard_match(pattern, text) is same


def test_wildcards_that_look_at_case() -> None:
    assert [wildcard_match("A.*", text, case_insensitive=False) for text in ("A.c", "a.c")] == [True, False]


def test_snake_case() -> None:
    assert [to_snake_case(word) for word in ("TableName", "QueueURL", "x")] == ["table_name", "queue_url", "x"]


@given(st.text())
def test_any_header_is_read(text: str) -> None:
    TraceHeader.from_header_str(text).to_header_str()


def test_the_switch_obeys_its_variable_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SDKConfig, "_enabled", None)
    SDKConfig.set_sdk_enabled(False)
    assert not SDKConfig.sdk_enabled()
    monkeypatch.setenv("AWS_XRAY_SDK_ENABLED", "true")
    SDKConfig.set_sdk_enabled(False)
    assert SDKConfig.sdk_enabled()


MODULE = """
from os.path import join
class Service:
    def method(self): return inner()
    @staticmethod
    def static(): return 1
    @classmethod
    def cls(cls): return cls.__name__
    class Inner:
        def deep(self): return 2
    value = 3
def inner(): return "inner"
async def slowly(): return "slow"
"""


def test_functions_of_a_module_become_subsegments(
    seen: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from obsv.xray.bridge.patcher import patch

    package = tmp_path / "patched_by_bridge"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "work.py").write_text(MODULE)
    (package / "left.py").write_text("def f(): pass")
    monkeypatch.syspath_prepend(tmp_path)
    patch(["patched_by_bridge", "no_such_module_at_all"], ignore_module_patterns=[r"patched_by_bridge\.left"])
    assert "no_such_module_at_all" in capsys.readouterr().err
    from patched_by_bridge import left, work  # type: ignore[import-not-found]

    try:
        assert (work.Service().method(), work.Service.static(), work.Service.cls()) == ("inner", 1, "Service")
        assert work.Service.Inner().deep() == 2
        left.f()
        assert [span.name for span in seen.spans] == ["inner", "method", "static", "cls", "deep"]
    finally:
        for name in [name for name in sys.modules if name.startswith("patched_by_bridge")]:
            del sys.modules[name]
