"""The handler of a Powertools logger for other loggers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from .handler import BufferingHandler

if TYPE_CHECKING:
    from .logger import Logger

_LEFT_ALONE = frozenset(("aws_lambda_powertools", "obsv"))


def copy_config_to_registered_loggers(
    source_logger: Logger,
    log_level: int | str | None = None,
    ignore_log_level: bool = False,
    include_buffering: bool = False,
    exclude: set[str] | None = None,
    include: set[str] | None = None,
) -> None:
    """Let the top-level loggers that exist write as ``source_logger`` does.

    Args:
        log_level: Their level; the source's when not given.
        ignore_log_level: Leave their levels as they are.
        include_buffering: Let their records wait in the source's buffer, where it has one.
        exclude: Names of loggers that are left alone.
        include: Names of the only loggers that are changed.
    """
    level = log_level or source_logger.log_level
    left_alone = _LEFT_ALONE | {source_logger.name.split(".", 1)[0]} | (exclude or set())
    names = [name for name in list(logging.root.manager.loggerDict) if "." not in name and name not in left_alone]
    for name in names:
        if not include or name in include:
            _configure(source_logger, logging.getLogger(name), level, ignore_log_level, include_buffering)


def _configure(
    source: Logger, logger: logging.Logger, level: int | str, ignore_log_level: bool, include_buffering: bool
) -> None:
    if not ignore_log_level:
        logger.setLevel(level)
    logger.propagate = False  # the root logger's handlers would write the same again
    source.append_keys(name="%(name)s")
    if include_buffering and source._buffer_config is not None:
        logger.handlers = [BufferingHandler(source)]
    else:
        logger.handlers = list(source.handlers)
