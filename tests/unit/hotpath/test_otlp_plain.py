"""The interpreted twin of the span encoder against the one that writes field by field."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from obsv.hotpath import otlp_plain, span, wire

ROOT = Path(__file__).parents[3]
VALUES = st.one_of(
    st.text(max_size=150),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(0, 3000),
    st.floats(),
    st.lists(st.text(max_size=5), max_size=3).map(tuple),
)


def field_by_field(made: Any) -> bytes:
    out = wire.Writer()
    begin = out.open(0x12)
    out.ids(0x0A, made.trace_hi, made.trace_lo)
    out.id64(0x12, made.id64)
    if made.parent64:
        out.id64(0x22, made.parent64)
    out.text(0x2A, made.name)
    out.number(0x30, made.kind_value + 1)
    out.fixed64(0x39, made.start_ns)
    out.fixed64(0x41, made.end_ns)
    for key, value in made.attributes.items():
        out.attribute(0x4A, key, value)
    out.fixed32(0x85, (made.flags & 0xFF) | (0x300 if made.parent_remote else 0x100))
    out.close(begin)
    return out.getvalue()


@given(
    name=st.text(max_size=150),
    attributes=st.dictionaries(st.text(min_size=1, max_size=120), VALUES, max_size=12),
    ids=st.tuples(*[st.integers(1, 2**64 - 1)] * 4),
    times=st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1)),
    root=st.booleans(),
    remote=st.booleans(),
)
def test_a_plain_span_is_written_alike(
    name: str,
    attributes: dict[str, Any],
    ids: tuple[int, int, int, int],
    times: tuple[int, int],
    root: bool,
    remote: bool,
) -> None:
    made = span.new_span(span.SCOPE, name, 2)
    made.trace_hi, made.trace_lo, made.id64 = ids[:3]
    made.parent64 = 0 if root else ids[3]
    made.start_ns, made.end_ns = times
    made.parent_remote, made.flags = remote, 3
    made.attributes = attributes
    assert otlp_plain.plain_span(made) == field_by_field(made)
    assert otlp_plain.plain_span(made) == field_by_field(made)  # out of what it remembers now


def test_what_it_remembers_is_bounded() -> None:
    program = """
from obsv.hotpath import otlp_plain as plain, span
for number in range(10_000):
    made = span.new_span(span.SCOPE, f"name {number}", 0)
    made.attributes = {f"key {number}": f"text {number}", f"n {number}": 5, f"big {number}": 5000}
    made.attributes |= {f"yes {number}": True, f"no {number}": False}
    plain.plain_span(made)
kept = [plain._names, plain._keys, plain._yes, plain._no, plain._numbers]
print(*[len(each) for each in kept], sum(map(len, plain._fields.values())))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.split() == ["4000"] * 6


def test_a_span_with_more_than_that_is_left_to_the_other() -> None:
    made = span.new_span(span.SCOPE, "x", 0)
    made.set_status("error")
    assert otlp_plain.plain_span(made) is None
