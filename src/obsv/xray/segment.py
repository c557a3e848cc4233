"""Spans as X-Ray segment documents (X-Ray developer guide, "Segment documents")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obsv.hotpath import faults

from . import aws
from .cause import FLAGS, cause, flags
from .fields import AUTO, Choice, about, divide, namespaces, resource_metadata
from .http import http
from .names import MAX_STRING, first, segment_name, take, text, trace_id
from .split import INDEPENDENT_BYTES, Node, pack
from .sql import sql
from .trim import MIN_BYTES, fit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from obsv.hotpath.span import Span

MAX_DOCUMENT = 65_477
"""Bytes of a document that the daemon takes over UDP: a datagram's 65,507 less the 30 bytes of its header line."""

_CLIENT, _PRODUCER, _CONSUMER = 2, 3, 4
_MASK = 0xFFFFFFFFFFFFFFFF

# Names that X-Ray knows a service by, where they are not the resource's (AWS's exporter for the collector).
_LOCAL_SERVICE = "aws.local.service"
_REMOTE_SERVICE = "aws.remote.service"


def documents(
    trace: Sequence[Span],
    resource: Mapping[str, Any] | None,
    limit: int = MAX_DOCUMENT,
    annotations: tuple[str, ...] = AUTO,
) -> list[str]:
    """Write the spans of one local trace, or of a part of it, as JSON documents of at most ``limit`` bytes each.

    A local root (no parent, or a parent in another process) is a segment, and its descendants are subsegments nested in
    it. A span whose parent is not among ``trace`` is an independent subsegment. What makes a document too large or too
    deep becomes an independent subsegment too (``split``), and a span that is too large alone is trimmed (``trim``):
    none is lost.

    A local root that calls something else (a client or producer span: a script's only request) becomes a subsegment as
    X-Ray expects of calls, in a segment that is made for it and that stands for the service.

    Args:
        trace: Finished spans, in any order.
        resource: Attributes of the resource: names the segments, and says where they ran.
        limit: At least 2,000.
        annotations: The setting ``xray_annotations``: which attributes X-Ray is to index.
    """
    limit = max(limit, MIN_BYTES)
    writer = _Writer(resource or {}, limit, annotations)
    tops, children = _tree(trace)
    nodes: list[Node] = []
    roots: list[Node] = []
    todo: list[tuple[int, Node | None]] = []
    seen = bytearray(len(trace))
    for start in [*tops, *range(len(trace))]:  # the second part finds what a circle of parents keeps from every top
        if seen[start]:
            continue
        seen[start] = 1
        todo.append((start, None))
        while todo:
            index, above = todo.pop()
            span = trace[index]
            made = writer.nodes(span, above is None and _is_local_root(span))
            (roots if above is None else above.children).append(made[0])
            nodes.extend(made)
            for child in reversed(children.get(index, ())):
                if not seen[child]:
                    seen[child] = 1
                    todo.append((child, made[-1]))
    return pack(nodes, roots, limit)


def resplit(document: str, limit: int) -> list[str]:
    """Divide a document that turned out too large for a transport into several of at most ``limit`` bytes."""
    import json

    limit = max(limit, MIN_BYTES)
    fields = json.loads(document)
    trace = fields["trace_id"]
    parent = ""
    independent = fields.get("type") == "subsegment"
    if independent:
        del fields["type"], fields["trace_id"]
        parent = fields.pop("parent_id")
    nodes: list[Node] = []
    todo: list[tuple[dict[str, Any], str, Node | None]] = [(fields, parent, None)]
    while todo:
        fields, parent, above = todo.pop()
        nested = fields.pop("subsegments", ())
        segment = above is None and not independent
        own = fit(fields, limit - 2 - (0 if segment else INDEPENDENT_BYTES))
        node = Node(own, "" if segment else trace, parent)
        nodes.append(node)
        if above is not None:
            above.children.append(node)
        todo.extend([(child, fields["id"], node) for child in reversed(nested)])
    return pack(nodes, nodes[:1], limit)


def _is_local_root(span: Span) -> bool:
    return not span.parent64 or span.parent_remote


