"""One sampling rule, as `GetSamplingRules` gives it (X-Ray API reference, "SamplingRule")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obsv.hotpath.errors import safe_text

from .patterns import compile_pattern

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .patterns import Matches

VERSION = 1
MAX_PATTERN = 1024  # characters; X-Ray's own limits are lower, at most 500 (ResourceARN)
MAX_RULES = 1000

# Where a rule looks at the request: our name, the rule's field.
REQUEST = (("method", "HTTPMethod"), ("host", "Host"), ("path", "URLPath"))
SERVICE = (("name", "ServiceName"), ("type", "ServiceType"), ("arn", "ResourceARN"))


class InvalidRuleError(ValueError):
    """What was given is no rule of version 1."""


class Rule:
    """A rule whose patterns are compiled.

    Attributes:
        name: Names it to X-Ray.
        priority: 1 to 9999, the lowest first; `Default` has 10000.
        size: Requests a second that all processes together may take before the rate counts (`ReservoirSize`).
        rate: Share of the others, 0 to 1.
        request: What the request's method, host and path have to match; fields that may be anything are left out.
        attributes: What attributes of the span have to match, all of them.
        service: What the service's name, type and ARN have to match.
        boost: Whether X-Ray may raise the rate for a while when requests fail (`SamplingRateBoost`).
        said: What X-Ray said, to see whether a rule has changed.
    """

    __slots__ = ("attributes", "boost", "name", "priority", "rate", "request", "said", "service", "size")

    def __init__(self, said: Mapping[str, Any]) -> None:
        """Read a `SamplingRule`.

        Raises:
            InvalidRuleError: It has no name, is of another version, or its fields are of other types.
        """
        if said.get("Version", VERSION) != VERSION:
            raise InvalidRuleError("not of version 1")
        self.name = _text(said, "RuleName", "")
        if not self.name:
            raise InvalidRuleError("no RuleName")
        self.priority = int(_number(said, "Priority", 10_000, 0, 10_000_000))
        self.size = int(_number(said, "ReservoirSize", 0, 0, 1e9))
        self.rate = _number(said, "FixedRate", 0, 0, 1)
        self.request = _compiled({name: _text(said, field, "*") for name, field in REQUEST})
        self.service = _compiled({name: _text(said, field, "*") for name, field in SERVICE})
        attributes = said.get("Attributes") or {}
        if not isinstance(attributes, dict):
            raise InvalidRuleError("Attributes are no object")
        self.attributes = {key: compile_pattern(_text(attributes, key, "*")) for key in attributes}
        self.boost = isinstance(said.get("SamplingRateBoost"), dict)
        self.said = dict(said)

    def concerns(self, service: Mapping[str, str | None]) -> bool:
        """Tell whether it is about this service: its `name`, `type` (X-Ray's origin) and `arn`."""
        return all([_fits(match, service.get(name)) for name, match in self.service])

    def matches(self, request: Mapping[str, str | None], attributes: Mapping[str, Any]) -> bool:
        """Tell whether it is about this request: its `method`, `host` and `path`, and the attributes of its span."""
        for name, match in self.request:
            if not _fits(match, request.get(name)):
                return False
        for key, pattern in self.attributes.items():
            value = attributes.get(key)
            if value is None or (pattern is not None and not pattern(as_text(value))):
                return False
        return True

    def __repr__(self) -> str:
        return f"<Rule {self.name!r} priority={self.priority} rate={self.rate} reservoir={self.size}>"


def read_rules(records: Any) -> tuple[list[Rule], int]:
    """Return the rules of `SamplingRuleRecords` in the order in which they are tried, and how many could not be read.

    By priority, then by name (X-Ray developer guide, "Sampling rule options": the lowest number first).
    """
    rules: list[Rule] = []
    bad = 0
    for record in records if isinstance(records, list) else ():
        said = record.get("SamplingRule") if isinstance(record, dict) else None
        try:
            if not isinstance(said, dict) or len(rules) >= MAX_RULES:
                raise InvalidRuleError("not a rule")
            rules.append(Rule(said))
        except InvalidRuleError:
            bad += 1
    rules.sort(key=lambda rule: (rule.priority, rule.name))
    return rules, bad


def as_text(value: Any) -> str:
    """Return an attribute's value as rules see it: JSON's `true`, not Python's `True`."""
    if type(value) is str:
        return value
    return str(value).lower() if isinstance(value, bool) else safe_text(value)


def _compiled(patterns: dict[str, str]) -> tuple[tuple[str, Matches], ...]:
    found = [(name, compile_pattern(pattern)) for name, pattern in patterns.items()]
    return tuple([(name, match) for name, match in found if match is not None])


def _fits(match: Matches, text: str | None) -> bool:
    return text is not None and match(text) is not None


def _text(said: Mapping[str, Any], field: str, default: str) -> str:
    value = said.get(field)
    if value is None:
        return default
    if not isinstance(value, str) or len(value) > MAX_PATTERN:
        raise InvalidRuleError(f"{field} is no text")
    return value


def _number(said: Mapping[str, Any], field: str, default: float, low: float, high: float) -> float:
    value = said.get(field)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        raise InvalidRuleError(f"{field} is no number")
    return float(max(low, min(value, high)))
