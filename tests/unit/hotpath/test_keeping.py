"""Keep what matters: which unsampled traces are kept, within a budget, with a weight that restores counts."""

from __future__ import annotations

import math
import random
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.hotpath import keeping
from obsv.hotpath import span as hot
from obsv.hotpath.keeping import REASON, WEIGHT, Budget, Keeper, Route, Share, bucket_of
from obsv.hotpath.probability import BITS
from obsv.hotpath.span import OUTLET, SCOPE, SERVER, Outlet, Remote, Scope, Span, attach, detach, span, start_span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Finished

MS = 1_000_000


@pytest.fixture
def keeper(finished: Finished) -> Iterator[Keeper]:
    """A keeper for which no route is rare, where no trace is sampled."""
    made = OUTLET.keeper = Keeper(1000, 0.99, 3600.0, 0.0)
    OUTLET.set_ratio(0.0)
    for name in ("r", "GET", "GET /orders"):
        with span(name):
            pass
    finished.spans()
    made.kept = [0, 0, 0]
    yield made
    OUTLET.keeper = None


def fail(name: str = "r", child: str | None = None) -> None:
    with suppress(TimeoutError), span(name):
        if child:
            with span(child):
                pass
        raise TimeoutError


def lasting(milliseconds: float, name: str = "r") -> Span:
    made = start_span(SCOPE, name, SERVER, None)
    made.end(made.start_ns + int(milliseconds * MS))
    return made


# ---------------------------------------------------------------------- what is kept


def test_without_a_keeper_what_is_not_sampled_is_not_recorded(finished: Finished) -> None:
    OUTLET.set_ratio(0.0)
    with span("r") as one:
        assert not one.is_recording()
    assert finished.spans() == []


def test_a_trace_that_matters_to_nobody_is_dropped(finished: Finished, keeper: Keeper) -> None:
    with span("r") as root, span("child") as child:
        assert root.is_recording()
        assert child.is_recording()
    assert finished.spans() == []
    assert keeper.kept == [0, 0, 0]


def test_a_failed_trace_is_kept_whole(finished: Finished, keeper: Keeper) -> None:
    fail(child="child")
    [trace] = finished.traces()
    assert [each.name for each in trace] == ["child", "r"]
    assert [each.flags & 1 for each in trace] == [1, 1]
    assert [each.tracestate for each in trace] == ["ot=th:0", "ot=th:0"]
    assert [each.trace_id for each in trace] == [trace[0].trace_id] * 2
    assert trace[1].attributes[REASON] == "failed"
    assert trace[1].attributes[WEIGHT] == 1
    assert WEIGHT not in trace[0].attributes
    assert keeper.status() == {"failed": 1, "slow": 0, "rare": 0, "over budget": 0}


def test_while_it_runs_it_tells_others_that_it_is_not_sampled(finished: Finished, keeper: Keeper) -> None:
    from obsv.hotpath.headers import inject

    with suppress(TimeoutError), span("r"):
        carrier: dict[str, str] = {}
        inject(carrier)
        raise TimeoutError
    assert any(value.endswith("-02") or "Sampled=0" in value for value in carrier.values())
    assert finished.one().flags & 1


def test_a_failed_child_of_a_root_that_did_not_fail_is_no_failure(finished: Finished, keeper: Keeper) -> None:
    with span("r"):
        fail("child")
    assert finished.spans() == []


def test_a_slow_trace_is_kept(finished: Finished, keeper: Keeper) -> None:
    for number in range(200):
        lasting(10 + number % 5, "GET /orders")
    assert finished.spans() == []
    assert not keeper.kept[1]
    slow = lasting(40, "GET /orders")
    assert finished.spans() == [slow]
    assert slow.attributes[REASON] == "slow"


def test_another_route_is_slow_by_its_own_measure(finished: Finished, keeper: Keeper) -> None:
    for _ in range(200):
        lasting(10, "GET /orders")
        lasting(1000, "GET")
    lasting(1000, "GET")
    assert finished.spans() == []
    lasting(500, "GET /orders")
    assert len(finished.spans()) == 1


def test_nothing_is_slow_before_the_route_is_known(finished: Finished, keeper: Keeper) -> None:
    for _ in range(50):
        lasting(1)
    lasting(10_000)
    assert finished.spans() == []


def test_what_was_long_ago_fades(keeper: Keeper) -> None:
    route = Route()
    for _ in range(10_000):
        route.note(100 * MS, 0.99, 100)
    for _ in range(20_000):
        route.note(MS, 0.99, 100)
    for _ in range(8_000):  # what was slow is common now
        route.note(100 * MS, 0.99, 100)
    assert not route.note(100 * MS, 0.99, 100)
    assert route.total < 17_000


