from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.hotpath.errors import ErrorInfo
from obsv.hotpath.records import LogRecord
from obsv.logs import jsonlines
from obsv.logs.jsonlines import MAX_BYTES, RESERVED, JsonLines

if TYPE_CHECKING:
    from collections.abc import Callable

MOMENT = 1_700_000_000_123_456_789  # 2023-11-14T22:13:20.123456789Z


def record(body: Any = "paid", time_ns: Any = MOMENT, /, **fields: Any) -> LogRecord:
    return LogRecord(time_ns, 9, "INFO", body, "shop.orders", fields)


def line(made: LogRecord, resource: dict[str, Any] | None = None) -> str:
    return JsonLines({"service.name": "shop"} if resource is None else resource).line(made)


def parse(text: str) -> dict[str, Any]:
    """Reads a line as a log collector does: one line, strict JSON, every name once."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({name for name, _ in pairs}) == len(pairs), "a name comes twice"
        return dict(pairs)

    def strict(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    assert "\n" not in text
    assert "\r" not in text
    text.encode("utf-8")
    parsed = json.loads(text, object_pairs_hook=once, parse_constant=strict)
    assert type(parsed) is dict
    return parsed


class Bad:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


def failure() -> ErrorInfo:
    try:
        try:
            raise KeyError("sku")
        except KeyError as error:
            failed = ValueError("no stock")
            failed.add_note("ask the warehouse")
            raise failed from error
    except ValueError as error:
        return ErrorInfo.capture(error)


def test_plain_line() -> None:
    assert line(record(order=7, total=19.9, paid=True, coupon=None)) == (
        '{"timestamp":"2023-11-14T22:13:20.123Z","level":"INFO","logger":"shop.orders","message":"paid",'
        '"service":"shop","order":7,"total":19.9,"paid":true,"coupon":null}'
    )


def test_line_of_a_span() -> None:
    made = record()
    made.trace_hi, made.trace_lo, made.id64, made.flags = 0x1, 0xABC, 0xF00D, 1
    parsed = parse(line(made))
    assert parsed["trace_id"] == "00000000000000010000000000000abc"
    assert parsed["span_id"] == "000000000000f00d"


def test_lines_of_changing_spans() -> None:
    lines = JsonLines({})
    for trace_hi, trace_lo, id64 in [(1, 2, 3), (1, 2, 3), (1, 2, 4), (1, 5, 4), (6, 5, 4), (0, 0, 0), (1, 2, 3)]:
        made = record()
        made.trace_hi, made.trace_lo, made.id64 = trace_hi, trace_lo, id64
        parsed = parse(lines.line(made))
        assert (parsed.get("trace_id"), parsed.get("span_id")) == (made.trace_id, made.span_id)


def test_service_is_left_out_when_unknown() -> None:
    assert "service" not in parse(line(record(), {}))
    assert parse(line(record(), {"service.name": 'a"b'}))["service"] == 'a"b'


def test_location() -> None:
    made = record()
    made.code = ('/app/"odd"/orders.py', 42, "place")
    assert parse(line(made))["location"] == '/app/"odd"/orders.py:42'


def test_exception_has_type_message_and_the_stack_as_python_prints_it() -> None:
    made = record()
    made.error = failure()
    found = parse(line(made))["exception"]
    assert (found["type"], found["message"]) == ("ValueError", "no stock")
    assert found["stack"].startswith("Traceback (most recent call last):\n")
    assert "KeyError: 'sku'\n\nThe above exception was the direct cause of the following exception:" in found["stack"]
    assert found["stack"].endswith("ValueError: no stock\nask the warehouse\n")
    assert 'raise KeyError("sku")' in found["stack"]


def test_stack_survives_broken_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> str:
        raise RuntimeError("no sources")

    monkeypatch.setattr("linecache.getline", broken)
    made = record()
    made.error = failure()
    assert "in failure" in parse(line(made))["exception"]["stack"]


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_field_never_takes_a_standard_name(name: str) -> None:
    parsed = parse(line(record(**{name: "mine", f"{name}_": "second", "other": 1})))
    assert parsed[f"{name}__"] == "mine"
    assert parsed[f"{name}_"] == "second"
    assert parsed["message"] == "paid"
    assert parse(line(record(**{name: "mine"})))[f"{name}_"] == "mine"


def test_a_bad_text_loses_only_its_own_field() -> None:
    parsed = parse(line(record(before=1, bad=Bad(), nested=[1, Bad()], after=2)))
    assert (parsed["before"], parsed["after"]) == (1, 2)
    assert "Bad" in parsed["bad"]
    assert parsed["nested"][0] == 1


def test_a_bad_message_loses_only_itself() -> None:
    assert "Bad" in parse(line(record(Bad(), a=1)))["message"]
    assert parse(line(record(7)))["message"] == "7"


def test_names_that_are_no_text() -> None:
    made = record()
    made.fields = {1: "one", None: "none", (2, 3): "pair", Bad(): "bad"}  # type: ignore[dict-item]
    made.level = 35  # type: ignore[assignment]
    parsed = parse(line(made))
    assert (parsed["1"], parsed["None"], parsed["(2, 3)"]) == ("one", "none", "pair")
    assert parsed["level"] == "35"


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (math.nan, None),
        (math.inf, None),
        (-math.inf, None),
        (b"\x00\xff", "AP8="),
        ((1, 2), [1, 2]),
        (frozenset({1}), [1]),
        ({"a": {"b": [None]}}, {"a": {"b": [None]}}),
        ({1: 2}, {"1": 2}),
        (Decimal("1.10"), "1.10"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (PurePosixPath("/a"), "/a"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
        (Colour.RED, "Colour.RED"),
        (ValueError("boom"), "ValueError: boom"),
        ("\x00\x1f\x7f\u2028\u2029\x85\r\n", "\x00\x1f\x7f\u2028\u2029\x85\r\n"),
        ("\ud800", "\ud800"),
        ("a\udfffé", "a\udfffé"),
        (2**64, 2**64),
        (-(2**64), -(2**64)),
        (10**5000, hex(10**5000)),
        (-0.0, -0.0),
        (1e400, None),
        (5e-324, 5e-324),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values(value: Any, expected: Any) -> None:
    assert parse(line(record(value=value)))["value"] == expected


def test_a_list_that_holds_itself_ends() -> None:
    endless: list[Any] = [1]
    endless.append(endless)
    assert parse(line(record(value=endless)))["value"][0] == 1


def test_half_surrogates_everywhere() -> None:
    made = record("\ud800")
    made.logger = "\udc00"
    made.fields = {"\ud801": "\ud802"}
    parsed = parse(line(made, {"service.name": "\udfff"}))
    assert (parsed["message"], parsed["logger"], parsed["service"]) == ("\ud800", "\udc00", "\udfff")
    assert parsed["\ud801"] == "\ud802"


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (999_999, "1970-01-01T00:00:00.000Z"),
        (1_000_000, "1970-01-01T00:00:00.001Z"),
        (MOMENT, "2023-11-14T22:13:20.123Z"),
        (1_709_210_096_999_999_999, "2024-02-29T12:34:56.999Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
    ],
)
def test_timestamps(time_ns: int, text: str) -> None:
    assert parse(line(record("paid", time_ns)))["timestamp"] == text


def test_timestamps_when_the_clock_jumps() -> None:
    lines = JsonLines({})
    for offset in (0, 1, -1, 86_400, -86_400, 0):
        time_ns = MOMENT + offset * 1_000_000_000
        expected = datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.123Z")
        assert parse(lines.line(record("paid", time_ns)))["timestamp"] == expected


def test_a_year_that_no_clock_has() -> None:
    assert parse(line(record("paid", 2**90)))["timestamp"].startswith("1970-01-01T00:00:00.")


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_any_millisecond(milliseconds: int) -> None:
    text = parse(line(record("paid", milliseconds * 1_000_000)))["timestamp"]
    seconds, rest = divmod(milliseconds, 1000)
    moment = datetime(1970, 1, 1, tzinfo=UTC).timestamp() + seconds
    assert datetime.fromisoformat(text).timestamp() == pytest.approx(moment + rest / 1000, abs=0.0005)
    assert len(text) == 24


def jsonable() -> st.SearchStrategy[Any]:
    scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    return st.recursive(
        scalars | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=12,
    )


names = st.text(st.characters(codec=None, exclude_categories=())) | st.sampled_from(sorted(RESERVED))


@given(st.dictionaries(names, jsonable(), max_size=8), st.text(), st.text())
def test_jsonable_fields_come_back_the_same(fields: dict[str, Any], body: str, service: str) -> None:
    parsed = parse(line(record(body, **fields), {"service.name": service}))
    assert parsed["message"] == body
    for name, value in fields.items():
        if name not in RESERVED:
            assert parsed[name] == value
            assert type(parsed[name]) is type(value)
    assert len(parsed) == 4 + bool(service) + len(fields)


def anything() -> st.SearchStrategy[Any]:
    odd = (
        st.floats()
        | st.binary()
        | st.complex_numbers()
        | st.decimals()
        | st.datetimes()
        | st.uuids()
        | st.builds(Bad)
        | st.builds(object)
        | st.sets(st.integers())
        | st.text(st.characters(codec=None, categories=("Cs", "Cc", "Lu")))
        | st.integers(min_value=10**4299, max_value=10**4301)
    )
    return st.recursive(
        odd,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.tuples(inner)
            | st.dictionaries(st.none() | st.integers() | st.text(), inner, max_size=3)
        ),
        max_leaves=8,
    )


@given(st.dictionaries(names, anything(), max_size=5), anything(), names)
def test_any_fields_become_one_line_of_json(fields: dict[str, Any], body: Any, level: str) -> None:
    made = record(body, **fields)
    made.level = level
    parsed = parse(line(made))
    assert len(parsed) == 5 + len(fields)


def test_keys_of_the_same_text_stay_apart() -> None:
    fields = {None: 1, "None": 2, 3: 4, "3": 5, "3_": 6}
    assert parse(line(record(a=fields)))["a"] == {"None": 1, "None_": 2, "3": 4, "3_": 5, "3__": 6}


@pytest.mark.parametrize(
    "enlarge",
    [
        lambda: record("m" * 2 * MAX_BYTES, a=1),
        lambda: record(a="\x00" * MAX_BYTES, b=1),
        lambda: record(a="é" * MAX_BYTES, b=1),
        lambda: record(a="😀" * MAX_BYTES, b=1),
        lambda: record(a=list(range(MAX_BYTES)), b=1),
        lambda: record(**{f"field{number}": number for number in range(MAX_BYTES // 8)}),
    ],
)
def test_no_line_goes_over_the_bound(enlarge: Callable[[], LogRecord]) -> None:
    made = enlarge()
    text = line(made)
    parsed = parse(text)
    assert len(text.encode()) <= MAX_BYTES
    assert parsed["truncated"] >= 1
    assert parsed["timestamp"] == "2023-11-14T22:13:20.123Z"


def test_a_line_at_the_bound_stays_whole() -> None:
    room = MAX_BYTES - len(line(record(a="")))
    text = line(record(a="x" * room))
    assert len(text) == MAX_BYTES
    assert "truncated" not in parse(text)
    assert "truncated" in parse(line(record(a="x" * (room + 1))))


def test_made_up_names_are_not_remembered_without_end() -> None:
    lines = JsonLines({})
    for number in range(jsonlines._MAX_NAMES + 50):
        made = record(**{f"name{number}": 1})
        made.logger = f"logger{number}"
        parsed = parse(lines.line(made))
        assert (parsed["logger"], parsed[f"name{number}"]) == (made.logger, 1)
    assert len(jsonlines._keys) <= jsonlines._MAX_NAMES
    assert len(jsonlines._names) <= jsonlines._MAX_NAMES
