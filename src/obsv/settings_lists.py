"""Settings that are lists or mappings: sinks, patches, propagators, URL patterns, resource attributes.

A wrong member never takes the good ones with it: the parsers raise `InvalidError` whose `usable` is what remains.
"""

from __future__ import annotations

from .settings_parse import FLAGS, NOTHING, InvalidError, Kind, show_plain, writable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    # a sink's name, or an object that is one
    SinkChoice: TypeAlias = "str | object"
    AttributeValue: TypeAlias = "str | bool | int | float | tuple[str | bool | int | float, ...]"

SIGNALS = ("traces", "metrics", "logs")

SINKS: dict[str, tuple[str, ...]] = {
    "otlp": SIGNALS,
    "xray": ("traces",),
    "emf": ("metrics",),
    "json": ("logs",),
    "cloudwatch_logs": ("metrics", "logs"),
    "file": ("logs",),
    "console": SIGNALS,
    "local": SIGNALS,
    "memory": SIGNALS,
}
"""Which signals a sink takes, by the sink's name."""

# names of OTEL_*_EXPORTER that mean a sink of ours
_SINK_ALIASES = {"otlp_proto_http": "otlp", "logging": "console"}

_EXPORTER_GROUPS = {signal: f"opentelemetry_{signal}_exporter" for signal in SIGNALS}

PROPAGATORS = ("tracecontext", "baggage", "xray")
"""The formats that obsv speaks itself; others are entry points of installed packages."""


def words(value: object, allowed: str) -> list[str]:
    """The members of a comma-separated text, or of a list, tuple or set of texts; blanks around them do not count."""
    if isinstance(value, str):
        members: list[object] = list(value.split(","))
    elif isinstance(value, (list, tuple)):
        members = list(value)
    elif isinstance(value, (set, frozenset)):
        members = sorted(value, key=str)
    else:
        raise InvalidError(allowed)
    result = []
    for member in members:
        if not isinstance(member, str):
            raise InvalidError(allowed)
        member = member.strip()
        if member:
            result.append(member)
    return result


def _quoted(members: list[str]) -> str:
    """The first three members as they were written, for a line."""
    return ", ".join([repr(member[:40]) for member in members[:3]]) + (" and others" if len(members) > 3 else "")


def installed(group: str, name: str) -> bool:
    """Is there an entry point of this group and name in any installed package?"""
    from .entry_points import find

    return find(group, name) is not None


# ---- sinks


def sinks(signal: str) -> Kind[tuple[SinkChoice, ...]]:
    """The kind of a list of sinks for "traces", "metrics" or "logs": names, or objects with a `send` method."""
    takers = [name for name, signals in SINKS.items() if signal in signals]
    allowed = f"sinks that take {signal} ({', '.join(takers)}), an installed OpenTelemetry exporter, or none"

    def parse(value: object) -> tuple[SinkChoice, ...]:
        if value is False:
            return ()
        members: list[object]
        if isinstance(value, str):
            members = list(value.split(","))
        elif isinstance(value, (list, tuple)):
            members = list(value)
        elif _is_sink(value):
            members = [value]
        else:
            raise InvalidError(allowed)
        chosen: list[SinkChoice] = []
        wrong: list[str] = []
        nothing = False
        for member in members:
            if isinstance(member, str):
                name = member.strip().lower()
                name = _SINK_ALIASES.get(name, name)
                if name == "none":
                    nothing = True
                elif name in takers:
                    if name not in chosen:
                        chosen.append(name)
                elif name and name not in SINKS and installed(_EXPORTER_GROUPS[signal], member.strip()):
                    if member.strip() not in chosen:
                        chosen.append(member.strip())
                elif name:
                    wrong.append(member.strip())
            elif _is_sink(member) and signal in getattr(member, "signals", SIGNALS):
                if not any(member is other for other in chosen):
                    chosen.append(member)
            else:
                wrong.append(str(getattr(member, "name", None) or type(member).__name__))
        if wrong:
            known = [name for name in wrong if name.lower() in SINKS]
            why = f"{_quoted(known)} does not take {signal}, " if known else ""
            raise InvalidError(f"{why}expected {allowed}", usable=tuple(chosen) if chosen else NOTHING, plain=True)
        if nothing and chosen:
            raise InvalidError(f"{allowed}; none stands alone", usable=tuple(chosen))
        return tuple(chosen)

    return Kind("sinks", parse, allowed)


