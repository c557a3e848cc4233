"""``xray_recorder``: the calls that programs make, on obsv's spans."""

from __future__ import annotations

import os
from typing import Any

from obsv.guard import guard
from obsv.hotpath import faults
from obsv.hotpath.span import OUTLET, Remote, attach, current

from . import config, entity
from . import current as here
from .context import Context, LambdaContext
from .entity import DummySegment, DummySubsegment, Entity, FacadeSegment, Segment, Subsegment
from .managers import (
    AsyncSegmentContextManager,
    AsyncSubsegmentContextManager,
    SegmentContextManager,
    SubsegmentContextManager,
)
from .samplers import DefaultSampler, LocalSampler
from .stubs import DefaultStreaming, UDPEmitter
from .words import TRACING_NAME_KEY, DefaultDynamicNaming, get_stacktrace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_WHERE = "aws-xray-sdk bridge"


class AWSXRayRecorder:
    """Begins and ends segments and subsegments, and says things about the current one.

    Where nothing is open, a subsegment begins a trace of its own, and what is said goes nowhere, without a word.
    """

    max_trace_back = 10
    stream_sql = True
    sampling: Any = True
    enabled = True

    def __init__(self) -> None:
        self.service: str | None = os.environ.get(TRACING_NAME_KEY)
        self.context: Any = LambdaContext() if here.in_lambda() else Context()
        self.sampler: Any = DefaultSampler()
        self.emitter: Any = UDPEmitter()
        self.streaming: Any = DefaultStreaming()
        self._naming: Any = None

    # ------------------------------------------------------------------ how it is set up

    @guard(_WHERE)
    def configure(
        self,
        sampling: Any = None,
        plugins: Any = None,
        context_missing: Any = None,
        sampling_rules: Any = None,
        daemon_address: Any = None,
        service: Any = None,
        context: Any = None,
        emitter: Any = None,
        streaming: Any = None,
        dynamic_naming: Any = None,
        streaming_threshold: Any = None,
        max_trace_back: Any = None,
        sampler: Any = None,
        stream_sql: Any = True,
    ) -> None:
        """Set up what still means something: the service's name, dynamic naming, and sampling.

        Args:
            sampling: False: every new trace is kept.
            sampling_rules: Local rules, as a dict or a file's path; without them obsv's own sampling decides.
            service: The name of segments that are begun without one.
            dynamic_naming: A pattern that host names must match to be names, or an object with ``get_name``.
            sampler: An object whose ``should_trace`` decides.
            context: Kept, and not used, as all the others: where data goes, what a missing segment means and where the
                program runs are obsv's matters.
        """
        if sampling is not None:
            self.sampling = sampling
        if sampler:
            self.sampler = sampler
        if service:
            self.service = os.environ.get(TRACING_NAME_KEY, service)
        if sampling_rules:
            self.sampler = LocalSampler(sampling_rules)
        if dynamic_naming:
            self.dynamic_naming = dynamic_naming
        if daemon_address:
            _tell_address(daemon_address)
        if type(max_trace_back) is int and max_trace_back >= 0:
            self.max_trace_back = max_trace_back
        for name, value in (
            ("context", context),
            ("emitter", emitter),
            ("streaming", streaming),
            ("streaming_threshold", streaming_threshold),
            ("stream_sql", stream_sql),
        ):
            if value is not None:
                setattr(self, name, value)
        if context_missing:
            self.context.context_missing = context_missing

    @property
    def dynamic_naming(self) -> Any:
        """What names segments of requests, None where ``service`` does."""
        return self._naming

    @dynamic_naming.setter
    def dynamic_naming(self, value: Any) -> None:
        self._naming = DefaultDynamicNaming(value, self.service) if isinstance(value, str) else value

    @property
    def streaming_threshold(self) -> Any:
        """Kept, and not used: obsv divides long traces by itself."""
        return self.streaming.streaming_threshold

    @streaming_threshold.setter
    def streaming_threshold(self, value: Any) -> None:
        self.streaming.streaming_threshold = value

    _context = property(lambda self: self.context, lambda self, value: setattr(self, "context", value))
    _emitter = property(lambda self: self.emitter, lambda self, value: setattr(self, "emitter", value))
    _sampler = property(lambda self: self.sampler, lambda self, value: setattr(self, "sampler", value))
    _service = property(lambda self: self.service, lambda self, value: setattr(self, "service", value))
    _max_trace_back = property(lambda self: self.max_trace_back)
    _sampling = property(lambda self: self.sampling)

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
            entity.make_current(made, beneath)
            return made
        except Exception as error:  # noqa: BLE001 - never into user code
            faults.report(_WHERE, error)
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

    @guard(_WHERE)
    def end_segment(self, end_time: float | None = None) -> None:
        """End the segment around what is current. Subsegments that are open still go on, and are sent by themselves."""
        for span in here.around():
            if here.begun_here(span) is Segment:
                entity.end(entity.entity_of(span), end_time)
                return

    def current_segment(self) -> Any:
        """Return the segment around what is current: one that was begun, else a server's span; None without any."""
        for span in here.around():
            return entity.entity_of(entity.segment_around(span))
        return self._elsewhere()

    def _elsewhere(self) -> Any:
        """Return what stands for the current segment where no span is open."""
        if not config.global_sdk_config.sdk_enabled():
            return DummySegment()
        state = current()
        remote = state if type(state) is Remote else here.invocation()
        return None if remote is None else entity.facade(remote)

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
            state = above = here.above_subsegment()
            if without_sampling:
                above = here.unsampled(state)
            made = Subsegment.__new__(Subsegment)
            made._begin(name, namespace, above)
            entity.make_current(made, state)
            return made
        except Exception as error:  # noqa: BLE001 - never into user code
            faults.report(_WHERE, error)
            return DummySubsegment()

    @guard(_WHERE)
    def end_subsegment(self, end_time: float | None = None) -> None:
        """End the subsegment that was begun last here."""
        for span in here.around():
            kind = here.begun_here(span)
            if kind is Subsegment:
                entity.end(entity.entity_of(span), end_time)
            if kind is not None:
                return

    def current_subsegment(self) -> Any:
        """Return what is current, where it is a subsegment, else None."""
        if not config.global_sdk_config.sdk_enabled():
            return DummySubsegment()
        found = entity.innermost()
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
        if _patched_by_obsv(meta_processor):
            return wrapped(*args, **kwargs)
        with _Recorded(self.begin_subsegment(name, namespace), locals()) as recorded:
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
        found = entity.innermost()
        return self._elsewhere() if found is None else found

    @guard(_WHERE)
    def set_trace_entity(self, trace_entity: Any) -> None:
        """Make a segment or subsegment current in this thread or task."""
        if isinstance(trace_entity, FacadeSegment):
            span = trace_entity._span
            attach(Remote(span.trace_hi, span.trace_lo, span.id64, span.flags))
        elif isinstance(trace_entity, Entity) and trace_entity._span.id64:
            attach(trace_entity._span)
        elif trace_entity is None:
            self.clear_trace_entities()

    @guard(_WHERE)
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
        if _patched_by_obsv(meta_processor):
            return await wrapped(*args, **kwargs)
        with _Recorded(self.begin_subsegment(name, namespace), locals()) as recorded:
            recorded.result = await wrapped(*args, **kwargs)
            return recorded.result


