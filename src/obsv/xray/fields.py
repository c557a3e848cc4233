"""What no block of its own has a place for: annotations (indexed, searchable) and metadata (kept, not searchable)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obsv.hotpath.errors import safe_text

from .names import annotation_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from obsv.hotpath.span import Span

MAX_ANNOTATIONS = 50
"""X-Ray indexes 50 annotations of a trace; what is over goes to the metadata, and is counted there."""

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
_INDEXED = frozenset(("http.route", "error.type", "messaging.destination.name", "obsv.sampling.reason"))

_LIST = "aws.xray.annotations"  # names to index; this and the next as AWS's exporter for the collector has them
_SPACE = "aws.xray.metadata."  # what follows is a namespace of metadata, the value its members as JSON

AUTO = ("auto",)
"""What the setting ``xray_annotations`` says by default."""

_KINDS = {1: "server", 3: "producer", 4: "consumer"}  # a client is seen by its namespace


class Choice:
    """Which attributes of a trace become annotations: those that are asked for, as long as there is room.

    X-Ray indexes 50 annotations of a trace. A key that several of its spans have counts once.

    Args:
        wanted: Names and patterns with ``*``; ``auto`` stands for what the user set and a few of the conventions'.
    """

    __slots__ = ("auto", "keys", "names", "over", "pattern")

    def __init__(self, wanted: tuple[str, ...] = AUTO) -> None:
        self.auto = "auto" in wanted
        self.names = frozenset(wanted)
        self.pattern = _pattern(wanted)
        self.keys: set[str] = set()
        self.over = 0

    def wants(self, name: str) -> bool:
        """Tell whether an attribute is to be an annotation."""
        if name in self.names:
            return True
        if self.auto and (name in _INDEXED or not name.startswith(_CONVENTIONS)):
            return True
        return self.pattern is not None and self.pattern.fullmatch(name) is not None

    def takes(self, key: str) -> bool:
        """Tell whether there is room for an annotation, and count those for which there is none."""
        if key not in self.keys:
            if len(self.keys) >= MAX_ANNOTATIONS:
                self.over += 1
                return False
            self.keys.add(key)
        return True


_patterns: dict[tuple[str, ...], Any] = {}


def _pattern(wanted: tuple[str, ...]) -> Any:
    """Return one regular expression for all names with a ``*``, None without any."""
    if wanted not in _patterns:
        wild = [name for name in wanted if "*" in name]
        made = None
        if wild:
            import re

            made = re.compile("|".join([".*".join(map(re.escape, name.split("*"))) for name in wild]), re.S)
        if len(_patterns) > 64:
            _patterns.clear()
        _patterns[wanted] = made
    return _patterns[wanted]


def divide(rest: dict[str, Any], choice: Choice | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Divide attributes into annotations and metadata.

    Annotations are the scalar values that ``choice`` wants, and first of all those that ``aws.xray.annotations`` lists.
    Odd characters in their keys become underscores.
    """
    choice = choice or Choice()
    listed = rest.pop(_LIST, None)
    first = listed if isinstance(listed, (tuple, list)) and _all_text(listed) else ()
    annotations: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    for name, value in {**{name: rest[name] for name in first if name in rest}, **rest}.items():
        if type(name) is not str:
            name = safe_text(name)
        if name in first or choice.wants(name):
            indexed = _annotation(value)
            key = annotation_key(name)
            if indexed is not None and key and key not in annotations and choice.takes(key):
                annotations[key] = indexed
                continue
        metadata[_free(name)] = _finite(value)
    return annotations, metadata


def namespaces(rest: dict[str, Any]) -> dict[str, Any]:
    """Take the namespaces of metadata out of the attributes. What is no JSON object stays."""
    found: dict[str, Any] = {}
    for name in [name for name in rest if isinstance(name, str) and name.startswith(_SPACE)]:
        space = name[len(_SPACE) :]
        try:
            import json

            members = json.loads(rest[name])
        except (TypeError, ValueError, RecursionError):
            continue
        if isinstance(members, dict) and space and not space.startswith("AWS."):
            found[space] = {_free(key): _finite(v) for key, v in members.items()}
            del rest[name]
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
    return {_free(safe_text(key)): _finite(value) for key, value in resource.items()}


def _free(key: str) -> str:
    """Return a key of metadata that is not reserved: those that begin with "AWS." are (X-Ray developer guide,
    "Metadata")."""
    return "_" + key if key.startswith("AWS.") else key


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
