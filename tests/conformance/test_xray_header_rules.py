"""The rules of the X-Ray trace header, one test each (X-Ray developer guide, "Tracing header", and what is found in the
wild: load balancers, API Gateway, Lambda, other SDKs)."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.hotpath.headers import BASE_XRAY, extract, format_xray, outgoing, parse_xray
from obsv.hotpath.span import SAMPLED, Remote
from obsv.xray.bridge.header import TraceHeader, prepare_response_header

ROOT = "1-5759e988-bd862e3fe1be46a994272793"
IDS = (0x5759E988BD862E3F, 0xE1BE46A994272793)
PARENT = "53995c3f42cd8ad8"


def remote(text: str) -> Remote:
    found = extract({"x-amzn-trace-id": text}.get, ("xray",))
    assert found is not None
    return found


def forwarded(text: str) -> str:
    return dict(outgoing(remote(text), None, ("xray",)))["X-Amzn-Trace-Id"]


@pytest.mark.parametrize("order", list(permutations([f"Root={ROOT}", f"Parent={PARENT}", "Sampled=1"])))
def test_pairs_come_in_any_order(order: tuple[str, ...]) -> None:
    assert parse_xray(";".join(order)) == (*IDS, int(PARENT, 16), True, "")


def test_parent_may_be_missing() -> None:
    """Load balancers send ``Root`` alone."""
    assert parse_xray(f"Root={ROOT}") == (*IDS, 0, None, "")
    assert forwarded(f"Root={ROOT}") == f"Root={ROOT}"


@pytest.mark.parametrize(("said", "meant"), [("1", True), ("0", False), ("?", None), ("", None), ("yes", None)])
def test_sampled_is_1_or_0_and_anything_else_leaves_it_open(said: str, meant: bool | None) -> None:
    parsed = parse_xray(f"Root={ROOT};Parent={PARENT};Sampled={said}")
    assert parsed is not None
    assert parsed[3] is meant


def test_a_question_mark_leaves_the_decision_to_us() -> None:
    assert remote(f"Root={ROOT};Sampled=?").decided is False
    assert remote(f"Root={ROOT};Sampled=0").decided is True


def test_self_is_ignored() -> None:
    """Load balancers add ``Self`` to what came in."""
    assert forwarded(f"Self=1-67891234-12456789abcdef012345678;Root={ROOT};Parent={PARENT};Sampled=1") == (
        f"Root={ROOT};Parent={PARENT};Sampled=1"
    )


def test_lineage_and_unknown_pairs_are_forwarded_verbatim() -> None:
    others = "Lineage=a87bd80c:1|68fd508a:5;CalledFrom=app;X=a=b"
    assert forwarded(f"Root={ROOT};{others};Parent={PARENT};Sampled=1") == (
        f"Root={ROOT};Parent={PARENT};Sampled=1;{others}"
    )


def test_odd_spacing_is_read_and_forwarded_verbatim() -> None:
    odd = f"  Root = {ROOT} ; Parent={PARENT} ;Sampled= 1; Lineage = a87bd80c:1 ;"
    assert parse_xray(odd) == (*IDS, int(PARENT, 16), True, "Lineage = a87bd80c:1")
    assert forwarded(odd).endswith(";Lineage = a87bd80c:1")


def test_a_broken_pair_loses_itself_only() -> None:
    """aws-xray-sdk throws the whole header away for it, even for a semicolon at the end."""
    for broken in ("nonsense", "", "=x", ";;"):
        assert parse_xray(f"{broken};Root={ROOT};Parent={PARENT};Sampled=1;") == (*IDS, int(PARENT, 16), True, "")


def test_names_and_digits_are_read_in_either_case() -> None:
    assert parse_xray(f"root={ROOT.upper()};PARENT={PARENT.upper()};sampled=1") == (*IDS, int(PARENT, 16), True, "")


@pytest.mark.parametrize(
    "root",
    [
        "", "1", "1-5759e988", "2-5759e988-bd862e3fe1be46a994272793", "1-5759e98-bd862e3fe1be46a994272793",
        "1-5759e988-bd862e3fe1be46a99427279", "1-5759e988-bd862e3fe1be46a99427279g", "1-00000000-" + "0" * 24,
    ],
)  # fmt: skip
def test_without_a_valid_root_there_is_no_header(root: str) -> None:
    assert parse_xray(f"Root={root};Parent={PARENT};Sampled=1") is None


@pytest.mark.parametrize("parent", ["x", "53995c3f42cd8ad", "53995c3f42cd8ad8a", "g" * 16, "0" * 16])
def test_a_parent_that_is_none_is_left_out(parent: str) -> None:
    assert parse_xray(f"Root={ROOT};Parent={parent};Sampled=1") == (*IDS, 0, True, "")


def test_w3c_ids_split_after_eight_digits() -> None:
    assert format_xray(Remote(*IDS, int(PARENT, 16), SAMPLED)) == f"Root={ROOT};Parent={PARENT};Sampled=1"


def test_what_may_not_stand_in_a_header_is_not_forwarded() -> None:
    assert forwarded(f"Root={ROOT};Evil=a\r\nX: y") == f"Root={ROOT}"
    assert forwarded(f"Root={ROOT};Long={'x' * 2000}") == f"Root={ROOT}"
    assert (remote(f"Root={ROOT};Evil=ü").base or {}).get(BASE_XRAY) is None


def test_a_response_says_root_and_sampled_only_if_asked() -> None:
    class Segment:
        trace_id = ROOT
        sampled = True

    for text, answer in (
        (f"Root={ROOT};Sampled=?", f"Root={ROOT};Sampled=1"),
        (f"Root={ROOT};Sampled=1", f"Root={ROOT}"),
        (f"Root={ROOT}", f"Root={ROOT}"),
    ):
        assert prepare_response_header(TraceHeader.from_header_str(text), Segment()) == answer


pairs = st.text(st.characters(codec="utf-8"), max_size=20)


@given(before=pairs, after=pairs)
def test_whatever_stands_around_it_a_root_is_found_or_nothing_is_raised(before: str, after: str) -> None:
    parsed = parse_xray(f"{before};Root={ROOT};{after}")
    assert parsed is None or parsed[:2] == IDS or "root" in (before + after).lower()
    TraceHeader.from_header_str(f"{before};Root={ROOT};{after}").to_header_str()
