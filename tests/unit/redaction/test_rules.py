"""What is masked in texts, and what stays: the corpus, and rules for any text."""

from __future__ import annotations

import json
import string
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.hotpath.masking_plain import suspicious
from obsv.redaction.names import Names, table
from obsv.redaction.redactor import Redactor
from obsv.redaction.rules import Rules, is_card
from obsv.settings import resolve
from redaction_corpus import kept, masked, names

NAMES = Names()
ALL = ("names", "tokens", "cards", "emails")
MASKS = ("REDACTED", "***", "[hidden]", "<secret>", "{x}", "#", "█", "$1", "(?:a)", "4")


def redactor(**settings: Any) -> Redactor:
    return Redactor(resolve({"config": settings}, {}))


def rules(mask: str = "REDACTED", emails: bool = False, patterns: tuple[str, ...] = ()) -> Rules:
    return Rules(mask, NAMES, True, True, emails, patterns)


@pytest.mark.parametrize(("text", "expected"), masked())
def test_secrets_in_texts_are_masked(text: str, expected: str) -> None:
    assert redactor().text(None, text) == expected


@pytest.mark.parametrize("text", kept())
def test_other_texts_stay(text: str) -> None:
    assert redactor().text(None, text) == text


@pytest.mark.parametrize(("name", "secret"), names())
def test_names_are_told_however_they_are_written(name: str, secret: bool) -> None:
    assert NAMES.secret(name) is secret
    assert (redactor().value(name, "x") == "REDACTED") is secret


def test_names_can_be_added_and_taken_out() -> None:
    changed = Names(["customer-id", "-token", "-session"])
    assert [changed.secret(name) for name in ("customerId", "the_customer_id", "CUSTOMER_ID2")] == [True] * 3
    assert not any(changed.secret(name) for name in ("token", "access_token", "accesstoken", "session"))
    assert changed.secret("password")
    mine = redactor(redact_names="customer-id,-token")
    assert mine.text(None, "customer_id=7 token=x pin=1") == "customer_id=REDACTED token=x pin=REDACTED"


# What real texts consist of, so that examples come near to secrets.
PIECES = st.sampled_from(
    [
        *(
            "password",
            "apiKey",
            "api_key",
            "token",
            "accessKey",
            "_id",
            "secret",
            "Cookie",
            "Authorization",
            "hash",
            "value",
        ),
        *(
            "=",
            ":",
            ": ",
            " = ",
            "=>",
            '"',
            "'",
            "\\",
            '\\"',
            " ",
            "\n",
            "\t",
            "--",
            "-",
            "_",
            ".",
            ",",
            ";",
            "&",
            "?",
            "]",
        ),
        *(
            "[",
            "{",
            "}",
            "(",
            ")",
            "://",
            "@",
            "/",
            "Bearer ",
            "basic ",
            "eyJ",
            "AKIA",
            "ghp_",
            "sk_live_",
            "xoxb-",
            "sk-",
        ),
        *(
            "4111111111111111",
            "4111 ",
            "1",
            "7",
            "SG.",
            "-----BEGIN PRIVATE KEY-----",
            "abc",
            "hunter2",
            "é",
            "\ud800",
            "None",
        ),
        *(
            "Fake0Fake0Fake0Fake0Fake0Fake0Fake0Fake0",
            "FAKE0FAKE0FAKE00",
            "REDACTED",
            "***",
            "me",
            "shop.example",
            "services/",
        ),
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=3), max_size=25).map("".join)


@given(TEXTS, st.sampled_from(MASKS))
def test_masking_twice_is_masking_once(text: str, mask: str) -> None:
    for each in (rules(mask), rules(mask, emails=True)):
        once = each.text(text)
        assert each.text(once) == once


@given(TEXTS, st.booleans())
def test_what_the_quick_look_lets_pass_the_rules_let_pass(text: str, emails: bool) -> None:
    """For the one in use, compiled or not, and for the interpreted one in any case."""
    groups = ALL if emails else ALL[:3]
    mine = redactor(redact=",".join(groups))
    changes = rules(emails=emails).text(text) != text
    assert mine.suspects(text) or not changes
    assert suspicious(text, table(NAMES, True, True, emails)) or not changes
    assert mine.text(None, text) == rules(emails=emails).text(text)


