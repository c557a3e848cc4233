"""Customers of the shop: threads that look, buy and ask, and now and then hit the slow, failing and N+1 paths."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CUSTOMERS = ("ada", "grace", "alan", "edsger")
PAUSE = 0.1
DAY = ("look", "look", "buy", "ask", "look", "related", "buy", "history", "look", "coupon", "buy", "ask", "missing")
EXPECTED = {"coupon": 500, "buy": 201, "missing": 404}


class Tally:
    """What came of it: requests by kind, and those that were answered differently from what the shop promises."""

    def __init__(self) -> None:
        self.sent: dict[str, int] = dict.fromkeys(DAY, 0)
        self.odd: list[str] = []
        self._lock = threading.Lock()

    @property
    def total(self) -> int:
        return sum(self.sent.values())

    def note(self, kind: str, status: int | str) -> None:
        with self._lock:
            self.sent[kind] += 1
            if status != EXPECTED.get(kind, 200):
                self.odd.append(f"{kind}: {status}")


class Customer(threading.Thread):
    """Goes through its day again and again until ``stopped``, over one connection."""

    def __init__(self, name: str, port: int, tally: Tally, stopped: threading.Event) -> None:
        super().__init__(name=f"customer-{name}", daemon=True)
        self.customer = name
        self.tally = tally
        self.stopped = stopped
        self.order = 1
        self.luck = random.Random(name)  # the same day in every demo
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)

    def run(self) -> None:
        start = CUSTOMERS.index(self.customer) * 3
        while True:
            for kind in DAY[start:] + DAY[:start]:
                if self.stopped.wait(PAUSE):
                    self.connection.close()
                    return
                method, path, body = self.request(kind)
                self.tally.note(kind, self.send(kind, method, path, body))

    def request(self, kind: str) -> tuple[str, str, dict[str, Any] | None]:
        product = f"tea-{self.luck.randrange(20):03}"
        if kind == "buy":
            items = {product: self.luck.randint(1, 3), "tea-100": 1}
            return "POST", "/orders", {"customer": self.customer, "items": items}
        if kind == "coupon":
            return "POST", "/orders", {"customer": self.customer, "items": {product: 1}, "coupon": "SPRING"}
        paths = {
            "look": f"/products/{product}",
            "missing": "/products/coffee",
            "related": f"/products/{product}/related",
            "ask": f"/orders/{self.order}",
            "history": f"/customers/{CUSTOMERS[0]}/orders",
        }
        return "GET", paths[kind], None

    def send(self, kind: str, method: str, path: str, body: dict[str, Any] | None) -> int | str:
        """The status, or what went wrong."""
        data = None if body is None else json.dumps(body)
        try:
            self.connection.request(method, path, data, {"Content-Type": "application/json"} if data else {})
            answer = self.connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            return f"{type(error).__name__}: {error}"
        if answer.status == 500:
            self.connection.close()  # uvicorn hangs up after an error, without saying so in the answer
        if answer.status == 201:
            self.order = json.loads(text)["number"]
        return answer.status


def warm_up(port: int) -> None:
    """Some orders of one customer, so that there are orders to ask for; lets the first connections happen."""
    tally = Tally()
    customer = Customer(CUSTOMERS[0], port, tally, threading.Event())
    for kind in ("look", *["buy"] * 8):
        tally.note(kind, customer.send(kind, *customer.request(kind)))
    customer.connection.close()
    if tally.odd:
        raise RuntimeError(f"the shop does not work: {tally.odd[0]}")


def send_traffic(port: int, seconds: float, check: Callable[[], None]) -> Iterator[Tally]:
    """Sends traffic, and yields the tally several times a second. ``check`` raises when the shop is gone."""
    tally, stopped = Tally(), threading.Event()
    customers = [Customer(name, port, tally, stopped) for name in CUSTOMERS]
    try:
        for customer in customers:
            customer.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.2)
            check()
            yield tally
    finally:
        stopped.set()
        for customer in customers:
            if customer.ident is not None:
                customer.join(10)
    yield tally
