"""Patches on small modules of our own: what is put in place, what is put back, and what is said when it cannot be."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import itertools
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.hotpath import faults
from obsv.hotpath.span import CLIENT, CONSUMER, INTERNAL, PRODUCER, SERVER
from obsv.patches import Entry, _hook
from obsv.patches._patch import Patch, supports
from obsv.testing import Capture, capture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

LIBRARY = '''
"""A library."""
import functools

def function(x, y=2):
    """Adds."""
    if x is None:
        raise ValueError("no x")
    return x + y

async def coroutine(x):
    return x + 1

def generator(n):
    yield from range(n)

async def async_generator(n):
    for i in range(n):
        yield i

class Base:
    def inherited(self, x):
        return ("inherited", type(self).__name__, x)

    @classmethod
    def inherited_class(cls, x):
        return (cls.__name__, x)

    @staticmethod
    def inherited_static(x):
        return ("inherited_static", x)

class Client(Base):
    def method(self, x):
        return (self, x)

    async def coroutine_method(self, x):
        return (self, x)

    def steps(self, n):
        yield from range(n)

    @staticmethod
    def static(x):
        return ("static", x)

    @classmethod
    def of_class(cls, x):
        return (cls, x)

    @property
    def value(self):
        return 7

    unbound = functools.partial(pow, 2)
    size = len
    nothing = None

class Special(Client):
    pass
'''
NUMBER = itertools.count()
PATHS = (
    *("function", "coroutine", "generator", "async_generator", "Client.method", "Client.coroutine_method"),
    *("Client.steps", "Client.static", "Client.of_class", "Client.inherited", "Client.inherited_class"),
    *("Client.inherited_static", "Client.unbound", "Client.size"),
)


@pytest.fixture
def name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a library that can be imported."""
    name = f"patched_library_{next(NUMBER)}"
    (tmp_path / f"{name}.py").write_text(LIBRARY)
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    sys.modules.pop(name, None)


@pytest.fixture
def library(name: str) -> ModuleType:
    return importlib.import_module(name)


@pytest.fixture
def seen() -> Iterator[Capture]:
    with capture(patch=False) as captured:
        yield captured


@pytest.fixture
def swallowed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Errors of ours are swallowed and told, as in a user's program."""
    monkeypatch.delenv("OBSV_RAISE")
    faults.reset()
    yield
    faults.reset()


def patch_of(library: str, *paths: str, unless: Any = None, hook: Any = None) -> Patch:
    patch = Patch(library)
    patch.client(*[f"{library}:{path}" for path in paths], unless=unless)(hook or (lambda *_: None))
    return patch


def kept(module: ModuleType, path: str) -> tuple[bool, Any]:
    """Whether a name stands in its owner's own namespace, and as what."""
    owner: Any = module
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    return name in vars(owner), vars(owner).get(name)


def call_all(module: ModuleType) -> list[Any]:
    """Calls each of PATHS in the ways in which people do."""
    client, special = module.Client(), module.Special()

    async def of_asyncio() -> list[Any]:
        return [
            await module.coroutine(1),
            [i async for i in module.async_generator(2)],
            await client.coroutine_method(3),
        ]

    results = [
        *[module.function(1), module.function(1, y=5), list(module.generator(2)), *asyncio.run(of_asyncio())],
        *[client.method(1), module.Client.method(client, x=1), list(client.steps(2)), client.static(1)],
        *[module.Client.static(1), client.of_class(1), module.Client.of_class(x=1), special.of_class(2)],
        *[client.inherited(1), special.inherited(1), client.inherited_class(1), module.Special.inherited_class(1)],
        *[special.inherited_class(1), module.Client.inherited_class(1), client.inherited_static(1)],
        *[module.Client.inherited_static(1), client.unbound(5), module.Client.unbound(5), client.size("abc")],
    ]
    return [without(client, result) for result in results]


def without(client: Any, result: Any) -> Any:
    """The result, with the client's name in its place: each call has a client of its own."""
    return tuple("client" if part is client else part for part in result) if isinstance(result, tuple) else result


# ---------------------------------------------------------------------- versions


