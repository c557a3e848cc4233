"""The rules that calls of ``PutLogEvents`` have to keep, as CloudWatch Logs would check them."""

from __future__ import annotations

from typing import Any

DAY = 24 * 3_600_000


def broken_rules(events: list[Any], now_ms: int) -> list[str]:
    """The rules of PutLogEvents that a call breaks (CloudWatch Logs API reference, "PutLogEvents")."""
    times = [event["timestamp"] for event in events]
    texts = [event["message"].encode("utf-8") for event in events]
    rules = {
        "1 to 10,000 events": 1 <= len(events) <= 10_000,
        "1,048,576 bytes": sum(map(len, texts)) + 26 * len(events) <= 1_048_576,
        "at least one character": all(texts),
        "chronological": times == sorted(times),
        "24 hours": times[-1] - times[0] <= DAY,
        "14 days": times[0] >= now_ms - 14 * DAY,
        "2 hours ahead": times[-1] <= now_ms + 2 * 3_600_000,
    }
    return [rule for rule, kept in rules.items() if not kept]


def as_call(call: list[Any]) -> list[dict[str, Any]]:
    """What is sent of events as they are kept in a batch."""
    return [{"timestamp": at, "message": text} for at, text, _ in call]
