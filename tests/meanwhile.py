"""What another thread may do at the worst moment, done at each such moment."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def meanwhile(change: Callable[[], object]) -> Iterator[None]:
    """Change something with nearly each object that is made.

    The garbage collector starts then, and may let another thread run: up to Python 3.11 in the midst of C code too,
    such as ``list(d.items())``.
    """
    busy = False

    def started(phase: str, info: object) -> None:
        nonlocal busy
        if not busy:
            busy = True
            try:
                change()
            finally:
                busy = False

    before = gc.get_threshold()
    gc.callbacks.append(started)
    gc.set_threshold(1)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(started)
