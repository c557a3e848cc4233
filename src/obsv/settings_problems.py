"""What is wrong with a setting, in one line. Loaded only when something is wrong.

OBSV_SAMPLE='2' (environment): expected a number from 0 to 1; using 1.0 (default)
sampel=0.5 (/srv/shop/obsv.toml): no such setting, did you mean 'sample'?; ignored
"""

from __future__ import annotations

from .settings_table import OTHER_VARIABLES, SETTINGS, Setting
from .settings_wire import mask_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .settings_parse import InvalidError

_SECRET_WORDS = ("header", "token", "secret", "password", "passwd", "auth", "credential", "key", "cookie")


class Problem:
    """One thing that is wrong with the settings. `str(problem)` is the line for people, without secrets.

    `key` and `origin` say where it was written, `value` is the masked text of what was written, `reason` says what
    is wrong and what is allowed, `outcome` what happens now.
    """

    __slots__ = ("key", "origin", "outcome", "reason", "value")

    def __init__(self, key: str, value: str, origin: str, reason: str, outcome: str = "") -> None:
        self.key = key
        self.value = value
        self.origin = origin
        self.reason = reason
        self.outcome = outcome

    def __str__(self) -> str:
        written = f"{self.key}={self.value}" if self.value else self.key
        return printable(f"{written} ({self.origin}): {self.reason}; {self.outcome}")

    def __repr__(self) -> str:
        return f"<Problem {self}>"


def wrong_value(setting: Setting[object], key: str, value: object, origin: str, error: InvalidError) -> Problem:
    """The problem of a value that `setting` does not allow; the outcome is still to be filled in."""
    if error.key is not None:
        key, value = error.key, error.value
    mask = setting.kind.mask
    text = mask(value) if mask is not None and isinstance(value, str) else brief(value)
    if setting.kind.secret:
        text = "***"
    elif mask is not None:
        text = brief(text)
    return Problem(key, text, origin, error.allowed if error.plain else f"expected {error.allowed}")


def unknown_variable(key: str, value: str) -> Problem:
    """The problem of an OBSV_ variable that nobody reads."""
    variables = [setting.env for setting in SETTINGS.values()] + list(OTHER_VARIABLES)
    return _unknown(key, value, "environment", variables)


def unknown_key(key: str, value: object, origin: str) -> Problem:
    """The problem of a key in a file, a mapping or the arguments that is no setting's name."""
    return _unknown(key, value, origin, list(SETTINGS))


def _unknown(key: str, value: object, origin: str, known: Iterable[str]) -> Problem:
    meant = closest(key, known)
    reason = f"no such setting, did you mean {meant!r}?" if meant else "no such setting (`obsv doctor` lists them all)"
    hidden = any(word in f"{key} {meant}".lower() for word in _SECRET_WORDS)
    return Problem(key, "***" if hidden else brief(value), origin, reason, "ignored")


def closest(key: str, known: Iterable[str]) -> str | None:
    """The member of `known` that `key` is most likely a misspelling of, or None."""
    from difflib import get_close_matches

    names = {name.lower(): name for name in known}
    text = key.lower().replace(".", "_").replace("-", "_")
    if text in names:
        return names[text]
    # shortened words ("env" for "environment") look unlike for difflib
    longer = [name for name in names if len(text.removeprefix("obsv_")) >= 3 and name.startswith(text)]
    if len(longer) == 1:
        return names[longer[0]]
    close = get_close_matches(text, names, n=1, cutoff=0.75)
    return names[close[0]] if close else None


def brief(value: object) -> str:
    """A value as it was written, on one line, at most 60 characters, without a password in a URL."""
    if isinstance(value, str) and "://" in value:
        value = mask_url(value)
    try:
        if isinstance(value, dict):  # its values may be secret
            text = "{" + ", ".join([f"{key}: ..." for key in value]) + "}"
        else:
            text = repr(value)
    except Exception:  # noqa: BLE001 - a foreign __repr__ may do anything
        text = f"<{type(value).__name__}>"
    return shorten(printable(" ".join(text.split())))


def shorten(text: str, length: int = 60) -> str:
    """At most `length` characters of `text`, with "…" at the end where something was cut."""
    return text if len(text) <= length else text[: length - 1] + "…"


def printable(text: str) -> str:
    """`text` with its line ends, control characters and lone surrogates as escapes."""
    return text if text.isprintable() else "".join([c if c.isprintable() else ascii(c)[1:-1] for c in text])
