"""Names whose values are secret: which they are, and how they are told in whatever way they are written.

A name counts as it ends: ``db_password``, ``stripeToken`` and ``X-Api-Key`` are secret, ``password_length``,
``tokens_used`` and ``author`` are not. Capitals, ``_``, ``-`` and numbers at the end make no difference. Of a name with
dots the last part counts (``http.request.header.authorization``), of one with brackets what is in them
(``user[password]``).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

NAMES = (
    "password", "passwd", "passphrase", "passcode", "pwd", "secret", "secrets", "passwords", "credential",
    "credentials", "token", "access_tokens", "refresh_tokens", "auth_tokens", "api_tokens", "jwt",
    "api_key", "api_keys", "access_key", "access_key_id", "secret_key", "private_key", "encryption_key", "signing_key",
    "master_key", "account_key", "shared_key", "ssh_key", "auth_key", "service_key", "subscription_key",
    "authorization", "cookie", "cookies", "session_id", "sessid", "csrf", "xsrf",
    "credit_card", "credit_card_number", "card_number", "cc_number", "cvv", "cvc", "cvn", "card_security_code",
    "ssn", "social_security_number", "otp", "totp", "mfa_code", "pin_code",
)  # fmt: skip
"""Names that are secret, also as the end of a longer one."""

WHOLE = ("session", "auth", "pass", "pin", "sid", "bearer")
"""Names that are secret, but not as the end of a longer one: ``training_session``, ``compass``."""

ENDINGS = (
    "password", "passwd", "passphrase", "secret", "token", "apikey", "accesskey", "secretkey", "privatekey",
    "accesskeyid", "sessionid", "sessid",
)  # fmt: skip
"""What no harmless word ends with, so that ``dbpassword`` and ``accesstoken`` are found."""

HARMLESS = (
    "nexttoken", "pagetoken", "continuationtoken", "cancellationtoken", "startingtoken", "markertoken", "synctoken",
    "pertoken", "inputtoken", "outputtoken", "prompttoken", "completiontoken", "firsttoken", "lasttoken", "eostoken",
    "bostoken", "padtoken", "unktoken", "masktoken", "septoken", "clstoken", "maxtoken", "stoptoken", "unexpectedtoken",
)  # fmt: skip
"""Ends of names that look secret and are not: places in lists of results, what language models count."""

PARAMETERS = ("signature", "sig", "x_amz_signature", "x_goog_signature")
"""Names that are secret in a URL's query only (semantic conventions, ``url.query``; the other two of its list are among
``NAMES``)."""

ABOUT = frozenset(("value", "hash", "header", "old", "new", "confirm", "confirmation"))
"""Words that may come behind a name."""

MAX_KEPT = 4096
"""Names that are remembered; a program may make names up."""

_TAIL, _HASHES = 6, 8191  # as in _scan.pxd
_LONGEST = 256  # characters of a name that are read: a text may hold one of any length


def words(key: str) -> list[str]:
    """Split the part of a name that counts, in lower case.

    >>> words("http.request.header.X-ApiKey2")
    ['x', 'api', 'key']
    """
    key = key.rstrip("0123456789_-.")
    if key.endswith("]"):
        key = key.rpartition("[")[2].strip("]'\"").rstrip("0123456789_-.")
    key = key.rpartition(".")[2]
    found: list[str] = []
    word = ""
    for index, letter in enumerate(key):
        if letter == "_" or letter == "-" or letter == " ":
            if word:
                found.append(word)
            word = ""
            continue
        if letter.isupper() and word:
            # "apiKey" and the end of "HTTPToken"
            follows = key[index + 1 : index + 2]
            if not key[index - 1].isupper() or (follows.islower() and len(word) > 1):
                found.append(word)
                word = ""
        word += letter.lower()
    if word:
        found.append(word)
    return found


class Names:
    """A set of names.

    Args:
        changes: More of them; with ``-`` in front what is to be left out.
    """

    def __init__(self, changes: Iterable[str] = ()) -> None:
        kept = dict.fromkeys(NAMES)
        whole = dict.fromkeys(WHOLE)
        endings = dict.fromkeys(ENDINGS)
        for change in changes:
            name = "_".join(words(change.lstrip("-")))
            if not change.startswith("-"):
                kept[name] = None
                continue
            joined = name.replace("_", "")
            for names in (kept, whole, endings):
                for other in list(names):
                    if other.replace("_", "") == joined:
                        del names[other]
        self.names = frozenset(kept) | {name.replace("_", "") for name in kept}
        self.whole = frozenset(whole)
        self.endings = tuple(endings)
        self._known: dict[str, bool] = {}

    def secret(self, key: str) -> bool:
        """Tell whether the values of this name are secret."""
        if len(key) > _LONGEST:
            key = key.rstrip("0123456789_-.")[-_LONGEST:]  # it counts as it ends
        known = self._known.get(key)
        if known is None:
            known = self._secret(words(key))
            if len(self._known) < MAX_KEPT and len(key) < _LONGEST:
                self._known[key] = known
        return known

    def _secret(self, found: list[str]) -> bool:
        if not found:
            return False
        joined = "".join(found)
        if joined in self.whole:
            return True
        if joined.endswith(HARMLESS):
            return False
        if self._ends(found):
            return True
        return len(found) > 1 and found[-1] in ABOUT and self._ends(found[:-1])

    def _ends(self, found: list[str]) -> bool:
        if found[-1].endswith(self.endings):
            return True
        return any("_".join(found[index:]) in self.names for index in range(len(found)))

    def parameter(self, key: str) -> bool:
        """Tell whether the values of this name are secret in a URL's query."""
        name = key.lower().replace("-", "_")
        return name in PARAMETERS or self.secret(key)

    def tails(self) -> set[str]:
        """Return what a text has before ``=`` or ``:`` where a secret may follow: the last letters of each name."""
        tails: set[str] = set()
        for name in (*self.names, *self.whole, *self.endings, *PARAMETERS):
            # "accessKey_id" has one of its borders written, in lower case.
            written = [""]
            for word in name.split("_"):
                written = [f"{before}{mark}{word}" for before in written for mark in ("_", "") if before or not mark]
            tails.update(written)
            if name not in self.whole:
                tails |= {f"{each}{mark}{word}" for each in written for mark in ("_", "") for word in ABOUT}
        return {_tail(name) for name in tails} - {""}


def _tail(name: str) -> str:
    end = start = len(name)
    while start > 0 and (name[start - 1] == "_" or "a" <= name[start - 1] <= "z") and end - start < _TAIL:
        start -= 1
    return name[start:]


def table(names: Names | None, tokens: bool, cards: bool, emails: bool) -> bytes:
    """Return what texts are passed over with: see ``hotpath/_scan.pxd``."""
    made = bytearray(256 + _HASHES)

    def note(letters: str, bit: int) -> None:
        for letter in letters:
            made[ord(letter)] |= bit

    if names is not None:
        note("=:-", 1)
        for tail in names.tails():
            number = 0
            for letter in reversed(tail):
                number = (number * 33 + ord(letter)) & 0xFFFFFFFF
            made[256 + number % _HASHES] |= 1 << len(tail)
    if tokens:
        note(":-JI_./Bb", 2)
    if cards:
        note("23456", 1)
    if emails:
        note("@", 1)
    return bytes(made)


def text_of(key: Any) -> str:
    """Return a name of any type as text; empty where it is none."""
    if type(key) is str:
        return key
    if isinstance(key, str):
        return str.__str__(key)
    return key.decode("latin-1") if isinstance(key, bytes) else ""
