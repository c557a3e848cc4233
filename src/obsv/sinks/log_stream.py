"""A stream of CloudWatch Logs: puts events into calls of ``PutLogEvents`` as its rules want them, and sends them.

The rules (CloudWatch Logs API reference, "PutLogEvents"): a call has at most 10,000 events and 1,048,576 bytes, where
each event counts its UTF-8 and 26 bytes; events are in the order of their time, which spans at most 24 hours; none is
older than 14 days or more than 2 hours in the future. What does not fit into one call goes into several. An event that
is too long alone is cut, and one whose time is out of bounds is put at the bound: its own text still says when it was.
"""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING

from ..aws_access import Access, code_of
from ..hotpath import faults
from .aws import failure, partition, troubles
from .base import Refused, Retry, Sent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from .base import Result

MAX_BYTES = 1_048_576
"""Bytes of a call: of the events' UTF-8, and `EVENT_BYTES` for each."""

MAX_EVENTS = 10_000
"""Events of a call."""

EVENT_BYTES = 26
"""What each event counts in addition to its text."""

MAX_SPAN = 24 * 3_600_000
"""Milliseconds between the first and the last event of a call."""

MAX_PAST = 14 * 24 * 3_600_000
"""Milliseconds that an event may be old."""

MAX_FUTURE = 2 * 3_600_000
"""Milliseconds that an event may be ahead."""

CUT = "...[cut: {} bytes]"
"""Stands at the end of an event that was too long."""

CUT_EVENT = f"events were cut to {MAX_BYTES - EVENT_BYTES:,} bytes"
MOVED = "events with a time that CloudWatch Logs does not take were put at its bound"

_SLACK = 600_000  # milliseconds: the bounds move while a batch waits to be sent again, and AWS's clock is another
_MAX_HALVES = 64  # calls of a batch that are divided after a refusal; one bad event takes 14 of them

Event = tuple[int, str, int]
"""Time in milliseconds since the Unix epoch, text, and how many records of the batch it carries."""


class Upload:
    """A batch as calls: kept with the batch, so that a retry sends what is left and nothing twice.

    Attributes:
        adapted: What was done to events to keep the rules, and to how many.
        before: The same of what was done before these were events. It is counted here, and told elsewhere.
    """

    __slots__ = ("adapted", "before", "calls", "halves", "reason", "records", "rejected")

    def __init__(self, calls: list[list[Event]], records: int) -> None:
        self.calls = calls
        self.records = records
        self.adapted: dict[str, int] = {}
        self.before: Mapping[str, int] = {}
        self.halves = 0
        self.rejected = 0
        self.reason: str | None = None


def pack(events: Iterable[Event], now_ms: int | None = None) -> Upload:
    """Put events into calls.

    Args:
        events: In any order.
        now_ms: The time that their age is measured by. Default: now.

    Example:
        >>> [len(call) for call in pack([(1_780_000_000_000, "hello", 1)] * 10_001).calls]
        [10000, 1]
    """
    now = int(time() * 1000) if now_ms is None else now_ms
    oldest, newest = max(0, now - MAX_PAST + _SLACK), max(0, now + MAX_FUTURE - _SLACK)
    cut = moved = records = 0
    sized: list[tuple[int, str, int, int]] = []
    for at, text, count in events:
        text, size, shorter = _fit(text)
        cut += shorter
        within = min(max(at, oldest), newest)
        moved += within != at
        records += count
        sized.append((within, text, count, size + EVENT_BYTES))
    sized.sort(key=lambda event: event[0])
    calls: list[list[Event]] = []
    room = first = 0
    for at, text, count, size in sized:
        if not calls or size > room or len(calls[-1]) == MAX_EVENTS or at - first > MAX_SPAN:
            calls.append([])
            room, first = MAX_BYTES, at
        calls[-1].append((at, text, count))
        room -= size
    upload = Upload(calls, records)
    upload.adapted = {reason: number for reason, number in ((CUT_EVENT, cut), (MOVED, moved)) if number}
    return upload


def _fit(text: str) -> tuple[str, int, bool]:
    """Return a text that an event can have, its bytes, and whether it was cut."""
    if not text:
        return " ", 1, False  # an event has at least one character
    most = MAX_BYTES - EVENT_BYTES
    if text.isascii() and len(text) <= most:
        return text, len(text), False
    data = text.encode("utf-8", "backslashreplace")  # a lone surrogate becomes \udXXX, which is how JSON writes it
    shorter = len(data) > most
    if shorter:
        mark = CUT.format(len(data)).encode()
        data = data[: most - len(mark)].decode("utf-8", "ignore").encode() + mark
    return data.decode(), len(data), shorter


