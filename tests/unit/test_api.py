"""The public functions, as the README uses them."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

import pytest

import obsv
from obsv import testing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@pytest.fixture
def seen() -> Iterator[testing.Capture]:
    with testing.capture(patch=False) as capture:
        yield capture


def test_every_public_name_is_there() -> None:
    for name in obsv.__all__:
        assert getattr(obsv, name) is not None
    assert set(obsv.__all__) <= set(dir(obsv))
    with pytest.raises(AttributeError, match="module 'obsv' has no attribute 'nothing'"):
        _ = obsv.nothing  # type: ignore[attr-defined]


def test_the_signatures_of_the_issue() -> None:
    names = list(inspect.signature(obsv.init).parameters)
    assert names == [
        "service",
        "version",
        "environment",
        "traces",
        "metrics",
        "logs",
        "patch",
        "sample",
        "resource",
        "config",
        "enabled",
    ]
    assert inspect.signature(obsv.shutdown).parameters["timeout"].default == 5.0
    assert inspect.signature(obsv.flush).parameters["timeout"].default == 5.0


def test_traced_bare(seen: Any) -> None:
    @obsv.traced
    def checkout(x: int) -> int:
        return x

    assert checkout(3) == 3
    assert seen.span("test_traced_bare.checkout")


def test_traced_with_everything(seen: Any) -> None:
    @obsv.traced(name="charge", attributes={"fixed": [1]}, args=("order_id",))
    async def charge(order_id: str, card: str) -> str:
        await asyncio.sleep(0)
        return card

    assert inspect.iscoroutinefunction(charge)
    assert asyncio.run(charge("o1", "secret")) == "secret"
    assert seen.span("charge").attributes == {"fixed": (1,), "order_id": "o1"}


def test_traced_takes_one_argument_name_as_text(seen: Any) -> None:
    @obsv.traced(args="order_id")  # what everybody writes once
    def work(order_id: str) -> None: ...

    work("o1")
    assert seen.spans[0].attributes == {"order_id": "o1"}


def test_traced_methods_and_generators(seen: Any) -> None:
    class Shop:
        @obsv.traced
        def items(self) -> Iterator[int]:
            yield 1

        @obsv.traced
        @classmethod
        def open(cls) -> str:
            return cls.__name__

        @obsv.traced
        @staticmethod
        async def stream() -> AsyncIterator[int]:
            yield 1

    async def read() -> list[int]:
        return [item async for item in Shop.stream()]

    assert list(Shop().items()) == [1]
    assert Shop.open() == "Shop"
    assert asyncio.run(read()) == [1]
    names = [span.name.rpartition("Shop.")[2] for span in seen.spans]
    assert names == ["items", "open", "stream"]


def test_span_as_in_the_readme(seen: Any) -> None:
    with obsv.span("charge", amount=12) as span:
        span.set(currency="EUR")
        assert obsv.current_span() is span
    assert seen.span("charge").attributes == {"amount": 12, "currency": "EUR"}


def test_instruments(seen: Any) -> None:
    obsv.counter("test.api.c").add()
    obsv.histogram("test.api.h", unit="Seconds", description="how long").record(1.5)
    obsv.gauge("test.api.g").set(3)
    assert obsv.counter("test.api.c") is obsv.counter("test.api.c")
    counter, histogram, gauge = (seen.point(f"test.api.{kind}") for kind in "chg")
    assert (counter.unit, histogram.unit, gauge.unit) == ("Count", "Seconds", "None")
    assert histogram.description == "how long"
    assert (counter.value, histogram.values, gauge.value) == (1, [1.5], 3)


def test_an_instrument_made_before_init_works_afterwards() -> None:
    counter = obsv.counter("test.api.early")
    counter.add(100)
    with testing.capture(patch=False) as seen:
        counter.add(1)
    assert seen.point("test.api.early").value == 1


def test_patch_and_unpatch(capsys: pytest.CaptureFixture[str]) -> None:
    import sqlite3

    original = sqlite3.connect
    obsv.patch("sqlite3")
    try:
        assert obsv.status()["patches"]["sqlite3"] == "patched"
    finally:
        obsv.unpatch("sqlite3")
    assert sqlite3.connect is original
    obsv.patch("sqlite4")
    assert "patch 'sqlite4' is unknown" in capsys.readouterr().err


def test_everything_before_init_is_a_no_op() -> None:
    with obsv.span("x") as span:
        obsv.counter("test.api.none").add(1)
        obsv.get_logger("x").info("nobody listens")
        span.set(a=1)
    assert obsv.current_span().trace_id == "0" * 32
    assert obsv.status()["enabled"] is False
    assert obsv.flush()
    assert obsv.shutdown()


def test_traced_leaves_an_object_alone_that_cannot_be_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Odd:
        def __call__(self) -> int:
            return 1

        def __getattr__(self, name: str) -> object:
            raise RuntimeError(name)

        def __str__(self) -> str:
            raise RuntimeError("str")

        __repr__ = __str__

    monkeypatch.delenv("OBSV_RAISE", raising=False)
    odd = Odd()
    assert obsv.traced(odd)() == 1
    assert obsv.traced(name=odd)(odd)() == 1  # type: ignore[arg-type, type-var]
    assert capsys.readouterr().err.count("obsv: @traced failed") == 1
