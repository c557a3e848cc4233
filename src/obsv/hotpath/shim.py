"""What ``import cython`` means while the hot path runs interpreted: nothing.

Cython's own shadow module does the same job slowly and is not installed in production, so it is never used.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


compiled = False


def _keep(decorated: Any = None, *_: Any, **__: Any) -> Any:
    """Stand for ``@cython.final`` and friends: give back what was decorated."""
    return decorated


def _keep_with(*_: Any, **__: Any) -> Any:
    """Stand for ``@cython.locals(...)`` and friends: give back a decorator that changes nothing."""
    return _keep


final = cclass = cfunc = ccall = inline = no_gc = _keep
freelist = exceptval = locals = returns = _keep_with

Py_ssize_t = int
longlong = int
ulonglong = int
uint = int
uchar = int
double = float
bint = bool
long = int


def cast(_type: Any, value: Any) -> Any:
    """Stand for a cast: give back the value."""
    return value


def declare(_type: Any, value: Any = None) -> Any:
    """Stand for a typed module variable: give back its first value."""
    return value
