"""``xray_recorder``: the calls that programs make, on obsv's spans."""

from __future__ import annotations

from typing import Any

from obsv.guard import guard
from obsv.hotpath import faults
from obsv.hotpath.span import OUTLET, Remote, attach, current

from . import config, segments
from . import current as here
from .configuration import Configuration
from .entity import WHERE, Entity
from .managers import (
    AsyncSegmentContextManager,
    AsyncSubsegmentContextManager,
    SegmentContextManager,
    SubsegmentContextManager,
)
from .recorded import Recorded, patched_by_obsv
from .segments import Segment, Subsegment
from .stand_ins import DummySegment, DummySubsegment, FacadeSegment, facade

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class AWSXRayRecorder(Configuration):
    """Begins and ends segments and subsegments, and says things about the current one.

    Where nothing is open, a subsegment begins a trace of its own, and what is said goes nowhere, without a word.
    """

    # ------------------------------------------------------------------ segments

    def begin_segment(
        self, name: str | None = None, traceid: str | None = None, parent_id: str | None = None, sampling: Any = None
    ) -> Any:
        """Begin a segment and make it current.

        It continues the trace that is named, or that of a server's span that is current, or begins a new one.

        Args:
            name: Its name; the recorder's or obsv's service without one.
            traceid: ``1-<8 hex>-<24 hex>``.
            parent_id: 16 hex digits.
            sampling: 0: it is not sampled; anything else true: it is. None leaves it to obsv.
        """
        try:
            if not config.global_sdk_config.sdk_enabled():
                return DummySegment(config.SDKConfig.DISABLED_ENTITY_NAME)
            name = name or self.service or str(OUTLET.resource.get("service.name") or "unknown_service")
            beneath = here.beneath()
            made = Segment.__new__(Segment)
            made._begin(name, here.above_segment(traceid, parent_id, self._decision(name, sampling)))
            segments.make_current(made, beneath)
            return made
        except Exception as error:  # noqa: BLE001 - never into user code
            faults.report(WHERE, error)
            return DummySegment()

    def _decision(self, name: str, sampling: Any) -> Any:
        if sampling is not None:
            return sampling
        if not self.sampling:
            return 1
        if type(self.sampler).__name__ == "DefaultSampler":  # the library's own would start its threads
            return None
        try:
            return self.sampler.should_trace({"service": name}) or 0
        except Exception as error:  # noqa: BLE001 - a sampler of the program's
            faults.report("sampler of xray_recorder", error)
            return None

    @guard(WHERE)
    def end_segment(self, end_time: float | None = None) -> None:
        """End the segment around what is current. Subsegments that are open still go on, and are sent by themselves."""
        for span in here.around():
            if here.begun_here(span) is Segment:
                segments.end(segments.entity_of(span), end_time)
                return

    def current_segment(self) -> Any:
        """Return the segment around what is current: one that was begun, else a server's span; None without any."""
        for span in here.around():
            return segments.entity_of(segments.segment_around(span))
        return self._elsewhere()

    def _elsewhere(self) -> Any:
        """Return what stands for the current segment where no span is open."""
        if not config.global_sdk_config.sdk_enabled():
            return DummySegment()
        state = here.now()
        return facade(state) if type(state) is Remote else None

    def in_segment(self, name: str | None = None, **segment_kwargs: Any) -> SegmentContextManager:
        """Return a context manager that is a segment."""
        return SegmentContextManager(self, name=name, **segment_kwargs)

    # ------------------------------------------------------------------ subsegments

    def begin_subsegment(self, name: str, namespace: str = "local") -> Any:
        """Begin a subsegment of what is current, and make it current.

        Args:
            name: Its name; of a call, whom it reaches.
            namespace: ``local``, ``remote`` for a call, or ``aws`` for a call of an AWS service.
        """
        return self._begin_subsegment(name, namespace, False)

    def begin_subsegment_without_sampling(self, name: str) -> Any:
        """Begin a subsegment that is not sent, nor is anything in it."""
        return self._begin_subsegment(name, "local", True)

    def _begin_subsegment(self, name: str, namespace: str, without_sampling: bool) -> Any:
        try:
            if not config.global_sdk_config.sdk_enabled():
                return DummySubsegment(name=config.SDKConfig.DISABLED_ENTITY_NAME)
            above = here.now()
            if without_sampling:
                above = here.unsampled(above)
            made = Subsegment.__new__(Subsegment)
            made._begin(name, namespace, above)
            segments.make_current(made, current())
            return made
        except Exception as error:  # noqa: BLE001 - never into user code
            faults.report(WHERE, error)
            return DummySubsegment()

    @guard(WHERE)
    def end_subsegment(self, end_time: float | None = None) -> None:
        """End the subsegment that was begun last here."""
        for span in here.around():
            kind = here.begun_here(span)
            if kind is Subsegment:
                segments.end(segments.entity_of(span), end_time)
            if kind is not None:
                return

    def current_subsegment(self) -> Any:
        """Return what is current, where it is a subsegment, else None."""
        if not config.global_sdk_config.sdk_enabled():
            return DummySubsegment()
        found = segments.innermost()
        return found if isinstance(found, Subsegment) else None

    def in_subsegment(self, name: str | None = None, **subsegment_kwargs: Any) -> SubsegmentContextManager:
        """Return a context manager, and decorator, that is a subsegment."""
        return SubsegmentContextManager(self, name=name, **subsegment_kwargs)

    def capture(self, name: str | None = None) -> SubsegmentContextManager:
        """Return a decorator that makes each call a subsegment, named after the function unless said otherwise."""
        return self.in_subsegment(name=name)

    def record_subsegment(
        self,
        wrapped: Callable[..., Any],
        instance: Any,
        args: Any,
        kwargs: Any,
        name: str,
        namespace: str,
        meta_processor: Any,
    ) -> Any:
        """Call a function inside a subsegment, and let ``meta_processor`` say what is known afterwards."""
        if patched_by_obsv(meta_processor):
            return wrapped(*args, **kwargs)
        with Recorded(self.begin_subsegment(name, namespace), locals()) as recorded:
            recorded.result = wrapped(*args, **kwargs)
            return recorded.result

    # ------------------------------------------------------------------ what is said about the current one

    def put_annotation(self, key: str, value: Any) -> None:
        """Say something that X-Ray indexes about what is current."""
        found = self.get_trace_entity()
        if found is not None:
            found.put_annotation(key, value)

    def put_metadata(self, key: str, value: Any, namespace: str = "default") -> None:
        """Say anything about what is current."""
        found = self.get_trace_entity()
        if found is not None:
            found.put_metadata(key, value, namespace)

    def is_sampled(self) -> bool:
        """Tell whether what is current is sent."""
        found = self.get_trace_entity()
        return found is not None and found.sampled

    # ------------------------------------------------------------------ context

    def get_trace_entity(self) -> Any:
        """Return what is current: a segment or subsegment, None without any."""
        if not config.global_sdk_config.sdk_enabled():
            return DummySegment()
        found = segments.innermost()
        return self._elsewhere() if found is None else found

    @guard(WHERE)
    def set_trace_entity(self, trace_entity: Any) -> None:
        """Make a segment or subsegment current in this thread or task."""
        if isinstance(trace_entity, FacadeSegment):
            attach(here.handed_over(trace_entity._span))
        elif isinstance(trace_entity, Entity) and trace_entity._span.id64:
            attach(trace_entity._span)
        elif trace_entity is None:
            self.clear_trace_entities()

    @guard(WHERE)
    def clear_trace_entities(self) -> None:
        """Let nothing that was begun here be current any more in this thread or task."""
        attach(here.beneath())

    def stream_subsegments(self) -> None:
        """Do nothing: obsv sends parts of long traces by itself."""


