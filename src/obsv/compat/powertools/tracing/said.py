"""Annotations and metadata, as attributes of a span.

An annotation is an attribute whose name ``aws.xray.annotations`` lists; metadata is JSON text in
``aws.xray.metadata.<namespace>``. AWS's exporter for the collector reads both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obsv.hotpath.errors import safe_text
from obsv.hotpath.jsontext import dumps, quote

if TYPE_CHECKING:
    from obsv.hotpath.span import Span

ANNOTATIONS = "aws.xray.annotations"
METADATA = "aws.xray.metadata."

MAX_METADATA = 65_536
"""Characters kept of one value: an X-Ray document is no larger."""


def call(span: Span, name: str, aws: bool) -> None:
    """Say whom a call reaches."""
    span.set_attribute("aws.remote.service", name)
    if aws:
        span.set_attribute("rpc.system", "aws-api")


def annotate(span: Span, key: object, value: object) -> None:
    """Say something that traces are searched by."""
    if not span.recording:
        return
    name = safe_text(key)
    if not isinstance(value, (str, bool, int, float)):
        value = safe_text(value)
    span.set_attribute(name, value)
    listed = span.attributes.get(ANNOTATIONS)
    names = listed if isinstance(listed, tuple) else ()
    if name and name not in names:
        span.set_attribute(ANNOTATIONS, (*names, name))


def add_metadata(span: Span, key: object, value: object, namespace: object) -> None:
    """Say something that is kept and not searched. The value is written now, whatever becomes of it later."""
    if not span.recording:
        return
    text = dumps(value)
    if len(text) > MAX_METADATA:
        text = quote(f"{text[:MAX_METADATA]}…")
    name = METADATA + (safe_text(namespace) or "default")
    said: Any = span.attributes.get(name)
    members = f"{said[1:-1]}," if isinstance(said, str) and len(said) > 2 else ""
    span.set_attribute(name, f"{{{members}{quote(safe_text(key))}:{text}}}")
