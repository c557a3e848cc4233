"""All that a patch may use of obsv."""

from __future__ import annotations

from ..guard import guard
from ..hotpath.around import Switch
from ..hotpath.errors import type_name
from ..hotpath.headers import extract, inject, listen, outgoing
from ..hotpath.metrics import METER, Histogram, instrument
from ..hotpath.secrets import REDACTED, redact_query
from ..hotpath.span import (
    CLIENT,
    CONSUMER,
    ERROR,
    INTERNAL,
    NOOP,
    PRODUCER,
    SERVER,
    Remote,
    Scope,
    Span,
    attach,
    current,
    current_span,
    detach,
    new_span,
    start_span,
    suppressed,
)
from ._patch import Patch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..settings import Settings

__all__ = [
    "CLIENT",
    "CONSUMER",
    "ERROR",
    "INTERNAL",
    "METER",
    "NOOP",
    "PRODUCER",
    "REDACTED",
    "SERVER",
    "Histogram",
    "Patch",
    "Remote",
    "Scope",
    "Span",
    "Switch",
    "attach",
    "current",
    "current_span",
    "detach",
    "extract",
    "guard",
    "http_status",
    "inject",
    "instrument",
    "listen",
    "new_span",
    "outgoing",
    "redact_query",
    "settings",
    "start_span",
    "suppressed",
    "type_name",
]


def settings() -> Settings:
    """Return the settings in force."""
    from . import in_force

    return in_force()


def http_status(span: Span, status: int) -> None:
    """Set a response's status on an HTTP span (semantic conventions, "HTTP spans": 5xx is an error, 4xx one for clients
    only)."""
    span.set_attribute("http.response.status_code", status)
    if status >= 500 or (status >= 400 and span.kind_value == CLIENT):
        span.set_attribute("error.type", str(status))
        if span.status_value == 0:
            span.status_value = ERROR
