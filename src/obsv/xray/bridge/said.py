"""What is said about a segment or subsegment, as attributes of its span.

Where OpenTelemetry's conventions have a word, it is theirs; where only X-Ray has one, it is that of AWS's exporter for
the collector (``aws.xray.annotations``, ``aws.xray.metadata.<namespace>``, ``aws.local.service``,
``aws.remote.service``). So other sinks say the same, and a collector behind them writes the same segment.
"""

from __future__ import annotations

from obsv.hotpath.jsontext import dumps

from ..names import without_password

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from obsv.hotpath.span import Span

ANNOTATIONS = "aws.xray.annotations"
METADATA = "aws.xray.metadata."
SQL = "aws.xray.sql."
FLAG = "aws.xray."
LOCAL_SERVICE = "aws.local.service"
REMOTE_SERVICE = "aws.remote.service"

HTTP = {
    "url": "url.full",
    "method": "http.request.method",
    "user_agent": "user_agent.original",
    "client_ip": "client.address",
    "x_forwarded_for": "aws.xray.x_forwarded_for",
    "status": "http.response.status_code",
    "content_length": "http.response.body.size",
}
"""The keys of ``put_http_meta``."""

_AWS = {
    "operation": "aws.operation",
    "region": "aws.region",
    "account_id": "aws.account_id",
    "request_id": "aws.request_id",
    "id_2": "aws.extended_request_id",
    "queue_url": "aws.queue_url",
    "table_name": "aws.table_name",
    "retries": "http.request.resend_count",
}

_SYSTEMS = {"mssql": "microsoft.sql_server", "oracle": "oracle.db", "postgres": "postgresql"}

MAX_DEPTH = 16
MAX_ITEMS = 10_000


def aws(span: Span, said: Mapping[str, Any]) -> None:
    """Say what ``set_aws`` was given of an AWS call."""
    for key, value in said.items():
        if value is not None:
            span.set_attribute(_AWS.get(key) or f"aws.{key}", plain(value))
    if "operation" in said:
        span.set_attribute("rpc.system", "aws-api")


def sql(span: Span, said: Mapping[str, Any]) -> None:
    """Say what ``set_sql`` was given of a statement. No password goes along."""
    for key, value in said.items():
        if value is None:
            continue
        if key == "sanitized_query":
            span.set_attribute("db.query.text", value)
        elif key == "user":
            span.set_attribute("db.user", value)
        elif key in ("url", "connection_string"):
            span.set_attribute(SQL + key, without_password(str(value)))
        else:
            span.set_attribute(SQL + str(key), value)
            if key == "database_type":
                system = str(value).lower()
                span.set_attribute("db.system.name", _SYSTEMS.get(system, system))


def metadata(span: Span, namespace: str, members: Mapping[Any, Any]) -> dict[Any, Any]:
    """Say what ``put_metadata`` was given for one namespace, and return it as what JSON has."""
    made = plain(members)
    span.set_attribute(METADATA + namespace, dumps(made))
    return made if isinstance(made, dict) else {}


def plain(value: Any) -> Any:
    """Return a value as what JSON has: of an object its public members, as aws-xray-sdk shows it.

    Bounded in depth and in number; what holds itself, and an exception, becomes its text.
    """
    return _Walk().plain(value)


class _Walk:
    __slots__ = ("inside", "left")

    def __init__(self) -> None:
        self.inside: list[int] = []
        self.left = MAX_ITEMS

    def plain(self, value: Any) -> Any:
        if value is None or type(value) in (str, bool, int, float, bytes):
            return value
        if id(value) in self.inside or len(self.inside) >= MAX_DEPTH or self.left <= 0:
            return "…"
        self.inside.append(id(value))
        try:
            return self._other(value)
        except Exception:  # noqa: BLE001 - the value's own methods: it loses only itself
            return f"<{type(value).__name__}>"
        finally:
            self.inside.pop()

    def _other(self, value: Any) -> Any:
        if isinstance(value, (type, BaseException, str)):
            return str(value)
        if isinstance(value, dict) or (hasattr(value, "keys") and hasattr(value, "__getitem__")):
            return {str(key): self._item(value[key]) for key in list(value.keys())[: self.left]}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self._item(item) for item in list(value)[: self.left]]
        members = getattr(value, "__dict__", None)
        # An iterator is not gone through: that would take the program's items away.
        public: dict[str, Any] = {}
        for key, item in list(members.items())[: self.left] if isinstance(members, dict) else ():
            if not str(key).startswith("_") and not callable(item):
                public[str(key)] = self._item(item)
        return public or (value if isinstance(value, (int, float, bytes)) else str(value))

    def _item(self, value: Any) -> Any:
        self.left -= 1
        return self.plain(value)