@pytest.mark.parametrize(
    ("requires", "version", "expected"),
    [
        ("x >= 4.2", "4.2", True),
        ("x >= 4.2", "4.2.0", True),
        ("x >= 4.2.0", "4.2", True),
        ("x >= 4.2", "4.10", True),
        ("x >= 4.2", "4.1.9", False),
        ("x >= 4.2", "99", True),
        ("x >= 1.2, < 4", "3.99.99", True),
        ("x >= 1.2, < 4", "4", False),
        ("x >= 1.2, < 4", "4.0.0", False),
        ("x >= 1.2,< 4", "4.1", False),
        ("x >= 1.2, < 4.0", "3.9", True),
        ("x >= 1.2, < 4.0", "4", False),
        ("x >= 4.2", "4.2rc1", True),
        ("x >= 4.2", "4.2.0.post1+local.7", True),
        ("x >= 4.2", "4.1b2", False),
        ("x >= 4.2", "0", False),
        ("x >= 4.2", "2024.10.1", True),
        ("x >= 4.2", "", True),
        ("x >= 4.2", "unknown", True),
        ("x >= 4.2", "v1.0", True),
        ("x >= 4.2", "4²", False),
        ("x >= 4.2", "4.3²", True),
        ("x >= 4.2", "9" * 5000, True),
        ("x", "1", True),
    ],
)
def test_supports(requires: str, version: str, expected: bool) -> None:
    assert supports(requires, version) is expected


@given(st.text())
def test_supports_survives_any_version(version: str) -> None:
    assert supports("x >= 1.2, < 4", version) in (True, False)


@given(st.lists(st.integers(0, 99), min_size=1, max_size=4), st.lists(st.integers(0, 99), min_size=1, max_size=4))
def test_a_bound_divides_all_versions(one: list[int], other: list[int]) -> None:
    version, bound = ".".join(map(str, one)), ".".join(map(str, other))
    width = max(len(one), len(other))
    newer = [*one, *[0] * (width - len(one))] >= [*other, *[0] * (width - len(other))]
    assert supports(f"x >= {bound}", version) is newer
    assert supports(f"x < {bound}", version) is not newer


@pytest.mark.parametrize("requires", ["x ~= 4.2", "x >=4.2", "x > 1", "x == 1", "x >= new"])
def test_supports_refuses_what_it_does_not_understand(requires: str) -> None:
    with pytest.raises(ValueError, match="x"):
        supports(requires, "5")


def test_the_version_is_that_of_the_module_or_the_distribution(library: ModuleType) -> None:
    patch = Patch("x", requires=f"{library.__name__} >= 1")
    assert patch.version() is None  # no metadata: vendored
    library.__version__ = "3.1"  # type: ignore[attr-defined]
    assert patch.version() == "3.1"
    assert Patch("x", requires="pytest >= 1").version() == pytest.__version__
    assert Patch("x").version() is None


# ---------------------------------------------------------------------- refusing


