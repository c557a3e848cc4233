"""Trace headers, in and out: W3C Trace Context and Baggage, and AWS's X-Amzn-Trace-Id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.hotpath import headers
from obsv.hotpath.baggage import parse_baggage
from obsv.hotpath.headers import (
    clean_tracestate,
    extract,
    format_xray,
    inject,
    outgoing,
    parse_traceparent,
    parse_xray,
)
from obsv.hotpath.span import SCOPE, Remote, attach, detach, span, start_span

if TYPE_CHECKING:
    from collections.abc import Iterator

VALID = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
IDS = (0x0AF7651916CD43DD, 0x8448EB211C80319C, 0xB7AD6B7169203331)
ROOT = "Root=1-5759e988-bd862e3fe1be46a994272793"
ROOT_IDS = (0x5759E988BD862E3F, 0xE1BE46A994272793)

ids = st.integers(1, 2**64 - 1)
flags = st.integers(0, 3)
junk = st.text() | st.text("0123456789abcdefABCDEF-;=, Rotp", max_size=80)


@pytest.fixture(autouse=True)
def _formats() -> Iterator[None]:
    before = headers.formats
    headers.set_formats(("tracecontext", "baggage", "xray"))
    yield
    headers.set_formats(before)


def incoming(**values: Any) -> Remote | None:
    return extract({name.replace("_", "-"): value for name, value in values.items()}.get)


# ---------------------------------------------------------------------- traceparent


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        (VALID, (*IDS, 1)),
        (f" {VALID}\t", (*IDS, 1)),
        (VALID[:-2] + "00", (*IDS, 0)),
        (VALID[:-2] + "03", (*IDS, 3)),
        (VALID[:-2] + "ff", (*IDS, 3)),  # unknown flags are not passed on
        ("cc" + VALID[2:], (*IDS, 1)),  # a later version, read as far as it is known
        ("cc" + VALID[2:] + "-what-the-future-brings", (*IDS, 1)),
        ("cc" + VALID[2:] + ".what", None),
        (VALID + "-more", None),  # version 00 has four fields
        (VALID + "-", None),
        ("ff" + VALID[2:], None),
        ("0" + VALID, None),
        (VALID.upper(), None),
        (VALID[:-1], None),
        (VALID[:-1] + "x", None),
        (VALID.replace("-", "_"), None),
        ("00-" + "0" * 32 + VALID[35:], None),
        (VALID[:36] + "0" * 16 + "-01", None),
        (VALID.replace("0af", ".af"), None),
        ("", None),
        ("-" * 55, None),
        ("００" + VALID[2:], None),
    ],
)
def test_traceparent(text: str, parsed: Any) -> None:
    assert parse_traceparent(text) == parsed


@given(ids, ids, ids, flags)
def test_traceparent_round_trip(hi: int, lo: int, span_id: int, bits: int) -> None:
    [(name, value), *_] = outgoing(Remote(hi, lo, span_id, bits))
    assert name == "traceparent"
    assert parse_traceparent(value) == (hi, lo, span_id, bits)


# ---------------------------------------------------------------------- X-Ray


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        (ROOT, (*ROOT_IDS, 0, None, "")),
        (f"{ROOT};Parent=53995c3f42cd8ad8;Sampled=1", (*ROOT_IDS, 0x53995C3F42CD8AD8, True, "")),
        (f"Sampled=0; Parent=53995C3F42CD8AD8 ; {ROOT}", (*ROOT_IDS, 0x53995C3F42CD8AD8, False, "")),
        (f"{ROOT};Sampled=?", (*ROOT_IDS, 0, None, "")),
        (f"{ROOT};Sampled=x", (*ROOT_IDS, 0, None, "")),
        (f"Self=1-67891234-12456789abcdef012345678;{ROOT}", (*ROOT_IDS, 0, None, "")),
        (f"{ROOT};Lineage=a87bd80c:0;CalledFrom=app", (*ROOT_IDS, 0, None, "Lineage=a87bd80c:0;CalledFrom=app")),
        (f"root={ROOT[5:]};PARENT=53995c3f42cd8ad8;sampled=1", (*ROOT_IDS, 0x53995C3F42CD8AD8, True, "")),
        (f" Root = {ROOT[5:].upper()} ;;", (*ROOT_IDS, 0, None, "")),
        (f"{ROOT};Parent=short", (*ROOT_IDS, 0, None, "")),
        (f"{ROOT};Bad=line\r\nInjected: yes", (*ROOT_IDS, 0, None, "")),
        (f"{ROOT};Long={'x' * 5000}", (*ROOT_IDS, 0, None, "")),
        ("Parent=53995c3f42cd8ad8;Sampled=1", None),
        ("Root=2-5759e988-bd862e3fe1be46a994272793", None),
        ("Root=1-5759e98-8bd862e3fe1be46a994272793", None),
        ("Root=1-5759e988-bd862e3fe1be46a99427279x", None),
        ("Root=1-00000000-000000000000000000000000", None),
        ("Root=1-5759e988bd862e3fe1be46a994272793", None),
        ("Root", None),
        ("", None),
    ],
)
def test_xray(text: str, parsed: Any) -> None:
    assert parse_xray(text) == parsed


@given(ids, ids, ids, st.booleans())
def test_xray_round_trip(hi: int, lo: int, span_id: int, sampled: bool) -> None:
    text = format_xray(Remote(hi, lo, span_id, int(sampled)), "Lineage=1:2")
    assert parse_xray(text) == (hi, lo, span_id, sampled, "Lineage=1:2")


def test_an_undecided_xray_header_stays_undecided() -> None:
    found = incoming(x_amzn_trace_id=ROOT)
    assert found is not None
    assert not found.decided
    assert dict(outgoing(found)) == {"X-Amzn-Trace-Id": ROOT}


@given(junk)
def test_no_text_makes_a_parser_raise(text: str) -> None:
    parse_traceparent(text)
    parse_xray(text)
    parse_xray(f"{ROOT};{text}")
    parse_baggage(text)
    clean_tracestate(text)
    found = extract(lambda name: text)
    if found is not None:
        for _, value in outgoing(found):
            assert value.isascii()
            assert value.isprintable()


@pytest.mark.parametrize("value", [5, b"bytes", ["a"], object()])
def test_values_that_are_no_text_are_not_there(value: Any) -> None:
    assert extract(lambda name: value) is None


# ---------------------------------------------------------------------- extract


def test_the_first_valid_format_wins() -> None:
    both = {"traceparent": VALID, "x-amzn-trace-id": f"{ROOT};Sampled=1"}
    found = extract(both.get)
    assert found is not None
    assert found.trace_hi == IDS[0]
    headers.set_formats(("xray", "tracecontext"))
    found = extract(both.get)
    assert found is not None
    assert found.trace_hi == ROOT_IDS[0]
    both["x-amzn-trace-id"] = "nonsense"
    found = extract(both.get)
    assert found is not None
    assert found.trace_hi == IDS[0]


def test_formats_that_are_not_chosen_are_not_read() -> None:
    headers.set_formats(("baggage",))
    assert incoming(traceparent=VALID, x_amzn_trace_id=ROOT) is None


def test_nothing_there() -> None:
    assert extract(lambda name: None) is None


def test_tracestate_comes_along() -> None:
    found = incoming(traceparent=VALID, tracestate="a=1, b=2,")
    assert found is not None
    assert found.tracestate == "a=1,b=2"
    found = incoming(traceparent=VALID, tracestate="broken")
    assert found is not None
    assert (found.trace_hi, found.tracestate) == (IDS[0], None)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (None, None),
        ("", None),
        ("foo=1", "foo=1"),
        ("foo=1,\tbar=2 ", "foo=1,bar=2"),
        (",,foo=1,,", "foo=1"),
        ("tenant@vendor=x", "tenant@vendor=x"),
        ("a@b@c=x", "a@b@c=x"),
        ("a@=x", "a@=x"),
        ("@a=x", None),
        ("1a=x", "1a=x"),
        ("foo=  1", "foo=  1"),
        ("foo =1", None),
        ("Foo=1", None),
        ("foo=1,foo=2", "foo=1"),
        ("foo", None),
        ("foo=", None),
        ("foo=a=b", None),
        ("foo=ü", None),
        ("foo=a\x00b", None),
        (f"foo={'x' * 256}", f"foo={'x' * 256}"),
        (f"foo={'x' * 257}", None),
        (",".join(f"k{i}=1" for i in range(32)), ",".join(f"k{i}=1" for i in range(32))),
        (",".join(f"k{i}=1" for i in range(33)), None),
    ],
)
def test_tracestate(text: str | None, clean: str | None) -> None:
    assert clean_tracestate(text) == clean


# ---------------------------------------------------------------------- inject


def test_inject_writes_the_current_span(finished: Any) -> None:
    with span("x") as made:
        sent: dict[str, str] = {}
        inject(sent)
    assert sent == {
        "traceparent": f"00-{made.trace_id}-{made.span_id}-03",
        "X-Amzn-Trace-Id": f"Root=1-{made.trace_id[:8]}-{made.trace_id[8:]};Parent={made.span_id};Sampled=1",
    }


def test_inject_leaves_the_callers_headers_alone(finished: Any) -> None:
    with span("x"):
        sent = {"traceparent": "mine", "x-amzn-trace-id": "mine too"}
        inject(sent)
    assert sent == {"traceparent": "mine", "x-amzn-trace-id": "mine too"}


def test_inject_outside_of_a_span_writes_nothing(finished: Any) -> None:
    sent: dict[str, str] = {}
    inject(sent)
    assert sent == {}


def test_everything_that_came_goes_on(finished: Any) -> None:
    came = {"traceparent": VALID, "tracestate": "a=1", "baggage": "user=7", "x-amzn-trace-id": f"{ROOT};Lineage=1:2"}
    made = start_span(SCOPE, "x", 1, extract(came.get))
    token = attach(made)
    try:
        with span("call"):
            sent: dict[str, str] = {}
            inject(sent)
    finally:
        detach(token)
    assert sent["traceparent"][:36] == VALID[:36]
    assert sent["tracestate"] == "a=1"
    assert sent["baggage"] == "user=7"
    assert sent["X-Amzn-Trace-Id"].startswith("Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=")


def test_xrays_own_pairs_go_on(finished: Any) -> None:
    made = start_span(SCOPE, "x", 1, incoming(x_amzn_trace_id=f"{ROOT};Sampled=1;Lineage=1:2"))
    assert dict(outgoing(made))["X-Amzn-Trace-Id"] == f"{ROOT};Parent={made.span_id};Sampled=1;Lineage=1:2"


def test_baggage_alone_goes_on() -> None:
    found = incoming(baggage="user=7")
    assert found is not None
    assert outgoing(found) == [("baggage", "user=7")]
    made = start_span(SCOPE, "x", 1, found)
    assert dict(outgoing(made)).get("baggage") is None  # nothing is open: no span, no context


@pytest.mark.parametrize("text", ["a=\r\nInjected: 1", "a=ü", "a=" + "x" * 8192])
def test_baggage_that_may_not_travel_is_left_out(text: str) -> None:
    assert incoming(baggage=text) is None


def test_unsampled_goes_on_as_unsampled(finished: Any) -> None:
    made = start_span(SCOPE, "x", 1, incoming(traceparent=VALID[:-2] + "00"))
    assert dict(outgoing(made))["traceparent"].endswith("-00")


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("a=1,b=2", {"a": "1", "b": "2"}),
        (" a = 1 ; property=x , b=%20%C3%BC", {"a": "1", "b": " ü"}),
        ("broken,=x,a=", {"a": ""}),
        ("", {}),
    ],
)
def test_baggage(text: str, pairs: dict[str, str]) -> None:
    assert parse_baggage(text) == pairs
