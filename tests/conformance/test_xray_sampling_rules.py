"""The rules of X-Ray's centralised sampling, one test each (X-Ray developer guide, "Sampling"; X-Ray API reference,
"GetSamplingRules" and "GetSamplingTargets"; what AWS's own samplers do).

Rules and targets come from a service on a real socket. How it fares with bad answers, with nobody to ask, and in
processes that fork is in ``integration/test_xray_sampling``.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from obsv.hotpath import faults
from obsv.xray.sampling.patterns import compile_pattern
from obsv.xray.sampling.poller import RULES_JITTER
from obsv.xray.sampling.reservoir import RuleState
from obsv.xray.sampling.rules import read_rules
from obsv.xray.sampling.sampler import FALLBACK, LIFETIME, Decider
from xray_sampling import (
    AHEAD,
    ALL,
    LAST,
    RULES,
    SERVICE,
    TARGETS,
    SamplingService,
    decider_at,
    document,
    found,
    kept,
    record,
    report,
    rule,
    state_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def service() -> Iterator[SamplingService]:
    with SamplingService(ALL) as made:
        yield made
    faults.reset()


def names(decider: Decider) -> list[str]:
    assert decider.rules is not None
    return [state.rule.name for state in decider.rules.states]


# ---- rules: POST /GetSamplingRules with NextToken, every 300 s and 0 to 5 s more


def test_rules_are_posted_for_page_by_page_with_next_token(service: SamplingService) -> None:
    service.pages = [[record(RuleName="b", Priority=2)], [record(RuleName="a", Priority=1)], [record(**ALL)]]
    decider = decider_at(service)
    assert names(decider) == ["a", "b", "Default"]
    assert service.at(RULES) == [{}, {"NextToken": "1"}, {"NextToken": "2"}]


def test_rules_are_read_every_300_seconds_and_0_to_5_more(service: SamplingService) -> None:
    assert RULES_JITTER == 5.0
    decider = Decider(SERVICE, service.url)
    due = set()
    for _ in range(20):
        now = time.monotonic()
        decider.poller.read_rules(now)
        due.add(decider.poller._rules_due - now)
    assert min(due) >= 300.0
    assert max(due) < 306.0  # the answer took a moment
    assert len(due) > 10


def test_rules_are_followed_for_an_hour_and_then_one_a_second_and_five_percent_are_kept(
    service: SamplingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    decider = decider_at(service)
    last = 2**64 - 1
    assert decider.decide(0, {}) == (1.0, "Default")
    ahead = [LIFETIME - 60]
    clock = time.monotonic
    monkeypatch.setattr("obsv.xray.sampling.sampler.monotonic", lambda: clock() + ahead[0])
    assert decider.decide(0, {}) == (1.0, "Default")
    ahead[0] = LIFETIME + 1
    assert decider.decide(last, {}) == (1.0, None)  # one a second
    assert [decider.decide(int(share * 2**64), {})[0] for share in (0.049, 0.051)] in ([20.0, 0.0], [1.0, 0.0])


def test_the_fallback_is_one_a_second_and_five_percent() -> None:
    rule = RuleState(FALLBACK)
    assert [kept(rule, 3, now) for now in (10.0, 11.0)] == [1, 1]
    assert rule.decide(int(0.049 * 2**64), 11.0) == pytest.approx(20)
    assert rule.decide(int(0.051 * 2**64), 11.0) == 0


# ---- order, wildcards, what a rule looks at


def test_rules_are_in_order_of_priority_then_name() -> None:
    rules = [rule("z", Priority=1), rule("b", Priority=5), rule("a", Priority=5), rule("Default", Priority=10_000)]
    assert [each.name for each in read_rules([{"SamplingRule": each.said} for each in rules])[0]] == [
        "z",
        "a",
        "b",
        "Default",
    ]
    assert found(rules, {}) == "z"


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
def test_a_star_is_any_characters_a_question_mark_is_one_and_case_does_not_count(
    pattern: str, text: str, matches: bool
) -> None:
    match = compile_pattern(pattern)
    assert (match is None or bool(match(text))) is matches


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
def test_every_matcher_of_a_rule_attributes_and_resource_arn_too(
    fields: dict[str, Any], attributes: dict[str, Any], expected: bool
) -> None:
    assert (found([rule(**fields)], attributes) is not None) is expected


def test_rules_of_other_services_are_left_out(service: SamplingService) -> None:
    service.pages = [[record(RuleName="bank", ServiceName="bank"), record(RuleName="shop", ServiceName="sh*")]]
    assert names(decider_at(service)) == ["shop"]


# ---- per second: the quota while it holds, else one is borrowed, then the rate


def test_while_its_ttl_holds_the_quota_is_taken_each_second() -> None:
    rule = state_of(size=50)
    rule.apply({"FixedRate": 0.0, "ReservoirQuota": 3, "ReservoirQuotaTTL": 1012.0}, AHEAD)
    assert [kept(rule, 5, now) for now in (10.0, 11.0)] == [3, 3]
    assert rule.borrowed == 0
    assert kept(rule, 5, 12.0) == 1  # over: borrowed again
    assert (rule.requests, rule.sampled, rule.borrowed) == (15, 7, 1)


def test_a_quota_of_nothing_is_a_quota() -> None:
    rule = state_of(size=50)
    rule.apply({"ReservoirQuota": 0, "ReservoirQuotaTTL": 2000.0}, AHEAD)
    assert kept(rule, 5, 10.0) == 0


def test_without_a_quota_one_a_second_is_borrowed_where_the_rule_has_a_reservoir() -> None:
    rule = state_of(size=50)
    assert [kept(rule, 5, now) for now in (10.0, 10.9, 11.0, 12.5)] == [1, 0, 1, 1]
    assert (rule.requests, rule.sampled, rule.borrowed) == (20, 3, 3)


def test_without_a_reservoir_nothing_is_borrowed() -> None:
    rule = state_of(size=0)
    assert kept(rule, 5, 10.0) == 0
    assert (rule.requests, rule.sampled, rule.borrowed) == (5, 0, 0)


def test_beyond_the_reservoir_the_fixed_rate_counts() -> None:
    rule = state_of(rate=0.25, size=1)
    assert rule.decide(LAST, 10.0) == 1.0  # from the reservoir: it stands for itself
    assert rule.decide(LAST, 10.0) == 0.0
    assert rule.decide((1 << 62) - 1, 10.0) == 4.0  # by the rate: it stands for four
    assert rule.decide(1 << 62, 10.0) == 0.0
    assert (rule.requests, rule.sampled, rule.borrowed) == (4, 2, 1)


# ---- statistics and targets: POST /SamplingTargets every 10 s


def test_targets_are_asked_for_every_ten_seconds(service: SamplingService) -> None:
    decider = Decider(SERVICE, service.url)
    assert 9.5 < decider.poller.poll() <= 10.1


def test_at_most_25_documents_are_in_a_request(service: SamplingService) -> None:
    service.pages = [[record(RuleName=f"r{number}", URLPath=f"/{number}", FixedRate=1.0) for number in range(60)]]
    decider = decider_at(service)
    for number in range(60):
        decider.decide(0, {"url.path": f"/{number}"})
    report(decider)
    assert [len(each["SamplingStatisticsDocuments"]) for each in service.at(TARGETS)] == [25, 25, 10]


def test_the_client_id_is_24_hex_digits_and_stays_the_same(service: SamplingService) -> None:
    decider, other = decider_at(service), decider_at(service)
    for each in (decider, decider, other):
        each.decide(0, {})
        report(each)
    ids = [each["SamplingStatisticsDocuments"][0]["ClientID"] for each in service.at(TARGETS)]
    assert all(re.fullmatch("[0-9a-f]{24}", each) for each in ids)
    assert ids[0] == ids[1] != ids[2]


def test_only_rules_that_matched_are_reported_borrowed_ones_among_the_sampled(service: SamplingService) -> None:
    service.pages = [[record(RuleName="r", ReservoirSize=5, FixedRate=0.0), record(RuleName="unused", Priority=10_001)]]
    service.targets = [
        {"RuleName": "r", "FixedRate": 0.5, "ReservoirQuota": 2, "ReservoirQuotaTTL": time.time() + 60, "Interval": 10}
    ]
    decider = decider_at(service)
    for _ in range(3):
        decider.decide(2**64 - 1, {})
    report(decider)
    [asked] = service.at(TARGETS)
    [told] = asked["SamplingStatisticsDocuments"]
    assert set(asked) == {"SamplingStatisticsDocuments"}
    del told["ClientID"]
    assert abs(told.pop("Timestamp") - time.time()) < 60
    assert told.pop("BorrowCount") == told.pop("SampledCount") in (1, 2)  # a second may have begun meanwhile
    assert told == {"RuleName": "r", "RequestCount": 3}
    assert decider.rules is not None
    state = decider.rules.by_name["r"]
    assert (state.requests, state.sampled, state.borrowed) == (0, 0, 0)
    report(decider)
    assert len(service.at(TARGETS)) == 1  # nothing has matched since


def test_rate_quota_ttl_and_interval_of_an_answer_hold(service: SamplingService) -> None:
    service.targets = [
        {
            "RuleName": "Default",
            "FixedRate": 0.5,
            "ReservoirQuota": 2,
            "ReservoirQuotaTTL": time.time() + 60,
            "Interval": 30,
        }
    ]
    decider = decider_at(service)
    decider.decide(0, {})
    report(decider)
    assert decider.rules is not None
    [state] = decider.rules.states
    now = time.monotonic()
    assert (state.rate, state.reservoir.quota, state.interval) == (0.5, 2, 30)
    assert not state.reservoir.borrows(now)
    assert state.reservoir.borrows(now + 61)
    assert 29 < state.due - now <= 30


def test_a_newer_last_rule_modification_makes_the_rules_be_read_again(service: SamplingService) -> None:
    decider = decider_at(service)
    decider.decide(0, {})
    report(decider)
    assert len(service.at(RULES)) == 1
    service.modified = 99.0
    service.pages = [[record(RuleName="new", FixedRate=1.0)]]
    decider.decide(0, {})
    report(decider)
    assert decider.decide(0, {}) == (1.0, "new")
    decider.decide(0, {})
    report(decider)  # the same moment again is no news
    assert len(service.at(RULES)) == 2


def test_rules_that_are_read_again_are_reported_once(service: SamplingService) -> None:
    """The news comes with the first of several requests: what the others tell must not be told again."""
    service.pages = [[record(RuleName=f"r{number}", URLPath=f"/{number}", FixedRate=1.0) for number in range(60)]]
    decider = decider_at(service)
    for number in range(60):
        decider.decide(0, {"url.path": f"/{number}"})
    service.modified = 99.0
    report(decider)
    report(decider)
    told = [each["RuleName"] for asked in service.at(TARGETS) for each in asked["SamplingStatisticsDocuments"]]
    assert sorted(told) == sorted(f"r{number}" for number in range(60))
    assert len(service.at(RULES)) == 2


def test_documents_follow_the_shapes_of_the_api(service: SamplingService) -> None:
    """Required members and lengths: botocore's own model is the judge."""
    loaders = pytest.importorskip("botocore.loaders")
    model = pytest.importorskip("botocore.model")
    validate = pytest.importorskip("botocore.validate")
    shapes = model.ServiceModel(loaders.Loader().load_service_model("xray", "service-2"))
    service.pages = [
        [record(RuleName="r", FixedRate=1.0, SamplingRateBoost={"MaxRate": 1, "CooldownWindowMinutes": 0})]
    ]
    decider = decider_at(service)
    decider.decide(0, {})
    decider.ended("r", failed=True, sampled=True)
    report(decider)
    shape = shapes.operation_model("GetSamplingTargets").input_shape
    problems = validate.ParamValidator().validate(service.at(TARGETS)[0], shape)
    assert not problems.has_errors(), problems.generate_report()


