"""Run the tests of OpenTelemetry's own SDK and API against obsv: ``make conformance``.

The sources of the installed versions come from PyPI, unpacked below ``build/conformance``. ``site/sitecustomize.py``
puts obsv's providers under the SDK's names, in the test process and in every program that a test starts. What is left
out stands in ``excluded.txt``, with a reason each. The last lines say how many spans obsv made meanwhile, so that
nobody passes a test with the SDK's own classes and takes it for a success.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
WORK = HERE.parent / "build" / "conformance"
COUNT = "CONFORMANCE_SPANS"
_SAFELY: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # since Python 3.11.4

SDK = "opentelemetry-sdk"
API = "opentelemetry-api"
RUNS = (  # the package, which of the SDK's providers is swapped for obsv's, and the tests
    (SDK, "traces", ["tests/trace", "tests/shared_internal", "tests/context", "tests/resources"]),
    (SDK, "traces", ["tests/test_configurator.py"]),  # alone: it leaves global providers behind
    (API, "traces", ["tests"]),
    (SDK, "metrics", ["tests/metrics"]),
    (SDK, "logs", ["tests/logs"]),
)


def main(arguments: list[str]) -> int:
    """Run everything, or only the test files given; returns the exit status."""
    utils = _utilities()
    folders = {name: _source(name) for name in (SDK, API)}
    excluded = _excluded()
    worst = 0
    with tempfile.NamedTemporaryFile(prefix="spans") as count:
        for name, signals, paths in RUNS:
            wanted = [path for path in paths if not arguments or any(a.startswith(path) for a in arguments)]
            if not wanted:
                continue
            print(f"\n== {name} {version(name)}: {' '.join(paths)}", flush=True)
            environment = {
                **{key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "OBSV_"))},
                "PYTHONPATH": os.pathsep.join([str(HERE / "site"), str(utils)]),
                "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
                COUNT: count.name,
                "CONFORMANCE_SIGNALS": signals,
            }
            left_out = [f"--deselect={test}" for test in excluded.get(name, [])]
            command = [sys.executable, "-m", "pytest", "-q", "-c", "pyproject.toml", "--disable-warnings", *left_out]
            tests = [a for a in arguments if any(a.startswith(path) for path in paths)] or paths
            worst |= subprocess.run([*command, *tests], cwd=folders[name], env=environment).returncode
        spans = sum(int(line) for line in Path(count.name).read_text().split())
    print(f"\n{spans:,} spans were made by obsv; {sum(map(len, excluded.values()))} tests are left out (excluded.txt)")
    if not arguments and spans < 150:  # recorded spans; those that were sampled out are not counted
        print("that is too few: the tests did not run on obsv")
        worst |= 1
    return worst


def _excluded() -> dict[str, list[str]]:
    """Read what is left out, by package: lines ``package test: reason``."""
    found: dict[str, list[str]] = {}
    for line in (HERE / "excluded.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            test, mark, reason = line.partition(": ")
            package, _, node = test.strip().partition(" ")
            if not (mark and node and reason.strip()):
                raise SystemExit(f"excluded.txt: no package, test and reason in {line!r}")
            found.setdefault(package, []).append(node)
    return found


def _source(name: str) -> Path:
    """Return the unpacked source of the installed version of a package."""
    folder = WORK / f"{name.replace('-', '_')}-{version(name)}"
    if not (folder / "tests").is_dir():
        with tempfile.TemporaryDirectory() as download:
            _pip("download", "--no-deps", "--no-binary", ":all:", "--dest", download, f"{name}=={version(name)}")
            [archive] = Path(download).iterdir()
            with tarfile.open(archive) as tar:
                tar.extractall(WORK, **_SAFELY)
    return folder


def _utilities() -> Path:
    """Return a folder with ``opentelemetry.test``, which the tests use and nobody else needs."""
    folder = WORK / "utilities"
    if not (folder / "opentelemetry" / "test").is_dir():
        _pip("install", "--no-deps", "--target", str(folder), "opentelemetry-test-utils")
    return folder


def _pip(*arguments: str) -> None:
    WORK.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments], check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
