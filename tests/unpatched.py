"""For tests of patches: what stands at a place of a library, and the spans of a new process by order of imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

ORDERS = ("library first", "obsv first")


def spans_in_new_process(order: str, library: str, code: str, *arguments: str) -> list[dict[str, Any]]:
    """The spans that ``code`` makes in a new process where ``library`` is imported before or after ``obsv.init()``.

    ``code`` finds its arguments in ``sys.argv[1:]``. Anything on stderr fails the test.
    """
    imports, init = f"import {library}\n", "seen = testing.capture(); seen = seen.__enter__()\n"
    program = (
        "import json, sys\nfrom obsv import testing\n"
        + (imports + init if order == "library first" else init + imports)
        + code
        + "\nprint(json.dumps([{'name': s.name, 'id': s.span_id, 'parent': s.parent_id} for s in seen.spans]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "OBSV_RAISE": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


def functions(*targets: str) -> dict[str, Any]:
    """What stands at each ``module:Class.method`` now, as it is kept there (a function, not a bound method)."""
    from importlib import import_module

    found = {}
    for target in targets:
        module, _, path = target.partition(":")
        owner: Any = import_module(module)
        *outer, name = path.split(".")
        for part in outer:
            owner = getattr(owner, part)
        found[target] = vars(owner).get(name)
    return found
