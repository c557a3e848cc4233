"""The interpreted twins of ``_native.pxd``: clocks, the id generator and context variables."""

from __future__ import annotations

from _contextvars import ContextVar
from _functools import partial  # type: ignore[import-not-found]
from _random import Random
from _thread import _local
from time import monotonic_ns, sleep, time_ns

__all__ = [
    "carries",
    "class_has",
    "class_same",
    "context_get",
    "context_reset",
    "context_set",
    "do",
    "do_make",
    "doing",
    "flat",
    "making",
    "monotonic_ns",
    "next_id",
    "pause",
    "seed",
    "time_ns",
    "traceparent",
    "xray",
]

context_get = ContextVar.get
context_set = ContextVar.set
context_reset = ContextVar.reset

_generator = Random()

# 64 random bits. Zero, which is no valid id, comes once in 2**64 calls: not worth a Python-level check on every span.
next_id = partial(_generator.getrandbits, 64)


def seed(a: int, b: int) -> None:
    """Restart the generator from 128 bits of the operating system's randomness."""
    _generator.seed((a << 64) | b)


class _Here(_local):
    doing = 0
    making = 0


_here = _Here()


def doing() -> int:
    """Return what this thread is doing with log records."""
    return _here.doing


def do(what: int) -> None:
    """Note what this thread is doing with log records."""
    _here.doing = what


def making() -> int:
    """Tell whether this thread is in ``Logger.makeRecord`` by way of ours."""
    return _here.making


def do_make(what: int) -> None:
    """Note whether it is."""
    _here.making = what


def pause(nanoseconds: int) -> None:
    """Let others have the interpreter for so long, less than a second."""
    sleep(nanoseconds / 1e9)


def flat(attributes: dict[str, object]) -> tuple[object, ...]:
    """Return the key of a set of dimensions."""
    return tuple(attributes.items())


_CARRYING = (b"traceparent:", b"tracestate:", b"x-amzn-trace-id:")


def carries(line: bytes) -> bool:
    """Tell whether this is a line of a request's head that carries a trace."""
    return line[:16].lower().startswith(_CARRYING)


_TELLING = frozenset(name for word in _CARRYING for name in (word[:-1], word[:-1].decode()))


def tells(name: str | bytes) -> bool:
    """Tell whether this is the name of a header that carries a trace, in lower case."""
    return name in _TELLING


def head_line(xrays: bool, hi: int, lo: int, id64: int, flags: int) -> bytes:
    """Write ``traceparent``, or X-Ray's header, as the line of a request's head without its end."""
    if xrays:
        return f"X-Amzn-Trace-Id: {xray(hi, lo, id64, flags)}".encode()
    return f"traceparent: {traceparent(hi, lo, id64, flags)}".encode()


def class_has(kind: object, name: str) -> bool:
    """Tell whether a class has this name of its own."""
    return isinstance(kind, type) and name in kind.__dict__


def class_same(one: object, other: object, name: str) -> bool:
    """Tell whether two classes find the same under a name."""
    return getattr(one, name, None) is getattr(other, name, None)


def traceparent(hi: int, lo: int, id64: int, flags: int) -> str:
    """Write a ``traceparent``."""
    return f"00-{hi:016x}{lo:016x}-{id64:016x}-{flags & 3:02x}"


def xray(hi: int, lo: int, id64: int, flags: int) -> str:
    """Write an ``X-Amzn-Trace-Id``."""
    trace = f"{hi:016x}{lo:016x}"
    return f"Root=1-{trace[:8]}-{trace[8:]};Parent={id64:016x};Sampled={flags & 1}"
