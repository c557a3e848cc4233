"""docs/on-aws.md: the program and the environment that stand in it, and the blocks that are filled in."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "on-aws.md"
FOLDER = ROOT / "docs" / "pictures"
KEPT = FOLDER / "on-aws.json"

_BLOCK = re.compile(r"(<!-- on-aws: ([a-z0-9 -]+) -->\n).*?(<!-- /on-aws -->)", re.DOTALL)
_MOST = 110  # characters of a line of JSON
_ITEMS = 3  # of a list that are shown
_TEXT = 100  # characters of a text that are shown


def program() -> str:
    """Return the program that the page shows."""
    found = re.search(
        r"^```python\n(# orders\.py\n.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert found is not None
    return found[1]


def environment() -> dict[str, str]:
    """Return the variables that the page sets for it."""
    lines = re.findall(r'^export (\w+)="?([^"\n]*)"?$', PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return dict(lines)


def filled(text: str, block: Callable[[str], str]) -> str:
    """Return the page with each of its blocks replaced by what ``block`` returns for its name."""
    return _BLOCK.sub(lambda found: f"{found[1]}{block(found[2])}\n{found[3]}", text)


def as_json(document: Any) -> str:
    """Return a code block with a document, where long lists and texts end with ``…``."""
    return f"```json\n{_pretty(_shown(document), '')}\n```"


def _shown(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shown(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_shown(member) for member in value[:_ITEMS]] + ["…"] * (len(value) > _ITEMS)
    if isinstance(value, str) and len(value) > _TEXT:
        return value[:_TEXT] + "…"
    return value


def _pretty(value: Any, indent: str) -> str:
    """Write a value in one line where it fits, else a member a line."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= _MOST or not isinstance(value, (dict, list)):
        return line
    inner = indent + "  "
    if isinstance(value, list):
        return "[\n" + ",\n".join([inner + _pretty(member, inner) for member in value]) + f"\n{indent}]"
    members = [f"{inner}{json.dumps(key)}: {_pretty(member, inner)}" for key, member in value.items()]
    return "{\n" + ",\n".join(members) + f"\n{indent}}}"
