"""Being called back when a module has been imported, and leaving no trace in it."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.resources
import importlib.util
import inspect
import itertools
import pickle
import subprocess
import sys
import threading
import types
from typing import TYPE_CHECKING, Any

import pytest

from obsv.hotpath import faults
from obsv.patches import _hook
from obsv.patches._hook import _FINDER, _waiting, forget, when_imported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from types import ModuleType

NUMBER = itertools.count()


class Library:
    """A place for modules; ``heard`` is what was called back, with whether the module was complete."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = f"hooked_library_{next(NUMBER)}"
        self.heard: list[tuple[str, bool]] = []

    def write(self, path: str, text: str) -> None:
        file = self.folder / path.replace("NAME", self.name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace("NAME", self.name))

    def watch(self, name: str = "NAME") -> Callable[[ModuleType], None]:
        def callback(module: ModuleType) -> None:
            self.heard.append((module.__name__.replace(self.name, "NAME"), hasattr(module, "last")))

        when_imported(name.replace("NAME", self.name), callback)
        return callback

    def load(self, name: str = "NAME") -> ModuleType:
        importlib.invalidate_caches()
        return importlib.import_module(name.replace("NAME", self.name))


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    waiting = set(_waiting)
    made = Library(tmp_path)
    yield made
    for name in [name for name in sys.modules if name.startswith(made.name)]:
        del sys.modules[name]
    for name in set(_waiting) - waiting:
        del _waiting[name]


def loader_of(module: ModuleType) -> Any:
    assert module.__spec__ is not None
    return module.__spec__.loader


def test_before_the_import(library: Library) -> None:
    library.write("NAME.py", "last = 1\n")
    library.watch()
    library.watch()
    assert library.heard == []
    library.load()
    assert library.heard == [("NAME", True)] * 2
    library.load()
    assert len(library.heard) == 2
    assert library.name not in _waiting


def test_after_the_import(library: Library) -> None:
    library.write("NAME.py", "last = 1\n")
    library.load()
    library.watch()
    assert library.heard == [("NAME", True)]
    assert library.name not in _waiting


def test_while_it_is_imported(library: Library) -> None:
    """The library imports what starts obsv: nothing is heard of an import that had begun, so the next one tells."""
    library.write("NAME.py", "import NAME_user\nlast = 1\n")
    library.write("NAME_user.py", "import sys\nsys.modules['hook_test_library'].watch()\n")
    library.write("NAME_more.py", "")
    sys.modules["hook_test_library"] = library  # type: ignore[assignment]
    try:
        library.load()
    finally:
        del sys.modules["hook_test_library"]
    assert all(complete for _, complete in library.heard)
    library.load("NAME_more")
    assert library.heard == [("NAME", True)]


def test_while_another_thread_imports_it(library: Library) -> None:
    started, go = threading.Event(), threading.Event()
    library.write("NAME.py", "import sys\nsys.modules['hook_test_wait']()\nlast = 1\n")
    library.write("NAME_more.py", "")

    def wait() -> None:
        started.set()
        go.wait(30)

    sys.modules["hook_test_wait"] = wait  # type: ignore[assignment]
    thread = threading.Thread(target=library.load)
    try:
        thread.start()
        assert started.wait(30)
        library.watch()
        assert library.heard == []
    finally:
        go.set()
        thread.join(30)
        del sys.modules["hook_test_wait"]
    library.load("NAME_more")
    assert library.heard == [("NAME", True)]


def test_a_callback_may_ask_for_the_same_module(library: Library) -> None:
    library.write("NAME.py", "last = 1\n")

    def again(module: ModuleType) -> None:
        library.watch()

    when_imported(library.name, again)
    library.load()
    assert library.heard == [("NAME", True)]


def test_a_module_that_fails_and_comes_again(library: Library) -> None:
    library.write("NAME.py", "raise KeyError('first')\n")
    library.watch()
    for _ in range(2):
        with pytest.raises(KeyError, match="first"):
            library.load()
    assert library.heard == []
    library.write("NAME.py", "last = 1  # longer than before, for the cache of compiled modules\n")
    module = library.load()
    assert library.heard == [("NAME", True)]
    assert type(loader_of(module)) is importlib.machinery.SourceFileLoader


def test_a_module_that_is_not_there(library: Library) -> None:
    library.watch()
    library.watch("NAME.sub")
    with pytest.raises(ModuleNotFoundError, match=f"No module named '{library.name}'") as raised:
        library.load()
    assert raised.value.name == library.name
    assert library.heard == []


