"""The decision itself, made on the request's thread from what the poller has brought."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from obsv.hotpath.keeping import WEIGHT

from .facts import service_facts
from .poller import Poller
from .reservoir import RuleState
from .rules import Rule
from .ruleset import RuleSet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from obsv.hotpath.span import Span

RULE = "aws.xray.sampling_rule"
"""Attribute of a root span: the name of the rule that decided; in a segment `aws.xray.sampling_rule_name`."""

LIFETIME = 3600.0
"""Seconds after which rules that could not be read again are no longer followed (AWS X-Ray SDKs)."""

FALLBACK = Rule({"RuleName": "fallback", "ReservoirSize": 1, "FixedRate": 0.05})
"""What holds without rules: one request a second, and 5 % of the others (X-Ray developer guide, "Default rule")."""


_NOTHING: Mapping[str, Any] = {}


class Decider:
    """Decides by the rules at hand. Needs no lock: what the poller brings takes its place in one step.

    Args:
        resource: Attributes of the resource, which say what service this is.
        endpoint: Who is asked for rules (:class:`~.client.Client`).
        interval: Seconds between two readings of the rules.
    """

    def __init__(self, resource: Mapping[str, Any], endpoint: str, interval: float = 300.0) -> None:
        self.service = service_facts(resource)
        self.rules: RuleSet | None = None
        self.expires = 0.0
        self.fallback = RuleState(FALLBACK)
        self.poller = Poller(self, endpoint, interval)

    def decide(self, trace_lo: int, attributes: Mapping[str, Any]) -> tuple[float, str | None]:
        """Decide on a trace by its root.

        Returns:
            How many traces it stands for, 0 when it is not kept; and the name of the rule, None for the fallback.
        """
        if not self.poller.started:
            self.poller.start()
        now = monotonic()
        rules = self.rules
        if rules is not None and now < self.expires:
            state = rules.find(attributes) if rules.looks else rules.first
            if state is not None:
                return state.decide(trace_lo, now), state.rule.name
        return self.fallback.decide(trace_lo, now), None

    def adopt(self, rules: list[Rule], now: float, due: float) -> None:
        """Follow these rules from now on."""
        self.rules = RuleSet(rules, self.service, self.rules, due)
        self.expires = now + LIFETIME

    def ended(self, name: str, failed: bool, sampled: bool) -> None:
        """Count the end of a request for the boost of its rule, if that has one."""
        state = self.rules.by_name.get(name) if self.rules is not None else None
        if state is not None and state.rule.boost:
            state.ended(failed, sampled)

    def after_fork(self) -> None:
        """In a forked child: rules and quotas stay until X-Ray has given this process its own; counts begin anew."""
        for state in self.rules.states if self.rules is not None else ():
            state.clear()
        self.fallback.clear()
        self.poller.after_fork()


class XRaySampler:
    """X-Ray's rules as ``Outlet.sampler``.

    Args:
        decider: What decides.
        keeps: Whether an outlet's keeper will see the traces that are not sampled: then these say which rule it was.
    """

    def __init__(self, decider: Decider, keeps: bool = False) -> None:
        self.decider = decider
        self.keeps = keeps

    def __call__(self, span: Span, _: Any) -> bool:
        decider = self.decider
        rules = decider.rules
        weight, rule = decider.decide(span.trace_lo, span.attributes if rules is not None and rules.looks else _NOTHING)
        if weight or self.keeps:
            if rule is not None:
                span.set_attribute(RULE, rule)
            if self.keeps and weight > 1.0:
                span.set_attribute(WEIGHT, weight)
        return weight > 0.0

    def watch(self, root: Span, failed: bool, sampled: bool) -> None:
        """What the outlet's keeper calls for each local root that ends: statistics for the sampling boost."""
        rules = self.decider.rules
        if rules is not None and rules.boosts:
            name = root.attributes.get(RULE)
            if name is not None:
                self.decider.ended(name, failed, sampled)
