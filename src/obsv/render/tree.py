"""The spans and logs of a trace as a forest, whatever they hold: missing parents, cycles, ids that occur twice.

Nothing here recurses: a trace may be thousands of spans deep.
"""

from __future__ import annotations

from .failures import failures

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..store.rows import LogRow, SpanRow
    from .failures import Failure

WARNING = 13
"""From this severity on, a log keeps its span from being folded away."""


class Node:
    """A span with its children, its logs, and what has to be known of all below it.

    `spans` counts the subtree. `trouble`: somewhere in it there is an error or a warning. `shape` is the same for
    subtrees that look the same. `failures` are what went wrong here first: what a child has said is not repeated.
    """

    __slots__ = ("children", "failures", "logs", "said", "shape", "span", "spans", "trouble")

    def __init__(self, span: SpanRow) -> None:
        self.span = span
        self.children: list[Node] = []
        self.logs: list[LogRow] = []
        self.spans = 1
        self.trouble = span.is_error
        self.shape = 0
        self.failures: list[Failure] = []
        self.said: set[str] = set()


class Forest:
    """`roots` have no parent, `orphans` have one that did not arrive (or that is their own descendant), `loose` logs
    belong to a span that did not arrive. `nodes` counts all."""

    __slots__ = ("loose", "nodes", "orphans", "roots")

    def __init__(self) -> None:
        self.roots: list[Node] = []
        self.orphans: list[Node] = []
        self.loose: list[LogRow] = []
        self.nodes = 0


def grow(spans: Sequence[SpanRow], logs: Sequence[LogRow] = ()) -> Forest:
    """Build the forest. Children and logs are in order of time."""
    forest = Forest()
    nodes = [Node(span) for span in sorted(spans, key=lambda span: (span.start_ns, -span.end_ns))]
    forest.nodes = len(nodes)
    by_id: dict[str, Node] = {}
    for node in nodes:
        by_id.setdefault(node.span.span_id, node)
    for log in sorted(logs, key=lambda log: log.time_ns):
        owner = by_id.get(log.span_id) if log.span_id else None
        (forest.loose if owner is None else owner.logs).append(log)
        if owner is not None and log.severity >= WARNING:
            owner.trouble = True
    parents: dict[int, Node] = {}
    for node in nodes:
        parent_id = node.span.parent_id
        parent = by_id.get(parent_id) if parent_id else None
        if parent is not None and parent is not node:
            parent.children.append(node)
            parents[id(node)] = parent
        else:
            (forest.orphans if parent_id else forest.roots).append(node)
    order = _reach(forest, nodes, parents)
    for node in reversed(order):
        _sum_up(node)
    return forest


def _reach(forest: Forest, nodes: list[Node], parents: dict[int, Node]) -> list[Node]:
    """All nodes, parents before children. What no root reaches is a cycle, which is cut at its earliest span."""
    order: list[Node] = []
    reached: set[int] = set()

    def follow(start: Node) -> None:
        waiting = [start]
        while waiting:
            node = waiting.pop()
            reached.add(id(node))
            order.append(node)
            waiting.extend(node.children)

    for node in (*forest.roots, *forest.orphans):
        follow(node)
    if len(order) < len(nodes):
        for node in nodes:
            if id(node) not in reached:
                parents[id(node)].children.remove(node)
                forest.orphans.append(node)
                follow(node)
        forest.orphans.sort(key=lambda node: node.span.start_ns)
    return order


def _sum_up(node: Node) -> None:
    """Complete a node whose children are complete."""
    span = node.span
    shapes = set()
    for child in node.children:
        node.spans += child.spans
        node.trouble = node.trouble or child.trouble
        shapes.add(child.shape)
        if child.said:
            if len(child.said) > len(node.said):
                node.said, child.said = child.said, node.said
            node.said |= child.said
    node.shape = hash((span.name, span.service, span.kind, frozenset(shapes)))
    below = bool(node.said)
    for failure in failures(span):
        # An error travels from the span where it happened to all those around it; only the first one is news.
        if failure.key not in node.said and not (below and failure.vague):
            node.failures.append(failure)
            node.said.add(failure.key)
