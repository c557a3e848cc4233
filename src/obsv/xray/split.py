"""Documents from a tree of segments and subsegments: as few as possible, none larger than a datagram.

X-Ray merges independent subsegments (``type``, ``trace_id`` and ``parent_id`` added) into the tree they belong to, so a
document that is too large loses whole subtrees, the largest first, which become documents of their own. Nothing here
recurses, and the time is linear in the number of nodes (but for sorting the children of a node that does not fit).
"""

from __future__ import annotations

from obsv.hotpath.jsontext import utf8

MAX_DEPTH = 100
"""Subsegments inside each other in a document. X-Ray names no limit; readers of JSON have one (Jackson's is 1,000
levels, and a subsegment takes two)."""

INDEPENDENT = ',"type":"subsegment","trace_id":"","parent_id":""'
INDEPENDENT_BYTES = len(INDEPENDENT) + 35 + 16
"""What an independent subsegment has in addition."""

_LIST_BYTES = len(',"subsegments":[]')


class Node:
    """A segment or subsegment with what is nested in it.

    ``own``: its members as JSON text, without braces and without ``subsegments``. ``trace_id`` and ``parent_id`` are
    added where it becomes an independent subsegment; a segment has its own already, and ``trace_id`` is empty.
    """

    __slots__ = ("children", "height", "order", "own", "parent_id", "size", "trace_id")

    def __init__(self, own: str, trace_id: str, parent_id: str) -> None:
        self.own = own
        self.trace_id = trace_id
        self.parent_id = parent_id
        self.children: list[Node] = []
        self.order = 0
        self.size = 0  # bytes of the document with all that stays nested
        self.height = 1


def pack(nodes: list[Node], tops: list[Node], limit: int) -> list[str]:
    """Return the documents for all ``nodes``.

    Args:
        nodes: Every node, parents before their children.
        tops: Those that nobody nests, in the order wanted.
        limit: The most bytes of a document. Each node alone must fit (see ``trim``).
    """
    for order, node in enumerate(nodes):
        node.order = order
    detached: list[Node] = []
    for node in reversed(nodes):
        _fit(node, limit, detached)
    detached.sort(key=lambda node: node.order)
    return [_text(node) for node in tops] + [_text(node) for node in detached]


def _fit(node: Node, limit: int, detached: list[Node]) -> None:
    """Detach children, the largest first, until what stays nested fits. All children fit already."""
    room = limit - INDEPENDENT_BYTES if node.trace_id else limit
    node.size = 2 + len(utf8(node.own))
    children = node.children
    if not children:
        return
    node.size += _LIST_BYTES - 1 + sum([child.size + 1 for child in children])
    tallest = max([child.height for child in children])
    if node.size > room or tallest >= MAX_DEPTH:
        kept = []
        for child in sorted(children, key=lambda child: (-child.size, child.order)):
            if child.height >= MAX_DEPTH or node.size > room:
                node.size -= child.size + 1
                detached.append(child)
            else:
                kept.append(child)
        kept.sort(key=lambda child: child.order)
        node.children = children = kept
        if not children:
            node.size -= _LIST_BYTES - 1
            return
        tallest = max([child.height for child in children])
    node.height = tallest + 1


def _text(top: Node) -> str:
    """Write a document."""
    parts: list[str] = []
    todo: list[Node | str] = [top]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            parts.append(item)
            continue
        parts.append("{" + item.own)
        if item is top and item.trace_id:
            parts.append(f',"type":"subsegment","trace_id":"{item.trace_id}","parent_id":"{item.parent_id}"')
        if not item.children:
            parts.append("}")
            continue
        parts.append(',"subsegments":[')
        todo.append("]}")
        for index in range(len(item.children) - 1, -1, -1):
            todo.append(item.children[index])
            if index:
                todo.append(",")
    return "".join(parts)
