"""What segments and subsegments have in common: a face of one of obsv's spans with the members of aws-xray-sdk's.

A face is made whenever somebody asks for one; all faces of a span share one dict of members, which lives as long as the
span. A span that the bridge has not begun, a server's for instance, has a face too, which says everything but ends
nothing.

Where aws-xray-sdk raises (a change after the end, a change of Lambda's own segment), these do nothing.
"""

from __future__ import annotations

from typing import Any

from obsv.guard import guard
from obsv.hotpath.errors import safe_text
from obsv.hotpath.span import ERROR, UNSET, Span

from ..names import trace_id
from . import said
from .current import begun_here, record_of, span_id_of
from .throwable import Throwable, recorded
from .words import STATUS, annotation_value_types

WHERE = "aws-xray-sdk bridge"
"""Where an error of the bridge's is told to have happened."""

ENDS_ELSEWHERE = "_ends_elsewhere"
"""Key of a record, missing where it is so: obsv's patches end the span, so what is said has to be on it at once."""

_INVALID = str.maketrans("", "", "?;*()!$~^<>")


def allowed(name: object) -> str:
    """Return a name without the characters that aws-xray-sdk takes out."""
    return safe_text(name).translate(_INVALID)


class Entity:
    """What segments and subsegments have in common."""

    __slots__ = ("__dict__", "__weakref__", "_span")

    _span: Span
    http: dict[str, Any]
    annotations: dict[str, Any]
    metadata: dict[str, dict[Any, Any]]
    aws: dict[str, Any]
    cause: Any
    subsegments: list[Any]

    def _show(self, span: Span) -> Entity:
        self._span = span
        self.__dict__ = record_of(span)
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Entity) and other._span is self._span

    def __hash__(self) -> int:
        return hash(self._span)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} id={self.id} trace_id={self.trace_id}>"

    # ------------------------------------------------------------------ what it is

    @property
    def name(self) -> str:
        """The name, as X-Ray shows it."""
        found: str = self.__dict__.get("_name") or self._span.name
        return found

    @name.setter
    def name(self, value: object) -> None:
        text = allowed(value)
        self.__dict__["_name"] = text
        self._named(text)

    def _named(self, name: str) -> None:
        self._span.update_name(name)

    @property
    def id(self) -> str:
        """16 hex digits."""
        return self._span.span_id

    @property
    def trace_id(self) -> str:
        """``1-<8 hex>-<24 hex>``."""
        return trace_id(self._span.trace_hi, self._span.trace_lo)

    @property
    def parent_id(self) -> str | None:
        """The parent's id, None for the first of a trace."""
        return self._span.parent_id

    @parent_id.setter
    def parent_id(self, value: object) -> None:
        self._span.parent64 = span_id_of(value)
        self._span.parent_remote = bool(self._span.parent64) and not hasattr(self, "type")

    @property
    def start_time(self) -> float:
        """Seconds since the Unix epoch."""
        return self._span.start_ns / 1e9

    @start_time.setter
    def start_time(self, seconds: float) -> None:
        if self._span.recording:
            self._span.start_ns = _nanoseconds(seconds) or self._span.start_ns

    @property
    def end_time(self) -> float:
        """Seconds since the Unix epoch; there is none before it has ended."""
        if not self._span.end_ns:
            raise AttributeError("end_time")
        return self._span.end_ns / 1e9

    @property
    def in_progress(self) -> bool:
        """Whether it has not ended."""
        return not self._span.ended

    @property
    def sampled(self) -> bool:
        """Whether it is sent. Setting it to False drops it and what begins below."""
        return bool(self._span.flags & 1)

    @sampled.setter
    def sampled(self, value: object) -> None:
        span = self._span
        if value or not span.recording:
            return
        span.flags &= ~1
        if span.trace is not None and span.id64 == span.trace.root64:
            span.trace.spans.clear()
            span.trace.size = 0

    # ------------------------------------------------------------------ what is said about it

    @guard(WHERE)
    def put_annotation(self, key: Any, value: Any) -> None:
        """Say something that X-Ray indexes: text, a number or a bool.

        Characters that X-Ray does not allow in keys become underscores when it is sent; other values are kept as
        metadata. aws-xray-sdk leaves both out.
        """
        span = self._span
        if not span.recording or not isinstance(key, str) or not key:
            return
        if not isinstance(value, annotation_value_types):
            span.set_attribute(key, value)
            return
        self.annotations[key] = value
        span.set_attribute(key, value)
        if self.__dict__.get(ENDS_ELSEWHERE, True):
            self._write_annotations()

    @guard(WHERE)
    def put_metadata(self, key: Any, value: Any, namespace: Any = "default") -> None:
        """Say anything that JSON can hold, under a namespace that does not begin with ``AWS.``."""
        if not self._span.recording or not isinstance(namespace, str) or namespace.startswith("AWS."):
            return
        self.metadata.setdefault(namespace, {})[key] = value
        if self.__dict__.get(ENDS_ELSEWHERE, True):
            self._write_metadata(namespace)

    @guard(WHERE)
    def put_http_meta(self, key: str, value: Any) -> None:
        """Say something about the request or response; see ``aws_xray_sdk.core.models.http`` for the keys."""
        if value is None or not self._span.recording or key not in said.HTTP:
            return
        if key == STATUS:
            try:
                value = int(value)
            except (TypeError, ValueError):
                return
            self.apply_status_code(value)
        part = "response" if key in ("status", "content_length") else "request"
        self.http.setdefault(part, {})[key] = value
        self._span.set_attribute(said.HTTP[key], value)

    @guard(WHERE)
    def set_user(self, user: Any) -> None:
        """Say who asked."""
        if self._span.recording and user is not None:
            self.__dict__["user"] = user
            self._span.set_attribute("enduser.id", user)

    @guard(WHERE)
    def set_aws(self, aws_meta: dict[str, Any]) -> None:
        """Say what an AWS call is about."""
        if self._span.recording:
            self.aws = aws_meta
            said.aws(self._span, aws_meta)

    @guard(WHERE)
    def apply_status_code(self, status_code: int | None) -> None:
        """Set the flags that a status stands for: 4xx error, 429 throttle as well, 5xx fault."""
        if not status_code:
            return
        if status_code >= 500:
            self.add_fault_flag()
        elif status_code >= 400:
            if status_code == 429:
                self.add_throttle_flag()
            self.add_error_flag()

    def add_throttle_flag(self) -> None:
        """Say that it was refused because of too many requests."""
        self._flag("throttle", False)

    def add_fault_flag(self) -> None:
        """Say that it failed."""
        self._flag("fault", True)

    def add_error_flag(self) -> None:
        """Say that the caller made a mistake."""
        self._flag("error", hasattr(self, "type"))

    def _flag(self, word: str, failed: bool) -> None:
        span = self._span
        if not span.recording:
            return
        self.__dict__[word] = True
        span.set_attribute(said.FLAG + word, True)
        if failed and span.status_value == UNSET:
            span.status_value = ERROR

    @guard(WHERE)
    def add_exception(self, exception: Any, stack: Any, remote: bool = False) -> None:
        """Note an exception, and that it failed.

        Args:
            exception: What was raised.
            stack: Frames as of ``traceback.extract_stack``, for an exception that has no traceback.
            remote: Whether it was raised by what was called.
        """
        span = self._span
        if not span.recording:
            return
        self.add_fault_flag()
        thrown = Throwable(exception, stack, remote)
        if not isinstance(self.cause, dict):
            self.cause = {}
        self.cause.setdefault("exceptions", []).append(thrown)
        span.status_message = recorded(span, exception, thrown)

    def save_origin_trace_header(self, trace_header: Any) -> None:
        """Keep the header that the request came with."""
        self.__dict__["_origin_trace_header"] = trace_header

    def get_origin_trace_header(self) -> Any:
        """Return the header that the request came with."""
        return self.__dict__.get("_origin_trace_header")

    # ------------------------------------------------------------------ its end

    @guard(WHERE)
    def close(self, end_time: float | None = None) -> None:
        """End it, now or at a time in seconds since the Unix epoch. What obsv's patches have begun, they end."""
        span = self._span
        if span.ended or begun_here(span) is None:
            return
        if not self.__dict__.get(ENDS_ELSEWHERE, True):
            self._write_annotations()
            for namespace in list(self.metadata):
                self._write_metadata(namespace)
        span.end(_nanoseconds(end_time))

    def _write_annotations(self) -> None:
        if self.annotations:
            self._span.set_attribute(said.ANNOTATIONS, tuple(self.annotations))

    def _write_metadata(self, namespace: str) -> None:
        # What it was given may hold this entity, and the record would then hold its span, for ever.
        self.metadata[namespace] = said.metadata(self._span, namespace, self.metadata[namespace])

    # ------------------------------------------------------------------ bookkeeping that obsv does in its own way

    def add_subsegment(self, subsegment: Any) -> None:
        """Make another one a child of this one."""
        if isinstance(subsegment, Entity) and subsegment._span.recording:
            subsegment._span.parent64 = self._span.id64

    def remove_subsegment(self, subsegment: Any) -> None:
        """Do nothing: children are not kept here, their spans say whose they are."""

    def to_dict(self) -> dict[str, Any]:
        """Return what is known, in the form of a segment document."""
        made = {"id": self.id, "name": self.name, "start_time": self.start_time, "trace_id": self.trace_id}
        made |= {"end_time": self.end_time} if self._span.end_ns else {"in_progress": self.in_progress}
        for key in ("parent_id", "type", "namespace", "user", "throttle", "error", "fault"):
            value = getattr(self, key, None)
            if value:
                made[key] = value
        for key in ("http", "annotations", "metadata", "aws", "sql"):
            if self.__dict__.get(key):
                made[key] = said.plain(self.__dict__[key])
        thrown = self.cause.get("exceptions") if isinstance(self.cause, dict) else None
        if thrown:
            made["cause"] = {"exceptions": [each.to_dict() for each in thrown]}
        return made

    def serialize(self) -> str:
        """Return :meth:`to_dict` as JSON."""
        from obsv.hotpath.jsontext import dumps

        return dumps(self.to_dict())


def _nanoseconds(seconds: Any) -> int | None:
    try:
        return int(float(seconds) * 1e9) if seconds is not None else None
    except (TypeError, ValueError, OverflowError):
        return None


Entity.__module__ = "aws_xray_sdk.core.models.entity"
