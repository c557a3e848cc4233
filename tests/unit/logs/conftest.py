"""Outlets that remember, spans that run, and a root logger as a fresh program has it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from obsv.hotpath import span as spans
from obsv.logs import correlation, handler, outlet

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from obsv.hotpath.records import LogRecord


@pytest.fixture
def records() -> Iterator[list[LogRecord]]:
    """Everything logged from DEBUG on."""
    found: list[LogRecord] = []
    outlet.install(immediate=[found.append], level="DEBUG")
    yield found
    outlet.remove()


@pytest.fixture
def tracing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans have ids and are current in their block."""
    monkeypatch.setattr(spans.OUTLET, "enabled", True)


@pytest.fixture
def fresh_root() -> logging.Logger:
    """The root logger while the test runs: without pytest's handlers, as the interpreter makes it."""
    return logging.getLogger()


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Gives a test with `fresh_root` such a root logger; pytest adds its handlers after the fixtures are made."""
    if "fresh_root" not in getattr(item, "fixturenames", ()):
        return (yield)
    root = logging.getLogger()
    handlers, level, factory = root.handlers[:], root.level, logging.getLogRecordFactory()
    root.handlers[:] = []
    root.setLevel(logging.WARNING)
    try:
        return (yield)
    finally:
        handler.uninstall()
        correlation.remove_record_factory()
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.setLogRecordFactory(factory)


@pytest.fixture
def lost() -> Callable[[], dict[str, int]]:
    """How many records were lost since the test began, by reason."""
    outlet.forget_losses()
    return outlet.lost
