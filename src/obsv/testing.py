"""For tests, yours and ours: see what a piece of code emits, as plain objects.

Example::

    def test_checkout():
        with obsv.testing.capture() as seen:
            checkout()
        assert seen.span("charge").attributes["amount"] == 12
"""

from __future__ import annotations

from .hotpath import metrics
from .hotpath import span as hot
from .sinks.memory import MemorySink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    from .hotpath.records import LogRecord, MetricPoint
    from .hotpath.span import Span

__all__ = ["Capture", "capture"]


class Capture:
    """What was emitted inside a :func:`capture` block.

    Attributes:
        spans: Finished spans, in order of ending within a trace.
        points: Metric points.
        logs: Log records of every logger.
    """

    def __init__(self, sink: MemorySink) -> None:
        self._sink = sink

    def _settle(self) -> None:
        from . import runtime

        if runtime.running() is not None:
            runtime.flush(10.0)

    @property
    def spans(self) -> list[Span]:
        """Finished spans so far."""
        self._settle()
        return self._sink.spans

    @property
    def points(self) -> list[MetricPoint]:
        """Metric points so far."""
        self._settle()
        return self._sink.points

    @property
    def logs(self) -> list[LogRecord]:
        """Log records so far."""
        self._settle()
        return self._sink.logs

    def span(self, name: str) -> Span:
        """Return the one span of this name.

        Raises:
            LookupError: There is none, or more than one; the text names those that there are.
        """
        found = [span for span in self.spans if span.name == name]
        if len(found) != 1:
            names = ", ".join(repr(span.name) for span in self.spans) or "none"
            raise LookupError(f"{len(found)} spans are named {name!r}; there are: {names}")
        return found[0]

    def point(self, name: str, **attributes: Any) -> MetricPoint:
        """Return the one metric point of this name and these attributes (dots written as ``_`` match too).

        Raises:
            LookupError: There is none, or more than one.
        """
        found = [
            point
            for point in self.points
            if point.name == name
            and all(
                {k.replace(".", "_"): v for k, v in point.attributes.items()}.get(k) == v for k, v in attributes.items()
            )
        ]
        if len(found) != 1:
            raise LookupError(f"{len(found)} points match {name!r} {attributes!r}")
        return found[0]


class capture:  # noqa: N801 - reads as a word: `with capture() as seen:`
    """Collect everything emitted inside the block, whatever sinks are configured.

    Args:
        settings: Settings of this block, as for ``init()``: ``capture(sample=0.5)``. By default every library is
            patched and every span kept.

    A running obsv is shut down first; after the block obsv is off.
    """

    def __init__(self, **settings: Any) -> None:
        self._settings = settings
        self._sink = MemorySink()

    def __enter__(self) -> Capture:
        from . import runtime

        runtime.shutdown()
        metrics.forget()  # what was counted before is not part of this block
        arguments = {
            "service": "test",
            "traces": [self._sink],
            "metrics": [self._sink],
            "logs": [self._sink],
            "sample": 1.0,
            "config": {"signals": False, "log_level": "DEBUG", "flush_interval": 0.05},
        }
        arguments.update(self._settings)
        runtime.init(arguments)
        return Capture(self._sink)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        from . import runtime

        runtime.shutdown()
        hot.OUTLET.set_ratio(1.0)
