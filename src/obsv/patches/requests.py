"""requests: one client span for each request on the wire, so each redirect and each answer to a challenge has its own.

The adapter is where a request leaves, whoever sends it. ``Session.send`` calls itself for redirects inside itself,
which would put the second request under the first. A span ends when the response's headers are there; the body is
read later, by whoever wants it.
"""

from __future__ import annotations

from ..hotpath.urllib3_client import describe_answer, describe_prepared
from ._api import Patch

patch = Patch("requests", requires="requests >= 2.25", semconv="http/http-spans (client)")

patch.client("requests.adapters:HTTPAdapter.send", wanted=("request",), answer=describe_answer)(describe_prepared)
