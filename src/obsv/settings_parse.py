"""What a setting's value may look like: a `Kind` reads text or plain Python values, and says what it allows.

A parser takes whatever a person wrote (text from the environment, a value from a TOML file, an argument of `init`)
and returns the value, or raises `InvalidError` and nothing else. It imports nothing heavy: `init()` loads it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Generic, TypeVar

    T = TypeVar("T")
    T_co = TypeVar("T_co", covariant=True)
else:  # importing `typing` costs more than everything here; only type checkers need the parameter

    class Generic:
        def __class_getitem__(cls, item: object) -> type:
            return cls

    T = T_co = None

NOTHING: object = object()
"""Stands for "no value at all", since None is a value of some settings."""

DAY = 86400.0


class InvalidError(ValueError):
    """A value that its setting does not allow.

    `allowed` completes "expected ...", or is the whole reason when `plain` is true. `usable` is what remains of the
    value when the wrong part of it is left out (a list without its unknown names). `key` and `value` name another
    variable than the one that was read, where that one is to blame.
    """

    def __init__(
        self,
        allowed: str,
        *,
        usable: object = NOTHING,
        plain: bool = False,
        key: str | None = None,
        value: object = NOTHING,
    ) -> None:
        super().__init__(allowed)
        self.allowed = allowed
        self.usable = usable
        self.plain = plain
        self.key = key
        self.value = value


class Kind(Generic[T_co]):
    """A type of value: how it is read, what is allowed, and how people see it.

    `parse` raises InvalidError. `show` writes a value for `obsv doctor`. `mask` writes the raw text of a wrong value
    for a problem line; kinds that carry secrets (headers, URLs) hide them in both.
    """

    __slots__ = ("allowed", "mask", "name", "parse", "secret", "show")

    def __init__(
        self,
        name: str,
        parse: Callable[[object], T_co],
        allowed: str,
        show: Callable[[object], str] | None = None,
        mask: Callable[[object], str] | None = None,
        secret: bool = False,
    ) -> None:
        self.name = name
        self.parse = parse
        self.allowed = allowed
        self.show = show_plain if show is None else show
        self.mask = mask
        self.secret = secret

    def __repr__(self) -> str:
        return f"<Kind {self.name}>"


def show_plain(value: object) -> str:
    """A value as one would type it: true, false, 0.5, a,b,c; "not set" for None and "none" for an empty list."""
    if value is None:
        return "not set"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, (tuple, list)):
        return ",".join([show_plain(item) for item in value]) or "none"
    if isinstance(value, dict):
        return ",".join([f"{key}={show_plain(item)}" for key, item in value.items()]) or "none"
    if isinstance(value, (str, int, float)):
        return str(value)
    return str(getattr(value, "name", None) or type(value).__name__)


def writable(text: str) -> bool:
    """No control characters and no lone surrogates: the text can go into headers, JSON and a terminal."""
    return not any(c < " " or c == "\x7f" or "\ud800" <= c <= "\udfff" for c in text)


# ---- text

TEXT_ALLOWED = "a text of at most 255 characters, without control characters"


def parse_text(value: object) -> str:
    """A name: not empty, at most 255 characters. Numbers are taken as they are written (`version = 1.2`)."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise InvalidError(TEXT_ALLOWED)
    value = value.strip()
    if not value or len(value) > 255 or not writable(value):
        raise InvalidError(TEXT_ALLOWED)
    return value


PATH_ALLOWED = "the path of a file"


def parse_path(value: object) -> str:
    """A file's path; `~` is the home directory. Path objects are taken too."""
    path = getattr(value, "__fspath__", None)
    if path is not None and not isinstance(value, type):
        try:
            value = path()
        except Exception:  # noqa: BLE001 - a foreign __fspath__ may do anything
            raise InvalidError(PATH_ALLOWED) from None
    if not isinstance(value, str) or not value.strip() or "\x00" in value:
        raise InvalidError(PATH_ALLOWED)
    value = value.strip()
    if value.startswith("~"):
        import os.path

        value = os.path.expanduser(value)
    return value


# ---- yes and no

FLAG_ALLOWED = "true or false (also 1, 0, yes, no, on, off)"
FLAGS = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}


def parse_flag(value: object) -> bool:
    """True or false, in the spellings of FLAGS."""
    if isinstance(value, bool):
        return value
    if isinstance(value, (str, int)):
        flag = FLAGS.get(str(value).strip().lower())
        if flag is not None:
            return flag
    raise InvalidError(FLAG_ALLOWED)


# ---- numbers


