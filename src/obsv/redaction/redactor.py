"""Applies the rules to names and values of any type. Texts are looked at here only where a secret is suspected."""

from __future__ import annotations

from _collections_abc import Mapping

from ..hotpath import faults
from ..hotpath.errors import safe_text, unreadable
from ..hotpath.jsontext import ITEM_TEXT, MAX_DEPTH, MAX_ITEMS, is_plain_collection
from ..hotpath.masking import Masker
from ..hotpath.objects import simpler
from .names import MAX_KEPT, Names, table, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ..settings import Settings
    from .rules import Rules

_CUT = "…"
_LONG, _EDGE = 1 << 20, 1024  # characters of a text that are looked through; its end, where half a secret may stand
_SHORT, _MAX_CLEAN = 512, 1024  # texts that are remembered to hold no secret: how long, how many
_HARMLESS = frozenset(("datetime", "uuid", "decimal", "ipaddress"))  # modules whose objects' texts hold no secret

_NAMES = (str, bytes, int, float, type(None))
_PAIRS = (
    ("name", "value"), ("Name", "Value"), ("key", "value"), ("Key", "Value"), ("ParameterKey", "ParameterValue"),
)  # fmt: skip
"""Where an object is a name with its value: variables of containers, parameters of stacks, tags, headers."""


class Redactor(Masker):
    """Masks records by the settings.

    Args:
        settings: ``redact``, ``redact_names``, ``redact_patterns``, ``redact_mask`` and ``redact_with`` are read.
    """

    def __init__(self, settings: Settings) -> None:
        groups = settings.redact
        self._names = Names(settings.redact_names) if "names" in groups else None
        self._groups = ("tokens" in groups, "cards" in groups, "emails" in groups)
        self._patterns = settings.redact_patterns
        self._rule = _function(settings.redact_with)
        self._rules: Rules | None = None
        self._clean: set[str] = set()
        super().__init__(
            table(self._names, *self._groups),
            settings.redact_mask,
            "cards" in groups,
            bool(self._patterns) or self._rule is not None,
        )

    def secret(self, key: Any) -> bool:
        """Tell whether the values of this name are secret, and remember it."""
        known = self.is_secret(key)
        if len(self.names) < MAX_KEPT and type(key) is str:
            self.names[key] = known
        return known

    def is_secret(self, key: Any) -> bool:
        """Tell whether the values of this name are secret."""
        if self._names is None:
            return False
        text = text_of(key)
        # A program may make names up without end, and the quick look at a text is much quicker than reading a name.
        return ("[" in text or self.suspects(f"{text}=")) and self._names.secret(text)

    def found(self, key: Any, text: str) -> str:
        """Return a text, in which there may be a secret, without it."""
        if text in self._clean:
            return text
        rules = self._rules or self._load()
        if len(text) > _LONG:
            return self._beginning(key, text, rules)
        masked = rules.text(text)
        if self._rule is not None:
            return self._asked(key, masked)
        if masked == text and len(text) <= _SHORT:
            # What looks suspicious and is not comes again and again: "version: 3", a URL that is masked already.
            if len(self._clean) >= _MAX_CLEAN:
                self._clean.clear()
            self._clean.add(text)
        return masked

    def _beginning(self, key: Any, text: str, rules: Rules) -> str:
        """Return the beginning of a very long text: what is not looked through does not leave."""
        masked = rules.text(text[:_LONG])
        if self._rule is not None:
            masked = self._asked(key, masked)
        kept = masked if masked.endswith(self.mask) else masked[:-_EDGE]
        return f"{kept}...[cut: {len(text)} characters]"

    def stack(self, text: str) -> str:
        """Return a stack, as Python prints it, without the secrets in it."""
        if not self.suspects(text):
            return text
        rules = self._rules or self._load()
        masked = rules.text(text, code=True)
        return masked if self._rule is None else self._asked("exception.stacktrace", masked)

    def number(self, value: int) -> Any:
        """Return an integer of so many digits as a card has, or the mask."""
        from .rules import is_card

        return self.mask if is_card(str(value)) else value

    def other(self, key: Any, value: Any) -> Any:
        """Return a value of any other type without the secrets in it; itself where there are none."""
        return _Walk(self).masked(key, value)

    def _load(self) -> Rules:
        from .rules import Rules

        self._rules = Rules(self.mask, self._names, *self._groups, self._patterns)
        return self._rules

    def _asked(self, key: Any, text: str) -> str:
        """Ask the program's own rule."""
        try:
            masked = self._rule(text_of(key), text)  # type: ignore[misc]
            if type(masked) is str:
                return masked
            if self._rule is not _nothing:
                kind = type(masked).__name__
                faults.tell(f"redact_with returned a {kind} where a str is needed; the text is masked")
        except Exception:  # noqa: BLE001 - the program's own function
            faults.report("redact_with")
        return self.mask


