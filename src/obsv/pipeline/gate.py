"""Keeps a fork from happening while a thread of ours imports modules.

A child that is forked while another thread imports inherits the module's lock locked, and nobody to unlock it: its
own first ``import`` of that module would wait for ever. So the threads of the lanes import everything that they need
at one moment, behind this gate, and a fork waits for that moment to pass, for a bounded time.
"""

from __future__ import annotations

import _thread
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_WAIT = 3.0
"""Seconds that a fork waits at the most; importing a sink's modules takes a tenth of one."""

_gate = _thread.allocate_lock()
_held = False


def load(modules: Iterable[str]) -> None:
    """Import modules, while no fork can happen. A module that is not there is skipped: its use will say so."""
    with _gate:
        for name in modules:
            try:
                __import__(name)
            except ImportError:
                continue


def _before_fork() -> None:
    global _held
    _held = _gate.acquire(timeout=MAX_WAIT)


def _after_in_parent() -> None:
    global _held
    if _held:
        _held = False
        _gate.release()


def _after_in_child() -> None:
    global _gate, _held
    _gate = _thread.allocate_lock()
    _held = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