class AsyncAWSXRayRecorder(AWSXRayRecorder):
    """The recorder, with what is there for coroutines."""

    def in_segment_async(self, name: str | None = None, **segment_kwargs: Any) -> AsyncSegmentContextManager:
        """Return an async context manager that is a segment."""
        return AsyncSegmentContextManager(self, name=name, **segment_kwargs)

    def in_subsegment_async(self, name: str | None = None, **subsegment_kwargs: Any) -> AsyncSubsegmentContextManager:
        """Return an async context manager, and decorator, that is a subsegment."""
        return AsyncSubsegmentContextManager(self, name=name, **subsegment_kwargs)

    def capture_async(self, name: str | None = None) -> AsyncSubsegmentContextManager:
        """Return a decorator that makes each call of a coroutine function a subsegment."""
        return self.in_subsegment_async(name=name)

    async def record_subsegment_async(
        self,
        wrapped: Callable[..., Any],
        instance: Any,
        args: Any,
        kwargs: Any,
        name: str,
        namespace: str,
        meta_processor: Any,
    ) -> Any:
        """Await a coroutine function inside a subsegment, and let ``meta_processor`` say what is known afterwards."""
        if patched_by_obsv(meta_processor):
            return await wrapped(*args, **kwargs)
        with Recorded(self.begin_subsegment(name, namespace), locals()) as recorded:
            recorded.result = await wrapped(*args, **kwargs)
            return recorded.result


for _class in (AWSXRayRecorder, AsyncAWSXRayRecorder):
    _class.__module__ = f"aws_xray_sdk.core.{'async_' if _class is AsyncAWSXRayRecorder else ''}recorder"

xray_recorder = AsyncAWSXRayRecorder()
"""The recorder of the program."""
