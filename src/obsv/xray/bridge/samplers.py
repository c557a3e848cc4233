"""Samplers of aws-xray-sdk: obsv's sampling decides, unless a program brings local rules."""

from __future__ import annotations

import os
from time import monotonic
from typing import Any

from obsv.hotpath import faults
from obsv.hotpath.errors import safe_text

from .words import wildcard_match


class DefaultSampler:
    """Leaves each decision to obsv. It asks nobody and has no threads."""

    xray_client: Any = None

    def should_trace(self, sampling_req: Any = None) -> Any:
        """Decide nothing."""
        return None

    def load_local_rules(self, rules: Any) -> None:
        """Do nothing: a recorder that is given rules takes a :class:`LocalSampler`."""

    def load_settings(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""

    def start(self) -> None:
        """Do nothing."""


class LocalSampler:
    """Decides by rules of the program (X-Ray developer guide, "Local rules"): some a second, and a share of the rest.

    Args:
        rules: The rules, version 1 or 2, or the path of a file with them. Those that cannot be read are told once, and
            one a second plus 5 % is the rule then.
    """

    def __init__(self, rules: Any = None) -> None:
        self._rules: list[_Rule] = [_Rule({"fixed_target": 1, "rate": 0.05})]
        if rules:
            self.load_local_rules(rules)

    def load_local_rules(self, rules: Any) -> None:
        """Take other rules."""
        try:
            if not isinstance(rules, dict):
                import json

                with open(os.fspath(rules), encoding="utf-8") as file:  # a number would be the program's own file
                    rules = json.load(file)
            if rules.get("version") not in (1, 2):
                raise ValueError(f"version {rules.get('version')!r} is neither 1 nor 2")
            default = dict(rules["default"])
            self._rules = [_Rule(rule) for rule in [*rules.get("rules", ()), default]]
        except Exception as error:  # noqa: BLE001 - the program's own text
            said = f"{type(error).__name__}: {safe_text(error)[:200]}"
            faults.tell(f"X-Ray sampling rules are left out: {said}; 1 a second plus 5 % is used")

    def should_trace(self, sampling_req: Any = None) -> int:
        """Return 1 to sample, 0 not to."""
        request = sampling_req or {}
        for rule in self._rules:
            if rule is self._rules[-1] or rule.applies(request):
                return int(rule.takes())
        return 0


class _Rule:
    def __init__(self, rule: dict[str, Any]) -> None:
        self.target = float(rule["fixed_target"])
        self.rate = float(rule["rate"])
        self.host = rule.get("host") or rule.get("service_name")
        self.method = rule.get("http_method")
        self.path = rule.get("url_path")
        self._second = 0
        self._used = 0

    def applies(self, request: dict[str, Any]) -> bool:
        """Tell whether the rule is for a request; what is not known of it matches."""
        asked = ((self.host, "host"), (self.method, "method"), (self.path, "path"))
        return all(not request.get(key) or wildcard_match(pattern, request[key]) for pattern, key in asked)

    def takes(self) -> bool:
        """Decide about one request."""
        second = int(monotonic())
        if second != self._second:
            self._second, self._used = second, 0
        if self._used < self.target:
            self._used += 1
            return True
        from random import SystemRandom

        return SystemRandom().random() < self.rate
