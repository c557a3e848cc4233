from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.hotpath.errors import MAX_TEXT, ErrorInfo
from obsv.hotpath.secrets import SECRET_KEYS, redact_query, redact_text

SECRET = "s3cr3tValue"


@pytest.mark.parametrize("key", sorted(SECRET_KEYS))
def test_the_value_of_a_secret_key_leaves_neither_a_query_nor_a_text(key: str) -> None:
    assert redact_query(f"a=1&{key}={SECRET}&b=2") == f"a=1&{key}=REDACTED&b=2"
    assert SECRET not in redact_text(f"cannot reach 'http://shop/x?{key.upper()}={SECRET}&page=2': refused")


@given(st.text(alphabet="abcXYZ019-._~%", min_size=1), st.sampled_from(["'", " ", ")", ""]))
def test_what_stands_around_a_secret_stays(value: str, end: str) -> None:
    assert redact_text(f"GET /x?page=2&token={value}") == "GET /x?page=2&token=REDACTED"
    assert redact_text(f"https://{value}:{value}@shop/{end}") == f"https://REDACTED@shop/{end}"


@given(st.text())
def test_other_texts_stay_as_they_are(text: str) -> None:
    if "://" not in text and not any(key in text.lower() for key in SECRET_KEYS):
        assert redact_text(text) == text


def test_exceptions_keep_no_secret_of_a_url() -> None:
    info = ErrorInfo.capture(ConnectionError(f"nobody at http://me:{SECRET}@shop/pay?token={SECRET}"))
    assert SECRET not in info.message + info.text()
    group = ErrorInfo.capture(ExceptionGroup("two", [ValueError(f"/x?sig={SECRET}")]))
    assert SECRET not in group.text()


def test_an_endless_message_is_cut() -> None:
    assert len(ErrorInfo.capture(ValueError("x" * 10**6)).message) == MAX_TEXT + 1
