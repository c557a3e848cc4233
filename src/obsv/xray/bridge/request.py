"""A request of a web framework as a segment: what the four middlewares have in common."""

from __future__ import annotations

from typing import Any

from obsv.guard import guard
from obsv.hotpath.span import SERVER

from . import current as here
from . import segments, words
from .header import (
    calculate_sampling_decision,
    calculate_segment_name,
    construct_xray_header,
    prepare_response_header,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_WHERE = "middleware of aws-xray-sdk"


class Request:
    """One request from its begin to its answer.

    Where a server's span is current already, as obsv's patch of the framework makes it, the request is that span: it
    gets the segment's name, and no second one is made. In an invocation of Lambda it is a subsegment.

    Args:
        recorder: Begins the segment.
        headers: What ``get`` finds the trace header in.
        annotate: Whether what is said about the request and the answer is said as annotations too.
    """

    __slots__ = ("_annotate", "_header", "_own", "_recorder", "segment")

    def __init__(
        self, recorder: Any, headers: Any, host: str, method: str, path: str, *, annotate: bool = False
    ) -> None:
        self._recorder = recorder
        self._annotate = annotate
        self._header = construct_xray_header(headers)
        name = calculate_segment_name(host, recorder)
        serving = [span for span in here.around() if span.kind_value == SERVER and here.begun_here(span) is None]
        self._own = not serving
        if serving:
            self.segment: Any = segments.entity_of(serving[0])
            if name:
                self.segment.name = name
        elif here.invocation() is not None:
            self.segment = recorder.begin_subsegment(name or "request")
        else:
            asked = {"host": host, "method": method, "path": path, "service": name}
            decision = calculate_sampling_decision(self._header, recorder, asked)
            self.segment = recorder.begin_segment(
                name=name, traceid=self._header.root, parent_id=self._header.parent, sampling=decision
            )
        self.segment.save_origin_trace_header(self._header)

    def asked(self, url: str, method: str, agent: str | None, forwarded: str | None, client: str | None) -> None:
        """Say what is asked, where nobody else does."""
        self._say(words.URL, url)
        self._say(words.METHOD, method)
        self._say(words.USER_AGENT, agent)
        self._say(words.CLIENT_IP, forwarded or client)
        if forwarded:
            self._say(words.X_FORWARDED_FOR, True)

    def answered(self, status: Any, length: Any = None) -> str:
        """Say what is answered, and return the header to send along."""
        self._say(words.STATUS, status)
        if length is not None and str(length).isdigit():
            self._say(words.CONTENT_LENGTH, int(length))
        return prepare_response_header(self._header, self.segment)

    def _say(self, key: str, value: Any) -> None:
        if self._own:
            self.segment.put_http_meta(key, value)
        if self._annotate and value is not None:
            self.segment.put_annotation(key, value)

    @guard(_WHERE)
    def failed(self, error: BaseException, status: Any = 500) -> None:
        """Say what was raised."""
        if self._own:
            self.segment.put_http_meta(words.STATUS, status)
            if isinstance(error, Exception):
                self.segment.add_exception(error, words.get_stacktrace(self._recorder.max_trace_back))

    @guard(_WHERE)
    def end(self) -> None:
        """End the segment."""
        if self._own:
            segments.end(self.segment)


def url_of(build: Callable[[], Any], otherwise: str) -> str:
    """Return a request's URL; where its host is one that the framework does not take, what is known without it."""
    try:
        return str(build())
    except Exception:  # noqa: BLE001 - of the framework's own kind; it will refuse the request by itself
        return otherwise
