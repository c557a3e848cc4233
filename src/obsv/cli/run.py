"""`obsv run [options] -- command`: run a program with obsv in it, without a change of the program.

The options become OBSV_* variables, `PYTHONPATH` gets our `sitecustomize` in front, and the command replaces this
process. So signals, exit statuses and process ids are the command's own.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Mapping

OPTIONS = {
    "service": ("OBSV_SERVICE", "NAME", "name of the service"),
    "service-version": ("OBSV_VERSION", "VERSION", "its version"),
    "environment": ("OBSV_ENVIRONMENT", "NAME", "where it runs, such as production"),
    "traces": ("OBSV_TRACES", "SINKS", "sinks for spans, such as otlp,local, or none"),
    "metrics": ("OBSV_METRICS", "SINKS", "sinks for metrics"),
    "logs": ("OBSV_LOGS", "SINKS", "sinks for logs"),
    "sample": ("OBSV_SAMPLE", "SHARE", "share of new traces to keep, from 0 to 1"),
    "resource": ("OBSV_RESOURCE", "KEY=VALUE,...", "more attributes for every record"),
    "config": ("OBSV_CONFIG", "FILE", "file of settings, or none"),
    "patch": ("OBSV_PATCH", "NAMES", "libraries to patch; -redis is all but redis (write --patch=-redis)"),
}
"""Options that become variables: option, variable, placeholder, help. They mirror the arguments of `obsv.init`."""

NOT_FOUND = 127
NOT_EXECUTABLE = 126
"""Exit statuses of a command that could not be run (POSIX shell, "Exit Status for Commands")."""

_WITH_VALUE = ("-W", "-X", "--check-hash-based-pycs")


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the options of `obsv run`."""
    from argparse import REMAINDER

    parser.usage = "obsv run [options] -- command [argument ...]"
    for name, (_, placeholder, text) in OPTIONS.items():
        parser.add_argument(f"--{name}", metavar=placeholder, help=text)
    parser.add_argument("--no-patch", action="store_true", help="patch no library")
    parser.add_argument(
        "--no-children", action="store_true", help="observe the first Python process only, not those that it starts"
    )
    parser.add_argument(
        "--print-environment",
        action="store_true",
        help="print the variables that would be set, as shell commands, and run nothing",
    )
    parser.add_argument("program", nargs=REMAINDER, metavar="command", help="what to run, with its arguments")


def run(args: Namespace) -> int:
    """Becomes the command. Returns an exit status only when that was not possible, or nothing was to be run."""
    changes = variables(args, os.environ)
    if args.print_environment:
        import shlex

        for name, value in changes.items():
            print(f"export {name}={shlex.quote(value)}")
        return 0
    command = args.program[1:] if args.program[:1] == ["--"] else args.program
    if not command:
        return _fail("run needs a command: obsv run [options] -- command [argument ...]", 2)
    os.environ.update(changes)
    reason = deaf(command)
    if reason is not None:
        print(f"obsv: not started: {reason} (the program runs without it)", file=sys.stderr)
    return _become(command)


def variables(args: Namespace, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that the options ask for, and the `PYTHONPATH` to go with them."""
    from ..auto import CHILDREN, SITE, prepend

    found: dict[str, str] = {}
    for name, (variable, _, _) in OPTIONS.items():
        value = getattr(args, name.replace("-", "_"))
        if value is not None:
            found[variable] = value
    if found.get("OBSV_CONFIG", "none").lower() not in ("none", "false", ""):
        try:
            found["OBSV_CONFIG"] = os.path.abspath(found["OBSV_CONFIG"])  # a child may start in another directory
        except OSError:
            pass  # there is no directory any more: whoever reads the file will say so
    if args.no_patch:
        found["OBSV_PATCH"] = "false"
    if args.no_children:
        found[CHILDREN] = "false"
    # A command that is `opentelemetry-instrument` takes the first distribution that it finds, unless told which.
    for variable in ("OTEL_PYTHON_DISTRO", "OTEL_PYTHON_CONFIGURATOR"):
        if not environ.get(variable):
            found[variable] = "obsv"
    if os.pathsep in SITE:
        print(f"obsv: not started: {SITE} cannot be on PYTHONPATH (the program runs without it)", file=sys.stderr)
    else:
        found["PYTHONPATH"] = prepend(environ.get("PYTHONPATH"))
    return found


def deaf(command: list[str]) -> str | None:
    """Why this command's interpreter will not hear of `PYTHONPATH` or `sitecustomize`; None when it will.

    Options of Python's are looked for in the command itself and in the first line of a script.
    """
    found = _options(command)
    if found is None:
        line = _interpreter_line(command[0])
        found = _options(line) if line else None
    if not found:
        return None
    return f"Python's option {found} leaves out what `obsv run` sets; call obsv.init() in the program instead"


def _options(command: list[str]) -> str | None:
    """The option that makes a Python deaf, "" when there is none, None when the command is not a Python."""
    if command and os.path.basename(command[0]) == "env":
        command = [part for part in command[1:] if part != "-S" and "=" not in part]
    if not command or not os.path.basename(command[0]).startswith(("python", "pypy")):
        return None
    arguments = iter(command[1:])
    for argument in arguments:
        if argument in _WITH_VALUE:
            next(arguments, None)
        elif argument.startswith("--"):
            continue
        elif argument.startswith("-") and argument != "-":
            for letter in argument[1:]:
                if letter in "cmWX":  # the rest is its value, or the program begins
                    break
                if letter in "IES":
                    return f"-{letter}"
            if any(letter in "cm" for letter in argument[1:2]):
                return ""
        else:
            return ""
    return ""


def _interpreter_line(program: str) -> list[str]:
    """The words of a script's `#!` line, nothing for other files."""
    from shutil import which

    path = which(program)
    if path is None:
        return []
    try:
        with open(path, "rb") as file:
            line = file.readline(512)
    except OSError:
        return []
    return line[2:].decode("utf-8", "replace").split() if line.startswith(b"#!") else []


def _become(command: list[str]) -> int:
    """Replaces this process by the command; the status of a failure, after one line about it."""
    import signal

    for name in ("SIGPIPE", "SIGXFSZ"):  # Python ignores them, and what is ignored stays so in the command
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    program = command[0]
    if not program:
        return _fail("'': command not found", NOT_FOUND)
    try:
        os.execvp(program, command)
    except (FileNotFoundError, NotADirectoryError):
        from shutil import which

        if which(program) is not None:
            return _fail(f"{program}: the interpreter that its first line names is not there", NOT_EXECUTABLE)
        if os.path.dirname(program) and os.path.exists(program):
            return _fail(f"{program}: cannot be executed", NOT_EXECUTABLE)
        return _fail(f"{program}: command not found", NOT_FOUND)
    except OSError as error:
        if error.errno == errno.ENOEXEC:
            return _fail(f"{program}: cannot be executed: it is neither a binary nor begins with #!", NOT_EXECUTABLE)
        return _fail(f"{program}: cannot be executed: {error.strerror}", NOT_EXECUTABLE)
    except ValueError as error:  # a null byte, an empty name
        return _fail(f"{program!r}: cannot be executed: {error}", NOT_EXECUTABLE)


def _fail(line: str, status: int) -> int:
    print(f"obsv: {line}", file=sys.stderr)
    return status
