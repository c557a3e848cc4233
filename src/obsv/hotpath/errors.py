"""Exceptions, remembered cheaply on the request's thread and written out in the drain thread.

Only code objects and positions are kept, no frames: a frame would keep the locals of the user's function alive.
"""

from __future__ import annotations

from .secrets import redact_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

MAX_FRAMES = 256
"""Frames kept of one traceback: the outermost and the innermost halves of a deeper one."""

MAX_TEXT = 16_384
"""Characters kept of an exception's own text, and of each of its notes."""

MAX_CHAIN = 16
"""Exceptions kept of a chain of causes."""

MAX_MEMBERS = 64
"""Exceptions kept of a group: those of groups in it, and those that led to one of them, included."""


class ErrorInfo:
    """One exception: its type, text and stack, and the exception that led to it.

    Attributes:
        type: Qualified name, without ``builtins.`` (OpenTelemetry semantic conventions, ``exception.type``).
        message: ``str(error)``.
        notes: What ``add_note`` added.
        frames: ``(code, instruction, line)`` a frame, outermost first.
        skipped: Frames left out in the middle.
        written: The text as Python prints it, for the few kinds that are printed in a way of their own, else None.
        cause: The exception behind this one, or None.
        explicit: True when ``cause`` was given by ``raise … from …``.
        members: The exceptions of a group.
        guard: Masks secrets in the text; its ``stack`` is called with it.
    """

    __slots__ = ("cause", "explicit", "frames", "guard", "members", "message", "notes", "skipped", "type", "written")

    def __init__(self, type: str, message: str) -> None:
        self.type = type
        self.message = message
        self.notes: tuple[str, ...] = ()
        self.frames: list[tuple[Any, int, int]] = []
        self.skipped = 0
        self.written: str | None = None
        self.cause: ErrorInfo | None = None
        self.explicit = False
        self.members: tuple[ErrorInfo, ...] = ()
        self.guard: Any = None

    @classmethod
    def capture(cls, error: BaseException) -> ErrorInfo:
        """Remember an exception. Never raises, also when the exception's own ``__str__`` does."""
        return _capture(error, [MAX_MEMBERS])

    def stack(self) -> list[tuple[str, int, str]]:
        """Return ``(path, line, function)`` of each frame kept, outermost first."""
        return [(code.co_filename, line, code.co_name) for code, _, line in self.frames]

    def text(self) -> str:
        """Write the whole traceback, source lines included, as Python prints it. Reads files: not for the request."""
        chain: list[str] = []
        info: ErrorInfo | None = self
        while info is not None:
            chain.append(info._own_text())
            if info.cause is not None:
                chain.append(_EXPLICIT if info.explicit else _IMPLICIT)
            info = info.cause
        text = "".join(reversed(chain))
        return text if self.guard is None else str(self.guard.stack(text))

    def _own_text(self) -> str:
        if self.written is not None:
            return self.written
        lines: list[str] = []
        if self.frames:
            lines.append("Traceback (most recent call last):\n")
            if self.skipped:
                half = len(self.frames) // 2
                lines.extend(_stack(self.frames[:half]))
                lines.append(f"  [{self.skipped} more frames]\n")
                lines.extend(_stack(self.frames[half:]))
            else:
                lines.extend(_stack(self.frames))
        name = self.type.removeprefix("__main__.")
        lines.append(f"{name}: {self.message}\n" if self.message else f"{name}\n")
        for note in self.notes:
            lines.extend(f"{line}\n" for line in note.split("\n"))
        return "".join(lines)


_EXPLICIT = "\nThe above exception was the direct cause of the following exception:\n\n"
_IMPLICIT = "\nDuring handling of the above exception, another exception occurred:\n\n"


def type_name(error: BaseException | type[BaseException]) -> str:
    """Return the qualified name of an exception's class, without ``builtins.``."""
    kind = error if isinstance(error, type) else type(error)
    module = kind.__module__
    return kind.__qualname__ if not module or module == "builtins" else f"{module}.{kind.__qualname__}"


def safe_text(value: object) -> str:
    """Return ``str(value)``, or a note where that raises."""
    try:
        text = str(value)
        return text if type(text) is str else str.__str__(text)
    except Exception:  # noqa: BLE001 - somebody else's __str__
        return unreadable(value)


_name_of_class = type.__dict__["__name__"].__get__  # a metaclass may have a property of this name that raises


def unreadable(value: object) -> str:
    """Return what stands for a value whose own methods raise."""
    return f"<{_name_of_class(type(value))}: its text cannot be read>"


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…"


