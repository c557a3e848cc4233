"""Functions and methods of the program's own modules as subsegments: ``patch(["my_module"])``."""

from __future__ import annotations

import sys
from types import FunctionType
from typing import Any

from obsv.hotpath import faults
from obsv.hotpath.errors import safe_text
from obsv.patches import when_imported

from .managers import is_already_recording
from .recorder import xray_recorder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

_captured: set[str] = set()


def capture_module(name: Any, ignored: Iterable[str]) -> None:
    """Capture a module, and those below it, now or when they are imported."""
    import re

    patterns = [re.compile(pattern) for pattern in ignored]
    todo = [safe_text(name)]
    while todo:
        module = todo.pop()
        if module in _captured or any(pattern.match(module) for pattern in patterns):
            continue
        _captured.add(module)
        places = _places(module)
        if places is None:
            faults.tell(f"aws_xray_sdk patch: {module!r} is neither a library that obsv patches nor a module; ignored")
            continue
        when_imported(module, _capture)
        if places:
            import pkgutil

            todo.extend(f"{module}.{found.name}" for found in pkgutil.iter_modules(places))


def _places(name: str) -> list[str] | None:
    """Return where the modules below a module are, without importing it; None where there is no such module."""
    loaded = sys.modules.get(name)
    if loaded is not None:
        return list(getattr(loaded, "__path__", ()))
    from importlib.machinery import PathFinder

    path: Any = None
    for part in name.split("."):
        # By its last name: the places of a package without `__init__` would be looked up in its parent, once imported.
        spec = PathFinder.find_spec(part, path)
        if spec is None:
            return None
        path = list(spec.submodule_search_locations or ())
    return list(path)


def _capture(module: ModuleType) -> None:
    for name, member in list(vars(module).items()):
        if getattr(member, "__module__", None) != module.__name__:
            continue
        if isinstance(member, FunctionType):
            _replace(module, name, member, name)
        elif isinstance(member, type):
            _capture_class(member)


def _capture_class(owner: type) -> None:
    for name, member in list(vars(owner).items()):
        if isinstance(member, type):
            if member.__module__ == owner.__module__ and member.__qualname__.startswith(owner.__qualname__ + "."):
                _capture_class(member)
            continue
        inner = member.__func__ if isinstance(member, (staticmethod, classmethod)) else member
        if isinstance(inner, FunctionType) and inner.__module__ == owner.__module__:
            _replace(owner, name, member, f"{owner.__name__}.{name}" if name.startswith("__") else name)


def _replace(owner: Any, name: str, member: Any, shown: str) -> None:
    inner = getattr(member, "__func__", member)
    if not is_already_recording(inner):
        setattr(owner, name, xray_recorder.capture(shown)(member))
