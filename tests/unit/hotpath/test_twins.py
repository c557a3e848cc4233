"""Compiled and interpreted, spans and instruments leave the same bytes behind, whatever is done to them."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import twins
from obsv.hotpath import compiled
from programs import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Other = Callable[..., Any]

pytestmark = pytest.mark.skipif(not compiled(), reason="there is no extension to compare with")

texts = st.text(max_size=12) | st.sampled_from(["x" * 300, "\ud800", "", "http.route"])
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(2**80), 2**80), st.floats(), texts, st.binary(max_size=8)
)
values = scalars | st.lists(scalars, max_size=4) | st.dictionaries(texts, scalars, max_size=3)
keys = st.sampled_from([f"key.{number}" for number in range(20)]) | texts | st.sampled_from([None, 7, b"bytes"])
operations = st.one_of(
    st.tuples(st.just("open"), texts),
    st.tuples(st.just("close"), st.none() | st.builds(ValueError, texts)),
    st.tuples(st.just("set_attribute"), keys, values),
    st.tuples(st.just("set_attributes"), st.dictionaries(keys, values, max_size=20)),
    st.tuples(st.just("add_event"), texts, st.none() | st.dictionaries(keys, values, max_size=3)),
    st.tuples(st.just("set_status"), st.sampled_from(["ok", "error", "unset", "odd", 2]), st.none() | texts),
    st.tuples(st.just("update_name"), texts),
    st.tuples(st.just("end")),
)
numbers = (
    st.integers(-(2**70), 2**70) | st.floats().map(lambda number: number or 0.0) | st.sampled_from([True, "1", None])
)
calls = st.tuples(
    st.sampled_from(["add", "set", "record"]),
    numbers,
    st.dictionaries(st.sampled_from(["a", "b", "c"]), scalars, max_size=3),
)


@pytest.fixture(scope="module")
def interpreted() -> Iterator[Other]:
    process = subprocess.Popen(
        [sys.executable, twins.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(OBSV_PURE_PYTHON="1"),
    )
    assert process.stdin is not None
    assert process.stdout is not None

    def ask(what: str, *arguments: Any) -> Any:
        pickle.dump((what, arguments), process.stdin)
        process.stdin.flush()
        return pickle.load(process.stdout)

    yield ask
    process.stdin.close()
    process.wait(10)
    process.stdout.close()


@settings(deadline=None)
@given(st.lists(operations, max_size=25), st.sampled_from([(128, -1), (128, 5), (3, -1), (1, 1), (0, -1)]))
def test_spans(interpreted: Other, program: twins.Program, limits: tuple[int, int]) -> None:
    ours = twins.play([("open", "root"), *program], limits)
    theirs = interpreted("play", [("open", "root"), *program], limits)
    assert [repr(part) for part in ours] == [repr(part) for part in theirs]


@settings(deadline=None)
@given(st.lists(calls, max_size=40))
def test_instruments(interpreted: Other, calls: list[tuple[str, Any, dict[str, Any]]]) -> None:
    assert twins.record(calls) == interpreted("record", calls)
