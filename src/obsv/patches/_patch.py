"""What a patch is: a description of a library's functions that are worth a span. The hot path runs them.

Example::

    patch = Patch("redis", requires="redis >= 4.2", semconv="db/redis")

    @patch.client("redis.client:Redis.execute_command", "redis.asyncio.client:Redis.execute_command")
    def command(span, client, args, kwargs):
        span.name = args[0]
        span.set_attribute("db.system.name", "redis")

Nothing is imported to be patched: a target is patched when the program has imported its module.
"""

from __future__ import annotations

import sys
from _functools import partial  # type: ignore[import-not-found]

from ..hotpath import faults
from ..hotpath.around import Call, Switch
from ..hotpath.errors import safe_text
from ..hotpath.span import CLIENT, CONSUMER, INTERNAL, PRODUCER, SERVER, Scope
from ..hotpath.wrap import wrap, wraps
from . import _hook

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any, TypeVar

    from ..hotpath.around import Answer, Failed, Quiet, Unless

    Described = TypeVar("Described", bound=Callable[..., Any])
    Wrapper = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]
    Tailor = Callable[[Callable[..., Any], Switch], Callable[..., Any] | None]


class Patch:
    """All that obsv knows of one library.

    Args:
        name: The name in ``obsv.patch("…")`` and the settings.
        requires: Distribution and lowest version (``"redis >= 4.2"``, upper bounds after a comma: ``"x >= 1, < 3"``),
            or None for the standard library. Newer versions than the newest known are patched too: refusing them is
            what users curse elsewhere.
        semconv: The page of OpenTelemetry's semantic conventions that the attributes follow, for readers.

    Attributes:
        applied: Whether it is in force.
        problem: Why it is not, in a short line; None when nothing is wrong.
    """

    def __init__(self, name: str, *, requires: str | None = None, semconv: str | None = None) -> None:
        self.name = name
        self.requires = requires
        self.semconv = semconv
        self.scope = Scope(f"obsv.patches.{name}")
        self.sites: list[Site] = []
        self.applied = False
        self.problem: str | None = None
        self._setup: list[Callable[[], None]] = []
        self._teardown: list[Callable[[], None]] = []

    # ------------------------------------------------------------------ describing

    def client(
        self,
        *targets: str,
        name: str | None = None,
        unless: Unless | None = None,
        failed: Failed | None = None,
        quiet: Quiet | None = None,
        wanted: tuple[str, ...] | None = None,
        answer: Answer | None = None,
    ) -> Callable[[Described], Described]:
        """Describe calls that leave the process and wait for an answer.

        ``failed`` sees the exceptions of plain functions. ``quiet`` is an ``unless`` that is given the instance only.
        With ``wanted`` the description is given the values of these parameters in place of all. ``answer`` is called
        with the results. :class:`Call` tells more.
        """
        return self._describe(CLIENT, targets, name, unless, failed, quiet, wanted, answer)

    def server(
        self, *targets: str, name: str | None = None, unless: Unless | None = None
    ) -> Callable[[Described], Described]:
        """Describe the handling of a request."""
        return self._describe(SERVER, targets, name, unless)

    def producer(
        self, *targets: str, name: str | None = None, unless: Unless | None = None
    ) -> Callable[[Described], Described]:
        """Describe the sending of a message."""
        return self._describe(PRODUCER, targets, name, unless)

    def consumer(
        self, *targets: str, name: str | None = None, unless: Unless | None = None
    ) -> Callable[[Described], Described]:
        """Describe the handling of a message."""
        return self._describe(CONSUMER, targets, name, unless)

    def internal(
        self, *targets: str, name: str | None = None, unless: Unless | None = None
    ) -> Callable[[Described], Described]:
        """Describe work inside the process."""
        return self._describe(INTERNAL, targets, name, unless)

    def _describe(
        self,
        kind: int,
        targets: tuple[str, ...],
        name: str | None,
        unless: Unless | None,
        failed: Failed | None = None,
        quiet: Quiet | None = None,
        wanted: tuple[str, ...] | None = None,
        answer: Answer | None = None,
    ) -> Callable[[Described], Described]:
        where = f"patch {self.name}"

        def describe(hook: Described) -> Described:
            for target in targets:
                span_name = name or target.rpartition(".")[2]
                call = Call(self.scope, span_name, kind, hook, unless, where, failed, quiet, wanted, answer)
                self.sites.append(Site(self, target, call, None))
            return hook

        return describe

    def wrap(self, *targets: str, tailor: Tailor | None = None) -> Callable[[Described], Described]:
        """Replace functions by a wrapper of one's own, where a description is not enough (say why beside it).

        The wrapper is called as ``wrapper(wrapped, instance, args, kwargs)``, calls ``wrapped(*args, **kwargs)``
        itself, lets its exceptions pass and guards its own.

        Args:
            targets: The functions.
            tailor: Makes the replacement of a method itself, without the calls in between, where the method is as
                expected: called as ``tailor(function, switch)``. The replacement calls ``function`` with the same
                arguments, and does no more than that while ``switch.active`` is false. None where it does not suit.
        """

        def describe(wrapper: Described) -> Described:
            self.sites.extend(Site(self, target, None, wrapper, tailor) for target in targets)
            return wrapper

        return describe

    def make(self, *targets: str) -> Callable[[Tailor], Tailor]:
        """Replace methods by what ``tailor(function, switch)`` makes, as in :meth:`wrap`, whatever they look like."""

        def describe(tailor: Tailor) -> Tailor:
            self.sites.extend(Site(self, target, None, None, tailor) for target in targets)
            return tailor

        return describe

    def setup(self, function: Callable[[], None]) -> Callable[[], None]:
        """Run ``function`` when the patch is applied."""
        self._setup.append(function)
        return function

    def teardown(self, function: Callable[[], None]) -> Callable[[], None]:
        """Run ``function`` when the patch is taken back, also when a setup function failed halfway."""
        self._teardown.append(function)
        return function

    # ------------------------------------------------------------------ doing

    def apply(self) -> None:
        """Patch every target whose module is there; the others follow when the program imports them.

        A patch is in force as a whole or not at all: where a part fails, the rest is taken back and ``problem`` says
        why.
        """
        if self.applied:
            return
        try:
            self.problem = self._unsupported()
            if self.problem is not None:
                faults.tell(f"{self.name} is not patched: {self.problem}")
                return
            self.applied = True
            for function in self._setup:
                function()
        except Exception as error:  # noqa: BLE001 - a patch of ours
            self.give_up(error)
            return
        for site in self.sites:
            if self.applied:
                _hook.when_imported(site.module, site.imported)

    def remove(self) -> None:
        """Put every function back as it was."""
        if not self.applied:
            return
        for error in self._undo():
            faults.report(f"unpatching {self.name}", error)

    def give_up(self, error: Exception) -> None:
        """Take back what was applied, remember why and say so: a part of the patch failed."""
        self.problem = f"not patched, {type(error).__name__}: {' '.join(safe_text(error).split())[:200]}"
        for other in [error, *self._undo()]:
            faults.report(f"patch {self.name}", other)

    def _undo(self) -> list[Exception]:
        self.applied = False
        errors: list[Exception] = []
        steps = [site.remove for site in reversed(self.sites)]  # two may have wrapped one function
        for step in [*steps, *self._teardown]:
            try:
                step()
            except Exception as error:  # noqa: BLE001 - the other steps are taken all the same
                errors.append(error)
        return errors

    def missing(self) -> list[str]:
        """Return targets whose module is there without them: a version that is built differently."""
        return [site.target for site in self.sites if site.missing]

    def version(self) -> str | None:
        """Return the installed version of the library, None when it cannot be found or is the standard library's."""
        if self.requires is None:
            return None
        distribution = self.requires.split()[0]
        # Its namespace, not getattr: with some libraries, asking for it is deprecated.
        found = getattr(sys.modules.get(distribution.replace("-", "_")), "__dict__", {}).get("__version__")
        if isinstance(found, str):
            return found
        try:
            from importlib.metadata import version

            return version(distribution)
        except Exception:  # noqa: BLE001 - vendored or frozen: no metadata
            return None

    def _unsupported(self) -> str | None:
        version = self.version()
        if version is None or self.requires is None:
            return None
        if supports(self.requires, version):
            return None
        return f"version {version} is installed, {self.requires} is supported"


