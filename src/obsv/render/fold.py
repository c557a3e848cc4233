"""A forest as lines, top to bottom: which spans get a line of their own, and which are folded into one.

Every span is in exactly one line: in its own, or counted in a folded one.
"""

from __future__ import annotations

from .look import GAP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..store.rows import EventRow, LogRow
    from .failures import Failure
    from .look import Glyphs
    from .tree import Forest, Node

REPEATS = 5
"""So many alike children, without an error or a warning in them, become one line."""

MAX_CHILDREN = 100
"""Children shown of one span; more are folded, unless there is trouble in them."""

MAX_LINES = 2000
"""Lines of a trace; after that everything is folded."""

_CLIENT = 2
_BRANCHES = ("span", "repeat", "more")


class Line:
    """One line to print. `lead` is the tree on its left.

    `kind` says what it is about: "span" (`node`), "repeat" (`nodes`, all alike), "more" (`nodes`, folded for being too
    many), "log" (`log`), "failure" (`failure`), "event" (`event`), "detail" (`node`: attributes and links, at length),
    "note" (`text`).
    """

    __slots__ = ("depth", "event", "failure", "kind", "lead", "log", "node", "nodes", "text")

    def __init__(self, kind: str, depth: int = 0, *, node: Node | None = None, nodes: Sequence[Node] = ()) -> None:
        self.kind = kind
        self.lead = ""
        self.depth = depth
        self.node = node
        self.nodes = nodes
        self.log: LogRow | None = None
        self.event: EventRow | None = None
        self.failure: Failure | None = None
        self.text = ""

    @property
    def is_branch(self) -> bool:
        """Does it stand for spans?"""
        return self.kind in _BRANCHES

    @property
    def spans(self) -> int:
        """How many spans this line stands for."""
        if self.kind == "span":
            return 1
        return sum([node.spans for node in self.nodes])


def unroll(
    forest: Forest, glyphs: Glyphs, *, full: bool = False, notes: bool = True, max_depth: int = 24
) -> Iterator[Line]:
    """The lines of `forest`. `full` folds nothing and adds details; `notes` false leaves out that a parent is missing.

    From `max_depth` on the tree grows no wider; the line says its depth instead.
    """
    tops = _tops(forest, full, notes)
    # Lines wait together with the lead of what comes below them; the next one is at the end.
    waiting = [(line, "") for line in reversed(tops)]
    count = 0
    while waiting:
        line, below = waiting.pop()
        yield line
        count += 1
        if line.kind == "span" and line.node is not None:
            items = _below(line.node, line.depth + 1, full, count > MAX_LINES)
            waiting.extend(reversed(_place(items, below, glyphs, max_depth)))


def _tops(forest: Forest, full: bool, notes: bool) -> list[Line]:
    lines = _branches(forest.roots, 0, full)
    if forest.orphans:
        if notes:
            lines.append(_note("(parent not seen)"))
        lines.extend(_branches(forest.orphans, 0, full))
    if forest.loose:
        if notes:
            lines.append(_note("(span not seen)"))
        lines.extend([_log_line(log, 0) for log in forest.loose])
    return lines


def _below(node: Node, depth: int, full: bool, everything: bool) -> list[Line]:
    """What comes under a span, in order of time, still without its lead. `everything` folds all its children."""
    timed = [(log.time_ns, _log_line(log, depth)) for log in node.logs]
    if full:
        for event in node.span.events:
            if event.name != "exception":
                line = Line("event", depth)
                line.event = event
                timed.append((event.time_ns, line))
    if everything and not full:
        shown = [Line("more", depth, nodes=node.children)] if node.children else []
    else:
        shown = _branches(node.children, depth, full)
    timed.extend([(_start(line), line) for line in shown])
    timed.sort(key=lambda pair: pair[0])
    lines = []
    if full and (node.span.attributes or node.span.links):
        lines.append(Line("detail", depth, node=node))
    for failure in node.failures:
        line = Line("failure", depth)
        line.failure = failure
        lines.append(line)
    lines.extend([line for _, line in timed])
    return lines


def _branches(nodes: list[Node], depth: int, full: bool) -> list[Line]:
    return [Line("span", depth, node=node) for node in nodes] if full else _fold(nodes, depth)


def _fold(children: list[Node], depth: int) -> list[Line]:
    """Alike children become one line, and so does what is too many."""
    alike: dict[int, list[Node]] = {}
    for child in children:
        if not child.trouble:
            alike.setdefault(child.shape, []).append(child)
    lines: list[Line] = []
    rest: list[Node] = []
    room = MAX_CHILDREN
    for child in children:
        group: Sequence[Node] = () if child.trouble else alike[child.shape]
        if len(group) >= REPEATS:
            if group[0] is not child:
                continue
            line = Line("repeat", depth, nodes=group)
        else:
            line = Line("span", depth, node=child)
        if room <= 0 and not child.trouble:
            rest.extend(line.nodes or (child,))
            continue
        room -= 1
        lines.append(line)
    if rest:
        lines.append(Line("more", depth, nodes=rest))
    return lines


def _place(lines: list[Line], below: str, glyphs: Glyphs, max_depth: int) -> list[tuple[Line, str]]:
    """Give each line its lead: a branch where it is a span, a pipe where more spans follow."""
    branches = [i for i, line in enumerate(lines) if line.is_branch]
    last = branches[-1] if branches else -1
    placed = []
    for i, line in enumerate(lines):
        deep = line.depth > max_depth
        if line.is_branch:
            branch = glyphs.last if i == last else glyphs.branch
            mark = f"{glyphs.ellipsis}{line.depth} " if deep else ""
            line.lead = below[: len(below) - len(mark)] + mark + branch
            under = below if deep else below + (GAP if i == last else glyphs.pipe)
        else:
            line.lead = below + (GAP if i > last else glyphs.pipe)
            under = ""
        placed.append((line, under))
    return placed


def in_a_row(nodes: Sequence[Node]) -> bool:
    """Did these run one after the other, for most of their time? Then together they cost what all of them cost."""
    covered = total = reach = 0
    for node in sorted(nodes, key=lambda node: node.span.start_ns):
        total += node.span.duration_ns
        covered += max(0, node.span.end_ns - max(reach, node.span.start_ns))
        reach = max(reach, node.span.end_ns)
    return covered >= 0.8 * total


def is_n_plus_1(nodes: Sequence[Node]) -> bool:
    """Does this look like a query for each row of another one: the same call to a database or service, in a row?"""
    return nodes[0].span.kind == _CLIENT and in_a_row(nodes)


def _start(line: Line) -> int:
    node = line.node or line.nodes[0]
    return node.span.start_ns


def _log_line(log: LogRow, depth: int) -> Line:
    line = Line("log", depth)
    line.log = log
    return line


def _note(text: str) -> Line:
    line = Line("note")
    line.text = text
    return line
