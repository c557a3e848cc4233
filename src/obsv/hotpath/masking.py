"""Looks through what is about to leave for secrets, as fast as can be said that there are none.

Names of attributes and fields are looked up in a dict of those met before. A text is passed over once, for what a
secret begins or ends with; only where that finds something the rules of `obsv.redaction` look closer. Records are
changed in place and values never: a list of the program's stays as it is, and the record gets another one.
"""

from __future__ import annotations

from .loglines import Guard
from .records import LogRecord
from .span import Span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .errors import ErrorInfo
    from .records import MetricPoint

if 0:  # seen by the compiler only
    import cython
else:
    from . import shim as cython

if cython.compiled:
    from cython.cimports.cpython.bytes import PyBytes_AS_STRING
    from cython.cimports.obsv.hotpath._native import (
        RECENT,
        meet,
        met,
        slot_harmless,
        slots_get,
        slots_put,
        small,
        utf8_of,
    )
    from cython.cimports.obsv.hotpath._scan import suspicious
else:
    from .masking_plain import all_known, remember, span_known, suspicious

_MANY = 2048  # what the interpreted twin remembers
_SHORT = cython.declare(cython.Py_ssize_t, 64)  # bytes of a text that is remembered, at the most
_FEWEST, _MOST = 10**13, 10**19  # integers that may be the number of a card


