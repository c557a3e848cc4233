"""What `make conformance-tools` reads and compares, without any of the tools."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT))

from conformance.tools import environments  # noqa: E402
from conformance.tools.backend import Arrived, Span  # noqa: E402
from conformance.tools.cases import CASES, Case  # noqa: E402


def test_pins_are_read_with_the_tool_first() -> None:
    text = "# why\nsentry-sdk[opentelemetry-otlp]==2.75.0 # reason\n\nhttpx==0.28.1\n"
    assert list(environments.pins(text).items()) == [("sentry-sdk", "2.75.0"), ("httpx", "0.28.1")]


@pytest.mark.parametrize("line", ["logfire", "logfire>=5", "logfire=="])
def test_what_pins_nothing_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="no pinned version"):
        environments.pins(line)


def test_every_program_has_a_case_and_every_tool_pins() -> None:
    programs = {path.stem for path in (ROOT / "conformance" / "tools" / "programs").glob("*.py")}
    assert programs == set(CASES)
    assert {case.tool for case in CASES.values()} == set(environments.tools())
    for tool in environments.tools():
        assert environments.pins(environments.requirements(tool))


def test_what_differs_is_said() -> None:
    def span(name: str, parent: str | None, **attributes: object) -> Span:
        return Span(name, attributes, "ab", name, parent or "", parent)

    case = Case("any", {"a": (None, {}), "b": ("a", {"x": 1})}, events=[("message", "low")])
    good = [span("a", None), span("b", "a", x=1)]
    low = {"message": "low on stock"}
    assert case.problems(Arrived(good, [], [], [low])) == []
    assert case.problems(Arrived(good[:1], [], [], [low])) == ["obsv got ['a'] instead of ['a', 'b']"]
    assert case.problems(Arrived([good[0], span("b", None, x=2)], [], [], [low])) == [
        "at obsv 'b' is below None instead of 'a'",
        "at obsv 'b' has x = 2 instead of 1",
    ]
    assert len(case.problems(Arrived(good, good, [], []))) == 3
