"""What decides which traces are kept, where it is more than a share: X-Ray's sampling rules, and what the end shows.

Loaded by :mod:`obsv.runtime` where the setting ``sampler`` is ``xray`` or ``keep`` is on.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .hotpath.keeping import Keeper
    from .hotpath.span import Outlet
    from .settings import Settings
    from .xray.sampling.sampler import Decider


class Sampling:
    """The sampler and the keeper of an outlet, as the settings want them.

    Attributes:
        keeper: Judges traces when they end; None where the setting ``keep`` is off.
        decider: Follows X-Ray's rules; None where the sampler is another one.
    """

    def __init__(self, settings: Settings, resource: Mapping[str, Any], outlet: Outlet) -> None:
        self._outlet = outlet
        self.keeper: Keeper | None = None
        self.decider: Decider | None = None
        if settings.keep:
            self.keeper = _keeper(settings)
        if settings.centralised():
            from .xray.sampling.sampler import Decider, XRaySampler

            chosen = settings.sampler
            assert chosen is not None
            endpoint = chosen.endpoint or f"http://{settings.xray_tcp_address}"
            self.decider = Decider(resource, endpoint, chosen.interval)
            sampler = XRaySampler(self.decider, settings.keep)
            outlet.sampler = sampler
            outlet.sample_all = False
            if self.keeper is not None:
                self.keeper.watch = sampler.watch
        outlet.keeper = self.keeper

    def stop(self) -> None:
        """Take both away again."""
        self._outlet.keeper = None
        if self.decider is not None:
            self._outlet.sampler = None
            self.decider.poller.stop()

    def after_fork(self) -> None:
        """In a forked child."""
        if self.keeper is not None:
            self.keeper.after_fork()
        if self.decider is not None:
            self.decider.after_fork()


def _keeper(settings: Settings) -> Keeper:
    from .hotpath.keeping import Keeper

    share = settings.share()
    ours = not (settings.centralised() or settings.plugs_in()) and share > 0.0
    return Keeper(settings.keep_budget, settings.keep_quantile, settings.keep_unseen, 1.0 / share if ours else 0.0)