class Masker(Guard):
    """Masks spans, log records and metric points.

    Attributes:
        names: Names met before, and whether their values are secret: `secret` adds to them.
        table: What a text is passed over with: see ``_scan.pxd``.
        always: Whether every text has to be looked at closely: there are rules that are not ours.
        recent: Harmless names, each at the place that its address gives it; interpreted, a set of them.
        texts: Harmless texts likewise.
        numbers: Whether integers may be secret too (cards).
        mask: What stands for a secret.
    """

    __slots__ = ("always", "mask", "names", "numbers", "recent", "table", "texts")

    def __init__(self, table: bytes, mask: str, numbers: bool, always: bool) -> None:
        self.names: dict[Any, bool] = {}
        self.recent: Any = [None] * RECENT if cython.compiled else set()
        self.texts: Any = [None] * RECENT if cython.compiled else set()
        self.table = table
        self.always = always
        self.numbers = numbers
        self.mask = mask

    # ------------------------------------------------------------------ what is rare

    def secret(self, key: Any) -> bool:
        """Tell whether the values of this name are secret, and remember it."""
        raise NotImplementedError

    def found(self, key: Any, text: str) -> str:
        """Return a text, in which there may be a secret, without it."""
        raise NotImplementedError

    def other(self, key: Any, value: Any) -> Any:
        """Return a value that is neither text nor number without the secrets in it; itself where there are none."""
        raise NotImplementedError

    def number(self, value: int) -> Any:
        """Return an integer of so many digits as a card has, or the mask."""
        raise NotImplementedError

    def stack(self, text: str) -> str:
        """Return a stack, as Python prints it, without the secrets in it."""
        raise NotImplementedError

    # ------------------------------------------------------------------ texts and values

    def suspects(self, text: str) -> bool:
        """Tell whether a text has to be looked at closely."""
        return self._suspects(text)

    def _suspects(self, text: str) -> bool:
        if self.always:
            return True
        if cython.compiled:
            if met(self.texts, text):
                return False
            length = cython.declare(cython.Py_ssize_t, 0)
            data = utf8_of(text, cython.address(length))
            if data == cython.NULL:  # half a surrogate pair
                return True
            if suspicious(data, length, PyBytes_AS_STRING(self.table)):
                return True
            if length <= _SHORT:
                meet(self.texts, text)
            return False
        if text in self.texts:
            return False
        if suspicious(text, self.table):
            return True
        if len(text) <= _SHORT:  # names, methods, routes: the same ones over and over
            remember(self.texts, text, _MANY)
        return False

    def text(self, key: Any, text: str) -> str:
        """Return a text without the secrets in it; ``key`` is the name that it has, if any."""
        return self.found(key, text) if self._suspects(text) else text

    def value(self, key: Any, value: Any) -> Any:
        """Return what may leave of a value; the value itself where that is all of it."""
        return self._value(key, value)

    def _value(self, key: Any, value: Any) -> Any:
        if cython.compiled:
            if met(self.recent, key):
                return self._harmless(key, value)
            known = self.names.get(key) if type(key) is str else None
            if known is False:
                meet(self.recent, key)
        else:
            known = self.names.get(key) if type(key) is str else None
            if known is False:
                remember(self.recent, key, _MANY)
        if known is not False and (known is True or self.secret(key)):
            # These say nothing: that there is no password, that there is one, that somebody has masked it already.
            harmless = value is None or value is True or value is False or (type(value) is str and not value.strip("*"))
            return value if harmless else self.mask
        return self._harmless(key, value)

    def _harmless(self, key: Any, value: Any) -> Any:
        """Return what may leave of a value whose name says nothing."""
        if type(value) is str:
            return self.found(key, value) if self._suspects(value) else value
        if type(value) is int:
            if not self.numbers:
                return value
            if cython.compiled:
                number = cython.declare(cython.longlong, 0)
                if (
                    small(value, cython.address(number)) and number < 1e13
                ):  # as a C number: a literal of this size is an object
                    return value
            return self.number(value) if _FEWEST <= value < _MOST else value
        if value is None or type(value) is bool or type(value) is float:
            return value
        return self.other(key, value)

    def pairs(self, pairs: Mapping[Any, Any]) -> Any:
        """Return names and values without secrets: a new dict, or what was given where there are none."""
        return self._pairs(pairs)

    def _pairs(self, pairs: Mapping[Any, Any]) -> Any:
        if not cython.compiled and not self.always and all_known(pairs, self.recent, self.texts):
            return pairs
        made: dict[Any, Any] | None = None
        for key, value in pairs.items():
            masked = self._value(key, value)
            if masked is not value:
                if made is None:
                    made = dict(pairs)
                made[key] = masked
        return pairs if made is None else made

    # ------------------------------------------------------------------ records

    def _record(self, record: LogRecord) -> None:
        body = record.body
        if type(body) is str:
            if self._suspects(body):
                record.body = self.found(None, body)
        elif body is not None:
            record.body = self._value(None, body)
        if record.fields:
            record.fields = self._pairs(record.fields)
        if record.error is not None:
            self.error(record.error)

    def error(self, error: ErrorInfo | None) -> None:
        """Mask an exception, those behind it and the members of groups: texts and notes.

        The stack is masked when it is written.
        """
        while error is not None:
            error.message = self.text(None, error.message)
            if error.notes:
                error.notes = tuple([self.text(None, note) for note in error.notes])
            if error.written is not None:
                error.written = self.text(None, error.written)
            error.guard = self
            for member in error.members:
                self.error(member)
            error = error.cause

    def span(self, span: Span) -> None:
        """Mask a finished span: name, attributes, status, events and links."""
        self._span(span)

    def _span(self, span: Span) -> None:
        if not cython.compiled and not self.always and span_known(span, self.recent, self.texts):
            return
        if type(span.name) is str and self._suspects(span.name):
            span.name = self.found(None, span.name)
        if cython.compiled and span.told is None:
            for index in range(span.slots.held):  # type: ignore[attr-defined]
                slots = cython.address(span.slots)  # type: ignore[attr-defined]
                # With rules of others every text is looked at.
                if not self.always and slot_harmless(slots, index, self.recent, self.texts, self.numbers):
                    continue
                key: str = slots_get(cython.address(span.slots), 2 * index)  # type: ignore[attr-defined]
                value = slots_get(cython.address(span.slots), 2 * index + 1)  # type: ignore[attr-defined]
                masked = self._value(key, value)
                if masked is not value:
                    slots_put(cython.address(span.slots), key, masked, 1 << 20)  # type: ignore[attr-defined]
        else:
            told = self._pairs(span.attributes)
            if told is not span.attributes:
                span.attributes.update(told)  # the same names: who reads it meanwhile does not notice
        if span.status_message:
            span.status_message = self.text(None, span.status_message)
        if span.event_list is not None:
            for event in span.event_list:
                event.name = self.text(None, event.name)
                if event.attributes:
                    event.attributes = self._pairs(event.attributes)
                if event.error is not None:
                    self.error(event.error)
        if span.link_list is not None:
            for link in span.link_list:
                if link.attributes:
                    link.attributes = self._pairs(link.attributes)

    def points(self, points: list[MetricPoint]) -> None:
        """Mask the dimensions of metric points. The instrument keeps its own."""
        for point in points:
            if point.attributes:
                point.attributes = self._pairs(point.attributes)

    def batch(self, signal: str, items: list[Any]) -> None:
        """Mask what a lane is about to send; ``signal`` says what it is.

        Raises:
            Exception: Something could not be looked through. The caller sends none of it.
        """
        if signal == "metrics":
            self.points(items)
        elif signal == "traces":
            for entry in items:
                if type(entry) is Span:
                    self._span(entry)
                else:
                    for span in entry:
                        self._span(span)
        else:
            for record in items:
                if type(record) is LogRecord:
                    self._record(record)

    def mapping(self, attributes: dict[str, Any]) -> None:
        """Mask attributes in place: those of the resource."""
        masked = self._pairs(attributes)
        if masked is not attributes:
            attributes.update(masked)