def supports(requires: str, version: str) -> bool:
    """Tell whether a version is within ``"name >= 1.2, < 4"``.

    Only the leading numbers of a version count (4.2rc1 is 4.2); one without any is taken for supported.

    Raises:
        ValueError: ``requires`` has another operator than ``>=`` and ``<``.
    """
    found = _numbers(version)
    for bound in requires.split(None, 1)[1].split(",") if " " in requires else ():
        operator, _, wanted = bound.strip().partition(" ")
        numbers = _numbers(wanted.strip())
        if operator not in (">=", "<") or not numbers:
            raise ValueError(requires)
        if found and (found >= numbers) != (operator == ">="):
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version, without zeros at the end: 4.0 is not newer than 4."""
    numbers: list[int] = []
    for part in version.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if digits:
            numbers.append(int(digits[:18]))
        if digits != part:
            break
    while len(numbers) > 1 and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


class Site:
    """One function to be patched: ``module:Class.method`` or ``module:function``."""

    def __init__(
        self, patch: Patch, target: str, call: Call | None, wrapper: Wrapper | None, tailor: Tailor | None = None
    ) -> None:
        self.patch = patch
        self.tailor = tailor
        self.target = target
        self.module, _, self.path = target.partition(":")
        self.call = call
        self.wrapper = wrapper
        self.missing = False
        self._switch: Switch | None = None  # of the wrapper that is in place, None when there is none
        self._owner: Any = None
        self._name = ""
        self._own: Any = None  # what stood in the owner's own namespace, None where it was inherited
        self._put: Any = None

    def imported(self, module: ModuleType) -> None:
        """Put the wrapper in place: its module is there now."""
        if not self.patch.applied:
            return
        try:
            self.apply(module)
        except Exception as error:  # noqa: BLE001 - a patch of ours
            self.patch.give_up(error)

    def apply(self, module: ModuleType) -> None:
        """Put the wrapper in the function's place."""
        owner: Any = module
        *outer, name = self.path.split(".")
        for part in outer:
            owner = getattr(owner, part, None)
        kept = _kept(owner, name) if owner is not None else None
        function: Any = kept.__func__ if isinstance(kept, (staticmethod, classmethod)) else _unbound(owner, kept)
        self.missing = not callable(function)
        if self.missing:
            return
        self._owner, self._name = owner, name
        self._own = vars(owner).get(name)
        # A new one each time: a wrapper of ours that is still there because somebody wrapped it stays silent.
        call = self.call
        self._switch = Switch(self.patch.scope) if call is None else call.copy()
        put: Any
        if isinstance(kept, classmethod):
            put = classmethod(self._wrapped(function, True))
        elif isinstance(kept, staticmethod) or (isinstance(owner, type) and not _is_bound(kept)):
            put = staticmethod(self._wrapped(function, False))
        else:
            put = self._wrapped(function, isinstance(owner, type))
        self._put = put
        setattr(owner, name, put)

    def remove(self) -> None:
        """Put the function back; where somebody wrapped it again since, fall silent instead."""
        _hook.forget(self.imported)
        switch, self._switch = self._switch, None
        if switch is None:
            return
        switch.active = False
        if vars(self._owner).get(self._name) is not self._put:
            return
        if self._own is not None:
            setattr(self._owner, self._name, self._own)
        else:
            delattr(self._owner, self._name)

    def _wrapped(self, function: Callable[..., Any], method: bool) -> Callable[..., Any]:
        switch = self._switch
        if isinstance(switch, Call):
            return wrap(function, switch, method)
        assert switch is not None
        if self.tailor is not None and method:
            made = self.tailor(function, switch)
            if made is not None:
                return made
        wrapper = self.wrapper
        assert wrapper is not None
        if getattr(getattr(function, "__code__", None), "co_flags", 0) & 0x80:  # a coroutine function must stay one
            if method and takes(function, ASGI, coroutine=True):
                return _application(function, wrapper, switch)

            @wraps(function)
            async def awaiting(*args: Any, **kwargs: Any) -> Any:
                if not switch.active or (method and not args):  # without an instance: its own TypeError
                    return await function(*args, **kwargs)
                if method:
                    return await wrapper(_bind(function, args[0]), args[0], args[1:], kwargs)
                return await wrapper(function, None, args, kwargs)

            return awaiting

        @wraps(function)
        def calling(*args: Any, **kwargs: Any) -> Any:
            if not switch.active or (method and not args):
                return function(*args, **kwargs)
            if method:
                first = args[0]
                bound = MethodType(function, first) if first is not None else partial(function, None)
                return wrapper(bound, first, args[1:], kwargs)  # `_bind`, written out: a frame less
            return wrapper(function, None, args, kwargs)

        return calling


