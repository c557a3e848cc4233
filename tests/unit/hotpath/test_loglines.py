"""Both twins write the same line, byte for byte, and it is what it says in `obsv.logs.jsonlines`."""

from __future__ import annotations

import json
import math
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import obsv
from obsv.hotpath import loglines
from obsv.hotpath.jsontext import quote
from obsv.hotpath.records import LogRecord
from obsv.logs.jsonlines import JsonLines

texts = st.text(st.characters(codec=None), max_size=60) | st.text('\x00\x1f\x7f"\\/\n\t é\ud800', max_size=20)
numbers = st.integers() | st.floats() | st.integers(-(10**15), 10**15).map(lambda number: number / 1000)
values = st.none() | st.booleans() | numbers | texts | st.binary(max_size=9) | st.lists(numbers | texts, max_size=3)
ids = st.integers(0, 2**64 - 1)


def load(name: str) -> Any:
    """A module of the hot path as Python runs it, whichever twin is in use."""
    path = str(Path(obsv.__file__).parent / "hotpath" / f"{name}.py")
    full = f"obsv.hotpath._{name}_interpreted"
    spec = spec_from_file_location(full, path, loader=SourceFileLoader(full, path))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[full] = module
    spec.loader.exec_module(module)
    return module


INTERPRETED = load("loglines")
INTERPRETED.quote = INTERPRETED_QUOTE = load("jsontext").quote
INTERPRETED.dumps = sys.modules["obsv.hotpath._jsontext_interpreted"].dumps


class Plain(INTERPRETED.Lines):  # type: ignore[misc]
    """`JsonLines` over the interpreted twin."""

    name, field, second = JsonLines.name, JsonLines.field, JsonLines.second
    body, details, shortened = JsonLines.body, JsonLines.details, JsonLines.shortened
    shortenings = 0


COMPILED = JsonLines({"service.name": "shop"})
PLAIN = Plain(COMPILED.keys, COMPILED.names, COMPILED.constant, COMPILED.longest)


@given(
    moment=st.integers(0, 4 * 10**18) | st.integers(-(10**19), 10**20),
    body=texts,
    fields=st.dictionaries(texts, values, max_size=6),
    trace=st.tuples(ids, ids, ids),
    code=st.none() | st.tuples(texts, st.integers(0, 9999), st.just("f")),
)
@example(0, "", {}, (0, 0, 1), None)
@example(1, "x" * 300_000, {"message": "\\" * 9}, (1, 2, 3), ("a.py", 1, "f"))
def test_twins(
    moment: int, body: str, fields: dict[str, Any], trace: tuple[int, int, int], code: tuple[str, int, str] | None
) -> None:
    record = LogRecord(moment, 9, "INFO", body, "shop", fields)
    record.trace_hi, record.trace_lo, record.id64 = trace
    record.code = code
    line = COMPILED.line(record)
    assert line == PLAIN.line(record)
    assert COMPILED.data(record) == PLAIN.data(record) == line.encode() + b"\n"
    read = json.loads(line)
    if trace[2]:
        assert read["trace_id"] == f"{trace[0]:016x}{trace[1]:016x}"
        assert read["span_id"] == f"{trace[2]:016x}"


@given(texts)
def test_texts(text: str) -> None:
    assert quote(text) == INTERPRETED_QUOTE(text)
    assert json.loads(quote(text)) == text


@given(st.floats() | st.integers(-(10**16), 10**16).map(lambda number: number / 1000))
def test_numbers_are_written_as_python_writes_them(number: float) -> None:
    line = COMPILED.line(LogRecord(0, 9, "INFO", "x", "shop", {"n": number}))
    assert line.endswith(f'"n":{number!r}}}' if math.isfinite(number) else '"n":null}')


def test_what_waits_is_lost_with_the_write_that_broke_off_and_counted() -> None:
    lost: list[int] = []

    class Out(loglines.Emitter):
        __slots__ = ()

        def dropped(self) -> None:
            lost.append(1)

    out, seen = Out(), []

    def write(record: LogRecord) -> None:
        seen.append(record.body)
        if record.body == "a":
            out.emit(LogRecord(0, 9, "INFO", "late", "shop"))
            raise KeyboardInterrupt

    out.immediate = (write,)
    with pytest.raises(KeyboardInterrupt):
        out.emit(LogRecord(0, 9, "INFO", "a", "shop"))
    out.emit(LogRecord(0, 9, "INFO", "b", "shop"))
    assert (seen, lost, out.waiting) == (["a", "b"], [1], {})
