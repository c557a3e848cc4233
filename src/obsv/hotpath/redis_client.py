"""What the span of a redis command says, compiled: it runs for each command.

Rules: OpenTelemetry semantic conventions, "Redis". Arguments never leave the process, keys neither.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .span import Span

    Pairs = tuple[tuple[str, Any], ...]

_MAX_ARGUMENTS = 16  # placeholders that are written out
_MAX_KNOWN = 1024  # descriptions that are kept
_MAX_WORD = 64  # characters of a command whose description is kept

# Commands whose first argument says what they do (``CONFIG GET``); it is no user's text.
_CONTAINERS = frozenset(
    ("ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DEBUG", "FUNCTION", "LATENCY", "MEMORY", "MODULE", "OBJECT")
    + ("PUBSUB", "SCRIPT", "SLOWLOG", "XGROUP", "XINFO")
)

_known: dict[tuple[Any, ...], tuple[str, tuple[Any, ...]]] = {}
_last: dict[str, tuple[Any, ...]] = {}  # the latest of them by command: asked first, because to hash their keys is dear


def describe_command(span: Span, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Name the span of one command and set what is known of it.

    What it says depends on the command, the number of its arguments and the server: so it is put together once.
    """
    if not span.recording:
        return
    word = args[0] if args else None
    options = _options(client)
    if type(word) is str and options is not None:
        last = _last.get(word)
        if last is not None and _same(last, len(args), options):
            span.name = last[0]
            span.set_facts(last[1])
            return
    key: tuple[Any, ...] | None = None
    if type(word) is str:
        if options is None:
            key = (word, len(args))
        else:
            host, port, db = options.get("host"), options.get("port"), options.get("db")
            path = options.get("path") if host is None else None  # a Unix socket has no host
            if _plain(host) and _plain(port) and _plain(db) and _plain(path):
                key = (word, len(args), host, port, db, path)
    found = None if key is None else _known.get(key)
    if found is None:
        found = _describe(options, args)
        if key is not None:
            _keep(key, found)
    if key is not None and key in _known and options is not None:
        _last[key[0]] = (*found, *key[1:])
    span.name, facts = found
    span.set_facts(facts)


def _same(last: tuple[Any, ...], count: int, options: dict[str, Any]) -> bool:
    """Tell whether the last description of a command was of one like this, by the identity of what it depends on."""
    return (
        last[2] == count
        and options.get("host") is last[3]
        and options.get("port") is last[4]
        and options.get("db") is last[5]
        and (last[3] is not None or options.get("path") is last[6])
    )


def _plain(option: Any) -> bool:
    """Tell whether an option may be part of a key: a value of another type that is equal would say something else."""
    return option is None or type(option) is str or type(option) is int


def _describe(options: dict[str, Any] | None, args: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """Return a span's name, and its attributes' names and values in turn."""
    name, text = say(args)
    pairs = (*_place(options), ("db.operation.name", name), ("db.query.text", text))
    return name, tuple([said for pair in pairs for said in pair])


def _keep(key: tuple[Any, ...], found: tuple[str, tuple[Any, ...]]) -> None:
    """Keep a description that depends on nothing but its key."""
    word: str = key[0]
    if len(word) > _MAX_WORD or word.strip().upper() in _CONTAINERS:
        return
    if len(_known) >= _MAX_KNOWN:
        _known.clear()
        _last.clear()
    _known[key] = found


def _options(client: Any) -> dict[str, Any] | None:
    """Return what a client's connections are made with; None for a cluster: the node is chosen later."""
    options = getattr(getattr(client, "connection_pool", None), "connection_kwargs", None)
    if type(options) is dict:
        return options
    return dict(options) if isinstance(options, dict) else None


def place(client: Any) -> Pairs:
    """Return the attributes that say which server and database a client or pipeline speaks to."""
    return _place(_options(client))


def _place(options: dict[str, Any] | None) -> Pairs:
    pairs: list[tuple[str, Any]] = [("db.system.name", "redis")]
    if options is not None:
        path, host, port = options.get("path"), options.get("host"), options.get("port")
        if path and host is None:
            pairs.append(("server.address", str(path)))
        else:
            if host:
                pairs.append(("server.address", str(host)))
            if isinstance(port, int):
                pairs.append(("server.port", port))
        pairs.append(("db.namespace", str(options.get("db") or 0)))
    return tuple(pairs)


def say(arguments: Any) -> tuple[str, str]:
    """Return a command's name and its text with the arguments masked.

    >>> say(("set", "user:7", "Ada"))
    ('SET', 'SET ? ?')
    """
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