def _capture_one(error: BaseException) -> ErrorInfo:
    info = ErrorInfo(type_name(error), _cut(redact_text(safe_text(error))))
    info.frames, info.skipped = _frames(error.__traceback__)
    notes = getattr(error, "__notes__", None)
    if isinstance(notes, list):
        info.notes = tuple([_cut(redact_text(safe_text(note))) for note in notes[:MAX_CHAIN]])
    if isinstance(error, (BaseExceptionGroup, SyntaxError)):
        info.written = _text_now(error)
    return info


def _frames(trace: TracebackType | None) -> tuple[list[tuple[Any, int, int]], int]:
    """Return the frames to keep of a traceback, and how many are left out.

    Only those are read: a frame's line is dear to find, and each span that an error leaves reads its traceback, so a
    deep recursion of traced functions would read as many as the square of its depth.
    """
    frames: list[tuple[Any, int, int]] = []
    while trace is not None and _is_wrapper(trace.tb_frame.f_code):
        trace = trace.tb_next
    while trace is not None and len(frames) < MAX_FRAMES:
        frames.append(_position(trace))
        trace = trace.tb_next
    more, deeper = 0, trace
    while deeper is not None:
        more += 1
        deeper = deeper.tb_next
    if more:
        half = MAX_FRAMES // 2
        for _ in range(more - half):
            trace = trace.tb_next  # type: ignore[union-attr]
        innermost = []
        while trace is not None:
            innermost.append(_position(trace))
            trace = trace.tb_next
        frames = frames[:half] + [*frames, *innermost][-half:]
    return frames, more


def _is_wrapper(code: Any) -> bool:
    """Tell whether code is that of the wrapper which has caught an error: the program's own stack begins below it."""
    return code.co_filename in _WRAPPERS or code.co_name == "obsv.hotpath.around.call_in_span"


def _position(trace: TracebackType) -> tuple[Any, int, int]:
    return trace.tb_frame.f_code, trace.tb_lasti, trace.tb_lineno or 0


_HERE = _position.__code__.co_filename
_WRAPPERS = frozenset([_HERE.replace("errors.py", f"{name}.py") for name in ("around", "passing_plain", "wrap")])


def _capture(error: BaseException, left: list[int], depth: int = 0) -> ErrorInfo:
    """Remember an exception, those that led to it, and the members of groups among them.

    Args:
        error: The exception.
        left: How many members, and exceptions that led to one, may still be kept.
        depth: How many groups it is in.
    """
    first = info = _capture_one(error)
    seen = {id(error)}
    for _ in range(MAX_CHAIN):
        if isinstance(error, BaseExceptionGroup) and depth < MAX_CHAIN:
            info.members = _members(error, left, depth + 1)
        if error.__cause__ is not None:
            following, info.explicit = error.__cause__, True
        elif error.__context__ is not None and not error.__suppress_context__:
            following = error.__context__
        else:
            break
        if id(following) in seen or (depth and left[0] <= 0):
            break
        left[0] -= 1 if depth else 0
        seen.add(id(following))
        info.cause = _capture_one(following)
        info, error = info.cause, following
    return first


def _members(group: BaseExceptionGroup[BaseException], left: list[int], depth: int) -> tuple[ErrorInfo, ...]:
    """Remember the exceptions of a group, as many as are left."""
    kept: list[ErrorInfo] = []
    try:
        for error in group.exceptions:
            if left[0] <= 0:
                break
            left[0] -= 1
            kept.append(_capture(error, left, depth))
    except Exception:  # noqa: BLE001 - a group of the user's own kind
        pass
    return tuple(kept)


def _text_now(error: BaseException) -> str | None:
    """Write a group or a syntax error out at once: their text needs more than is kept of others. Both are rare."""
    try:
        from traceback import TracebackException

        printed = TracebackException(type(error), error, error.__traceback__)
        printed.__cause__ = printed.__context__ = None  # the chain is ours; that of the group's members is printed here
        return _cut(redact_text("".join(printed.format())))
    except Exception:  # noqa: BLE001 - what the group holds may be anything: its frames are still there
        return None


def _stack(frames: list[tuple[Any, int, int]]) -> list[str]:
    from traceback import StackSummary

    return StackSummary.from_list([_frame(*frame) for frame in frames]).format()


def _frame(code: Any, instruction: int, line: int) -> Any:
    """Build what ``traceback`` prints of a frame, with the columns that it underlines."""
    from itertools import islice
    from traceback import FrameSummary

    unknown = (None, None, None, None)
    positions = next(islice(code.co_positions(), instruction // 2, None), unknown) if instruction >= 0 else unknown
    _, end_line, column, end_column = positions
    return FrameSummary(
        code.co_filename, line, code.co_name, lookup_line=False,
        end_lineno=end_line, colno=column, end_colno=end_column,
    )  # fmt: skip