def test_an_import_that_fails_with_each_request_looks_for_unheard_modules_once(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    monkeypatch.setattr(_hook, "_notice", lambda notice=_hook._notice: looked.append(notice()) or looked[-1])
    library.watch()
    for _ in range(10):
        with pytest.raises(ModuleNotFoundError):
            library.load("NAME_absent")
    assert len(looked) == 1
    module = types.ModuleType(library.name)
    sys.modules[library.name] = module  # nobody's import, so unheard
    with pytest.raises(ModuleNotFoundError):
        library.load("NAME_absent")
    assert library.heard == [("NAME", False)]


def test_a_blocked_module(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library.name, None)
    library.watch()
    with pytest.raises(ModuleNotFoundError):
        library.load()
    assert library.heard == []


def test_a_module_that_puts_something_else_in_its_place(library: Library) -> None:
    text = "import sys, types\nmade = types.ModuleType('other')\nmade.last = 1\nsys.modules[__name__] = made\n"
    library.write("NAME.py", text)
    library.watch()
    assert library.load().__name__ == "other"
    assert library.heard == [("other", True)]


def test_a_module_that_calls_itself_otherwise(library: Library) -> None:
    library.write("NAME.py", "__name__ = 'other'\nlast = 1\n")
    library.watch()
    library.load()
    assert library.heard == [("other", True)]


def test_forget(library: Library) -> None:
    library.write("NAME.py", "last = 1\n")
    callback, kept = library.watch(), library.watch()
    forget(callback)
    forget(callback)
    library.load()
    assert len(library.heard) == 1
    forget(kept)  # has been called
    callback = library.watch("NAME_other")
    forget(callback)
    assert f"{library.name}_other" not in _waiting


def test_an_error_in_a_callback_breaks_no_import(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OBSV_RAISE")
    faults.reset()
    library.write("NAME.py", "last = 1\n")
    when_imported(library.name, lambda module: 1 / 0)  # type: ignore[arg-type]
    library.watch()
    assert library.load().last == 1
    assert library.heard == [("NAME", True)]
    assert faults.counts == {f"patching {library.name}": 1}
    faults.reset()


# ---------------------------------------------------------------------- no trace is left


def test_the_loader_is_the_modules_own(library: Library) -> None:
    text = "def function():\n    return __loader__, __spec__.loader\nbegan_with = function()\nlast = 1\n"
    library.write("NAME/__init__.py", text)
    library.write("NAME/data.txt", "some data")
    library.watch()
    module = library.load()
    assert library.heard == [("NAME", True)]
    assert type(module.__loader__) is importlib.machinery.SourceFileLoader
    assert module.__loader__ is loader_of(module)
    assert module.began_with == (module.__loader__, module.__loader__)
    assert importlib.resources.files(module).joinpath("data.txt").read_text() == "some data"
    assert inspect.getsource(module) == text
    assert inspect.getsource(module.function).startswith("def function")
    assert module.__spec__ is not None
    assert module.__spec__.submodule_search_locations == list(module.__path__)
    assert module.__cached__
    assert pickle.loads(pickle.dumps(module.function)) is module.function


def test_the_module_is_as_without_us(library: Library) -> None:
    library.write("NAME.py", "last = 1\n")
    plain = library.load()
    plain_loader, plain_names = type(loader_of(plain)), set(vars(plain))
    del sys.modules[library.name]
    library.watch()
    module = library.load()
    assert (type(loader_of(module)), set(vars(module))) == (plain_loader, plain_names)
    assert importlib.reload(module) is module
    assert len(library.heard) == 1
    assert type(loader_of(module)) is plain_loader


def test_a_spec_that_is_only_looked_up(library: Library) -> None:
    library.write("NAME.py", "last = 1\n")
    library.watch()
    spec = importlib.util.find_spec(library.name)
    assert spec is not None
    loader: Any = spec.loader
    assert loader.get_source(library.name) == "last = 1\n"
    assert loader.get_code(library.name) is not None
    assert library.heard == []
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    assert library.heard == [("NAME", True)]
    assert type(loader_of(module)) is importlib.machinery.SourceFileLoader


def test_run_as_a_program(library: Library) -> None:
    library.write("NAME.py", "import sys\nprint(__name__, 'NAME' in sys.modules, type(__loader__).__name__)\n")
    code = (
        f"import runpy\nfrom obsv.patches import when_imported\nwhen_imported({library.name!r}, print)\n"
        f"runpy.run_module({library.name!r}, run_name='__main__', alter_sys=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=library.folder, timeout=60)
    assert done.stderr == ""
    assert done.stdout.startswith("__main__ False")


# ---------------------------------------------------------------------- packages


def test_submodules(library: Library) -> None:
    library.write("NAME/__init__.py", "from . import inner\nlast = 1\n")
    library.write("NAME/inner.py", "from . import deeper\nlast = 1\n")
    library.write("NAME/deeper.py", "last = 1\n")
    library.write("NAME/later.py", "last = 1\n")
    for name in ("NAME", "NAME.inner", "NAME.deeper", "NAME.later"):
        library.watch(name)
    library.load()
    assert library.heard == [("NAME.deeper", True), ("NAME.inner", True), ("NAME", True)]
    library.load("NAME.later")
    assert library.heard[3:] == [("NAME.later", True)]


def test_a_namespace_package(library: Library) -> None:
    """It runs no code that could be heard; it is noticed with the first module in it."""
    library.write("NAME/inner.py", "last = 1\n")
    library.watch()
    library.watch("NAME.inner")
    namespace = library.load()
    assert namespace.__file__ is None
    library.load("NAME.inner")
    assert library.heard == [("NAME", False), ("NAME.inner", True)]
    assert list(namespace.__path__) == [str(library.folder / library.name)]


def test_modules_that_are_built_in_or_extensions() -> None:
    code = (
        "import sys\nfrom obsv.patches import when_imported\n"
        "names = [n for n in ('_bisect', 'xxsubtype', 'unicodedata', 'this_is_none') if n not in sys.modules]\n"
        "for name in names: when_imported(name, lambda m: print(m.__name__, m.__loader__ is m.__spec__.loader))\n"
        "for name in names:\n    try: __import__(name)\n    except ImportError: pass\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert "xxsubtype True" in done.stdout
    assert "False" not in done.stdout
    assert "this_is_none" not in done.stdout


# ---------------------------------------------------------------------- other finders


class Memory(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds one module, and is its loader too."""

    def __init__(self, name: str) -> None:
        self.name = name

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> Any:
        return importlib.machinery.ModuleSpec(name, self) if name == self.name else None

    def exec_module(self, module: ModuleType) -> None:
        module.last = 1  # type: ignore[attr-defined]


class Asking(importlib.abc.MetaPathFinder):
    """Asks all the others, without looking whether they ask it: other tools do that too."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> Any:
        for finder in sys.meta_path:
            if finder is not self:
                spec = finder.find_spec(name, path, target)
                if spec is not None:
                    return spec
        return None


@pytest.mark.parametrize("place", ["first", "last"])
def test_a_finder_of_the_programs(library: Library, place: str) -> None:
    library.watch()
    memory = Memory(library.name)
    sys.meta_path.insert(0 if place == "first" else len(sys.meta_path), memory)
    module = library.load()
    assert loader_of(module) is memory
    if place == "first":  # it was found before we were asked; the next import tells
        library.write("NAME_more.py", "")
        library.load("NAME_more")
    assert library.heard == [("NAME", True)]


@pytest.mark.parametrize("place", ["first", "last"])
def test_a_finder_that_asks_all_others(library: Library, place: str) -> None:
    library.write("NAME.py", "last = 1\n")
    library.watch()
    sys.meta_path.insert(0 if place == "first" else len(sys.meta_path), Asking())
    module = library.load()
    assert library.heard == [("NAME", True)]
    assert type(loader_of(module)) is importlib.machinery.SourceFileLoader


def test_a_finder_without_find_spec(library: Library) -> None:
    library.write("NAME.py", "last = 1\n")
    library.watch()
    sys.meta_path.insert(1, object())  # type: ignore[arg-type]
    finders = sys.meta_path
    spec = _FINDER.find_spec(library.name)
    assert spec is not None
    assert _FINDER in finders


def test_a_finder_that_fails(library: Library) -> None:
    class Failing(Asking):
        def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> Any:
            raise RuntimeError("of the program")

    library.write("NAME.py", "last = 1\n")
    library.watch()
    failing = Failing()
    sys.meta_path.append(failing)
    sys.meta_path.insert(1, failing)
    with pytest.raises(RuntimeError, match="of the program"):
        library.load()
    sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not failing]
    library.load()
    assert library.heard == [("NAME", True)]


def test_a_loader_of_the_old_kind(library: Library) -> None:
    """``load_module`` without ``exec_module``: left as it is, and noticed with the next import."""

    class Old:
        def load_module(self, name: str) -> Any:
            module = type(sys)(name)
            module.last = 1  # type: ignore[attr-defined]
            sys.modules[name] = module
            return module

    class Finder(Asking):
        def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> Any:
            return importlib.machinery.ModuleSpec(name, Old()) if name == library.name else None  # type: ignore[arg-type]

    library.watch()
    library.write("NAME_more.py", "")
    sys.meta_path.append(Finder())
    if sys.version_info < (3, 15):
        with pytest.warns(ImportWarning):
            library.load()
        library.load("NAME_more")
        assert library.heard == [("NAME", True)]


def test_the_finder_comes_back_when_somebody_took_it_out(library: Library) -> None:
    library.write("NAME.py", "last = 1\n")
    sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not _FINDER]
    library.watch()
    assert sys.meta_path[0] is _FINDER
    library.watch()
    assert sys.meta_path.count(_FINDER) == 1
    library.load()
    assert library.heard == [("NAME", True)] * 2


def test_many_threads_import_at_once(library: Library) -> None:
    names = [f"NAME_{i}" for i in range(20)]
    for name in names:
        library.write(f"{name}.py", "last = 1\n")
        library.watch(name)
    importlib.invalidate_caches()
    errors: list[BaseException] = []

    def load() -> None:
        try:
            for name in names:
                importlib.import_module(name.replace("NAME", library.name))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert sorted(library.heard) == sorted((name, True) for name in names)
