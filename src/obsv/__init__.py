"""obsv: traces, metrics and logs for Python services on AWS, at a cost nobody notices.

Two lines are enough::

    import obsv
    obsv.init("shop")

Everything here may be called before ``init()`` and after ``shutdown()``: it then does nothing, without an error.
"""

from __future__ import annotations

__version__ = "0.1.0"

__all__ = [
    "__version__",
    "counter",
    "current_span",
    "flush",
    "gauge",
    "get_logger",
    "histogram",
    "init",
    "log_context",
    "patch",
    "set_correlation_id",
    "shutdown",
    "span",
    "status",
    "traced",
    "unpatch",
]

_HOMES = {
    "counter": "api",
    "current_span": "hotpath.span",
    "flush": "api",
    "gauge": "api",
    "get_logger": "logs.logger",
    "histogram": "api",
    "init": "api",
    "log_context": "logs.context",
    "patch": "api",
    "set_correlation_id": "logs.context",
    "shutdown": "api",
    "span": "hotpath.span",
    "status": "health",
    "traced": "api",
    "unpatch": "api",
}

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .api import counter, flush, gauge, histogram, init, patch, shutdown, traced, unpatch
    from .health import status
    from .hotpath.span import current_span, span
    from .logs.context import log_context, set_correlation_id
    from .logs.logger import get_logger
else:

    def __getattr__(name: str) -> object:
        """Load a public name from its home when it is first used (PEP 562)."""
        if name == "testing":  # a module, reached as `obsv.testing` without an import of its own
            return __import__("obsv.testing", fromlist=["capture"])
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module 'obsv' has no attribute {name!r}")
        # Not importlib.import_module: importing importlib takes as long as importing this.
        value = getattr(__import__(f"obsv.{home}", fromlist=[name]), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted([*globals(), *__all__])
