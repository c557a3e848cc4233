"""Drawings as SVG, written by hand. Each brings its own background, so it is legible on light and dark pages alike."""

from __future__ import annotations

import math
from html import escape

WIDTH = 760
ROW = 22
CHARACTER = 7
"""Pixels that a character takes at most, on average, whatever font is there."""

LIGHT = {
    "card": "#ffffff",
    "head": "#eef1f4",
    "rule": "#c9d1d9",
    "ink": "#16191f",
    "dim": "#545b64",
    "ok": "#1f7a4d",
    "error": "#9a5b00",
    "fault": "#b8263f",
    "plain": "#1f66bd",
    "second": "#7a3fb0",
}
DARK = {
    "card": "#0f1b2a",
    "head": "#1b2a3b",
    "rule": "#414d5c",
    "ink": "#e9ebed",
    "dim": "#b6bec9",
    "ok": "#57c78a",
    "error": "#f0a73a",
    "fault": "#ff8296",
    "plain": "#7cb5f5",
    "second": "#c9a2f2",
}
"""Colours by what they mean. ``card`` and ``head`` are backgrounds, ``rule`` is for lines, the others for text too."""


def _rules(colours: dict[str, str]) -> str:
    return "".join([f".{name}{{fill:{colour}}}.s-{name}{{stroke:{colour}}}" for name, colour in colours.items()])


STYLE = (
    "text{font-family:-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;font-size:12px}"
    ".mono{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:11px}.bold{font-weight:bold}tspan{font-weight:normal}"
    f".large{{font-size:14px}}.none{{fill:none}}{_rules(LIGHT)}"
    f"@media (prefers-color-scheme:dark){{{_rules(DARK)}}}"
)


class Sheet:
    """One drawing. ``y`` is how far down it is filled; shapes name the classes of `LIGHT` and `DARK`.

    Args:
        title: What it is, for those who cannot see it and as its headline.
        description: What it shows, in a sentence.
    """

    def __init__(self, title: str, description: str) -> None:
        self.title = title
        self.description = description
        self.parts: list[str] = []
        self.y = 0.0
        self.text(16, 26, title, "ink bold large")
        self.y = 44.0

    def text(self, x: float, y: float, text: str, kind: str = "ink", anchor: str = "start", rest: str = "") -> None:
        """Write a line; ``y`` is its baseline. The ``rest`` follows the text in less prominence."""
        place = "" if anchor == "start" else f' text-anchor="{anchor}"'
        more = f'<tspan dx="8" class="dim">{escape(rest)}</tspan>' if rest else ""
        self.parts.append(f'<text x="{x:g}" y="{y:g}" class="{kind}"{place}>{escape(text)}{more}</text>')

    def rect(self, x: float, y: float, width: float, height: float, kind: str, radius: float = 0) -> None:
        """Draw a filled rectangle."""
        corners = f' rx="{radius:g}"' if radius else ""
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" class="{kind}"{corners}/>'
        )

    def path(self, data: str, kind: str, width: float = 1) -> None:
        """Draw a line along a path; ``kind`` is its colour."""
        self.parts.append(f'<path d="{data}" class="none s-{kind}" stroke-width="{width:g}"/>')

    def ring(self, x: float, y: float, radius: float, shares: list[tuple[str, float]]) -> None:
        """Draw a ring of coloured parts; the shares add up to 1."""
        begun, around = 0.0, 2 * math.pi * radius
        for kind, share in shares:
            if share <= 0:
                continue
            dash = f'stroke-dasharray="{share * around:.1f} {around:.1f}" stroke-dashoffset="{-begun * around:.1f}"'
            self.parts.append(
                f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" class="none s-{kind}" stroke-width="5" {dash} '
                f'transform="rotate(-90 {x:g} {y:g})"/>'
            )
            begun += share

    def table(self, columns: list[tuple[str, float]], rows: list[list[str]], kinds: dict[str, str]) -> None:
        """Draw a table below what is there.

        Args:
            columns: Heading and left edge of each; a negative edge is a right one.
            rows: Texts, cut where the next column begins.
            kinds: Colours of cells, by their text.
        """
        edges = [abs(x) for _, x in columns] + [WIDTH - 16.0]
        self.rect(8, self.y, WIDTH - 16, ROW, "head")
        for number, row in enumerate([[name for name, _ in columns], *rows]):
            y = self.y + 15
            for index, cell in enumerate(row):
                x = columns[index][1]
                room = (
                    edges[index + 1] - edges[index] if x >= 0 and columns[min(index + 1, len(row) - 1)][1] >= 0 else 0
                )
                text = clip(cell, int(room / CHARACTER)) if room else cell
                kind = "dim bold" if number == 0 else kinds.get(cell, "ink")
                self.text(abs(x), y, text, kind, "end" if x < 0 else "start")
            self.y += ROW
            self.path(f"M8 {self.y:g}H{WIDTH - 8}", "rule")

    def svg(self) -> str:
        """Return the drawing as a file's text."""
        height = self.y + 16
        size = f'width="{WIDTH}" height="{height:g}" viewBox="0 0 {WIDTH} {height:g}"'
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="t d">\n'
            f'<title id="t">{escape(self.title)}</title>\n<desc id="d">{escape(self.description)}</desc>\n'
            f"<style>{STYLE}</style>\n"
            f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1:g}" rx="6" class="card s-rule"/>\n'
            + "\n".join(self.parts)
            + "\n</svg>\n"
        )


def clip(text: str, most: int) -> str:
    """Return a text of at most ``most`` characters."""
    return text if len(text) <= most else text[: max(1, most - 1)] + "…"