# ---- boost: SamplingRateBoost, SamplingBoostStatisticsDocuments, SamplingBoost


def test_rules_with_a_boost_have_statistics_of_their_own_and_get_a_rate(service: SamplingService) -> None:
    boost = {"MaxRate": 0.5, "CooldownWindowMinutes": 1}
    service.pages = [[record(RuleName="r", FixedRate=0.0, SamplingRateBoost=boost)]]
    service.targets = [{"RuleName": "r", "SamplingBoost": {"BoostRate": 0.5, "BoostRateTTL": time.time() + 60}}]
    decider = decider_at(service)
    decider.decide(2**64 - 1, {})
    decider.ended("r", failed=True, sampled=False)
    decider.ended("r", failed=True, sampled=True)
    decider.ended("r", failed=False, sampled=True)
    decider.ended("nobody's", failed=True, sampled=True)
    report(decider)
    [told] = service.at(TARGETS)[0]["SamplingBoostStatisticsDocuments"]
    assert abs(told.pop("Timestamp") - time.time()) < 60
    assert told == {
        "RuleName": "r",
        "ServiceName": "shop",
        "AnomalyCount": 2,
        "TotalCount": 3,
        "SampledAnomalyCount": 1,
    }
    assert decider.decide(2**62, {}) == (2.0, "r")


