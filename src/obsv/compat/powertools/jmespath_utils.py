"""Values out of an event by a JMESPath expression.

Paths such as ``requestContext.requestId``, ``headers."x-amzn-trace-id"`` and ``Records[0].messageId`` are read here.
Whatever is more than a path needs the package ``jmespath``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from obsv.hotpath import faults

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_NAME = _LETTERS | frozenset("0123456789")


def query(data: Any, envelope: str) -> Any:
    """Return what an expression finds in ``data``, or None.

    ``powertools_json``, ``powertools_base64`` and ``powertools_base64_gzip`` are known, as in Powertools. An expression
    that cannot be read gives one line and None: the original raises, and so fails every invocation for the sake of a
    log line.

    Example:
        >>> query({"headers": {"x-id": "7"}}, 'headers."x-id"')
        '7'
    """
    steps = _steps(envelope)
    if steps is None:
        return _by_jmespath(data, envelope)
    for step in steps:
        try:
            # JMESPath: what is not there is null. An event source class of Powertools has a `get` as well.
            if isinstance(step, str):
                data = data.get(step)
            else:
                data = data[step] if isinstance(data, (list, tuple)) else None
        except (AttributeError, IndexError, TypeError):
            return None
        if data is None:
            return None
    return data


@lru_cache(maxsize=64)
def _steps(path: str) -> tuple[str | int, ...] | None:
    """Divide a path into names and indexes; None where it is more than a path."""
    steps: list[str | int] = []
    at = 0
    while at < len(path):
        if steps and path[at] == ".":
            at += 1
        elif steps and path[at] != "[":
            return None
        end = at
        if path[at : at + 1] == '"':
            end = path.find('"', at + 1)
            if end <= at + 1 or "\\" in path[at:end]:
                return None
            steps.append(path[at + 1 : end])
            end += 1
        elif path[at : at + 1] == "[":
            end = path.find("]", at)
            digits = path[at + 1 : end] if end > at else ""
            if not digits.removeprefix("-").isascii() or not digits.removeprefix("-").isdigit():
                return None
            steps.append(int(digits))
            end += 1
        elif path[at : at + 1] in _LETTERS and path[at : at + 1]:
            while end < len(path) and path[end] in _NAME:
                end += 1
            steps.append(path[at:end])
        else:
            return None
        at = end
    return tuple(steps) or None


def _by_jmespath(data: Any, expression: str) -> Any:
    try:
        import jmespath  # type: ignore[import-untyped]
    except ImportError:
        faults.tell(
            f"the JMESPath expression {expression!r} needs the package jmespath, which is not installed; paths such as "
            'requestContext.requestId or headers."x-id" do not; nothing is found'
        )
        return None
    try:
        return jmespath.search(expression, data, options=jmespath.Options(custom_functions=_functions()))
    except Exception as error:  # noqa: BLE001 - the expression's fault or the event's, and never the handler's
        faults.tell(
            f"the JMESPath expression {expression!r} finds nothing: {type(error).__name__}: "
            f"{' '.join(str(error).split())[:160]}",
            key=f"jmespath {expression}",
        )
        return None


@lru_cache(maxsize=1)
def _functions() -> Any:
    from base64 import b64decode
    from gzip import decompress
    from json import loads

    from jmespath.functions import Functions, signature  # type: ignore[import-untyped]

    class PowertoolsFunctions(Functions):  # type: ignore[misc]
        @signature({"types": ["string"]})  # type: ignore[untyped-decorator]
        def _func_powertools_json(self, value: str) -> Any:
            return loads(value)

        @signature({"types": ["string"]})  # type: ignore[untyped-decorator]
        def _func_powertools_base64(self, value: str) -> str:
            return b64decode(value).decode()

        @signature({"types": ["string"]})  # type: ignore[untyped-decorator]
        def _func_powertools_base64_gzip(self, value: str) -> str:
            return decompress(b64decode(value)).decode()

    return PowertoolsFunctions()