def _function(given: Any) -> Callable[[str, str], str] | None:
    """Return the program's own rule, looked up where only its place was given.

    Without it nothing could be said to be masked: one that is not there masks every text.
    """
    if not isinstance(given, str):
        return given  # type: ignore[no-any-return]
    module, _, name = given.partition(":")
    try:
        found = getattr(__import__(module, fromlist=[name]), name)
        if callable(found):
            return found  # type: ignore[no-any-return]
        problem = "is no function"
    except Exception as error:  # noqa: BLE001 - a module of the program's
        problem = f"cannot be loaded ({type(error).__name__}: {safe_text(error)[:200]})"
    faults.tell(f"redact_with: {given} {problem}; every text is masked until that is mended")
    return _nothing


def _nothing(key: str, text: str) -> Any:
    return None


class _Walk:
    """One walk through a nested value, bounded as that of the encoders is."""

    __slots__ = ("_inside", "_left", "_redactor")

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._inside: list[int] = []
        self._left = MAX_ITEMS

    def masked(self, key: Any, value: Any) -> Any:
        """Return a value that is no plain one without secrets; itself where there are none."""
        try:
            return self._masked(key, value)
        except Exception:  # noqa: BLE001 - the value's own methods raise: it loses only itself
            return unreadable(value)

    def _masked(self, key: Any, value: Any) -> Any:
        if isinstance(value, str):
            text = self._counted(str.__str__(value))
            masked = self._redactor.text(key, text)
            return value if masked == text else masked
        if isinstance(value, (bytes, bytearray)):
            return self._bytes(key, value)
        if isinstance(value, Mapping):
            return self._nested(value, self._mapping)
        if isinstance(value, (int, float)):
            return value
        if isinstance(value, (list, tuple, set, frozenset)) or is_plain_collection(value):
            return self._nested(value, self._items)
        if type(value).__module__ in _HARMLESS:
            return value
        return self._nested(value, lambda it: self._object(key, it))

    def _object(self, key: Any, value: Any) -> Any:
        """Look through what is written of an object: its fields, or its text where that is all there is."""
        simple = simpler(value)
        if simple is not value:
            masked = self._value(key, simple)
            return value if masked is simple else masked
        text = self._counted(safe_text(value))
        masked = self._redactor.text(key, text)
        return value if masked == text else masked

    def _counted(self, text: str) -> str:
        self._left -= len(text) // ITEM_TEXT
        return text

    def _bytes(self, key: Any, value: bytes | bytearray) -> Any:
        text = self._counted(value.decode("latin-1"))
        masked = self._redactor.text(key, text)
        return value if masked == text else masked.encode("latin-1", "replace")

    def _nested(self, value: Any, walk: Callable[[Any], Any]) -> Any:
        if id(value) in self._inside or len(self._inside) >= MAX_DEPTH:
            return _CUT
        self._inside.append(id(value))
        try:
            return walk(value)
        finally:
            self._inside.pop()

    def _mapping(self, value: Mapping[Any, Any]) -> Any:
        made: dict[Any, Any] = {}
        changed = False
        pair = self._pair(value)
        for key, item in value.items():
            if self._left <= 0:
                made[_CUT] = _CUT
                return made
            self._left -= 1
            name = pair[1] if pair is not None and key == pair[0] else key
            if not isinstance(name, _NAMES):
                name = safe_text(name)  # as it is written: a member of an enumeration, a column
            masked = made[key] = self._value(name, item)
            changed = changed or masked is not item
        return made if changed else value

    def _pair(self, value: Mapping[Any, Any]) -> tuple[str, Any] | None:
        """Return under what a value stands whose name, in the same object, is secret, and that name."""
        for name, item in _PAIRS:
            if item in value and name in value and self._redactor.is_secret(value[name]):
                return item, value[name]
        return None

    def _items(self, value: Iterable[Any]) -> Any:
        made: list[Any] = []
        changed = False
        option = False  # the item before was an option of a command line whose value is secret
        for item in value:
            if self._left <= 0:
                made.append(_CUT)
                changed = True
                break
            self._left -= 1
            masked = self._redactor.mask if option and type(item) is str else self._item(item)
            option = (
                type(item) is str and item.startswith("--") and "=" not in item and self._redactor.is_secret(item[2:])
            )
            changed = changed or masked is not item
            made.append(masked)
        if not changed:
            return value
        return tuple(made) if isinstance(value, tuple) else made

    def _item(self, item: Any) -> Any:
        """Return an item of a list; one that is a name with its value, as in lists of headers, is a pair."""
        if issubclass(type(item), (tuple, list)) and len(item) == 2 and self._redactor.is_secret(item[0]):
            return (item[0], self._redactor.mask) if isinstance(item, tuple) else [item[0], self._redactor.mask]
        return self._value(None, item)

    def _value(self, key: Any, item: Any) -> Any:
        kind = type(item)
        if kind is str:
            self._counted(item)
        if kind is str or kind is int or kind is float or kind is bool or item is None:
            return self._redactor.value(key, item)
        if self._redactor.is_secret(key):
            return self._redactor.mask
        return self.masked(key, item)
