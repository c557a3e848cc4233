"""What a piece of code takes once after a slow client call, beside what it takes in a loop.

A call of botocore's takes more than a millisecond and goes through much code and data. After it nothing of ours is in
the processor's caches, so what is measured in a loop says little about what it costs there.
"""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.measure import stay
from benchmarks.scenario import Less, Peer, Scenario

from ._setup import start_obsv, start_sdk
from .clients import MAKE, botocore_client

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.scenario import Measure

    Piece = Callable[[], object]

PLACE = 5.5
IN_LOOP = 2_000
WARM_UP = 20
SPAN, DESCRIBED, SDK_SPAN = "obsv: a span", "obsv: the span of a call", "opentelemetry-sdk: a span"


def _empty(url: str) -> Piece:
    def piece() -> None:
        """Do nothing."""

    return piece


def _crc32(url: str) -> Piece:
    from zlib import crc32

    return lambda: crc32(b"abc")


def _span(url: str) -> Piece:
    start_obsv(url)
    import obsv

    def piece() -> None:
        with obsv.span("operation"):
            pass

    return piece


def _sdk(url: str) -> Piece:
    provider, _ = start_sdk(url)
    tracer = provider.get_tracer("bench")

    def piece() -> None:
        with tracer.start_as_current_span("operation"):
            pass

    return piece


def _described(url: str) -> Piece:
    """What the patch of botocore puts around a call, without the call: the span, and what it says of the call."""
    start_obsv(url)
    from obsv.hotpath.around import Call, around
    from obsv.hotpath.aws_client import describe_answer, describing
    from obsv.hotpath.span import CLIENT, SCOPE

    answer = {"ResponseMetadata": {"HTTPStatusCode": 200, "RequestId": "4F2A", "HostId": "eu", "RetryAttempts": 0}}
    parameters = {"Bucket": "bucket", "Key": "key"}
    client = botocore_client(url)
    description = describing(lambda span, parameters: lambda result: None)
    wanted = ("operation", "parameters")
    seen = Call(SCOPE, "botocore", CLIENT, description, wanted=wanted, answer=describe_answer)
    call = around(lambda client, operation, parameters: answer, seen, True)
    return lambda: call(client, "HeadObject", parameters)


def _described_twice(url: str) -> Piece:
    once = _described(url)

    def piece() -> None:
        once()
        once()

    return piece


def _measure(make: Callable[[str], Piece]) -> Measure:
    """Time a piece after each of so many calls, and in a loop; what looking at the clock takes there is taken off."""

    def measure(url: str, operations: int) -> dict[str, float]:
        piece, call = make(url), MAKE["botocore"](url)
        stay()
        for _ in range(WARM_UP):
            call(1)
            took(piece)
        empty, after = [], []
        for _ in range(operations):
            call(1)
            empty.append(took_nothing())
            call(1)
            after.append(took(piece))
        empty_in_loop = median(took_nothing() for _ in range(IN_LOOP))
        in_loop = median(took(piece) for _ in range(IN_LOOP))
        return {"after a call": median(after) - median(empty), "in a loop": in_loop - empty_in_loop}

    return measure


def took(piece: Piece) -> int:
    """Return the nanoseconds that a piece takes once."""
    clock = time.perf_counter_ns
    begin = clock()
    piece()
    return clock() - begin


def took_nothing() -> int:
    """Return the nanoseconds between two looks at the clock."""
    clock = time.perf_counter_ns
    begin = clock()
    return clock() - begin


SCENARIOS = (
    Scenario(
        "cold",
        "A piece of code once after a bare call of botocore's, and in a loop",
        (
            Peer("an empty function", _measure(_empty), "obsv"),
            Peer("zlib.crc32 of 3 bytes", _measure(_crc32), "obsv"),
            Peer(SPAN, _measure(_span), "obsv"),
            Peer(DESCRIBED, _measure(_described), "obsv"),
            Peer("obsv: the same twice", _measure(_described_twice), "obsv"),
            Peer(SDK_SPAN, _measure(_sdk), "opentelemetry"),
        ),
        300,
        (Less("after a call", (SDK_SPAN,), 1, SPAN), Less("after a call", (SDK_SPAN,), 1, DESCRIBED)),
        few=50,
    ),
)
