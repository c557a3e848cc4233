"""X-Ray's sampling rules: wildcards, matchers, order (X-Ray developer guide, "Sampling rule options")."""

from __future__ import annotations

import fnmatch
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.xray.sampling.facts import host_of, method_of, path_of, service_facts
from obsv.xray.sampling.patterns import compile_pattern
from obsv.xray.sampling.rules import InvalidRuleError, Rule, read_rules
from obsv.xray.sampling.ruleset import MAX_KEYS, RuleSet

DOCUMENTS = Path(__file__).parent / "documents"
SHOP = {"name": "shop", "type": "AWS::ECS::Container", "arn": "arn:aws:ecs:eu-west-1:1:task/7"}


def document(name: str) -> Any:
    return json.loads((DOCUMENTS / name).read_text())


def rule(name: str = "r", **fields: Any) -> Rule:
    return Rule({"RuleName": name, "Version": 1, **fields})


def found(rules: list[Rule], attributes: dict[str, Any], service: dict[str, str | None] = SHOP) -> str | None:  # type: ignore[assignment]
    rules.sort(key=lambda each: (each.priority, each.name))
    state = RuleSet(rules, service).find(attributes)
    return None if state is None else state.rule.name


# ---------------------------------------------------------------------- wildcards


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("*", "", True),
        ("*", "anything", True),
        ("?", "", False),
        ("?", "a", True),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("/orders/*", "/orders/", True),
        ("/orders/*", "/order", False),
        ("*/items", "/orders/7/items", True),
        ("*/items", "/orders/7/items/", False),
        ("*a*b*c", "xaybzc", True),
        ("*a*b*c", "xbyazc", False),
        ("a*a", "a", False),
        ("ab*ba", "aba", False),
        ("Shop", "sHOP", True),
        ("a.c", "abc", False),
        ("[a]", "a", False),
        ("*.example.com", "api.example.com", True),
        ("a\nb*", "a\nb\nc", True),
        ("", "", True),
        ("", "a", False),
    ],
)
def test_wildcards(pattern: str, text: str, matches: bool) -> None:
    match = compile_pattern(pattern)
    assert (match is None or bool(match(text))) is matches


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


@pytest.mark.parametrize(
    ("fields", "attributes", "expected"),
    [
        ({"HTTPMethod": "GET"}, {"http.request.method": "GET"}, True),
        ({"HTTPMethod": "GET"}, {"http.method": "get"}, True),
        ({"HTTPMethod": "GET"}, {"http.request.method": "POST"}, False),
        ({"HTTPMethod": "PURGE"}, {"http.request.method": "_OTHER", "http.request.method_original": "PURGE"}, True),
        ({"HTTPMethod": "GET"}, {}, False),
        ({"HTTPMethod": "*"}, {}, True),
        ({"Host": "*.shop.example"}, {"server.address": "api.shop.example"}, True),
        ({"Host": "api.shop.example"}, {"http.host": "api.shop.example:8080"}, True),
        ({"Host": "[[]::1]"}, {"http.host": "[::1]:8080"}, False),
        ({"Host": "api.shop.example"}, {"http.url": "https://me@api.shop.example/x"}, True),
        ({"URLPath": "/orders/?"}, {"url.path": "/orders/7"}, True),
        ({"URLPath": "/orders"}, {"http.target": "/orders?page=2"}, True),
        ({"URLPath": "/orders"}, {"url.full": "http://a/orders?page=2"}, True),
        ({"URLPath": "/"}, {"http.url": "http://a"}, True),
        ({"URLPath": "/orders"}, {"url.path": "/"}, False),
        ({"ServiceName": "sh?p"}, {}, True),
        ({"ServiceName": "bank"}, {}, False),
        ({"ServiceType": "AWS::ECS::*"}, {}, True),
        ({"ServiceType": "AWS::EC2::Instance"}, {}, False),
        ({"ResourceARN": "arn:aws:ecs:*:task/7"}, {}, True),
        ({"ResourceARN": "arn:aws:ecs:*:task/8"}, {}, False),
        ({"Attributes": {"tier": "g*"}}, {"tier": "gold"}, True),
        ({"Attributes": {"tier": "g*"}}, {"tier": "silver"}, False),
        ({"Attributes": {"tier": "*"}}, {"tier": ""}, True),
        ({"Attributes": {"tier": "*"}}, {}, False),
        ({"Attributes": {"tier": "*", "beta": "true", "age": "7"}}, {"tier": "x", "beta": True, "age": 7}, True),
        ({"Attributes": {"tier": "*", "beta": "true"}}, {"tier": "x"}, False),
    ],
)
def test_every_matcher(fields: dict[str, Any], attributes: dict[str, Any], expected: bool) -> None:
    assert (found([rule(**fields)], attributes) is not None) is expected


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


def test_the_lowest_priority_wins_then_the_name() -> None:
    rules = [rule("z", Priority=1), rule("b", Priority=5), rule("a", Priority=5), rule("Default", Priority=10_000)]
    assert [each.name for each in read_rules([{"SamplingRule": each.said} for each in rules])[0]] == [
        "z",
        "a",
        "b",
        "Default",
    ]
    assert found(rules, {}) == "z"


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


# ---------------------------------------------------------------------- AWS's own samples


def test_sample_1() -> None:
    rules, bad = read_rules(document("get-sampling-rules-response-sample.json")["SamplingRuleRecords"])
    assert bad == 0
    assert [(each.name, each.priority, each.size, each.rate) for each in rules] == [
        ("Rule2", 1, 10, 0.2),
        ("Rule1", 1000, 10, 0.05),
        ("Default", 10_000, 1, 0.05),
    ]
    foobar = {"name": "FooBar", "type": None, "arn": None}
    assert found(rules, {"http.request.method": "GET", "url.path": "/foo/bar"}, foobar) == "Rule2"
    assert found(rules, {"http.request.method": "POST", "url.path": "/foo/bar"}, foobar) == "Default"
    typed = {"name": "x", "type": "AWS::Foo::Bar", "arn": None}
    assert found(rules, {"foo": "bar", "doo": "baz"}, typed) == "Rule1"
    assert found(rules, {"foo": "bar"}, typed) == "Default"


def test_samples_2_and_3() -> None:
    for name, boost in (("sample-2", False), ("sample-3", True)):
        rules, bad = read_rules(document(f"get-sampling-rules-response-{name}.json")["SamplingRuleRecords"])
        assert ([each.name for each in rules], bad) == (["test", "Default"], 0)
        assert [each.boost for each in rules] == [False, boost]
        assert found(rules, {"abc": "1234"}) == "test"
        assert found(rules, {"foo": "bar", "abc": "1234"}) == "test"
        assert found(rules, {"foo": "bar"}) is None
