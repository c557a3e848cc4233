"""What the patches of HTTP servers share beside the span and the metric of one request (``hotpath.exchange``)."""

from __future__ import annotations

import re

from ._api import settings


class Excluded:
    """The ``excluded_urls`` setting: requests that get neither span nor metric. Compiled when a patch is applied."""

    __slots__ = ("patterns",)

    def __init__(self) -> None:
        self.patterns: tuple[re.Pattern[str], ...] = ()

    def load(self) -> None:
        """Read the setting; the expressions were checked when it was read."""
        self.patterns = tuple(re.compile(text) for text in settings().excluded_urls)

    def matches(self, path: str) -> bool:
        """Tell whether a pattern stands somewhere in the path."""
        return any(pattern.search(path) for pattern in self.patterns)


_NUMBERS = {"2.0": "2", "3.0": "3"}


def version_number(protocol: str | None) -> str | None:
    """Return ``1.1`` of ``HTTP/1.1`` and ``2`` of ``HTTP/2.0`` (``network.protocol.version``)."""
    if not protocol:
        return None
    number = protocol.rpartition("/")[2]
    return _NUMBERS.get(number, number)
