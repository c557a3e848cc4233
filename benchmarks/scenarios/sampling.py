"""What it costs to choose traces otherwise than by a share: by X-Ray's rules, and by how they end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from benchmarks.measure import loop
from benchmarks.scenario import Less, Peer, Scenario

from ._setup import OBSV
from .spans import obsv_loop

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.measure import Loop

PLACE = 1.5
KEEP, XRAY = "keep on", "X-Ray's rules"


def _xray(path: str) -> Callable[[str], Loop]:
    """Follow the one rule of the sink's, as X-Ray's daemon: below ``/all`` it keeps everything, ``/none`` nothing."""

    def start(url: str) -> Loop:
        run, flush = obsv_loop(config={"sampler": f"xray:endpoint={url}{path}"})(url)
        from obsv.hotpath.span import SCOPE

        sampler: Any = SCOPE.outlet.sampler
        run(1)  # the first trace asks for the rules
        until = time.monotonic() + 10
        while sampler.decider.rules is None:
            if time.monotonic() > until:
                raise SystemExit("the sampling rules did not come")
            time.sleep(0.01)
        return run, flush

    return start


SCENARIOS = (
    Scenario(
        "sampling_sampled",
        "Root span that is sampled, five attributes, by other ways to choose",
        (
            Peer(OBSV, loop(obsv_loop()), "obsv"),
            Peer(KEEP, loop(obsv_loop(config={"keep": True})), "obsv"),
            Peer(XRAY, loop(_xray("/all")), "obsv"),
        ),
        100_000,
        (Less("thread", (OBSV,), 1 / 2, KEEP), Less("thread", (OBSV,), 1 / 4, XRAY)),
    ),
    Scenario(
        "sampling_unsampled",
        "Root span that is not sampled, five attributes, by other ways to choose",
        (
            Peer(OBSV, loop(obsv_loop(sample=0.0), exports=False), "obsv"),
            Peer(KEEP, loop(obsv_loop(sample=0.0, config={"keep": True}), exports=False), "obsv"),
            Peer(XRAY, loop(_xray("/none"), exports=False), "obsv"),
        ),
        100_000,
        (Less("thread", (OBSV,), 1 / 2.5, KEEP), Less("thread", (OBSV,), 1 / 4, XRAY)),
    ),
)
