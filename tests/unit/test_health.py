"""``obsv.status()``: what it says before, during and after."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import obsv
from obsv import runtime
from obsv.hotpath import faults
from obsv.pipeline.batch import Refused

if TYPE_CHECKING:
    import pytest

    from collectors import Collector

KEYS = {
    "enabled",
    "service",
    "version",
    "platform",
    "extension",
    "patches",
    "instrumentors",
    "agents",
    "sinks",
    "logs",
    "errors",
    "kept",
}


def test_before_init(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_ended", None)  # another test's run
    status = obsv.status()
    assert set(status) == KEYS
    assert (status["enabled"], status["service"], status["sinks"]) == (False, None, {})
    assert set(status["patches"].values()) == {"off"}
    assert status["version"] == obsv.__version__


def test_after_shutdown_the_losses_of_the_last_run_can_be_asked_for() -> None:
    class Broken:
        name = "broken"
        signals = frozenset({"traces"})

        def open(self, resource: object) -> None: ...

        def send(self, batch: object) -> Refused:
            return Refused("http 400")

        def close(self) -> None: ...

    obsv.init("shop", traces=[Broken()], metrics="none", logs="none", patch=False, config={"signals": False})
    with obsv.span("x"):
        pass
    obsv.shutdown()
    status = obsv.status()
    assert not status["enabled"]
    assert status["sinks"]["broken"]["traces"]["dropped"] == {"http 400": 1}


def test_it_is_plain_data() -> None:
    obsv.init("shop", traces="memory", metrics="memory", logs="memory", patch="sqlite3", config={"signals": False})
    assert json.loads(json.dumps(obsv.status())) == obsv.status()


def test_what_was_sent(otlp_collector: Collector) -> None:
    config = {"signals": False, "otlp_endpoint": otlp_collector.endpoint}
    obsv.init("shop", traces="otlp,memory", metrics="otlp", logs="none", patch=False, config=config)
    with obsv.span("x"):
        obsv.counter("test.health").add(1)
    assert obsv.flush()
    status = obsv.status()
    assert (status["enabled"], status["service"]) == (True, "shop")
    assert set(status["sinks"]) == {"otlp", "memory"}
    assert status["sinks"]["otlp"]["traces"] == {
        "sent": 1,
        "waiting": 0,
        "dropped": {},
        "adapted": {},
        "retries": 0,
        "last_error": None,
    }
    assert status["sinks"]["otlp"]["metrics"]["sent"] >= 1
    assert set(status["sinks"]["memory"]) == {"traces"}


def test_what_waits_and_what_was_lost(otlp_collector: Collector) -> None:
    config = {"signals": False, "otlp_endpoint": otlp_collector.endpoint, "flush_interval": 60, "queue_records": 3}
    obsv.init("shop", traces="otlp", metrics="none", logs="none", patch=False, config=config)
    for _ in range(5):
        with obsv.span("x"):
            pass
    traces = obsv.status()["sinks"]["otlp"]["traces"]
    assert (traces["waiting"], traces["dropped"]) == (3, {"queue full": 2})


def test_what_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OBSV_RAISE")
    before = faults.counts.get("test of status", 0)
    faults.report("test of status", ValueError("x"))
    assert obsv.status()["errors"]["test of status"] == before + 1


def test_patches() -> None:
    import sqlite3

    assert sqlite3.sqlite_version
    obsv.init("shop", traces="memory", metrics="none", logs="none", patch="sqlite3", config={"signals": False})
    patches = obsv.status()["patches"]
    assert patches["sqlite3"] == "patched"
    assert patches["redis"] == "off"
    obsv.shutdown()
    assert obsv.status()["patches"]["sqlite3"] == "off"
