"""What one rule may keep just now: its reservoir, its rate, and the counts that X-Ray is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .rules import Rule

INTERVAL = 10.0
"""Seconds between two reports about a rule, unless X-Ray says otherwise (`Interval`)."""

_RATE_UNIT = 1 << 64


class Reservoir:
    """So many requests a second, whole seconds of the monotonic clock.

    Attributes:
        size: What the rule says for all processes together; above 0, one a second may be borrowed without a quota.
        quota: What X-Ray gave to this process; None before it has given any.
        until: When the quota ends, in seconds of the monotonic clock.
    """

    __slots__ = ("quota", "second", "size", "taken", "until")

    def __init__(self, size: int) -> None:
        self.size = size
        self.quota: int | None = None
        self.until = 0.0
        self.second = -1
        self.taken = 0

    def take(self, now: float) -> bool:
        """Take one, if this second has one left."""
        second = int(now)
        if second != self.second:
            self.second = second
            self.taken = 0
        most = self.quota if self.quota is not None and now < self.until else 1 if self.size > 0 else 0
        if self.taken >= most:
            return False
        self.taken += 1
        return True

    def borrows(self, now: float) -> bool:
        """Tell whether what is taken now is borrowed: no quota holds."""
        return self.quota is None or now >= self.until


class RuleState:
    """A rule at work in this process.

    Attributes:
        requests: Requests that matched since the last report that arrived.
        sampled: Those that were kept, borrowed ones included.
        borrowed: Those that were kept without a quota.
        failed: Failed requests, for the boost; `total` of so many, `caught` of them sampled.
        due: When the next report is due, in seconds of the monotonic clock.
    """

    __slots__ = (
        "boost_rate",
        "boost_until",
        "borrowed",
        "caught",
        "due",
        "failed",
        "interval",
        "rate",
        "requests",
        "reservoir",
        "rule",
        "sampled",
        "total",
    )

    def __init__(self, rule: Rule, due: float = 0.0) -> None:
        self.rule = rule
        self.reservoir = Reservoir(rule.size)
        self.rate = rule.rate
        self.boost_rate = 0.0
        self.boost_until = 0.0
        self.interval = INTERVAL
        self.due = due
        self.clear()

    def clear(self) -> None:
        """Forget what was counted."""
        self.requests = self.sampled = self.borrowed = 0
        self.failed = self.total = self.caught = 0

    def decide(self, trace_lo: int, now: float) -> float:
        """Decide on a request that matched.

        Args:
            trace_lo: The lower 64 bits of its trace id, which the rate is held against.
            now: Seconds of the monotonic clock.

        Returns:
            How many requests it stands for when it is kept: 1 from the reservoir, ``1 / rate`` otherwise. 0 when it is
            not kept.
        """
        self.requests += 1
        reservoir = self.reservoir
        if reservoir.take(now):
            self.sampled += 1
            if reservoir.borrows(now):
                self.borrowed += 1
            return 1.0
        rate = self.boost_rate if now < self.boost_until and self.boost_rate > self.rate else self.rate
        if trace_lo >= rate * _RATE_UNIT:
            return 0.0
        self.sampled += 1
        return 1.0 / rate

    def ended(self, failed: bool, sampled: bool) -> None:
        """Count a request of a rule with a boost whose end is known."""
        self.total += 1
        if failed:
            self.failed += 1
            self.caught += sampled

    def take_over(self, old: RuleState) -> None:
        """Go on where the same rule's state was before the rules were read again; a changed rule has its own rate."""
        for name in ("requests", "sampled", "borrowed", "failed", "total", "caught", "interval", "due"):
            setattr(self, name, getattr(old, name))
        size = self.reservoir.size
        self.reservoir = old.reservoir
        self.reservoir.size = size
        if self.rule.said == old.rule.said:
            self.rate = old.rate
        if self.rule.boost:
            self.boost_rate, self.boost_until = old.boost_rate, old.boost_until

    def apply(self, target: dict[str, Any], ahead: float) -> None:
        """Take over a `SamplingTargetDocument`.

        Args:
            target: Fields that are missing or odd leave what is there.
            ahead: What to add to a time of X-Ray's (Unix seconds) for one of the monotonic clock.
        """
        rate = number(target.get("FixedRate"))
        if rate is not None:
            self.rate = max(0.0, min(rate, 1.0))
        quota, until = number(target.get("ReservoirQuota")), number(target.get("ReservoirQuotaTTL"))
        if quota is not None and until is not None:
            self.reservoir.quota, self.reservoir.until = max(0, int(quota)), until + ahead
        interval = number(target.get("Interval"))
        if interval is not None:
            self.interval = max(1.0, min(interval, 86_400.0))
        boost = target.get("SamplingBoost")
        if isinstance(boost, dict):
            rate, until = number(boost.get("BoostRate")), number(boost.get("BoostRateTTL"))
            if rate is not None and until is not None:
                self.boost_rate, self.boost_until = max(0.0, min(rate, 1.0)), until + ahead


def number(value: Any) -> float | None:
    """Return a number of an answer, None where it is none that a rate, a count or a time could be."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value or abs(value) > 1e15:
        return None
    return value