def _is_sink(value: object) -> bool:
    return not isinstance(value, type) and callable(getattr(value, "send", None))


# ---- patches

PATCH_ALLOWED = 'true, false, or names of libraries such as "redis,flask" ("-redis": all but redis)'


def parse_patch(value: object) -> bool | tuple[str, ...]:
    """True (all), False (none), or names; a name with "-" in front is left out of all."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        text = value.strip().lower()
        if text in ("true", "1", "yes", "on", "all", "*"):
            return True
        if text in ("false", "0", "no", "off", "none"):
            return False
    elif isinstance(value, int):
        raise InvalidError(PATCH_ALLOWED)
    names = parse_names(value, PATCH_ALLOWED)
    return names if names else True


_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.*")


def parse_names(value: object, allowed: str = "names separated by commas") -> tuple[str, ...]:
    """Names of libraries in lower case, "-" and "_" alike, each once."""
    result: list[str] = []
    for word in words(value, allowed):
        name = word.lower().replace("_", "-")
        if not _NAME.issuperset(name) or not name.strip("-"):
            raise InvalidError(allowed)
        if name not in result:
            result.append(name)
    return tuple(result)


ANNOTATIONS_ALLOWED = 'names of attributes, with "*" for any characters, "auto", or "none"'


def parse_annotations(value: object) -> tuple[str, ...]:
    """Names of attributes and patterns, each once; "none" alone for nothing."""
    names = list(dict.fromkeys(words(value, ANNOTATIONS_ALLOWED)))
    if len(names) > 500 or any(len(name) > 500 or not name.isprintable() for name in names):
        raise InvalidError(ANNOTATIONS_ALLOWED)
    return () if names == ["none"] else tuple(names)


def check_patches(value: object, known: frozenset[str]) -> None:
    """Raises InvalidError when `value` (what `parse_patch` returned) names a library that no patch is `known` for."""
    if not isinstance(value, tuple):
        return
    wrong = [name for name in value if name.lstrip("-") not in known]
    if wrong:
        rest = tuple(name for name in value if name not in wrong)
        raise InvalidError(
            f"there is no patch {_quoted(wrong)}, expected {', '.join(sorted(known))}",
            usable=rest if rest else NOTHING,
            plain=True,
        )


# ---- propagators


_PROPAGATION_ALLOWED = f"propagators ({', '.join(PROPAGATORS)}), an installed OpenTelemetry propagator, or none"


def parse_propagators(value: object) -> tuple[str, ...]:
    """Names of PROPAGATORS or of installed ones in order, each once; "none" for none. Unknown ones are left out."""
    allowed = _PROPAGATION_ALLOWED
    if value is False:
        return ()
    names = [word.lower() for word in words(value, allowed)]
    result: list[str] = []
    wrong: list[str] = []
    for name in names:
        if name in PROPAGATORS or (name != "none" and installed("opentelemetry_propagator", name)):
            if name not in result:
                result.append(name)
        elif name != "none":
            wrong.append(name)
    if wrong:
        raise InvalidError(
            f"there is no propagator {_quoted(wrong)}, expected {allowed}",
            usable=tuple(result) if result else NOTHING,
            plain=True,
        )
    if "none" in names and result:
        raise InvalidError(f"{allowed}; none stands alone", usable=tuple(result))
    return tuple(result)


# ---- URL patterns

PATTERNS_ALLOWED = "regular expressions separated by commas"


def parse_patterns(value: object) -> tuple[str, ...]:
    """Regular expressions for URLs, as OTEL_PYTHON_EXCLUDED_URLS has them; those that do not compile are left out."""
    patterns = words(value, PATTERNS_ALLOWED)
    if not patterns:
        return ()
    import re

    good, wrong = [], []
    for pattern in patterns:
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError):
            wrong.append(pattern)
        else:
            good.append(pattern)
    if wrong:
        raise InvalidError(PATTERNS_ALLOWED, usable=tuple(good) if good else NOTHING)
    return tuple(good)


# ---- redaction

REDACTION = ("names", "tokens", "cards", "emails")
"""The groups of rules by which secrets are masked."""

REDACTION_DEFAULT = ("names", "tokens", "cards")
REDACTION_ALLOWED = f"true, false, or some of {', '.join(REDACTION)}"
MASK_ALLOWED = "a text of 1 to 64 characters without blanks, quotes and any of \\ = : @ & ; , ? / %"


def parse_redaction(value: object) -> tuple[str, ...]:
    """Groups of rules in their order: True (those of the default), False (none), or names of some."""
    if isinstance(value, str) and value.strip().lower() in FLAGS:
        value = FLAGS[value.strip().lower()]
    if isinstance(value, bool):
        return REDACTION_DEFAULT if value else ()
    chosen = [word.lower() for word in words(value, REDACTION_ALLOWED)]
    if chosen == ["all"]:
        return REDACTION
    if chosen == ["none"]:
        return ()
    groups = tuple([group for group in REDACTION if group in chosen])
    if not chosen or len(groups) < len(set(chosen)):
        raise InvalidError(REDACTION_ALLOWED, usable=groups or NOTHING)
    return groups


def parse_mask(value: object) -> str:
    """What stands for a secret. What could end a value or begin another is left out, so that a mask stays one."""
    if not isinstance(value, str) or not 0 < len(value) <= 64 or not writable(value) or not _MARKS.isdisjoint(value):
        raise InvalidError(MASK_ALLOWED)
    return value


_MARKS = frozenset(" \u00a0\"'`\\=:@&;,?/%")


def parse_field_names(value: object) -> tuple[str, ...]:
    """Names of fields, "-" in front of what is not to be one; as they are written."""
    return tuple(dict.fromkeys(words(value, FIELD_NAMES_ALLOWED)))


FUNCTION_ALLOWED = "a function, or where it is: package.module:function"


def parse_function(value: object) -> object:
    """A function, or the text that says where one is; that is looked up when it is needed."""
    if callable(value):
        return value
    if isinstance(value, str):
        module, mark, name = value.strip().partition(":")
        if mark and name.isidentifier() and all([part.isidentifier() for part in module.split(".")]):
            return value.strip()
    raise InvalidError(FUNCTION_ALLOWED)


def _show_function(value: object) -> str:
    return show_plain(getattr(value, "__qualname__", value))


FIELD_NAMES_ALLOWED = 'names separated by commas ("-token": not this one)'


# ---- key=value lists


def unquote(text: str) -> str:
    """`text` with its percent-encoding undone (UTF-8); what is no encoding stays."""
    if "%" not in text:
        return text
    from urllib.parse import unquote

    return unquote(text)


ATTRIBUTES_ALLOWED = "key=value pairs separated by commas, percent-encoded"


def parse_attributes(value: object) -> dict[str, AttributeValue]:
    """Resource attributes: a mapping, or the text of OTEL_RESOURCE_ATTRIBUTES. Malformed ones are left out."""
    result: dict[str, AttributeValue] = {}
    wrong = False
    if isinstance(value, str):
        for item in value.split(","):
            if not item.strip():
                continue
            key, mark, text = item.partition("=")
            key = unquote(key.strip())
            if not mark or not key:
                wrong = True
                continue
            result[_encodable(key)] = _encodable(unquote(text.strip()))
        if wrong:
            raise InvalidError(ATTRIBUTES_ALLOWED, usable=result if result else NOTHING)
        return result
    items = getattr(value, "items", None)
    if items is None or isinstance(value, type):
        raise InvalidError(ATTRIBUTES_ALLOWED)
    try:
        pairs = list(items())
    except Exception:  # noqa: BLE001 - a foreign mapping may do anything
        raise InvalidError(ATTRIBUTES_ALLOWED) from None
    for key, member in pairs:
        cleaned = _attribute(member)
        if not isinstance(key, str) or not key.strip() or cleaned is None:
            wrong = True
        else:
            result[_encodable(key.strip())] = cleaned
    if wrong:
        allowed = "a mapping of texts to texts, numbers, booleans or lists of these"
        raise InvalidError(allowed, usable=result if result else NOTHING)
    return result


def _encodable(text: str) -> str:
    """`text` without the lone surrogates that an undecodable environment value carries."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _attribute(value: object) -> AttributeValue | None:
    if isinstance(value, str):
        return _encodable(value)
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (list, tuple)):
        members: list[str | bool | int | float] = []
        for member in value:
            if not isinstance(member, (str, bool, int, float)):
                return None
            members.append(_encodable(member) if isinstance(member, str) else member)
        return tuple(members)
    return None


