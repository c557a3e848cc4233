"""How the commands of the benchmarks end: with one line for a mistake, and quietly by Ctrl-C."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn


def refused(text: str) -> int:
    """Say what is wrong with a command, and return its exit status."""
    print(f"benchmarks: {text}", file=sys.stderr)
    return 2


def run(main: Callable[[], int]) -> NoReturn:
    """Run a command and end the process."""
    try:
        raise SystemExit(main())
    except KeyboardInterrupt:
        raise SystemExit(130) from None
