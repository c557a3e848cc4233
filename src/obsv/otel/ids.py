"""Id generators for the SDK's provider, named in ``OTEL_PYTHON_ID_GENERATOR``. obsv's own provider makes ids in the hot
path and needs none."""

from __future__ import annotations

import os
import time

from opentelemetry.sdk.trace.id_generator import IdGenerator


def _random(size: int) -> int:
    """Return a number of so many random bytes, not zero. The system is asked each time, so forks need no care."""
    while not (number := int.from_bytes(os.urandom(size), "big")):
        pass
    return number


class RandomIdGenerator(IdGenerator):
    """Random ids from the operating system (W3C Trace Context level 2, "Considerations for trace-id field generation").

    Example:
        >>> TracerProvider(id_generator=RandomIdGenerator())
    """

    def generate_span_id(self) -> int:
        """Return 64 random bits, not zero."""
        return _random(8)

    def generate_trace_id(self) -> int:
        """Return 128 random bits, not zero."""
        return _random(16)

    def is_trace_id_random(self) -> bool:
        """Tell that the right-most 56 bits are random, so that the flag for it may be set."""
        return True


class XRayIdGenerator(RandomIdGenerator):
    """Trace ids that X-Ray takes: the first 32 bits are the second in which the trace began (X-Ray developer guide,
    "Sending trace data", "Trace ID format")."""

    def generate_trace_id(self) -> int:
        """Return the time of day in seconds and 96 random bits."""
        return ((int(time.time()) & 0xFFFFFFFF) << 96) | _random(12)

    def is_trace_id_random(self) -> bool:
        """Tell that the id is not wholly random, as AWS's own generator does."""
        return False
