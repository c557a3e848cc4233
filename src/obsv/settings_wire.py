"""Settings that end up on the wire: HTTP headers, URLs, addresses of daemon and agent, CloudWatch's names.

Headers and URLs may carry secrets, so each has a `mask_...` function for whatever is printed.
"""

from __future__ import annotations

from .settings_lists import unquote, words
from .settings_parse import NOTHING, InvalidError, Kind, show_plain, writable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# ---- keys of log lines

KEYS_ALLOWED = "name=key pairs separated by commas (level=severity; nothing behind the = leaves the member out)"


def _pairs(value: object, allowed: str, read: Callable[[str], str]) -> list[tuple[object, object]]:
    """Return the pairs of a mapping, or of a text such as ``a=b,c=d`` whose names and values are read by ``read``; a
    name without ``=`` has None."""
    if isinstance(value, str):
        split = [item.partition("=") for item in value.split(",") if item.strip()]
        return [(read(name), read(text) if mark else None) for name, mark, text in split]
    items = getattr(value, "items", None)
    if items is None or isinstance(value, type):
        raise InvalidError(allowed)
    try:
        return list(items())
    except Exception:  # noqa: BLE001 - a foreign mapping may do anything
        raise InvalidError(allowed) from None


def parse_keys(value: object) -> dict[str, str]:
    """Members of a log line and the keys under which they are written: a mapping, or ``level=severity,logger=``."""
    pairs = _pairs(value, KEYS_ALLOWED, str.strip)
    result: dict[str, str] = {}
    wrong = False
    for member, text in pairs:
        known = isinstance(member, str) and member in LOG_MEMBERS
        if known and isinstance(text, str) and len(text) < 256 and writable(text):
            result[str(member)] = text
        else:
            wrong = True
    if wrong:
        allowed = f"{KEYS_ALLOWED}; members are {', '.join(LOG_MEMBERS)}"
        raise InvalidError(allowed, usable=result if result else NOTHING)
    return result


ORDER_ALLOWED = "names of members of a log line, separated by commas"
LOG_MEMBERS = (
    "timestamp", "level", "severity_number", "logger", "message", "service", "version", "environment", "trace_id",
    "span_id", "trace_flags", "xray_trace_id", "location", "function", "exception", "exception_name", "fields",
)  # fmt: skip
"""What a log line may consist of; ``fields`` stands for those of the call, of ``bind`` and of the context."""


def parse_order(value: object) -> tuple[str, ...]:
    """Members of a log line, each once."""
    names = [word.lower() for word in words(value, ORDER_ALLOWED)]
    known = tuple(dict.fromkeys([name for name in names if name in LOG_MEMBERS]))
    if any([name not in LOG_MEMBERS and name != "none" for name in names]):
        allowed = f"{ORDER_ALLOWED}: {', '.join(LOG_MEMBERS)}"
        raise InvalidError(allowed, usable=known if known else NOTHING)
    return known


# ---- what else is logged, and by what requests are known

HOOKS = ("exceptions", "threads", "unraisable", "warnings")
_HOOKS_ALLOWED = f"some of {', '.join(HOOKS)}, or none"


def parse_hooks(value: object) -> tuple[str, ...]:
    """Which of Python's own hooks are listened to; true and false for all and none."""
    if isinstance(value, bool):
        return HOOKS if value else ()
    names = [word.lower() for word in words(value, _HOOKS_ALLOWED)]
    known = tuple([name for name in HOOKS if name in names or names == ["all"]])
    if any([name not in HOOKS and name not in ("none", "all") for name in names]):
        raise InvalidError(_HOOKS_ALLOWED, usable=known if known else NOTHING)
    return known


HEADER_NAMES_ALLOWED = "names of HTTP headers separated by commas, or none"


def parse_header_names(value: object) -> tuple[str, ...]:
    """Names of headers in lower case, each once."""
    if value is False:
        return ()
    names = [word.lower() for word in words(value, HEADER_NAMES_ALLOWED)]
    good = tuple(dict.fromkeys([name for name in names if _TOKEN.issuperset(name) and name != "none"]))
    if len(good) < len({name for name in names if name != "none"}):
        raise InvalidError(HEADER_NAMES_ALLOWED, usable=good if good else NOTHING)
    return good


# ---- headers

HEADERS_ALLOWED = "name=value pairs separated by commas, values percent-encoded"
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")  # RFC 9110, "Tokens"


def _decoded(text: str) -> str:
    return unquote(text.strip())


