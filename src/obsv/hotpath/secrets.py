"""Secrets that stand in texts: values of known query keys, and passwords in URLs."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re

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

_in_text: tuple[re.Pattern[str], re.Pattern[str]] | None = None


def redact_query(query: str) -> str:
    """Return a query string without the values of secret keys (semantic conventions, ``url.query``).

    >>> redact_query("sig=abc&page=2")
    'sig=REDACTED&page=2'
    """
    pairs = query.split("&")
    for index, pair in enumerate(pairs):
        key, equals, _value = pair.partition("=")
        if equals and key.lower() in SECRET_KEYS:
            pairs[index] = f"{key}={REDACTED}"
    return "&".join(pairs)


def redact_text(text: str) -> str:
    """Return a text, such as an exception's, without the secrets of the URLs that it quotes.

    >>> redact_text("no answer from https://me:pw@shop/x?token=abc&page=2")
    'no answer from https://REDACTED@shop/x?token=REDACTED&page=2'
    """
    global _in_text
    if "=" not in text and "://" not in text:
        return text
    if _in_text is None:
        import re

        keys = "|".join([re.escape(key) for key in sorted(SECRET_KEYS)])
        _in_text = (
            re.compile(rf"([?&](?:{keys})=)[^&#\s'\"<>]+", re.IGNORECASE),
            re.compile(r"(://)[^/?#\s'\"@]{1,512}@"),
        )
    query, user = _in_text
    return user.sub(rf"\1{REDACTED}@", query.sub(rf"\1{REDACTED}", text))
