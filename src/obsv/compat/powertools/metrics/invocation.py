"""What Metrics do around an invocation of a Lambda function."""

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


def decorate(
    metrics: EphemeralMetrics, handler: Callable[..., Any], capture_cold_start: bool, raise_on_empty: bool
) -> Callable[..., Any]:
    """Return a handler after whose invocations the metrics are written."""

    def after(context: Any, failed: bool) -> None:
        with guard("log_metrics"):
            if capture_cold_start and cold_start.take():
                metrics.add_cold_start_metric(environment.lambda_context(context))
        if not failed:
            metrics.flush_metrics(raise_on_empty_metrics=raise_on_empty)
            return
        try:
            metrics.flush_metrics()
        except SchemaValidationError as error:  # what the handler has raised is what counts
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