def parse_headers(value: object) -> dict[str, str]:
    """HTTP headers: a mapping, or the text of OTEL_EXPORTER_OTLP_HEADERS. Names come back in lower case.

    Values are percent-decoded; plain ones that other SDKs take ("authorization=Bearer x y") are taken too. A header
    that HTTP cannot carry is left out.
    Source: OpenTelemetry protocol exporter, "Specifying headers via environment variables".
    """
    pairs = _pairs(value, HEADERS_ALLOWED, _decoded)
    result: dict[str, str] = {}
    wrong = False
    for key, content in pairs:
        name = key.strip().lower() if isinstance(key, str) else ""
        if not name or not _TOKEN.issuperset(name) or not isinstance(content, str) or not _header_text(content):
            wrong = True
        else:
            result[name] = content.strip()
    if wrong:
        raise InvalidError(HEADERS_ALLOWED, usable=result if result else NOTHING)
    return result


def _header_text(text: str) -> bool:
    # control characters would end the header; http.client encodes as Latin-1
    return writable(text) and all(c <= "\xff" for c in text)


def mask_headers(value: object) -> str:
    """Header names with their values hidden: "api-key=***"."""
    if isinstance(value, dict):
        return ",".join([f"{name}=***" for name in value]) or "none"
    return "none" if value is None else "***"


# ---- addresses

URL_ALLOWED = "a URL such as http://localhost:4318"


def parse_url(value: object) -> str:
    """An http or https URL. One without a scheme ("collector:4318") stays as it is: the reader adds the scheme."""
    if not isinstance(value, str):
        raise InvalidError(URL_ALLOWED)
    url = value.strip()
    scheme, mark, rest = url.partition("://")
    if not mark:
        rest = url
    elif scheme.lower() not in ("http", "https"):
        raise InvalidError(URL_ALLOWED)
    authority = rest.partition("/")[0].partition("?")[0].partition("#")[0]
    host = authority.rpartition("@")[2]
    if " " in url or not writable(url) or len(url) > 2048:
        raise InvalidError(URL_ALLOWED)
    _host_and_port(host, None, URL_ALLOWED)
    return f"{scheme.lower()}://{rest}" if mark else url


def mask_url(value: object) -> str:
    """The URL without what may be a secret: the password in it and the query."""
    if not isinstance(value, str):
        return show_plain(value)
    head, mark, query = value.partition("?")
    if "@" in head:
        scheme, slashes, rest = head.partition("://")
        if not slashes:
            scheme, rest = "", head
        head = f"{scheme}{slashes}***@{rest.rpartition('@')[2]}"
    return f"{head}?***" if mark and query else head


DAEMON_ALLOWED = 'host:port, or "tcp:host:port udp:host:port"'


def parse_daemon_address(value: object) -> str:
    """The UDP address "host:port" out of AWS_XRAY_DAEMON_ADDRESS, which may name TCP and UDP apart.

    Source: AWS X-Ray SDK for Python, "Environment variables". TCP is for fetching sampling rules.
    """
    if not isinstance(value, str):
        raise InvalidError(DAEMON_ALLOWED)
    parts = value.split()
    if len(parts) == 1:
        address = parts[0].removeprefix("udp:")
    else:
        udp = [part[4:] for part in parts if part.startswith("udp:")]
        tcp = [part[4:] for part in parts if part.startswith("tcp:")]
        if len(parts) != 2 or len(udp) != 1 or len(tcp) != 1:
            raise InvalidError(DAEMON_ALLOWED)
        _host_and_port(tcp[0], 2000, DAEMON_ALLOWED)
        address = udp[0]
    if address.startswith("tcp:"):
        raise InvalidError(DAEMON_ALLOWED)
    host, port = _host_and_port(address, 2000, DAEMON_ALLOWED)
    return f"{host}:{port}"


def parse_tcp_address(value: object) -> str:
    """The TCP address "host:port" out of AWS_XRAY_DAEMON_ADDRESS, where UDP has the same one or its own."""
    udp = parse_daemon_address(value)
    for part in str(value).split():
        if part.startswith("tcp:"):
            host, port = _host_and_port(part[4:], 2000, DAEMON_ALLOWED)
            return f"{host}:{port}"
    return udp


def _host_and_port(text: str, default_port: int | None, allowed: str) -> tuple[str, int | None]:
    """`"[::1]:2000"` -> `("[::1]", 2000)`."""
    if text.startswith("["):
        host, bracket, rest = text.partition("]")
        host += bracket
        if not bracket or len(host) < 4 or (rest and not rest.startswith(":")):
            raise InvalidError(allowed)
        port_text = rest[1:]
    else:
        host, rest, port_text = text.partition(":")
    if not host or not writable(host) or any(c in host for c in " /?#@\\"):
        raise InvalidError(allowed)
    if not rest:
        return host, default_port
    if not (port_text.isascii() and port_text.isdigit() and len(port_text) < 6 and 0 < int(port_text) < 65536):
        raise InvalidError(allowed)
    return host, int(port_text)


