"""redis, sync and async, single servers and clusters: one client span for each command, and one for each pipeline.

Arguments never leave the process, keys neither: they hold session tokens and mail addresses as often as values do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._api import Patch

if TYPE_CHECKING:
    from ._api import Span

patch = Patch("redis", requires="redis >= 4.2", semconv="db/redis")

_MAX_ARGUMENTS = 16  # placeholders that are written out
_MAX_COMMANDS = 32  # commands of a pipeline that are written out
_MAX_SAID = 512  # commands whose names and texts are kept
_MAX_WORD = 64  # characters of a command that is kept

# Commands whose first argument says what they do (``CONFIG GET``); it is no user's text.
_CONTAINERS = frozenset(
    ("ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DEBUG", "FUNCTION", "LATENCY", "MEMORY", "MODULE", "OBJECT")
    + ("PUBSUB", "SCRIPT", "SLOWLOG", "XGROUP", "XINFO")
)


@patch.client(
    "redis.client:Redis.execute_command",
    "redis.asyncio.client:Redis.execute_command",
    "redis.cluster:RedisCluster.execute_command",
    "redis.asyncio.cluster:RedisCluster.execute_command",
)
def command(span: Span, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Describe one command."""
    if not span.recording:
        return
    word = args[0] if args else None
    said = _said.get((word, len(args))) if type(word) is str else None
    name, text = said or _say_and_keep(args)
    span.name = name
    _describe(span, client)
    span.set_attribute("db.operation.name", name)
    span.set_attribute("db.query.text", text)


def _is_empty(pipeline: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Tell whether nothing will be sent."""
    return not _commands(pipeline) and not getattr(pipeline, "watching", False)


@patch.client(
    "redis.client:Pipeline.execute",
    "redis.asyncio.client:Pipeline.execute",
    "redis.cluster:ClusterPipeline.execute",
    "redis.asyncio.cluster:ClusterPipeline.execute",
    unless=_is_empty,
)
def pipeline(span: Span, pipeline: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Describe a pipeline or transaction (semantic conventions, ``db.operation.name`` of a batch)."""
    if not span.recording:
        return
    commands = _commands(pipeline)
    said = [_say(_arguments(item)) for item in commands[:_MAX_COMMANDS]]
    names = {name for name, _text in said}
    # ``transaction`` is a flag of the synchronous pipeline, and a method of the others.
    atomic = getattr(pipeline, "transaction", None) is True or getattr(pipeline, "is_transaction", False)
    atomic = atomic or getattr(pipeline, "explicit_transaction", False)
    batch = "MULTI" if atomic else "PIPELINE"
    operation = f"{batch} {names.pop()}" if len(names) == 1 and len(commands) <= _MAX_COMMANDS else batch
    span.name = operation
    _describe(span, pipeline)
    span.set_attribute("db.operation.name", operation)
    if len(commands) > 1:
        span.set_attribute("db.operation.batch.size", len(commands))
    left = len(commands) - len(said)
    span.set_attribute(
        "db.query.text", "\n".join([text for _name, text in said]) + (f"\n… {left} more" if left else "")
    )


def _describe(span: Span, client: Any) -> None:
    put = span.set_attribute
    put("db.system.name", "redis")
    options = getattr(getattr(client, "connection_pool", None), "connection_kwargs", None)
    if not isinstance(options, dict):
        return  # a cluster: the node is chosen later
    path = options.get("path")
    if path:
        put("server.address", str(path))
    else:
        host = options.get("host")
        if host:
            put("server.address", str(host))
        port = options.get("port")
        if isinstance(port, int):
            put("server.port", port)
    put("db.namespace", str(options.get("db") or 0))


_said: dict[tuple[str, int], tuple[str, str]] = {}


def _say_and_keep(arguments: Any) -> tuple[str, str]:
    """Do what :func:`_say` does; the answer is kept where it depends on nothing but the word and the count."""
    said = _say(arguments)
    word = arguments[0] if arguments else None
    if type(word) is str and len(word) <= _MAX_WORD and word.strip().upper() not in _CONTAINERS:
        if len(_said) >= _MAX_SAID:
            _said.clear()
        _said[word, len(arguments)] = said
    return said


def _say(arguments: Any) -> tuple[str, str]:
    """Return a command's name and its text with the arguments masked: ``"SET"`` and ``"SET ? ?"``."""
    words = _text(arguments[0]).split() if len(arguments) else []
    if not words:
        return "redis", ""
    rest = len(arguments) - 1
    name = words[0].upper()
    if len(words) > 1:  # redis-py sends "CONFIG GET" as one argument
        name = f"{name} {words[1].upper()}" if name in _CONTAINERS else name
    elif name in _CONTAINERS and rest and _text(arguments[1]).isalpha():
        name = f"{name} {_text(arguments[1]).upper()}"
        rest -= 1
    return name, name + " ?" * min(rest, _MAX_ARGUMENTS) + (" …" if rest > _MAX_ARGUMENTS else "")


def _text(word: object) -> str:
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)


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
