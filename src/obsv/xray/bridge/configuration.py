"""What programs set up on the recorder of aws-xray-sdk: some of it counts, the rest is kept."""

from __future__ import annotations

import os
from typing import Any

from obsv.guard import guard
from obsv.hotpath import faults

from .context import Context, LambdaContext
from .current import in_lambda
from .entity import WHERE
from .samplers import DefaultSampler, LocalSampler
from .stubs import DefaultStreaming, UDPEmitter
from .words import TRACING_NAME_KEY, DefaultDynamicNaming


class Configuration:
    """The part of a recorder that is set up."""

    max_trace_back = 10
    stream_sql = True
    sampling: Any = True
    enabled = True

    def __init__(self) -> None:
        self.service: str | None = os.environ.get(TRACING_NAME_KEY)
        self.context: Any = LambdaContext() if in_lambda() else Context()
        self.sampler: Any = DefaultSampler()
        self.emitter: Any = UDPEmitter()
        self.streaming: Any = DefaultStreaming()
        self._naming: Any = None

    @guard(WHERE)
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


def _tell_address(address: Any) -> None:
    faults.tell(
        f"xray_recorder.configure(daemon_address={str(address)[:60]!r}) says nothing to obsv: where traces go is its "
        "settings' matter (traces=, xray_daemon_address=)",
        key="xray daemon_address",
    )
