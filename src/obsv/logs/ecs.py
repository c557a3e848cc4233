"""What is particular to log lines in the Elastic Common Schema, with dotted keys."""

from __future__ import annotations

from ..hotpath.errors import safe_text
from ..hotpath.jsontext import dumps, quote
from .exceptions import stack_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from typing import Any

    from ..hotpath.records import LogRecord

VERSION = "8.11.0"
"""The version of the schema (``ecs.version``)."""

_SETS = frozenset(
    (
        "agent", "as", "client", "cloud", "container", "data_stream", "destination", "device", "dll", "dns", "email",
        "error", "event", "faas", "file", "geo", "group", "host", "http", "log", "network", "observer", "orchestrator",
        "organization", "package", "process", "registry", "related", "rule", "server", "service", "source", "threat",
        "tls", "trace", "transaction", "url", "user", "user_agent", "vulnerability",
    )
)  # fmt: skip
"""Field sets of the Elastic Common Schema: a field ``http.request.method`` is one of its own and stays as it is."""


_PLAIN = frozenset((str, bool, int, float, type(None)))


def error(key: str, record: LogRecord) -> str:
    """Return ``error.type``, ``error.message`` and ``error.stack_trace``."""
    failure = record.error
    if failure is None:
        return ""
    return (
        f",{quote(key + '.type')}:{quote(failure.type)},{quote(key + '.message')}:{quote(failure.message)}"
        f",{quote(key + '.stack_trace')}:{quote(stack_text(failure))}"
    )


def origin(key: str, record: LogRecord) -> str:
    """Return ``log.origin.file.name`` and ``log.origin.file.line``."""
    code = record.code
    if code is None:
        return ""
    name = safe_text(code[0]).rpartition("/")[2]
    return f",{quote(key + '.name')}:{quote(name)},{quote(key + '.line')}:{dumps(code[1])}"


def fields(key: str, record: LogRecord, taken: AbstractSet[str]) -> str:
    """Return the fields: those of the schema's own field sets as they are, all others as labels.

    Args:
        key: Where the labels are; empty for nowhere.
        record: Whose fields.
        taken: The keys of the line's members.
    """
    own = ""
    labels: dict[str, Any] = {}
    for name, value in (record.all_fields or {}).items():
        text = safe_text(name)
        if "." in text and text.partition(".")[0] in _SETS and not _is_taken(text, taken):
            own += f",{quote(text)}:{dumps(value)}"
        else:
            # No dots in their names, no structures in them (Elastic Common Schema, "labels").
            label = text.replace(".", "_")
            while label in labels:
                label += "_"
            labels[label] = value if type(value) in _PLAIN else _text(value)
    return own + (f",{quote(key)}:{dumps(labels)}" if labels and key else "")


def _is_taken(name: str, taken: AbstractSet[str]) -> bool:
    return name in taken or any([name.startswith(key + ".") for key in taken])


def _text(value: Any) -> str:
    """Return an object's text, or a structure's JSON."""
    written = dumps(value)
    if written.startswith('"'):
        import json

        return str(json.loads(written))
    return written
