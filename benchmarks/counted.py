"""Count the instructions that a client's span adds to a call: ``python -m benchmarks.counted [client ...]``.

Those of the calling thread, by valgrind. Neither the processor's caches nor what else the machine does shows in them,
so they tell how much there is to do, where the client scenarios tell how long that takes.

With ``--misses`` it counts what a cache of the second level's size would have to fetch for that thread: valgrind plays
one, which the other threads use as well.
"""

from __future__ import annotations

import argparse
import gc
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from . import command, harness, setup
from .scenarios import clients
from .sink import running_sink

BARE = "bare"
WARM_UP = 10
FEW, MANY = 20, 70
"""Calls in the two processes whose difference is taken."""

Run = tuple[str, str, int]
"""Whose environment, what is instrumented there (or nothing), and how many calls."""

LEVEL_2 = Path("/sys/devices/system/cpu/cpu0/cache/index2")
"""Where Linux describes the cache."""

MISSES = ("ILmr", "DLmr", "DLmw")
"""What callgrind calls the misses of the last level: of code, of data that is read, of data that is written."""


def main() -> int:
    """Count and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.counted", description=__doc__)
    parser.add_argument("client", nargs="*", help=f"which of {', '.join(clients.MAKE)}")
    parser.add_argument("--misses", action="store_true", help="count misses of the second-level cache")
    parser.add_argument("--call", nargs=4, metavar=("CLIENT", "HOW", "URL", "COUNT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.call:
        client, how, url, count = arguments.call
        call(client, how, url, int(count))
    unknown = [client for client in arguments.client if client not in clients.MAKE]
    if unknown:
        return command.refused(f"no client {unknown[0]}; there are: {', '.join(clients.MAKE)}")
    missing = [name for name in clients.INSTRUMENT if not setup.ready(name)]
    if missing:
        return command.refused(f"no environment, or one out of date: {', '.join(missing)}; run make bench-setup first")
    if shutil.which("valgrind") is None:
        return command.refused(
            "no valgrind here, which counts the instructions: install it (Debian: apt install valgrind)"
        )
    names = [*clients.INSTRUMENT]
    print(_row("a call of", "bare", *[f"{name} adds" for name in names], "times less"))
    with running_sink() as url:
        for client in arguments.client or clients.MAKE:
            try:
                bare, adds = counted(client, url, simulated() if arguments.misses else [])
            except harness.FailedError as error:
                return command.refused(str(error))
            ratio = adds[names[1]] / adds[names[0]]
            print(_row(client, *[f"{count:,.0f}" for count in (bare, *adds.values())], f"{ratio:.1f}"), flush=True)
    return 0


def _row(client: str, *columns: str) -> str:
    return f"{client:10}" + "".join(f"{column:>20}" for column in columns)


def simulated(level_2: Path = LEVEL_2) -> list[str]:
    """Return what makes valgrind play the processor's second-level cache, of 512 KB where nobody knows its size.

    Valgrind knows two levels, and the last is the one whose misses count here.
    """
    try:
        size = 1024 * int((level_2 / "size").read_text().strip().removesuffix("K"))
        ways, line = [int((level_2 / name).read_text()) for name in ("ways_of_associativity", "coherency_line_size")]
    except (OSError, ValueError):
        size, ways, line = 512 * 1024, 8, 64
    return ["--cache-sim=yes", f"--LL={size},{ways},{line}"]


def counted(client: str, url: str, options: list[str]) -> tuple[float, dict[str, float]]:
    """Return the instructions or misses of a bare call, and what each contestant adds to one."""
    kinds = [(environment, how) for environment in clients.INSTRUMENT for how in (BARE, environment)]
    runs: list[Run] = [(*kind, count) for kind, count in product(kinds, (FEW, MANY))]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for _ in pool.map(lambda kind: _total(client, url, (*kind, 1), options), kinds):
            pass  # that writes what Python compiles of modules, which would be counted
        totals = dict(zip(runs, pool.map(lambda run: _total(client, url, run, options), runs), strict=True))

    def each(environment: str, how: str) -> float:
        return (totals[environment, how, MANY] - totals[environment, how, FEW]) / (MANY - FEW)

    bare = {environment: each(environment, BARE) for environment in clients.INSTRUMENT}
    return next(iter(bare.values())), {name: each(name, name) - bare[name] for name in bare}


def call(client: str, how: str, url: str, count: int) -> None:
    """Make so many calls, in the process that is counted, and end it."""
    if how != BARE:
        clients.INSTRUMENT[how](url, client)
    run = clients.MAKE[client](url)
    run(WARM_UP)
    gc.disable()
    run(count)
    os._exit(0)


def _total(client: str, url: str, run: Run, options: list[str]) -> int:
    environment, how, count = run
    variables = {name: value for name, value in os.environ.items() if not name.startswith(harness.FOREIGN)}
    with TemporaryDirectory() as folder:
        counting = ["valgrind", "--tool=callgrind", "--separate-threads=yes", f"--callgrind-out-file={folder}/counts"]
        counting += [*options, str(setup.interpreter(environment)), "-m", "benchmarks.counted"]
        done = subprocess.run(
            [*counting, "--call", client, how, url, str(count)],
            capture_output=True,
            text=True,
            timeout=harness.TIMEOUT,
            check=False,
            cwd=Path(__file__).parent.parent,
            env=variables | {"PYTHONHASHSEED": "0"},
        )
        if done.returncode:
            raise harness.FailedError(f"{client}, {how}: exit status {done.returncode}\n{done.stderr[-1500:].strip()}")
        return total(Path(folder, "counts-01").read_text())  # of the first thread


def total(counts: str) -> int:
    """Return the instructions in a file of callgrind's, or the misses of the last level where it has such.

    >>> total("events: Ir\\nsummary: 0\\ntotals: 17\\n")
    17
    >>> total("events: Ir Dr ILmr DLmr DLmw\\ntotals: 17 9 3 2 1\\n")
    6
    """
    events = re.search(r"^events: (.+)$", counts, re.MULTILINE)
    found = re.search(r"^totals: ([\d ]+)$", counts, re.MULTILINE)
    if events is None or found is None:
        raise harness.FailedError("valgrind has counted nothing")
    names = events[1].split()
    totals = dict(zip(names, map(int, found[1].split()), strict=False))  # zeros at the end are left out
    return sum(totals.get(name, 0) for name in (MISSES if MISSES[0] in names else ("Ir",)))


if __name__ == "__main__":
    command.run(main)
