"""logging: every record carries the trace and span id, and leaves through obsv's sinks as well.

The work is done in `obsv.logs`: a record factory for the ids, and a handler on the root logger. What that changes of
the program's logging is said there.
"""

from __future__ import annotations

from functools import wraps

from ._api import Patch, guard, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._api import Switch

patch = Patch("logging")

_TERMINAL = frozenset(("console", "json"))
"""Sinks whose lines appear where a plain handler of the root logger writes."""


@patch.setup
def install() -> None:
    """Begin with records made from now on."""
    from ..logs import correlation

    chosen: Any = settings()
    correlation.install_record_factory(str(chosen.service or ""))
    _install_handler()


def _install_handler() -> None:
    from ..logs.handler import install as install_handler

    chosen: Any = settings()
    sinks = chosen.logs or ()
    if chosen.log_capture and any(name != "none" for name in sinks):
        install_handler(chosen.log_level, replaces_streams=any(_name(sink) in _TERMINAL for sink in sinks))


@patch.wrap("logging:basicConfig")
def basic_config(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Let the program configure the root logger as if ours were not there: a root with handlers is left alone by it.

    A wrapper, because there is nothing to time. What it adds for stdout or stderr is then set aside as usual.
    """
    with guard("patch logging"):
        from ..logs.handler import uninstall as uninstall_handler

        uninstall_handler()
    try:
        return wrapped(*args, **kwargs)
    finally:
        with guard("patch logging"):
            _install_handler()


@patch.make("logging:Logger.makeRecord")
def make_record(function: Callable[..., Any], switch: Switch) -> Callable[..., Any]:
    """Let ``extra=`` name what our record factory adds. Made, because a wrapper would cost more than what it does."""
    from ..hotpath.stdlines import record_maker
    from ..logs import correlation

    made = record_maker(function, switch, correlation.NAMES, correlation.make_record)
    return wraps(function)(made)


@patch.teardown
def uninstall() -> None:
    """Leave logging as it was."""
    from ..logs.correlation import remove_record_factory
    from ..logs.handler import uninstall as uninstall_handler

    uninstall_handler()
    remove_record_factory()


def _name(sink: Any) -> str:
    return sink if isinstance(sink, str) else str(getattr(sink, "name", ""))