def test_a_boost_raises_the_rate_until_it_ends() -> None:
    rule = state_of(rate=0.25, SamplingRateBoost={"MaxRate": 0.5, "CooldownWindowMinutes": 1})
    rule.apply({"FixedRate": 0.25, "SamplingBoost": {"BoostRate": 0.5, "BoostRateTTL": 1020.0}}, AHEAD)
    assert rule.decide((1 << 63) - 1, 19.0) == 2.0
    assert rule.decide((1 << 63) - 1, 20.0) == 0.0
    rule.apply({"SamplingBoost": {"BoostRate": 0.1, "BoostRateTTL": 1040.0}}, AHEAD)
    assert rule.decide((1 << 62) - 1, 21.0) == 4.0  # never below the rule's own rate


# ---- AWS's own samples


def test_the_rules_of_sample_1() -> None:
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


def test_the_rules_of_samples_2_and_3() -> None:
    for name, boost in (("sample-2", False), ("sample-3", True)):
        rules, bad = read_rules(document(f"get-sampling-rules-response-{name}.json")["SamplingRuleRecords"])
        assert ([each.name for each in rules], bad) == (["test", "Default"], 0)
        assert [each.boost for each in rules] == [False, boost]
        assert found(rules, {"abc": "1234"}) == "test"
        assert found(rules, {"foo": "bar", "abc": "1234"}) == "test"
        assert found(rules, {"foo": "bar"}) is None


