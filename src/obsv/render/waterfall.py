"""The waterfall of a trace: the tree of its spans with bars over time, logs and errors in their place.

for line in waterfall(trace.spans, trace.logs, Look.of(sys.stdout)):
    print(line)
"""

from __future__ import annotations

from .. import term
from .failures import headline
from .fold import is_n_plus_1, unroll
from .look import clock, level_style, level_word, palette, plural, value_text
from .tree import grow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from ..store.rows import LogRow, SpanRow
    from .fold import Line
    from .look import Look
    from .tree import Forest, Node

_TIME = 9  # cells of the duration column: "Σ 12.3 ms"
_GAP = 2
_MIN_BAR = 12


def waterfall(spans: Sequence[SpanRow], logs: Sequence[LogRow], look: Look) -> Iterator[str]:
    """A headline, an empty line, and the tree. `look.full` folds nothing and shows every detail."""
    forest = grow(spans, logs)
    yield from _head(forest, spans, logs, look)
    if spans or logs:
        yield ""
        yield from tree_lines(forest, spans, logs, look)


def tree_lines(
    forest: Forest, spans: Sequence[SpanRow], logs: Sequence[LogRow], look: Look, *, notes: bool = True
) -> Iterator[str]:
    """The tree alone. `notes` false leaves out that parents are missing."""
    # The tree may take half of the line, and the names need some of it.
    max_depth = max(3, (look.width // 2 - 16) // 3)
    lines = list(unroll(forest, look.glyphs, full=look.full, notes=notes, max_depth=max_depth))
    sheet = Sheet(lines, spans, logs, look)
    for line in lines:
        yield from sheet.draw(line)


def _head(forest: Forest, spans: Sequence[SpanRow], logs: Sequence[LogRow], look: Look) -> Iterator[str]:
    ids = [span.trace_id for span in spans] + [log.trace_id or "" for log in logs]
    trace_id = look.clean(next(filter(None, ids), "?"))
    if not spans:
        if logs:
            yield look(look.clip(look.join([f"trace {trace_id}", plural(len(logs), "log")]), look.width), "dim")
        return
    first = (forest.roots or forest.orphans)[0].span
    errors = sum(1 for span in spans if span.is_error)
    whole = max(span.end_ns for span in spans) - min(span.start_ns for span in spans)
    took = look.duration(first.duration_ns)
    parts = [took, plural(len(spans), "span"), plural(len({span.service for span in spans}), "service")]
    if whole > first.duration_ns * 1.05:
        parts[0] += f" ({look.duration(whole)} in all)"
    failed = plural(errors, "error") if errors else ""
    while len(parts) > 1 and term.width(look.join([*parts, failed])) + 12 > look.width:
        parts.pop()
    facts, failed = look.join(parts), look.join(["", failed]) if failed else ""
    title = look.clip(look.clean(first.name), max(10, look.width - _GAP - term.width(facts + failed)))
    yield look(title, "bold", *(("red",) if errors else ())) + "  " + facts + look(failed, "red")
    moments = [clock(first.start_ns, date=True), clock(first.start_ns), ""]
    lines = [f"trace {trace_id}  {moment}".rstrip() for moment in moments]
    yield look(look.clip(next((line for line in lines if len(line) <= look.width), lines[-1]), look.width), "dim")


class Sheet:
    """The columns of one waterfall: tree, service, bars, durations."""

    def __init__(self, lines: Sequence[Line], spans: Sequence[SpanRow], logs: Sequence[LogRow], look: Look) -> None:
        self.look = look
        times = [span.start_ns for span in spans] or [log.time_ns for log in logs] or [0]
        self.start = min(times)
        self.length = max([span.end_ns for span in spans] or [self.start], default=0) - self.start
        services = [span.service for span in sorted(spans, key=lambda span: span.start_ns)]
        self.colors = palette(services)
        several = len(self.colors) > 1
        room = look.width - _TIME - _GAP
        self.service = min(max([term.width(look.clean(name)) for name in self.colors], default=0), 16) if several else 0
        if look.width < 50:
            self.service = 0
        room -= self.service + _GAP if self.service else 0
        wanted = max([term.width(self.title(line)) for line in lines if line.is_branch], default=10)
        with_bars = room - _MIN_BAR - _GAP
        if wanted <= with_bars:
            self.name = max(wanted, min(24, with_bars))
        elif look.width >= 70:
            self.name = with_bars
        else:
            self.name = room
        # Names take what they need up to half of the line, bars get the rest.
        if look.width >= 70:
            self.name = min(self.name, max(24, look.width // 2))
        self.bar = room - self.name - _GAP
        if self.bar < _MIN_BAR:
            self.name, self.bar = room, 0
        self.shown_service: dict[int, str] = {}

    # ------------------------------------------------------------------ lines

    def draw(self, line: Line) -> Iterator[str]:
        """The text of one line; several for details and long stack traces."""
        look = self.look
        if line.kind == "note":
            yield look(line.text, "dim")
        elif line.is_branch:
            yield self._branch(line)
        elif line.log is not None:
            yield from self._log(line, line.log)
        elif line.failure is not None:
            failure = line.failure
            style = "yellow" if failure.handled else "red"
            place = f"  {look.clean(failure.place)}" if failure.place else ""
            yield self._row(line.lead, f"{look.glyphs.cross} {look.clean(failure.text)}", style, place)
            if look.full and failure.trace:
                for text in failure.trace.rstrip("\n").split("\n"):
                    yield self._wide(line.lead, "  " + look.clean(_tabs(text)))
        elif line.event is not None:
            event = line.event
            text = f"{look.glyphs.dot} {look.clean(event.name)}"
            yield self._row(line.lead, text, "blue", self._pairs(event.attributes), self._offset(event.time_ns))
        elif line.node is not None:
            yield from self._details(line.lead, line.node.span)

    def title(self, line: Line) -> str:
        """The tree and the name."""
        look = self.look
        glyphs = look.glyphs
        if line.node is not None:
            return line.lead + (look.clean(line.node.span.name) or '""')
        first = line.nodes[0].span
        if line.kind == "more":
            bad = sum(1 for node in line.nodes if node.trouble)
            with_trouble = f" ({bad} with errors or warnings)" if bad else ""
            return f"{line.lead}{glyphs.ellipsis} {plural(line.spans, 'more span')}{with_trouble}"
        hint = f" {glyphs.dash} N+1?" if is_n_plus_1(line.nodes) else ""
        inside = line.spans - len(line.nodes)
        within = f" (+{inside} inside)" if inside else ""
        return f"{line.lead}{look.clean(first.name)} {glyphs.times}{len(line.nodes)}{hint}{within}"

    def _branch(self, line: Line) -> str:
        look = self.look
        nodes = (line.node,) if line.node is not None else tuple(line.nodes)
        first = nodes[0].span
        failed = line.node is not None and first.is_error
        title = self.title(line)
        if line.kind == "repeat" and term.width(title) > self.name:
            title = self._shorter_repeat(line, title)
        text = look.fit(title, self.name)
        lead = line.lead if text.startswith(line.lead) else ""
        name = text[len(lead) :]
        styles: tuple[str, ...] = ("red",) if failed else ("dim",) if line.kind == "more" else ()
        if line.kind == "repeat" and name.rstrip().endswith("N+1?"):
            styles = ("yellow",)
        parts = [look(lead, "dim") + look(name, *styles)]
        if self.service:
            parts.append(look(look.fit(look.clean(self._service(line)), self.service), self.colors[first.service]))
        if self.bar:
            color = "red" if failed else "dim" if line.kind == "more" else self.colors[first.service]
            parts.append(self._bar(nodes, color))
        total = sum([node.span.duration_ns for node in nodes])
        took = look.duration(total)
        if line.node is None:
            took = f"{look.glyphs.sum} {took}"
        parts.append(look(took.rjust(_TIME), *(("red",) if failed else ())))
        return (" " * _GAP).join(parts)

    def _shorter_repeat(self, line: Line, title: str) -> str:
        """Cut the name, and keep what is said about the repetition."""
        name = self.look.clean(line.nodes[0].span.name)
        tail = title[len(line.lead) + len(name) :]
        return line.lead + self.look.clip(name, max(6, self.name - term.width(line.lead + tail))) + tail

    def _service(self, line: Line) -> str:
        """The service, where it is another one than that of the parent."""
        nodes = (line.node,) if line.node is not None else line.nodes
        service = nodes[0].span.service
        if line.node is not None:
            for child in line.node.children:
                self.shown_service[id(child)] = service
        return "" if self.shown_service.get(id(nodes[0])) == service else service

    def _bar(self, nodes: Sequence[Node], color: str) -> str:
        """Where in time the spans ran, exact to half a cell; at least half a cell each."""
        halves = 2 * self.bar
        on = bytearray(halves)
        length = max(1, self.length)
        for node in nodes:
            begin = min(halves - 1, max(0, (node.span.start_ns - self.start) * halves // length))
            end = min(halves, max(begin + 1, -((self.start - node.span.end_ns) * halves // length)))
            on[begin:end] = b"\x01" * (end - begin)
        glyphs = self.look.glyphs
        cells = (" ", glyphs.right, glyphs.left, glyphs.bar)
        text = "".join([cells[2 * on[i] + on[i + 1]] for i in range(0, halves, 2)])
        bare = text.strip()
        if not bare:
            return text
        before = len(text) - len(text.lstrip())
        return " " * before + self.look(bare, color) + " " * (len(text) - before - len(bare))

    def _log(self, line: Line, log: LogRow) -> Iterator[str]:
        look = self.look
        level = look.clean(level_word(log.level)).ljust(5)
        body, *more = log.body.split("\n") if look.full else [log.body]
        extra = self._pairs(log.fields)
        if log.error and log.error.get("message", "") not in log.body:
            extra = f"  {look.clean(headline(log.error.get('type'), log.error.get('message')))}{extra}"
        styles = level_style(log.severity)
        room = look.width - term.width(line.lead) - 6 - _TIME - _GAP
        text, extra = self._share(look.clean(body), extra, room)
        painted = look(level, *styles) + " " + look(text, *(styles if log.severity >= 17 else ())) + look(extra, "dim")
        filled = painted + " " * max(0, room - term.width(text + extra))
        yield look(line.lead, "dim") + filled + "  " + look(self._offset(log.time_ns).rjust(_TIME), "dim")
        for text in more:
            yield self._wide(line.lead, "      " + look.clean(_tabs(text)))
        if look.full and log.error:
            for text in str(log.error.get("stacktrace") or "").rstrip("\n").split("\n"):
                yield self._wide(line.lead, "      " + look.clean(_tabs(text)))

    def _row(self, lead: str, text: str, style: str, extra: str, right: str = "") -> str:
        """A line of text that may use the columns of services and bars as well."""
        look = self.look
        room = look.width - term.width(lead) - (_TIME + _GAP if right else 0)
        text, extra = self._share(text, extra, room)
        line = look(lead, "dim") + look(text, style) + look(extra, "dim")
        if right:
            line += " " * max(0, room - term.width(text + extra)) + "  " + look(right.rjust(_TIME), "dim")
        return line

    def _share(self, text: str, extra: str, room: int) -> tuple[str, str]:
        """Cut `extra` first, then `text`; either keeps some room."""
        room = max(8, room)
        if term.width(text) + term.width(extra) <= room:
            return text, extra
        text = self.look.clip(text, max(room - term.width(extra), room * 2 // 3) if extra else room)
        left = room - term.width(text)
        return text, self.look.clip(extra, left) if left > 5 else ""

    def _wide(self, lead: str, text: str) -> str:
        look = self.look
        return look(lead, "dim") + look(look.clip(text, max(8, look.width - term.width(lead))), "dim")

    def _details(self, lead: str, span: SpanRow) -> Iterator[str]:
        """Attributes and links, as many in a line as fit."""
        look = self.look
        words = [f"{look.clean(str(key))}={look.clean(value_text(value))}" for key, value in span.attributes.items()]
        words += [f"link={look.clean(str(link.get('trace_id')))}" for link in span.links if isinstance(link, dict)]
        room = max(8, look.width - term.width(lead) - 2)
        row = ""
        for word in words:
            word = look.clip(word, room)
            if row and term.width(row) + 2 + term.width(word) > room:
                yield self._wide(lead, row)
                row = ""
            row += ("  " if row else "") + word
        if row:
            yield self._wide(lead, row)

    def _pairs(self, values: dict[str, Any]) -> str:
        look = self.look
        return "".join([f"  {look.clean(str(k))}={look.clean(value_text(v))}" for k, v in values.items()])

    def _offset(self, time_ns: int) -> str:
        after = time_ns - self.start
        return ("+" if after >= 0 else "") + self.look.duration(after)


def _tabs(text: str) -> str:
    return text.replace("\t", "    ")
