"""The trace header, in the form of aws-xray-sdk, and what its middlewares do with it."""

from __future__ import annotations

from typing import Any

from obsv.hotpath.headers import first_of, parse_xray

from ..names import trace_id
from .words import ALT_XRAY_HEADER, XRAY_HEADER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping

ROOT, PARENT, SAMPLE, SELF = "Root", "Parent", "Sampled", "Self"
HEADER_DELIMITER = ";"


class TraceHeader:
    """An ``X-Amzn-Trace-Id``.

    Attributes:
        root: The trace id, or None.
        parent: The parent's id, or None.
        sampled: 1, 0, ``"?"`` where the answer is asked for, or None.
        data: The other pairs.
    """

    def __init__(
        self, root: str | None = None, parent: str | None = None, sampled: Any = None, data: Any = None
    ) -> None:
        self.root = root
        self.parent = parent
        self.sampled = {True: 1, "1": 1, False: 0, "0": 0, "?": "?"}.get(sampled) if sampled is not None else None
        self.data = data

    @classmethod
    def from_header_str(cls, header: str | None) -> TraceHeader:
        """Read a header in any order and spacing. One broken pair loses itself, not the others."""
        pairs: dict[str, str] = {}
        others: dict[str, str] = {}
        for part in first_of(header or "").split(HEADER_DELIMITER):
            key, equals, value = part.strip().partition("=")
            key, value = key.strip(), value.strip()
            if not equals or not key:
                continue
            known = key.capitalize()
            if known in (ROOT, PARENT, SAMPLE):
                pairs[known] = value
            elif known != SELF:
                others[key] = value
        parsed = parse_xray(f"Root={pairs.get(ROOT, '')};Parent={pairs.get(PARENT, '')}")
        hi, lo, parent = (0, 0, 0) if parsed is None else parsed[:3]
        root = trace_id(hi, lo) if parsed else None
        return cls(root, f"{parent:016x}" if parent else None, pairs.get(SAMPLE), others)

    def to_header_str(self) -> str:
        """Write the header."""
        pairs = [(ROOT, self.root), (PARENT, self.parent)]
        text = [f"{key}={value}" for key, value in pairs if value]
        if self.sampled is not None:
            text.append(f"{SAMPLE}={self.sampled}")
        text += [f"{key}={value}" for key, value in (self.data or {}).items()]
        return HEADER_DELIMITER.join(text)


class TraceId:
    """A new trace id."""

    VERSION = "1"
    DELIMITER = "-"

    def __init__(self) -> None:
        import os
        from time import time

        self.start_time = int(time())
        self._number = os.urandom(12).hex()

    def to_id(self) -> str:
        """Write it."""
        return f"1-{self.start_time:08x}-{self._number}"


def inject_trace_header(headers: MutableMapping[str, str], entity: Any) -> None:
    """Write the header of an entity into outgoing headers."""
    if not entity:
        return
    segment = entity.parent_segment if hasattr(entity, "type") else entity
    origin = segment.get_origin_trace_header()
    data = origin.data if origin else None
    headers[XRAY_HEADER] = TraceHeader(entity.trace_id, entity.id, entity.sampled, data).to_header_str()


def construct_xray_header(headers: Any) -> TraceHeader:
    """Read the header of a request."""
    return TraceHeader.from_header_str(headers.get(XRAY_HEADER) or headers.get(ALT_XRAY_HEADER))


def calculate_sampling_decision(trace_header: TraceHeader, recorder: Any, sampling_req: Any) -> Any:
    """Return what the header says, else what the recorder's sampler says; None leaves it to obsv."""
    if trace_header.sampled is not None and trace_header.sampled != "?":
        return trace_header.sampled
    return recorder.sampler.should_trace(sampling_req) if recorder.sampling else 1


def calculate_segment_name(host_name: str, recorder: Any) -> Any:
    """Return the name of a request's segment."""
    return recorder.dynamic_naming.get_name(host_name) if recorder.dynamic_naming else recorder.service


def prepare_response_header(origin_header: TraceHeader | None, segment: Any) -> str:
    """Write the header of a response: the trace, and whether it is sampled where the request asks."""
    asked = origin_header is not None and origin_header.sampled == "?"
    return TraceHeader(segment.trace_id, sampled=segment.sampled if asked else None).to_header_str()


TraceHeader.__module__ = "aws_xray_sdk.core.models.trace_header"
TraceId.__module__ = "aws_xray_sdk.core.models.traceid"
