"""W3C Trace Context level 2 through a real server (ASGI) and out again, after the ideas of the W3C's own test-suite.

Each case is a request with headers, in order and as they stand on the wire; the answer is what a call made while it is
served carries. So header case, several headers of one name and blanks around values are tested where they matter.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.hotpath import headers
from obsv.hotpath.span import NOOP, SCOPE, Span, start_span

TRACE = "12345678901234567890123456789012"
PARENT = "1234567890123456"
VALID = f"00-{TRACE}-{PARENT}-01"

TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[0-3]")
MEMBER = r"[a-z0-9][a-z0-9_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
TRACESTATE = re.compile(rf"{MEMBER}(,{MEMBER}){{0,31}}")
TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
OCTETS = r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*"
BLANK = r"[ \t]*"
ITEM = rf"{TOKEN}{BLANK}={BLANK}{OCTETS}({BLANK};{BLANK}{TOKEN}({BLANK}={BLANK}{OCTETS})?)*"
BAGGAGE = re.compile(rf"{ITEM}(,{ITEM}){{0,63}}")


class Sent:
    """The headers of a call made while a request is served."""

    def __init__(self, found: dict[str, str]) -> None:
        self.traceparent = found.get("traceparent", "")
        self.tracestate = found.get("tracestate")
        self.baggage = found.get("baggage")
        self.xray = found.get("X-Amzn-Trace-Id", "")
        self.states = dict(member.split("=", 1) for member in self.tracestate.split(",")) if self.tracestate else {}

    @property
    def same_trace(self) -> bool:
        return self.traceparent[3:35] == TRACE

    def check(self) -> Sent:
        """Whatever came, what goes out is valid."""
        assert TRACEPARENT.fullmatch(self.traceparent), self.traceparent
        assert self.tracestate is None or TRACESTATE.fullmatch(self.tracestate), self.tracestate
        assert len(self.states) == (self.tracestate.count(",") + 1 if self.tracestate else 0)
        assert len(self.tracestate or "") <= 8192
        assert self.baggage is None or (BAGGAGE.fullmatch(self.baggage) and len(self.baggage) <= 8192), self.baggage
        assert self.xray.isascii()
        assert self.xray.isprintable()
        return self


def call(*sent: tuple[str, str]) -> Sent:
    """Serve a request with these headers, which a server gives on with names in lower case (ASGI, "headers")."""
    found: dict[str, str] = {}
    for name, value in sent:
        key = name.lower()
        found[key] = f"{found[key]},{value}" if key in found else value  # RFC 9110, "Field Order"
    server = start_span(SCOPE, "server", 1, headers.extract(found.get))
    client = start_span(SCOPE, "client", 2, server)
    made = Sent(dict(headers.outgoing(client)))
    client.end()
    server.end()
    return made.check()


@pytest.fixture(autouse=True)
def _open(request: pytest.FixtureRequest) -> Any:
    from obsv.hotpath import span as hot
    from obsv.hotpath.queue import BoundedQueue

    before = headers.formats
    headers.set_formats(("tracecontext", "baggage", "xray"))
    hot.OUTLET.queues = (BoundedQueue(1_000_000, 1 << 30, 1_000_000, None, None),)
    hot.OUTLET.enabled = True
    yield
    hot.OUTLET.enabled = False
    hot.OUTLET.queues = ()
    headers.set_formats(before)


# ---------------------------------------------------------------------- traceparent


@pytest.mark.parametrize("name", ["traceparent", "TraceParent", "TrAcEpArEnT", "TRACEPARENT"])
def test_the_name_in_any_case(name: str) -> None:
    assert call((name, VALID)).same_trace


@pytest.mark.parametrize("name", ["trace-parent", "trace.parent"])
def test_other_names_are_not_it(name: str) -> None:
    assert not call((name, VALID)).same_trace


def test_without_any_header_a_trace_begins() -> None:
    one, other = call(), call()
    assert one.traceparent[3:35] != other.traceparent[3:35]


def test_a_duplicate_gives_a_new_trace() -> None:
    other = VALID.replace(TRACE, TRACE[::-1])
    for pair in ((VALID, other), (VALID, VALID)):
        made = call(("traceparent", pair[0]), ("traceparent", pair[1]))
        assert made.traceparent[3:35] not in (TRACE, TRACE[::-1])


@pytest.mark.parametrize("blank", [" ", "\t", "\t ", " \t \t"])
def test_blanks_around_the_value(blank: str) -> None:
    for text in (blank + VALID, VALID + blank, blank + VALID + blank):
        assert call(("traceparent", text)).same_trace


@pytest.mark.parametrize(
    "text",
    [
        f"cc-{TRACE}-{PARENT}-01",
        f"cc-{TRACE}-{PARENT}-01-what-the-future-will-be-like",
        f"01-{TRACE}-{PARENT}-01-",
        f"fe-{TRACE}-{PARENT}-ff-x",
    ],
)
def test_later_versions_are_read_as_far_as_known(text: str) -> None:
    made = call(("traceparent", text), ("tracestate", "foo=1"))
    assert made.same_trace
    assert made.traceparent.startswith("00-")  # what goes out is the version that is spoken here
    assert made.states == {"foo": "1"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        f"00-{TRACE}-{PARENT}-01.",
        f"00-{TRACE}-{PARENT}-01-what-the-future-will-be-like",
        f"00-{TRACE}-{PARENT}-01-",
        f"cc-{TRACE}-{PARENT}-01.what-the-future-will-be-like",
        f"ff-{TRACE}-{PARENT}-01",
        f".0-{TRACE}-{PARENT}-01",
        f"0.-{TRACE}-{PARENT}-01",
        f"000-{TRACE}-{PARENT}-01",
        f"0000-{TRACE}-{PARENT}-01",
        f"0-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-.{TRACE[1:]}-{PARENT}-01",
        f"00-{TRACE[:-1]}.-{PARENT}-01",
        f"00-{TRACE}2-{PARENT}-01",
        f"00-{TRACE[:-1]}-{PARENT}-01",
        f"00-{TRACE[:-2]}AB-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-.{PARENT[1:]}-01",
        f"00-{TRACE}-{PARENT}6-01",
        f"00-{TRACE}-{PARENT[:-1]}-01",
        f"00-{TRACE}-{PARENT}-.0",
        f"00-{TRACE}-{PARENT}-0.",
        f"00-{TRACE}-{PARENT}-001",
        f"00-{TRACE}-{PARENT}-1",
        f"00-{TRACE}-{PARENT}-0A",
        f"00-{TRACE}-{PARENT}-+1",
        f"00-{TRACE}-{PARENT}-٠١",
        f"00 {TRACE} {PARENT} 01",
        VALID.upper().replace("00-", "0X-"),
    ],
)
def test_a_malformed_one_gives_a_new_trace_without_the_state(text: str) -> None:
    made = call(("traceparent", text), ("tracestate", "foo=1"))
    assert not made.same_trace
    assert made.tracestate is None


@pytest.mark.parametrize(("came", "goes"), [("00", "00"), ("01", "01"), ("02", "02"), ("03", "03"), ("ff", "03")])
def test_flags(came: str, goes: str) -> None:
    """The random flag goes on (level 2, "Random Trace ID Flag"), unknown ones are cleared ("Other Flags")."""
    assert call(("traceparent", VALID[:-2] + came)).traceparent.endswith(f"-{goes}")


def test_a_new_trace_is_random() -> None:
    assert call().traceparent.endswith("-03")


# ---------------------------------------------------------------------- tracestate


def state(*values: str, traceparent: str = VALID) -> Sent:
    made = call(("traceparent", traceparent), *[("tracestate", value) for value in values])
    assert made.same_trace  # it never harms the traceparent
    return made


def test_the_state_alone_is_nothing() -> None:
    assert call(("tracestate", "foo=1")).tracestate is None


@pytest.mark.parametrize("name", ["TraceState", "TrAcEsTaTe", "TRACESTATE"])
def test_its_name_in_any_case(name: str) -> None:
    assert call(("traceparent", VALID), (name, "foo=1")).states == {"foo": "1"}


@pytest.mark.parametrize("values", [("",), ("foo=1", ""), ("", "foo=1"), ("foo=1,", ",,"), (" , foo=1 ,\t",)])
def test_empty_members(values: tuple[str, ...]) -> None:
    assert state(*values).tracestate in (None, "foo=1")
    assert ("foo=1" in "".join(values)) == (state(*values).tracestate is not None)


def test_several_headers_are_one_in_their_order() -> None:
    made = state("foo=1,bar=2", "rojo=1,congo=2", "baz=3")
    assert made.tracestate == "foo=1,bar=2,rojo=1,congo=2,baz=3"


@pytest.mark.parametrize("values", [("foo=1,foo=1",), ("foo=1,foo=2",), ("foo=1", "foo=1"), ("foo=1", "foo=2")])
def test_of_duplicate_keys_the_newest_is_kept(values: tuple[str, ...]) -> None:
    assert state(*values, "bar=3").tracestate == "foo=1,bar=3"


def test_every_character_that_is_allowed() -> None:
    key = "abcdefghijklmnopqrstuvwxyz0123456789_-*/"
    value = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in ",=")
    assert state(f"{key}={value}").states == {key: value}
    assert state(f"{key}@a-z0-9_-*/={value}").states == {f"{key}@a-z0-9_-*/": value}


@pytest.mark.parametrize("text", ["foo=1 \t , \t bar=2, \t baz=3", "foo=1\t \t,\t \tbar=2,\t \tbaz=3"])
def test_blanks_between_members(text: str) -> None:
    assert state(text).states == {"foo": "1", "bar": "2", "baz": "3"}
    assert state(f"\t {text} \t").states == {"foo": "1", "bar": "2", "baz": "3"}


def test_blanks_before_a_value_belong_to_it() -> None:
    assert state("foo=  1 2").states == {"foo": "  1 2"}


@pytest.mark.parametrize(
    "member",
    ["foo@=1", "foo@@bar=1", "foo@bar@baz=1", "0foo=1", f"{'z' * 256}=1", f"{'t' * 242}@v=1", f"t@{'v' * 15}=1"],
)
def test_keys_that_level_2_allows(member: str) -> None:
    assert len(state(f"{member},bar=2").states) == 2


@pytest.mark.parametrize(
    "member",
    [
        "foo =1",
        "FOO=1",
        "foo.bar=1",
        "@foo=1",
        "_foo=1",
        "-foo=1",
        "=1",
        "foo",
        "föö=1",
        f"{'z' * 257}=1",
        "foo=",
        "foo= ",
        "foo=bar=baz",
        "foo=b\x00r",
        "foo=b\tr",
        "foo=b\x7fr",
        "foo=bär",
        f"foo={'v' * 257}",
    ],
)
def test_a_malformed_member_makes_all_of_it_void(member: str) -> None:
    assert state(f"bar=2,{member},baz=3").tracestate is None


def test_32_members() -> None:
    members = [f"bar{number:02}={number:02}" for number in range(1, 34)]
    assert len(state(",".join(members[:16]), ",".join(members[16:32])).states) == 32
    assert state(",".join(members[:16]), ",".join(members[16:])).tracestate is None
    assert len(state(",,".join(members[:32])).states) == 32  # empty ones do not count


def test_a_long_state_loses_its_longest_members() -> None:
    """Level 2, "tracestate Limits": at least 512 characters go on; members over 128 characters go first."""
    members = [f"k{number:02}={'v' * (250 if number % 2 else 100)}" for number in range(32)]
    assert state(",".join(members[:16])).tracestate == ",".join(members[:16])
    members = [
        f"k{number:02}{'k' * 240 if number % 2 else ''}={'v' * (250 if number % 2 else 100)}" for number in range(32)
    ]
    kept = state(",".join(members)).states
    assert set(kept) >= {member.partition("=")[0] for member in members[::2]}  # the short ones are all there
    assert members[1].partition("=")[0] in kept  # and of the long ones the newest


def test_a_state_that_somebody_wrote_is_checked_too() -> None:
    """OpenTelemetry's own TraceState lets more through, and a sampler may write one."""
    made = start_span(SCOPE, "x", 0, None)
    made.tracestate = "foo=1,Bad Key=2"
    assert "tracestate" not in dict(headers.outgoing(made))
    made.tracestate = "foo=1\r\nInjected: yes"
    assert "tracestate" not in dict(headers.outgoing(made))
    made.end()


