"""The entry point ``opentelemetry_context``: with ``OTEL_PYTHON_CONTEXT=obsv`` the context lives in obsv's variable.

It is loaded while ``opentelemetry.context`` itself is being imported, so it may import next to nothing of it.
``obsv.init()`` does the same without the variable.
"""

from __future__ import annotations

from opentelemetry.context.context import Context, _RuntimeContext

from ..hotpath.span import attach, current, detach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextvars import Token


class RuntimeContext(_RuntimeContext):
    """What :class:`obsv.otel.context.RuntimeContext` is, loaded at its first use."""

    def attach(self, context: Context) -> Token[Context]:
        """Make a context current."""
        token: Token[Context] = attach(context)
        return token

    def get_current(self) -> Context:
        """Return the current context as OpenTelemetry knows it."""
        from .context import as_context

        return as_context(current())

    def detach(self, token: Token[Context]) -> None:
        """Restore what was current before. In the wrong context it does nothing."""
        detach(token)