def _tree(trace: Sequence[Span]) -> tuple[list[int], dict[int, list[int]]]:
    """Return the spans without a parent among ``trace``, and the children of each of the others, by index."""
    by_id: dict[int, int] = {}
    for index, span in enumerate(trace):
        by_id.setdefault(span.id64, index)
    tops: list[int] = []
    children: dict[int, list[int]] = {}
    for index, span in enumerate(trace):
        above = None if _is_local_root(span) else by_id.get(span.parent64)
        if above is not None:
            other = trace[above]
            if above == index or other.trace_lo != span.trace_lo or other.trace_hi != span.trace_hi:
                above = None
        if above is None:
            tops.append(index)
        else:
            children.setdefault(above, []).append(index)
    for found in children.values():
        if len(found) > 1:
            found.sort(key=lambda index: trace[index].start_ns)
    return tops, children


class _Writer:
    """Writes spans of one resource."""

    __slots__ = ("arn", "aws", "choice", "in_lambda", "limit", "origin", "resource", "service", "version")

    def __init__(self, resource: Mapping[str, Any], limit: int, annotations: tuple[str, ...]) -> None:
        self.choice = Choice(annotations)
        self.resource = resource
        self.limit = limit
        self.service = resource.get("service.name")
        self.origin = aws.origin(resource)
        self.in_lambda = resource.get("cloud.platform") == "aws_lambda"
        self.aws = aws.place(resource)
        self.arn = aws.arn(resource)
        version = resource.get("service.version")
        self.version: dict[str, Any] = {"version": text(version)} if version else {}
        runtime = resource.get("process.runtime.name")
        if runtime:
            self.version["runtime"] = text(runtime)
            self.version["runtime_version"] = text(resource.get("process.runtime.version") or "")

    def nodes(self, span: Span, root: bool) -> list[Node]:
        """Write a span; children nest in the last node returned. An error of ours costs its details, not the span."""
        try:
            return self.root(span) if root else [self.subsegment(span)]
        except Exception as error:  # noqa: BLE001
            faults.report("writing an X-Ray segment", error)
            fields = _times(segment_name(self.service if root else None, span.name), span.id64, span)
            trace = trace_id(span.trace_hi, span.trace_lo)
            if root:
                fields["trace_id"] = trace
            return [Node(fit(fields, self.limit), "" if root else trace, f"{span.parent64:016x}")]

    def root(self, span: Span) -> list[Node]:
        """A local root: a segment, or a segment with the root as subsegment."""
        rest = dict(span.attributes)
        name = segment_name(rest.pop(_LOCAL_SERVICE, None), self.service, span.name)
        if self.in_lambda and span.parent64:
            # The Lambda service writes the segment of an invocation, and only subsegments come from the function.
            return [self.subsegment(span)]
        if span.kind_value not in (_CLIENT, _PRODUCER):
            fields = _times(name, span.id64, span)
            self._segment_fields(fields, span, rest)
            self._common(fields, span, rest, {"resource": resource_metadata(self.resource)})
            return [Node(fit(fields, self.limit - 2), "", "")]
        identity = (span.id64 * 0x9E3779B97F4A7C15 + 1) & _MASK or 1
        fields = _times(name, identity, span)
        self._segment_fields(fields, span, dict(span.attributes))
        fields.update(flags(span))
        fields["metadata"] = {"resource": resource_metadata(self.resource)}
        segment = Node(fit(fields, self.limit - 2), "", "")
        call = self.subsegment(span, f"{identity:016x}")
        segment.children.append(call)
        return [segment, call]

    def subsegment(self, span: Span, parent_id: str | None = None) -> Node:
        rest = dict(span.attributes)
        called = aws.is_call(rest)
        rest.pop(_LOCAL_SERVICE, None)
        name = segment_name(*_subsegment_names(span, rest, called))
        fields = _times(name, span.id64, span)
        if called:
            fields["namespace"] = "aws"
        elif span.kind_value in (_CLIENT, _PRODUCER):
            fields["namespace"] = "remote"
        rest.pop(_REMOTE_SERVICE, None)
        self._common(fields, span, rest, {}, called)
        own = fit(fields, self.limit - 2 - INDEPENDENT_BYTES)
        parent_id = parent_id or f"{span.parent64:016x}"
        return Node(own, trace_id(span.trace_hi, span.trace_lo), parent_id)

    def _segment_fields(self, fields: dict[str, Any], span: Span, rest: dict[str, Any]) -> None:
        fields["trace_id"] = trace_id(span.trace_hi, span.trace_lo)
        if span.parent64:
            fields["parent_id"] = f"{span.parent64:016x}"
        if self.origin:
            fields["origin"] = self.origin
        if self.version:
            fields["service"] = dict(self.version)
        arn = take(rest, "aws.xray.resource_arn") or self.arn
        if arn:
            fields["resource_arn"] = text(arn)[:MAX_STRING]
        user = take(rest, "enduser.id", "user.id")
        if user:
            fields["user"] = text(user)[:MAX_STRING]
        fields["aws"] = dict(self.aws)
        rule = take(rest, "aws.xray.sampling_rule")
        if rule:
            fields["aws"]["xray"] = {**fields["aws"]["xray"], "sampling_rule_name": text(rule)}

    def _common(
        self,
        fields: dict[str, Any],
        span: Span,
        rest: dict[str, Any],
        metadata: dict[str, Any],
        called: bool = False,
    ) -> None:
        """Add what segments and subsegments share."""
        fields.update(flags(span))
        blocks = {
            "http": http(rest),
            "sql": sql(rest),
            "aws": aws.call(rest) if called else None,
            "cause": cause(span),
        }
        fields.update({key: block for key, block in blocks.items() if block})
        if span.link_list:
            fields["links"] = [
                {
                    "trace_id": trace_id(link.trace_hi, link.trace_lo),
                    "id": f"{link.id64:016x}",
                    "attributes": link.attributes,
                }
                for link in span.link_list
            ]
        for flag in FLAGS:
            rest.pop(flag, None)
        precursors = take(rest, "aws.xray.precursor_ids")
        if isinstance(precursors, (tuple, list)) and any(map(_is_id, precursors)):
            fields["precursor_ids"] = [text(each) for each in precursors if _is_id(each)]
        for space, members in namespaces(rest).items():
            metadata[space] = {**metadata.get(space, {}), **members}
        over = self.choice.over
        annotations, rest = divide(rest, self.choice)
        if annotations:
            fields["annotations"] = annotations
        if rest:
            metadata["default"] = {**metadata.get("default", {}), **rest}
        extra = about(span, fields["name"])
        if self.choice.over > over:
            extra["annotations_over"] = self.choice.over - over
        if extra:
            metadata["span"] = {**metadata.get("span", {}), **extra}
        if metadata:
            fields["metadata"] = metadata


