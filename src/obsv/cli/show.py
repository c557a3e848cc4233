"""`obsv show`: the newest traces of the local store, and the waterfall of one of them."""

from __future__ import annotations

import argparse
import re
import sys
from typing import TYPE_CHECKING

from ..hotpath.jsontext import dumps
from ..render import tables
from ..render.look import Look, speaks_unicode
from ..render.waterfall import waterfall
from ..store.failure import StoreError
from ..store.reader import Reader

if TYPE_CHECKING:
    from typing import Any

    from ..store.rows import LogRow, SpanRow, Trace, TraceSummary

_CANDIDATES = 10
_MOST = 1_000_000_000  # SQLite takes no more than 64 bits


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `obsv show` takes."""
    parser.add_argument("trace_id", nargs="?", metavar="TRACE_ID", help="the trace to show; its first digits suffice")
    parser.add_argument("--full", action="store_true", help="fold nothing; show attributes, events and stack traces")
    parser.add_argument("--limit", type=_positive, default=20, metavar="N", help="how many traces to list (default 20)")
    parser.add_argument("--errors", action="store_true", help="list only traces with an error in them")
    parser.add_argument("--slow", action="store_true", help="list the slowest traces first")
    parser.add_argument("--service", metavar="NAME", help="list only traces in which this service took part")
    parser.add_argument("--db", metavar="PATH", help="the store's file (default: the setting local_path)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print what was asked for. Returns 0, or 1 with a line on stderr when there is nothing to show."""
    try:
        with Reader(arguments.db or _configured_path()) as reader:
            if arguments.trace_id:
                return _show(reader, arguments)
            return _list(reader, arguments)
    except StoreError as error:
        return _fail(error.reason)


def _list(reader: Reader, arguments: argparse.Namespace) -> int:
    rows = reader.traces(arguments.limit, errors=arguments.errors, slow=arguments.slow, service=arguments.service)
    if arguments.json:
        _print(_ascii("[" + ",\n ".join([dumps(_summary(row)) for row in rows]) + "]"))
        return 0
    if not rows:
        wanted = arguments.errors or arguments.service
        return _fail(f"no traces {'like that' if wanted else 'yet'}: {reader.path}")
    look = Look.of(sys.stdout)
    _print(*tables.traces(rows, look))
    return 0


def _show(reader: Reader, arguments: argparse.Namespace) -> int:
    prefix = arguments.trace_id
    found = reader.find(prefix, _CANDIDATES + 1)
    if not found:
        return _fail(f"no trace begins with {_quoted(prefix)} ({reader.path})")
    if len(found) > 1:
        more = len(found) > _CANDIDATES
        head = f"several traces begin with {_quoted(prefix)}{', the newest are' if more else ''}:"
        look = Look.of(sys.stderr)
        _fail(head)
        for row in found[:_CANDIDATES]:
            print(look.clip(f"  {row.trace_id}  {look.clean(row.name)}", look.width), file=sys.stderr)
        return 1
    trace = reader.trace(found[0].trace_id)
    if trace is None:  # pruned in this very moment
        return _fail(f"no trace begins with {_quoted(prefix)} ({reader.path})")
    if arguments.json:
        _print(_ascii(dumps(_trace(trace))))
    else:
        look = Look.of(sys.stdout, full=arguments.full)
        _print(*waterfall(trace.spans, trace.logs, look))
    return 0


def _summary(row: TraceSummary) -> dict[str, Any]:
    return {
        "trace_id": row.trace_id,
        "name": row.name,
        "service": row.service,
        "services": row.services,
        "start_ns": row.start_ns,
        "duration_ns": row.duration_ns,
        "total_ns": row.total_ns,
        "spans": row.spans,
        "logs": row.logs,
        "errors": row.errors,
        "error": row.error,
        "complete": row.complete,
    }


def _trace(trace: Trace) -> dict[str, Any]:
    return {
        "trace_id": trace.trace_id,
        "spans": [_span(span) for span in trace.spans],
        "logs": [_log(log) for log in trace.logs],
    }


def _span(span: SpanRow) -> dict[str, Any]:
    events = [{"name": e.name, "time_ns": e.time_ns, "attributes": e.attributes} for e in span.events]
    row = {name: getattr(span, name) for name in span.__slots__ if name != "trace_id"}
    return {**row, "events": events}


def _log(log: LogRow) -> dict[str, Any]:
    return {name: getattr(log, name) for name in log.__slots__ if name != "trace_id"}


def _ascii(text: str) -> str:
    """JSON that stdout can encode."""
    if text.isascii() or speaks_unicode(sys.stdout):
        return text
    import json

    return json.dumps(json.loads(text))


def _configured_path() -> str:
    from ..settings import resolve

    return resolve().local_path


def _quoted(text: str) -> str:
    return "'" + re.sub(r"[^ -~]", "?", text)[:40] + "'"


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError("must be a number") from None
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return min(number, _MOST)


def _fail(reason: str) -> int:
    print(f"obsv: {reason}", file=sys.stderr)
    return 1


def _print(*lines: str) -> None:
    for line in lines:
        print(line)
    sys.stdout.flush()
