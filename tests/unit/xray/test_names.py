from __future__ import annotations

import pytest
from hypothesis import given

from aws_data import text as any_text
from aws_data import values
from obsv.xray.names import annotation_key, first, integer, segment_name, take, text, trace_id, without_password


@pytest.mark.parametrize(
    ("given_name", "expected"),
    [
        ("shop", "shop"),
        ("GET /orders/{id}", "GET /orders/id"),
        ("a\tb\nc", "a b c"),
        ("größe 日本", "größe 日本"),
        ("_.:/%&#=+-@", "_.:/%&#=+-@"),
        ("a😀b", "ab"),
        ("x" * 300, "x" * 200),
        ("<>", "unnamed"),
        ("", "unnamed"),
        (None, "unnamed"),
        (42, "42"),
    ],
)
def test_segment_names(given_name: object, expected: str) -> None:
    assert segment_name(given_name) == expected


def test_the_first_name_with_something_left_wins() -> None:
    assert segment_name(None, "", "{}", "b", "c") == "b"


def test_trace_ids_are_split_after_eight_and_keep_their_zeros() -> None:
    assert trace_id(0x58406520A0066491, 0x27E371903A2DE979) == "1-58406520-a006649127e371903a2de979"
    assert trace_id(0, 1) == "1-00000000-000000000000000000000001"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("order", "order"),
        ("http.route", "http_route"),
        ("größe", "gr__e"),
        ("x" * 600, "x" * 500),
        ("...", ""),
        ("", ""),
    ],
)
def test_annotation_keys(key: str, expected: str) -> None:
    assert annotation_key(key) == expected


def test_integers_fit_64_bits_or_are_none() -> None:
    assert [integer(value) for value in (200, "404", ("17",), 3.9)] == [200, 404, 17, 3]
    assert [integer(value) for value in (None, "x", True, 2**64, float("nan"), float("inf"), (), {})] == [None] * 8


def test_take_removes_all_and_first_removes_nothing() -> None:
    attributes = {"a": None, "b": 2, "c": 3}
    assert first(attributes, "a", "b", "c") == 2
    assert take(attributes, "a", "b", "c", "d") == 2
    assert attributes == {}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://me:secret@example.com/a?b=c@d", "https://example.com/a?b=c@d"),
        ("postgresql://me:p@ss@db:5432/shop", "postgresql://db:5432/shop"),
        ("https://example.com/@me", "https://example.com/@me"),
        ("postgresql://me:p/a@ss?w@db:5432/shop", "postgresql://db:5432/shop"),
        ("http://[::1]/@me", "http://[::1]/@me"),
        ("http://db:80/@me", "http://db:80/@me"),
        ("http://db:/@me", "http://db:/@me"),
        ("host=db user=me password=secret", "host=db user=me"),
        ("Server=db;Pwd='a;b';Database=x", "Server=db;Database=x"),
        ("jdbc:mysql://db/x?user=a&password=b", "jdbc:mysql://db/x?user=a"),
        ("", ""),
    ],
)
def test_passwords_do_not_leave(url: str, expected: str) -> None:
    assert without_password(url) == expected


@given(any_text)
def test_names_of_any_text_are_allowed(anything: str) -> None:
    name = segment_name(anything)
    assert 1 <= len(name) <= 200
    assert all(c.isalnum() or c in " _.:/%&#=+-@" for c in name)
    key = annotation_key(anything)
    assert key == "" or (key.isascii() and key.replace("_", "a").isalnum())


@given(values)
def test_text_of_any_value(value: object) -> None:
    assert isinstance(text(value), str)
    assert integer(value) is None or isinstance(integer(value), int)
