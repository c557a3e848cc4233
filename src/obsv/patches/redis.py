"""redis, sync and async, single servers and clusters: one client span for each command, and one for each pipeline.

Arguments never leave the process, keys neither: they hold session tokens and mail addresses as often as values do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..hotpath.redis_client import describe_command, place, say
from ._api import Patch

if TYPE_CHECKING:
    from ._api import Span

patch = Patch("redis", requires="redis >= 4.2", semconv="db/redis")

_MAX_COMMANDS = 32  # commands of a pipeline that are written out


patch.client(
    "redis.client:Redis.execute_command",
    "redis.asyncio.client:Redis.execute_command",
    "redis.cluster:RedisCluster.execute_command",
    "redis.asyncio.cluster:RedisCluster.execute_command",
)(describe_command)


def _is_empty(pipeline: Any) -> bool:
    """Tell whether nothing will be sent."""
    return not _commands(pipeline) and not getattr(pipeline, "watching", False)


@patch.client(
    "redis.client:Pipeline.execute",
    "redis.asyncio.client:Pipeline.execute",
    "redis.cluster:ClusterPipeline.execute",
    "redis.asyncio.cluster:ClusterPipeline.execute",
    quiet=_is_empty,
)
def pipeline(span: Span, pipeline: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Describe a pipeline or transaction (semantic conventions, ``db.operation.name`` of a batch)."""
    if not span.recording:
        return
    commands = _commands(pipeline)
    said = [say(_arguments(item)) for item in commands[:_MAX_COMMANDS]]
    names = {name for name, _text in said}
    # ``transaction`` is a flag of the synchronous pipeline, and a method of the others.
    atomic = getattr(pipeline, "transaction", None) is True or getattr(pipeline, "is_transaction", False)
    atomic = atomic or getattr(pipeline, "explicit_transaction", False)
    batch = "MULTI" if atomic else "PIPELINE"
    operation = f"{batch} {names.pop()}" if len(names) == 1 and len(commands) <= _MAX_COMMANDS else batch
    span.name = operation
    for key, value in place(pipeline):
        span.set_attribute(key, value)
    span.set_attribute("db.operation.name", operation)
    if len(commands) > 1:
        span.set_attribute("db.operation.batch.size", len(commands))
    left = len(commands) - len(said)
    span.set_attribute(
        "db.query.text", "\n".join([text for _name, text in said]) + (f"\n… {left} more" if left else "")
    )


def _commands(pipeline: Any) -> Any:
    """Return the queued commands; each version keeps them in another place."""
    strategy = getattr(pipeline, "_execution_strategy", None)  # clusters since redis 6
    for holder, name in (
        (strategy, "command_queue"),
        (strategy, "_command_queue"),
        (pipeline, "command_stack"),
        (pipeline, "_command_stack"),
    ):
        queued = getattr(holder, name, None)
        if queued is not None:
            return queued
    return ()


def _arguments(queued: Any) -> Any:
    """Return a queued command's arguments, its name first: a tuple ``(args, options)``, or an object with ``args``."""
    return queued[0] if isinstance(queued, tuple) else queued.args
