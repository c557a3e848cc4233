"""Two libraries with the same calls, run side by side: the original, and obsv's in its place.

A scenario is a function of a side. It is run with each, in this process; what it writes to stdout is read as JSON.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import logging
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_number = itertools.count()

VOLATILE = ("timestamp",)  # members that differ from one run to the next
SERVICE = "the service"


class LambdaContext:
    """What Lambda gives a handler."""

    function_name = "checkout"
    memory_limit_in_mb = 128
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:checkout"
    aws_request_id = "52fdfc07-2182-154f-163f-5f0f9a621d72"


class Side:
    """One of the two.

    Attributes:
        ours: Whether it is obsv's.
        service: A service name that nobody has had before: loggers of ``logging`` live as long as the process.
        context: A Lambda context.
    """

    def __init__(self, ours: bool) -> None:
        self.ours = ours
        self.service = f"service{next(_number)}x"
        self.context = LambdaContext()
        self.raised: BaseException | None = None
        self.warned: list[str] = []

    def module(self, name: str) -> Any:
        """The module of Powertools' (``""``, ``"logging"``, ``"metrics"``, …) on this side."""
        return _load("obsv.compat.powertools" if self.ours else "aws_lambda_powertools", name)

    def emf(self, name: str = "") -> Any:
        """The module of aws-embedded-metrics' on this side."""
        return _load("obsv.compat.emf" if self.ours else "aws_embedded_metrics", name)

    def forget(self) -> None:
        """Begins again: the next invocation is the first one, and nothing is measured yet."""
        if self.ours:
            self.module("logging.invocation").cold_start.reset()
            self.module("metrics.invocation").cold_start.reset()
        else:
            self.module("logging.logger").is_cold_start = True
            self.module("metrics.provider.cold_start").is_cold_start = True
        metrics = self.module("metrics").Metrics
        for state in ("_metrics", "_dimensions", "_metadata", "_default_dimensions"):
            getattr(metrics, state).clear()


def _load(package: str, name: str) -> Any:
    return __import__(f"{package}.{name}" if name else package, fromlist=["x"])


def written(scenario: Callable[[Side], object], ours: bool, forget: bool = True) -> tuple[str, Side]:
    """Runs a scenario on one side: what it wrote, and the side, which knows what was raised and warned."""
    side = Side(ours)
    if forget:
        side.forget()
    text = io.StringIO()
    with contextlib.redirect_stdout(text), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            scenario(side)
        except Exception as error:
            side.raised = error
    side.warned = [f"{warning.category.__name__}: {warning.message}" for warning in warned]
    for name in [name for name in logging.root.manager.loggerDict if name.startswith(side.service)]:
        logging.getLogger(name).handlers.clear()
    return text.getvalue().replace(side.service, SERVICE), side


def lines(text: str) -> list[Any]:
    """What was written, line by line, without what differs from run to run."""
    found = [json.loads(line, parse_constant=_no_constant) for line in text.split("\n") if line]
    for line in found:
        if isinstance(line, dict):
            for name in VOLATILE:
                line.pop(name, None)
            if "_aws" in line:
                line["_aws"].pop("Timestamp", None)
    return found


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def both(scenario: Callable[[Side], object]) -> tuple[list[Any], list[Any]]:
    """What the original writes, and what obsv writes. What they raise has to have the same name."""
    theirs, original = written(scenario, ours=False)
    mine, ours = written(scenario, ours=True)
    assert type(ours.raised).__name__ == type(original.raised).__name__, (original.raised, ours.raised)
    return lines(theirs), lines(mine)


def same(scenario: Callable[[Side], object]) -> list[Any]:
    """Runs a scenario on both sides, which have to write the same; returns that."""
    theirs, mine = both(scenario)
    assert mine == theirs
    return mine


def ours(scenario: Callable[[Side], object]) -> list[Any]:
    """What obsv writes; it may not raise."""
    text, side = written(scenario, ours=True)
    assert side.raised is None, side.raised
    return lines(text)


def original(scenario: Callable[[Side], object]) -> tuple[str, Side]:
    """What the original does where it is not right."""
    return written(scenario, ours=False)
