"""What a scenario is: contestants, what is measured of each, and the bars that obsv has to meet.

Scenarios are data, and their modules import nothing but the standard library: every peer's environment loads them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median

Measure = Callable[[str, int], dict[str, float]]
"""Called in a fresh process with the sink's URL and a number of operations; returns values by measure."""

Values = Mapping[str, Mapping[str, list[float]]]
"""What all rounds brought: peer, then measure, then one value a round."""

UNITS = {
    "thread": "ns",
    "cpu": "ns",
    "adds": "ns",
    "ms": "ms",
    "modules": "",
    "MB": "MB",
    "bytes": "bytes",
    "lost %": "%",
    "spans a second": "",
    "four to one": "",
    "requests a second": "",
    "of bare": "%",
    "bare p99": "µs",
    "p50": "µs",
    "p99": "µs",
    "p99.9": "µs",
    "worst": "µs",
}
"""Units of the measures that scenarios share; any other measure is in nanoseconds."""


OVER = "over "
"""How the measures of a distribution begin."""


DEFAULT = "(default"
"""What the name of a contestant holds that is obsv as it comes, among others that are obsv too."""


def unit(measure: str) -> str:
    """Return the unit of a measure."""
    return "" if measure.startswith(OVER) else UNITS.get(measure, "ns")


@dataclass(frozen=True)
class Peer:
    """One contestant.

    Attributes:
        name: What the table calls it.
        measure: Runs it, in a process and an environment of its own.
        environment: The virtual environment it lives in (``benchmarks/requirements/<environment>.txt``).
        variables: Environment variables of its process.
    """

    name: str
    measure: Measure
    environment: str
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """How a bar turned out. ``low`` and ``high`` hold the middle half of the rounds."""

    value: float
    low: float
    high: float
    met: bool


@dataclass(frozen=True)
class Less:
    """A bar: so many ``times`` less than a peer. Below 1 it is an allowance: 0.5 allows twice as much.

    Attributes:
        peers: Whom it is against; of several, the cheapest of each round.
    """

    measure: str
    peers: tuple[str, ...]
    times: float
    subject: str = "obsv"

    def rounds(self, values: Values) -> list[float]:
        """Return the ratio of each round; infinite where the subject took nothing that could be measured."""
        ours = values[self.subject][self.measure]
        theirs = [min(each) for each in zip(*(values[peer][self.measure] for peer in self.peers), strict=True)]
        # Noise can make an addition negative: whose it is took nothing that could be measured.
        return [max(they, 0.0) / we if we > 0 else float("inf") for they, we in zip(theirs, ours, strict=True)]

    def met(self, value: float) -> bool:
        """Tell whether a ratio is good enough."""
        return value >= self.times

    def text(self) -> str:
        """Say it in words."""
        peers = " or ".join(self.peers) if len(self.peers) < 3 else f"the cheapest of {len(self.peers)}"
        if self.measure == "adds":
            return f"adds {self.times:g} times less than {peers}" if self.times > 1 else f"adds less than {peers}"
        if self.times >= 1:
            return f"{f'{self.times:g} times ' if self.times > 1 else ''}less {self.measure} than {peers}"
        return f"at most {1 / self.times:.3g} of the {self.measure} of {peers}"

    def found(self, value: float) -> str:
        """Say a result in the bar's words."""
        return f"{value:.1f} times less" if self.times >= 1 else f"{1 / value if value else 0:.2f} of it"


@dataclass(frozen=True)
class AtMost:
    """A bar: a measure of the subject's own is at most ``limit``."""

    measure: str
    limit: float
    subject: str = "obsv"

    def rounds(self, values: Values) -> list[float]:
        """Return the value of each round."""
        return list(values[self.subject][self.measure])

    def met(self, value: float) -> bool:
        """Tell whether a value is good enough."""
        return value <= self.limit

    def text(self) -> str:
        """Say it in words."""
        return f"at most {amount(self.limit, self.measure)} {_called(self.measure)}".rstrip()

    def found(self, value: float) -> str:
        """Say a result in the bar's words."""
        return amount(value, self.measure)


@dataclass(frozen=True)
class AtLeast(AtMost):
    """A bar: a measure of the subject's own is at least ``limit``."""

    def met(self, value: float) -> bool:
        """Tell whether a value is good enough."""
        return value >= self.limit

    def text(self) -> str:
        """Say it in words."""
        return f"at least {amount(self.limit, self.measure)} {_called(self.measure)}".rstrip()


Bar = Less | AtMost


@dataclass(frozen=True)
class Curve:
    """How a cost may grow with ``axis``: ``flat`` or ``linear``. The points are the measures, named by their place."""

    axis: str
    points: tuple[int, ...]
    shape: str


@dataclass(frozen=True)
class Distribution:
    """How many of a million operations took as long as each place, or longer. They are measures as well.

    Attributes:
        unit: Of the places.
    """

    unit: str
    places: tuple[int, ...]

    def measures(self) -> dict[str, int]:
        """Return the places by the names of their measures."""
        return {f"{OVER}{place}": place for place in self.places}


@dataclass(frozen=True)
class Scenario:
    """A comparison.

    Attributes:
        operations: How many are measured in one process.
        bars: What obsv has to meet.
        curve: Set where the measures are the points of a curve.
        distribution: Set where how long operations take is told by more than quantiles.
        apart: Whether it runs only when it is named: it compares nobody, and says how obsv's own figures come about.
        few: The fewest operations that say anything, for a quick run; by default a tenth.
    """

    name: str
    title: str
    peers: tuple[Peer, ...]
    operations: int
    bars: tuple[Bar, ...] = ()
    curve: Curve | None = None
    distribution: Distribution | None = None
    apart: bool = False
    few: int = 0

    def quick_operations(self) -> int:
        """Return how many operations a quick run takes."""
        return self.few or max(1_000, self.operations // 10)


def verdict(bar: Bar, values: Values) -> Verdict:
    """Judge a bar: it is met when the median of the rounds meets it."""
    rounds = bar.rounds(values)
    low, high = spread(rounds)
    middle = median(rounds)
    return Verdict(middle, low, high, bar.met(middle))


def spread(values: list[float]) -> tuple[float, float]:
    """Return the bounds of the middle half."""
    ordered = sorted(values)
    quarter = len(ordered) // 4
    return ordered[quarter], ordered[-1 - quarter]


def amount(value: float, measure: str) -> str:
    """Write a value with its unit."""
    number = f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
    return f"{number} {unit(measure)}".rstrip()


def _called(measure: str) -> str:
    return "" if unit(measure) == measure else {"lost %": "lost", "ms": ""}.get(measure, measure)
