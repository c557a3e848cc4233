"""The libraries that obsv patches: a registry, and the switch for each.

A patch's module is loaded when its library has been imported, so an unused one costs nothing.
"""

from __future__ import annotations

from ..hotpath import faults
from . import _hook
from ._hook import when_imported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    from ..settings import Settings
    from ._patch import Patch

__all__ = ["ALIASES", "REGISTRY", "Entry", "known_names", "switch_off", "switch_on", "when_imported"]


class Entry:
    """One library in the registry.

    Attributes:
        name: Its name in the settings.
        module: The module whose import brings the patch in.
        requires: The supported distribution and versions, None for the standard library.
        wanted: Whether the patch is switched on.
        patch: The patch, once the library has been imported.
    """

    __slots__ = ("module", "name", "patch", "requires", "wanted")

    def __init__(self, name: str, module: str, requires: str | None) -> None:
        self.name = name
        self.module = module
        self.requires = requires
        self.wanted = False
        self.patch: Patch | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The name and its aliases."""
        return (self.name, *[alias for alias, name in ALIASES.items() if name == self.name])

    def imported(self, module: ModuleType) -> None:
        """Apply the patch: its library has just been imported."""
        if self.patch is None:
            self.patch = __import__(f"{__name__}.{self.name}", fromlist=["patch"]).patch
        self.patch.apply()

    def state(self) -> str:
        """Say in a word or line what became of it."""
        if not self.wanted:
            return "off"
        if self.patch is None:
            return "waiting for the import"
        if self.patch.problem is not None:
            return self.patch.problem
        missing = self.patch.missing()
        return f"patched, but not found: {', '.join(missing)}" if missing else "patched"


REGISTRY: dict[str, Entry] = {
    name: Entry(name, module, requires)
    for name, module, requires in (
        ("asgi", "starlette", "starlette >= 0.27"),
        ("botocore", "botocore", "botocore >= 1.29"),
        ("flask", "flask", "flask >= 2.2"),
        ("futures", "concurrent.futures", None),
        ("httpx", "httpx", "httpx >= 0.23"),
        ("logging", "logging", None),
        ("loguru", "loguru", "loguru >= 0.6"),
        ("redis", "redis", "redis >= 4.2"),
        ("requests", "requests", "requests >= 2.25"),
        ("sqlite3", "sqlite3", None),
        ("structlog", "structlog", "structlog >= 21.1"),
        ("threading", "threading", None),
        ("urllib3", "urllib3", "urllib3 >= 1.26"),
    )
}
"""Every library that obsv can patch, by name."""


_settings: Settings | None = None


def use(settings: Settings) -> None:
    """Hand the settings to the patches; ``init()`` does it before it switches them on."""
    global _settings
    _settings = settings


def in_force() -> Settings:
    """Return the settings of the last ``init()``; without one, those that it would use."""
    if _settings is None:
        from ..settings import resolve

        use(resolve({}, raise_strict=False))
    assert _settings is not None
    return _settings


ALIASES = {"fastapi": "asgi", "starlette": "asgi"}
"""Other names under which people look for a patch."""


def known_names() -> list[str]:
    """Return every name that the setting ``patch`` understands."""
    return sorted([*REGISTRY, *ALIASES])


def switch_on(names: Iterable[str]) -> None:
    """Patch these libraries now, or as soon as the program imports them."""
    for name in names:
        entry = _entry(name)
        if entry is not None and not entry.wanted:
            entry.wanted = True
            _hook.when_imported(entry.module, entry.imported)


def switch_off(names: Iterable[str]) -> None:
    """Take the patches back; functions are as they were."""
    for name in names:
        entry = _entry(name)
        if entry is None or not entry.wanted:
            continue
        entry.wanted = False
        _hook.forget(entry.imported)
        if entry.patch is not None:
            try:
                entry.patch.remove()
            except Exception as error:  # noqa: BLE001 - a patch of ours
                faults.report(f"unpatching {name}", error)


def _entry(name: str) -> Entry | None:
    entry = REGISTRY.get(name) or REGISTRY.get(ALIASES.get(name, ""))
    if entry is None:
        faults.tell(f"patch {name!r} is unknown and left out; known are {', '.join(known_names())}")
    return entry
