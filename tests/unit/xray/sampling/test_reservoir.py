"""What one rule keeps: reservoir, quota, borrowing, rate, boost, and the counts that X-Ray is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.xray.sampling.reservoir import RuleState
from obsv.xray.sampling.rules import Rule
from obsv.xray.sampling.sampler import FALLBACK

DOCUMENTS = Path(__file__).parent / "documents"
LAST = (1 << 64) - 1  # the lower half of a trace id that no rate below 1 keeps
AHEAD = -1_000.0  # X-Ray's 1000 is our 0


def state(rate: float = 0.0, size: int = 0, **fields: Any) -> RuleState:
    return RuleState(Rule({"RuleName": "r", "FixedRate": rate, "ReservoirSize": size, **fields}))


def kept(rule: RuleState, requests: int, now: float, trace_lo: int = LAST) -> int:
    return sum([rule.decide(trace_lo, now) > 0 for _ in range(requests)])


def test_without_a_quota_one_a_second_is_borrowed_where_the_rule_has_a_reservoir() -> None:
    rule = state(size=50)
    assert [kept(rule, 5, now) for now in (10.0, 10.9, 11.0, 12.5)] == [1, 0, 1, 1]
    assert (rule.requests, rule.sampled, rule.borrowed) == (20, 3, 3)


def test_without_a_reservoir_nothing_is_borrowed() -> None:
    rule = state(size=0)
    assert kept(rule, 5, 10.0) == 0
    assert (rule.requests, rule.sampled, rule.borrowed) == (5, 0, 0)


def test_a_quota_is_taken_each_second_while_it_holds() -> None:
    rule = state(size=50)
    rule.apply({"FixedRate": 0.0, "ReservoirQuota": 3, "ReservoirQuotaTTL": 1012.0}, AHEAD)
    assert [kept(rule, 5, now) for now in (10.0, 11.0)] == [3, 3]
    assert rule.borrowed == 0
    assert kept(rule, 5, 12.0) == 1  # over: borrowed again
    assert (rule.requests, rule.sampled, rule.borrowed) == (15, 7, 1)


def test_a_quota_of_nothing_is_one() -> None:
    rule = state(size=50)
    rule.apply({"ReservoirQuota": 0, "ReservoirQuotaTTL": 2000.0}, AHEAD)
    assert kept(rule, 5, 10.0) == 0


def test_beyond_the_reservoir_the_rate_counts() -> None:
    rule = state(rate=0.25, size=1)
    assert rule.decide(LAST, 10.0) == 1.0  # from the reservoir: it stands for itself
    assert rule.decide(LAST, 10.0) == 0.0
    assert rule.decide((1 << 62) - 1, 10.0) == 4.0  # by the rate: it stands for four
    assert rule.decide(1 << 62, 10.0) == 0.0
    assert (rule.requests, rule.sampled, rule.borrowed) == (4, 2, 1)


def test_a_rate_of_1_keeps_all_and_0_none() -> None:
    assert kept(state(rate=1.0), 5, 10.0) == 5
    assert kept(state(rate=0.0), 5, 10.0, trace_lo=0) == 0


@given(st.integers(0, 3), st.floats(0.01, 1))
def test_weights_restore_what_came(size: int, rate: float) -> None:
    rule = state(rate=rate, size=size)
    step = (1 << 64) // 1000
    weights = [rule.decide(number * step, 10.0) for number in range(1000)]
    assert sum(weights) == pytest.approx(1000, abs=2 / rate)
    assert (rule.requests, rule.sampled) == (1000, sum([weight > 0 for weight in weights]))


def test_the_fallback_is_one_a_second_and_five_percent() -> None:
    rule = RuleState(FALLBACK)
    assert [kept(rule, 3, now) for now in (10.0, 11.0)] == [1, 1]
    assert rule.decide(int(0.049 * 2**64), 11.0) == pytest.approx(20)
    assert rule.decide(int(0.051 * 2**64), 11.0) == 0


def test_a_boost_raises_the_rate_until_it_ends() -> None:
    rule = state(rate=0.25, SamplingRateBoost={"MaxRate": 0.5, "CooldownWindowMinutes": 1})
    rule.apply({"FixedRate": 0.25, "SamplingBoost": {"BoostRate": 0.5, "BoostRateTTL": 1020.0}}, AHEAD)
    assert rule.decide((1 << 63) - 1, 19.0) == 2.0
    assert rule.decide((1 << 63) - 1, 20.0) == 0.0
    rule.apply({"SamplingBoost": {"BoostRate": 0.1, "BoostRateTTL": 1040.0}}, AHEAD)
    assert rule.decide((1 << 62) - 1, 21.0) == 4.0  # never below the rule's own rate


def test_targets_of_the_sample() -> None:
    targets = json.loads((DOCUMENTS / "get-sampling-targets-response-sample.json").read_text())
    rule = state(rate=0.5, size=1)
    rule.apply(targets["SamplingTargetDocuments"][0], 100.0 - 1_707_764_006.0)
    assert (rule.rate, rule.interval, rule.reservoir.quota, rule.reservoir.until) == (0.1, 10, 30, 100.0)
    assert kept(rule, 40, 99.0) == 30
    assert kept(rule, 40, 100.0) == 1


def test_targets_of_the_sample_for_a_remote_sampler() -> None:
    document = json.loads((DOCUMENTS / "test-remote-sampler_sampling-targets-response-sample.json").read_text())
    for target, quota, interval in zip(
        document["SamplingTargetDocuments"], (100_000, 100), (86_400, 1000), strict=True
    ):
        rule = state(rate=1.0)
        rule.apply(target, AHEAD)
        assert (rule.rate, rule.reservoir.quota, rule.interval) == (0.0, quota, interval)
        assert kept(rule, quota + 10, 10.0) == quota


def test_local_rules_of_the_sample_are_those_of_the_fallback() -> None:
    default = json.loads((DOCUMENTS / "mock_sampling_rule.json").read_text())["default"]
    assert (FALLBACK.size, FALLBACK.rate) == (default["fixed_target"], default["rate"])


odd = (
    st.none() | st.booleans() | st.floats() | st.text(max_size=3) | st.integers() | st.lists(st.integers(), max_size=2)
)


@given(
    st.dictionaries(
        st.sampled_from(["FixedRate", "ReservoirQuota", "ReservoirQuotaTTL", "Interval", "SamplingBoost"]),
        odd | st.dictionaries(st.sampled_from(["BoostRate", "BoostRateTTL"]), odd),
    )
)
def test_any_target_leaves_a_rule_that_works(target: dict[str, Any]) -> None:
    rule = state(rate=0.5, size=1)
    rule.apply(target, AHEAD)
    assert 0 <= rule.rate <= 1
    assert 1 <= rule.interval <= 86_400
    assert rule.decide(0, 10.0) >= 0


def test_what_a_rule_has_learnt_outlives_a_new_reading_of_the_rules() -> None:
    old = state(rate=0.5, size=5)
    old.apply({"FixedRate": 0.9, "ReservoirQuota": 7, "ReservoirQuotaTTL": 1100.0, "Interval": 20}, AHEAD)
    kept(old, 10, 10.0)
    same, changed = state(rate=0.5, size=5), state(rate=0.1, size=9)
    same.take_over(old)
    assert (same.rate, same.requests, same.sampled, same.interval) == (0.9, 10, 7, 20)
    changed.take_over(old)
    assert (changed.rate, changed.reservoir.size, changed.reservoir.quota) == (0.1, 9, 7)
