"""At most so many records a second from each call site: a loop that logs does not drown what else is logged."""

from __future__ import annotations

from time import monotonic

from .place import find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hotpath.records import LogRecord

MAX_SITES = 4096
"""Call sites that are kept apart; those that have been quiet for longest make room."""

SUPPRESSED = "suppressed"
"""The field that says how many records of the same call site were left out before this one."""


class Limiter:
    """Lets ``most`` records a second pass from each file and line. A stage of the outlet.

    Attributes:
        suppressed: Records left out since the start.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.suppressed = 0
        self._sites: dict[tuple[str, int], _Site] = {}

    def __call__(self, record: LogRecord) -> LogRecord | None:
        """Return the record, with the number of those left out before it, or None where it is one too many."""
        code = record.code or find()
        if code is None:
            return record
        now = monotonic()
        key = code[:2]
        site = self._sites.get(key)
        if site is None:
            if len(self._sites) >= MAX_SITES:
                self._make_room()
            site = self._sites.setdefault(key, _Site(now))
        elif not 0.0 <= now - site.since < 1.0:
            site.since = now
            site.passed = 0
        if site.passed >= self.most:
            site.suppressed += 1
            self.suppressed += 1
            return None
        site.passed += 1
        if site.suppressed:
            number, site.suppressed = site.suppressed, 0
            record.fields = {**(record.fields or {}), SUPPRESSED: number}
        return record

    def _make_room(self) -> None:
        """Forget the quarter that has been quiet for longest; what it left out stays in :attr:`suppressed`."""
        sites = sorted(self._sites.copy().items(), key=lambda entry: entry[1].since)
        for key, _ in sites[: MAX_SITES // 4]:
            self._sites.pop(key, None)


class _Site:
    """One place: how many records passed in the second that began at ``since``, and how many were left out."""

    __slots__ = ("passed", "since", "suppressed")

    def __init__(self, now: float) -> None:
        self.since = now
        self.passed = 0
        self.suppressed = 0