@given(
    st.sampled_from([name for name, secret in names() if secret]), TEXTS, st.sampled_from(["=", ": ", '": "', " => "])
)
def test_every_secret_name_is_also_found_in_texts(name: str, before: str, mark: str) -> None:
    text = f"{before}\n{name}{mark}hunter2x"
    assert redactor().suspects(text) or "[" in name


@given(st.text())
def test_an_email_keeps_its_domain(text: str) -> None:
    mine = redactor(redact="emails")
    assert mine.text(None, f"to ann.b+c@mail.example.com{text}").startswith("to REDACTED@mail.example.com")
    assert redactor().text(None, "to ann@example.com") == "to ann@example.com"


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([4111111111111111, 378282246310005]) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["password", "token", "a", "b.c", "apiKey", "n"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["password", "x", "api_key", "n"]), JSON, min_size=1, max_size=3))
def test_a_text_of_json_stays_json(value: Any) -> None:
    text = json.dumps(value)
    found = json.loads(redactor().text(None, text))
    assert found.keys() == value.keys()
    assert found.get("password") in (None, True, False, "", "REDACTED") or _is_placeholder(found["password"])


def _is_placeholder(value: Any) -> bool:
    """Values that say nothing stay, nested ones are masked from within."""
    return isinstance(value, (str, dict, list))


def digits(number: str) -> str:
    """Return a number with its check digit (ISO/IEC 7812-1, Annex B)."""
    return next(number + last for last in string.digits if _luhn(number + last))


