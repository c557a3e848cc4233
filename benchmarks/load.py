"""Load from a process of its own: ``python -m benchmarks.load PORTS TURNS REQUESTS`` prints what it saw as JSON.

The services at these ports (separated by commas) take turns of so many requests, so that a slow moment of the machine
hits all alike. In its turn a service has eight connections, each of which asks again as soon as it is answered. After
it there is a pause, in which it may send what it has to tell: not while the next one is at work.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from typing import Any

CONNECTIONS = 8
PAUSE = 1.2
"""Seconds after a turn: more than obsv waits before it sends."""
_END = b"\r\n\r\n"


class Connection:
    """One connection: asks, and notes how long the answer took."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""
        self._asked = 0

    def ask(self, number: int) -> None:
        """Send a request."""
        self._asked = time.perf_counter_ns()
        self.socket.sendall(b"GET /orders/%d HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: load\r\n\r\n" % number)

    def answered(self) -> int | None:
        """Read on; return the nanoseconds since the request once the answer is whole."""
        data = self.socket.recv(65_536)
        if not data:
            raise SystemExit("the service closed a connection")
        self._received += data
        head, end, body = self._received.partition(_END)
        if not end:
            return None
        lines = head.lower().split(b"\r\n")
        if not lines[0].startswith(b"http/1.1 200"):
            raise SystemExit(f"the service answered {lines[0].decode()}")
        length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
        if len(body) < length:
            return None
        self._received = b""
        return time.perf_counter_ns() - self._asked


def load(port: int, requests: int) -> list[int]:
    """Make so many requests; return how many nanoseconds each took."""
    took: list[int] = []
    asked = 0
    with selectors.DefaultSelector() as ready:
        for _ in range(min(CONNECTIONS, requests)):
            connection = Connection(port)
            ready.register(connection.socket, selectors.EVENT_READ, connection)
            connection.ask(asked % 1_000)
            asked += 1
        while len(took) < requests:
            for key, _ in ready.select(30) or _silent():
                nanoseconds = key.data.answered()
                if nanoseconds is None:
                    continue
                took.append(nanoseconds)
                if asked < requests:
                    key.data.ask(asked % 1_000)
                    asked += 1
        for key in list(ready.get_map().values()):
            key.data.socket.close()
    return took


def _silent() -> list[tuple[selectors.SelectorKey, int]]:
    raise SystemExit("the service has not answered for 30 s")


def take_turns(ports: list[int], turns: int, requests: int, pause: float = PAUSE) -> list[dict[str, Any]]:
    """Load the services in turn; return for each the seconds of its turns and what its requests took."""
    seen: list[dict[str, Any]] = [{"seconds": [], "took": []} for _ in ports]
    for _ in range(turns):
        for port, told in zip(ports, seen, strict=True):
            begin = time.perf_counter()
            told["took"] += load(port, requests)
            told["seconds"].append(time.perf_counter() - begin)
            time.sleep(pause)
    for told in seen:
        took = sorted(told.pop("took"))
        told |= {"p50": took[len(took) // 2], "p99": took[len(took) * 99 // 100]}
    return seen


def main() -> None:
    """Load, then tell."""
    ports, turns, requests = sys.argv[1:]
    print(json.dumps(take_turns([int(port) for port in ports.split(",")], int(turns), int(requests))), flush=True)


if __name__ == "__main__":
    main()
