"""Run the benchmarks and print tables: ``python -m benchmarks [scenario or group ...] [--rounds 7]``.

Without a name all scenarios run but the curves and the choices. Seven rounds or more are kept in
``benchmarks/results``, and README and docs are written from them; fewer go to ``build/bench/results``.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from . import command, harness, plots, readme, report, scenarios, setup, store

if TYPE_CHECKING:
    from .scenario import Scenario


def main() -> int:
    """Parse the arguments, run, print. Exit status 1: a contestant failed, or under --check a bar is missed."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("scenario", nargs="*", help="which to run; --list names them")
    parser.add_argument("--rounds", type=int, default=None, help=f"fresh processes for each peer ({store.ROUNDS})")
    parser.add_argument("--quick", action="store_true", help="one round of few operations: does all run?")
    parser.add_argument("--output", type=Path, default=None, help="folder for JSON and plots")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a bar is missed")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    arguments = parser.parse_args()
    if arguments.list:
        for group, members in scenarios.groups().items():
            print(f"{group}: {', '.join(member.name for member in members)}")
        return 0
    rounds = arguments.rounds if arguments.rounds is not None else 1 if arguments.quick else store.ROUNDS
    if rounds < 1:
        return command.refused(f"--rounds needs a number from 1, not {rounds}")
    try:
        chosen = scenarios.select(arguments.scenario)
    except KeyError as error:
        known = ", ".join(dict.fromkeys([*scenarios.groups(), *scenarios.names()]))
        return command.refused(f"no scenario {error.args[0]}; there are: {known}")
    missing = sorted({peer.environment for each in chosen for peer in each.peers if not setup.ready(peer.environment)})
    if missing:
        return command.refused(f"no environment, or one out of date: {', '.join(missing)}; run make bench-setup first")
    return _run(chosen, rounds, arguments)


def _run(chosen: list[Scenario], rounds: int, arguments: argparse.Namespace) -> int:
    colour = report.coloured(sys.stdout.isatty())
    about = store.machine()
    kept = rounds >= store.ROUNDS and not arguments.quick
    folder = arguments.output or (store.KEPT if kept else store.PASSING)
    where = ", ".join([about["python"], about["machine"], f"{about['cpus']} CPUs", about["date"]])
    print(f"{where}; {rounds} rounds, median (middle half)\n")
    results, failed = [], False
    begin = time.monotonic()
    for number, scenario in enumerate(chosen, 1):
        minutes = (time.monotonic() - begin) / 60
        place = f"{number} of {len(chosen)}, {minutes:.0f} min: " if len(chosen) > 1 else ""
        operations = scenario.quick_operations() if arguments.quick else None
        try:
            result = harness.run(scenario, rounds, operations, place)
        except harness.FailedError as error:
            print(f"benchmarks: {error}\n", file=sys.stderr)
            failed = True
            continue
        results.append(result)
        print(report.table(result, colour), flush=True)
        store.save(result, folder, {**about, "versions": store.named_versions(scenario)})
        plots.save(result, folder)
    if len(results) > 1:
        print(report.summary(results, colour))
        print(report.times(results))
    print(f"results and plots: {folder}")
    if folder == store.KEPT:
        readme.main([])
    return 1 if failed or (arguments.check and not all(map(report.all_met, results))) else 0


if __name__ == "__main__":
    command.run(main)