def test_the_targets_of_the_sample() -> None:
    targets = document("get-sampling-targets-response-sample.json")
    rule = state_of(rate=0.5, size=1)
    rule.apply(targets["SamplingTargetDocuments"][0], 100.0 - 1_707_764_006.0)
    assert (rule.rate, rule.interval, rule.reservoir.quota, rule.reservoir.until) == (0.1, 10, 30, 100.0)
    assert kept(rule, 40, 99.0) == 30
    assert kept(rule, 40, 100.0) == 1


def test_the_targets_of_the_sample_for_a_remote_sampler() -> None:
    targets = document("test-remote-sampler_sampling-targets-response-sample.json")["SamplingTargetDocuments"]
    for target, quota, interval in zip(targets, (100_000, 100), (86_400, 1000), strict=True):
        rule = state_of(rate=1.0)
        rule.apply(target, AHEAD)
        assert (rule.rate, rule.reservoir.quota, rule.interval) == (0.0, quota, interval)
        assert kept(rule, quota + 10, 10.0) == quota


def test_a_remote_sampler_asks_for_the_samples_and_follows_them(service: SamplingService) -> None:
    name = "test-remote-sampler_sampling-{}-response-sample.json"
    service.pages = [document(name.format("rules"))["SamplingRuleRecords"]]
    service.targets = document(name.format("targets"))["SamplingTargetDocuments"]
    decider = decider_at(service)
    assert names(decider) == ["test", "Default"]
    assert decider.decide(LAST, {"abc": "1234"}) == (0.0, "test")
    assert decider.decide(LAST, {}) == (1.0, "Default")
    report(decider)
    assert decider.decide(LAST, {"abc": "1234"}) == (1.0, "test")  # of a quota of 100,000
    taken = [decider.decide(LAST, {})[0] for _ in range(1000)]
    assert taken.count(1.0) in (100, 200)  # a second may have begun meanwhile
    assert taken.count(0.0) == 1000 - taken.count(1.0)


def test_local_rules_of_the_sample_are_those_of_the_fallback() -> None:
    default = document("mock_sampling_rule.json")["default"]
    assert (FALLBACK.size, FALLBACK.rate) == (default["fixed_target"], default["rate"])
