"""What Application Signals calls the operations of a service and what it depends on, from the attributes of spans.

The rules are those of AWS's OpenTelemetry distribution for Python (``_aws_metric_attribute_generator.py`` and
``_aws_span_processing_util.py``), so a service that moves over stays the same service there. They are applied to old
and new names of the semantic conventions alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from obsv.hotpath.span import SERVER

from .resources import escaped, resource_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from obsv.hotpath.span import Span

    Attributes = Mapping[str, Any]

UNKNOWN_OPERATION = "UnknownOperation"
UNKNOWN_REMOTE_SERVICE = "UnknownRemoteService"
UNKNOWN_REMOTE_OPERATION = "UnknownRemoteOperation"
INTERNAL_OPERATION = "InternalOperation"

_DATABASE = ("db.system.name", "db.system", "db.operation.name", "db.operation", "db.query.text", "db.statement")
_MESSAGING = ("messaging.operation.type", "messaging.operation.name", "messaging.operation")
_URL = ("url.full", "http.url")
_PATH = ("url.path", "http.target", *_URL)
_METHOD = ("http.request.method", "http.method")
_PORTS = {"http": 80, "https": 443}
_MAX_KEYWORD = 27  # characters of the longest SQL keyword

# The SDK's names of services whose resources are called otherwise (AWS Cloud Control, "Resource types").
_SERVICES = {
    "Bedrock Agent": "AWS::Bedrock",
    "Bedrock Agent Runtime": "AWS::Bedrock",
    "Bedrock Runtime": "AWS::BedrockRuntime",
    "Bedrock AgentCore": "AWS::BedrockAgentCore",
    "Bedrock AgentCore Control": "AWS::BedrockAgentCore",
    "Secrets Manager": "AWS::SecretsManager",
    "SFN": "AWS::StepFunctions",
}


class Remote(NamedTuple):
    """What a span asked of somebody else. ``kind`` and ``identifier`` name the resource, where there is one, and
    ``primary`` is how CloudFormation identifies it."""

    service: str
    operation: str
    environment: str | None = None
    kind: str | None = None
    identifier: str | None = None
    primary: str | None = None


def operation_of(span: Span, attributes: Attributes, local_root: bool, function: str | None = None) -> str:
    """Return the operation of a server span or local root.

    Args:
        span: Its name counts, unless that is no more than the request's method.
        attributes: Its attributes.
        local_root: Whether its parent is in another process, or nowhere.
        function: The name of the Lambda function that this is.
    """
    if function is not None and local_root:
        return f"{function}/FunctionHandler"
    if span.kind_value != SERVER:
        return INTERNAL_OPERATION
    method = _first(attributes, _METHOD)
    if span.name and span.name not in (method, UNKNOWN_OPERATION):
        return span.name
    path = _first(attributes, _PATH)
    if path is None:
        return UNKNOWN_OPERATION
    return f"{method} {first_segment(path)}" if method else first_segment(path)


def first_segment(url: str) -> str:
    """Return the first part of a URL's path: more of it would tell too many apart.

    >>> first_segment("/payment/1234?x=1"), first_segment("http://shop:8000/a/b"), first_segment("")
    ('/payment', '/a', '/')
    """
    if "://" in url:
        url = _split(url)[1]
    path = url.partition("?")[0].partition("#")[0].split("/")
    return "/" + path[1] if len(path) > 1 else "/"


def remote_of(attributes: Attributes) -> Remote:
    """Return what a client, producer or consumer span asked, and whom."""
    service, operation = _named(attributes)
    if "aws.remote.service" not in attributes:
        service = _first(attributes, ("peer.service", "service.peer.name")) or service
    aws = is_aws(attributes)
    environment = None
    if aws and attributes.get("rpc.service") == "Lambda" and attributes.get("rpc.method") == "Invoke":
        # A function that is called is a service of its own, and not a resource.
        service = _first(attributes, ("aws.lambda.function.name", "faas.invoked_name")) or UNKNOWN_REMOTE_SERVICE
        return Remote(service, "Invoke", "lambda:default")
    kind = identifier = primary = None
    if aws:
        kind, identifier, primary = resource_of(attributes)
    elif _first(attributes, _DATABASE) is not None:
        identifier = primary = _connection(attributes)
        kind = None if identifier is None else "DB::Connection"
    return Remote(
        service or _address(attributes) or UNKNOWN_REMOTE_SERVICE,
        operation or _requested(attributes),
        environment,
        kind,
        identifier,
        primary,
    )


def is_aws(attributes: Attributes) -> bool:
    """Tell whether a span is a call of AWS's SDK (semantic conventions, "AWS SDK")."""
    return attributes.get("rpc.system") == "aws-api" or attributes.get("rpc.system.name") == "aws-api"