def number(value: object, allowed: str) -> float:
    """A finite number, from a number or its text."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise InvalidError(allowed)
    try:
        result = float(value)
    except (ValueError, OverflowError):
        raise InvalidError(allowed) from None
    if result != result or result in (float("inf"), float("-inf")):
        raise InvalidError(allowed)
    return result


RATIO_ALLOWED = "a number from 0 to 1"


def parse_ratio(value: object) -> float:
    """A share: 0 is nothing, 1 is everything."""
    result = number(value, RATIO_ALLOWED)
    if not 0 <= result <= 1:
        raise InvalidError(RATIO_ALLOWED)
    return result + 0.0  # no negative zero


def count(minimum: int, maximum: int = 1_000_000_000) -> Kind[int]:
    """The kind of a whole number within bounds."""
    allowed = f"a whole number from {minimum} to {maximum}"

    def parse(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise InvalidError(allowed)
        try:
            result = int(value)
        except ValueError:
            raise InvalidError(allowed) from None
        if not minimum <= result <= maximum:
            raise InvalidError(allowed)
        return result

    return Kind("count", parse, allowed)


def limit() -> Kind[int | None]:
    """The kind of a bound that may be absent: a whole number, or None for "unlimited"."""
    whole = count(0)
    allowed = f"{whole.allowed}, or unlimited"

    def parse(value: object) -> int | None:
        if isinstance(value, str) and value.strip().lower() in ("unlimited", "none"):
            return None
        try:
            return whole.parse(value)
        except InvalidError:
            raise InvalidError(allowed) from None

    return Kind("limit", parse, allowed, show=lambda value: "unlimited" if value is None else str(value))


# ---- durations

_SECONDS = {"": 1.0, "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0}
_SECONDS.update({"h": 3600.0, "d": DAY})


def split_unit(text: str) -> tuple[str, str]:
    """`" 1.5 MiB "` -> `("1.5", "mib")`: the number's text and the unit in lower case."""
    text = text.strip()
    end = len(text)
    while end and (text[end - 1].isalpha()):
        end -= 1
    return text[:end].strip(), text[end:].lower()


def duration(minimum: float = 0.0, maximum: float = DAY) -> Kind[float]:
    """The kind of a time in seconds, within bounds. Text may carry a unit: "500ms", "5s", "1m", "2h"."""
    allowed = f'a time from {show_seconds(minimum)} to {show_seconds(maximum)}, in seconds or as "500ms", "5s", "1m"'

    def parse(value: object) -> float:
        factor = 1.0
        if isinstance(value, str):
            value, unit = split_unit(value)
            if unit not in _SECONDS:
                raise InvalidError(allowed)
            factor = _SECONDS[unit]
        result = number(value, allowed)
        # divided where that is exact: 500 ms is 0.5 s, not 500 * 0.001
        result = result / round(1 / factor) if factor < 1 else result * factor
        if not minimum <= result <= maximum:
            raise InvalidError(allowed)
        return result + 0.0

    return Kind("duration", parse, allowed, show=show_seconds)


def show_seconds(value: object) -> str:
    """Seconds in the unit that needs fewest digits: "500ms", "5s", "1m", "1d"."""
    if not isinstance(value, (int, float)):
        return show_plain(value)
    if 0 < value < 1:
        return f"{value * 1000:.6g}ms"
    for size, unit in ((DAY, "d"), (3600, "h"), (60, "m")):
        if value >= size and value % size == 0:
            return f"{value / size:.0f}{unit}"
    return f"{value:.6g}s"


# ---- sizes

_BYTES = {"": 1, "b": 1, "byte": 1, "bytes": 1}
for _power, _letter in enumerate("kmgt", start=1):
    _BYTES.update({_letter: 1024**_power, f"{_letter}ib": 1024**_power, f"{_letter}b": 1000**_power})
_MOST_BYTES = 1 << 50


def size(minimum: int = 1, maximum: int | None = None) -> Kind[int]:
    """The kind of a number of bytes. Text may carry a unit: "64MiB" (1024 based), "10MB" (1000 based), "64k" (1024)."""
    bounds = f"of at least {show_size(minimum)}"
    if maximum is not None:
        bounds = f"from {show_size(minimum)} to {show_size(maximum)}"
    allowed = f'a size {bounds}, in bytes or as "64MiB", "10MB"'
    most = _MOST_BYTES if maximum is None else maximum

    def parse(value: object) -> int:
        factor = 1
        if isinstance(value, str):
            value, unit = split_unit(value)
            if unit not in _BYTES:
                raise InvalidError(allowed)
            factor = _BYTES[unit]
        result = number(value, allowed) * factor
        if not minimum <= result <= most:
            raise InvalidError(allowed)
        return int(result)

    return Kind("size", parse, allowed, show=show_size)


def show_size(value: object) -> str:
    """Bytes in the largest unit that needs no fraction: "64MiB", "1000B"."""
    if not isinstance(value, int):
        return show_plain(value)
    for power, unit in ((3, "GiB"), (2, "MiB"), (1, "KiB")):
        if value and value % 1024**power == 0:
            return f"{value // 1024**power}{unit}"
    return f"{value}B"


# ---- one of a few words


def choice(*words: str, aliases: dict[str, str] | None = None) -> Kind[str]:
    """The kind of a word out of a few; case and blanks do not matter. `aliases` are other spellings."""
    allowed = f"one of {', '.join(words)}"
    known = {word.lower(): word for word in words}
    known.update(aliases or {})

    def parse(value: object) -> str:
        word = known.get(value.strip().lower()) if isinstance(value, str) else None
        if word is None:
            raise InvalidError(allowed)
        return word

    return Kind("choice", parse, allowed)


TEXT: Kind[str] = Kind("text", parse_text, TEXT_ALLOWED)
PATH: Kind[str] = Kind("path", parse_path, PATH_ALLOWED)
FLAG: Kind[bool] = Kind("flag", parse_flag, FLAG_ALLOWED)
RATIO: Kind[float] = Kind("ratio", parse_ratio, RATIO_ALLOWED)
LEVEL: Kind[str] = choice(
    "DEBUG",
    "INFO",
    "WARNING",
    "ERROR",
    "CRITICAL",
    # the words of AWS_LAMBDA_LOG_LEVEL, and what people write
    aliases={"trace": "DEBUG", "warn": "WARNING", "fatal": "CRITICAL"},
)
