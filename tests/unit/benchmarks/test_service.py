"""The service that is put under load, and the load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from benchmarks.load import load, take_turns

from programs import environment
from servers import free_port

if TYPE_CHECKING:
    from servers import EchoServer

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("requests", [1, 3, 50])
def test_every_request_is_answered_and_timed(requests: int, http_echo: EchoServer) -> None:
    took = load(http_echo.port, requests)
    assert len(took) == requests
    assert min(took) > 0
    assert sorted(each["path"] for each in http_echo.requests) == sorted(f"/orders/{n}" for n in range(requests))


def test_services_take_turns(http_echo: EchoServer) -> None:
    seen = take_turns([http_echo.port, http_echo.port], 3, 4, 0.0)
    assert [len(told["seconds"]) for told in seen] == [3, 3]
    assert all(0 < told["p50"] <= told["p99"] for told in seen)
    assert len(http_echo.requests) == 24


def test_the_service_asks_the_database_and_calls_twice(http_echo: EchoServer) -> None:
    service = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.service", http_echo.url],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment(),
    )
    try:
        assert service.stdout is not None
        assert len(load(int(service.stdout.readline()), 10)) == 10
        assert [each["path"] for each in http_echo.requests] == ["/stock"] * 20
    finally:
        service.kill()
        service.communicate()


def test_without_a_service_the_load_fails() -> None:
    with pytest.raises(OSError, match="refused"):
        load(free_port(), 1)
