"""Messages received from SQS: a list whose iteration makes a "process" span current for the loop's body.

``for message in response["Messages"]:`` is how messages are worked on, and the only place where a span can begin for
each without a change to the program. It ends when the loop goes on, ends or is left (a loop that is left closes its
iterator). An exception that leaves the loop ends it too; it is recorded by the spans around and inside, the iterator
cannot see it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ._api import CONSUMER, attach, current, detach, extract, guard, start_span
from ._aws_messages import HEADER, TRACEPARENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._api import Remote, Scope, Span


_LIBRARIES = frozenset(("boto3", "botocore", "copy", "jmespath", "json", "pickle", "pprint"))
"""Who iterates over messages without working on them: boto3's resources take them apart by jmespath."""


def _caller() -> str:
    return str(sys._getframe(2).f_globals.get("__name__", "")).partition(".")[0]


class Messages(list[Any]):
    """The messages of one answer: a list in every respect but that iterating over it makes spans.

    Copies, slices, sums and pickles are plain lists, and comparing, indexing, ``len`` and ``json.dumps`` never
    iterate this way.

    Attributes:
        queue: The queue's URL.
        parents: What each message said of its trace, by message id.
    """

    __slots__ = ("parents", "queue", "scope")

    def __init__(self, messages: list[Any], queue: str, parents: dict[str, Remote | None], scope: Scope) -> None:
        super().__init__(messages)
        self.queue = queue
        self.parents = parents
        self.scope = scope

    def __iter__(self) -> Iterator[Any]:
        if not self.scope.outlet.enabled or _caller() in _LIBRARIES:
            return super().__iter__()
        return self._processing()

    def _processing(self) -> Iterator[Any]:
        index = 0
        while index < len(self):  # as a list's own iterator does, also while the list is changed
            message = self[index]
            index += 1
            span, token = self._begin(message)
            try:
                yield message
            finally:
                if token is not None:
                    detach(token)
                if span is not None:
                    span.end()

    def _begin(self, message: Any) -> tuple[Span | None, Any]:
        span = None
        with guard("patch botocore"):
            span = self._span(message)
        return span, attach(span) if span is not None and span.id64 else None

    def _span(self, message: Any) -> Span:
        identity = message.get("MessageId") if isinstance(message, dict) else None
        name = self.queue.rpartition("/")[2]
        attributes = {
            "messaging.system": "aws_sqs",
            "messaging.operation.type": "process",
            "messaging.operation.name": "process",
            "messaging.destination.name": name,
            "aws.sqs.queue.url": self.queue,
        }
        if isinstance(identity, str):
            attributes["messaging.message.id"] = identity
        parent = self.parents.get(identity) if isinstance(identity, str) else None
        return start_span(self.scope, f"process {name}", CONSUMER, parent or current(), attributes)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return list, (self[:],)

    def __copy__(self) -> list[Any]:
        return self[:]

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Any]:
        from copy import deepcopy

        return deepcopy(self[:], memo)


def asked_for_trace_header(parameters: Any) -> bool:
    """Tell whether the user himself wants to see ``AWSTraceHeader`` in the messages."""
    wanted = [*(parameters.get("MessageSystemAttributeNames") or ()), *(parameters.get("AttributeNames") or ())]
    return "All" in wanted or HEADER in wanted


def deliver(messages: list[Any], queue: str, asked: bool, scope: Scope) -> Messages:
    """Return an answer's messages as they are given to the user.

    Args:
        messages: botocore's own list of this answer.
        queue: The queue's URL.
        asked: False where only we asked for the trace header: then it is taken out again.
        scope: The scope of the spans.
    """
    parents: dict[str, Remote | None] = {}
    for message in messages:
        attributes = message.get("Attributes") or {}
        header = attributes.get(HEADER)
        if header is not None and not asked:
            del attributes[HEADER]
            if not attributes:
                del message["Attributes"]
        passed = (message.get("MessageAttributes") or {}).get(TRACEPARENT) or {}
        found = {"x-amzn-trace-id": header, TRACEPARENT: passed.get("StringValue")}
        if message.get("MessageId"):
            parents[message["MessageId"]] = extract(found.get)
    return Messages(messages, queue, parents, scope)
