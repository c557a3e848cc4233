"""X-Ray's sampling rules with odd input, and what is remembered of them; ``conformance/test_xray_sampling_rules`` has
what they mean."""

from __future__ import annotations

import fnmatch
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.xray.sampling.facts import host_of, method_of, path_of, service_facts
from obsv.xray.sampling.patterns import compile_pattern
from obsv.xray.sampling.rules import InvalidRuleError, Rule, read_rules
from obsv.xray.sampling.ruleset import MAX_KEYS, RuleSet
from xray_sampling import SHOP, found, rule

# ---------------------------------------------------------------------- wildcards


@given(st.text("ab*?", max_size=12), st.text("abAB", max_size=12))
def test_wildcards_agree_with_the_plain_translation(pattern: str, text: str) -> None:
    expected = re.compile(fnmatch.translate(pattern.lower())).match(text.lower()) is not None
    match = compile_pattern(pattern)
    assert (match is None or bool(match(text))) is expected


def test_a_pattern_of_many_stars_takes_no_time_over_a_hostile_path() -> None:
    match = compile_pattern("*a" * 60 + "*b")
    assert match is not None
    assert not match("a" * 20_000)  # backtracking would take longer than the universe has been there


# ---------------------------------------------------------------------- matchers


def test_a_service_of_which_nothing_is_known_matches_only_rules_for_all() -> None:
    nothing: dict[str, str | None] = {"name": None, "type": None, "arn": None}
    assert found([rule("a", ServiceType="?*"), rule("b")], {}, nothing) == "b"


def test_service_facts() -> None:
    resource = {
        "service.name": "shop",
        "cloud.platform": "aws_ecs",
        "aws.ecs.launchtype": "fargate",
        "aws.ecs.container.arn": "arn:c",
    }
    assert service_facts(resource) == {"name": "shop", "type": "AWS::ECS::Fargate", "arn": "arn:c"}
    assert service_facts({"cloud.platform": "aws_lambda", "cloud.resource_id": "arn:f"}) == {
        "name": None,
        "type": "AWS::Lambda::Function",
        "arn": "arn:f",
    }
    assert service_facts({}) == {"name": None, "type": None, "arn": None}


@given(st.dictionaries(st.sampled_from(["url.path", "http.target", "http.url", "http.host", "http.method"]), st.text()))
def test_facts_take_any_text(attributes: dict[str, str]) -> None:
    for fact in (method_of, host_of, path_of):
        assert isinstance(fact(attributes), (str, type(None)))


# ---------------------------------------------------------------------- order


def test_without_a_matching_rule_there_is_none() -> None:
    assert found([rule(HTTPMethod="GET")], {}) is None
    assert found([], {}) is None


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"RuleName": ""},
        {"RuleName": "r", "Version": 2},
        {"RuleName": "r", "Priority": "1"},
        {"RuleName": "r", "FixedRate": True},
        {"RuleName": "r", "FixedRate": float("nan")},
        {"RuleName": "r", "URLPath": 7},
        {"RuleName": "r", "URLPath": "x" * 2000},
        {"RuleName": "r", "Attributes": ["a"]},
        {"RuleName": "r", "Attributes": {"a": 1}},
    ],
)
def test_what_is_no_rule_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(InvalidRuleError):
        Rule(said)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
fields = st.sampled_from(
    ["RuleName", "Version", "Priority", "FixedRate", "ReservoirSize", "Host", "URLPath", "Attributes", "ServiceName"]
)


@given(
    st.lists(json_values | st.fixed_dictionaries({"SamplingRule": st.dictionaries(fields, json_values)})) | json_values
)
def test_any_answer_is_read(records: Any) -> None:
    rules, bad = read_rules(records)
    assert all(0 <= each.rate <= 1 and each.size >= 0 for each in rules)
    assert bad >= 0


def test_numbers_out_of_range_are_cut() -> None:
    assert rule(FixedRate=7).rate == 1.0
    assert rule(ReservoirSize=-3).size == 0


def test_a_rule_is_found_again_and_what_is_remembered_is_bounded() -> None:
    rules = RuleSet([rule("orders", URLPath="/orders/*"), rule("Default", Priority=10_000)], SHOP)
    for number in range(MAX_KEYS + 10):
        state = rules.find({"url.path": f"/orders/{number}"})
        assert state is not None
        assert state.rule.name == "orders"
    assert len(rules._remembered) <= MAX_KEYS
    before = len(rules._remembered)
    state = rules.find({"url.path": "/" + "x" * 1000})
    assert state is not None
    assert state.rule.name == "Default"
    assert len(rules._remembered) == before


def test_rules_that_look_at_nothing_cost_no_look() -> None:
    rules = RuleSet([rule("all"), rule("never", Priority=10_000, URLPath="/x")], SHOP)
    assert not rules.looks
    assert rules.find({}) is rules.states[0]
