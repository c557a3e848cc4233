"""What HTTP servers and clients share: known methods, default ports, and the secrets of a query string."""

from __future__ import annotations

METHODS = frozenset(("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"))
"""Methods that name spans and series; any other one is ``_OTHER`` (semantic conventions, ``http.request.method``)."""

PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
"""The port of a scheme, where none is named."""

SECRET_KEYS = frozenset(
    (
        # The list of the semantic conventions (``url.full``, ``url.query``) ...
        "awsaccesskeyid",
        "signature",
        "sig",
        "x-goog-signature",
        # ... what else a presigned URL is made of, and the names under which credentials travel most.
        "x-amz-credential",
        "x-amz-security-token",
        "x-amz-signature",
        "x-goog-credential",
        "access_token",
        "api_key",
        "apikey",
        "auth_token",
        "client_secret",
        "password",
        "refresh_token",
        "secret",
        "token",
    )
)
"""Query keys, in lower case, whose values never leave the process."""

REDACTED = "REDACTED"


def redacted(query: str) -> str:
    """Return a query string without the values of secret keys (semantic conventions, ``url.query``).

    >>> redacted("sig=abc&page=2")
    'sig=REDACTED&page=2'
    """
    pairs = query.split("&")
    for index, pair in enumerate(pairs):
        key, equals, _value = pair.partition("=")
        if equals and key.lower() in SECRET_KEYS:
            pairs[index] = f"{key}={REDACTED}"
    return "&".join(pairs)
