"""No blocking call of ours on the event loop, whatever the collector does: watched from inside and from beside."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from programs import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers import EchoServer

PROGRAM = """
import asyncio, os, socket, sqlite3, sys, threading, time, traceback

import httpx
from fastapi import FastAPI

import obsv

echo, blocking = sys.argv[1], sys.argv[2] == "blocking"
# What may wait for a disk, a peer, another process or a clock; `open` alone is as bad, but modules are loaded that way.
SLOW = {"socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.sendmsg", "subprocess.Popen", "os.system",
        "time.sleep", "os.fork"}
TOO_LONG = 0.5
STANDARD = os.path.dirname(os.__file__) + "/"
main = threading.get_ident()
found = []
serving = False


def standard(file):
    return file.startswith("<frozen") or (file.startswith(STANDARD) and "site-packages" not in file)


def ours(frame):
    #Whether the innermost code that is not the standard library's is ours: our wrappers are around everything.
    while frame is not None and standard(frame.f_code.co_filename):
        frame = frame.f_back
    return frame is not None and (
        "/obsv/" in frame.f_code.co_filename or frame.f_code.co_name == "stands_for_ours"
    )


def audit(event, arguments):
    if serving and event in SLOW and threading.get_ident() == main:
        frame = sys._getframe(1)
        if ours(frame):
            found.append(f"{event} in {frame.f_code.co_qualname}")


def watch():
    while True:
        time.sleep(TOO_LONG / 5)
        late = time.monotonic() - beat
        if serving and late > TOO_LONG:
            frame = sys._current_frames().get(main)
            if ours(frame):
                found.append("blocked: " + "".join(traceback.format_stack(frame)[-2:]))


def stands_for_ours():
    socket.getaddrinfo("127.0.0.1", 80)
    time.sleep(3 * TOO_LONG)


obsv.init("loop", traces="otlp", metrics="otlp", logs="none", config={
    "flush_interval": "10ms", "metric_interval": "10ms", "batch_records": 10, "queue_records": 50, "signals": False,
    "shutdown_timeout": 0.1})
app = FastAPI()
orders = sqlite3.connect(":memory:", check_same_thread=False)


@app.get("/orders/{number}")
async def order(number: int):
    obsv.counter("orders").add(1, kind="book")
    with obsv.span("work", number=number):
        orders.execute("SELECT 1").fetchall()
        (await other.get(echo)).raise_for_status()
        if blocking and number == 5 and turn == 0:
            stands_for_ours()
        if number % 3 == 0:
            raise ValueError("order refused")
    return {"number": number}


async def heart():
    global beat
    while True:
        beat = time.monotonic()
        await asyncio.sleep(TOO_LONG / 20)


async def serve():
    global other, serving, turn
    other = httpx.AsyncClient()
    pulse = asyncio.ensure_future(heart())
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        await client.get("/orders/1")  # loads what is loaded once
        serving = True
        for turn in range(5):
            await asyncio.gather(*[client.get(f"/orders/{number}") for number in range(20)])
            obsv.status()
        serving = False
    pulse.cancel()


beat = time.monotonic()
sys.addaudithook(audit)
threading.Thread(target=watch, daemon=True).start()
asyncio.run(serve())
status = obsv.status()
print(len(found), *found[:9], sep="\\n")
"""


@pytest.fixture
def silent_collector() -> Iterator[str]:
    """A collector that takes connections, and neither reads nor answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("kind", ["sound", "blocking"])
def test_the_loop_is_never_blocked(kind: str, silent_collector: str, http_echo: EchoServer) -> None:
    """With a call that does block, the watchdog barks: so its silence says something."""
    done = run(
        PROGRAM, http_echo.url, kind, timeout=30, OBSV_PATCH="true", OTEL_EXPORTER_OTLP_ENDPOINT=silent_collector
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    count, *found = done.stdout.splitlines()
    assert (int(count) == 0) is (kind == "sound"), found
    if kind == "blocking":
        assert any(line.startswith("socket.getaddrinfo in") for line in found)
        assert any(line.startswith("blocked: ") for line in found)
