"""Segments and subsegments: faces of obsv's spans with the members that aws-xray-sdk's have.

A face is made whenever somebody asks for one; all faces of a span share one dict of members, which lives as long as the
span. A span that the bridge has not begun, a server's for instance, has a face too, which says everything but ends
nothing.

Where aws-xray-sdk raises (a change after the end, a change of Lambda's own segment), these do nothing.
"""

from __future__ import annotations

from typing import Any

from obsv.guard import guard
from obsv.hotpath.errors import safe_text
from obsv.hotpath.span import CLIENT, ERROR, INTERNAL, SERVER, UNSET, Remote, Span, new_span

from ..names import trace_id
from . import said
from .current import (
    BEFORE,
    KIND,
    SCOPE,
    above_segment,
    around,
    before,
    begun_here,
    is_local_root,
    leave,
    record_of,
    span_id_of,
)
from .throwable import Throwable, recorded
from .words import STATUS, annotation_value_types

_WHERE = "aws-xray-sdk bridge"
_ENDS_ELSEWHERE = "_ends_elsewhere"  # key of a record: what is said has to be on the span at once

_INVALID = str.maketrans("", "", "?;*()!$~^<>")


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
        text = safe_text(value).translate(_INVALID)
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

    @guard(_WHERE)
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
        if self.__dict__.get(_ENDS_ELSEWHERE, True):
            self._write_annotations()

    @guard(_WHERE)
    def put_metadata(self, key: Any, value: Any, namespace: Any = "default") -> None:
        """Say anything that JSON can hold, under a namespace that does not begin with ``AWS.``."""
        if not self._span.recording or not isinstance(namespace, str) or namespace.startswith("AWS."):
            return
        self.metadata.setdefault(namespace, {})[key] = value
        if self.__dict__.get(_ENDS_ELSEWHERE, True):
            said.metadata(self._span, namespace, self.metadata[namespace])

    @guard(_WHERE)
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

    @guard(_WHERE)
    def set_aws(self, aws_meta: dict[str, Any]) -> None:
        """Say what an AWS call is about."""
        if self._span.recording:
            self.aws = aws_meta
            said.aws(self._span, aws_meta)

    @guard(_WHERE)
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

    @guard(_WHERE)
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

    @guard(_WHERE)
    def close(self, end_time: float | None = None) -> None:
        """End it, now or at a time in seconds since the Unix epoch. What obsv's patches have begun, they end."""
        span = self._span
        if span.ended or begun_here(span) is None:
            return
        if not self.__dict__.get(_ENDS_ELSEWHERE, True):
            self._write_annotations()
            for namespace, members in self.metadata.items():
                said.metadata(span, namespace, members)
        span.end(_nanoseconds(end_time))

    def _write_annotations(self) -> None:
        if self.annotations:
            self._span.set_attribute(said.ANNOTATIONS, tuple(self.annotations))

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


class Segment(Entity):
    """The work of this service on one request. Constructed, it begins, and is not current."""

    __slots__ = ()

    def __init__(
        self,
        name: str,
        entityid: str | None = None,
        traceid: str | None = None,
        parent_id: str | None = None,
        sampled: bool = True,
    ) -> None:
        self._begin(name, above_segment(traceid, parent_id, 1 if sampled else 0))
        identity = span_id_of(entityid)
        if identity:
            self._span.id64 = identity

    def _begin(self, name: Any, parent: Any) -> None:
        span = new_span(SCOPE, safe_text(name).translate(_INVALID), SERVER)
        self._show(span)
        self.__dict__.update({KIND: Segment, _ENDS_ELSEWHERE: False, "user": None})
        span.set_attribute(said.LOCAL_SERVICE, span.name)
        span.begin(parent)

    def _named(self, name: str) -> None:
        self._span.set_attribute(said.LOCAL_SERVICE, name)
        if begun_here(self._span) is not None:
            self._span.update_name(name)

    @guard(_WHERE)
    def set_user(self, user: Any) -> None:
        """Say who asked."""
        if self._span.recording and user is not None:
            self.__dict__["user"] = user
            self._span.set_attribute("enduser.id", user)

    def set_aws(self, aws_meta: dict[str, Any]) -> None:
        """Keep it; where the service runs is known from the resource."""
        self.aws = aws_meta

    def set_service(self, service_info: Any) -> None:
        """Keep it; the runtime is known from the resource."""
        self.__dict__["service"] = service_info

    def set_rule_name(self, rule_name: str) -> None:
        """Keep it."""
        self.aws.setdefault("xray", {})["sampling_rule_name"] = rule_name

    def ready_to_send(self) -> bool:
        """Tell whether it has ended."""
        return not self.in_progress

    def get_total_subsegments_size(self) -> int:
        """Children are not kept here."""
        return 0

    def increment(self) -> None:
        """Count nothing."""

    decrement_ref_counter = decrement_subsegments_size = increment


