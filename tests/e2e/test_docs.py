"""Every code block of the documentation does what it says: see tests/snippets.py for which are run, and how."""

from __future__ import annotations

from pathlib import Path

import pytest

from snippets import Snippet, run, snippets

ROOT = Path(__file__).parents[2]
DOCUMENTS = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]


# Documents say `obsv show` to readers who have run something.
SOMETHING = """
import obsv
obsv.init("shop", traces="local", metrics="none", logs="none")
with obsv.span("GET /products"):
    pass
"""


@pytest.mark.parametrize("document", DOCUMENTS)
def test_snippets_run(document: str, tmp_path: Path) -> None:
    assert run(Snippet("python", SOMETHING, 0), tmp_path) is None
    failures = [run(snippet, tmp_path) for snippet in snippets((ROOT / document).read_text(encoding="utf-8"))]
    assert not [failure for failure in failures if failure], "\n".join(failure for failure in failures if failure)


TEXT = """
# A document

```python
# tool.py
print("hello")
```

<!-- not run: needs an account -->
```python
raise SystemExit(1)
```

1. Then:

   ```console
   $ python tool.py > out.txt
   hello
   $ make demo
   ```

```toml
x = 1
```
"""


def test_which_blocks_are_run(tmp_path: Path) -> None:
    found = list(snippets(TEXT))
    assert [(snippet.language, snippet.line) for snippet in found] == [("python", 4), ("console", 16)]
    assert found[0].file == "tool.py"
    assert found[1].commands() == [["bash", "-c", "python tool.py > out.txt"]]
    assert [run(snippet, tmp_path) for snippet in found] == [None, None]
    assert (tmp_path / "out.txt").read_text() == "hello\n"


def test_what_goes_wrong_is_told(tmp_path: Path) -> None:
    told = run(Snippet("python", "raise SystemExit('no luck')", 7), tmp_path)
    assert told is not None
    assert told.startswith("line 7: status 1")
    assert "no luck" in told