class LogStream:
    """Sends events to one stream of a log group, and makes both where they are missing.

    Args:
        group: Name of the log group.
        stream: Name of the stream in it.
        create: Whether a group or stream that is not there is made. That needs the rights to `logs:CreateLogGroup`
            and `logs:CreateLogStream`.
        access: As whom. Default: a session of its own.

    Attributes:
        entity: What the events belong to, as `PutLogEvents` takes it; None where that is not known.

    Example:
        >>> stream = LogStream("/shop/metrics", "host-1")
        >>> stream.send(pack([(1_780_000_000_000, "hello", 1)]))
        Sent(rejected=0, reason=None)
    """

    def __init__(self, group: str, stream: str, create: bool = True, access: Access | None = None) -> None:
        self.group = group
        self.stream = stream
        self.create = create
        self.access = access or Access()
        self.entity: Mapping[str, Mapping[str, str]] | None = None

    def send(self, upload: Upload) -> Result:
        """Send what of an upload is not sent yet."""
        while upload.calls:
            call = upload.calls[0]
            result = self._put(call)
            if type(result) is Retry:
                return result
            if type(result) is Refused:
                if len(call) > 1 and "InvalidParameterException" in result.reason and upload.halves < _MAX_HALVES:
                    # one bad event must not take the others along
                    upload.halves += 1
                    upload.calls[0:1] = [call[: len(call) // 2], call[len(call) // 2 :]]
                    continue
                upload.rejected += sum([records for _, _, records in call])
                upload.reason = result.reason
            elif type(result) is Sent and result.reason:
                upload.rejected += result.rejected
                upload.reason = result.reason
            upload.calls.pop(0)
        if upload.reason and upload.rejected >= upload.records > 0:
            return Refused(upload.reason)
        reason = upload.reason or next(iter(upload.adapted), None)
        return Sent(upload.rejected, reason, {**upload.before, **upload.adapted})

    def _put(self, call: Sequence[Event]) -> Result:
        events = [{"timestamp": at, "message": text} for at, text, _ in call]
        made = False
        while True:
            try:
                answer = self._call(events)
            except troubles() as error:
                if made or not self.create or code_of(error) != "ResourceNotFoundException":
                    return self._failure(error, "logs:PutLogEvents")
                trouble = self.make()
                if trouble is not None:
                    return trouble
                made = True
            else:
                return _rejected(call, answer.get("rejectedLogEventsInfo") or {})

    def _call(self, events: list[dict[str, Any]]) -> dict[str, Any]:
        """Call ``PutLogEvents``; without the entity where that is not taken, because the events count more."""
        names: dict[str, Any] = {"logGroupName": self.group, "logStreamName": self.stream, "logEvents": events}
        if self.entity is not None:
            names["entity"] = self.entity
        try:
            answer = self.access.call("logs", "put_log_events", **names)
        except troubles() as error:
            if self.entity is None or type(error).__name__ != "ParamValidationError":
                raise
            self._leave_entity("this botocore does not know it")  # it came in November 2024
            del names["entity"]
            return self.access.call("logs", "put_log_events", **names)
        rejected = answer.get("rejectedEntityInfo")
        if rejected:
            self._leave_entity(f"CloudWatch Logs says {rejected.get('errorType')}")
        return answer

    def _leave_entity(self, why: str) -> None:
        self.entity = None
        faults.tell(f"events for the log group {self.group!r} go without their entity (Explore related): {why}")

    def make(self) -> Result | None:
        """Make the stream, and the group where it is missing too; None when it is there now."""
        names = {"logGroupName": self.group, "logStreamName": self.stream}
        trouble, code = self._make("create_log_stream", "logs:CreateLogStream", **names)
        if code != "ResourceNotFoundException":
            return trouble
        trouble, _ = self._make("create_log_group", "logs:CreateLogGroup", logGroupName=self.group)
        if trouble is not None:
            return trouble
        trouble, _ = self._make("create_log_stream", "logs:CreateLogStream", **names)
        return trouble

    def _make(self, operation: str, action: str, **names: str) -> tuple[Result | None, str]:
        try:
            self.access.call("logs", operation, **names)
        except troubles() as error:
            code = code_of(error)
            if code == "ResourceAlreadyExistsException":  # another process was faster
                return None, code
            return self._failure(error, action), code
        return None, ""

    def _failure(self, error: Exception, action: str) -> Result:
        result = failure(error, action, self.arn(action))
        if type(result) is Refused and code_of(error) == "ResourceNotFoundException":
            # It may be made while the batch waits.
            return Retry(f"there is no log stream {self.stream!r} in the log group {self.group!r}", tell=True)
        return result

    def arn(self, action: str = "") -> str:
        """Return what IAM calls the resource of an action. The account is not known here."""
        try:
            region = self.access.region()
        except troubles():
            region = "*"
        group = f"arn:{partition(region)}:logs:{region}:*:log-group:{self.group}"
        return f"{group}:log-stream:{self.stream}" if action == "logs:PutLogEvents" else group


def _rejected(call: Sequence[Event], info: dict[str, Any]) -> Sent:
    """Count what CloudWatch Logs did not take ("RejectedLogEventsInfo": ends are exclusive, the start is inclusive)."""
    size = len(call)
    old = min(max(int(info.get("tooOldLogEventEndIndex") or 0), 0), size)
    expired = min(max(int(info.get("expiredLogEventEndIndex") or 0), 0), size)
    start = info.get("tooNewLogEventStartIndex")
    new = size if start is None else min(max(int(start), 0), size)
    lost = [*call[: max(old, expired)], *call[max(new, old, expired) :]]
    if not lost:
        return Sent()
    why = "too new" if new < size else "too old" if old >= expired else "older than the log group keeps"
    return Sent(sum([records for _, _, records in lost]), f"rejected by CloudWatch Logs: {why}")
