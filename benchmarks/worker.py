"""One fresh process of one peer: ``python -m benchmarks.worker SCENARIO PEER URL OPERATIONS`` prints values as JSON.

What the peer itself writes to stdout (log lines, EMF) goes to a file that is gone at the end.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile

from .scenarios import load


def main() -> None:
    """Measure, then tell."""
    scenario_name, peer_name, url, operations = sys.argv[1:]
    scenario = load(scenario_name)
    peer = next(peer for peer in scenario.peers if peer.name == peer_name)
    answer = os.fdopen(os.dup(1), "w")
    with tempfile.TemporaryFile() as lines:
        os.dup2(lines.fileno(), 1)
        measured = peer.measure(url, int(operations))
        sys.stdout.flush()
        expected = int(measured.pop("lines", 0))
        if expected:
            lines.seek(0)
            written = sum(block.count(b"\n") for block in iter(lambda: lines.read(1 << 20), b""))
            if written < expected:
                raise SystemExit(f"{written} of {expected} lines were written")
    answer.write(json.dumps(measured) + "\n")
    answer.flush()
    os._exit(0)  # what a peer does at its end is no part of the scenario, and some take seconds


if __name__ == "__main__":
    main()