def _named(attributes: Attributes) -> tuple[str | None, str | None]:
    """Return service and operation as the most telling attributes name them; None for what they leave open."""
    if "aws.remote.service" in attributes or "aws.remote.operation" in attributes:
        return (
            _first(attributes, ("aws.remote.service",)) or UNKNOWN_REMOTE_SERVICE,
            _first(attributes, ("aws.remote.operation",)) or UNKNOWN_REMOTE_OPERATION,
        )
    if "rpc.service" in attributes or "rpc.method" in attributes:
        service = _first(attributes, ("rpc.service",))
        if service is not None and is_aws(attributes):
            service = _SERVICES.get(service, f"AWS::{service}")
        return service, _first(attributes, ("rpc.method",))
    if _first(attributes, _DATABASE) is not None:
        operation = _first(attributes, ("db.operation.name", "db.operation"))
        return _first(attributes, ("db.system.name", "db.system")), operation or _keyword(attributes)
    if "faas.invoked_name" in attributes or "faas.trigger" in attributes:
        return _first(attributes, ("faas.invoked_name",)), _first(attributes, ("faas.trigger",))
    if "messaging.system" in attributes or _first(attributes, _MESSAGING) is not None:
        return _first(attributes, ("messaging.system",)), _first(attributes, _MESSAGING)
    if "graphql.operation.type" in attributes:
        return "graphql", _first(attributes, ("graphql.operation.type",))
    return None, None


def _keyword(attributes: Attributes) -> str:
    words = (_first(attributes, ("db.query.text", "db.statement")) or "").lstrip()[:_MAX_KEYWORD].split(None, 1)
    return words[0].upper() if words and words[0].isalpha() else UNKNOWN_REMOTE_OPERATION


def _address(attributes: Attributes) -> str | None:
    """Return whom a request went to, without the port that its scheme has anyway."""
    url = _first(attributes, _URL)
    scheme = url.partition("://")[0].lower() if url else ""
    for name, port in (
        ("server.address", "server.port"),
        ("net.peer.name", "net.peer.port"),
        ("network.peer.address", "network.peer.port"),
        ("net.sock.peer.addr", "net.sock.peer.port"),
    ):
        host = _first(attributes, (name,))
        if host is not None:
            number = attributes.get(port)
            return host if not number or _PORTS.get(scheme) == number else f"{host}:{number}"
    return _split(url)[0] or None if url else None


def _requested(attributes: Attributes) -> str:
    url, method = _first(attributes, _URL), _first(attributes, _METHOD)
    path = first_segment(url) if url else UNKNOWN_REMOTE_OPERATION
    return f"{method} {path}" if method else path


def _connection(attributes: Attributes) -> str | None:
    """Return ``[database|]address[|port]``."""
    for name, port in (("server.address", "server.port"), ("net.peer.name", "net.peer.port")):
        address = _first(attributes, (name,))
        if address is not None:
            parts = [_first(attributes, ("db.namespace", "db.name")), address, attributes.get(port)]
            return "|".join([escaped(str(part)) for part in parts if part])
    return None


def _first(attributes: Attributes, names: tuple[str, ...]) -> str | None:
    for name in names:
        value = attributes.get(name)
        if value is not None and value != "":
            return value if type(value) is str else str(value)
    return None


def _split(url: str) -> tuple[str, str]:
    """Return host (with port) and path of a URL; both empty where it is none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    return parts.netloc.rpartition("@")[2], parts.path