class Subsegment(Entity):
    """Part of the work, or a call of something else. Constructed, it begins below ``segment``, and is not current."""

    __slots__ = ()

    type = "subsegment"

    def __init__(self, name: str, namespace: str, segment: Entity | None) -> None:
        self._begin(name, namespace, segment._span if isinstance(segment, Entity) else None)

    def _begin(self, name: Any, namespace: Any, parent: Any) -> None:
        text = safe_text(name).translate(_INVALID)
        span = new_span(SCOPE, text, CLIENT if namespace in ("remote", "aws") else INTERNAL)
        self._show(span)
        self.__dict__.update({KIND: Subsegment, _ENDS_ELSEWHERE: False, "_namespace": namespace})
        self._say_whom(text)
        span.begin(parent)

    def _say_whom(self, name: str) -> None:
        if self._span.kind_value == CLIENT:
            self._span.set_attribute(said.REMOTE_SERVICE, name)
            if self.namespace == "aws":
                self._span.set_attribute("rpc.system", "aws-api")

    def _named(self, name: str) -> None:
        self._span.update_name(name)
        if begun_here(self._span) is not None:
            self._say_whom(name)

    @property
    def namespace(self) -> str:
        """``local``, ``remote`` or ``aws``."""
        found = self.__dict__.get("_namespace")
        return found if isinstance(found, str) else "remote" if self._span.kind_value == CLIENT else "local"

    @namespace.setter
    def namespace(self, value: str) -> None:
        self.__dict__["_namespace"] = value
        if begun_here(self._span) is not None and self._span.recording:
            self._span.kind_value = CLIENT if value in ("remote", "aws") else INTERNAL
            self._say_whom(self.name)

    @property
    def parent_segment(self) -> Entity:
        """The segment that it is part of."""
        found = segment_around(self._span)
        return self if found is self._span else entity_of(found)

    @guard(_WHERE)
    def set_sql(self, sql: dict[str, Any]) -> None:
        """Say what an SQL statement is about."""
        if self._span.recording:
            self.__dict__["sql"] = sql
            said.sql(self._span, sql)


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
        parent = above_segment(traceid, entityid, sampled)
        self._face(parent if type(parent) is Remote else Remote(0, 0, 0, 0), name)

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


for _class in (Entity, Segment, Subsegment, DummySegment, DummySubsegment, FacadeSegment):
    _module = {"DummySegment": "dummy_entities", "DummySubsegment": "dummy_entities", "FacadeSegment": "facade_segment"}
    _class.__module__ = f"aws_xray_sdk.core.models.{_module.get(_class.__name__, _class.__name__.lower())}"


def facade(remote: Remote) -> FacadeSegment:
    """Return the face of the segment that Lambda's service has begun."""
    return FacadeSegment.__new__(FacadeSegment)._face(remote)


def entity_of(span: Span) -> Segment | Subsegment:
    """Return the face of a span."""
    kind = begun_here(span) or (Segment if is_local_root(span) else Subsegment)
    found: Segment | Subsegment = kind.__new__(kind)
    found._show(span)
    return found


def make_current(entity: Entity, state: Any) -> None:
    """Make an entity that has begun the current one; ``state`` is what comes back when it ends."""
    from obsv.hotpath.span import attach

    if entity._span.id64:
        entity.__dict__[BEFORE] = state
        attach(entity._span)


def end(entity: Entity, end_time: Any = None) -> None:
    """End an entity, and make current again what was so before it."""
    entity.close(end_time)
    leave(entity._span)


def segment_around(inner: Span) -> Span:
    """Return the span of the segment that a span is part of: one that the bridge has begun, else the local root."""
    span = inner
    for _ in range(1000):
        if begun_here(span) is Segment or is_local_root(span):
            break
        above = before(span)
        if type(above) is not Span:
            break
        span = above
    return span


def innermost() -> Segment | Subsegment | None:
    """Return the entity that is current here, None where there is none."""
    for span in around():
        return entity_of(span)
    return None


def _nothing(name: str) -> Span:
    """Return a span of its own that keeps nothing."""
    span = new_span(SCOPE, safe_text(name), INTERNAL)
    span.recording = False
    span.started = True
    return span


def _nanoseconds(seconds: Any) -> int | None:
    try:
        return int(float(seconds) * 1e9) if seconds is not None else None
    except (TypeError, ValueError, OverflowError):
        return None
