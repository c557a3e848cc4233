"""What our ``sitecustomize`` does in an interpreter that has obsv."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SKIPPED = frozenset(
    {
        *("pip", "ensurepip", "venv", "virtualenv", "uv", "obsv", "compileall"),
        *("opentelemetry-instrument", "opentelemetry-bootstrap", "ddtrace-run", "newrelic-admin", "elasticapm-run"),
    }
)
"""Modules run with ``-m``, and programs of the same names, that are tools and not the service. An agent's starter is
one until it becomes the program."""

_TRACKER = "multiprocessing.resource_tracker"  # a helper process of multiprocessing's that runs nobody's code


def start(tell: Callable[[str], None]) -> None:
    """Start obsv with what the environment says. Never raises.

    Args:
        tell: Prints why it was not started.
    """
    try:
        if os.environ.get("OBSV_RUN_CHILDREN", "").strip().lower() in ("0", "false", "no", "off"):
            _leave_environment()
        if is_tool(getattr(sys, "orig_argv", ())):
            return
        from .. import runtime

        runtime.init({"patch": True}, by_itself=True)  # what `obsv.init()` hands over
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the program goes on without telemetry
        tell(f"{type(error).__name__}: {_first_line(error)}")


def _first_line(error: BaseException) -> str:
    try:
        return str(error).strip().partition("\n")[0]
    except Exception:  # noqa: BLE001 - a broken __str__
        return "(its text cannot be read)"


def _leave_environment() -> None:
    """Let the children of this process run as if ``obsv run`` were not there."""
    from . import CHILDREN, remove

    os.environ.pop(CHILDREN, None)
    path = remove(os.environ.get("PYTHONPATH"))
    if path is None:
        os.environ.pop("PYTHONPATH", None)
    else:
        os.environ["PYTHONPATH"] = path


def is_tool(command: Sequence[str]) -> bool:
    """Tell whether an interpreter runs something that is not worth observing: pip, obsv itself, a helper.

    Args:
        command: ``sys.orig_argv``: the interpreter, its options, and what it runs.
    """
    arguments = iter(command[1:])
    for argument in arguments:
        if argument == "-m" or (argument.startswith("-m") and not argument.startswith("--")):
            module = argument[2:] or next(arguments, "")
            return module.partition(".")[0] in SKIPPED
        if argument == "-c" or (argument.startswith("-c") and not argument.startswith("--")):
            return _TRACKER in (argument[2:] or next(arguments, ""))
        if argument in ("-W", "-X", "--check-hash-based-pycs"):
            next(arguments, None)
        elif not argument.startswith("-"):
            name = os.path.basename(argument)
            return name.partition(".")[0].rstrip("0123456789") in SKIPPED and os.path.dirname(argument) == (
                os.path.dirname(sys.executable or "")
            )
    return False
