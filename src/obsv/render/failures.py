"""What went wrong in a span, in one line: the exception and the place in the user's code where it came from."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..store.rows import SpanRow

# Frames of these folders are not the user's own code, as long as there is another one.
_OTHERS = ("site-packages", "dist-packages", "/lib/python", "<frozen", "/obsv/")


class Failure:
    """`text` is the line, `place` the source position or "", `trace` the whole stack trace or "".

    `key` is equal for the same error seen from another span. `vague`: it only says that something failed.
    `handled`: an exception was recorded in a span that went well.
    """

    __slots__ = ("handled", "key", "place", "text", "trace", "vague")

    def __init__(
        self, text: str, key: str = "", place: str = "", trace: str = "", vague: bool = False, handled: bool = False
    ) -> None:
        self.text = text
        self.key = key or text
        self.place = place
        self.trace = trace
        self.vague = vague
        self.handled = handled


def failures(span: SpanRow) -> list[Failure]:
    """The exceptions of a span, each once; for an error without one, what its status and attributes tell."""
    found: dict[str, Failure] = {}
    for event in span.events:
        if event.name == "exception":
            attributes = event.attributes
            kind, message = attributes.get("exception.type"), attributes.get("exception.message")
            text = headline(kind, message)
            # A status message names the class alone: "ValueError: no stock".
            key = headline(str(kind or "").rpartition(".")[2], message)
            trace = str(attributes.get("exception.stacktrace") or "")
            found[text] = Failure(text, key, origin(trace), trace, handled=not span.is_error)
    if span.is_error and not found:
        message = span.status_message
        if message:
            return [Failure(str(message))]
        status = span.attributes.get("http.response.status_code")
        text = f"HTTP {status}" if status else str(span.attributes.get("error.type") or "error")
        return [Failure(text, vague=True)]
    return list(found.values())


def headline(kind: object, message: object) -> str:
    """ "ValueError: no stock"; either part may be missing."""
    return ": ".join([str(part) for part in (kind, message) if part]) or "error"


def origin(trace: str) -> str:
    """Where an exception came from: "orders.py:44 in reserve", the innermost frame of the user's own code.

    `trace` is text as Python prints it: of chained exceptions the first one happened first, so its frames count.
    """
    first = trace.split("\nThe above exception", 1)[0].split("\nDuring handling of", 1)[0]
    own = innermost = ""
    for line in first.split("\n"):
        if line.startswith('  File "'):
            path, _, rest = line[8:].partition('", line ')
            number, _, function = rest.partition(", in ")
            if not number:
                continue
            innermost = f"{_short(path)}:{number}" + (f" in {function}" if function else "")
            if not any(part in path for part in _OTHERS):
                own = innermost
    return own or innermost


def _short(path: str) -> str:
    """The last two parts of a path."""
    return "/".join(path.replace("\\", "/").split("/")[-2:])
