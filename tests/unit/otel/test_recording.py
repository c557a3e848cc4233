"""A tool that has replaced the SDK's ``Span.record_exception``, as Sentry does, hears of exceptions on obsv's spans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk import trace as sdk

import obsv
from obsv.hotpath import faults
from obsv.otel import TracerProvider
from obsv.testing import capture

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    """What a replacement hears: whether its span is the SDK's, and the exception."""
    heard: list[tuple[Any, Any]] = []
    original = sdk.Span.record_exception

    def record_exception(self: Any, exception: Any, *args: Any, **kwargs: Any) -> None:
        heard.append((isinstance(self, sdk.Span) and self.name, exception))
        original(self, exception, *args, **kwargs)

    monkeypatch.setattr(sdk.Span, "record_exception", record_exception)
    return heard


@pytest.fixture
def provider() -> Iterator[TracerProvider]:
    faults.reset()
    made = TracerProvider(shutdown_on_exit=False)
    yield made
    made.shutdown()
    faults.reset()


def test_a_replacement_hears_of_what_leaves_a_span(provider: TracerProvider, heard: list[Any]) -> None:
    error = ValueError("card refused")
    tracer = provider.get_tracer("shop")
    with pytest.raises(ValueError, match="card"), tracer.start_as_current_span("charge") as span:
        raise error
    assert heard == [("charge", error)]
    [event] = span.events
    assert event.name == "exception"
    assert event.attributes["exception.message"] == "card refused"
    assert "test_recording" in event.attributes["exception.stacktrace"]


def test_spans_of_obsvs_own_api_are_heard_of_too(provider: TracerProvider, heard: list[Any]) -> None:
    with capture(patch=False) as seen:
        with pytest.raises(ValueError, match="no"), obsv.span("ours"):
            raise ValueError("no")
        [event] = seen.span("ours").event_list or ()
    assert [name for name, _ in heard] == ["ours"]
    assert event.error is not None  # its position, not only its text
    assert event.error.type == "ValueError"


def test_what_a_replacement_and_the_caller_add_is_kept(provider: TracerProvider, heard: list[Any]) -> None:
    span = provider.get_tracer("shop").start_span("charge")
    span.record_exception(ValueError("x"), {"exception.stacktrace": "short", "more": 1}, 77)
    [event] = span.events
    assert event.timestamp == 77
    assert event.attributes["exception.stacktrace"] == "short"
    assert event.attributes["more"] == 1
    span.end()


def test_a_replacement_that_raises_is_contained(
    provider: TracerProvider, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("OBSV_RAISE", raising=False)

    def broken(self: Any, exception: Any, *args: Any) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(sdk.Span, "record_exception", broken)
    span = provider.get_tracer("shop").start_span("charge")
    span.record_exception(ValueError("x"))
    assert [event.name for event in span.events] == ["exception"]
    span.end()


def test_without_a_replacement_nothing_is_different(provider: TracerProvider) -> None:
    span = provider.get_tracer("shop").start_span("charge")
    span.record_exception(ValueError("x"), {"more": 1})
    [event] = span.events
    assert event.attributes["more"] == 1
    span.end()