MethodType: Callable[[Any, Any], Callable[..., Any]] = type(Patch.wrap.__get__(object()))  # that of `types`

ASGI = ("self", "scope", "receive", "send")


def _application(function: Callable[..., Any], wrapper: Wrapper, switch: Switch) -> Callable[..., Any]:
    """Wrap an ASGI application's ``__call__`` by one that takes the same arguments and no others.

    uvicorn calls what it is given without any, and takes it for a factory unless that raises.
    """

    @wraps(function)
    async def calling(self: Any, scope: Any, receive: Any, send: Any) -> Any:
        if not switch.active:
            return await function(self, scope, receive, send)
        return await wrapper(_bind(function, self), self, (scope, receive, send), {})

    return calling


def takes(function: Any, parameters: tuple[str, ...], coroutine: bool = False) -> bool:
    """Tell whether a function has these parameters and no others, and is a coroutine function or a plain one."""
    code: Any = getattr(function, "__code__", None)
    return (
        code is not None
        and code.co_varnames[: code.co_argcount] == parameters
        and not code.co_kwonlyargcount
        and code.co_flags & 0x2AC == (0x80 if coroutine else 0)  # *args, **kwargs and all that is no plain function
    )


def _kept(owner: Any, name: str) -> Any:
    """Return a function as it is kept, not bound: in the owner's namespace or in that of a base class."""
    for place in owner.__mro__ if isinstance(owner, type) else (owner,):
        if name in vars(place):
            return vars(place)[name]
    return getattr(owner, name, None)


def _unbound(owner: Any, kept: Any) -> Any:
    """Return a member of a class as ``Class.member`` is, to be called with the instance; a module's as it is.

    wrapt's wrappers (other agents', a program's own) learn only in this way that the first argument is the instance.
    """
    if isinstance(owner, type) and _is_bound(kept):
        try:
            return kept.__get__(None, owner)
        except Exception:  # noqa: BLE001 - a descriptor of somebody's
            pass
    return kept


def _is_bound(member: Any) -> bool:
    """Tell whether a member of a class gets the instance as its first argument when it is called."""
    if isinstance(member, partial) and sys.version_info < (3, 14):
        return False  # in Python 3.13 it has a __get__, which only warns that it will bind
    return hasattr(type(member), "__get__")


def _bind(function: Callable[..., Any], instance: Any) -> Callable[..., Any]:
    """Return a function with its first argument. A bound method adds no frame to the call, and is quick to make."""
    return partial(function, instance) if instance is None else MethodType(function, instance)
