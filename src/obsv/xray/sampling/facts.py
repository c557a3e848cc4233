"""What sampling rules look at: the service, and a request by the attributes of its span, old and new conventions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..aws import arn, origin
from ..names import first
from .rules import as_text

if TYPE_CHECKING:
    from collections.abc import Mapping


def service_facts(resource: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the service's `name`, `type` (X-Ray's origin, such as `AWS::ECS::Container`) and `arn`."""
    name = resource.get("service.name")
    return {
        "name": None if name is None else as_text(name),
        "type": origin(resource),
        "arn": arn(resource),
    }


def method_of(attributes: Mapping[str, Any]) -> str | None:
    """Return the request's method, as it was sent."""
    method = attributes.get("http.request.method")
    if method == "_OTHER":
        method = attributes.get("http.request.method_original", method)
    elif method is None:
        method = attributes.get("http.method")
    return None if method is None else as_text(method)


def host_of(attributes: Mapping[str, Any]) -> str | None:
    """Return the host that was asked, without its port."""
    host = first(attributes, "server.address", "net.host.name")
    if host is None:
        host = attributes.get("http.host")
        if host is None:
            url = first(attributes, "url.full", "http.url")
            host = as_text(url).partition("://")[2].partition("/")[0].rpartition("@")[2] if url is not None else None
        host = _without_port(as_text(host)) if host else None
    return None if host is None else as_text(host)


def path_of(attributes: Mapping[str, Any]) -> str | None:
    """Return the path that was asked, without the query."""
    path = attributes.get("url.path")
    if path is None:
        target = attributes.get("http.target")
        if target is None:
            _, scheme, rest = as_text(first(attributes, "url.full", "http.url") or "").partition("://")
            if not scheme:
                return None
            target = "/" + rest.partition("/")[2]
        path = as_text(target).partition("?")[0].partition("#")[0]
    return as_text(path)


def _without_port(host: str) -> str:
    name, mark, port = host.rpartition(":")
    return name if mark and port.isdigit() and (name.endswith("]") or ":" not in name) else host


FACTS = {"method": method_of, "host": host_of, "path": path_of}
