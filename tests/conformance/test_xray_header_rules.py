"""The rules of the X-Ray trace header, one test each (X-Ray developer guide, "Tracing header", and what is found in the
wild: load balancers, API Gateway, Lambda, other SDKs)."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.hotpath.headers import BASE_XRAY, extract, format_xray, outgoing, parse_xray
from obsv.hotpath.span import SAMPLED, Remote
from obsv.xray.bridge.header import TraceHeader, prepare_response_header
from programs import run

if TYPE_CHECKING:
    from collectors import XRayDaemon

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


@pytest.mark.parametrize(
    ("pairs", "asked"),
    [
        ("Sampled=?", True),
        ("Parent=53995c3f42cd8ad8; sampled = ? ;Lineage=a:1", True),
        ("Sampled=1", False),
        ("Sampled=", False),
        ("X=Sampled=?", False),
        ("X=?", False),
        ("Sampled=1;X=?", False),
        ("Self=1-67891234-12456789abcdef012345678?", False),
    ],
)
def test_only_a_question_mark_asks_for_an_answer(pairs: str, asked: bool) -> None:
    assert remote(f"Root={ROOT};{pairs}").asked is asked


def test_an_answer_says_root_and_what_was_decided() -> None:
    from aws_data import span
    from obsv.hotpath.headers import answer_xray

    made = span(5, 3)
    made.trace_hi, made.trace_lo = IDS
    assert answer_xray(made) == f"Root={ROOT};Sampled=0"
    made.flags |= SAMPLED
    assert answer_xray(made) == f"Root={ROOT};Sampled=1"


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


def test_of_two_headers_joined_by_a_comma_the_first_counts() -> None:
    """Servers join what came twice; half of one and half of the other would be a trace of nobody's."""
    other = "Root=1-00000001-000000000000000000000001;Parent=0000000000000001;Sampled=0"
    for first in (f"Root={ROOT}", f"Root={ROOT};Sampled=?", f"Parent={PARENT};Root={ROOT};Sampled=1"):
        for comma in (",", ", ", " ,"):
            assert parse_xray(f"{first}{comma}{other}") == parse_xray(first)
            assert remote(f"{first}{comma}{other}").asked == first.endswith("?")
            ours, alone = (TraceHeader.from_header_str(text) for text in (f"{first}{comma}{other}", first))
            assert (ours.root, ours.parent, ours.sampled) == (alone.root, alone.parent, alone.sampled)
    assert forwarded(f"Root={ROOT};X=a,b=c") == f"Root={ROOT};X=a,b=c"


def test_of_a_very_long_header_the_beginning_is_read() -> None:
    """Nobody writes one; taking it apart would cost more than the request."""
    filler = "x;" * 30_000
    found = remote(f"Root={ROOT};Parent={PARENT};Sampled=1;{filler}")
    assert (found.trace_hi, found.trace_lo, found.id64, found.flags) == (*IDS, int(PARENT, 16), SAMPLED)
    assert extract({"x-amzn-trace-id": f"{filler};Root={ROOT}"}.get, ("xray",)) is None


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


# ---- the environment of Lambda

LAMBDA = {
    "AWS_LAMBDA_FUNCTION_NAME": "function",
    "AWS_EXECUTION_ENV": "AWS_Lambda_python3.12",
    "LAMBDA_TASK_ROOT": "/var/task",
}
INVOCATIONS = """
import os
import obsv
from obsv.hotpath.headers import inject

obsv.init("function", traces="xray", metrics="none", logs="none")
with obsv.span("start"):
    pass


def invoke(name, header):
    os.environ["_X_AMZN_TRACE_ID"] = header
    with obsv.span(name):
        with obsv.span("inner"):
            headers = {}
            inject(headers)
    assert obsv.flush()
    return headers["X-Amzn-Trace-Id"]


root = "Root=1-5759e988-bd862e3fe1be46a994272793"
header = invoke("first", f"{root};Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a87bd80c:1|68fd508a:5")
assert header.startswith(root) and header.endswith(";Sampled=1;Lineage=a87bd80c:1|68fd508a:5"), header
header = invoke("second", root.replace("93", "94") + ";Parent=53995c3f42cd8ad9;Sampled=1")
assert header.startswith(root.replace("93", "94")), header
assert invoke("dropped", f"{root};Parent=53995c3f42cd8ad8;Sampled=0").endswith(";Sampled=0")
assert invoke("ours to decide", f"{root};Parent=53995c3f42cd8ad8").endswith(";Sampled=1")
invoke("broken", "Root=nonsense")
del os.environ["_X_AMZN_TRACE_ID"]
with obsv.span("after"):
    pass
"""


def test_an_invocation_of_lambda_is_what_its_environment_says(xray_daemon: XRayDaemon) -> None:
    """The variable is there for one invocation at a time, and not while the function starts."""
    done = run(INVOCATIONS, AWS_XRAY_DAEMON_ADDRESS=xray_daemon.address, **LAMBDA)
    assert (done.returncode, done.stderr) == (0, "")
    xray_daemon.stop()
    root = "1-5759e988-bd862e3fe1be46a994272793"
    found = [
        (each["name"], each.get("type"), each["trace_id"] if "type" in each else "", each.get("parent_id"))
        for each in xray_daemon.documents()
    ]
    assert found == [
        ("function", None, "", None),
        ("first", "subsegment", root, "53995c3f42cd8ad8"),
        ("second", "subsegment", root.replace("93", "94"), "53995c3f42cd8ad9"),
        ("ours to decide", "subsegment", root, "53995c3f42cd8ad8"),
        ("function", None, "", None),
        ("function", None, "", None),
    ]
    assert all(len(each["subsegments"]) == 1 for each in xray_daemon.documents()[1:5])


def test_other_ids_than_x_rays_do_not_belong_to_an_invocation() -> None:
    """Where traces go elsewhere, a function without X-Ray's tracing (``Sampled=0``) has traces all the same."""
    program = """
        import obsv
        from obsv.testing import capture
        with capture(patch=False) as seen:
            with obsv.span("handler") as span:
                pass
            assert seen.span("handler").parent_id is None
        """
    header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0"
    done = run(program, _X_AMZN_TRACE_ID=header, **LAMBDA)
    assert (done.returncode, done.stderr) == (0, "")
