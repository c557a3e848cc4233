from __future__ import annotations

import json

from aws_data import flatten
from obsv.xray.split import INDEPENDENT_BYTES, MAX_DEPTH, Node, pack

TRACE = "1-6a1867c0-123456789abcdef012345678"


def node(identity: int, size: int, parent: Node | None = None) -> Node:
    own = f'"id":"{identity:016x}","x":""'
    made = Node(own[:-1] + "x" * max(0, size - len(own) - 2) + '"', TRACE if parent else "", f"{identity - 1:016x}")
    if parent:
        parent.children.append(made)
    return made


def test_sizes_are_exact() -> None:
    root = node(1, 100)
    nodes = [root, *[node(index, 100, root) for index in range(2, 12)]]
    [text] = pack(nodes, [root], 10_000)
    assert root.size == len(text)
    for limit in (len(text), len(text) - 1):
        nodes = [root := node(1, 100), *[node(index, 100, root) for index in range(2, 12)]]
        assert len(pack(nodes, [root], limit)) == (1 if limit == len(text) else 2)


def test_an_independent_subsegment_has_room_for_what_it_needs() -> None:
    root = node(1, 500)
    child = node(2, 500 - INDEPENDENT_BYTES, root)
    texts = pack([root, child], [root], 500)
    assert [len(text) for text in texts] == [500, 500]
    assert json.loads(texts[1]) | {"x": ""} == {
        "id": "0000000000000002",
        "x": "",
        "type": "subsegment",
        "trace_id": TRACE,
        "parent_id": "0000000000000001",
    }


def test_a_document_is_never_nested_deeper_than_readers_bear() -> None:
    nodes = [node(1, 50)]
    for index in range(2, 1001):
        nodes.append(node(index, 50, nodes[-1]))
    texts = pack(nodes, nodes[:1], 1 << 30)
    assert len(texts) == 1000 // MAX_DEPTH
    assert all(text.count("subsegments") == MAX_DEPTH - 1 for text in texts)
    assert sum(len(flatten(json.loads(text))) for text in texts) == 1000


def test_bytes_are_counted_not_characters() -> None:
    root = Node('"id":"é"', "", "")
    [text] = pack([root], [root], 100)
    assert root.size == len(text.encode())