@given(st.integers(0, 2**62), st.integers(0, 2**62))
def test_buckets_are_in_order_and_an_eighth_wide(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert 0 <= bucket_of(low) <= bucket_of(high) <= 255
    if low >= 1 << 20 and high < 1 << 44 and high >= low * 9 // 8 + 2048:
        assert bucket_of(low) < bucket_of(high)


@given(st.integers(0, 2**32), st.sampled_from([0.5, 0.9, 0.99]))
def test_the_learnt_quantile_is_right_to_a_bucket(seed: int, quantile: float) -> None:
    chance = random.Random(seed)
    durations = [int(chance.lognormvariate(3, 1) * MS) for _ in range(100 + 2 * 64)]  # learnt at the last one
    route = Route()
    for duration in durations:
        route.note(duration, quantile, 100)
    exact = sorted(durations)[math.ceil(quantile * len(durations)) - 1]
    assert route.limit == bucket_of(exact)


def test_the_first_of_a_route_is_rare_and_then_after_a_while(finished: Finished, keeper: Keeper) -> None:
    with span("never seen"):
        pass
    with span("never seen"):
        pass
    assert [each.attributes[REASON] for each in finished.spans()] == ["rare"]
    route = keeper.routes["never seen"]
    route.seen -= keeper.unseen + 1
    with span("never seen"):
        pass
    assert [each.attributes[REASON] for each in finished.spans()] == ["rare"]


def test_routes_are_bounded(finished: Finished, keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "_MAX_ROUTES", 10)
    for number in range(50):
        with span(f"user {number}"):
            pass
    assert len(keeper.routes) == 10
    for route in keeper.routes.values():
        route.seen -= keeper.unseen + 1
    with span("new"):
        pass
    assert "new" in keeper.routes
    assert len(keeper.routes) <= 10


def test_a_callers_no_is_looked_at_too(finished: Finished, keeper: Keeper) -> None:
    OUTLET.set_ratio(1.0)
    token = attach(Remote(7, 8, 9, 2, "vendor=1"))
    fail()
    detach(token)
    kept = finished.one()
    assert (kept.trace_hi, kept.trace_lo, kept.parent64) == (7, 8, 9)
    assert kept.tracestate == "ot=th:0,vendor=1"


# ---------------------------------------------------------------------- in time


def test_a_late_child_shares_the_fate_of_its_trace(finished: Finished, keeper: Keeper) -> None:
    for failing in (True, False):
        root = start_span(SCOPE, "r", SERVER, None)
        child = start_span(SCOPE, "late", 0, root)
        if failing:
            root.set_status("error")
        root.end()
        child.end()
        assert [each.name for each in finished.spans()] == (["r", "late"] if failing else [])
        assert child.tracestate == ("ot=th:0" if failing else None)


def test_what_begins_after_the_end_of_a_dropped_trace_is_not_recorded(finished: Finished, keeper: Keeper) -> None:
    root = start_span(SCOPE, "r", SERVER, None)
    root.end()
    child = start_span(SCOPE, "after", 0, root)
    assert not child.is_recording()
    child.end()
    assert finished.spans() == []


def test_a_long_trace_keeps_its_newest_spans(finished: Finished, keeper: Keeper) -> None:
    with suppress(TimeoutError), span("r"):
        for number in range(1300):
            with span(f"child {number}"):
                pass
        raise TimeoutError
    names = finished.names()
    assert len(names) <= 512
    assert names[-2:] == ["child 1299", "r"]


def test_spans_of_another_outlet_are_not_recorded_below(finished: Finished, keeper: Keeper) -> None:
    other = Outlet()
    other.enabled = True
    with span("r"):
        child = start_span(Scope("other", None, other), "x", 0, hot.current())
        assert not child.is_recording()
        child.end()


def test_a_keeper_that_is_taken_away_drops_what_it_has_not_judged(finished: Finished, keeper: Keeper) -> None:
    with suppress(TimeoutError), span("r"):
        OUTLET.keeper = None
        raise TimeoutError
    assert finished.spans() == []


def test_a_keeper_that_fails_costs_nobody_a_span(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OBSV_RAISE")
    OUTLET.keeper = object()
    try:
        with span("sampled"), span("child"):
            pass
        with span("alone"):
            pass
        OUTLET.set_ratio(0.0)
        with span("not sampled"):
            pass
    finally:
        OUTLET.keeper = None
    assert finished.names() == ["child", "sampled", "alone"]


def test_after_a_fork_counts_begin_anew(keeper: Keeper) -> None:
    fail()
    keeper.after_fork()
    assert keeper.kept == [0, 0, 0]
    assert "r" in keeper.routes


# ---------------------------------------------------------------------- weights


def test_sampled_roots_carry_what_they_stand_for(finished: Finished, keeper: Keeper) -> None:
    OUTLET.set_ratio(1.0)
    keeper.weight = 4.0
    with span("r"):
        pass
    with span("r"), span("child"):
        pass
    fail()
    token = attach(Remote(7, 8, 9, 3, "ot=th:8"))
    with span("r"):
        pass
    detach(token)
    token = attach(Remote(7, 8, 9, 3))
    with span("r"):
        pass
    detach(token)
    weights = [each.attributes.get(WEIGHT) for each in finished.spans()]
    assert weights == [4.0, None, 4.0, 1, 2.0, None]


def test_a_late_child_of_a_sampled_trace_is_no_root(finished: Finished, keeper: Keeper) -> None:
    OUTLET.set_ratio(1.0)
    keeper.weight = 4.0
    root = start_span(SCOPE, "r", SERVER, None)
    child = start_span(SCOPE, "late", 0, root)
    root.end()
    child.end()
    after = start_span(SCOPE, "after", 0, root)
    after.end()
    assert [each.attributes.get(WEIGHT) for each in finished.spans()] == [4.0, None, None]


class Clock:
    """Candidates of one or more shares, second by second, as a keeper would bring them."""

    def __init__(self, most: int) -> None:
        self.budget = Budget(most)
        self.random = random.Random(7)
        self.second = 1000

    def pass_second(self, *arrivals: tuple[Share, int]) -> list[tuple[int, float]]:
        """Offer so many of each share, mixed; returns how many were kept of each, and their weight."""
        offered = [index for index, (_, count) in enumerate(arrivals) for _ in range(count)]
        self.random.shuffle(offered)
        kept = [[0, 0.0] for _ in arrivals]
        for index in offered:
            share = arrivals[index][0]
            if self.budget.admit(share, self.random.randrange(BITS), self.second):
                kept[index][0] += 1
                kept[index][1] += self.budget.after(share)
        self.second += 1
        return [(int(count), weight) for count, weight in kept]


@given(st.integers(1, 100), st.lists(st.integers(0, 500), min_size=1, max_size=5))
def test_no_second_keeps_more_than_the_budget(most: int, arrivals: list[int]) -> None:
    clock = Clock(most)
    one, other = Share(), Share()
    for count in arrivals:
        kept = clock.pass_second((one, count), (other, count // 3))
        assert sum([number for number, _ in kept]) <= most


def test_what_fits_is_kept_and_stands_for_itself() -> None:
    clock = Clock(10)
    share = Share()
    for _ in range(5):
        assert clock.pass_second((share, 5)) == [(5, 5.0)]
    assert clock.budget.over == 0


@pytest.mark.parametrize(("most", "rate"), [(10, 40), (10, 1000), (100, 250), (50, 5000)])
def test_weights_restore_the_count_of_a_storm(most: int, rate: int) -> None:
    clock = Clock(most)
    share = Share()
    weights = [clock.pass_second((share, rate))[0][1] for _ in range(400)]
    assert sum(weights) / len(weights) == pytest.approx(rate, rel=0.1)


def test_what_a_surprise_left_out_is_in_the_weight_of_the_next_one() -> None:
    clock = Clock(10)
    share = Share()
    clock.pass_second((share, 10_000))
    over = clock.budget.over
    assert over > 1000
    clock.second += 2
    assert clock.pass_second((share, 1)) == [(1, 1.0 + over)]
    assert clock.budget.over == 0


def test_a_storm_of_yesterday_is_in_no_weight() -> None:
    clock = Clock(10)
    share = Share()
    clock.pass_second((share, 10_000))
    over = clock.budget.over
    clock.second += 3600
    assert clock.pass_second((share, 1)) == [(1, 1.0)]
    assert clock.budget.over == over


def test_a_noisy_route_does_not_silence_another() -> None:
    clock = Clock(20)
    noisy, quiet = Share(), Share()
    kept = [clock.pass_second((noisy, 2000), (quiet, 1))[1] for _ in range(50)]
    assert kept == [(1, 1.0)] * 50


def test_services_with_the_same_share_keep_the_same_traces() -> None:
    budget = Budget(100)
    share = Share()
    share.second, share.came = 999, 1000
    assert not budget.admit(share, 0, 1000)
    assert budget.admit(share, BITS - 1, 1000)


# ---------------------------------------------------------------------- the whole


def test_the_setting() -> None:
    import obsv
    from obsv.testing import capture

    with capture(sample=0.0) as seen:
        assert OUTLET.keeper is None
        assert obsv.status()["kept"] == {}
    with capture(sample=0.0, keep=True, keep_budget=3) as seen:
        for _ in range(100):
            fail("same")
        kept = len(seen.spans)
        assert 3 <= kept <= 6  # a second may have begun meanwhile
        assert obsv.status()["kept"]["failed"] + obsv.status()["kept"]["rare"] == kept
    assert OUTLET.keeper is None


def test_otlp_carries_the_tracestate(finished: Finished, keeper: Keeper) -> None:
    pytest.importorskip("opentelemetry.proto")
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    from obsv.hotpath import otlp

    fail()
    body = otlp.traces(finished.traces(), otlp.resource_bytes({"service.name": "shop"}))
    [sent] = ExportTraceServiceRequest.FromString(body).resource_spans[0].scope_spans[0].spans
    assert (sent.trace_state, sent.flags & 1) == ("ot=th:0", 1)
