"""A request of a web framework as a segment: what the four middlewares have in common."""

from __future__ import annotations

from typing import Any

from obsv.hotpath.span import SERVER

from . import current as here
from . import entity, words
from .header import (
    calculate_sampling_decision,
    calculate_segment_name,
    construct_xray_header,
    prepare_response_header,
)


class Request:
    """One request from its begin to its answer.

    Where a server's span is current already, as obsv's patch of the framework makes it, the request is that span: it
    gets the segment's name, and no second one is made.
    """

    __slots__ = ("_header", "_own", "segment")

    def __init__(self, recorder: Any, headers: Any, host: str, method: str, path: str) -> None:
        self._header = construct_xray_header(headers)
        name = calculate_segment_name(host, recorder)
        serving = [span for span in here.around() if span.kind_value == SERVER and here.begun_here(span) is None]
        self._own = not serving
        if serving:
            self.segment: Any = entity.entity_of(serving[0])
            if name:
                self.segment.name = name
        else:
            asked = {"host": host, "method": method, "path": path, "service": name}
            decision = calculate_sampling_decision(self._header, recorder, asked)
            self.segment = recorder.begin_segment(
                name=name, traceid=self._header.root, parent_id=self._header.parent, sampling=decision
            )
        self.segment.save_origin_trace_header(self._header)

    def asked(self, url: str, method: str, agent: str | None, forwarded: str | None, client: str | None) -> None:
        """Say what is asked, where nobody else does."""
        if not self._own:
            return
        put = self.segment.put_http_meta
        put(words.URL, url)
        put(words.METHOD, method)
        put(words.USER_AGENT, agent)
        put(words.CLIENT_IP, forwarded or client)
        if forwarded:
            put(words.X_FORWARDED_FOR, True)

    def answered(self, status: Any, length: Any = None) -> str:
        """Say what is answered, and return the header to send along."""
        if self._own:
            self.segment.put_http_meta(words.STATUS, status)
            if length is not None and str(length).isdigit():
                self.segment.put_http_meta(words.CONTENT_LENGTH, int(length))
        return prepare_response_header(self._header, self.segment)

    def failed(self, error: BaseException, status: Any = 500) -> None:
        """Say what was raised."""
        if self._own:
            self.segment.put_http_meta(words.STATUS, status)
            if isinstance(error, Exception):
                self.segment.add_exception(error, words.get_stacktrace(10))

    def end(self) -> None:
        """End the segment."""
        if self._own:
            entity.end(self.segment)
