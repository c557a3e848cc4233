"""All rules of a service at work: which one a request matches, found again by what the rules look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .facts import FACTS
from .reservoir import RuleState
from .rules import as_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .rules import Rule

MAX_KEYS = 2000
"""Different requests that are remembered with their rule; when there are more, all are forgotten."""

MAX_KEY = 300
"""Characters of a request that is remembered. Paths are a client's to choose."""

_UNKNOWN: Any = object()


class RuleSet:
    """The rules that concern a service, in the order in which they are tried.

    Attributes:
        first: The first of them.
        looks: Whether it depends on the request which of them matches.

    Args:
        rules: All rules, in order.
        service: The service's `name`, `type` and `arn`.
        before: The set that this one replaces: its rules' counts and quotas go on.
        due: When the first report about a new rule is due, in seconds of the monotonic clock.
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        service: Mapping[str, str | None],
        before: RuleSet | None = None,
        due: float = 0.0,
    ) -> None:
        self.states = [RuleState(rule, due) for rule in rules if rule.concerns(service)]
        self.by_name: dict[str, RuleState] = {}
        for state in self.states:
            self.by_name.setdefault(state.rule.name, state)
            old = before.by_name.get(state.rule.name) if before is not None else None
            if old is not None:
                state.take_over(old)
        self._remembered: dict[Any, RuleState | None] = {}
        self.first = self.states[0] if self.states else None
        always = self.first is None or not (self.first.rule.request or self.first.rule.attributes)
        fields = {name for state in self.states for name, _ in state.rule.request}
        self.looks_at = () if always else tuple([name for name in FACTS if name in fields])
        keys = {key for state in self.states for key in state.rule.attributes}
        self.attributes = () if always else tuple(sorted(keys))
        self.looks = bool(self.looks_at or self.attributes)
        self.boosts = any([state.rule.boost for state in self.states])

    def find(self, attributes: Mapping[str, Any]) -> RuleState | None:
        """Return the first rule that a request with these attributes matches, None when there is none."""
        if not self.looks:
            return self.first
        request = {name: FACTS[name](attributes) for name in self.looks_at}
        values = [attributes.get(key) for key in self.attributes]
        key = (*request.values(), *[None if value is None else as_text(value) for value in values])
        found = self._remembered.get(key, _UNKNOWN)
        if found is not _UNKNOWN:
            return found  # type: ignore[no-any-return]
        found = next((state for state in self.states if state.rule.matches(request, attributes)), None)
        if sum([len(part) for part in key if part is not None]) <= MAX_KEY:
            if len(self._remembered) >= MAX_KEYS:
                self._remembered = {}
            self._remembered[key] = found
        return found
