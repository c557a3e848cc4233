"""Run the extension under sanitizers, and count what a million operations leave behind: ``make sanitize``.

The extension is built a second time, with gcc's AddressSanitizer and UndefinedBehaviorSanitizer, below
``build/sanitize``; the tests of the hot path and ``tests/hostile`` run with it, and every process that they start.
Python's own allocator is off, so that the use of an object that is gone is seen. What CPython itself leaves at its end
is no finding: leaks are found by counting, with the extension as it is shipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
WORK = ROOT / "build" / "sanitize"
LIBRARY = WORK / "lib"
TESTS = ["tests/unit/hotpath", "tests/hostile"]
FLAGS = "-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g"
OPERATIONS = 1_000_000


def main(arguments: list[str]) -> int:
    """Build, run the tests (or those given), count; returns the exit status."""
    libraries = _libraries()
    if libraries is None:
        print("sanitize: gcc with libasan and libubsan is needed (Debian: apt install gcc)", file=sys.stderr)
        return 2
    _step("building the extension with the sanitizers")
    if not _build():
        return 1
    for report in WORK.glob("report.*"):
        report.unlink()
    _step("tests under AddressSanitizer and UndefinedBehaviorSanitizer")
    failed = _pytest(arguments or TESTS, **_sanitizers(libraries))
    reports = sorted(WORK.glob("report.*"))
    for report in reports:
        print(report.read_text(errors="replace")[:4_000])
    _step(f"{OPERATIONS:,} operations of each kind, and what is left of them")
    leaking = _pytest(["tests/hostile/test_leaks.py"], LEAK_OPERATIONS=str(OPERATIONS))
    print(f"\nsanitize: {len(reports)} findings; tests {_word(failed)}; counts {_word(leaking)}")
    return 1 if failed or leaking or reports else 0


def _libraries() -> list[str] | None:
    """Return the files of the two runtimes, None where gcc has none."""
    if shutil.which("gcc") is None:
        return None
    found = [
        subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    return found if all(os.path.isabs(each) for each in found) else None


def _build() -> bool:
    # -O1: with -O3 the sanitizers take gcc many minutes.
    environment = {"OBSV_CFLAGS": "-O1", "CFLAGS": FLAGS, "LDFLAGS": FLAGS, "OBSV_REQUIRE_EXT": "1", "CC": "gcc"}
    command = [sys.executable, "setup.py", "--quiet", "build", "--build-base", str(WORK), "--build-lib", str(LIBRARY)]
    done = subprocess.run(
        [*command, "-j", "2"], cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(f"sanitize: the build failed:\n{done.stdout[-2_000:]}{done.stderr[-2_000:]}", file=sys.stderr)
    return done.returncode == 0


def _sanitizers(libraries: list[str]) -> dict[str, str]:
    return {
        "LD_PRELOAD": " ".join(libraries),
        "ASAN_OPTIONS": f"detect_leaks=0:log_path={WORK / 'report'}",
        "UBSAN_OPTIONS": f"print_stacktrace=1:log_path={WORK / 'report'}",
        "PYTHONMALLOC": "malloc",
        "PYTHONPATH": str(LIBRARY),
        "OBSV_REQUIRE_EXT": "1",
    }


def _pytest(tests: list[str], **variables: str) -> bool:
    """Run tests; tell whether one failed."""
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", *tests]
    return subprocess.run(command, cwd=ROOT, env=os.environ | variables, check=False).returncode != 0


def _step(text: str) -> None:
    print(f"\n== {time.strftime('%H:%M:%S')} {text}", flush=True)


def _word(failed: bool) -> str:
    return "failed" if failed else "passed"


if __name__ == "__main__":
    try:
        raise SystemExit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