@pytest.mark.usefixtures("swallowed")
def test_an_unsupported_version_is_left_alone_and_told(
    seen: Capture, library: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    name, before = library.__name__, library.function
    library.__version__ = "0.9"  # type: ignore[attr-defined]
    patch = patch_of(name, "function")
    patch.requires = f"{name} >= 1"
    entry = entry_of(patch)
    entry.imported(library)
    assert library.function is before
    assert not patch.applied
    problem = f"version 0.9 is installed, {name} >= 1 is supported"
    assert capsys.readouterr().err == f"obsv: {name} is not patched: {problem}\n"
    assert entry.state() == problem
    entry.wanted = False
    assert entry.state() == "off"
    library.__version__ = "1.0"  # type: ignore[attr-defined]
    entry.wanted = True
    patch.apply()
    assert entry.state() == "patched"
    patch.remove()


def entry_of(patch: Patch) -> Entry:
    entry = Entry(patch.name, patch.name, patch.requires)
    entry.wanted, entry.patch = True, patch
    return entry


def test_missing_targets_are_named(seen: Capture, library: ModuleType) -> None:
    name = library.__name__
    paths = ("gone", "Gone.method", "Client.gone", "Client.value", "Client.nothing")
    patch = patch_of(name, "function", *paths)
    patch.apply()
    missing = [f"{name}:{path}" for path in paths]
    assert patch.missing() == missing
    assert entry_of(patch).state() == f"patched, but not found: {', '.join(missing)}"
    assert library.function(1) == 3
    assert library.Client().value == 7
    assert [span.name for span in seen.spans] == [f"{name}:function"]
    patch.remove()


def test_what_was_missing_is_patched_once_it_is_there(seen: Capture, library: ModuleType) -> None:
    patch = patch_of(library.__name__, "later")
    patch.apply()
    assert patch.missing()
    patch.remove()
    library.later = lambda: 5  # type: ignore[attr-defined]
    patch.apply()
    assert not patch.missing()
    assert library.later() == 5
    assert len(seen.spans) == 1
    patch.remove()


# ---------------------------------------------------------------------- applying and removing


# Python 3.13 warns of a partial as a method, with or without a patch.
@pytest.mark.filterwarnings("ignore:functools.partial will be a method descriptor:FutureWarning")
@pytest.mark.parametrize("how", ["described", "wrapped"])
def test_everything_works_as_before_and_is_put_back(seen: Capture, library: ModuleType, how: str) -> None:
    name, before = library.__name__, {path: kept(library, path) for path in PATHS}
    expected = call_all(library)
    patch = patch_of(name, *PATHS)
    called = []
    if how == "wrapped":
        patch = Patch(name)

        @patch.wrap(*[f"{name}:{path}" for path in PATHS])
        def wrapper(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
            called.append(instance)
            return wrapped(*args, **kwargs)

    patch.apply()
    patch.apply()  # a second time does nothing
    assert patch.applied
    assert not patch.missing()
    for path in PATHS:
        assert kept(library, path) != before[path]
    assert call_all(library) == expected
    assert len(seen.spans if how == "described" else called) == len(expected)
    patch.remove()
    patch.remove()
    assert {path: kept(library, path) for path in PATHS} == before
    assert all(kept(library, path)[1] is before[path][1] for path in PATHS)
    assert call_all(library) == expected
    assert len(seen.spans if how == "described" else called) == len(expected)


def test_functions_keep_their_kind_name_and_signature(seen: Capture, library: ModuleType) -> None:
    signature, method = inspect.signature(library.function), inspect.signature(library.Client().method)
    patch = patch_of(library.__name__, *PATHS)
    patch.apply()
    client = library.Client()
    assert inspect.iscoroutinefunction(library.coroutine)
    assert inspect.iscoroutinefunction(client.coroutine_method)
    assert inspect.isgeneratorfunction(library.generator)
    assert inspect.isasyncgenfunction(library.async_generator)
    assert inspect.ismethod(client.method)
    assert library.function.__doc__ == "Adds."
    assert inspect.signature(library.function) == signature
    assert inspect.signature(client.method) == method
    patch.remove()


def test_the_hook_is_given_instance_and_arguments(seen: Capture, library: ModuleType) -> None:
    given: dict[str, Any] = {}

    def hook(span: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        given[span.name.rpartition(".")[2].rpartition(":")[2]] = (instance, args, dict(kwargs))
        return lambda result: span.set(result=str(result)[:5])

    patch = patch_of(library.__name__, "function", *[p for p in PATHS if p.startswith("Client.")], hook=hook)
    patch.apply()
    client = library.Client()
    library.function(1, y=2)
    client.method(3)
    client.static(4)
    client.of_class(5)
    client.inherited(6)
    library.Special.inherited_class(7)
    client.inherited_static(8)
    patch.remove()
    assert given == {
        "function": (None, (1,), {"y": 2}),
        "method": (client, (3,), {}),
        "static": (None, (4,), {}),
        "of_class": (library.Client, (5,), {}),
        "inherited": (client, (6,), {}),
        "inherited_class": (library.Special, (7,), {}),
        "inherited_static": (None, (8,), {}),
    }
    assert seen.span("static").attributes["result"] == "('sta"
    assert seen.span("method").scope.name == f"obsv.patches.{library.__name__}"


@pytest.mark.parametrize(
    ("describe", "kind"),
    [("client", CLIENT), ("server", SERVER), ("producer", PRODUCER), ("consumer", CONSUMER), ("internal", INTERNAL)],
)
def test_kinds_and_names(seen: Capture, library: ModuleType, describe: str, kind: int) -> None:
    patch = Patch("x")
    getattr(patch, describe)(f"{library.__name__}:function", name="work")(lambda *_: None)
    patch.apply()
    library.function(1)
    patch.remove()
    assert seen.span("work").kind_value == kind


def test_errors_of_the_library_pass_as_they_are(seen: Capture, library: ModuleType) -> None:
    name = library.__name__
    patch = patch_of(name, "function", "Client.method")

    @patch.wrap(f"{name}:Client.inherited", f"{name}:Client.coroutine_method")
    def wrapper(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        return wrapped(*args, **kwargs)

    patch.apply()
    with pytest.raises(ValueError, match="no x"):
        library.function(None)
    for call in (library.Client().method, library.Client.method, library.Client().inherited, library.Client.inherited):
        with pytest.raises(TypeError, match="missing"):
            call()
    with pytest.raises(TypeError, match="missing"):
        asyncio.run(library.Client.coroutine_method())
    patch.remove()


def test_two_descriptions_of_one_function(seen: Capture, library: ModuleType) -> None:
    before = library.function
    patch = patch_of(library.__name__, "function", "function")
    patch.apply()
    assert library.function(1) == 3
    assert len(seen.spans) == 2
    patch.remove()
    assert library.function is before


def test_targets_in_modules_that_come_later(seen: Capture, name: str) -> None:
    patch = patch_of(name, "function")
    patch.apply()
    assert entry_of(patch).state() == "patched"
    library = importlib.import_module(name)
    assert library.function(1) == 3
    assert len(seen.spans) == 1
    patch.remove()
    assert not hasattr(library.function, "__wrapped__")


def test_a_removed_patch_does_not_come_back_with_an_import(seen: Capture, name: str) -> None:
    patch = patch_of(name, "function")
    patch.apply()
    patch.remove()
    assert not hasattr(importlib.import_module(name).function, "__wrapped__")


@pytest.mark.parametrize("how", ["described", "wrapped"])
@pytest.mark.parametrize("path", ["function", "Client.method", "coroutine", "Client.inherited"])
def test_wrapped_again_by_somebody_else(seen: Capture, library: ModuleType, path: str, how: str) -> None:
    name = library.__name__
    patch = patch_of(name, path)
    called: list[int] = []
    if how == "wrapped":
        patch = Patch(name)

        @patch.wrap(f"{name}:{path}")
        def wrapper(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
            called.append(1)
            return wrapped(*args, **kwargs)

    def count() -> int:
        return len(seen.spans) if how == "described" else len(called)

    def use() -> None:
        result = getattr(library.Client(), path[7:])(1) if "." in path else getattr(library, path)(1)
        if inspect.iscoroutine(result):
            asyncio.run(wait_for(result))

    patch.apply()
    owner = library.Client if "." in path else library
    ours = getattr(owner, path.rpartition(".")[2])

    def theirs(*args: Any, **kwargs: Any) -> Any:
        return ours(*args, **kwargs)

    setattr(owner, path.rpartition(".")[2], theirs)
    use()
    assert count() == 1
    patch.remove()
    assert getattr(owner, path.rpartition(".")[2]) is theirs
    use()
    assert count() == 1
    patch.apply()  # around theirs now; the one inside stays silent
    use()
    assert count() == 2
    patch.remove()
    assert getattr(owner, path.rpartition(".")[2]) is theirs


async def wait_for(result: Any) -> Any:
    return await result


# ---------------------------------------------------------------------- failing


@pytest.mark.parametrize("how", ["describe", "wrap"])
@pytest.mark.parametrize("path", ["Client.method", "Client.inherited", "Client.steps", "Client.coroutine_method"])
async def test_wrapped_before_by_wrapt(seen: Capture, library: ModuleType, path: str, how: str) -> None:
    """Other agents' wrappers, and a program's own, want to know the instance."""
    wrapt = pytest.importorskip("wrapt")
    instances = []

    def theirs(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        instances.append(instance)
        return wrapped(*args, **kwargs)

    wrapt.wrap_function_wrapper(library, path, theirs)
    name = path.partition(".")[2]
    client = library.Client()
    patch = Patch(library.__name__)
    if how == "describe":
        patch.internal(f"{library.__name__}:{path}")(lambda span, instance, args, kwargs: None)
    else:
        patch.wrap(f"{library.__name__}:{path}")(lambda wrapped, instance, args, kwargs: wrapped(*args, **kwargs))

    async def call() -> Any:
        result = getattr(client, name)(3)
        if inspect.isawaitable(result):
            return await result
        return list(result) if name == "steps" else result

    before = await call()
    patch.apply()
    assert await call() == before
    patch.remove()
    assert await call() == before
    assert instances == [client] * 3


def test_setup_and_teardown(seen: Capture, library: ModuleType) -> None:
    steps: list[str] = []
    patch = patch_of(library.__name__, "function")
    patch.setup(lambda: steps.append(f"up {hasattr(library.function, '__wrapped__')}"))
    patch.teardown(lambda: steps.append(f"down {hasattr(library.function, '__wrapped__')}"))
    patch.remove()
    assert steps == []
    patch.apply()
    patch.remove()
    assert steps == ["up False", "down False"]


@pytest.mark.usefixtures("swallowed")
def test_a_setup_function_that_raises(
    seen: Capture, library: ModuleType, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    before, steps = library.function, []
    patch = patch_of(name, "function")
    patch.setup(lambda: steps.append("up"))

    @patch.setup
    def fail() -> None:
        if len(steps) == 1:
            raise KeyError("not\nthere")

    patch.teardown(lambda: steps.append("down"))
    entry = entry_of(patch)
    entry.imported(library)
    assert library.function is before
    assert steps == ["up", "down"]
    assert not patch.applied
    assert entry.state() == "not patched, KeyError: 'not\\nthere'"
    assert f"obsv: patch {name} failed: KeyError" in capsys.readouterr().err
    assert faults.counts == {f"patch {name}": 1}
    patch.apply()  # another try
    assert entry.state() == "patched"
    patch.remove()


@pytest.mark.usefixtures("swallowed")
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_function_that_cannot_be_replaced(seen: Capture, name: str, tmp_path: Path, when: str) -> None:
    other = f"other_{name}"
    (tmp_path / f"{other}.py").write_text("def function(): pass\n")
    with (tmp_path / f"{name}.py").open("a") as file:
        file.write(
            "class Keeping(type):\n"
            "    def __setattr__(cls, name, value):\n        raise AttributeError('frozen')\n"
            "class Frozen(metaclass=Keeping):\n    def method(self):\n        return 1\n"
        )
    torn: list[int] = []
    patch = patch_of(name, "function", "Frozen.method", "generator")
    patch.client(f"{other}:function")(lambda *_: None)
    patch.teardown(lambda: torn.append(1))
    if when == "before":
        patch.apply()
    library = importlib.import_module(name)
    if when == "after":
        patch.apply()
    assert not patch.applied
    assert torn == [1]
    assert entry_of(patch).state() == "not patched, AttributeError: frozen"
    assert not hasattr(library.function, "__wrapped__")
    assert not hasattr(library.generator, "__wrapped__")
    assert library.Frozen().method() == 1
    assert not hasattr(importlib.import_module(other).function, "__wrapped__")
    del sys.modules[other]
    assert faults.counts == {f"patch {name}": 1}


@pytest.mark.usefixtures("swallowed")
def test_a_teardown_function_that_raises_stops_nothing(seen: Capture, library: ModuleType) -> None:
    before, torn = library.function, []
    patch = patch_of(library.__name__, "function")
    patch.teardown(lambda: [][0])
    patch.teardown(lambda: torn.append(1))
    patch.apply()
    patch.remove()
    assert library.function is before
    assert torn == [1]
    assert faults.counts == {f"unpatching {library.__name__}": 1}


@pytest.mark.usefixtures("swallowed")
def test_a_requirement_that_nobody_understands(seen: Capture, library: ModuleType) -> None:
    library.__version__ = "1"  # type: ignore[attr-defined]
    patch = patch_of(library.__name__, "function")
    patch.requires = f"{library.__name__} ~= 1"
    patch.apply()
    assert not patch.applied
    assert "ValueError" in entry_of(patch).state()


def test_our_own_tests_hear_of_a_failing_setup(seen: Capture, library: ModuleType) -> None:
    patch = patch_of(library.__name__, "function")
    patch.setup(lambda: [][0])
    with pytest.raises(IndexError):
        patch.apply()
    assert not patch.applied
    assert "IndexError" in entry_of(patch).state()


# ---------------------------------------------------------------------- unless, and hooks that fail


def test_unless(seen: Capture, library: ModuleType) -> None:
    given: list[Any] = []

    def unless(instance: Any, args: Any, kwargs: Any) -> bool:
        given.append((instance, args, dict(kwargs)))
        return bool(args[0] == 1)

    patch = patch_of(library.__name__, "function", "Client.method", unless=unless)
    patch.apply()
    client = library.Client()
    assert [library.function(1), library.function(2, y=1)] == [3, 3]
    assert client.method(1) == (client, 1)
    patch.remove()
    assert given == [(None, (1,), {}), (None, (2,), {"y": 1}), (client, (1,), {})]
    assert len(seen.spans) == 1


def fail(*_: Any) -> Any:
    raise RuntimeError("a bug of ours")


@pytest.mark.usefixtures("swallowed")
@pytest.mark.parametrize(
    ("hook", "unless", "spans"),
    [(fail, None, 1), (lambda *_: fail, None, 1), (None, fail, 0), (lambda *_: 5, None, 1)],
    ids=["hook", "after", "unless", "nonsense"],
)
def test_errors_of_a_hook_stay_inside(
    seen: Capture, library: ModuleType, hook: Any, unless: Any, spans: int, capsys: pytest.CaptureFixture[str]
) -> None:
    name = library.__name__
    patch = patch_of(name, "function", "coroutine", "generator", "Client.method", hook=hook, unless=unless)
    patch.apply()
    client = library.Client()
    assert library.function(1) == 3
    assert asyncio.run(library.coroutine(1)) == 2
    assert list(library.generator(2)) == [0, 1]
    assert client.method(1) == (client, 1)
    patch.remove()
    assert len(seen.spans) == 4 * spans
    assert all(span.status_value == 0 for span in seen.spans)
    assert faults.counts == {f"patch {name}": 4}
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_what_raises_is_shown_to_failed_before_the_span_ends(seen: Capture, library: ModuleType) -> None:
    shown: list[Any] = []

    def failed(span: Any, error: Exception) -> None:
        shown.append((span.ended, error))
        span.set_attribute("why", str(error))

    patch = Patch("library")
    patch.client(f"{library.__name__}:function", failed=failed)(lambda *_: None)
    patch.apply()
    assert library.function(1) == 3
    with pytest.raises(ValueError, match="no x") as raised:
        library.function(None)
    patch.remove()
    assert shown == [(False, raised.value)]
    assert [span.attributes.get("why") for span in seen.spans] == [None, "no x"]


@pytest.mark.usefixtures("swallowed")
def test_an_error_in_failed_hides_nothing(seen: Capture, library: ModuleType) -> None:
    patch = Patch("library")
    patch.client(f"{library.__name__}:function", failed=fail)(lambda *_: None)
    patch.apply()
    with pytest.raises(ValueError, match="no x"):
        library.function(None)
    patch.remove()
    assert faults.counts == {"patch library": 1}
    assert [event.name for event in seen.spans[0].events] == ["exception"]


def test_nothing_is_left_waiting(seen: Capture, name: str) -> None:
    patch = patch_of(name, "function", "Client.method")
    patch.apply()
    assert name in _hook._waiting
    patch.remove()
    assert name not in _hook._waiting


def test_an_asgi_application_refuses_other_arguments_when_it_is_called(library: ModuleType) -> None:
    """uvicorn calls what it was given without arguments, and takes it for a factory where nothing is raised."""

    class App:
        async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
            return scope, receive, send

    library.App = App  # type: ignore[attr-defined]
    seen: list[Any] = []
    patch = Patch("library")

    @patch.wrap(f"{library.__name__}:App.__call__")
    def call(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        seen.append((args, kwargs))
        return wrapped(*args, **kwargs)

    patch.apply()
    app = App()
    for wrong in ((), (1,), (1, 2, 3, 4)):
        with pytest.raises(TypeError):
            app(*wrong)  # type: ignore[call-arg]
    assert inspect.iscoroutinefunction(app.__call__)
    assert asyncio.run(app(1, receive=2, send=3)) == (1, 2, 3)
    assert seen == [((1, 2, 3), {})]
    patch.remove()
    assert asyncio.run(app(1, 2, 3)) == (1, 2, 3)
    assert len(seen) == 1
