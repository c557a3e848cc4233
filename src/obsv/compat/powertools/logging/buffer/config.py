"""How a Logger buffers."""

from __future__ import annotations

_LEVELS = ("DEBUG", "INFO", "WARNING")


class LoggerBufferConfig:
    """How much is kept of an invocation, and what.

    Args:
        max_bytes: The most that is kept of one trace, estimated.
        buffer_at_verbosity: Records of this level and below wait: ``"DEBUG"``, ``"INFO"`` or ``"WARNING"``.
        flush_on_error_log: Whether ``error``, ``exception`` and ``critical`` write what waits.

    Raises:
        ValueError: One of them is wrong.

    Example:
        >>> logger = Logger(buffer_config=LoggerBufferConfig(max_bytes=10_240))
    """

    __slots__ = ("buffer_at_verbosity", "flush_on_error_log", "max_bytes")

    def __init__(
        self, max_bytes: int = 20480, buffer_at_verbosity: str = "DEBUG", flush_on_error_log: bool = True
    ) -> None:
        if not isinstance(max_bytes, int) or max_bytes <= 0:
            raise ValueError(f"max_bytes must be a positive integer, not {max_bytes!r}")
        if not isinstance(buffer_at_verbosity, str) or buffer_at_verbosity.upper() not in _LEVELS:
            raise ValueError(f"buffer_at_verbosity must be one of {', '.join(_LEVELS)}, not {buffer_at_verbosity!r}")
        if not isinstance(flush_on_error_log, bool):
            raise ValueError(f"flush_on_error_log must be True or False, not {flush_on_error_log!r}")
        self.max_bytes = max_bytes
        self.buffer_at_verbosity = buffer_at_verbosity.upper()
        self.flush_on_error_log = flush_on_error_log
