"""Which level is in force: Lambda's, the caller's, or that of the environment."""

from __future__ import annotations

import logging
import os

from obsv.hotpath import faults

# Lambda developer guide, "Log-level filtering". TRACE is everything; Powertools makes it NOTSET, which means "as the
# root logger", and so hides what it should show.
_LAMBDA = {"TRACE": 1, "DEBUG": 10, "INFO": 20, "WARN": 30, "ERROR": 40, "FATAL": 50}


def of_lambda() -> int | None:
    """Return the lowest level that Lambda lets through (``AWS_LAMBDA_LOG_LEVEL``)."""
    return _LAMBDA.get(os.environ.get("AWS_LAMBDA_LOG_LEVEL", ""))


def wanted(level: str | int | None) -> int | None:
    """Return the level that the caller asks for, or else the environment (``POWERTOOLS_LOG_LEVEL``, ``LOG_LEVEL``).

    Raises:
        ValueError: The caller's own is no level.
    """
    if isinstance(level, int):
        return int(level)
    names = logging.getLevelNamesMapping()
    if level:
        found = names.get(level.upper())
        if found is None:
            raise ValueError(f"Unknown level: {level.upper()!r}; known are {', '.join(names)}")
        return found
    for variable in ("POWERTOOLS_LOG_LEVEL", "LOG_LEVEL"):
        text = os.environ.get(variable)
        if text:
            found = int(text) if text.isascii() and text.isdigit() else names.get(text.strip().upper())
            if found is None:
                faults.tell(f"{variable}={text!r} is no level; allowed are {', '.join(names)}; INFO is used")
            return found
    return None


def in_force(level: str | int | None) -> int:
    """Return the level to set: Lambda's where there is one, then what is wanted, then INFO."""
    lowest = of_lambda()
    asked = wanted(level)
    if lowest is not None:
        return lowest
    return logging.INFO if asked is None else asked
