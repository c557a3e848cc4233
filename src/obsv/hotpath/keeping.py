# cython: binding=False
"""Which of the traces that nobody sampled matter, told when they end: those that failed, were slow, or are rare.

A :class:`Keeper` is asked for each local root (``Outlet.keeper``). It learns for each route (the root's name) how long
it usually takes and when it was last seen. What matters is kept within a budget a second, and carries how many of its
like it stands for (``obsv.sampling.weight``), so that counts can be restored: each trace that was left out for the
budget is represented by others of its route that failed, were slow or rare like itself.

Loaded only where the setting ``keep`` is on.
"""

from __future__ import annotations

from .probability import randomness, said_weight, threshold_of, weight_of, with_threshold
from .span import ERROR, Span

if 0:  # seen by the compiler only
    import cython
else:
    from . import shim as cython

if cython.compiled:
    from cython.cimports.obsv.hotpath._native import monotonic_ns
else:
    from ._native_py import monotonic_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

WEIGHT = "obsv.sampling.weight"
"""Attribute of a local root: how many traces it stands for. Without it, one."""

REASON = "obsv.sampling.reason"
"""Attribute of a local root that was not sampled: why it was kept, one of :data:`REASONS`."""

REASONS = ("failed", "slow", "rare")
_FAILED, _SLOW, _RARE = 0, 1, 2

_MAX_ROUTES = 1000
_BUCKETS = cython.declare(cython.long, 256)
_EVERY = cython.declare(cython.long, 64)  # durations after which the limit is looked for again
_FADE = cython.declare(cython.long, 8192)  # durations after which the older ones count half
_FORGET = 10  # seconds
_LEAST = 100  # durations of a route that must be known before one is slow


def bucket_of(duration: int) -> int:
    """Return the bucket of a duration in nanoseconds: eight for each doubling, the first at about 8 µs.

    So a bucket is at most an eighth wide. From 4.8 hours on all are in the last one.
    """
    rest = duration >> 10 if duration > 0 else 0
    shift = 0
    while rest > 15:
        rest >>= 1
        shift += 8
    found = shift + rest
    return found if found < 256 else 255


class Share:
    """What one reason of one route gets of the budget, second by second.

    Attributes:
        second: The second that the rest is about.
        came: Traces that wanted to be kept in it.
        taken: Those that were.
        threshold: The rejection threshold that holds now.
        chance: The probability that it stands for.
        turn: At so many taken, the chance is halved.
        owed: Traces that came when nothing was left; the next one that is kept stands for them too.
    """

    __slots__ = ("came", "chance", "owed", "second", "taken", "threshold", "turn")

    def __init__(self) -> None:
        self.second = -1
        self.came = self.taken = self.turn = self.owed = 0
        self.threshold = 0
        self.chance = 1.0


