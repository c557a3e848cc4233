"""What no block of its own has a place for: annotations (indexed, searchable) and metadata (kept, not searchable)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obsv.hotpath.errors import safe_text

from .names import annotation_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from obsv.hotpath.span import Span

MAX_ANNOTATIONS = 50
"""X-Ray indexes 50 annotations of a trace; a span with more has the rest in its metadata."""

MAX_ANNOTATION = 1000
"""Longest annotation value in characters. X-Ray's schema ends there: a longer one is kept in the metadata, whole."""

# Attributes that instrumentation records by OpenTelemetry's conventions. Whatever begins otherwise is the user's own.
_CONVENTIONS = (
    "http.",
    "url.",
    "server.",
    "client.",
    "network.",
    "net.",
    "peer.",
    "db.",
    "rpc.",
    "messaging.",
    "user_agent.",
    "exception.",
    "thread.",
    "code.",
    "process.",
    "telemetry.",
    "aws.",
    "faas.",
    "error.",
    "enduser.",
    "otel.",
    "cloud.",
    "container.",
    "host.",
    "os.",
    "service.",
    "k8s.",
    "deployment.",
    "graphql.",
    "gen_ai.",
    "tls.",
    "dns.",
    "feature_flag.",
    "cpython.",
    "asgi.",
    "obsv.",
)

# Of those, the ones with few values that people filter by.
_INDEXED = frozenset(("http.route", "error.type", "messaging.destination.name"))

_LIST = "aws.xray.annotations"  # names to index, a convention of AWS's exporter for the collector

_METADATA = "aws.xray.metadata."

_KINDS = {1: "server", 3: "producer", 4: "consumer"}  # a client is seen by its namespace


def divide(rest: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Divide attributes into annotations and metadata.

    Annotations are the scalar values that the user set, and a few of the conventions' (``http.route``, ``error.type``,
    ``messaging.destination.name``, and those that ``aws.xray.annotations`` lists). Odd characters in their keys become
    underscores.
    """
    listed = rest.pop(_LIST, None)
    wanted = _INDEXED.union(listed) if isinstance(listed, (tuple, list)) and _all_text(listed) else _INDEXED
    annotations: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    for name, value in rest.items():
        if type(name) is not str:
            name = safe_text(name)
        if name in wanted or not name.startswith(_CONVENTIONS):
            indexed = _annotation(value)
            key = annotation_key(name)
            if indexed is not None and key and key not in annotations and len(annotations) < MAX_ANNOTATIONS:
                annotations[key] = indexed
                continue
        # Keys that begin with "AWS." are reserved (X-Ray developer guide, "Metadata").
        metadata["_" + name if name.startswith("AWS.") else name] = _finite(value)
    return annotations, metadata


def namespaces(rest: dict[str, Any]) -> dict[str, Any]:
    """Remove what ``put_metadata`` was given and return it by namespace.

    It is in ``aws.xray.metadata.<namespace>``, as JSON text (AWS's exporter for the collector).
    """
    found: dict[str, Any] = {}
    for name in [name for name in rest if type(name) is str and name.startswith(_METADATA)]:
        text = rest[name]
        try:
            from json import loads

            members = loads(text)
        except Exception:  # noqa: BLE001 - somebody else's attribute, or cut text: kept as it is
            continue
        namespace = name[len(_METADATA) :]
        if isinstance(members, dict) and namespace and not namespace.startswith("AWS."):
            del rest[name]
            found[namespace] = members
    return found


def about(span: Span, name: str) -> dict[str, Any]:
    """Return what X-Ray has no field for: the span's own name and kind, events, tracestate, and what was dropped."""
    found: dict[str, Any] = {}
    if span.name != name:
        found["name"] = span.name
    if span.kind_value in _KINDS:
        found["kind"] = _KINDS[span.kind_value]
    if span.scope is not None and span.scope.name and not span.scope.name.startswith("obsv"):
        found["scope"] = span.scope.name
        if span.scope.version:
            found["scope_version"] = span.scope.version
    if span.status_value == 2 and span.status_message:
        found["status_message"] = span.status_message
    if span.tracestate:
        found["tracestate"] = span.tracestate
    events = [
        {
            "name": event.name,
            "time": event.time_ns / 1e9,
            "attributes": {k: _finite(v) for k, v in event.attributes.items()},
        }
        for event in span.event_list or ()
        if event.error is None and event.name != "exception"
    ]
    if events:
        found["events"] = events
    for key in ("dropped_attributes", "dropped_events", "dropped_links"):
        if getattr(span, key):
            found[key] = getattr(span, key)
    return found


def resource_metadata(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return the resource's attributes for the metadata of a segment."""
    return {safe_text(key): _finite(value) for key, value in resource.items()}


def _annotation(value: object) -> Any:
    """Return a value that X-Ray can index, or None."""
    if isinstance(value, str):
        return value if len(value) <= MAX_ANNOTATION else None
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**63 else None
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    return None


def _finite(value: object) -> object:
    """Write NaN and infinities as words (JSON would make them ``null``), and integers over 64 bits as text."""
    if isinstance(value, float) and not abs(value) < float("inf"):
        return repr(float(value))
    if isinstance(value, int) and abs(value) >= 2**63:
        return hex(value)
    return value


def _all_text(names: tuple[Any, ...] | list[Any]) -> bool:
    return all(isinstance(name, str) for name in names)
