"""``python -m pictures``: draw the pictures and fill the page from what is kept.

``--record`` runs the program first and keeps what arrives; ``--check`` changes nothing and says what is out of date.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from . import metrics, page, places, tables, traces

_TESTS = str(page.ROOT / "tests")

QUERY = """
fields @timestamp, level, message, exception.type, xray_trace_id
| filter level in ["WARNING", "ERROR"]
| sort @timestamp asc
"""


def load() -> dict[str, Any]:
    """Return what was kept."""
    kept: dict[str, Any] = json.loads(page.KEPT.read_text(encoding="utf-8"))
    return kept


def keep(record: dict[str, Any]) -> str:
    """Return a record as a file's text: a document a line, so that changes can be read."""
    parts = []
    for name, items in record.items():
        lines = ",\n".join([json.dumps(item, ensure_ascii=False, separators=(",", ":")) for item in items])
        parts.append(f'"{name}":[\n{lines}\n]')
    return "{" + ",\n".join(parts) + "}\n"


def drawings(record: dict[str, Any]) -> dict[str, str]:
    """Return the pictures by the names of their files."""
    flat = [line for each in record["metrics"] for line in each]
    return {
        "on-aws-trace-map.svg": traces.trace_map(record["documents"]),
        "on-aws-timeline.svg": traces.timeline(record["documents"][-1]),
        "on-aws-graph.svg": metrics.graph(record["metrics"]),
        "on-aws-metrics.svg": metrics.names([*flat, *record["runtime"]]),
        "on-aws-insights.svg": tables.insights(QUERY, found(record["logs"])),
        "on-aws-signals.svg": tables.signals(record["signals"]),
    }


def found(logs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what the query finds, by the reading of the query language that tests/insights.py has."""
    if _TESTS not in sys.path:
        sys.path.append(_TESTS)
    import insights  # type: ignore[import-not-found, unused-ignore]

    rows: list[dict[str, Any]] = insights.run(QUERY, [json.dumps(line) for line in logs])
    return rows


def block(name: str, record: dict[str, Any]) -> str:
    """Return the text of a block of the page."""
    kind, _, rest = name.partition(" ")
    if kind == "place":
        return places.table(rest)
    if rest == "query":
        return f"```insights\n{QUERY.strip()}\n```"
    chosen = {
        "segment": record["documents"][-1],
        "metric": next(line for line in record["metrics"][-1] if "http.server.request.duration" in line),
        "log": record["logs"][-1],
        "signal": record["signals"][0],
    }
    return page.as_json(chosen[rest])


def write(record: dict[str, Any], check: bool) -> list[str]:
    """Write everything that is made from a record, where it is another than it was; return the names of those."""
    wanted = {page.FOLDER / name: text for name, text in drawings(record).items()}
    wanted[page.KEPT] = keep(record)
    wanted[page.PAGE] = page.filled(page.PAGE.read_text(encoding="utf-8"), lambda name: block(name, record))
    stale = []
    for file, text in wanted.items():
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            stale.append(str(file.relative_to(page.ROOT)))
            if not check:
                file.parent.mkdir(exist_ok=True)
                file.write_text(text, encoding="utf-8")
    return stale


def record_here() -> dict[str, Any]:
    """Run the program against moto and a daemon that are started for it."""
    if _TESTS not in sys.path:
        sys.path.append(_TESTS)
    from moto.server import ThreadedMotoServer

    from collectors import XRayDaemon  # type: ignore[import-not-found, unused-ignore]

    from .recording import record

    class Moto:
        def __init__(self, host: str, port: int) -> None:
            self.url = f"http://{host}:{port}"
            self.port = port

    server, daemon = ThreadedMotoServer("127.0.0.1", port=0, verbose=False), XRayDaemon()
    server.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            return record(Moto(*server.get_host_and_port()), daemon, Path(folder))
    finally:
        daemon.stop()
        server.stop()


def main(arguments: list[str]) -> int:
    """Make everything new, or say what is not."""
    check = "--check" in arguments
    stale = write(record_here() if "--record" in arguments else load(), check)
    for name in stale:
        print(f"{name}: {'out of date' if check else 'written'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