class Budget:
    """How many traces a second are kept, and which of those that matter.

    When more come than may be kept, those with the greatest randomness are: services that keep the same share so keep
    the same traces. The share is told by how many came in the second before, and is halved whenever half of what is
    left of this second's budget is used, so a burst has a tail as well as a head. What comes when nothing is left is
    counted in ``over``, until a trace of the same share stands for it, which has to come within ten seconds.

    Args:
        most: Traces a second; no more are kept, by whatever route.
    """

    __slots__ = ("active", "asked", "most", "over", "second", "taken")

    def __init__(self, most: int) -> None:
        self.most = most
        self.over = 0
        self.second = -1
        self.taken = 0
        self.active = 0  # shares that were asked for in this second
        self.asked = 1  # and in the one before

    def admit(self, share: Share, random: int, second: int) -> bool:
        """Tell whether a trace with this randomness is kept; ``share.threshold`` is what decided."""
        if second != self.second:
            self.asked = max(1, self.active) if second == self.second + 1 else 1
            self.second, self.taken, self.active = second, 0, 0
        if second != share.second:
            self._renew(share, second)
        share.came += 1
        if random < share.threshold:
            return False
        # A quarter is for those that have had nothing in this second: one noisy route must not silence the others.
        if self.taken >= (self.most - self.most // 4 if share.taken else self.most):
            self.over += 1
            share.owed += 1
            return False
        self.taken += 1
        share.taken += 1
        return True

    def _renew(self, share: Share, second: int) -> None:
        self.active += 1
        if second > share.second + _FORGET:
            share.owed = 0  # a weight must not tell tomorrow of a storm of today
        came = share.came if second == share.second + 1 else 0
        fair = max(1, self.most // self.asked)
        # Half of it is aimed at, which leaves room for more than there were before.
        self._set(share, min(1.0, fair / 2 / came) if came > fair else 1.0)
        share.second, share.came, share.taken = second, 0, 0
        share.turn = max(1, fair // 2)

    def after(self, share: Share) -> float:
        """Return what the trace that was just admitted stands for, and make the next ones less likely where half of
        what was left is used."""
        weight = weight_of(share.threshold) + share.owed
        self.over -= share.owed
        share.owed = 0
        if share.taken >= share.turn:
            left = max(1, self.most // self.asked) - share.taken
            share.turn = share.taken + max(1, (left + 1) // 2)
            self._set(share, share.chance / 2)
        return weight

    def _set(self, share: Share, chance: float) -> None:
        share.threshold = threshold_of(chance)
        share.chance = 1.0 / weight_of(share.threshold)


class Route:
    """What is known of one route.

    Attributes:
        seen: When its last trace ended, in nanoseconds of the monotonic clock.
        counts: How many took how long, by bucket (:func:`bucket_of`).
        total: The sum of ``counts``.
        limit: The bucket of the quantile; durations in later ones are slow.
        shares: Its shares of the budget, by reason.
    """

    __slots__ = ("counts", "fresh", "limit", "seen", "shares", "total")

    def __init__(self) -> None:
        self.seen = 0
        self.total = 0
        self.fresh = 0
        self.limit = 255
        self.shares = (Share(), Share(), Share())
        if not cython.compiled:
            self.counts = [0] * 256

    def note(self, duration: int, quantile: float, least: int) -> bool:
        """Learn a duration, and tell whether it is a slow one by what was known before."""
        found = bucket_of(duration)
        slow = found > self.limit
        self.counts[found] += 1
        self.total += 1
        self.fresh += 1
        if self.fresh >= _EVERY and self.total >= least:
            self._learn(quantile)
        return slow

    def _learn(self, quantile: float) -> None:
        self.fresh = 0
        below = 0
        wanted = quantile * self.total
        index = 0
        while index < _BUCKETS - 1:
            below += self.counts[index]
            if below >= wanted:
                break
            index += 1
        self.limit = index
        if self.total >= _FADE:
            total = 0
            index = 0
            while index < _BUCKETS:
                self.counts[index] //= 2
                total += self.counts[index]
                index += 1
            self.total = total


class Keeper:
    """Judges local roots as they end.

    Args:
        budget: Traces a second that are kept although nobody sampled them.
        quantile: The share of a route's traces that is not slow, such as 0.99.
        unseen: Seconds for which a route must not have been seen to be rare.
        weight: How many traces a sampled one stands for where this process decided; 0 where that differs from trace to
            trace, and the sampler says it.

    Attributes:
        kept: How many were kept, by reason (:data:`REASONS`).
        watch: Called with each local root, whether it failed, and whether it is sampled (X-Ray's sampling boost).
    """

    __slots__ = ("budget", "kept", "least", "others", "quantile", "routes", "unseen", "watch", "weight")

    def __init__(self, budget: int, quantile: float, unseen: float, weight: float = 1.0) -> None:
        self.budget = Budget(budget)
        self.quantile = quantile
        self.least = max(_LEAST, int(1.0 / max(1.0 - quantile, 0.0001)))
        self.unseen = int(unseen * 1e9)
        self.weight = weight
        self.kept = [0, 0, 0]
        self.watch: Callable[[Span, bool, bool], None] | None = None
        self.routes: dict[str, Route] = {}
        self.others = Route()

    def judge(self, root: Span, sampled: bool) -> str | None:
        """Judge a local root that has ended.

        Returns:
            The tracestate to keep its trace with; None where it is sampled anyway, or does not matter.
        """
        if root.parent64 and not root.parent_remote:
            return None  # a child that outlived its local root
        now = monotonic_ns()
        route: Route | None = self.routes.get(root.name)
        if route is None:
            route = self._new_route(root.name, now)
        rare = now - route.seen > self.unseen
        route.seen = now
        failed = root.status_value == ERROR
        if self.watch is not None:
            self.watch(root, failed, sampled)
        if failed:
            reason = _FAILED
        elif route.note(root.end_ns - root.start_ns, self.quantile, self.least):
            reason = _SLOW
        elif rare:
            reason = _RARE
        else:
            if sampled:
                self._weigh(root)
            return None
        if sampled:
            root.append(WEIGHT, 1)  # all of its like are kept or represented, whatever the sampler says
            return None
        return self._keep(root, route.shares[reason], reason, now)

    def _weigh(self, root: Span) -> None:
        if root.parent64:
            said = said_weight(root.tracestate)
            if said is not None:
                root.append(WEIGHT, said)
        elif self.weight > 1.0:
            root.append(WEIGHT, self.weight)

    def _keep(self, root: Span, share: Share, reason: int, now: int) -> str | None:
        budget = self.budget
        if not budget.admit(share, randomness(root.trace_lo, root.tracestate), now // 1_000_000_000):
            return None
        threshold = share.threshold
        self.kept[reason] += 1
        root.append(REASON, REASONS[reason])
        root.append(WEIGHT, budget.after(share))
        return with_threshold(root.tracestate, threshold)

    def _new_route(self, name: str, now: int) -> Route:
        routes = self.routes
        if len(routes) >= _MAX_ROUTES:
            # Names that were not seen for so long would count as new anyway.
            for old, known in routes.copy().items():
                if now - known.seen > self.unseen:
                    routes.pop(old, None)
            if len(routes) >= _MAX_ROUTES:
                return self.others
        route = Route()
        route.seen = now - self.unseen - 1
        return routes.setdefault(name, route)

    def after_fork(self) -> None:
        """In a forked child: what was learnt stays, what was counted is the parent's."""
        self.kept = [0, 0, 0]
        self.budget.over = 0

    def status(self) -> dict[str, int]:
        """Return how many traces were kept, by reason, and how many the budget had no room for and nothing stands
        for."""
        told = {reason: self.kept[index] for index, reason in enumerate(REASONS)}
        told["over budget"] = self.budget.over
        return told
