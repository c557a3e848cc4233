"""What one rule keeps whatever it is told; ``conformance/test_xray_sampling_rules`` has the rules of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray_sampling import AHEAD, kept, state_of


def test_a_rate_of_1_keeps_all_and_0_none() -> None:
    assert kept(state_of(rate=1.0), 5, 10.0) == 5
    assert kept(state_of(rate=0.0), 5, 10.0, trace_lo=0) == 0


@given(st.integers(0, 3), st.floats(0.01, 1))
def test_weights_restore_what_came(size: int, rate: float) -> None:
    rule = state_of(rate=rate, size=size)
    step = (1 << 64) // 1000
    weights = [rule.decide(number * step, 10.0) for number in range(1000)]
    assert sum(weights) == pytest.approx(1000, abs=2 / rate)
    assert (rule.requests, rule.sampled) == (1000, sum([weight > 0 for weight in weights]))


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
    rule = state_of(rate=0.5, size=1)
    rule.apply(target, AHEAD)
    assert 0 <= rule.rate <= 1
    assert 1 <= rule.interval <= 86_400
    assert rule.decide(0, 10.0) >= 0


def test_what_a_rule_has_learnt_outlives_a_new_reading_of_the_rules() -> None:
    old = state_of(rate=0.5, size=5)
    old.apply({"FixedRate": 0.9, "ReservoirQuota": 7, "ReservoirQuotaTTL": 1100.0, "Interval": 20}, AHEAD)
    kept(old, 10, 10.0)
    same, changed = state_of(rate=0.5, size=5), state_of(rate=0.1, size=9)
    same.take_over(old)
    assert (same.rate, same.requests, same.sampled, same.interval) == (0.9, 10, 7, 20)
    changed.take_over(old)
    assert (changed.rate, changed.reservoir.size, changed.reservoir.quota) == (0.1, 9, 7)
