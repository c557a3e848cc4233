"""The command line: `obsv <command>`, also `python -m obsv <command>`.

Each command is a module of this package with two functions, `add_arguments(parser)` and `run(args) -> int`, which
returns the exit status. Only the module of the command that was called is loaded.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Sequence

COMMANDS = {
    "run": "run a command with obsv in it and in its Python children, without a change of the program",
    "doctor": "say which settings are in force, what can be patched, and whether the sinks can be reached",
    "status": "list the libraries that are patched here, and by whom",
    "show": "list the newest traces of the local store, or show one of them",
}
"""The commands, each with what it does; the module has the command's name."""

SILENT = frozenset({"run"})
"""Commands that have nothing to say themselves."""

INTERRUPTED = 130  # 128 + SIGINT, as shells say it
CLOSED_PIPE = 141  # 128 + SIGPIPE


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status.

    `argv` is sys.argv[1:]. Wrong usage exits with 2 (argparse), Ctrl-C with 130, and a reader of our output that went
    away (`obsv show | head`) with 141; neither of the last two prints anything.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        try:
            return _run(arguments)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _drop_stdout()
        return CLOSED_PIPE
    except OSError as error:  # a full disk, a terminal that has gone
        _drop_stdout()
        print(f"obsv: {error.strerror or error}{f': {error.filename}' if error.filename else ''}", file=sys.stderr)
        return 1


def _run(arguments: list[str]) -> int:
    from importlib import import_module

    command = next((argument for argument in arguments if not argument.startswith("-")), None)
    parser, subparsers = _parser()
    if command not in COMMANDS:
        parser.parse_args(arguments)  # prints help, the version or what is wrong, and exits
        parser.print_help()
        return 2
    module = import_module(f"{__name__}.{command}")
    module.add_arguments(subparsers[command])
    parsed = parser.parse_args(arguments)
    if sys.stdout is None and command not in SILENT:
        print("obsv: stdout is closed", file=sys.stderr)
        return 1
    status: int = module.run(parsed)
    return status


def _parser() -> tuple[ArgumentParser, dict[str, ArgumentParser]]:
    import argparse

    parser = argparse.ArgumentParser(prog="obsv", description="Traces, metrics and logs for Python services on AWS.")
    parser.add_argument("--version", action="version", version=f"obsv {version()}")
    group = parser.add_subparsers(dest="command", metavar="command", title="commands")
    subparsers = {name: group.add_parser(name, help=text, description=text) for name, text in COMMANDS.items()}
    return parser, subparsers


def version() -> str:
    """The version of the installed obsv."""
    import obsv

    found = getattr(obsv, "__version__", None)
    return found if isinstance(found, str) else "unknown"


def _drop_stdout() -> None:
    """Lets the interpreter's last flush of stdout go nowhere: the reader is gone, and that is no error."""
    try:
        descriptor = sys.stdout.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
    except (AttributeError, OSError, ValueError):  # no real file: nothing will be flushed into it
        pass
