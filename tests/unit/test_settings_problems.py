"""Problem lines and guesses of what was meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.settings_problems import Problem, brief, closest, unknown_key, unknown_variable
from obsv.settings_table import SETTINGS


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("sampel", "sample"),
        ("Service", "service"),
        ("queue-bytes", "queue_bytes"),
        ("otlp.endpoit", "otlp_endpoint"),
        ("env", "environment"),
        ("flush_intervall", "flush_interval"),
        ("xyzzy", None),
        ("q", None),
        ("", None),
    ],
)
def test_closest(key: str, meant: str | None) -> None:
    assert closest(key, SETTINGS) == meant


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_a_swapped_letter_is_understood(name: str) -> None:
    swapped = name[:1] + name[2:3] + name[1:2] + name[3:]
    assert closest(swapped, SETTINGS) is not None


def test_lines() -> None:
    assert str(Problem("a", "1", "here", "wrong", "ignored")) == "a=1 (here): wrong; ignored"
    assert str(Problem("/x.toml", "", "here", "wrong", "left out")) == "/x.toml (here): wrong; left out"
    assert repr(Problem("a", "1", "here", "wrong", "ignored")) == "<Problem a=1 (here): wrong; ignored>"


@given(st.text() | st.binary() | st.lists(st.text()) | st.dictionaries(st.text(), st.text()) | st.floats())
def test_brief_is_one_short_line(value: object) -> None:
    text = brief(value)
    assert len(text) <= 60
    assert text.isprintable()


def test_brief_survives_a_broken_repr() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    assert brief(Broken()) == "<Broken>"


@pytest.mark.parametrize("key", ["OBSV_HEADERS", "OBSV_TOKEN", "OBSV_DB_PASSWORD", "OBSV_API_KEY", "OBSV_OTLP_HEDERS"])
def test_values_of_secret_names_are_hidden(key: str) -> None:
    assert "=*** (" in str(unknown_variable(key, "s3cret"))
    assert "=*** (" in str(unknown_key(key.lower(), "s3cret", "file"))
