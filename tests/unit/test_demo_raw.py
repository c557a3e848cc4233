"""What the demo says of its raw output when something is missing there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from servers import need

SHOP = Path(__file__).parents[2] / "examples" / "shop"
LACK = "X-Ray segments of storefront, orders, worker"

# In a process of its own: the demo's modules have names such as `sinks` and `report`.
CODE = """
import json, pathlib, sys
sys.path.insert(0, sys.argv[1])
from raw import raw_output
from report import Report
report = Report.__new__(Report)  # without its store of traces, which is not asked here
report.folder, report.missing = pathlib.Path(sys.argv[2]), []
report.section = report.write = lambda text="": None
raw_output(report)
print(json.dumps(report.missing))
"""


@pytest.mark.parametrize(
    ("names", "whole"),
    [
        (["storefront", "orders", "worker"], True),
        (["storefront", "orders", "worker", "redis"], True),
        ([], False),
        (["storefront", "orders"], False),
        (["storefront", "redis"], False),
        (["redis"], False),
    ],
)
def test_a_service_without_segments_is_missed(tmp_path: Path, names: list[str], whole: bool) -> None:
    need(SHOP.exists(), "there is no examples/shop here")
    (tmp_path / "xray").mkdir()
    lines = [line for name in names for line in ('{"format":"json","version":1}', json.dumps({"name": name}))]
    (tmp_path / "xray" / "datagrams.jsonl").write_text("".join(line + "\n" for line in lines))
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(SHOP), str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (LACK not in json.loads(done.stdout)) is whole
