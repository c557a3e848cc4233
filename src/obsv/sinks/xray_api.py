"""Traces as X-Ray segment documents to AWS's API, where there is no daemon: ``PutTraceSegments``.

Source: X-Ray API reference, "PutTraceSegments". It names no limit for the documents of a call; the X-Ray daemon, which
calls the same, sends 50.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..aws_access import Access
from .aws import IMPORTS, failure, troubles
from .base import Refused, Retry, Sent, SinkError
from .xray import Progress, count_spans

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from obsv.settings import Settings

    from .base import Batch, Result

MAX_DOCUMENTS = 50
"""Documents of a call."""

ACTION = "xray:PutTraceSegments"
"""What the role needs the right to, on ``*``."""

_MAX_REFUSALS = 32  # refused calls of a batch, after which the rest of it is given up


class _Calls(Progress):
    """`Progress`, how many documents the next call has, and how many calls were refused."""

    __slots__ = ("refusals", "size")

    def __init__(self, waiting: list[str]) -> None:
        super().__init__(waiting)
        self.size = MAX_DOCUMENTS
        self.refusals = 0


class XRayApiSink:
    """Sends traces to X-Ray in the region of the process, signed with its credentials."""

    name = "xray"
    signals = frozenset({"traces"})
    imports = (*IMPORTS, "json", "re", "traceback", "linecache", "obsv.xray.segment")

    def __init__(self, settings: Settings) -> None:
        self.access = Access()
        self.annotations = settings.xray_annotations

    def open(self, resource: Mapping[str, Any]) -> None:
        """Open nothing yet: credentials and connections belong to the first batch."""

    def send(self, batch: Batch) -> Result:
        """Send the documents of a batch that are not sent yet."""
        if batch.encoded is None:
            batch.encoded = self._encode(batch)
        progress: _Calls = batch.encoded
        waiting = progress.waiting
        while waiting:
            documents = waiting[-progress.size :]
            try:
                answer = self.access.call("xray", "put_trace_segments", TraceSegmentDocuments=documents)
            except troubles() as error:
                result = failure(error, ACTION, "*")
                if type(result) is not Refused:
                    return result
                self._refused(progress, documents, result.reason, batch)
                continue
            del waiting[-len(documents) :]
            progress.size = min(progress.size * 2, MAX_DOCUMENTS)
            again = self._unprocessed(progress, documents, answer.get("UnprocessedTraceSegments") or (), batch)
            if again:
                return Retry(again)
        if progress.reason and progress.lost >= batch.records:
            return Refused(progress.reason)
        return Sent(progress.lost, progress.reason)

    def _encode(self, batch: Batch) -> _Calls:
        from obsv.xray.segment import documents

        made: list[str] = []
        for trace in batch.items:
            made.extend(documents(trace, batch.resource, annotations=self.annotations))
        made.reverse()
        return _Calls(made)

    def _refused(self, progress: _Calls, documents: Sequence[str], reason: str, batch: Batch) -> None:
        """Try fewer documents at once: one that X-Ray does not read must not take the others along."""
        progress.refusals += 1
        if progress.refusals >= _MAX_REFUSALS:
            documents = tuple(progress.waiting)
        elif len(documents) > 1:
            progress.size = len(documents) // 2
            return
        del progress.waiting[-len(documents) :]
        progress.lost += sum([count_spans(document, batch) for document in documents])
        progress.reason = reason

    def _unprocessed(self, progress: _Calls, documents: Sequence[str], failed: Sequence[Any], batch: Batch) -> str:
        """Put back what X-Ray had no time for, and count what it does not take; return why some has to wait."""
        if not failed:
            return ""
        import json

        by_id = {json.loads(document)["id"]: document for document in documents}
        why = ""
        for each in failed:
            code = str(each.get("ErrorCode") or "no reason given")
            document = by_id.pop(each.get("Id"), None)
            if document is not None and ("Throttl" in code or "Internal" in code or "Unavailable" in code):
                progress.waiting.append(document)
                why = f"{ACTION}: segments not processed: {code}"
                continue
            progress.lost += 1 if document is None else count_spans(document, batch)
            progress.reason = f"{ACTION}: segments not processed: {code}"
        return why

    def close(self) -> None:
        """Close the connections."""
        self.access.close()

    def probe(self) -> str:
        """Find out whether there are credentials and a region. Nothing is written.

        Raises:
            SinkError: There are none.
        """
        try:
            self.access.credentials()
            return f"X-Ray in {self.access.region()}; whether it takes segments is not known"
        except troubles() as error:
            raise SinkError(failure(error, ACTION, "*").reason or str(error)) from error
