"""Segments that are none of obsv's: those that nobody sends, and the one that Lambda's service writes."""

from __future__ import annotations

from typing import Any

from obsv.hotpath.errors import safe_text
from obsv.hotpath.span import INTERNAL, SAMPLED, Remote, Span, new_span

from .current import SCOPE, ids_of, span_id_of
from .segments import Segment, Subsegment


class DummySegment(Segment):
    """A segment that is not sampled."""

    __slots__ = ()

    def __init__(self, name: str = "dummy") -> None:
        self._show(_nothing(name))


class DummySubsegment(Subsegment):
    """A subsegment that is not sampled."""

    __slots__ = ()

    def __init__(self, segment: Any = None, name: str = "dummy") -> None:
        self._show(_nothing(name))


class FacadeSegment(Segment):
    """The segment that the Lambda service has begun: it gives ids, and nothing can be said about it."""

    __slots__ = ()

    initializing = False

    def __init__(self, name: str, entityid: str | None = None, traceid: str | None = None, sampled: Any = None) -> None:
        hi, lo = ids_of(traceid) or (0, 0)
        self._face(Remote(hi, lo, span_id_of(entityid), SAMPLED if sampled else 0), name)

    def _face(self, remote: Remote, name: str = "facade") -> FacadeSegment:
        span = _nothing(name)
        span.trace_hi, span.trace_lo, span.id64, span.flags = (
            remote.trace_hi, remote.trace_lo, remote.id64, remote.flags,
        )  # fmt: skip
        self._show(span)
        return self

    def ready_to_send(self) -> bool:
        """The service sends it."""
        return False


def facade(remote: Remote) -> FacadeSegment:
    """Return the face of the segment that Lambda's service has begun."""
    return FacadeSegment.__new__(FacadeSegment)._face(remote)


def _nothing(name: str) -> Span:
    """Return a span of its own that keeps nothing."""
    span = new_span(SCOPE, safe_text(name), INTERNAL)
    span.recording = False
    span.started = True
    return span


DummySegment.__module__ = DummySubsegment.__module__ = "aws_xray_sdk.core.models.dummy_entities"
FacadeSegment.__module__ = "aws_xray_sdk.core.models.facade_segment"
