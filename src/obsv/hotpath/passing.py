"""What stands in a function's place: called as the function, it gets the arguments as they are and hands them on.

Only compiled; the interpreted twin is in ``passing_plain``. A function with ``*args, **kwargs`` costs a tuple and two
dicts for each call, and as much again to take them apart for the function behind it: with ten keyword arguments that is
more than all that is done with them. So this speaks CPython's vectorcall protocol (PEP 590) itself, which Cython gives
only to functions with named parameters.
"""

from __future__ import annotations

from . import faults

if 0:  # seen by the compiler only
    import cython
else:
    from . import shim as cython

if cython.compiled:
    from cython.cimports.cpython.object import PyObject_Call as apply
    from cython.cimports.obsv.hotpath.passing import bound, take_vectorcalls
    from cython.cimports.obsv.hotpath.passing import obsv_vectorcall as vectorcall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_OF_FUNCTIONS = frozenset(("__builtins__", "__closure__", "__code__", "__defaults__", "__globals__", "__kwdefaults__"))
_FUNCTION = type(faults.report)  # that of `types`; a function in here is one of Cython's


class Replacement:
    """A callable that does what it was made for; in all else it is like a function.

    It binds as one, is pickled and copied by its name, takes attributes, and what a tool asks of functions it says of
    the one behind it. Many ask ``isinstance(..., FunctionType)``: so it answers as wrapt's wrappers do.
    """

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return _FUNCTION if isinstance(self.function, _FUNCTION) else Replacement

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return apply(self, args, kwargs)  # reached by name only; else the type's own vectorcall is

    def __get__(self, instance: Any, owner: Any) -> Any:
        return self if instance is None else bound(self, instance)

    def __getattr__(self, name: str) -> Any:
        if name in _OF_FUNCTIONS:
            return getattr(self.function, name)
        raise AttributeError(f"'function' object has no attribute '{name}'")

    def __reduce__(self) -> str:
        return str(self.__qualname__)

    def __repr__(self) -> str:
        return f"<function {self.__qualname__} at {id(self):#x}>"


def replacement(instead: Any, function: Callable[..., Any], told: Any) -> Any:
    """Make what :func:`passing_plain.replacement` tells of."""
    made: Any = Replacement.__new__(Replacement)
    made.vectorcall = vectorcall
    made.instead = instead
    made.function = function
    made.told = told
    # What is no function may lack these.
    made.__name__ = made.__qualname__ = getattr(function, "__name__", type(function).__name__)
    made.__annotations__ = {}
    made.__doc__ = None
    return made


if cython.compiled:
    take_vectorcalls(Replacement.__new__(Replacement))
