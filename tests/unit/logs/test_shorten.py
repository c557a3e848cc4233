from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from obsv.hotpath.jsontext import dumps
from obsv.logs.shorten import shorten

LIMIT = 4096


def short(members: dict[str, Any], limit: int = LIMIT) -> dict[str, Any]:
    text = shorten(dumps(members), limit)
    assert len(text.encode("utf-8")) <= limit
    assert "\n" not in text
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def test_the_largest_is_cut_and_the_small_stay() -> None:
    found = short({"message": "m", "large": "x" * 10_000, "small": "y" * 500, "number": 5})
    assert (found["message"], found["small"], found["number"], found["truncated"]) == ("m", "y" * 500, 5, 1)
    assert found["large"].endswith("...[cut: 10000 characters]")
    assert 3000 < len(found["large"]) < LIMIT


def test_a_stack_keeps_its_end() -> None:
    found = short({"exception": {"type": "E", "message": "boom", "stack": "first" + "x" * 9000 + "E: boom\n"}})
    assert found["exception"]["stack"].startswith("...[cut: 9013 characters]")
    assert found["exception"]["stack"].endswith("E: boom\n")
    assert (found["exception"]["type"], found["exception"]["message"]) == ("E", "boom")


def test_arrays_and_objects_become_the_beginning_of_their_text() -> None:
    found = short({"array": list(range(5000)), "object": {str(number): 1 for number in range(5000)}})
    assert found["array"].startswith("[0,1,2,3")
    assert found["object"].startswith('{"0":1,"1":1')
    assert found["truncated"] == 2


def test_too_many_members_are_left_out_from_the_end_and_counted() -> None:
    found = short({f"f{number}": number for number in range(3000)})
    assert found["f0"] == 0
    assert found["truncated"] == 3000 - (len(found) - 1)


def test_long_names_are_cut() -> None:
    found = short({"n" * 9000: 1, "message": "m"})
    assert found == {"n" * 64 + "...": 1, "message": "m", "truncated": 0}


texts = st.text(st.characters(codec=None, exclude_categories=()), max_size=30)


@given(
    st.dictionaries(texts | st.just("exception"), st.tuples(texts, st.integers(0, 400)), max_size=40),
    st.integers(LIMIT, 3 * LIMIT),
)
def test_anything_fits(pieces: dict[str, tuple[str, int]], limit: int) -> None:
    short({name: text * times for name, (text, times) in pieces.items()}, limit)