# ---------------------------------------------------------------------- several requests


def test_two_requests_of_one_trace() -> None:
    one, other = call(("traceparent", VALID)), call(("traceparent", VALID))
    assert one.same_trace
    assert other.same_trace
    assert len({one.traceparent[36:52], other.traceparent[36:52], PARENT}) == 3


# ---------------------------------------------------------------------- whatever comes

junk = st.text(max_size=80) | st.text('0123456789abcdef-=,;@ \t\r\n%"\\Rootx_*', max_size=120)
nearly = st.sampled_from([VALID, VALID + "-x", "cc" + VALID[2:], VALID[:-2] + "ff", f"Root=1-{TRACE[:8]}-{TRACE[8:]}"])
members = st.lists(
    st.tuples(st.text("abz09_-*/@A .", max_size=6), st.text(max_size=6) | st.text('ab =%;"\\', max_size=6)).map(
        "=".join
    ),
    max_size=70,
).map(",".join)
lines = st.lists(
    st.tuples(
        st.sampled_from(["traceparent", "tracestate", "baggage", "x-amzn-trace-id", "TraceState", "b3"]),
        junk | nearly | members,
    ),
    max_size=6,
)


@given(lines)
def test_whatever_comes_nothing_raises_and_what_goes_out_is_valid(sent: list[tuple[str, str]]) -> None:
    call(*sent)


@given(members, junk)
def test_beside_a_valid_parent_too(states: str, baggage: str) -> None:
    made = call(("traceparent", VALID), ("tracestate", states), ("baggage", baggage + "," + states))
    assert made.same_trace


@given(st.dictionaries(st.text(max_size=30), st.text(max_size=100), max_size=90))
def test_whatever_a_program_puts_into_its_baggage(pairs: dict[str, str]) -> None:
    from obsv.hotpath.baggage import format_baggage, parse_baggage

    written = format_baggage(pairs)
    assert len(written) <= 8192
    assert not written or BAGGAGE.fullmatch(written)
    read = parse_baggage(written)
    expected = {
        key.encode("utf-8", "replace").decode(): v.encode("utf-8", "replace").decode() for key, v in pairs.items()
    }
    assert all(expected[key] == value for key, value in read.items())
    if len(pairs) <= 10:
        assert len(read) == len([key for key in expected if key])


def test_what_is_no_span_carries_nothing() -> None:
    assert isinstance(NOOP, Span)
    assert headers.outgoing(NOOP) == []