def _luhn(number: str) -> bool:
    doubled = [int(digit) * (1 + at % 2) for at, digit in enumerate(reversed(number))]
    return sum(value // 10 + value % 10 for value in doubled) % 10 == 0


@given(
    st.sampled_from(["4", "51", "55", "2221", "2720", "6011", "65", "3528", "62"]), st.text("0123456789", min_size=15)
)
def test_cards_have_a_check_digit(prefix: str, rest: str) -> None:
    number = digits((prefix + rest)[:15])
    assert is_card(number)
    assert redactor().value("n", int(number)) == "REDACTED"
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    assert not is_card(wrong)
    assert redactor().value("n", int(wrong)) == int(wrong)


@pytest.mark.parametrize(
    "number", ["1795639920123456789", "4" * 13, "0" * 16, "1234567890123456", "9" * 16, "62" + "0" * 18]
)
def test_other_numbers_are_no_cards(number: str) -> None:
    assert not is_card(number)


def test_custom_patterns() -> None:
    mine = redactor(redact_patterns=[r"order-\d+", r"customer (\w+)", "a*"], redact="none")
    assert mine.text(None, "order-12 of customer Ann b") == "REDACTED of customer REDACTED b"
    assert mine.text(None, "password=x") == "pREDACTEDssword=x"


@given(TEXTS, st.sampled_from(["[A-Z]+", "RED", r"\w+", "(x)|y", ".", r"\S+ \S+"]))
def test_custom_patterns_never_raise_and_never_grow_their_own_mask(text: str, pattern: str) -> None:
    mine = rules(patterns=(pattern,))
    assert "REDREDACTED" not in mine.text(mine.text(text.replace("RED", ""))) or pattern in (r"\S+ \S+",)


ATTACKS = {
    "one long word": "a" * 200_000,
    "words": "ab " * 60_000,
    "names without values": "password " * 20_000,
    "names": "password=" * 20_000,
    "names and quotes": 'password="' * 20_000,
    "escaped quotes": 'password=\\"' * 20_000,
    "backslashes": "password=" + "\\" * 200_000,
    "blanks": "password" + " " * 200_000 + "x",
    "equal signs": "=" * 200_000,
    "brackets": "token=[" * 20_000,
    "braces": "token={" * 20_000,
    "strings in lists": 'token=["' * 20_000,
    "hyphens": "-" * 200_000,
    "options": "--password " * 20_000,
    "options in one word": "--a" * 700_000,
    "a long name": "a" * 200_000 + "=",
    "long names": ("a" * 2_000 + "=") * 500,
    "PEM": "-----BEGIN PRIVATE KEY-----" * 8_000,
    "PEM and backslashes": "-----BEGIN PRIVATE KEY-----" + "\\" * 200_000,
    "JWT": "eyJabcdefgh." * 20_000,
    "JWT in one word": "eyJ" * 60_000,
    "sk-": "sk-" * 60_000,
    "bearer": "bearer " * 30_000,
    "bearer and a long word": "bearer " + "a" * 200_000,
    "addresses": "a@" * 100_000,
    "domains": "a@" + "b." * 100_000,
    "local parts": "a." * 100_000,
    "URLs": "://a:b" * 40_000,
    "users": "://" + "@" * 200_000,
    "digits": "4" * 200_000,
    "digits apart": "4 " * 100_000,
    "digits in fours": "4111 " * 40_000,
    "cookies": "cookie:" * 30_000,
    "many colons": "a:" * 100_000,
}


def test_no_text_takes_longer_than_its_length_deserves() -> None:
    """What backtracks over its text takes hours for these; the limit is far from what they take (seconds in all)."""
    code = (
        "import sys; from test_rules import ATTACKS, redactor\n"
        "mine = redactor(redact='names,tokens,cards,emails')\n"
        "for name, text in ATTACKS.items(): mine._load().text(text); mine.suspects(text); print(name)\n"
    )
    place = str(__import__("pathlib").Path(__file__).parent)
    path = [place, *sys.path]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n{code}"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout.splitlines()[-1:] + done.stderr.splitlines()[-3:]
    assert done.stdout.splitlines() == list(ATTACKS)


@pytest.mark.parametrize("times", range(5))
def test_a_private_key_is_masked_however_often_it_was_escaped(times: int) -> None:
    text = "-----BEGIN PRIVATE KEY-----\nFakeFake0\nFakeFake1\n-----END PRIVATE KEY-----\n"
    for _ in range(times):
        text = json.dumps({"pem": text, "x": 1})
    found = redactor().text(None, text)
    assert "Fake" not in found
    for _ in range(times):
        value = json.loads(found)
        assert value["x"] == 1
        found = value["pem"]
    assert found == "REDACTED\n"


def test_of_a_very_long_text_only_what_was_looked_through_leaves() -> None:
    mine = redactor()
    text = "x " * 1_000_000 + "password=hunter2"
    found = mine.text(None, text)
    assert len(found) < 1_100_000
    assert found.startswith("x x x ")
    assert found.endswith("...[cut: 2000016 characters]")
    assert mine.text(None, "y " * 1_000_000) == "y " * 1_000_000  # nothing is suspected in it


@pytest.mark.parametrize("secret", ["postgresql://me:hunter2@db/shop", "4111 1111 1111 1111", "ghp_" + "Fake0" * 8])
@pytest.mark.parametrize("before", [5, 12, 17])
def test_a_secret_on_the_edge_of_what_is_looked_through_does_not_leave_in_part(secret: str, before: int) -> None:
    text = "password=x " + "y" * ((1 << 20) - 11 - before - 1) + " " + secret + " z" * 1000
    found = redactor().text(None, text)
    assert found.startswith("password=REDACTED yyy")
    assert secret[:before] not in found


def test_a_secret_that_is_all_of_a_very_long_text_is_named() -> None:
    found = redactor().text(None, '{"token": "' + "z" * 2_000_000 + '", "x": 1}')
    assert found == '{"token": "REDACTED...[cut: 2000021 characters]'


@given(
    st.lists(
        st.sampled_from([name for name, _ in names()])
        | st.text(max_size=3)
        | st.sampled_from(["_", "-", ".", " ", "7", "]"]),
        max_size=5,
    ).map("".join)
)
def test_no_name_is_passed_over(name: str) -> None:
    assert redactor().is_secret(name) is NAMES.secret(name)
