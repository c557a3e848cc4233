"""What a Tracer makes spans with, under the names that aws-xray-sdk's recorder has for it (``tracer.provider``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obsv.hotpath import faults
from obsv.hotpath.errors import safe_text
from obsv.hotpath.headers import invocation
from obsv.hotpath.span import CLIENT, INTERNAL, NOOP, SCOPE, Span, attach, current, current_span, detach, new_span

from . import said

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType


class Subsegment:
    """A span under X-Ray's name for it.

    Attributes:
        span: The span.
    """

    __slots__ = ("span",)

    def __init__(self, span: Span) -> None:
        self.span = span

    @property
    def name(self) -> str:
        """Its name."""
        return self.span.name

    def put_annotation(self, key: str, value: Any) -> None:
        """Say something that traces are searched by: text, a number or a bool."""
        said.annotate(self.span, key, value)

    def put_metadata(self, key: str, value: Any, namespace: str = "default") -> None:
        """Say something that is kept and not searched."""
        said.add_metadata(self.span, key, value, namespace)

    def add_exception(self, exception: BaseException, stack: Any = None, remote: bool = False) -> None:
        """Record an exception: the subsegment has failed."""
        self.span.fail(exception)

    def close(self, end_time: float | None = None) -> None:
        """End it; ``end_time`` in seconds since the epoch."""
        self.span.end(None if end_time is None else int(end_time * 1e9))


class InSubsegment:
    """A span around a block: ``with`` or ``async with``.

    In Lambda the first span of an invocation belongs below the function's own segment, which Lambda writes itself and
    names in ``_X_AMZN_TRACE_ID``.
    """

    __slots__ = ("_name", "_namespace", "_span", "_token")

    def __init__(self, name: str, namespace: object = "local") -> None:
        self._name = name
        self._namespace = namespace
        self._span: Span = NOOP
        self._token: Any = None

    def open(self) -> Span:
        """Make the span, not begun, with what it belongs below being current."""
        called = self._namespace in ("remote", "aws")
        self._span = new_span(SCOPE, self._name, CLIENT if called else INTERNAL)
        if called:
            said.call(self._span, self._name, self._namespace == "aws")
        facade = invocation() if current() is None else None
        if facade is not None:
            self._token = attach(facade)
        return self._span

    def begun(self) -> None:
        """Let the span be a part of the function's segment, and no segment of its own."""
        if self._token is not None:
            self._span.parent_remote = False

    def leave(self) -> None:
        """Restore what was current before `open`."""
        token, self._token = self._token, None
        if token is not None:
            detach(token)

    def __enter__(self) -> Subsegment:
        self.open().enter()
        self.begun()
        return Subsegment(self._span)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._span.leave(error)
        self.leave()

    async def __aenter__(self) -> Subsegment:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)


class Provider:
    """obsv, as what a Tracer asks for spans."""

    def in_subsegment(self, name: str | None = None, namespace: object = "local", **kwargs: Any) -> InSubsegment:
        """Return a block with a span: ``with tracer.provider.in_subsegment("## step") as subsegment``.

        Args:
            name: Its name; of a call, whom it reaches.
            namespace: ``local``, ``remote`` for a call, or ``aws`` for a call of an AWS service.
        """
        return InSubsegment("unnamed" if name is None else safe_text(name), namespace)

    in_subsegment_async = in_subsegment

    def put_annotation(self, key: str, value: Any) -> None:
        """Annotate the current span."""
        said.annotate(current_span(), key, value)

    def put_metadata(self, key: str, value: Any, namespace: str = "default") -> None:
        """Add metadata to the current span."""
        said.add_metadata(current_span(), key, value, namespace)

    def current_subsegment(self) -> Subsegment:
        """Return the current span."""
        return Subsegment(current_span())

    def __getattr__(self, name: str) -> Any:
        """Return the other calls of aws-xray-sdk's recorder, which Powertools hands out here."""
        if name.startswith("_"):
            raise AttributeError(name)
        from obsv.xray.bridge.recorder import xray_recorder

        return getattr(xray_recorder, name)

    def patch(self, modules: Sequence[str]) -> None:
        """Patch these libraries; names are aws-xray-sdk's."""
        from obsv import patches
        from obsv.api import patch

        names = {_NAMES.get(name, name) for name in modules}
        known = sorted(names.intersection(patches.known_names()))
        unknown = sorted(names.difference(known))
        if unknown:
            faults.tell(f"Tracer: obsv has no patch for {', '.join(unknown)}; left out")
        if known:
            patch(*known)

    def patch_all(self) -> None:
        """Patch every library that obsv knows."""
        from obsv.api import patch

        patch()


_NAMES = {
    "aioboto3": "botocore",
    "aiobotocore": "botocore",
    "boto3": "botocore",
    "httplib": "urllib3",
    "pynamodb": "botocore",
}

PROVIDER = Provider()
"""The provider of every Tracer that is given none."""
