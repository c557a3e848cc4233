"""One fresh process of one peer: ``python -m benchmarks.worker SCENARIO PEER URL`` prints its times as JSON."""

from __future__ import annotations

import json
import sys
import time

from .harness import BATCH
from .scenarios import load


def main() -> None:
    """Warm up, then run batches of operations with a flush after each."""
    scenario_name, peer_name, url = sys.argv[1:]
    scenario = load(scenario_name)
    peer = next(peer for peer in scenario.peers if peer.name == peer_name)
    run, flush = peer.start(url)
    run(BATCH)
    flush()
    batches = max(1, scenario.operations // BATCH)
    on_thread = 0
    cpu = time.process_time_ns()
    for _ in range(batches):
        begin = time.perf_counter_ns()
        run(BATCH)
        on_thread += time.perf_counter_ns() - begin
        flush()
    cpu = time.process_time_ns() - cpu
    operations = batches * BATCH
    print(json.dumps({"thread": on_thread / operations, "cpu": cpu / operations}))


if __name__ == "__main__":
    main()