AGENT_ALLOWED = "tcp://host:port or udp://host:port"


def parse_agent_endpoint(value: object) -> str:
    """Where the CloudWatch agent takes EMF, from AWS_EMF_AGENT_ENDPOINT. Without a scheme it is TCP, the port is 25888.

    Source: CloudWatch agent, "Embedded metric format": the agent listens on TCP and UDP, port 25888.
    """
    if not isinstance(value, str):
        raise InvalidError(AGENT_ALLOWED)
    scheme, mark, rest = value.strip().partition("://")
    if not mark:
        scheme, rest = "tcp", scheme
    if scheme.lower() not in ("tcp", "udp"):
        raise InvalidError(AGENT_ALLOWED)
    host, port = _host_and_port(rest.removesuffix("/"), 25888, AGENT_ALLOWED)
    return f"{scheme.lower()}://{host}:{port}"


NAMESPACE_ALLOWED = "a CloudWatch namespace: at most 255 of the characters A-Z a-z 0-9 . - _ / # : and blank"
_NAMESPACE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_/#: ")


def parse_namespace(value: object) -> str:
    """A CloudWatch metric namespace. Source: CloudWatch PutMetricData, "Namespace": not starting with ":" or "AWS/"."""
    text = value.strip() if isinstance(value, str) else ""
    if not 0 < len(text) <= 255 or not _NAMESPACE.issuperset(text) or text.startswith((":", "AWS/")):
        raise InvalidError(NAMESPACE_ALLOWED)
    return text


def as_namespace(service: str) -> str:
    """The namespace for a service: its name, with "_" for what CloudWatch does not take."""
    text = "".join([c if c in _NAMESPACE else "_" for c in service])[:255].lstrip(":").strip()
    if text.startswith("AWS/"):
        text = text.replace("AWS/", "AWS_", 1)
    return text or "obsv"


LOG_GROUP_ALLOWED = "a log group's name: at most 512 of the characters A-Z a-z 0-9 . - _ / #, not starting with aws/"
LOG_GROUP_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_/#")


def parse_log_group(value: object) -> str:
    """A log group's name. Source: CloudWatch Logs API reference, "CreateLogGroup"."""
    text = value.strip() if isinstance(value, str) else ""
    if not 0 < len(text) <= 512 or not LOG_GROUP_CHARACTERS.issuperset(text) or text.startswith("aws/"):
        raise InvalidError(LOG_GROUP_ALLOWED)
    return text


def as_log_group(service: str) -> str:
    """The log group for a service: its name, with "_" for what CloudWatch Logs does not take."""
    text = "".join([c if c in LOG_GROUP_CHARACTERS else "_" for c in service])
    if text.startswith("aws/"):  # those are AWS's own
        text = "_" + text
    return text[:512] or "obsv"


LOG_STREAM_ALLOWED = "a log stream's name: at most 512 characters, without : and *"


def parse_log_stream(value: object) -> str:
    """A log stream's name. Source: CloudWatch Logs API reference, "CreateLogStream"."""
    text = value.strip() if isinstance(value, str) else ""
    if not 0 < len(text) <= 512 or not writable(text) or ":" in text or "*" in text:
        raise InvalidError(LOG_STREAM_ALLOWED)
    return text


HEADERS: Kind[dict[str, str]] = Kind(
    "headers", parse_headers, HEADERS_ALLOWED, show=mask_headers, mask=mask_headers, secret=True
)
URL: Kind[str] = Kind(
    "url",
    parse_url,
    URL_ALLOWED,
    show=lambda value: "not set" if value is None else mask_url(value),
    mask=mask_url,
)
DAEMON: Kind[str] = Kind("address", parse_daemon_address, DAEMON_ALLOWED)
AGENT: Kind[str] = Kind("endpoint", parse_agent_endpoint, AGENT_ALLOWED)
TCP: Kind[str] = Kind("address", parse_tcp_address, DAEMON_ALLOWED)
NAMESPACE: Kind[str] = Kind("namespace", parse_namespace, NAMESPACE_ALLOWED)
LOG_GROUP: Kind[str] = Kind("log group", parse_log_group, LOG_GROUP_ALLOWED)
LOG_STREAM: Kind[str] = Kind("log stream", parse_log_stream, LOG_STREAM_ALLOWED)
KEYS: Kind[dict[str, str]] = Kind("keys", parse_keys, KEYS_ALLOWED)
ORDER: Kind[tuple[str, ...]] = Kind("members", parse_order, ORDER_ALLOWED)
HOOK_NAMES: Kind[tuple[str, ...]] = Kind("hooks", parse_hooks, _HOOKS_ALLOWED)
HEADER_NAMES: Kind[tuple[str, ...]] = Kind("header names", parse_header_names, HEADER_NAMES_ALLOWED)
