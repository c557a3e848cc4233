"""What the terminal shows: colours, column widths, tables and durations for people.

Used by the command line (`obsv ...`) and by the console sink. It imports nothing, since `init()` may load it.

    style = term.Style(sys.stderr)
    print(style("failed", "red", "bold"), term.format_duration(1_234_000))    # failed 1.23 ms
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Protocol

    class Stream(Protocol):
        """The part of a text file that deciding about colours and width needs."""

        def isatty(self) -> bool: ...

        def fileno(self) -> int: ...


# SGR codes (ECMA-48, "Select graphic rendition"); the 16-colour set is the one every terminal theme keeps readable.
STYLES = {
    "bold": "1",
    "dim": "2",
    "italic": "3",
    "underline": "4",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
    "gray": "90",
}

_ESCAPE = "\x1b["


def color_enabled(stream: Stream | None, environ: Mapping[str, str] | None = None) -> bool:
    """Should `stream` get colours?

    NO_COLOR (not empty) says no, FORCE_COLOR (not empty, not "0") says yes, then TERM=dumb says no, then a terminal
    says yes. Sources: no-color.org and force-color.org.
    """
    environ = os.environ if environ is None else environ
    if environ.get("NO_COLOR"):
        return False
    force = environ.get("FORCE_COLOR")
    if force:
        return force != "0"
    if environ.get("TERM") == "dumb":
        return False
    return is_terminal(stream)


def is_terminal(stream: Stream | None) -> bool:
    """True when `stream` is an open terminal. A missing, closed or odd stream is none."""
    try:
        return stream is not None and bool(stream.isatty())
    except (AttributeError, ValueError, OSError):  # a closed file raises ValueError, a home-made one lacks isatty
        return False


def paint(text: str, *styles: str) -> str:
    """`text` in the named styles (see STYLES), with escape codes: `paint("x", "red")` is "\\x1b[31mx\\x1b[0m"."""
    if not styles or not text:
        return text
    codes = ";".join([STYLES[name] for name in styles])
    return f"{_ESCAPE}{codes}m{text}{_ESCAPE}0m"


class Style:
    """`paint` for one stream: writes escape codes when that stream wants them, and plain text when not.

    Example: `style = Style(sys.stdout); print(style("ok", "green"))`
    """

    __slots__ = ("enabled",)

    def __init__(self, stream: Stream | None = None, enabled: bool | None = None) -> None:
        self.enabled = color_enabled(stream) if enabled is None else enabled

    def __call__(self, text: str, *styles: str) -> str:
        return paint(text, *styles) if self.enabled else text


def strip(text: str) -> str:
    """`text` without the escape codes that `paint` writes."""
    if _ESCAPE not in text:
        return text
    pieces = text.split(_ESCAPE)
    kept = [pieces[0]]
    for piece in pieces[1:]:
        codes, mark, rest = piece.partition("m")
        is_code = mark and codes.replace(";", "").isdigit()
        kept.append(rest if is_code else _ESCAPE + piece)
    return "".join(kept)


def width(text: str) -> int:
    """How many terminal cells `text` takes: escape codes and combining marks none, wide East Asian characters two."""
    text = strip(text)
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(
        0 if combining(c) or c in "\u200b\u200d\ufe0f" else 2 if east_asian_width(c) in "WF" else 1 for c in text
    )


def pad(text: str, cells: int, align: str = "<") -> str:
    """`text` filled with blanks to `cells` terminal cells; `align` is "<" or ">". Longer text stays as it is."""
    missing = cells - width(text)
    if missing <= 0:
        return text
    return " " * missing + text if align == ">" else text + " " * missing


def clip(text: str, cells: int) -> str:
    """Plain `text` cut to `cells` terminal cells, with "…" at the end when something was cut."""
    if cells <= 0:
        return ""
    if width(text) <= cells:
        return text
    kept: list[str] = []
    room = cells - 1
    for character in text:
        room -= width(character)
        if room < 0:
            break
        kept.append(character)
    return "".join(kept) + "…"


def clean(text: str) -> str:
    """`text` on one line, and without control characters: what a stranger sent must not steer the terminal."""
    if text.isprintable():
        return text
    return "".join([c if c.isprintable() else _CONTROL.get(c) or ascii(c)[1:-1] for c in text])


_CONTROL = {"\n": "⏎", "\t": " ", "\r": ""}


def columns(stream: Stream | None = None, default: int = 100) -> int:
    """The terminal's width in cells: COLUMNS when set, else asked of `stream` (stdout), else `default`."""
    value = os.environ.get("COLUMNS", "")
    if value.isdecimal() and int(value) > 0:
        return int(value)
    stream = sys.stdout if stream is None else stream
    try:
        return os.get_terminal_size(stream.fileno()).columns or default
    except (AttributeError, ValueError, OSError):
        return default


def format_duration(ns: float) -> str:
    """Nanoseconds for people, three digits at most: "850 ns", "12.3 µs", "1.23 ms", "2.5 s", "3m 20s", "2h 05m"."""
    if ns < 0:
        return "-" + format_duration(-ns)
    if ns < 999.5:
        return f"{ns:.0f} ns"
    for size, unit in ((1e3, "µs"), (1e6, "ms")):
        if ns < 999.5 * size:
            return f"{_three_digits(ns / size)} {unit}"
    if ns < 59.95e9:
        return f"{_three_digits(ns / 1e9)} s"
    seconds = round(ns / 1e9)
    if seconds < 3600:
        return f"{seconds // 60}m {seconds % 60:02d}s"
    minutes = round(seconds / 60)
    return f"{minutes // 60}h {minutes % 60:02d}m"


def _three_digits(value: float) -> str:
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if digits else text


def format_bytes(size: float) -> str:
    """Bytes for people: "512 B", "1.5 KiB", "64 MiB"."""
    if size < 1024:
        return f"{size:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        size /= 1024
        if size < 1023.5:
            return f"{_three_digits(size) if size < 999.5 else f'{size:.0f}'} {unit}"
    return f"{size / 1024:.1f} TiB"


def table(
    rows: Iterable[Sequence[str]],
    header: Sequence[str] | None = None,
    *,
    align: str = "",
    indent: str = "",
    gap: str = "  ",
    style: Style | None = None,
) -> list[str]:
    """Lines of a table whose columns line up; cells may carry escape codes.

    `align` has one of "<" and ">" a column ("<" where it is shorter). Short rows are filled up with empty cells, and
    no line ends in blanks. With `style`, the header is bold.

    >>> table([("GET /", "1.2 ms"), ("POST /orders", "12 ms")], align="<>")
    ['GET /         1.2 ms', 'POST /orders   12 ms']
    """
    lines = [list(row) for row in rows]
    if header is not None:
        lines.insert(0, [style(cell, "bold") if style is not None else cell for cell in header])
    count = max((len(line) for line in lines), default=0)
    for line in lines:
        line.extend([""] * (count - len(line)))
    sizes = [max(width(line[i]) for line in lines) for i in range(count)]
    sides = align.ljust(count, "<")
    return [
        (indent + gap.join([pad(cell, sizes[i], sides[i]) for i, cell in enumerate(line)])).rstrip() for line in lines
    ]
