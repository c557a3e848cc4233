"""What ``log_metrics`` does around a Lambda handler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obsv.guard import guard
from obsv.hotpath import faults
from obsv.hotpath.wrap import wraps

from ...kinds import is_coroutine
from .. import environment
from ..cold_start import ColdStart
from .exceptions import SchemaValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .provider import EphemeralMetrics

cold_start = ColdStart()


def flushing(
    metrics: EphemeralMetrics,
    handler: Callable[..., Any],
    capture_cold_start_metric: bool,
    raise_on_empty_metrics: bool,
) -> Callable[..., Any]:
    """Return a handler that writes the metrics when it returns or raises; see `EphemeralMetrics.log_metrics`."""

    def after(context: Any, failed: bool) -> None:
        with guard("log_metrics"):
            if capture_cold_start_metric and cold_start.take():
                metrics.add_cold_start_metric(environment.lambda_context(context))
        if not failed:
            metrics.flush_metrics(raise_on_empty_metrics=raise_on_empty_metrics)
            return
        try:
            metrics.flush_metrics()
        except (SchemaValidationError, Warning) as error:  # what the handler has raised is what counts
            faults.tell(f"log_metrics writes nothing: {error}")

    if is_coroutine(handler):

        @wraps(handler)
        async def async_handler(event: Any, context: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                result = await handler(event, context, *args, **kwargs)
            except BaseException:
                after(context, failed=True)
                raise
            after(context, failed=False)
            return result

        return async_handler

    @wraps(handler)
    def sync_handler(event: Any, context: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            result = handler(event, context, *args, **kwargs)
        except BaseException:
            after(context, failed=True)
            raise
        after(context, failed=False)
        return result

    return sync_handler
