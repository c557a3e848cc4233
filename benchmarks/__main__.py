"""Run the benchmarks and print a table: ``python -m benchmarks [scenario ...] [--rounds 7]``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import harness, scenarios


def main() -> int:
    """Parse the arguments, run, print; the exit status is 1 when a bar is missed and ``--check`` was given."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("scenario", nargs="*", help=f"which to run (all): {', '.join(scenarios.names())}")
    parser.add_argument("--rounds", type=int, default=7, help="fresh processes for each peer (7)")
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent / "results", help="folder for pyperf's JSON"
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 when a bar is missed")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.scenario) - set(scenarios.names()))
    if unknown or arguments.rounds < 1:
        wrong = f"no scenario {', '.join(unknown)}" if unknown else "--rounds needs a number from 1"
        print(f"benchmarks: {wrong}; there are: {', '.join(scenarios.names())}", file=sys.stderr)
        return 2
    met = True
    for name in arguments.scenario or scenarios.names():
        result = harness.run(scenarios.load(name), arguments.rounds)
        print(harness.table(result))
        harness.save(result, arguments.output)
        met = met and result.met()
    return 1 if arguments.check and not met else 0


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except KeyboardInterrupt:
        raise SystemExit(130) from None
