"""The ``http`` block of a segment or subsegment, from OpenTelemetry's HTTP attributes, stable and older."""

from __future__ import annotations

from typing import Any

from .names import MAX_STRING, first, integer, take, text, without_password

_DEFAULT_PORTS = {"http": 80, "https": 443}


def http(rest: dict[str, Any]) -> dict[str, Any] | None:
    """Return the block, or None when the span is not about HTTP. Takes what it uses out of ``rest``.

    X-Ray's strings end at 250 characters: a longer URL or user agent stays in ``rest`` as well, whole.
    """
    method = take(rest, "http.request.method", "http.method")
    status = integer(take(rest, "http.response.status_code", "http.status_code"))
    url = _url(rest)
    if method is None and status is None and url is None:
        return None
    request: dict[str, Any] = {}
    if method is not None:
        request["method"] = text(method)[:MAX_STRING]
    if url:
        request["url"] = url[:MAX_STRING]
        if len(url) > MAX_STRING:
            rest["url.full"] = url
    agent = rest.get("user_agent.original") or rest.get("http.user_agent")
    if agent:
        request["user_agent"] = text(agent)[:MAX_STRING]
        if len(request["user_agent"]) < MAX_STRING:
            take(rest, "user_agent.original", "http.user_agent")
    client = take(rest, "client.address", "http.client_ip")
    peer = take(rest, "network.peer.address", "net.sock.peer.addr") if client else None
    if client:
        request["client_ip"] = text(client)[:MAX_STRING]
        if peer and peer != client:
            request["x_forwarded_for"] = True  # somebody stands in between, and the address came in a header
    if take(rest, "aws.xray.x_forwarded_for") is True and client:
        request["x_forwarded_for"] = True
    if take(rest, "aws.xray.traced") is True:
        request["traced"] = True
    block: dict[str, Any] = {}
    if request:
        block["request"] = request
    response: dict[str, Any] = {}
    if status is not None:
        response["status"] = status
    length = integer(
        take(
            rest,
            "http.response.body.size",
            "http.response.header.content-length",
            "http.response_content_length",
        )
    )
    if length is not None and length >= 0:
        response["content_length"] = length
    if response:
        block["response"] = response
    return block


def _url(rest: dict[str, Any]) -> str | None:
    """Return the full URL: as recorded by clients, or put together from what servers record."""
    url = take(rest, "url.full", "http.url")
    if url:
        for key in ("url.scheme", "url.path", "url.query", "server.address", "server.port"):
            rest.pop(key, None)
        return without_password(text(url))
    path = first(rest, "url.path", "http.target")
    host = first(rest, "server.address", "http.host")
    if path is None or (host is None and "url.path" not in rest):
        return None
    scheme = text(take(rest, "url.scheme", "http.scheme") or "http")
    query = take(rest, "url.query")
    port = integer(take(rest, "server.port"))
    for key in ("url.path", "http.target", "server.address", "http.host"):
        rest.pop(key, None)
    address = text(host) if host is not None else ""
    if ":" in address and not address.startswith("[") and address.count(":") > 1:
        address = f"[{address}]"
    if address and port is not None and port != _DEFAULT_PORTS.get(scheme):
        address = f"{address}:{port}"
    whole = f"{scheme}://{address}{text(path)}" if address else text(path)
    return f"{whole}?{text(query)}" if query else whole
