"""OpenTelemetry specification, "TraceState: Probability Sampling": ``th`` and ``rv``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.hotpath.probability import BITS, randomness, said_weight, threshold_of, weight_of, with_threshold

texts = st.text("abot=:;,rvh0123456789 ", max_size=40)


@pytest.mark.parametrize(
    ("probability", "word"), [(1.0, "0"), (0.5, "8"), (0.25, "c"), (0.1, "e666"), (0.0001, "fff9"), (0.0, "ffff")]
)
def test_thresholds_of_the_specification(probability: float, word: str) -> None:
    assert with_threshold(None, threshold_of(probability)) == f"ot=th:{word}"


@given(st.floats(0, 1))
def test_the_weight_is_what_the_tracestate_says(probability: float) -> None:
    threshold = threshold_of(probability)
    assert 0 <= threshold < BITS
    assert said_weight(with_threshold(None, threshold)) == weight_of(threshold)
    if probability > 0.01:
        assert weight_of(threshold) == pytest.approx(1 / probability, rel=0.01)


@pytest.mark.parametrize(
    ("given_state", "expected"),
    [
        ("", "ot=th:c"),
        ("a=1,b=2", "ot=th:c,a=1,b=2"),
        ("a=1, ot=th:8 ,b=2", "ot=th:c,a=1,b=2"),
        ("ot=x:y;th:0;rv:00000000000001", "ot=x:y;rv:00000000000001;th:c"),
        (",".join(f"k{n}=1" for n in range(32)), "ot=th:c," + ",".join(f"k{n}=1" for n in range(31))),
    ],
)
def test_what_others_have_said_stays(given_state: str, expected: str) -> None:
    assert with_threshold(given_state, threshold_of(0.25)) == expected


@given(texts, st.integers(0, 2**64 - 1))
def test_any_tracestate_is_read(state: str, trace_lo: int) -> None:
    assert 0 <= randomness(trace_lo, state) < BITS
    weight = said_weight(state)
    assert weight is None or weight >= 1
    assert said_weight(with_threshold(state, threshold_of(0.5))) == 2


def test_randomness_is_the_ids_or_the_explicit_one() -> None:
    assert randomness(0xFF_0000_0000_0000_01, None) == 1
    assert randomness(1, "a=1,ot=th:8;rv:00000000000abc") == 0xABC
    assert randomness(1, "ot=rv:xyz") == 1
    assert randomness(1, "other=rv:00000000000abc") == 1
