"""Calls back when a module has been imported, whatever the order of imports, and imports nothing itself.

``wrapt.when_imported`` does the same, but importing wrapt takes more than four times as long as all of obsv may (it
brings asyncio and importlib.metadata along), so this is the one thing of it that is written again.
"""

from __future__ import annotations

import sys
from _thread import get_ident

from ..hotpath import faults

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    Callback = Callable[[ModuleType], None]
    Answer = Callable[[str], ModuleSpec | None]

_waiting: dict[str, list[Callback]] = {}
_finding: set[tuple[int, str]] = set()  # thread and name of searches that are under way

_stand_ins: dict[str, Answer] = {}


def stand_in(name: str, answer: Answer) -> None:
    """Ask ``answer`` for the spec of package ``name`` and of all below it, before anybody else is asked."""
    _stand_ins[name] = answer
    _stand_first()


def when_imported(name: str, callback: Callback) -> None:
    """Call ``callback(module)`` as soon as module ``name`` has been imported; now, if it has been already.

    An import that cannot be heard (it was under way already, or it is that of a namespace package, which runs no code)
    is noticed when the program imports anything else.
    """
    module = sys.modules.get(name)
    if module is not None and not _importing(module):
        _call(callback, module)
        return
    _waiting.setdefault(name, []).append(callback)
    _FINDER.noticed = -1
    _stand_first()


def _stand_first() -> None:
    if _FINDER not in sys.meta_path:
        # It is never taken out again: a thread that is just going through the list would leave out another finder.
        sys.meta_path.insert(0, _FINDER)


def forget(callback: Callback) -> None:
    """Take back a callback that has not been called."""
    for name, callbacks in _waiting.copy().items():
        if callback in callbacks:
            callbacks.remove(callback)
            if not callbacks:
                _waiting.pop(name, None)


def _importing(module: ModuleType) -> bool:
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


def _call(callback: Callback, module: ModuleType) -> None:
    try:
        callback(module)
    except Exception as error:  # noqa: BLE001 - an import of the user's must not fail because of us
        faults.report(f"patching {module.__name__}", error)


def _imported(name: str, module: ModuleType) -> None:
    while callbacks := _waiting.pop(name, None):  # a callback may ask for the same module again
        for callback in callbacks:
            _call(callback, module)


def _notice() -> int:
    """Call back for modules that have arrived unheard. Return how many modules there are then, or -1 where one of these
    is still being imported."""
    count = len(sys.modules)
    for name in list(_waiting):
        module = sys.modules.get(name)
        if module is None:
            continue
        if _importing(module):
            count = -1
        else:
            _imported(name, module)
    return count


def _answer(answer: Answer, name: str) -> ModuleSpec | None:
    try:
        spec = answer(name)
    except Exception as error:  # noqa: BLE001 - as above
        faults.report(f"standing in for {name}", error)
        return None
    if spec is not None and name in _waiting:
        spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
    return spec


class _Finder:
    """Stands first on ``sys.meta_path``, finds what the others find, and hears when it has been loaded."""

    noticed = -1  # so many modules there were when unheard ones were looked for

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if _stand_ins:
            answer = _stand_ins.get(name.partition(".")[0])
            if answer is not None:
                answered = _answer(answer, name)
                if answered is not None:
                    return answered
        if not _waiting:
            return None
        # Libraries try to import what is not installed, some with each request: nothing can have arrived meanwhile.
        if len(sys.modules) != self.noticed:
            self.noticed = _notice()
        if name not in _waiting:
            return None
        search = (get_ident(), name)
        if search in _finding:  # a finder that asks all the others, as this one does
            return None
        _finding.add(search)
        try:
            for finder in list(sys.meta_path):
                find = None if finder is self else getattr(finder, "find_spec", None)
                spec: ModuleSpec | None = find(name, path, target) if find is not None else None
                if spec is not None:
                    if spec.loader is not None and hasattr(spec.loader, "exec_module"):
                        spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
                    return spec
            return None
        finally:
            _finding.discard(search)


class _Loader:
    """Behaves like the module's own loader; tells when it is done, and leaves no trace in the module."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        created: ModuleType | None = self._loader.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        loader, name = self._loader, module.__name__
        if module.__spec__ is not None:
            name = module.__spec__.name
            module.__spec__.loader = loader
        if getattr(module, "__loader__", None) is self:
            module.__loader__ = loader
        loader.exec_module(module)
        _imported(name, sys.modules.get(name) or module)  # it may have put something else in its place


_FINDER: Any = _Finder()