class _Recorded:
    """The subsegment of ``record_subsegment``: at its end the program's own function says more about it."""

    __slots__ = ("given", "result", "subsegment")

    def __init__(self, subsegment: Any, given: dict[str, Any]) -> None:
        self.subsegment = subsegment
        self.given = given
        self.result: Any = None

    def __enter__(self) -> _Recorded:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if not isinstance(error, Exception):
            error = None
        stack = get_stacktrace(self.given["self"].max_trace_back) if error is not None else None
        try:
            if callable(self.given["meta_processor"]):
                said = {key: self.given[key] for key in ("wrapped", "instance", "args", "kwargs")}
                self.given["meta_processor"](
                    **said, return_value=self.result, exception=error, subsegment=self.subsegment, stack=stack
                )
            elif error is not None:
                self.subsegment.add_exception(error, stack)
        finally:
            entity.end(self.subsegment)
            self.given = {}


def _patched_by_obsv(meta_processor: Any) -> bool:
    """Tell whether a call comes from a patch of aws-xray-sdk's for a library that obsv has patched as well."""
    module = getattr(meta_processor, "__module__", None) or ""
    if not module.startswith("aws_xray_sdk.ext."):
        return False
    from obsv.patches import REGISTRY

    name = "botocore" if module.endswith("boto_utils") else module.split(".")[2]
    known = REGISTRY.get(name)
    return known is not None and known.patch is not None and known.patch.applied


def _tell_address(address: Any) -> None:
    faults.tell(
        f"xray_recorder.configure(daemon_address={str(address)[:60]!r}) says nothing to obsv: where traces go is its "
        "settings' matter (traces=, xray_daemon_address=)",
        key="xray daemon_address",
    )


for _class in (AWSXRayRecorder, AsyncAWSXRayRecorder):
    _class.__module__ = f"aws_xray_sdk.core.{'async_' if _class is AsyncAWSXRayRecorder else ''}recorder"

xray_recorder = AsyncAWSXRayRecorder()
"""The recorder of the program."""
