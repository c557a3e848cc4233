"""Segments and subsegments, and which of them a span is."""

from __future__ import annotations

from typing import Any

from obsv.guard import guard
from obsv.hotpath.span import CLIENT, INTERNAL, SERVER, Span, attach, new_span

from . import said
from .current import (
    BEFORE,
    KIND,
    SCOPE,
    above_segment,
    around,
    before,
    begun_here,
    invocation,
    is_local_root,
    leave,
    span_id_of,
)
from .entity import ENDS_ELSEWHERE, WHERE, Entity, allowed


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
        span = new_span(SCOPE, allowed(name), SERVER)
        self._show(span)
        self.__dict__.update({KIND: Segment, ENDS_ELSEWHERE: False, "user": None})
        span.set_attribute(said.LOCAL_SERVICE, span.name)
        span.begin(parent)

    def _named(self, name: str) -> None:
        self._span.set_attribute(said.LOCAL_SERVICE, name)
        if begun_here(self._span) is not None:
            self._span.update_name(name)

    def set_aws(self, aws_meta: dict[str, Any]) -> None:
        """Keep it; where the service runs is known from the resource."""
        self.aws = aws_meta

    def set_service(self, service_info: Any) -> None:
        """Keep it; the runtime is known from the resource."""
        self.__dict__["service"] = service_info

    @guard(WHERE)
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
        text = allowed(name)
        span = new_span(SCOPE, text, CLIENT if namespace in ("remote", "aws") else INTERNAL)
        self._show(span)
        self.__dict__.update({KIND: Subsegment, ENDS_ELSEWHERE: False, "_namespace": namespace})
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

    @guard(WHERE)
    def set_sql(self, sql: dict[str, Any]) -> None:
        """Say what an SQL statement is about."""
        if self._span.recording:
            self.__dict__["sql"] = sql
            said.sql(self._span, sql)


for _class in (Segment, Subsegment):
    _class.__module__ = f"aws_xray_sdk.core.models.{_class.__name__.lower()}"


def entity_of(span: Span) -> Segment | Subsegment:
    """Return the face of a span. In an invocation of Lambda only the service has a segment."""
    kind = begun_here(span) or (Segment if is_local_root(span) and invocation() is None else Subsegment)
    found: Segment | Subsegment = kind.__new__(kind)
    found._show(span)
    return found


def make_current(entity: Entity, state: Any) -> None:
    """Make an entity that has begun the current one; ``state`` is what comes back when it ends."""
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
