"""What a Logger does around an invocation of a Lambda function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obsv.guard import guard
from obsv.hotpath.wrap import wraps

from ...kinds import is_coroutine
from ..cold_start import ColdStart
from ..jmespath_utils import query
from .exceptions import OrphanedChildLoggerError
from .lambda_context import about

if TYPE_CHECKING:
    from collections.abc import Callable

    from .logger import Logger

cold_start = ColdStart()


def decorate(
    logger: Logger,
    handler: Callable[..., Any],
    log_event: bool,
    correlation_id_path: str | None,
    clear_state: bool,
    flush_on_error: bool,
) -> Callable[..., Any]:
    """Return a handler with the lines of its invocations prepared."""

    def prepare(event: Any, context: Any) -> None:
        first = cold_start.take()
        keys: dict[str, Any] = {"cold_start": first, **about(context)}
        if clear_state:
            logger.structure_logs(**keys)
        else:
            logger.append_keys(**keys)
        if correlation_id_path:
            logger.set_correlation_id(query(event, correlation_id_path))
        if log_event:
            logger.info(plain(event), stacklevel=4)
        if logger.sampling_rate and not first:
            logger.refresh_sample_rate_calculation()

    def before(event: Any, context: Any) -> None:
        try:
            prepare(event, context)
        except OrphanedChildLoggerError:
            raise
        except Exception:
            with guard("inject_lambda_context"):
                raise

    def after(error: BaseException | None) -> None:
        with guard("inject_lambda_context"):
            if error is not None and flush_on_error:
                logger.flush_buffer()
            logger.end_of_invocation()

    if is_coroutine(handler):

        @wraps(handler)
        async def async_handler(event: Any, context: Any, *args: Any, **kwargs: Any) -> Any:
            before(event, context)
            try:
                result = await handler(event, context, *args, **kwargs)
            except BaseException as error:
                after(error)
                raise
            after(None)
            return result

        return async_handler

    @wraps(handler)
    def sync_handler(event: Any, context: Any, *args: Any, **kwargs: Any) -> Any:
        before(event, context)
        try:
            result = handler(event, context, *args, **kwargs)
        except BaseException as error:
            after(error)
            raise
        after(None)
        return result

    return sync_handler


def plain(event: Any) -> Any:
    """Return the data of an event that Powertools' data classes, Pydantic or a dataclass hold."""
    if isinstance(event, dict):
        return event
    raw = getattr(event, "raw_event", None)
    if raw:
        return raw
    for name in ("model_dump", "dict"):  # Pydantic 2 and 1
        dump = getattr(event, name, None)
        if callable(dump) and hasattr(type(event), "__fields_set__" if name == "dict" else "model_fields"):
            return dump()
    if hasattr(type(event), "__dataclass_fields__"):
        from dataclasses import asdict

        return asdict(event)
    return event