def _is_id(value: object) -> bool:
    return isinstance(value, str) and len(value) == 16 and not value.strip("0123456789abcdef")


def _times(name: str, identity: int, span: Span) -> dict[str, Any]:
    start = max(span.start_ns, 0)
    times: dict[str, Any] = {"name": name, "id": f"{identity:016x}", "start_time": start / 1e9}
    if not span.ended and span.recording and span.started:
        times["in_progress"] = True
    else:
        times["end_time"] = max(span.end_ns, start) / 1e9  # the clock may have been set back
    return times


def _without_prefix(service: Any, called: bool) -> Any:
    return text(service).removeprefix("AWS.SDK.").removeprefix("AWS::") if called and service else service


def _subsegment_names(span: Span, attributes: dict[str, Any], called: bool) -> list[Any]:
    """Return candidates for the name, best first: X-Ray's users look for whom a call reaches."""
    if span.kind_value not in (_CLIENT, _PRODUCER, _CONSUMER) and not called:
        return [span.name]
    candidates: list[Any] = [_without_prefix(first(attributes, _REMOTE_SERVICE), called)]
    if called:
        candidates += [aws.service(attributes), span.name.partition(".")[0]]
    candidates.append(first(attributes, "peer.service", "service.peer.name"))
    host = first(attributes, "server.address", "net.peer.name", "http.host")
    system = first(attributes, "db.system.name", "db.system")
    if system is not None:
        database = first(attributes, "db.namespace", "db.name")
        # Redis counts its databases: "0@cache" would say less than "redis@cache".
        database = system if database is None or text(database).isdigit() else database
        candidates.append(f"{text(database)}@{text(host)}" if host is not None else text(database))
    if span.kind_value == _CLIENT:
        candidates += [first(attributes, "rpc.service"), host]
    if span.kind_value in (_PRODUCER, _CONSUMER):
        candidates.append(first(attributes, "messaging.destination.name"))
    candidates.append(span.name)
    return candidates
