"""How the output looks: its width, whether it has colours, and whether the terminal can show more than ASCII."""

from __future__ import annotations

from .. import term

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Glyphs:
    """The characters that trees, bars and marks are made of. Both sets take the same room."""

    __slots__ = ("bar", "branch", "cross", "dash", "dot", "ellipsis", "last", "left", "pipe", "right", "sum", "times")

    def __init__(self, tree: str, bar: str, marks: str) -> None:
        branch, last, pipe = tree.split()
        self.branch = branch + " "
        self.last = last + " "
        self.pipe = pipe + "  "
        self.bar, self.left, self.right = tuple(bar)
        self.cross, self.times, self.dash, self.dot, self.ellipsis, self.sum = tuple(marks)


UNICODE = Glyphs("├─ └─ │", "━╸╺", "✖×—·…Σ")
ASCII = Glyphs("|- `- |", "=--", "xx--~+")

GAP = "   "
"""What stands in a tree where no line goes on."""

# The colours of services, in order of their appearance; red is for errors and yellow for warnings.
_SERVICE_COLOURS = ("cyan", "green", "magenta", "blue")


class Look:
    """`width` in terminal cells, at least 40; `color` writes escape codes; `unicode` false keeps to ASCII.

    `full` shows everything: every repeated span, attributes, events, links, whole stack traces.
    """

    __slots__ = ("color", "full", "glyphs", "unicode", "width")

    def __init__(self, width: int = 100, color: bool = False, unicode: bool = True, full: bool = False) -> None:
        self.width = max(40, width)
        self.color = color
        self.unicode = unicode
        self.full = full
        self.glyphs = UNICODE if unicode else ASCII

    @classmethod
    def of(cls, stream: Any, full: bool = False) -> Look:
        """What suits `stream`: asks it for its width, whether it is a terminal, and for its encoding."""
        return cls(term.columns(stream), term.color_enabled(stream), speaks_unicode(stream), full)

    def __call__(self, text: str, *styles: str) -> str:
        """`text` in these styles (see `term.STYLES`), if colours are wanted."""
        return term.paint(text, *styles) if self.color else text

    def clean(self, text: str) -> str:
        """`text` on one line, without control characters, and in ASCII if need be."""
        text = term.clean(text)
        return text if self.unicode or text.isascii() else text.encode("ascii", "backslashreplace").decode("ascii")

    def clip(self, text: str, cells: int) -> str:
        """Clean `text` cut to `cells`."""
        cut = term.clip(text, cells)
        return cut if self.unicode else cut.replace("…", self.glyphs.ellipsis)

    def fit(self, text: str, cells: int) -> str:
        """Clean `text` cut or filled up to exactly `cells`."""
        return term.pad(self.clip(text, cells), cells)

    def duration(self, ns: float) -> str:
        """A duration for people."""
        text = term.format_duration(ns)
        return text if self.unicode else text.replace("µ", "u")

    def join(self, parts: list[str]) -> str:
        """Parts of a headline, with dots between."""
        return f" {self.glyphs.dot} ".join(parts)


def speaks_unicode(stream: Any) -> bool:
    """Can `stream` show the glyphs? A stream without an encoding (StringIO) takes any text."""
    encoding = getattr(stream, "encoding", None)
    if not isinstance(encoding, str):
        return True
    try:
        "━╸╺├─└│✖×—·…Σµ⏎".encode(encoding)
    except (UnicodeError, LookupError):
        return False
    return True


def palette(services: list[str]) -> dict[str, str]:
    """A colour for each service."""
    return {name: _SERVICE_COLOURS[i % len(_SERVICE_COLOURS)] for i, name in enumerate(dict.fromkeys(services))}


def level_style(severity: int) -> tuple[str, ...]:
    """How a log level is painted, by OpenTelemetry's severity number."""
    if severity >= 21:
        return ("red", "bold")
    if severity >= 17:
        return ("red",)
    if severity >= 13:
        return ("yellow",)
    return ("dim",) if severity < 9 else ("blue",)


_SHORT_LEVELS = {"WARNING": "WARN", "CRITICAL": "CRIT", "EXCEPTION": "ERROR", "NOTSET": ""}


def level_word(level: str) -> str:
    """A level in five letters at most."""
    return _SHORT_LEVELS.get(level, level)[:5]


def clock(ns: int, date: bool = False) -> str:
    """Local time of day with milliseconds, with `date` also the day: "2026-05-05 10:22:01.123"."""
    from time import localtime, strftime

    try:
        moment = localtime(ns // 1_000_000_000)
    except (OverflowError, ValueError, OSError):
        return "?"
    pattern = "%Y-%m-%d %H:%M:%S" if date else "%H:%M:%S"
    return f"{strftime(pattern, moment)}.{ns // 1_000_000 % 1000:03d}"


def plural(count: int, noun: str) -> str:
    """ "1 span", "2 spans"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def value_text(value: Any) -> str:
    """An attribute's or field's value on the right of "=": text as it is, anything else as JSON."""
    if isinstance(value, str):
        return str(value)
    from ..hotpath.jsontext import dumps

    return dumps(value)