def merge(higher: Mapping[str, AttributeValue], lower: Mapping[str, AttributeValue]) -> dict[str, AttributeValue]:
    """Both mappings in one; `higher` wins."""
    return {**lower, **higher}


# ---- dimension sets

DIMENSION_SETS_ALLOWED = 'names of dimensions separated by commas, sets by semicolons: "Service;Service,route"'


def parse_dimension_sets(value: object) -> tuple[tuple[str, ...], ...]:
    """Sets of names of dimensions: a text, a list of lists, or a list of texts. Each set once, without empty ones."""
    if isinstance(value, str):
        value = value.split(";")
    if not isinstance(value, (list, tuple)):
        raise InvalidError(DIMENSION_SETS_ALLOWED)
    found: dict[frozenset[str], tuple[str, ...]] = {}
    for member in value:
        names = tuple(dict.fromkeys(words(member, DIMENSION_SETS_ALLOWED)))
        if names:
            found.setdefault(frozenset(names), names)
    return tuple(found.values())


def _show_sets(value: object) -> str:
    sets: tuple[tuple[str, ...], ...] = value if isinstance(value, tuple) else ()
    return ";".join([",".join(names) for names in sets]) or "none"


PATCHES: Kind[bool | tuple[str, ...]] = Kind("patches", parse_patch, PATCH_ALLOWED)
NAMES: Kind[tuple[str, ...]] = Kind("names", parse_names, "names separated by commas")
ANNOTATIONS: Kind[tuple[str, ...]] = Kind("annotations", parse_annotations, ANNOTATIONS_ALLOWED)
PROPAGATION: Kind[tuple[str, ...]] = Kind("propagators", parse_propagators, _PROPAGATION_ALLOWED)
PATTERNS: Kind[tuple[str, ...]] = Kind("patterns", parse_patterns, PATTERNS_ALLOWED)
DIMENSION_SETS: Kind[tuple[tuple[str, ...], ...]] = Kind(
    "dimension sets", parse_dimension_sets, DIMENSION_SETS_ALLOWED, show=_show_sets
)
ATTRIBUTES: Kind[dict[str, AttributeValue]] = Kind("attributes", parse_attributes, ATTRIBUTES_ALLOWED)
FIELD_NAMES: Kind[tuple[str, ...]] = Kind("field names", parse_field_names, FIELD_NAMES_ALLOWED)
RULE_GROUPS: Kind[tuple[str, ...]] = Kind("groups", parse_redaction, REDACTION_ALLOWED)
MASK: Kind[str] = Kind("mask", parse_mask, MASK_ALLOWED)
FUNCTION: Kind[object] = Kind("function", parse_function, FUNCTION_ALLOWED, show=_show_function)
